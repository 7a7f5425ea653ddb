//! `argoproj.io/v1alpha1` Rollouts, read from whatever the object holds: a CRD promises no field.

use jiff::{SignedDuration, Timestamp};
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use super::resource;
use super::wire::{NotedMeta, Selector, WireCondition, count, int_or_text, revision_number};
use super::workload::{BorrowedTemplate, Common, Rolling, Workload, deadline};
use crate::watch::{ArgoFacts, ArgoPause, CanaryStep, UpdateStrategy};

pub(super) const ROLLOUT_REVISION: &str = "rollout.argoproj.io/revision";
/// What the controller takes when the object names none. Units: seconds.
const DEADLINE: i64 = 600;

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Value")]
pub(crate) struct Rollout {
    meta: ObjectMeta,
    pub workload: Workload,
}

resource!(Rollout, "Rollout", "argoproj.io", "v1alpha1", "rollouts", NamespaceResourceScope);

impl From<Value> for Rollout {
    fn from(object: Value) -> Self {
        let meta: NotedMeta = at(&object, "/metadata");
        let selector: Selector = at(&object, "/spec/selector");
        let conditions: Option<Vec<WireCondition>> = at(&object, "/status/conditions");
        let whole = |path: &str| object.pointer(path).and_then(Value::as_i64);
        let named = |path: &str| {
            let text = object.pointer(path).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let borrowed = named("/spec/workloadRef/name").map(|name| BorrowedTemplate {
            kind: named("/spec/workloadRef/kind").unwrap_or_default(),
            name,
            observed_generation: number_in_text(&object, "/status/workloadObservedGeneration"),
        });
        let way = strategy(&object);
        let of_canary = |key: &str| int_or_text(object.pointer(&format!("/spec/strategy/canary/{key}")));
        Self {
            meta: meta.thin(),
            workload: Workload {
                observed_generation: number_in_text(&object, "/status/observedGeneration")
                    .filter(|generation| *generation > 0),
                paused: object.pointer("/spec/paused") == Some(&Value::Bool(true)),
                spec_replicas: count(Some(whole("/spec/replicas").unwrap_or(1))),
                replicas: count(whole("/status/replicas")),
                updated: count(whole("/status/updatedReplicas")),
                ready: count(whole("/status/readyReplicas")),
                available: count(whole("/status/availableReplicas")),
                revision: revision_number(&meta.annotations, ROLLOUT_REVISION),
                progress_deadline_s: deadline(Some(
                    whole("/spec/progressDeadlineSeconds").unwrap_or(DEADLINE),
                )),
                max_surge: of_canary("maxSurge"),
                max_unavailable: of_canary("maxUnavailable"),
                rolling: Rolling::Hash {
                    target: named("/status/currentPodHash"),
                    stable: named("/status/stableRS"),
                },
                argo: Some(Box::new(argo(&object, &way))),
                strategy: way,
                borrowed,
                ..Workload::of(Common {
                    meta,
                    template: object.pointer("/spec/template").cloned().unwrap_or_default(),
                    selector,
                    conditions,
                    min_ready_s: whole("/spec/minReadySeconds"),
                })
            },
        }
    }
}

/// A part of the object; one that is missing, or is not what we think, is as if it were empty.
fn at<T: Default + serde::de::DeserializeOwned>(object: &Value, path: &str) -> T {
    object.pointer(path).and_then(|value| T::deserialize(value).ok()).unwrap_or_default()
}

/// Argo writes generations as text.
fn number_in_text(object: &Value, path: &str) -> Option<i64> {
    match object.pointer(path)? {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

fn strategy(object: &Value) -> UpdateStrategy {
    let Some(Value::Object(strategy)) = object.pointer("/spec/strategy") else {
        return UpdateStrategy::Other("none".to_owned());
    };
    let given = |name: &str| strategy.get(name).is_some_and(|value| !value.is_null());
    match (given("canary"), given("blueGreen")) {
        (true, false) => UpdateStrategy::Canary,
        (false, true) => UpdateStrategy::BlueGreen,
        // The controller refuses both at once, too.
        (true, true) => UpdateStrategy::Other("canary and blueGreen".to_owned()),
        (false, false) => {
            UpdateStrategy::Other(strategy.keys().next().cloned().unwrap_or_else(|| "none".to_owned()))
        }
    }
}

fn argo(object: &Value, way: &UpdateStrategy) -> ArgoFacts {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_set = |path: &str| object.pointer(path) == Some(&Value::Bool(true));
    let list = |path: &str| object.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let whole = |path: &str| object.pointer(path).and_then(Value::as_u64).and_then(|n| n.try_into().ok());
    let hash = text("/status/currentPodHash");
    let active = text("/status/blueGreen/activeSelector");
    let is_active =
        (*way == UpdateStrategy::BlueGreen && !hash.is_empty() && !active.is_empty()).then(|| hash == active);
    ArgoFacts {
        phase: text("/status/phase"),
        message: text("/status/message"),
        aborted: is_set("/status/abort"),
        promoted: is_set("/status/promoteFull"),
        pauses: list("/status/pauseConditions").map(pause).collect(),
        controller_pause: is_set("/status/controllerPause"),
        steps: list("/spec/strategy/canary/steps").map(step).collect(),
        step: whole("/status/currentStepIndex"),
        weight: whole("/status/canary/weights/canary/weight"),
        analyses: vec![],
        is_active,
    }
}

fn pause(value: &Value) -> ArgoPause {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    ArgoPause { reason: text("reason").to_owned(), since: text("startTime").parse::<Timestamp>().ok() }
}

fn step(value: &Value) -> CanaryStep {
    let Some(step) = value.as_object() else { return CanaryStep::Other(String::new()) };
    if let Some(weight) = step.get("setWeight").and_then(Value::as_u64) {
        return CanaryStep::SetWeight(u32::try_from(weight).unwrap_or(u32::MAX));
    }
    if let Some(pause) = step.get("pause") {
        let duration = pause.get("duration").filter(|duration| !duration.is_null());
        return match duration.map(|duration| (duration, seconds(duration))) {
            None => CanaryStep::Pause { duration_s: None },
            Some((_, Some(seconds))) => CanaryStep::Pause { duration_s: Some(seconds) },
            // Never taken for "until a person promotes it".
            Some((duration, None)) => CanaryStep::Other(format!("pause {duration}")),
        };
    }
    if step.contains_key("analysis") {
        return CanaryStep::Analysis;
    }
    CanaryStep::Other(step.keys().next().cloned().unwrap_or_default())
}

/// `30`, `"30"` and `"1h30m"`.
fn seconds(duration: &Value) -> Option<u32> {
    let whole = match duration {
        Value::String(text) => match text.parse::<i64>() {
            Ok(whole) => whole,
            Err(_) => text.parse::<SignedDuration>().ok()?.as_secs(),
        },
        other => other.as_i64()?,
    };
    u32::try_from(whole).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: Value) -> Workload {
        serde_json::from_value::<Rollout>(object).unwrap().workload
    }

    #[test]
    fn a_canary_in_the_middle_of_its_steps_is_read() {
        let rollout = read(json!({
            "metadata": {"name": "web", "uid": "u", "generation": 7,
                "annotations": {"rollout.argoproj.io/revision": "3"}},
            "spec": {"replicas": 5, "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"name": "app", "image": "x:3"}]}},
                "strategy": {"canary": {"maxSurge": "25%", "steps": [{"setWeight": 20}, {"pause": {}},
                    {"pause": {"duration": "1m30s"}}, {"pause": {"duration": 10}}, {"pause": {"duration": "10"}},
                    {"pause": {"duration": "soon"}}, {"analysis": {"templates": []}},
                    {"setCanaryScale": {"replicas": 1}}]}}},
            "status": {"observedGeneration": "7", "phase": "Paused", "message": "CanaryPauseStep",
                "currentPodHash": "6c9", "stableRS": "5d4", "currentStepIndex": 1, "controllerPause": true,
                "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-22T14:00:00Z"}],
                "replicas": 6, "updatedReplicas": 1, "readyReplicas": 6, "availableReplicas": 6,
                "canary": {"weights": {"canary": {"weight": 20}, "stable": {"weight": 80}}}}
        }));
        assert_eq!((rollout.generation, rollout.observed_generation), (7, Some(7)));
        assert_eq!((rollout.revision, rollout.progress_deadline_s), (Some(3), Some(600)));
        let by_hash = Rolling::Hash { target: Some("6c9".into()), stable: Some("5d4".into()) };
        assert_eq!((rollout.strategy, rollout.rolling), (UpdateStrategy::Canary, by_hash));
        let argo = rollout.argo.unwrap();
        assert_eq!((argo.phase.as_str(), argo.step, argo.weight), ("Paused", Some(1), Some(20)));
        assert_eq!(argo.pauses[0].since, Some("2026-11-22T14:00:00Z".parse().unwrap()));
        let pause = |duration_s| CanaryStep::Pause { duration_s };
        assert_eq!(argo.steps[..2], [CanaryStep::SetWeight(20), pause(None)]);
        assert_eq!(argo.steps[2..5], [pause(Some(90)), pause(Some(10)), pause(Some(10))]);
        assert_eq!(argo.steps[5], CanaryStep::Other("pause \"soon\"".into()), "no endless pause");
        assert_eq!(argo.steps[6..], [CanaryStep::Analysis, CanaryStep::Other("setCanaryScale".into())]);
        assert_eq!(argo.is_active, None);
    }

    #[test]
    fn a_rollout_without_the_fields_we_expect_says_nothing_instead_of_guessing() {
        for odd in [
            json!({}),
            json!({"metadata": {"name": 7}, "spec": "none", "status": []}),
            json!({"spec": {"replicas": "three", "strategy": {"waves": {}}, "selector": []},
                "status": {"observedGeneration": "5f8", "currentPodHash": "", "conditions": "bad",
                    "replicas": -1, "currentStepIndex": -1}}),
        ] {
            let rollout = read(odd);
            assert_eq!((rollout.observed_generation, rollout.selector), (None, None));
            assert_eq!(rollout.rolling, Rolling::Hash { target: None, stable: None });
            assert!(matches!(rollout.strategy, UpdateStrategy::Other(_)), "{:?}", rollout.strategy);
            assert_eq!(rollout.argo.unwrap().step, None);
        }
    }

    #[test]
    fn a_borrowed_template_is_told_with_the_generation_that_was_seen_of_it() {
        let rollout = read(json!({"spec": {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment",
            "name": "web"}, "strategy": {"blueGreen": {"activeService": "web"}}},
            "status": {"workloadObservedGeneration": "4", "currentPodHash": "6c9",
                "blueGreen": {"activeSelector": "5d4"}}}));
        let borrowed =
            BorrowedTemplate { kind: "Deployment".into(), name: "web".into(), observed_generation: Some(4) };
        assert_eq!(rollout.borrowed, Some(borrowed));
        assert_eq!(rollout.argo.unwrap().is_active, Some(false));
    }
}
