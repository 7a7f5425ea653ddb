//! Orders to an Argo Rollout: there is no interface beyond patching the object, as its own command
//! line does. What is patched follows that command line (1.10), but for two things: a step that runs
//! is never skipped, and nothing is sent when the object is no longer what the operator saw.

use std::time::Instant;

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::error::{Cause, KubeError, Place};
use super::workloads;
use crate::release::{Order, RolloutOrdered};

/// Its controller writes the status all the time: a lost race is an ordinary thing.
const ATTEMPTS: usize = 4;

/// Sends one order.
///
/// - Shape: how long it took in milliseconds; `None` when it was so already and nothing was sent.
/// - Errors: [`KubeError::Changed`] when the object is not what was shown; [`KubeError::NotNow`] when
///   the order would do nothing or harm; [`KubeError::Call`] otherwise.
pub(super) async fn send(
    client: &Client,
    place: &Place,
    ordered: &RolloutOrdered,
) -> Result<Option<u64>, KubeError> {
    let began = Instant::now();
    let target = &ordered.target;
    let resource = workloads::resource(target.kind);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &target.namespace, &resource);
    let mut n_read = 0;
    loop {
        n_read += 1;
        let read = place.call(&format!("read {target}"), api.get(&target.name)).await?;
        let object = serde_json::to_value(&read).unwrap_or_default();
        let patches = match decide(&object, ordered) {
            Ok(patches) => patches,
            Err(Denied::AlreadyThere) => return Ok(None),
            Err(Denied::Changed(what)) => {
                return Err(KubeError::Changed { target: target.to_string(), what });
            }
            Err(Denied::NotNow(why)) => return Err(KubeError::NotNow { target: target.to_string(), why }),
        };
        match apply(&api, place, ordered, &object, patches).await {
            Ok(()) => return Ok(Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))),
            Err(error) if error.cause() == Some(Cause::Conflict) && n_read < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

async fn apply(
    api: &Api<DynamicObject>,
    place: &Place,
    ordered: &RolloutOrdered,
    object: &Value,
    patches: Patches,
) -> Result<(), KubeError> {
    let what = format!("{} {}", ordered.order, ordered.target);
    let name = &ordered.target.name;
    let params = PatchParams { field_manager: Some("gonogo".into()), ..PatchParams::default() };
    let mut version = object.pointer("/metadata/resourceVersion").cloned();
    let mut spec = patches.spec;
    if let Some(status) = patches.status {
        let patch = Patch::Merge(locked(json!({ "status": status }), version.as_ref()));
        match place.call(&what, api.patch_status(name, &params, &patch)).await {
            Ok(after) => version = after.metadata.resource_version.map(Value::from),
            // Before 0.10 the status was no subresource: then it is patched with the rest.
            Err(error) if error.cause() == Some(Cause::NotFound) => {
                let mut whole = json!({ "status": status });
                if let Some(spec) = spec.take() {
                    whole["spec"] = spec;
                }
                let patch = Patch::Merge(locked(whole, version.as_ref()));
                return place.call(&what, api.patch(name, &params, &patch)).await.map(|_| ());
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(spec) = spec {
        let patch = Patch::Merge(locked(json!({ "spec": spec }), version.as_ref()));
        place.call(&what, api.patch(name, &params, &patch)).await?;
    }
    Ok(())
}

/// The patch, for no other version of the object than the one it was decided on.
fn locked(mut patch: Value, version: Option<&Value>) -> Value {
    if let Some(version) = version {
        patch["metadata"] = json!({ "resourceVersion": version });
    }
    patch
}

/// Merge patches of the two halves of the object.
#[derive(Debug, Clone, PartialEq, Default)]
struct Patches {
    spec: Option<Value>,
    status: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Denied {
    AlreadyThere,
    Changed(String),
    NotNow(String),
}

fn decide(object: &Value, ordered: &RolloutOrdered) -> Result<Patches, Denied> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let is_set = |path: &str| object.pointer(path) == Some(&Value::Bool(true));
    let not_now = |why: &str| Err(Denied::NotNow(why.to_owned()));
    if text("/metadata/uid") != ordered.uid {
        return Err(Denied::Changed("it was deleted and made anew".to_owned()));
    }
    let (new, stable) = (text("/status/currentPodHash"), text("/status/stableRS"));
    let under_way = new != stable;
    let is_paused = is_set("/spec/paused");
    let spec = is_paused.then(|| json!({ "paused": false }));
    match ordered.order {
        Order::Promote => {
            let step = object.pointer("/status/currentStepIndex").and_then(Value::as_u64);
            if step != ordered.step.map(u64::from) {
                let now = step.map_or("no step".to_owned(), |step| format!("step {}", step + 1));
                return Err(Denied::Changed(format!("it is at {now} now")));
            }
            let has_pauses = object
                .pointer("/status/pauseConditions")
                .and_then(Value::as_array)
                .is_some_and(|all| !all.is_empty());
            if !has_pauses && !is_paused {
                return not_now("it is not paused, and a step that runs is not skipped");
            }
            let status = has_pauses.then(|| promotion(object, step));
            Ok(Patches { spec, status })
        }
        Order::PromoteFull => {
            if is_set("/status/abort") {
                return not_now("it was aborted: retry it, or put its spec back");
            }
            let status =
                (under_way && !is_set("/status/promoteFull")).then(|| json!({ "promoteFull": true }));
            if status.is_none() && spec.is_none() {
                return Err(Denied::AlreadyThere);
            }
            Ok(Patches { spec, status })
        }
        Order::Abort if is_set("/status/abort") => Err(Denied::AlreadyThere),
        // Aborting with nothing under way once scaled the stable version to zero.
        Order::Abort if !under_way => not_now("nothing is under way: its new version is stable"),
        Order::Abort if stable.is_empty() => not_now("it has no stable version to go back to"),
        Order::Abort => Ok(Patches { spec: None, status: Some(json!({ "abort": true })) }),
        Order::Retry if !is_set("/status/abort") => Err(Denied::AlreadyThere),
        Order::Retry => Ok(Patches { spec: None, status: Some(json!({ "abort": false })) }),
    }
}

/// Ends the pauses. One that an inconclusive analysis began would begin again with the same step, so
/// there, and only there, the step is counted up.
fn promotion(object: &Value, step: Option<u64>) -> Value {
    let analysis = "/status/canary/currentStepAnalysisRunStatus/status";
    let is_inconclusive = object.pointer(analysis).and_then(Value::as_str) == Some("Inconclusive");
    let is_held = object.pointer("/status/controllerPause") == Some(&Value::Bool(true));
    let n_steps =
        object.pointer("/spec/strategy/canary/steps").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    match step {
        Some(step) if is_inconclusive && is_held => json!({
            "pauseConditions": null,
            "controllerPause": false,
            "currentStepIndex": (step + 1).min(n_steps),
        }),
        _ => json!({ "pauseConditions": null }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::TargetRef;
    use crate::workflow::Kind;

    fn ordered(order: Order, step: Option<u32>) -> RolloutOrdered {
        let target =
            TargetRef { kind: Kind::Rollout, namespace: "shop".into(), name: "app".into(), container: None };
        RolloutOrdered { target, order, attempt: 1, uid: "u1".into(), step }
    }

    /// Paused at the second of three steps.
    fn paused() -> Value {
        json!({
            "metadata": {"uid": "u1", "resourceVersion": "7"},
            "spec": {"strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}, {"setWeight": 100}]}}},
            "status": {"currentPodHash": "new", "stableRS": "old", "currentStepIndex": 1,
                "controllerPause": true, "pauseConditions": [{"reason": "CanaryPauseStep"}]}
        })
    }

    fn status(object: &Value, order: Order) -> Value {
        decide(object, &ordered(order, Some(1))).unwrap().status.unwrap()
    }

    #[test]
    fn promoting_ends_the_pause_and_counts_no_step() {
        assert_eq!(status(&paused(), Order::Promote), json!({"pauseConditions": null}));
    }

    #[test]
    fn a_step_that_runs_is_never_skipped() {
        let mut running = paused();
        running["status"]["pauseConditions"] = json!([]);
        let denied = decide(&running, &ordered(Order::Promote, Some(1))).unwrap_err();
        assert_eq!(denied, Denied::NotNow("it is not paused, and a step that runs is not skipped".into()));
    }

    #[test]
    fn a_pause_other_than_the_one_that_was_shown_is_not_ended() {
        let denied = decide(&paused(), &ordered(Order::Promote, Some(0))).unwrap_err();
        assert_eq!(denied, Denied::Changed("it is at step 2 now".into()));
        let mut anew = paused();
        anew["metadata"]["uid"] = json!("u2");
        for order in Order::ALL {
            assert!(matches!(decide(&anew, &ordered(order, Some(1))), Err(Denied::Changed(_))), "{order}");
        }
    }

    #[test]
    fn an_inconclusive_analysis_is_left_behind_with_its_step() {
        let mut object = paused();
        object["status"]["canary"] = json!({"currentStepAnalysisRunStatus": {"status": "Inconclusive"}});
        assert_eq!(
            status(&object, Order::Promote),
            json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": 2})
        );
    }

    #[test]
    fn a_rollout_paused_by_its_spec_is_resumed() {
        let mut object = paused();
        object["spec"]["paused"] = json!(true);
        object["status"]["pauseConditions"] = json!([]);
        let patches = decide(&object, &ordered(Order::Promote, Some(1))).unwrap();
        assert_eq!(patches, Patches { spec: Some(json!({"paused": false})), status: None });
    }

    #[test]
    fn a_full_promotion_is_sent_once_and_not_after_an_abort() {
        assert_eq!(status(&paused(), Order::PromoteFull), json!({"promoteFull": true}));
        let mut object = paused();
        object["status"]["promoteFull"] = json!(true);
        assert_eq!(decide(&object, &ordered(Order::PromoteFull, None)), Err(Denied::AlreadyThere));
        object["status"] = json!({"abort": true, "currentPodHash": "new", "stableRS": "old"});
        assert!(matches!(decide(&object, &ordered(Order::PromoteFull, None)), Err(Denied::NotNow(_))));
    }

    #[test]
    fn an_abort_needs_something_under_way_and_somewhere_to_go_back_to() {
        assert_eq!(status(&paused(), Order::Abort), json!({"abort": true}));
        let mut done = paused();
        done["status"]["stableRS"] = json!("new");
        assert!(matches!(decide(&done, &ordered(Order::Abort, None)), Err(Denied::NotNow(_))));
        let mut first = paused();
        first["status"]["stableRS"] = json!("");
        assert!(matches!(decide(&first, &ordered(Order::Abort, None)), Err(Denied::NotNow(_))));
        let mut aborted = paused();
        aborted["status"]["abort"] = json!(true);
        assert_eq!(decide(&aborted, &ordered(Order::Abort, None)), Err(Denied::AlreadyThere));
        assert_eq!(status(&aborted, Order::Retry), json!({"abort": false}));
        assert_eq!(decide(&paused(), &ordered(Order::Retry, None)), Err(Denied::AlreadyThere));
    }

    #[test]
    fn a_patch_is_for_no_other_version_of_the_object() {
        let patch = locked(json!({"status": {"abort": true}}), Some(&json!("7")));
        assert_eq!(patch, json!({"status": {"abort": true}, "metadata": {"resourceVersion": "7"}}));
    }
}
