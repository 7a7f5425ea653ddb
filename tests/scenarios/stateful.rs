//! StatefulSets: one pod after the other, partitions, and the trap that only a person opens.

use gonogo::watch::rollout::RolloutState as State;
use serde_json::json;

use crate::manifests::{but, stateful_set};
use crate::scenario::{Expected, Scenario, Step};

pub fn scenarios() -> Vec<Scenario> {
    let expect = |states, field, reason| Expected { states, field, reason };
    let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}});
    let partition = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}});
    vec![
        Scenario::new(
            "statefulset good",
            stateful_set(),
            expect("progressing settling complete", "status.availableReplicas", ""),
        )
        .steps([Step::Release("v1.3.0"), Step::Until(State::Complete), Step::Hold(3)]),
        // The good template is back, and the pod of the bad one still holds everything: kubernetes#67250.
        Scenario::new(
            "statefulset trap",
            stateful_set(),
            expect("progressing? stuck progressing settling complete", "status.availableReplicas", ""),
        )
        .steps([
            Step::Release("v1.3.0-crash"),
            Step::Until(State::Failed),
            Step::Release("v1.2.0"),
            Step::Until(State::Stuck),
            Step::Hold(3),
            Step::DeletePod("app-2"),
            Step::Until(State::Complete),
        ]),
        Scenario::new(
            "statefulset trap, not opened",
            stateful_set(),
            expect("progressing? stuck", "metadata.labels.controller-revision-hash", "CrashLoopBackOff"),
        )
        .steps([
            Step::Release("v1.3.0-crash"),
            Step::Until(State::Failed),
            Step::Release("v1.2.0"),
            Step::Until(State::Stuck),
            // On a real node it crashes once more meanwhile.
            Step::Hold(15),
        ]),
        Scenario::new(
            "on delete",
            but(stateful_set(), on_delete),
            expect("paused progressing settling complete", "status.availableReplicas", ""),
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::Until(State::Paused),
            Step::Hold(3),
            Step::DeletePod("app-2"),
            Step::DeletePod("app-1"),
            Step::DeletePod("app-0"),
            Step::Until(State::Complete),
        ]),
        Scenario::new(
            "partition",
            but(stateful_set(), partition),
            expect("progressing settling complete", "status.availableReplicas", ""),
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::Until(State::Complete),
            Step::Hold(3),
            Step::See("two old pods", |facts| facts.updated == 1 && facts.ready == 3),
        ]),
    ]
}
