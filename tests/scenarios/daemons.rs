//! DaemonSets: a pod on each node, taken away before the next one comes.

use gonogo::watch::rollout::RolloutState as State;
use serde_json::json;

use crate::manifests::{but, daemon_set};
use crate::scenario::{Expected, Scenario, Step};

pub fn scenarios() -> Vec<Scenario> {
    let expect = |states, field, reason| Expected { states, field, reason };
    let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete"}}});
    vec![
        Scenario::new(
            "daemonset good",
            daemon_set(),
            expect("progressing settling complete", "status.numberAvailable", ""),
        )
        .steps([Step::Release("v1.3.0"), Step::Until(State::Complete), Step::Hold(3)]),
        Scenario::new(
            "daemonset crash loop",
            daemon_set(),
            expect("progressing failed", "containerStatuses.waiting.reason", "CrashLoopBackOff"),
        )
        .steps([Step::Release("v1.3.0-crash"), Step::Until(State::Failed), Step::Hold(3)]),
        Scenario::new(
            "daemonset on delete",
            but(daemon_set(), on_delete),
            expect("paused", "spec.updateStrategy.type", ""),
        )
        .steps([Step::Release("v1.3.0"), Step::Until(State::Paused), Step::Hold(3)]),
    ]
}
