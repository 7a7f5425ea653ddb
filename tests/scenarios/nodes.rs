//! Nodes that are emptied under a workload: its pods move, and that says nothing about the version.

use gonogo::watch::rollout::RolloutState as State;
use serde_json::json;

use crate::manifests::deployment;
use crate::scenario::{Expected, Refusal, Scenario, Step};

pub fn scenarios() -> Vec<Scenario> {
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "app"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "app"}}}});
    let moved = |states| Expected { states, field: "status.availableReplicas", reason: "" };
    vec![
        Scenario::new(
            "node drained",
            deployment(),
            moved("progressing settling complete progressing settling complete"),
        )
        .on_nodes(2)
        .steps(drained(Refusal::Never)),
        Scenario::new(
            "node drained under a disruption budget",
            deployment(),
            moved("progressing settling complete progressing settling|progressing* complete"),
        )
        .on_nodes(2)
        .with(budget)
        .steps(drained(Refusal::Sometimes)),
    ]
}

fn drained(refusal: Refusal) -> [Step; 7] {
    [
        Step::Release("v1.3.0"),
        Step::Until(State::Complete),
        Step::Uncordon(2),
        Step::Cordon(1),
        Step::Empty(1, refusal),
        Step::Until(State::Progressing),
        Step::Until(State::Complete),
    ]
}
