//! Time in which nothing was seen is neither standstill nor calm.

use super::*;

/// Ten minutes without sight that begin at `from`; the last judgement was made then, too.
fn blind(history: &mut RolloutHistory, from: i64) -> i64 {
    history.lose_sight(at(from));
    from + 600
}

fn seen(facts: &WorkloadFacts, history: &mut RolloutHistory, second: i64) -> RolloutVerdict {
    judge(facts, &Expectation::watching(), history, at(second))
}

#[test]
fn a_rollout_that_nobody_saw_did_not_stand_still() {
    let facts = waiting("ContainerCreating", "");
    let mut history = RolloutHistory::default();
    seen(&facts, &mut history, 0);
    seen(&facts, &mut history, 50);
    let back = blind(&mut history, 50);
    let verdict = seen(&facts, &mut history, back);
    assert_eq!((verdict.state, verdict.wake_at), (RolloutState::Progressing, Some(at(back + 70))));
    assert_eq!(seen(&facts, &mut history, back + 69).state, RolloutState::Progressing);
    let verdict = seen(&facts, &mut history, back + 70);
    assert_eq!(verdict.state, RolloutState::Stuck);
    assert_eq!(verdict.field, "available 3 < 4, no progress for 120 s", "only what was seen is counted");
}

#[test]
fn what_had_begun_to_hold_before_the_outage_has_to_hold_anew() {
    let mut history = RolloutHistory::default();
    seen(&up("v2"), &mut history, 0);
    let back = blind(&mut history, 8);
    let verdict = seen(&up("v2"), &mut history, back);
    assert_eq!((verdict.state, verdict.wake_at), (RolloutState::Settling, Some(at(back + 10))));
    assert_eq!(verdict.field, "ready for 0 of 10 s");
    assert_eq!(seen(&up("v2"), &mut history, back + 10).state, RolloutState::Complete);
}

#[test]
fn what_was_complete_before_the_outage_is_complete_after_it() {
    let mut history = RolloutHistory::default();
    seen(&up("v2"), &mut history, 0);
    assert_eq!(seen(&up("v2"), &mut history, 10).state, RolloutState::Complete);
    let back = blind(&mut history, 11);
    assert_eq!(seen(&up("v2"), &mut history, back).state, RolloutState::Complete);
}

#[test]
fn a_restart_that_nobody_saw_is_known_by_its_count() {
    let mut history = RolloutHistory::default();
    seen(&up("v2"), &mut history, 0);
    let back = blind(&mut history, 5);
    let mut facts = up("v2");
    facts.pods[1].containers[0].restarts = 1;
    let verdict = seen(&facts, &mut history, back);
    assert_eq!((verdict.state, verdict.decider), (RolloutState::Failed, "containerStatuses.restartCount"));
}

#[test]
fn a_crash_loop_that_began_in_the_outage_fails_on_return() {
    let mut history = RolloutHistory::default();
    seen(&waiting("ContainerCreating", ""), &mut history, 0);
    let back = blind(&mut history, 5);
    let verdict = seen(&all_waiting("CrashLoopBackOff", ""), &mut history, back);
    assert_eq!((verdict.state, verdict.reason()), (RolloutState::Failed, Some("CrashLoopBackOff")));
}

#[test]
fn a_probe_is_given_its_time_although_nobody_saw_it_fail() {
    let mut facts = waiting("", "");
    let container = &mut facts.pods[3].containers[0];
    container.state = ContainerState::Running { since: None };
    container.readiness = Some(probe());
    let mut history = RolloutHistory::default();
    let until = seen(&facts, &mut history, 0).wake_at.expect("its time ends");
    let window = until.duration_since(at(0)).as_secs();
    let back = blind(&mut history, 1);
    let verdict = seen(&facts, &mut history, back);
    assert_eq!((verdict.state, verdict.wake_at), (RolloutState::Progressing, Some(at(back + window - 1))));
    assert_eq!(seen(&facts, &mut history, back + window).state, RolloutState::Stuck);
}

#[test]
fn a_revision_that_is_late_is_waited_for_with_open_eyes() {
    let facts = WorkloadFacts { target_revision: None, revisions: vec![], ..up("v2") };
    let mut history = RolloutHistory::default();
    assert_eq!(seen(&facts, &mut history, 0).state, RolloutState::Unobserved);
    let back = blind(&mut history, 1);
    assert_eq!(seen(&facts, &mut history, back).state, RolloutState::Unobserved);
    assert_eq!(seen(&facts, &mut history, back + 2).state, RolloutState::Unknown);
}

#[test]
fn our_own_limit_counts_no_outage_and_a_deadline_of_the_cluster_stays_due() {
    let mut facts = waiting("ContainerCreating", "");
    facts.target.kind = Kind::DaemonSet;
    let expect = expecting(ExpectedTemplate::Any);
    let mut history = RolloutHistory::default();
    judge(&facts, &expect, &mut history, at(0));
    let back = blind(&mut history, 10);
    assert_eq!(judge(&facts, &expect, &mut history, at(back)).state, RolloutState::Progressing);
    assert_eq!(judge(&facts, &expect, &mut history, at(back + 290)).state, RolloutState::Failed);

    // Kubernetes measured this one, and its controller was not blind.
    let mut facts = waiting("ContainerCreating", "");
    let mut history = RolloutHistory::default();
    judge(&facts, &expect, &mut history, at(0));
    let back = blind(&mut history, 10);
    facts.conditions.push(Condition {
        kind: "Progressing".into(),
        status: "False".into(),
        reason: "ProgressDeadlineExceeded".into(),
        message: String::new(),
        last_update: None,
    });
    let verdict = judge(&facts, &expect, &mut history, at(back));
    assert_eq!((verdict.state, verdict.decider), (RolloutState::Failed, "Progressing.reason"));
}

#[test]
fn what_was_seen_in_the_middle_of_an_outage_ends_only_the_time_before_it() {
    let facts = waiting("ContainerCreating", "");
    let mut history = RolloutHistory::default();
    seen(&facts, &mut history, 0);
    let half = blind(&mut history, 100) - 300;
    assert_eq!(seen(&facts, &mut history, half).state, RolloutState::Progressing);
    history.lose_sight(at(half));
    history.lose_sight(at(half + 100));
    assert_eq!(seen(&facts, &mut history, half + 300).state, RolloutState::Progressing);
    assert_eq!(seen(&facts, &mut history, half + 319).state, RolloutState::Progressing);
    assert_eq!(seen(&facts, &mut history, half + 320).state, RolloutState::Stuck);
}
