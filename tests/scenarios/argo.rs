//! Argo Rollouts: a canary that pauses, one that is aborted, one that runs out of time.

use gonogo::watch::rollout::RolloutState as State;
use serde_json::json;

use crate::manifests::{but, impatient, rollout};
use crate::scenario::{Expected, Scenario, Step};
use crate::world::Which;

const NO_CONTROLLER: &str = "the controller of Argo Rollouts is not there";

pub fn scenarios() -> Vec<Scenario> {
    let expect = |states, field, reason| Expected { states, field, reason };
    let deadline = json!({"spec": {"progressDeadlineSeconds": 8}});
    let all = vec![
        Scenario::new(
            "canary with pauses",
            rollout(),
            expect(
                "progressing paused progressing paused progressing settling complete",
                "status.availableReplicas",
                "",
            ),
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::Until(State::Paused),
            Step::Until(State::Progressing),
            Step::Until(State::Paused),
            Step::Hold(3),
            // What `kubectl argo rollouts promote` sends.
            Step::PatchStatus(json!({"status": {"pauseConditions": null}})),
            Step::Until(State::Complete),
        ]),
        Scenario::new(
            "canary aborted",
            rollout(),
            expect("progressing paused failed", "status.abort", "RolloutAborted"),
        )
        .steps([
            Step::Release("v1.3.0"),
            Step::Until(State::Paused),
            // What `kubectl argo rollouts abort` sends.
            Step::PatchStatus(json!({"status": {"abort": true}})),
            Step::Until(State::Failed),
            Step::Hold(3),
        ]),
        Scenario::new(
            "canary degraded",
            but(impatient(rollout()), deadline),
            expect("progressing stuck failed", "Progressing.reason", "NotReady"),
        )
        .steps([Step::Release("v1.3.0-notready"), Step::Until(State::Failed), Step::Hold(3)]),
    ];
    let elsewhere = [Which::Practice, Which::Simulated, Which::Node];
    let only_there = |scenario: Scenario| {
        elsewhere.into_iter().fold(scenario, |scenario, which| scenario.not_in(which, NO_CONTROLLER))
    };
    all.into_iter().map(only_there).collect()
}
