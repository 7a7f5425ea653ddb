//! Deployments: every way in which a rollout goes well or does not.

use gonogo::watch::WorkloadFacts;
use gonogo::watch::rollout::RolloutState as State;
use serde_json::json;

use crate::manifests::{but, deployment};
use crate::scenario::{Expected, Scenario, Step};
use crate::world::Which;

const SLOW_TO_WARM: &str = "its pods pull for ten seconds and warm up for more than a minute";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "good rollout",
            deployment(),
            Expected { states: "progressing settling complete", field: "N of N available", reason: "" },
        )
        .steps([Step::Release("v1.3.0"), Step::Until(State::Complete), Step::Hold(3)]),
        Scenario::new(
            "crash loop",
            deployment(),
            Expected {
                states: "progressing failed",
                field: "the only new pod is doomed, updated N < N",
                reason: "CrashLoopBackOff",
            },
        )
        .steps([Step::Release("v1.3.0-crash"), Step::Until(State::Failed), Step::Hold(3)]),
        Scenario::new(
            "never ready",
            deployment(),
            Expected {
                states: "progressing stuck",
                field: "updated N < N, no progress for N s",
                reason: "NotReady",
            },
        )
        .stuck_after(6)
        .not_in(Which::Practice, SLOW_TO_WARM)
        .steps([Step::Release("v1.3.0-notready"), Step::Until(State::Stuck), Step::Hold(3)]),
        Scenario::new(
            "paused in the middle",
            deployment(),
            Expected {
                states: "progressing paused progressing settling complete",
                field: "N of N available",
                reason: "",
            },
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::See("the first new pod", in_the_middle),
            Step::Patch(json!({"spec": {"paused": true}})),
            Step::Until(State::Paused),
            Step::Hold(2),
            Step::Patch(json!({"spec": {"paused": false}})),
            Step::Until(State::Complete),
        ]),
        Scenario::new(
            "scaled to zero",
            deployment(),
            Expected { states: "progressing complete", field: "N replicas wanted", reason: "" },
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::See("the first new pod", in_the_middle),
            Step::Patch(json!({"spec": {"replicas": 0}})),
            Step::Until(State::Complete),
            Step::Hold(2),
        ]),
        Scenario::new(
            "someone else deploys over it",
            deployment(),
            Expected {
                states: "progressing superseded",
                field: "template changed again after vN: myapp:vN",
                reason: "",
            },
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::Until(State::Progressing),
            Step::SetImage("v1.4.0"),
            Step::Until(State::Superseded),
            Step::Hold(2),
        ]),
        Scenario::new(
            "progress deadline",
            but(deployment(), json!({"spec": {"progressDeadlineSeconds": 5}})),
            Expected {
                states: "progressing failed",
                field: "progress deadline exceeded, updated N < N",
                reason: "NotReady",
            },
        )
        .not_in(Which::Practice, SLOW_TO_WARM)
        .steps([Step::Release("v1.3.0-notready"), Step::Until(State::Failed), Step::Hold(2)]),
    ]
}

/// The change was seen, and some but not all pods are new.
fn in_the_middle(facts: &WorkloadFacts) -> bool {
    facts.observed_generation == Some(facts.generation)
        && facts.updated > 0
        && facts.updated < facts.spec_replicas
}
