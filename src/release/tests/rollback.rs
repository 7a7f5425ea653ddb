//! The way back: fired by a person, sent in order, read back until it is safe.

use super::tables::in_phase;
use super::*;

/// Fired on two targets; the first patch is on its way.
fn rolling_back() -> Play {
    in_phase(Phase::RollingBack)
}

/// Both patches are in; nothing is settled.
fn patched() -> Play {
    let mut play = rolling_back();
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(step_ended(1, 1, ACCEPTED));
    play
}

fn settle(play: &mut Play) {
    play.world(seen("app", RolloutState::Complete, old("app"), 9));
    play.world(seen("api", RolloutState::Complete, old("api"), 9));
}

fn states(play: &Play) -> Vec<PlanState> {
    play.state().rollback.iter().flat_map(|rollback| &rollback.plan).map(|step| step.state.clone()).collect()
}

#[test]
fn the_plan_patches_the_last_released_target_first_then_settles_in_that_order_then_reads() {
    let mut play = Play::deployed();
    let effects = play.ana(fired());
    let plan = &play.state().rollback.as_ref().expect("it is fired").plan;
    let actions: Vec<PlanAction> = plan.iter().map(|step| step.action.clone()).collect();
    assert_eq!(
        actions,
        [
            PlanAction::Patch(target("app")),
            PlanAction::Patch(target("api")),
            PlanAction::Settle(target("app")),
            PlanAction::Settle(target("api")),
            PlanAction::Clear,
        ]
    );
    assert_eq!(patches(&effects), [("app".to_owned(), 0, 1)]);
    assert_eq!(patches(&play.world(step_ended(0, 1, ACCEPTED))), [("api".to_owned(), 1, 1)]);
}

#[test]
fn a_patch_carries_the_pin_and_what_the_panel_showed() {
    let mut play = Play::deployed();
    let effects = play.ana(fired());
    let [Effect::RollBack(patch)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(patch.pin, pin("app"));
    let shown = patch.shown.as_ref().expect("the panel showed it");
    assert_eq!((shown.uid.as_str(), shown.template_print.clone()), ("uid-app", new("app")));
}

#[test]
fn a_rollback_is_safe_once_every_target_settled_and_what_was_bad_reads_pass() {
    let mut play = Play::deployed();
    play.world(read_as(ERRORS, Verdict::Fail));
    let bad = second(play.now).world;
    play.ana(fired());
    let fired_at = play.now;
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(step_ended(1, 1, ACCEPTED));
    settle(&mut play);
    assert_eq!(play.phase(), Phase::RollingBack, "the error rate still reads fail");
    play.now += 60;
    assert_eq!(play.world(read_as(ERRORS, Verdict::Pass)), [Effect::Ring]);
    assert_eq!(play.phase(), Phase::RolledBack);
    let safe = second(play.now).world;
    let rollback = play.state().rollback.as_ref().expect("it happened");
    let expected = (safe.duration_since(second(fired_at).world), Some(safe.duration_since(bad)));
    assert_eq!(rollback.time_to_safe(), Some(expected));
    assert_eq!(rollback.accepted_ms, Some(80));
    assert_eq!(play.state().ended_at, Some(second(play.now)));
}

/// Kubernetes numbers the revision anew when an old template comes back: 7 returns as 9.
#[test]
fn a_target_settles_by_the_print_of_its_template_whatever_its_revision() {
    let mut play = patched();
    play.world(seen("app", RolloutState::Complete, new("app"), 7));
    assert!(!matches!(states(&play)[2], PlanState::Done { .. }), "revision 7 of another template is not it");
    play.world(seen("app", RolloutState::Complete, old("app"), 41));
    assert!(matches!(states(&play)[2], PlanState::Done { .. }));
}

#[test]
fn only_a_complete_rollout_settles() {
    for state in [
        RolloutState::Progressing,
        RolloutState::Settling,
        RolloutState::Stuck,
        RolloutState::Paused,
        RolloutState::Unobserved,
        RolloutState::Unknown,
        RolloutState::Superseded,
    ] {
        let mut play = patched();
        play.world(seen("app", state, old("app"), 9));
        assert!(!matches!(states(&play)[2], PlanState::Done { .. }), "{state:?}");
        assert_eq!(play.phase(), Phase::RollingBack, "{state:?}");
    }
}

#[test]
fn safe_waits_for_health() {
    let mut play = patched();
    play.world(Fact::HealthChanged { healthy: false, summary: "db down".to_owned() });
    settle(&mut play);
    assert_eq!(play.release.rollback_missing(), ["health (db down)"]);
    play.world(Fact::HealthChanged { healthy: true, summary: "healthy".to_owned() });
    assert_eq!(play.phase(), Phase::RolledBack);
}

#[test]
fn a_target_that_is_already_as_pinned_needs_no_patch() {
    let mut play = rolling_back();
    play.world(step_ended(0, 1, StepResult::AlreadyThere));
    play.world(step_ended(1, 1, ACCEPTED));
    settle(&mut play);
    assert_eq!(play.phase(), Phase::RolledBack);
}

#[test]
fn an_api_server_that_cannot_be_reached_is_asked_again_on_the_wall_clock() {
    let mut play = rolling_back();
    for (attempt, wait) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5)] {
        let effects = play.world(step_ended(0, attempt, failed(FailureKind::Unreachable)));
        let until = second(play.now + wait).wall;
        let timer = Timer::RollbackRetry { step: 0, attempt };
        assert_eq!(effects, [Effect::WakeAt { at: WakeTime::Wall(until), timer: timer.clone() }]);
        assert_eq!(play.phase(), Phase::RollingBack, "it is queued, not lost");
        let again = play.world(Fact::Woke { timer: timer.clone() });
        assert_eq!(patches(&again), [("app".to_owned(), 0, attempt + 1)]);
        play.changes_nothing(Fact::Woke { timer });
    }
    play.world(step_ended(0, 6, ACCEPTED));
    assert!(matches!(states(&play)[0], PlanState::Done { .. }));
}

#[test]
fn a_queued_rollback_can_be_withdrawn_and_leaves_the_release_where_it_was() {
    for before in [Phase::Running, Phase::Held, Phase::Completed, Phase::Aborted] {
        let mut play = in_phase(before);
        play.ana(fired());
        play.world(step_ended(0, 1, failed(FailureKind::Unreachable)));
        play.ana(Fact::RollbackCancelled);
        assert_eq!(play.phase(), before);
        assert_eq!(play.state().rollback, None);
        let timer = Timer::RollbackRetry { step: 0, attempt: 1 };
        play.changes_nothing(Fact::Woke { timer });
    }
}

#[test]
fn a_rollback_that_was_sent_cannot_be_withdrawn() {
    let mut play = rolling_back();
    assert!(play.refused(Fact::RollbackCancelled).contains("already been sent"));
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(step_ended(1, 1, failed(FailureKind::Unreachable)));
    assert!(play.refused(Fact::RollbackCancelled).contains("already been sent"));
}

/// No answer in time is not "never arrived": the API server may have done it.
#[test]
fn a_patch_that_may_have_arrived_cannot_be_withdrawn() {
    let mut play = rolling_back();
    play.world(step_ended(0, 1, failed(FailureKind::TimedOut)));
    assert!(play.refused(Fact::RollbackCancelled).contains("may have"));

    let mut play = rolling_back();
    play.world(Fact::Reopened);
    play.world(step_ended(0, 2, failed(FailureKind::Unreachable)));
    assert!(play.refused(Fact::RollbackCancelled).contains("may have"));
}

#[test]
fn a_patch_that_is_refused_fails_the_rollback_and_another_y_does_the_rest_only() {
    for kind in [FailureKind::Rejected, FailureKind::Refused, FailureKind::Changed] {
        let mut play = rolling_back();
        play.world(step_ended(0, 1, ACCEPTED));
        assert_eq!(play.world(step_ended(1, 1, failed(kind))), [Effect::Ring], "{kind:?}");
        assert_eq!(play.phase(), Phase::RollbackFailed);
        let failure = play.state().rollback.as_ref().and_then(|rollback| rollback.failure.clone());
        assert_eq!(failure.as_deref(), Some("connection refused"));
        let effects = play.ana(fired());
        assert_eq!(patches(&effects).iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["api"]);
        play.world(step_ended(1, patches(&effects)[0].2, ACCEPTED));
        settle(&mut play);
        assert_eq!(play.phase(), Phase::RolledBack, "{kind:?}");
        assert_eq!(play.state().rollback.as_ref().and_then(|rollback| rollback.failure.clone()), None);
    }
}

/// The first `Y` was answered already: an answer to it must not pass for one to the second.
#[test]
fn an_answer_to_the_first_y_is_not_taken_for_one_to_the_second() {
    let mut play = rolling_back();
    play.world(step_ended(0, 1, failed(FailureKind::Changed)));
    play.ana(fired());
    play.changes_nothing(step_ended(0, 1, ACCEPTED));
}

#[test]
fn a_target_that_does_not_settle_fails_the_rollback_and_may_still_come_round() {
    for state in [RolloutState::Failed, RolloutState::Gone] {
        let mut play = patched();
        assert_eq!(play.world(seen("app", state, old("app"), 9)), [Effect::Ring]);
        assert_eq!(play.phase(), Phase::RollbackFailed);
        assert_eq!(play.world(seen("app", state, old("app"), 9)), [], "it rings once");
        settle(&mut play);
        assert_eq!(play.phase(), Phase::RolledBack, "{state:?}");
    }
}

#[test]
fn a_patch_whose_answer_was_lost_in_a_crash_is_sent_again() {
    let mut play = rolling_back();
    assert_eq!(patches(&play.world(Fact::Reopened)), [("app".to_owned(), 0, 2)]);
    play.changes_nothing(step_ended(0, 1, ACCEPTED));
    assert_eq!(patches(&play.world(step_ended(0, 2, ACCEPTED))), [("api".to_owned(), 1, 1)]);
}

#[test]
fn a_queued_patch_is_sent_again_after_a_crash_and_its_old_alarm_is_deaf() {
    let mut play = rolling_back();
    play.world(step_ended(0, 1, failed(FailureKind::Unreachable)));
    assert_eq!(patches(&play.world(Fact::Reopened)), [("app".to_owned(), 0, 2)]);
    play.changes_nothing(Fact::Woke { timer: Timer::RollbackRetry { step: 0, attempt: 1 } });
}

#[test]
fn what_is_settled_already_is_not_patched_again_after_a_crash() {
    let mut play = patched();
    assert_eq!(patches(&play.world(Fact::Reopened)), []);
}

#[test]
fn late_and_repeated_answers_to_a_patch_change_nothing() {
    let mut play = patched();
    for result in [ACCEPTED, StepResult::AlreadyThere, failed(FailureKind::Rejected)] {
        play.changes_nothing(step_ended(0, 1, result.clone()));
        play.changes_nothing(step_ended(1, 7, result.clone()));
        play.changes_nothing(step_ended(2, 1, result.clone()));
        play.changes_nothing(step_ended(99, 1, result));
    }
}

#[test]
fn a_rollback_is_fired_from_every_state_in_which_something_may_have_changed() {
    for phase in [Phase::Running, Phase::Held, Phase::Completed, Phase::Aborted] {
        let mut play = in_phase(phase);
        assert_eq!(patches(&play.ana(fired())).len(), 1, "{phase:?}");
        play.world(step_ended(0, 1, ACCEPTED));
        play.world(step_ended(1, 1, ACCEPTED));
        settle(&mut play);
        assert_eq!(play.phase(), Phase::RolledBack, "{phase:?}");
        assert_eq!(play.state().hold, None);
    }
}

#[test]
fn firing_stops_a_command_that_would_work_against_it() {
    let mut play = Play::at_command("production-deployment/command-1");
    play.start("production-deployment/command-1");
    let effects = play.ana(fired());
    let stop = Effect::Stop { command: "production-deployment/command-1".into(), attempt: 1 };
    assert_eq!(effects.first(), Some(&stop));
    assert_eq!(patches(&effects).len(), 1);
}

#[test]
fn without_a_pin_there_is_nothing_to_fire_and_the_words_name_the_way_out() {
    let mut play = Play::opened();
    play.ana(Play::begin());
    assert!(play.refused(fired()).contains("the document's own rollback commands"));
}

#[test]
fn a_way_back_that_is_known_to_be_broken_is_not_fired() {
    let mut play = Play::deployed();
    let broken = Outcome::Broken("forbidden".to_owned());
    play.world(Fact::Armed { findings: vec![finding("api", Outcome::Fine), finding("app", broken)] });
    assert!(play.refused(fired()).contains("forbidden"));
    let unknown = Outcome::Unknown("no answer".to_owned());
    play.world(Fact::Armed { findings: vec![finding("app", unknown)] });
    assert_eq!(patches(&play.ana(fired())).len(), 1, "not proven is not broken: it goes out");
}

#[test]
fn what_runs_after_production_started_is_never_pinned_as_known_good() {
    let mut play = Play::opened();
    play.ana(Play::begin());
    let mut play = play.until(&Current::Command("production-deployment/command-1".into()));
    play.start("production-deployment/command-1");
    play.changes_nothing(Fact::Pinned { pins: pins(), routes: vec![] });

    let mut play = Play::begun();
    play.changes_nothing(Fact::Pinned { pins: vec![pin("app")], routes: vec![] });
}

#[test]
fn pinning_arms_the_way_back_and_so_does_every_end_of_a_command() {
    let mut play = Play::opened();
    assert_eq!(
        play.world(Fact::Pinned { pins: pins(), routes: vec![] }),
        [Effect::Arm { pins: pins(), routes: vec![] }]
    );
    let mut play = Play::at_command("prepare/command-1");
    play.start("prepare/command-1");
    let effects = play.world(ended("prepare/command-1", 1, Exit::Code(0)));
    assert!(effects.contains(&Effect::Arm { pins: pins(), routes: vec![] }), "{effects:?}");
}

#[test]
fn a_reason_may_be_given_after_the_key() {
    let mut play = rolling_back();
    play.ana(Fact::RollbackReason { reason: "orders fail".to_owned() });
    let rollback = play.state().rollback.as_ref().expect("it is fired");
    assert_eq!(rollback.reason.as_deref(), Some("orders fail"));
}

#[test]
fn the_line_at_the_bottom_says_whether_the_key_would_work() {
    use ArmingState::{Armed, Degraded, Disarmed, NotProven};
    let targets = [target("api"), target("app")];
    let fine = || vec![finding("api", Outcome::Fine), finding("app", Outcome::Fine)];
    let with = |outcome: Outcome| vec![finding("api", Outcome::Fine), finding("app", outcome)];
    let word = || "the old ReplicaSet is gone".to_owned();
    let now = second(100);
    let rows = [
        (pins(), fine(), Some(now), Armed),
        (pins(), with(Outcome::Limited(word())), Some(now), Degraded),
        (pins(), with(Outcome::Unknown(word())), Some(now), Degraded),
        (pins(), with(Outcome::Broken(word())), Some(now), Disarmed),
        (pins(), with(Outcome::Broken(word())), None, Disarmed),
        (pins(), fine(), Some(second(40)), Armed),
        (pins(), fine(), Some(second(39)), NotProven),
        (pins(), fine(), None, NotProven),
        (pins(), Vec::new(), Some(now), NotProven),
        (vec![pin("app")], fine(), Some(now), Degraded),
        (Vec::new(), Vec::new(), Some(now), NotProven),
    ];
    for (pins, findings, checked, expected) in rows {
        let found = arming(&targets, &pins, &[], &findings, checked, now);
        assert_eq!(found.state, expected, "{pins:?} {findings:?} {checked:?}");
    }
    assert_eq!(arming(&[], &[], &[], &[], Some(now), now).state, Degraded);
}
