//! The rollout pane with each kind of workload, and with several of them.

use super::*;
use crate::app::model::fixture::kinds::{argo_rollout, daemon_set, named, stateful_set};
use crate::app::update::Ask;
use crate::release::{Effect, StepResult};
use crate::watch::{ContainerState, Link, System, WorkloadFacts};
use crate::workflow::Kind;

/// The pane alone, zoomed, and the whole screen at its smallest useful size.
fn drawn_wide_and_small(script: &Script) -> String {
    let draw = |(width, height)| format!("── {width}×{height}\n{}", drawn(&script.model, width, height));
    [(150, 26), (80, 24)].map(draw).join("\n")
}

fn crash_looping(mut facts: WorkloadFacts) -> WorkloadFacts {
    let pod = facts.pods.iter_mut().find(|pod| pod.revision.as_deref() == Some("app-v1.3.0")).unwrap();
    pod.ready = false;
    pod.containers[0].ready = false;
    pod.containers[0].restarts = 3;
    pod.containers[0].state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
    facts
}

#[test]
fn a_statefulset_by_its_ordinals() {
    assert_snapshot!(drawn_wide_and_small(&Script::begun_on(vec![stateful_set(3, 2)])));
}

#[test]
fn a_daemonset_by_its_nodes() {
    assert_snapshot!(drawn_wide_and_small(&Script::begun_on(vec![daemon_set(2)])));
}

#[test]
fn a_canary_that_waits_for_a_person() {
    assert_snapshot!(drawn_wide_and_small(&Script::begun_on(vec![argo_rollout(1)])));
}

#[test]
fn a_canary_that_goes_on_by_itself_and_has_a_pod_in_trouble() {
    assert_snapshot!(drawn_wide_and_small(&Script::begun_on(vec![crash_looping(argo_rollout(3))])));
}

fn several() -> Script {
    let app = workload(&[Pods { tag: "v1.3.0", revision: 8, ready: 4, starting: 0 }]);
    Script::begun_on(vec![stateful_set(3, 0), app, argo_rollout(2)])
}

#[test]
fn several_targets_in_one_release() {
    assert_snapshot!(drawn_wide_and_small(&several()));
}

#[test]
fn a_key_shows_one_target_after_another_and_then_the_worst_again() {
    let shown = |script: &Script| script.model.shown().unwrap().facts.target.to_string();
    let mut script = several();
    let worst = shown(&script);
    let mut seen = Vec::new();
    for _ in 0..3 {
        script.key("]");
        seen.push(shown(&script));
    }
    assert_eq!(seen, ["statefulset/db", "deployment/app", "rollout/web"], "in release order");
    script.key("]");
    assert_eq!((script.model.chosen(), shown(&script)), (None, worst));
    script.key("[");
    assert_eq!(script.model.chosen(), Some(&named(Kind::Rollout, "web")));
}

#[test]
fn several_targets_are_stale_together() {
    let mut script = several();
    let since = script.model.now;
    script.at(800);
    script.link(System::Cluster, Link::Down { since, cause: "connection refused".into(), retry_at: None });
    let screen = drawn(&script.model, 150, 26);
    assert!(screen.contains("STALE, was"), "{screen}");
    assert!(!screen.contains("PROGRESSING  step"), "{screen}");
}

#[test]
fn the_question_before_an_abort() {
    let script = pressed(Script::begun_on(vec![argo_rollout(2)]), &["A"]);
    assert_snapshot!(drawn_wide_and_small(&script));
}

#[test]
fn what_the_rollback_does_not_cover_is_on_its_panel() {
    let app = workload(&[Pods { tag: "v1.3.0", revision: 8, ready: 4, starting: 0 }]);
    let some = Script::begun_pinning(vec![app, stateful_set(3, 0), argo_rollout(2)], 1);
    let mut script = pressed(some, &["R"]);
    script.arm();
    let screen = drawn(&script.model, 150, 40);
    assert!(screen.contains("DEGRADED"), "{screen}");
    assert!(screen.contains("statefulset/db: stays as it is"), "{screen}");
    assert!(screen.contains("rollout/web: stays as it is"), "{screen}");
    let only = pressed(Script::begun_pinning(vec![stateful_set(3, 0)], 0), &["R"]);
    let screen = drawn(&only.model, 150, 40);
    assert!(screen.contains("was not read yet: gonogo has no plan of its own"), "{screen}");
}

#[test]
fn the_way_back_of_an_argo_rollout_before_it_is_fired() {
    assert_snapshot!(drawn_wide_and_small(&pressed(Script::begun_on(vec![argo_rollout(1)]), &["R"])));
}

/// Traffic waits until the pods that were taken away are back.
#[test]
fn the_way_back_of_a_canary_before_and_while_it_runs() {
    let mut script = pressed(Script::canary(), &["R"]);
    let before = drawn_wide_and_small(&script);
    script.painted();
    script.key("Y");
    let result = |took_ms| StepResult::Accepted { took_ms };
    for step in [0, 1] {
        script.event(None, Fact::RollbackStepEnded { step, attempt: 1, result: result(14) });
    }
    let seen = script.model.observed.workloads.values().next().unwrap();
    let (template_print, spec_replicas) = ("print-v1.2.0".to_owned(), 4);
    script.see(WorkloadFacts { template_print, spec_replicas, ..seen.facts.clone() });
    script.at(785);
    assert_snapshot!(format!("{before}\n{}", drawn(&script.model, 150, 40)));
}

#[test]
fn the_pod_that_holds_a_statefulset_with_the_key_that_deletes_it() {
    assert_snapshot!(drawn_wide_and_small(&Script::trapped()));
    let mut elsewhere = Script::trapped();
    elsewhere.key("q");
    let screen = drawn(&elsewhere.model, 150, 26);
    assert!(screen.contains("R opens it: db-3 holds it"), "{screen}");
}

fn orders(script: &Script) -> Vec<&Ask> {
    script.asked.iter().filter(|ask| matches!(ask, Ask::Do(Effect::Order(_)))).collect()
}

#[test]
fn a_promotion_is_sent_after_its_question_and_told_with_its_answer() {
    let mut script = Script::begun_on(vec![argo_rollout(1)]);
    script.key("P");
    assert!(orders(&script).is_empty(), "the key only asks");
    assert!(drawn(&script.model, 150, 26).contains("goes on with step 3 of 6: setWeight 50"));
    script.key("r");
    assert_eq!(orders(&script).len(), 1);
    assert!(drawn(&script.model, 150, 26).contains("told it to promote"), "and waits for the answer");
    script.event(None, Fact::RolloutOrderEnded { attempt: 1, result: StepResult::Accepted { took_ms: 8 } });
    assert!(drawn(&script.model, 150, 26).contains("accepted"));
}

#[test]
fn an_order_that_makes_no_sense_now_is_refused_with_its_reason() {
    let mut script = Script::begun_on(vec![argo_rollout(2)]);
    script.key("P");
    let told = script.model.view.flash.as_ref().unwrap().text.clone();
    assert_eq!(told, "rollout/web is not paused: step 3 of 6: setWeight 50 runs, and is not skipped");
    assert!(script.model.view.panel.is_none());
    let mut plain = Script::begun();
    plain.model.view.focus = Pane::Rollout;
    plain.key("A");
    assert_eq!(plain.model.view.flash.as_ref().unwrap().text, "no Argo Rollout is watched here");
}
