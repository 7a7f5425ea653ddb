//! Argo Rollouts: what the controller says, and what the pods say beside it.

use super::*;

fn steps() -> Vec<CanaryStep> {
    vec![
        CanaryStep::SetWeight(25),
        CanaryStep::Pause { duration_s: Some(300) },
        CanaryStep::SetWeight(50),
        CanaryStep::Pause { duration_s: None },
        CanaryStep::Analysis,
        CanaryStep::SetWeight(100),
    ]
}

/// A canary of four pods at a step: one new pod, three old ones.
pub(super) fn canary(step: u32) -> WorkloadFacts {
    let mut facts = up("v2");
    facts.target.kind = Kind::Rollout;
    facts.strategy = UpdateStrategy::Canary;
    facts.stable_revision = Some("app-v1".into());
    facts.revisions = vec![set("v2"), set("v1")];
    facts.updated = 1;
    facts.pods = [("v2", 0), ("v1", 1), ("v1", 2), ("v1", 3)].map(|(tag, n)| pod(tag, n).into()).into();
    facts.argo = Some(Box::new(ArgoFacts {
        phase: "Progressing".into(),
        steps: steps(),
        step: Some(step),
        weight: Some(25),
        ..ArgoFacts::default()
    }));
    facts
}

pub(super) fn healthy() -> WorkloadFacts {
    let mut facts = canary(6);
    facts.updated = 4;
    facts.pods = (0..4).map(|n| pod("v2", n).into()).collect();
    facts.stable_revision = Some("app-v2".into());
    argo(&mut facts).phase = "Healthy".into();
    argo(&mut facts).weight = Some(100);
    facts
}

fn argo(facts: &mut WorkloadFacts) -> &mut ArgoFacts {
    facts.argo.as_deref_mut().unwrap()
}

fn pause(facts: &mut WorkloadFacts, reason: &str) {
    let pause = ArgoPause { reason: reason.into(), since: Some(at(-60)) };
    argo(facts).pauses = vec![pause];
    argo(facts).phase = "Paused".into();
    argo(facts).controller_pause = true;
}

fn break_canary(facts: &mut WorkloadFacts) {
    facts.pods[0].ready = false;
    facts.pods[0].containers[0].ready = false;
    facts.pods[0].containers[0].state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() };
}

#[test]
fn a_step_says_where_the_canary_is() {
    let verdict = judged(&canary(0));
    assert_eq!(
        (verdict.state, verdict.field.as_str()),
        (RolloutState::Progressing, "step 1 of 6: setWeight 25")
    );
    assert_eq!(verdict.decider, "status.currentStepIndex");
    assert_eq!(judged(&canary(2)).field, "step 3 of 6: setWeight 50, now 25 %");
}

#[test]
fn an_analysis_is_named_and_is_no_standstill() {
    let mut facts = canary(4);
    argo(&mut facts).analyses =
        vec![Analysis { name: "success-rate".into(), phase: "Running".into(), message: String::new() }];
    let expect = expecting(ExpectedTemplate::Any);
    let mut history = RolloutHistory::default();
    judge(&facts, &expect, &mut history, at(0));
    let verdict = judge(&facts, &expect, &mut history, at(9_000));
    assert_eq!(verdict.state, RolloutState::Progressing);
    assert_eq!(verdict.field, "step 5 of 6: analysis, analysis success-rate Running");
}

#[test]
fn a_pause_without_an_end_waits_for_a_person_however_long() {
    let mut facts = canary(3);
    pause(&mut facts, "CanaryPauseStep");
    let mut history = RolloutHistory::default();
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(9_000));
    assert_eq!((verdict.state, verdict.decider), (RolloutState::Paused, "status.pauseConditions"));
    assert_eq!(verdict.field, "step 4 of 6: pause: promote to go on, abort to send traffic back");
    assert_eq!((verdict.since, verdict.resumes_at), (at(-60), None));
}

#[test]
fn a_timed_pause_tells_when_it_ends() {
    let mut facts = canary(1);
    pause(&mut facts, "CanaryPauseStep");
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Paused);
    assert_eq!(verdict.field, "step 2 of 6: pause 300 s: goes on by itself");
    assert_eq!(verdict.resumes_at, Some(at(240)));
}

#[test]
fn an_inconclusive_analysis_asks_a_person_by_its_name() {
    let mut facts = canary(4);
    pause(&mut facts, "InconclusiveAnalysisRun");
    argo(&mut facts).analyses =
        vec![Analysis { name: "latency".into(), phase: "Inconclusive".into(), message: "no data".into() }];
    let words = "analysis latency Inconclusive: no data: promote to go on all the same, or abort";
    assert_eq!(judged(&facts).field, words);
}

#[test]
fn a_pause_that_was_cleared_is_waited_out() {
    let mut facts = canary(3);
    pause(&mut facts, "CanaryPauseStep");
    argo(&mut facts).pauses.clear();
    let verdict = judged(&facts);
    assert_eq!((verdict.state, verdict.decider), (RolloutState::Progressing, "status.controllerPause"));
    assert_eq!(verdict.field, "waiting to unpause");
}

#[test]
fn a_pause_does_not_hide_a_crash_loop() {
    let mut facts = canary(3);
    pause(&mut facts, "CanaryPauseStep");
    break_canary(&mut facts);
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Paused);
    assert_eq!(verdict.trouble.unwrap().line(), "app-v2-0 app CrashLoopBackOff");
}

#[test]
fn a_crash_looping_canary_fails_before_the_controller_says_so() {
    let mut facts = canary(0);
    break_canary(&mut facts);
    let verdict = judged(&facts);
    assert_eq!((verdict.state, verdict.decider), (RolloutState::Failed, "containerStatuses.waiting.reason"));
    assert_eq!(verdict.field, "the only new pod is doomed, step 1 of 6: setWeight 25");
}

#[test]
fn an_aborted_rollout_says_where_traffic_is_and_what_the_spec_still_holds() {
    let mut facts = canary(0);
    argo(&mut facts).aborted = true;
    argo(&mut facts).phase = "Degraded".into();
    argo(&mut facts).message = "RolloutAborted: metric failed".into();
    argo(&mut facts).analyses =
        vec![Analysis { name: "success-rate".into(), phase: "Failed".into(), message: "2 failed".into() }];
    let verdict = judged(&facts);
    assert_eq!((verdict.state, verdict.decider), (RolloutState::Failed, "status.abort"));
    assert_eq!(
        verdict.field,
        "aborted (analysis success-rate Failed: 2 failed): traffic is back on stable, the spec still \
         holds the new version"
    );
    assert_eq!(verdict.reason(), Some("RolloutAborted"));
    break_canary(&mut facts);
    assert_eq!(judged(&facts).reason(), Some("CrashLoopBackOff"), "the pod is named, not hidden");
}

#[test]
fn a_degraded_rollout_fails_with_its_reason() {
    let mut facts = canary(0);
    argo(&mut facts).phase = "Degraded".into();
    argo(&mut facts).message = "InvalidSpec: x".into();
    let mut invalid = facts.clone();
    let condition = |kind: &str, reason: &str, message: &str| Condition {
        kind: kind.into(),
        status: "True".into(),
        reason: reason.into(),
        message: message.into(),
        last_update: None,
    };
    invalid.conditions = vec![condition("InvalidSpec", "InvalidSpec", "steps are empty")];
    let verdict = judged(&invalid);
    assert_eq!(
        (verdict.field.as_str(), verdict.decider),
        ("invalid spec: steps are empty", "InvalidSpec.message")
    );
    let verdict = judged(&facts);
    assert_eq!((verdict.state, verdict.field.as_str()), (RolloutState::Failed, "degraded: InvalidSpec: x"));
    assert_eq!(verdict.decider, "status.phase");
}

#[test]
fn a_deadline_of_the_rollout_before_does_not_degrade_this_one() {
    let mut facts = canary(0);
    argo(&mut facts).phase = "Degraded".into();
    facts.conditions = vec![Condition {
        kind: "Progressing".into(),
        status: "False".into(),
        reason: "ProgressDeadlineExceeded".into(),
        message: "timed out".into(),
        last_update: None,
    }];
    let expect = expecting(ExpectedTemplate::Any);
    let mut history = RolloutHistory::default();
    let early = judge(&facts, &expect, &mut history, at(1));
    assert_eq!(early.state, RolloutState::Progressing);
    let late = judge(&facts, &expect, &mut history, at(600));
    assert_eq!((late.state, late.decider), (RolloutState::Failed, "Progressing.reason"));
    assert_eq!(late.field, "progress deadline exceeded at step 1 of 6: setWeight 25");
    assert_eq!(judged(&facts).state, RolloutState::Failed, "found past its deadline");
}

#[test]
fn healthy_is_complete_only_after_it_held() {
    let mut history = RolloutHistory::default();
    let expect = Expectation::watching();
    assert_eq!(judge(&healthy(), &expect, &mut history, at(0)).state, RolloutState::Settling);
    assert_eq!(judge(&healthy(), &expect, &mut history, at(10)).state, RolloutState::Complete);
}

#[test]
fn counts_alone_do_not_complete_a_rollout_that_its_controller_still_works_on() {
    let mut facts = healthy();
    argo(&mut facts).phase = "Progressing".into();
    argo(&mut facts).message = "rollout is restarting".into();
    assert_eq!(judged(&facts).field, "the controller says Progressing: rollout is restarting");
    facts.stable_revision = Some("app-v1".into());
    let verdict = judged(&facts);
    assert_eq!((verdict.field.as_str(), verdict.decider), ("stable is still app-v1", "status.stableRS"));
    let mut unread = healthy();
    unread.argo = None;
    assert_eq!(judged(&unread).field, "its own status was not read");
}

#[test]
fn blue_green_switches_before_it_completes_and_keeps_the_old_pods_a_while() {
    let mut facts = healthy();
    facts.strategy = UpdateStrategy::BlueGreen;
    facts.replicas = 8;
    argo(&mut facts).steps.clear();
    argo(&mut facts).step = None;
    argo(&mut facts).weight = None;
    argo(&mut facts).is_active = Some(true);
    assert_eq!(judged(&facts).state, RolloutState::Settling);
    argo(&mut facts).is_active = Some(false);
    let verdict = judged(&facts);
    assert_eq!(verdict.decider, "status.blueGreen.activeSelector");
    pause(&mut facts, "BlueGreenPause");
    assert_eq!(judged(&facts).field, "before the switch: promote to send traffic to the new version");
}

#[test]
fn a_canary_without_weighted_traffic_waits_for_its_old_pods() {
    let mut facts = healthy();
    argo(&mut facts).weight = None;
    facts.replicas = 5;
    assert_eq!(judged(&facts).field, "1 old left");
    argo(&mut facts).weight = Some(100);
    assert_eq!(judged(&facts).state, RolloutState::Settling);
}

#[test]
fn a_rollout_scaled_to_zero_is_complete_with_a_warning() {
    let mut facts = canary(0);
    facts.pods.clear();
    (facts.spec_replicas, facts.replicas, facts.updated, facts.ready, facts.available) = (0, 0, 0, 0, 0);
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Complete);
    assert!(verdict.warning.is_some());
}
