//! StatefulSets: ordinals, partition, deletion by hand, and the trap.

use super::*;

fn ordinals(partition: u32) -> UpdateStrategy {
    UpdateStrategy::Ordinals { start: 0, partition, in_order: true }
}

/// A StatefulSet of four, each pod of the given revision and ready.
pub(super) fn set_of(tags: [&str; 4]) -> WorkloadFacts {
    let mut facts = up("v2");
    facts.target.kind = Kind::StatefulSet;
    facts.target.name = "db".into();
    facts.strategy = ordinals(0);
    facts.progress_deadline_s = None;
    facts.target_revision = Some("app-v2".into());
    facts.stable_revision = Some("app-v2".into());
    facts.revisions = vec![set("v2"), set("v1")];
    facts.pods = tags.iter().enumerate().map(|(n, tag)| db(tag, n).into()).collect();
    facts.updated = tags.iter().filter(|tag| **tag == "v2").count() as u32;
    if facts.updated < 4 {
        facts.stable_revision = Some("app-v1".into());
    }
    facts
}

fn db(tag: &str, n: usize) -> PodFacts {
    PodFacts { name: format!("db-{n}"), ..pod(tag, n) }
}

fn unready(facts: &mut WorkloadFacts, n: usize, state: ContainerState) {
    facts.ready -= 1;
    facts.available -= 1;
    facts.pods[n].ready = false;
    facts.pods[n].containers[0].ready = false;
    facts.pods[n].containers[0].state = state;
}

fn crash_loop() -> ContainerState {
    ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }
}

fn creating() -> ContainerState {
    ContainerState::Waiting { reason: "ContainerCreating".into(), message: String::new() }
}

fn running() -> ContainerState {
    ContainerState::Running { since: Some(at(-5)) }
}

#[test]
fn a_statefulset_progresses_ordinal_by_ordinal_and_completes() {
    let mut history = RolloutHistory::default();
    let expect = Expectation::watching();
    let mut facts = set_of(["v1", "v1", "v1", "v2"]);
    unready(&mut facts, 3, creating());
    let verdict = judge(&facts, &expect, &mut history, at(0));
    assert_eq!((verdict.state, verdict.field.as_str()), (RolloutState::Progressing, "updated 1 < 4"));
    assert_eq!(verdict.decider, "status.updatedReplicas");
    let all = set_of(["v2"; 4]);
    assert_eq!(judge(&all, &expect, &mut history, at(5)).state, RolloutState::Settling);
    let last = judge(&all, &expect, &mut history, at(15));
    assert_eq!((last.state, last.decider), (RolloutState::Complete, "status.availableReplicas"));
}

#[test]
fn kubectl_calls_a_statefulset_done_before_its_controller_does() {
    let mut facts = set_of(["v2"; 4]);
    facts.stable_revision = Some("app-v1".into());
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Progressing);
    assert_eq!(verdict.field, "currentRevision app-v1 is not yet app-v2");
    assert_eq!(verdict.decider, "status.currentRevision");
}

#[test]
fn a_partition_is_complete_with_a_warning_that_names_what_it_keeps() {
    let mut facts = set_of(["v1", "v1", "v2", "v2"]);
    facts.strategy = ordinals(2);
    let mut history = RolloutHistory::default();
    judge(&facts, &Expectation::watching(), &mut history, at(0));
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(10));
    assert_eq!(verdict.state, RolloutState::Complete);
    assert_eq!(verdict.warning.as_deref(), Some("partition 2: db-0, db-1 stay on app-v1"));
    facts.strategy = ordinals(1);
    assert_eq!(judged(&facts).field, "updated 2 < 3");
}

#[test]
fn a_partition_counts_from_the_first_ordinal() {
    let mut facts = set_of(["v1", "v2", "v2", "v2"]);
    facts.strategy = UpdateStrategy::Ordinals { start: 5, partition: 1, in_order: true };
    for (n, pod) in facts.pods.iter_mut().enumerate() {
        pod.name = format!("db-{}", n + 5);
    }
    assert_eq!(crate::watch::rollout::statefulset::index_of(&facts, &facts.pods[3]), Some(3));
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Settling);
    assert_eq!(verdict.warning.as_deref(), Some("partition 1: db-5 stays on app-v1"));
}

#[test]
fn a_partition_above_all_ordinals_changes_nothing_and_says_so() {
    let mut facts = set_of(["v1"; 4]);
    facts.strategy = ordinals(9);
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Complete);
    assert_eq!(verdict.warning.as_deref(), Some("partition 9: db-0, db-1, db-2 and 1 more stay on app-v1"));
}

#[test]
fn an_unready_pod_below_the_partition_still_counts_and_is_named() {
    let mut facts = set_of(["v1", "v1", "v2", "v2"]);
    facts.strategy = ordinals(2);
    unready(&mut facts, 0, crash_loop());
    let verdict = judged(&facts);
    assert_eq!((verdict.state, verdict.field.as_str()), (RolloutState::Progressing, "ready 3 < 4"));
    assert_eq!(verdict.trouble.unwrap().pod.as_deref(), Some("db-0"));
}

#[test]
fn deletion_by_hand_waits_for_a_person_and_names_the_pods() {
    let mut facts = set_of(["v1", "v1", "v2", "v1"]);
    facts.strategy = UpdateStrategy::OnDelete;
    let mut history = RolloutHistory::default();
    let expect = Expectation { started_at: Some(at(0)), ..Expectation::watching() };
    for seconds in [0, 9_000] {
        let verdict = judge(&facts, &expect, &mut history, at(seconds));
        assert_eq!((verdict.state, verdict.decider), (RolloutState::Paused, "spec.updateStrategy.type"));
        let words = "OnDelete: db-0, db-1, db-3 still run the old revision: delete them to go on";
        assert_eq!(verdict.field, words);
    }
    facts.pods[0].ending = true;
    facts.pods[1].ending = true;
    let words = "OnDelete: db-3 still runs the old revision: delete it to go on";
    assert_eq!(judge(&facts, &expect, &mut history, at(9_001)).field, words);
    let mut done = set_of(["v2"; 4]);
    done.strategy = UpdateStrategy::OnDelete;
    // The controller never moves currentRevision under OnDelete.
    done.stable_revision = Some("app-v1".into());
    assert_eq!(judge(&done, &expect, &mut history, at(9_002)).state, RolloutState::Settling);
    assert_eq!(judge(&done, &expect, &mut history, at(9_012)).state, RolloutState::Complete);
}

/// The bad template was taken back, and the pod that never came up stays: updateRevision and
/// currentRevision are equal again, and nothing moves.
fn trapped_after_a_revert(state: ContainerState) -> WorkloadFacts {
    let mut facts = set_of(["v2", "v2", "v2", "v1"]);
    facts.stable_revision = Some("app-v2".into());
    unready(&mut facts, 3, state);
    facts
}

#[test]
fn a_pod_that_blocks_after_a_revert_is_named_at_once_with_the_way_out() {
    let verdict = judged(&trapped_after_a_revert(crash_loop()));
    assert_eq!(verdict.state, RolloutState::Stuck);
    assert_eq!(verdict.decider, "metadata.labels.controller-revision-hash");
    assert_eq!(
        verdict.field,
        "delete pod db-3: it is not ready on app-v1, and is not replaced before it is ready"
    );
    let trouble = verdict.trouble.unwrap();
    assert_eq!((trouble.pod.as_deref(), trouble.reason.as_str()), (Some("db-3"), "CrashLoopBackOff"));
}

#[test]
fn a_pod_that_blocks_an_ordinary_update_is_named_too() {
    let mut facts = set_of(["v1", "v1", "v1", "v1"]);
    unready(&mut facts, 1, crash_loop());
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Stuck);
    assert!(verdict.field.starts_with("delete pod db-1:"), "{}", verdict.field);
}

#[test]
fn a_pod_without_a_reason_is_a_trap_after_ten_minutes() {
    let facts = trapped_after_a_revert(running());
    let mut history = RolloutHistory::default();
    let expect = Expectation { stuck_after_s: 9_999, ..Expectation::watching() };
    let before = judge(&facts, &expect, &mut history, at(594));
    assert_eq!(before.state, RolloutState::Progressing);
    assert_eq!(before.wake_at, Some(at(595)), "ten minutes after it became unready at -5");
    let after = judge(&facts, &expect, &mut history, at(595));
    assert_eq!(after.state, RolloutState::Stuck);
    assert!(after.field.starts_with("delete pod db-3:"));
}

#[test]
fn the_trap_is_only_for_pods_that_the_controller_will_not_replace() {
    let mut ending = trapped_after_a_revert(crash_loop());
    ending.pods[3].ending = true;
    let mut failed = trapped_after_a_revert(crash_loop());
    failed.pods[3].phase = "Failed".into();
    let mut lower_first = trapped_after_a_revert(crash_loop());
    unready(&mut lower_first, 0, creating());
    let mut beyond = trapped_after_a_revert(crash_loop());
    beyond.spec_replicas = 3;
    let mut parallel = trapped_after_a_revert(crash_loop());
    parallel.strategy = UpdateStrategy::Ordinals { start: 0, partition: 0, in_order: false };
    for facts in [ending, failed, lower_first, beyond, parallel] {
        let verdict = judged(&facts);
        assert!(!verdict.field.contains("delete pod"), "{}", verdict.field);
    }
}

#[test]
fn a_pod_whose_name_was_worn_by_another_before_is_not_judged_by_its_events() {
    let mut facts = trapped_after_a_revert(running());
    facts.pods[3].containers[0].readiness = Some(probe());
    facts.events.push(WarningEvent {
        uid: "e".into(),
        at: Some(at(-400)),
        about: "Pod/db-3".into(),
        reason: "Unhealthy".into(),
        message: "Readiness probe failed: 503".into(),
        count: 9,
    });
    let trouble = judged(&facts).trouble.unwrap();
    assert_eq!(trouble.message, "GET :8080/health");
    facts.events[0].at = Some(at(-1));
    let trouble = judged(&facts).trouble.unwrap();
    assert_eq!(trouble.message, "GET :8080/health: Readiness probe failed: 503 ×9");
}

#[test]
fn the_first_new_pod_in_a_crash_loop_fails_the_update_at_once() {
    let mut facts = set_of(["v1", "v1", "v1", "v2"]);
    unready(&mut facts, 3, crash_loop());
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Failed);
    assert_eq!(verdict.decider, "containerStatuses.waiting.reason");
    assert_eq!(verdict.field, "the only new pod is doomed, updated 1 < 4");
}

#[test]
fn our_own_limit_fails_only_what_we_saw_begin() {
    let mut facts = set_of(["v1", "v1", "v1", "v2"]);
    unready(&mut facts, 3, creating());
    let mut history = RolloutHistory::default();
    judge(&facts, &Expectation::watching(), &mut history, at(0));
    let found = judge(&facts, &Expectation::watching(), &mut history, at(90_000));
    assert_eq!(found.state, RolloutState::Stuck, "nobody saw it begin");

    let ours = Expectation { started_at: Some(at(0)), ..Expectation::watching() };
    let mut history = RolloutHistory::default();
    judge(&facts, &ours, &mut history, at(0));
    let stuck = judge(&facts, &ours, &mut history, at(599));
    assert_eq!((stuck.state, stuck.wake_at), (RolloutState::Stuck, Some(at(600))));
    let failed = judge(&facts, &ours, &mut history, at(600));
    assert_eq!((failed.state, failed.decider), (RolloutState::Failed, "timeout"));
    assert_eq!(failed.field, "no progress for 600 s (our own limit: 600 s), updated 1 < 4");
    assert_eq!(failed.trouble.unwrap().reason, "TimedOut");
}

#[test]
fn a_large_set_that_advances_steadily_does_not_time_out() {
    let ours = Expectation { started_at: Some(at(0)), timeout_s: Some(60), ..Expectation::watching() };
    let mut history = RolloutHistory::default();
    for (n, tags) in
        [["v1", "v1", "v1", "v2"], ["v1", "v1", "v2", "v2"], ["v1", "v2", "v2", "v2"]].into_iter().enumerate()
    {
        let verdict = judge(&set_of(tags), &ours, &mut history, at(50 * n as i64));
        assert_eq!(verdict.state, RolloutState::Progressing, "{}", verdict.field);
    }
    assert_eq!(
        judge(&set_of(["v1", "v2", "v2", "v2"]), &ours, &mut history, at(160)).state,
        RolloutState::Failed
    );
}

#[test]
fn a_template_that_changed_before_our_eyes_is_measured_by_our_own_limit() {
    let mut history = RolloutHistory::default();
    let expect = Expectation { timeout_s: Some(60), ..Expectation::watching() };
    judge(&set_of(["v2"; 4]), &expect, &mut history, at(0));
    let mut changed = set_of(["v1", "v1", "v1", "v2"]);
    changed.template_print = "print-new".into();
    judge(&changed, &expect, &mut history, at(100));
    assert_eq!(judge(&changed, &expect, &mut history, at(159)).state, RolloutState::Progressing);
    assert_eq!(judge(&changed, &expect, &mut history, at(160)).state, RolloutState::Failed);
}

#[test]
fn a_set_whose_update_revision_is_not_told_is_unknown() {
    let mut facts = set_of(["v2"; 4]);
    facts.target_revision = None;
    let mut history = RolloutHistory::default();
    judge(&facts, &Expectation::watching(), &mut history, at(0));
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(5));
    assert_eq!((verdict.state, verdict.decider), (RolloutState::Unknown, "status.updateRevision"));
    facts.spec_replicas = 0;
    facts.replicas = 0;
    facts.updated = 0;
    facts.pods.clear();
    assert_eq!(judged(&facts).state, RolloutState::Complete, "nothing runs, whatever its revision");
}
