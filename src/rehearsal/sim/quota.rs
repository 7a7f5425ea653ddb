//! Resource quotas: what a namespace's pods use, and whether one more fits.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

use super::change::Refusal;
use super::hands::Draft;
use super::kind::Kind;
use super::pod::Pod;
use super::quantity::{milli, written};
use super::store::{Key, Store};

/// What is counted, by the names that a quota uses for it. Units: thousandths.
type Usage = BTreeMap<String, i128>;

/// Refuses a pod for which a quota of its namespace has no room.
pub fn admit(store: &Store, pods: &[Pod], draft: &Draft) -> Result<(), Refusal> {
    let own = usage(&draft.spec);
    let used = used(pods, &draft.meta.namespace);
    for (place, quota) in store.list(Kind::ResourceQuota, &draft.meta.namespace) {
        let mut over: Vec<(&str, i128, i128, i128)> = Vec::new();
        let mut missing: Vec<&str> = Vec::new();
        for (resource, hard) in quota["spec"]["hard"].as_object().into_iter().flatten() {
            let Some(hard) = hard.as_str().and_then(milli) else { continue };
            let Some(name) = counted(resource) else { continue };
            let Some(request) = own.get(name) else {
                missing.push(resource);
                continue;
            };
            let used = used.get(name).copied().unwrap_or(0);
            if used + request > hard {
                over.push((resource, *request, used, hard));
            }
        }
        let why = if !missing.is_empty() {
            let containers: Vec<&str> =
                draft.spec.containers.iter().map(|container| container.name.as_str()).collect();
            let each: Vec<String> =
                missing.iter().map(|name| format!("{name} for: {}", containers.join(","))).collect();
            format!("failed quota: {}: must specify {}", place.name, each.join("; "))
        } else if !over.is_empty() {
            let list = |pick: fn(&(&str, i128, i128, i128)) -> i128| {
                let each = over
                    .iter()
                    .map(|one| format!("{}={}", one.0, written(pick(one), one.0.contains("memory"))));
                each.collect::<Vec<_>>().join(",")
            };
            format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                place.name,
                list(|one| one.1),
                list(|one| one.2),
                list(|one| one.3)
            )
        } else {
            continue;
        };
        return Err(Refusal::Forbidden { kind: Kind::Pod, name: draft.meta.name.clone(), why });
    }
    Ok(())
}

/// Brings every quota's status up to date; true when one changed.
pub fn refresh(store: &mut Store, pods: &[Pod]) -> bool {
    let quotas: Vec<(Key, Value)> =
        store.list(Kind::ResourceQuota, "").map(|(key, quota)| (key.clone(), (**quota).clone())).collect();
    let before = store.version();
    for (key, mut quota) in quotas {
        let used = used(pods, &key.namespace);
        let hard = quota["spec"]["hard"].clone();
        let shown = hard.as_object().into_iter().flatten().map(|(resource, _)| {
            let amount = counted(resource).and_then(|name| used.get(name)).copied().unwrap_or(0);
            (resource.clone(), Value::String(written(amount, resource.contains("memory"))))
        });
        let used: serde_json::Map<String, Value> = shown.collect();
        quota["status"] = json!({"hard": hard, "used": used});
        store.publish(key, quota);
    }
    store.version() != before
}

/// The name by which we count what a quota calls `resource`; `None` for what is not about pods.
fn counted(resource: &str) -> Option<&str> {
    match resource {
        "pods" | "count/pods" => Some("pods"),
        "cpu" | "requests.cpu" => Some("requests.cpu"),
        "memory" | "requests.memory" => Some("requests.memory"),
        "limits.cpu" | "limits.memory" => Some(resource),
        _ => None,
    }
}

fn used(pods: &[Pod], namespace: &str) -> Usage {
    let mut sum = Usage::new();
    for pod in pods.iter().filter(|pod| pod.meta.namespace == namespace && !pod.is_over()) {
        for (name, amount) in usage(&pod.spec) {
            *sum.entry(name).or_insert(0) += amount;
        }
    }
    sum
}

/// What one pod counts for; a resource that no container names is absent.
pub fn usage(spec: &PodSpec) -> Usage {
    let mut sum = Usage::from([("pods".to_owned(), 1_000)]);
    for resources in spec.containers.iter().filter_map(|container| container.resources.as_ref()) {
        for (prefix, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
            for (resource, amount) in amounts.iter().flatten() {
                *sum.entry(format!("{prefix}.{resource}")).or_insert(0) += milli(&amount.0).unwrap_or(0);
            }
        }
    }
    sum
}
