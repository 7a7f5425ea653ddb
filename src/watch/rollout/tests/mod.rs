//! The judgement by examples. Deployments here, the other kinds beside, what holds of all in
//! `properties`.

mod argo;
mod daemonset;
mod estimate;
mod outage;
mod properties;
mod statefulset;

use jiff::{SignedDuration, Timestamp};

use super::expectation::tag_is;
use super::*;
use crate::watch::facts::*;
use crate::watch::fixture;

fn at(seconds: i64) -> Timestamp {
    "2026-11-22T14:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn image(tag: &str) -> Vec<Image> {
    vec![Image { container: "app".into(), image: format!("myapp:{tag}") }]
}

fn set(tag: &str) -> RevisionFacts {
    RevisionFacts {
        name: format!("app-{tag}"),
        uid: format!("rs-{tag}"),
        revision: Some(8),
        template_hash: tag.into(),
        template_print: format!("print-{tag}"),
        images: image(tag),
        spec_replicas: 4,
        replicas: 4,
        ready: 4,
        conditions: vec![],
    }
}

fn pod(tag: &str, n: usize) -> PodFacts {
    PodFacts {
        uid: format!("pod-{tag}-{n}"),
        revision: Some(format!("app-{tag}").into()),
        ready_since: Some(at(-5)),
        created: Some(at(-9)),
        node: Some("node".into()),
        containers: vec![ContainerFacts {
            container_id: format!("c-{tag}-{n}"),
            ..fixture::container("app")
        }],
        ..fixture::pod(&format!("app-{tag}-{n}"))
    }
}

/// A deployment of four whose pods of `tag` are all up.
fn up(tag: &str) -> WorkloadFacts {
    WorkloadFacts {
        target: TargetRef {
            kind: Kind::Deployment,
            namespace: "shop".into(),
            name: "app".into(),
            container: None,
        },
        uid: "uid".into(),
        unread: None,
        gone: false,
        generation: 3,
        observed_generation: Some(3),
        paused: false,
        strategy: UpdateStrategy::RollingUpdate,
        spec_replicas: 4,
        replicas: 4,
        updated: 4,
        ready: 4,
        available: 4,
        revision: Some(8),
        template_print: format!("print-{tag}"),
        images: image(tag),
        conditions: vec![],
        progress_deadline_s: Some(600),
        min_ready_s: 0,
        max_surge: Some("25%".into()),
        max_unavailable: Some("25%".into()),
        gitops_owner: None,
        target_revision: Some(format!("app-{tag}")),
        stable_revision: None,
        revisions: vec![set(tag)],
        pods: (0..4).map(|n| pod(tag, n).into()).collect(),
        events: vec![],
        argo: None,
        unclear: None,
    }
}

/// Three of four are up; the last one waits for its container for `reason`.
fn waiting(reason: &str, message: &str) -> WorkloadFacts {
    let mut facts = up("v2");
    facts.ready = 3;
    facts.available = 3;
    let last = &mut facts.pods[3];
    last.ready = false;
    last.containers[0].ready = false;
    last.containers[0].state = ContainerState::Waiting { reason: reason.into(), message: message.into() };
    facts
}

fn all_waiting(reason: &str, message: &str) -> WorkloadFacts {
    let mut facts = waiting(reason, message);
    facts.ready = 0;
    facts.available = 0;
    let template = facts.pods[3].clone();
    for (n, pod) in facts.pods.iter_mut().enumerate() {
        **pod = PodFacts { name: format!("app-v2-{n}"), uid: format!("pod-v2-{n}"), ..(*template).clone() };
    }
    facts
}

fn judged(facts: &WorkloadFacts) -> RolloutVerdict {
    judge(facts, &Expectation::watching(), &mut RolloutHistory::default(), at(0))
}

fn expecting(template: ExpectedTemplate) -> Expectation {
    Expectation { template, started_at: Some(at(0)), ..Expectation::watching() }
}

#[test]
fn a_deleted_workload_is_gone() {
    let facts = WorkloadFacts { gone: true, ..up("v2") };
    assert_eq!(judged(&facts).state, RolloutState::Gone);
    assert_eq!(judged(&facts).field, "deployment/app does not exist");
}

#[test]
fn a_workload_made_anew_under_the_same_name_is_gone() {
    let expect = Expectation { uid: Some("another".into()), ..Expectation::watching() };
    let verdict = judge(&up("v2"), &expect, &mut RolloutHistory::default(), at(0));
    assert_eq!(verdict.state, RolloutState::Gone);
    assert!(verdict.field.contains("uid changed"));
}

#[test]
fn nothing_is_believed_before_the_change_was_observed() {
    for observed in [None, Some(0), Some(2)] {
        let mut facts = all_waiting("CrashLoopBackOff", "");
        facts.observed_generation = observed;
        let verdict = judged(&facts);
        assert_eq!(verdict.state, RolloutState::Unobserved);
        assert_eq!(verdict.field, format!("observed generation {} < 3", observed.unwrap_or(0)));
    }
}

#[test]
fn our_version_is_awaited_then_recognised_then_defended() {
    let expect = expecting(ExpectedTemplate::Version { from: "print-v1".into(), version: "v2".into() });
    let mut history = RolloutHistory::default();
    let before = judge(&up("v1"), &expect, &mut history, at(0));
    assert_eq!(before.state, RolloutState::Unobserved);
    assert_eq!(before.field, "template still carries myapp:v1, not v2");
    let ours = judge(&up("v2"), &expect, &mut history, at(1));
    assert_eq!((ours.state, ours.ours), (RolloutState::Settling, true));
    let mut other = up("v2");
    other.template_print = "print-other".into();
    let theirs = judge(&other, &expect, &mut history, at(2));
    assert_eq!((theirs.state, theirs.ours), (RolloutState::Superseded, false));
}

#[test]
fn a_second_command_of_ours_may_change_the_template_again() {
    let mut history = RolloutHistory::default();
    let first = expecting(ExpectedTemplate::Version { from: "print-v1".into(), version: "v2".into() });
    judge(&up("v2"), &first, &mut history, at(0));
    let second = expecting(ExpectedTemplate::Version { from: "print-v2".into(), version: "v2".into() });
    judge(&up("v2"), &second, &mut history, at(1));
    let mut again = up("v2");
    again.template_print = "print-v2-with-env".into();
    again.revisions[0].template_print = "print-v2-with-env".into();
    assert_eq!(judge(&again, &second, &mut history, at(2)).state, RolloutState::Settling);
}

#[test]
fn another_version_than_ours_is_somebody_elses() {
    let expect = expecting(ExpectedTemplate::Version { from: "print-v1".into(), version: "v2".into() });
    let verdict = judge(&up("v9"), &expect, &mut RolloutHistory::default(), at(0));
    assert_eq!(verdict.state, RolloutState::Superseded);
    assert_eq!(verdict.field, "template carries myapp:v9, not v2");
    let unchanged = expecting(ExpectedTemplate::Unchanged { print: "print-v1".into() });
    let verdict = judge(&up("v2"), &unchanged, &mut RolloutHistory::default(), at(0));
    assert_eq!(verdict.state, RolloutState::Superseded);
}

#[test]
fn a_version_is_read_from_the_tag_alone() {
    assert!(tag_is("myapp:v1.3.0", "v1.3.0"));
    assert!(tag_is("registry:5000/team/myapp:1.3.0@sha256:ab", "v1.3.0"));
    assert!(tag_is("myapp:v1.3.0-arm64", "1.3.0"));
    assert!(!tag_is("myapp:v1.3.0-rc.1", "v1.3.0"));
    assert!(!tag_is("myapp:v1.3.01", "v1.3.0"));
    assert!(!tag_is("registry:1.3.0/myapp", "1.3.0"));
    assert!(!tag_is("myapp", "v1.3.0"));
}

#[test]
fn a_paused_rollout_stops_its_clocks() {
    let mut facts = waiting("ContainerCreating", "");
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    judge(&facts, &expect, &mut history, at(0));
    facts.paused = true;
    let verdict = judge(&facts, &expect, &mut history, at(500));
    assert_eq!((verdict.state, verdict.field.as_str()), (RolloutState::Paused, "spec.paused"));
    facts.paused = false;
    assert_eq!(judge(&facts, &expect, &mut history, at(501)).state, RolloutState::Progressing);
}

#[test]
fn a_rollout_progresses_by_the_first_count_that_is_short() {
    let mut facts = up("v2");
    facts.updated = 2;
    facts.replicas = 5;
    assert_eq!(judged(&facts).field, "updated 2 < 4");
    facts.updated = 4;
    assert_eq!(judged(&facts).field, "1 old left");
    facts.replicas = 4;
    facts.available = 3;
    let verdict = judged(&facts);
    assert_eq!((verdict.state, verdict.field.as_str()), (RolloutState::Progressing, "available 3 < 4"));
    assert_eq!(verdict.wake_at, Some(at(i64::from(Expectation::STUCK_AFTER_S))));
}

#[test]
fn a_deadline_of_the_rollout_before_does_not_fail_this_one() {
    let mut facts = waiting("ContainerCreating", "");
    facts.conditions.push(Condition {
        kind: "Progressing".into(),
        status: "False".into(),
        reason: "ProgressDeadlineExceeded".into(),
        message: "timed out progressing".into(),
        last_update: Some(at(-30)),
    });
    let expect = expecting(ExpectedTemplate::Any);
    let mut history = RolloutHistory::default();
    assert_eq!(judge(&facts, &expect, &mut history, at(1)).state, RolloutState::Progressing);
    let verdict = judge(&facts, &expect, &mut history, at(600));
    assert_eq!(verdict.state, RolloutState::Failed);
    assert_eq!(verdict.field, "progress deadline exceeded, available 3 < 4");
}

#[test]
fn a_rollout_found_past_its_deadline_has_failed() {
    let mut facts = waiting("ContainerCreating", "");
    facts.conditions.push(Condition {
        kind: "Progressing".into(),
        status: "False".into(),
        reason: "ProgressDeadlineExceeded".into(),
        message: "timed out".into(),
        last_update: None,
    });
    assert_eq!(judged(&facts).state, RolloutState::Failed);
}

#[test]
fn a_crash_loop_in_every_new_pod_fails_at_once_and_is_named() {
    let mut facts = all_waiting("CrashLoopBackOff", "back-off 40s");
    for pod in &mut facts.pods {
        pod.containers[0].restarts = 3;
        pod.containers[0].last_end = Some(Termination {
            exit_code: 1,
            reason: "Error".into(),
            message: String::new(),
            finished: None,
        });
    }
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Failed);
    assert_eq!(verdict.field, "all new pods are doomed, available 0 < 4");
    let trouble = verdict.trouble.unwrap();
    assert_eq!(trouble.line(), "app-v2-0 app CrashLoopBackOff exit 1 ×3 back-off 40s");
}

#[test]
fn one_crash_loop_among_healthy_pods_is_advice() {
    let verdict = judged(&waiting("CrashLoopBackOff", ""));
    assert_eq!(verdict.state, RolloutState::Stuck);
    assert_eq!(verdict.field, "1 of 4 new pods doomed, available 3 < 4");
}

#[test]
fn a_doomed_pod_stays_doomed_between_two_crashes() {
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    assert_eq!(
        judge(&all_waiting("CrashLoopBackOff", ""), &expect, &mut history, at(0)).state,
        RolloutState::Failed
    );
    let mut running = all_waiting("", "");
    for pod in &mut running.pods {
        pod.containers[0].state = ContainerState::Running { since: None };
    }
    let verdict = judge(&running, &expect, &mut history, at(1));
    assert_eq!(verdict.state, RolloutState::Failed);
    assert_eq!(verdict.trouble.unwrap().reason, "CrashLoopBackOff");
}

#[test]
fn a_missing_image_is_doom_and_a_back_off_alone_is_not() {
    let missing = all_waiting("ErrImagePull", "myapp:v2: Not Found");
    assert_eq!(judged(&missing).state, RolloutState::Failed);
    let mut back_off = all_waiting("ImagePullBackOff", "Back-off pulling image");
    let verdict = judged(&back_off);
    assert_eq!(verdict.state, RolloutState::Stuck);
    assert_eq!(verdict.trouble.unwrap().reason, "ImagePullBackOff");
    for n in 0..4 {
        back_off.events.push(WarningEvent {
            uid: format!("e{n}"),
            at: None,
            about: format!("Pod/app-v2-{n}"),
            reason: "Failed".into(),
            message: "Failed to pull image \"myapp:v2\": not found".into(),
            count: 2,
        });
    }
    let verdict = judged(&back_off);
    assert_eq!(verdict.state, RolloutState::Failed);
    assert!(verdict.trouble.unwrap().message.contains("not found"));
}

#[test]
fn a_late_secret_is_not_doom_and_a_missing_one_is() {
    let late = "failed to sync secret cache: timed out waiting for the condition";
    assert_eq!(judged(&all_waiting("CreateContainerConfigError", late)).state, RolloutState::Progressing);
    let missing = "secret \"db\" not found";
    assert_eq!(judged(&all_waiting("CreateContainerConfigError", missing)).state, RolloutState::Failed);
}

#[test]
fn an_evicted_pod_does_not_count() {
    let mut facts = up("v2");
    let mut evicted = pod("v2", 9);
    evicted.phase = "Failed".into();
    evicted.reason = Some("Evicted".into());
    evicted.ready = false;
    facts.pods.push(evicted.into());
    assert_eq!(judged(&facts).state, RolloutState::Settling);
}

#[test]
fn no_room_on_any_node_is_stuck_at_once() {
    let mut facts = waiting("", "");
    facts.pods[3].unschedulable = Some("0/3 nodes are available".into());
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Stuck);
    assert_eq!(verdict.trouble.unwrap().line(), "app-v2-3 Unschedulable 0/3 nodes are available");
}

#[test]
fn an_invalid_pod_fails_and_a_quota_only_when_nothing_makes_room() {
    let mut facts = up("v2");
    facts.updated = 0;
    facts.pods.clear();
    let failure = |message: &str| Condition {
        kind: "ReplicaFailure".into(),
        status: "True".into(),
        reason: "FailedCreate".into(),
        message: message.into(),
        last_update: None,
    };
    facts.conditions = vec![failure("Pod \"x\" is invalid: spec.containers[0].image: Required value")];
    assert_eq!(judged(&facts).state, RolloutState::Failed);
    facts.conditions = vec![failure("pods \"x\" is forbidden: exceeded quota: pods, used: 4, limited: 4")];
    facts.available = 4;
    assert_eq!(judged(&facts).state, RolloutState::Stuck, "an old pod may still go");
    facts.available = 3;
    assert_eq!(judged(&facts).state, RolloutState::Failed, "no old pod may go below three of four");
}

#[test]
fn without_progress_a_rollout_is_stuck_and_any_progress_frees_it() {
    let mut facts = waiting("ContainerCreating", "");
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    judge(&facts, &expect, &mut history, at(0));
    assert_eq!(judge(&facts, &expect, &mut history, at(119)).state, RolloutState::Progressing);
    let verdict = judge(&facts, &expect, &mut history, at(121));
    assert_eq!(verdict.state, RolloutState::Stuck);
    assert_eq!(verdict.field, "available 3 < 4, no progress for 121 s");
    facts.ready = 4;
    assert_eq!(judge(&facts, &expect, &mut history, at(122)).state, RolloutState::Progressing);
}

#[test]
fn readiness_that_never_comes_is_named_with_its_probe() {
    let mut facts = waiting("", "");
    facts.pods[3].containers[0].state = ContainerState::Running { since: None };
    facts.events.push(WarningEvent {
        uid: "e".into(),
        at: None,
        about: "Pod/app-v2-3".into(),
        reason: "Unhealthy".into(),
        message: "Readiness probe failed: HTTP probe failed with statuscode: 503".into(),
        count: 3,
    });
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Progressing);
    assert_eq!(
        verdict.trouble.unwrap().line(),
        "app-v2-3 app NotReady Readiness probe failed: HTTP probe failed with statuscode: 503 ×3"
    );
}

#[test]
fn a_rollout_is_complete_only_after_it_held() {
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    let first = judge(&up("v2"), &expect, &mut history, at(0));
    assert_eq!((first.state, first.wake_at), (RolloutState::Settling, Some(at(10))));
    assert_eq!(judge(&up("v2"), &expect, &mut history, at(9)).state, RolloutState::Settling);
    let last = judge(&up("v2"), &expect, &mut history, at(10));
    assert_eq!((last.state, last.field.as_str()), (RolloutState::Complete, "4 of 4 available"));
}

#[test]
fn settling_is_never_shorter_than_min_ready_seconds() {
    let facts = WorkloadFacts { min_ready_s: 30, ..up("v2") };
    let mut history = RolloutHistory::default();
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(0));
    assert_eq!(verdict.wake_at, Some(at(30)));
}

#[test]
fn a_rollout_that_was_up_long_before_we_came_is_complete_at_once() {
    let mut facts = up("v2");
    for pod in &mut facts.pods {
        pod.ready_since = Some(at(-600));
    }
    assert_eq!(judged(&facts).state, RolloutState::Complete);
}

#[test]
fn a_restart_while_settling_is_unstable_until_it_held_again() {
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    judge(&up("v2"), &expect, &mut history, at(0));
    let mut facts = up("v2");
    facts.pods[1].containers[0].restarts = 1;
    let verdict = judge(&facts, &expect, &mut history, at(5));
    assert_eq!(verdict.state, RolloutState::Failed);
    assert_eq!(verdict.field, "unstable: app-v2-1 restarted");
    assert_eq!(judge(&facts, &expect, &mut history, at(14)).state, RolloutState::Failed);
    assert_eq!(judge(&facts, &expect, &mut history, at(15)).state, RolloutState::Complete);
}

#[test]
fn a_restart_by_a_failed_probe_is_named_by_it_although_the_program_ended_well() {
    let mut history = RolloutHistory::default();
    let expect = Expectation::watching();
    judge(&up("v2"), &expect, &mut history, at(0));
    judge(&up("v2"), &expect, &mut history, at(10));
    let restarted = |failed_at| {
        let mut facts = up("v2");
        let container = &mut facts.pods[1].containers[0];
        container.restarts = 1;
        container.last_end = Some(Termination {
            reason: "Completed".into(),
            exit_code: 0,
            message: String::new(),
            finished: Some(at(500)),
        });
        facts.events = vec![WarningEvent {
            uid: "e".into(),
            reason: "Unhealthy".into(),
            message: "Liveness probe failed: HTTP 503".into(),
            about: "Pod/app-v2-1".into(),
            count: 3,
            at: Some(at(failed_at)),
        }];
        facts
    };
    let verdict = judge(&restarted(498), &expect, &mut history.clone(), at(501));
    let trouble = verdict.trouble.unwrap();
    assert_eq!(trouble.line(), "app-v2-1 app Completed exit 0 ×1 Liveness probe failed: HTTP 503 ×3");
    let verdict = judge(&restarted(100), &expect, &mut history, at(501));
    assert_eq!(verdict.trouble.unwrap().message, "", "a failure long before did not end this life");
}

#[test]
fn a_crash_after_complete_is_seen() {
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    judge(&up("v2"), &expect, &mut history, at(0));
    assert_eq!(judge(&up("v2"), &expect, &mut history, at(10)).state, RolloutState::Complete);
    let crashed = all_waiting("CrashLoopBackOff", "");
    assert_eq!(judge(&crashed, &expect, &mut history, at(500)).state, RolloutState::Failed);
}

#[test]
fn a_lost_readiness_long_after_complete_is_not_a_failure() {
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    judge(&up("v2"), &expect, &mut history, at(0));
    judge(&up("v2"), &expect, &mut history, at(10));
    let mut facts = waiting("", "");
    facts.pods[3].containers[0].state = ContainerState::Running { since: None };
    assert_eq!(judge(&facts, &expect, &mut history, at(500)).state, RolloutState::Progressing);
}

#[test]
fn a_pod_that_goes_while_settling_is_replaced_without_a_failure() {
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    judge(&up("v2"), &expect, &mut history, at(0));
    let mut facts = up("v2");
    facts.available = 3;
    facts.ready = 3;
    facts.pods[2].ending = true;
    facts.pods[2].ready = false;
    assert_eq!(judge(&facts, &expect, &mut history, at(5)).state, RolloutState::Progressing);
    assert_eq!(judge(&up("v2"), &expect, &mut history, at(6)).wake_at, Some(at(16)));
}

#[test]
fn zero_replicas_are_complete_with_a_warning() {
    let mut facts = up("v2");
    facts.spec_replicas = 0;
    facts.replicas = 0;
    facts.updated = 0;
    facts.ready = 0;
    facts.available = 0;
    facts.pods.clear();
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Complete);
    assert!(verdict.warning.unwrap().contains("scaled to zero"));
}

#[test]
fn pods_that_nobody_may_read_never_make_a_rollout_complete() {
    let mut facts = up("v2");
    facts.pods.clear();
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    judge(&facts, &expect, &mut history, at(0));
    let verdict = judge(&facts, &expect, &mut history, at(130));
    assert_eq!(verdict.state, RolloutState::Unknown);
    assert_eq!(verdict.field, "4 available, but no pod can be read");
}

#[test]
fn a_state_remembers_when_it_began() {
    let expect = Expectation::watching();
    let mut history = RolloutHistory::default();
    judge(&up("v2"), &expect, &mut history, at(0));
    assert_eq!(judge(&up("v2"), &expect, &mut history, at(7)).since, at(0));
    assert_eq!(judge(&up("v2"), &expect, &mut history, at(12)).since, at(12));
}

fn probe() -> ProbeFacts {
    ProbeFacts {
        initial_delay_s: 0,
        timeout_s: 1,
        period_s: 10,
        failure_threshold: 3,
        success_threshold: 1,
        what: "GET :8080/health".into(),
    }
}

#[test]
fn readiness_that_fails_past_its_window_is_stuck_and_named_by_its_probe() {
    let mut facts = waiting("", "");
    facts.pods[3].containers[0].state = ContainerState::Running { since: Some(at(0)) };
    facts.pods[3].containers[0].readiness = Some(probe());
    let mut history = RolloutHistory::default();
    let young = judge(&facts, &Expectation::watching(), &mut history, at(3));
    assert_eq!((young.state, young.wake_at), (RolloutState::Progressing, Some(at(17))));
    let old = judge(&facts, &Expectation::watching(), &mut history, at(17));
    assert_eq!((old.state, old.decider), (RolloutState::Stuck, "containerStatuses.ready"));
    assert_eq!(old.field, "available 3 < 4");
    let trouble = old.trouble.unwrap();
    assert!(trouble.blocks);
    assert_eq!(trouble.line(), "app-v2-3 app NotReady GET :8080/health");
}

#[test]
fn a_restart_opens_a_new_window() {
    let mut facts = waiting("", "");
    facts.pods[3].containers[0].state = ContainerState::Running { since: None };
    facts.pods[3].containers[0].readiness = Some(probe());
    let mut history = RolloutHistory::default();
    judge(&facts, &Expectation::watching(), &mut history, at(0));
    assert_eq!(judge(&facts, &Expectation::watching(), &mut history, at(20)).state, RolloutState::Stuck);
    facts.pods[3].containers[0].restarts = 1;
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(21));
    assert_eq!(verdict.state, RolloutState::Progressing);
}

#[test]
fn a_doomed_pod_on_a_cordoned_node_says_nothing_about_the_version() {
    let mut facts = all_waiting("CrashLoopBackOff", "");
    for pod in &mut facts.pods {
        pod.node_trouble = Some(NodeTrouble::Cordoned);
    }
    let verdict = judged(&facts);
    assert_eq!(verdict.state, RolloutState::Progressing);
    assert_eq!(verdict.trouble.unwrap().reason, "NodeCordoned");
}

#[test]
fn a_pod_lost_with_its_node_while_settling_is_no_failure() {
    let mut history = RolloutHistory::default();
    judge(&up("v2"), &Expectation::watching(), &mut history, at(0));
    let mut facts = waiting("", "");
    facts.pods[3].node_trouble = Some(NodeTrouble::NotReady);
    let verdict = judge(&facts, &Expectation::watching(), &mut history, at(5));
    assert_eq!((verdict.state, verdict.field.as_str()), (RolloutState::Progressing, "available 3 < 4"));
}

#[test]
fn a_paused_deployment_still_names_the_pod_in_trouble() {
    let facts = WorkloadFacts { paused: true, ..all_waiting("CrashLoopBackOff", "") };
    let verdict = judged(&facts);
    assert_eq!((verdict.state, verdict.decider), (RolloutState::Paused, "spec.paused"));
    assert_eq!(verdict.trouble.unwrap().reason, "CrashLoopBackOff");
}

#[test]
fn facts_that_cannot_be_told_apart_are_unknown_and_never_guessed() {
    let mut twins = up("v2");
    twins.revisions.push(RevisionFacts { name: "app-other".into(), ..set("v2") });
    let verdict = judged(&twins);
    assert_eq!(verdict.state, RolloutState::Unknown);
    assert_eq!(verdict.field, "app-v2 and app-other both claim the hash v2");
    assert_eq!(verdict.decider, "metadata.labels.pod-template-hash");

    let nameless = WorkloadFacts { target_revision: None, ..up("v2") };
    let mut history = RolloutHistory::default();
    let mut judge_at = |seconds| judge(&nameless, &Expectation::watching(), &mut history, at(seconds));
    let first = judge_at(0);
    assert_eq!((first.state, first.wake_at), (RolloutState::Unobserved, Some(at(3))), "its watch may lag");
    assert_eq!(judge_at(3).state, RolloutState::Unknown);
    let fresh = WorkloadFacts { updated: 0, ..nameless };
    assert_eq!(judged(&fresh).state, RolloutState::Progressing, "its ReplicaSet is not made yet");

    let unclear = WorkloadFacts { unclear: Some("its selector is empty".into()), ..up("v2") };
    assert_eq!(judged(&unclear).field, "its selector is empty");
    let strange = WorkloadFacts { strategy: UpdateStrategy::Other("Sideways".into()), ..up("v2") };
    assert_eq!(judged(&strange).field, "update strategy `Sideways` is not known");
}

#[test]
fn every_verdict_names_its_field_in_a_stable_way() {
    let decider = |facts: &WorkloadFacts| judged(facts).decider;
    assert_eq!(decider(&WorkloadFacts { gone: true, ..up("v2") }), "metadata.uid");
    assert_eq!(
        decider(&WorkloadFacts { observed_generation: None, ..up("v2") }),
        "status.observedGeneration"
    );
    assert_eq!(decider(&WorkloadFacts { updated: 1, replicas: 1, ..up("v2") }), "status.updatedReplicas");
    assert_eq!(decider(&WorkloadFacts { replicas: 5, ..up("v2") }), "status.replicas");
    assert_eq!(decider(&waiting("ContainerCreating", "")), "status.availableReplicas");
    assert_eq!(decider(&waiting("ImagePullBackOff", "")), "containerStatuses.waiting.reason");
    assert_eq!(decider(&up("v2")), "settle");
    assert_eq!(
        decider(&WorkloadFacts { spec_replicas: 0, updated: 0, replicas: 0, ..up("v2") }),
        "spec.replicas"
    );
}
