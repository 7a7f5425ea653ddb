//! Deployments: every way in which a rollout goes well or does not.

use gonogo::watch::WorkloadFacts;
use gonogo::watch::rollout::RolloutState as State;
use serde_json::json;

use crate::manifests::{but, deployment, impatient};
use crate::scenario::{Expected, Scenario, Step};

const AVAILABLE: &str = "status.availableReplicas";
const WAITING: &str = "containerStatuses.waiting.reason";
const CREATE_FAILED: &str = "ReplicaFailure.reason";

pub fn scenarios() -> Vec<Scenario> {
    [going_well(), not_coming_up(), not_created(), held_and_scaled(), touched_by_others()]
        .into_iter()
        .flatten()
        .collect()
}

fn expect(states: &'static str, field: &'static str, reason: &'static str) -> Expected {
    Expected { states, field, reason }
}

fn going_well() -> Vec<Scenario> {
    let deadline = json!({"spec": {"progressDeadlineSeconds": 4}});
    vec![
        Scenario::new("good rollout", deployment(), expect("progressing settling complete", AVAILABLE, ""))
            .steps([Step::Release("v1.3.0"), Step::Until(State::Complete), Step::Hold(3)]),
        Scenario::new(
            "slow start",
            but(deployment(), json!({"spec": {"replicas": 1}})),
            expect("progressing settling complete", AVAILABLE, ""),
        )
        .steps([Step::Release("v1.3.0-slow"), Step::Until(State::Complete)]),
        // The rollout before ours ran out of time, and its condition still says so when ours begins.
        Scenario::new(
            "stale deadline of the rollout before",
            but(deployment(), deadline),
            expect("progressing settling complete", AVAILABLE, ""),
        )
        .steps([
            Step::SetImage("v1.2.5-notready"),
            Step::See("its deadline pass", deadline_exceeded),
            Step::Release("v1.3.0"),
            Step::Until(State::Complete),
            Step::Hold(2),
        ]),
    ]
}

fn not_coming_up() -> Vec<Scenario> {
    let deadline = json!({"spec": {"progressDeadlineSeconds": 8}});
    let nowhere = json!({"nodeSelector": {"disk": "of-another-world"}});
    vec![
        Scenario::new("crash loop", deployment(), expect("progressing failed", WAITING, "CrashLoopBackOff"))
            .steps([Step::Release("v1.3.0-crash"), Step::Until(State::Failed), Step::Hold(3)]),
        Scenario::new("bad image", deployment(), expect("progressing failed", WAITING, "ErrImagePull"))
            .steps([Step::Release("v1.3.0-badimage"), Step::Until(State::Failed)]),
        // By the probe's own figures: it had its time and said no.
        Scenario::new(
            "never ready",
            impatient(deployment()),
            expect("progressing stuck", "containerStatuses.ready", "NotReady"),
        )
        .steps([Step::Release("v1.3.0-notready"), Step::Until(State::Stuck), Step::Hold(3)]),
        Scenario::new(
            "progress deadline",
            but(impatient(deployment()), deadline),
            expect("progressing stuck failed", "Progressing.reason", "NotReady"),
        )
        .steps([Step::Release("v1.3.0-notready"), Step::Until(State::Failed), Step::Hold(2)]),
        // The scheduler may have said no before the first summary.
        Scenario::new(
            "unschedulable",
            deployment(),
            expect("progressing? stuck", "PodScheduled.reason", "Unschedulable"),
        )
        .steps([Step::ReleaseWith("v1.3.0", nowhere), Step::Until(State::Stuck), Step::Hold(2)]),
    ]
}

fn not_created() -> Vec<Scenario> {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods"},
        "spec": {"hard": {"pods": "3"}}});
    // Its default limit lies below what the new template requests: a valid template, invalid pods.
    let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "100m"}}]}});
    let too_much = json!({"containers": [{"name": "app", "image": "myapp:v1.3.0",
        "imagePullPolicy": "IfNotPresent", "resources": {"requests": {"cpu": "500m"}}}]});
    let refused = || expect("progressing? failed", CREATE_FAILED, "FailedCreate");
    vec![
        // With no pod to spare the old pods never make room.
        Scenario::new("quota exceeded", deployment(), refused()).with(quota).steps([
            Step::Release("v1.3.0"),
            Step::Until(State::Failed),
            Step::Hold(2),
        ]),
        Scenario::new("invalid pod", deployment(), refused()).with(limits).steps([
            Step::ReleaseWith("v1.3.0", too_much),
            Step::Until(State::Failed),
            Step::Hold(2),
        ]),
    ]
}

fn held_and_scaled() -> Vec<Scenario> {
    let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "app"},
        "spec": {"minReplicas": 3, "maxReplicas": 10,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}}});
    // Each pod takes so long that the autoscaler, which looks every 15 s, finds the rollout under way.
    let unhurried = json!({"spec": {"minReadySeconds": 8}});
    vec![
        Scenario::new(
            "paused in the middle",
            deployment(),
            expect("progressing paused progressing settling complete", AVAILABLE, ""),
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::See("some new pods", in_the_middle),
            Step::Patch(json!({"spec": {"paused": true}})),
            Step::Until(State::Paused),
            Step::Hold(2),
            Step::Patch(json!({"spec": {"paused": false}})),
            Step::Until(State::Complete),
        ]),
        Scenario::new("scaled to zero", deployment(), expect("progressing complete", "spec.replicas", ""))
            .steps([
                Step::Release("v1.3.0"),
                Step::See("some new pods", in_the_middle),
                Step::Patch(json!({"spec": {"replicas": 0}})),
                Step::Until(State::Complete),
                Step::Hold(2),
            ]),
        Scenario::new(
            "autoscaling during the rollout",
            but(deployment(), unhurried),
            expect("progressing settling complete", AVAILABLE, ""),
        )
        .with(autoscaler)
        .steps([
            Step::Release("v1.3.0"),
            Step::See("some new pods", in_the_middle),
            Step::PatchOther("HorizontalPodAutoscaler", "app", json!({"spec": {"minReplicas": 5}})),
            Step::See("more pods wanted while some are old", |facts| {
                facts.spec_replicas == 5 && facts.updated < 5
            }),
            Step::Until(State::Complete),
        ]),
    ]
}

fn touched_by_others() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "someone else deploys over it",
            deployment(),
            expect("progressing superseded", "spec.template", ""),
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::Until(State::Progressing),
            Step::SetImage("v1.4.0"),
            Step::Until(State::Superseded),
            Step::Hold(2),
        ]),
        Scenario::new("deleted and recreated", deployment(), expect("progressing gone", "metadata.uid", ""))
            .steps([
                Step::Release("v1.3.0"),
                Step::Until(State::Progressing),
                Step::Delete,
                Step::Until(State::Gone),
                Step::Recreate,
                Step::See("three other pods", |facts| !facts.gone && facts.ready == 3),
                Step::Until(State::Gone),
            ]),
        // Complete is not the end: a restart is a failure until the pods have held once more.
        Scenario::new(
            "liveness failing after complete",
            deployment(),
            // Its readiness goes first, its restart is counted a moment later.
            expect(
                "progressing settling complete progressing? failed",
                "containerStatuses.restartCount",
                "Error",
            ),
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::Until(State::Complete),
            Step::FailLiveness,
            Step::Until(State::Failed),
        ]),
    ]
}

/// The change was seen, with the revision that it made, and some but not all pods are new. Each kind
/// comes by a watch of its own: before its revision is known a rollout is unobserved.
fn in_the_middle(facts: &WorkloadFacts) -> bool {
    facts.observed_generation == Some(facts.generation)
        && facts.target_revision.is_some()
        && facts.updated > 0
        && facts.updated < facts.spec_replicas
}

fn deadline_exceeded(facts: &WorkloadFacts) -> bool {
    facts.conditions.iter().any(|condition| condition.reason == "ProgressDeadlineExceeded")
}
