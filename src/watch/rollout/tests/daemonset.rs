//! DaemonSets: one pod on each node.

use super::*;

/// A DaemonSet on four nodes, each pod of the given revision and ready.
pub(super) fn on_nodes(tags: [&str; 4]) -> WorkloadFacts {
    let mut facts = up("v2");
    facts.target.kind = Kind::DaemonSet;
    facts.progress_deadline_s = None;
    facts.revisions = vec![set("v2"), set("v1")];
    facts.pods = tags.iter().enumerate().map(|(n, tag)| agent(tag, n).into()).collect();
    facts.updated = tags.iter().filter(|tag| **tag == "v2").count() as u32;
    facts
}

fn agent(tag: &str, n: usize) -> PodFacts {
    PodFacts { node: Some(format!("node-{n}")), ..pod(tag, n) }
}

fn down(facts: &mut WorkloadFacts, n: usize, trouble: Option<NodeTrouble>) {
    facts.ready -= 1;
    facts.available -= 1;
    facts.pods[n].ready = false;
    facts.pods[n].node_trouble = trouble;
    facts.pods[n].containers[0].ready = false;
    facts.pods[n].containers[0].state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
}

#[test]
fn a_daemonset_progresses_node_by_node_and_completes() {
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    let verdict = judge(&on_nodes(["v2", "v1", "v1", "v1"]), &expect, &mut history, at(0));
    assert_eq!((verdict.state, verdict.field.as_str()), (RolloutState::Progressing, "updated 1 < 4"));
    assert_eq!(verdict.decider, "status.updatedNumberScheduled");
    let mut late = on_nodes(["v2"; 4]);
    late.available = 3;
    let verdict = judge(&late, &expect, &mut history, at(1));
    assert_eq!((verdict.field.as_str(), verdict.decider), ("available 3 < 4", "status.numberAvailable"));
    judge(&on_nodes(["v2"; 4]), &expect, &mut history, at(2));
    let last = judge(&on_nodes(["v2"; 4]), &expect, &mut history, at(12));
    assert_eq!((last.state, last.decider), (RolloutState::Complete, "status.numberAvailable"));
}

#[test]
fn a_daemonset_that_no_node_wants_is_complete_with_a_warning() {
    let mut facts = on_nodes(["v2"; 4]);
    facts.pods.clear();
    (facts.spec_replicas, facts.replicas, facts.updated, facts.ready, facts.available) = (0, 0, 0, 0, 0);
    let verdict = judged(&facts);
    assert_eq!(verdict.decider, "status.desiredNumberScheduled");
    assert!(verdict.warning.unwrap().contains("no node matches"));
}

#[test]
fn deletion_by_hand_waits_for_a_person_on_daemonsets_too() {
    let mut facts = on_nodes(["v2", "v1", "v2", "v2"]);
    facts.strategy = UpdateStrategy::OnDelete;
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Paused);
    assert_eq!(verdict.field, "OnDelete: app-v1-1 still runs the old revision: delete it to go on");
}

#[test]
fn the_pod_of_a_cordoned_node_is_left_out_and_named() {
    let mut facts = on_nodes(["v2"; 4]);
    down(&mut facts, 3, Some(NodeTrouble::Cordoned));
    facts.updated = 3;
    let mut history = RolloutHistory::default();
    judge(&facts, &Expectation::watching(), &mut history, at(0));
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(10));
    assert_eq!(verdict.state, RolloutState::Complete);
    assert_eq!(verdict.warning.as_deref(), Some("not counted, because cordoned: node-3"));
}

#[test]
fn a_node_that_is_not_ready_is_not_excused_for_the_version_may_have_broken_it() {
    let mut facts = on_nodes(["v2"; 4]);
    down(&mut facts, 3, Some(NodeTrouble::NotReady));
    let mut history = RolloutHistory::default();
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(0));
    assert_eq!(verdict.state, RolloutState::Progressing, "nor is it blamed on the version");
    let trouble = verdict.trouble.unwrap();
    assert_eq!(trouble.line(), "app-v2-3 NodeNotReady node node-3 is not ready");
    assert_eq!(judge(&facts, &Expectation::watching(), &mut history, at(120)).state, RolloutState::Stuck);
}

#[test]
fn a_crash_on_a_vanished_node_is_neither_doom_nor_a_break() {
    let mut facts = on_nodes(["v2"; 4]);
    let mut history = RolloutHistory::default();
    judge(&facts, &Expectation::watching(), &mut history, at(0));
    down(&mut facts, 3, Some(NodeTrouble::Gone));
    facts.pods[3].containers[0].restarts = 2;
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(1));
    assert_eq!((verdict.state, verdict.field.as_str()), (RolloutState::Progressing, "available 3 < 4"));
}

#[test]
fn our_own_limit_for_a_daemonset_is_five_minutes() {
    let facts = on_nodes(["v2", "v1", "v1", "v1"]);
    let ours = Expectation { started_at: Some(at(0)), ..Expectation::watching() };
    let mut history = RolloutHistory::default();
    judge(&facts, &ours, &mut history, at(0));
    assert_eq!(judge(&facts, &ours, &mut history, at(299)).state, RolloutState::Stuck);
    assert_eq!(judge(&facts, &ours, &mut history, at(300)).state, RolloutState::Failed);
}
