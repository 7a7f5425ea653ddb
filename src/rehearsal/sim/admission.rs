//! What stands between a wish for a pod and the pod: references, limits, validity and quotas, in the
//! order in which the API server asks them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use super::change::Refusal;
use super::hands::Draft;
use super::kind::Kind;
use super::pod::Pod;
use super::quantity::milli;
use super::store::Store;
use super::{key, quota, validate};

/// Completes `draft`, or says why no such pod may be made.
pub fn admit(store: &Store, pods: &[Pod], draft: &mut Draft) -> Result<(), Refusal> {
    references(store, draft)?;
    limits(store, draft)?;
    let shown = serde_json::json!({
        "metadata": {"name": draft.meta.name},
        "spec": serde_json::to_value(&draft.spec).expect("a pod's spec has only text for keys"),
    });
    let causes = validate::causes(Kind::Pod, &shown, None);
    if !causes.is_empty() {
        return Err(Refusal::Invalid { kind: Kind::Pod, name: draft.meta.name.clone(), causes });
    }
    quota::admit(store, pods, draft)
}

fn forbidden(name: String, why: String) -> Refusal {
    Refusal::Forbidden { kind: Kind::Pod, name, why }
}

/// The service account and the priority class must be there. These are asked before the server makes up
/// a name, so the refusal knows only the beginning of it.
fn references(store: &Store, draft: &mut Draft) -> Result<(), Refusal> {
    let name = || draft.meta.generate_name.clone().unwrap_or_else(|| draft.meta.name.clone());
    let namespace = &draft.meta.namespace;
    let account = draft.spec.service_account_name.get_or_insert_with(|| "default".into());
    if store.get(&key(Kind::ServiceAccount, namespace, account)).is_none() {
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        return Err(forbidden(name(), why));
    }
    if let Some(class) = draft.spec.priority_class_name.as_deref().filter(|class| !class.is_empty())
        && !class.starts_with("system-")
        && store.get(&key(Kind::PriorityClass, "", class)).is_none()
    {
        return Err(forbidden(name(), format!("no PriorityClass with name {class} was found")));
    }
    draft.spec.priority.get_or_insert(0);
    draft.spec.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".into());
    draft.spec.enable_service_links.get_or_insert(true);
    Ok(())
}

/// Limit ranges fill in what a container leaves open, then judge all of it.
fn limits(store: &Store, draft: &mut Draft) -> Result<(), Refusal> {
    let ranges: Vec<Value> =
        store.list(Kind::LimitRange, &draft.meta.namespace).map(|(_, range)| (**range).clone()).collect();
    let items = || ranges.iter().flat_map(|range| range["spec"]["limits"].as_array().into_iter().flatten());
    for item in items().filter(|item| item["type"] == "Container") {
        for container in &mut draft.spec.containers {
            let resources = container.resources.get_or_insert_default();
            fill(&mut resources.limits, &item["default"]);
            fill(&mut resources.requests, &item["defaultRequest"]);
        }
    }
    let mut problems = Vec::new();
    for item in items().filter(|item| item["type"] == "Container") {
        for container in &draft.spec.containers {
            let resources = container.resources.clone().unwrap_or_default();
            let (limits, requests) =
                (resources.limits.unwrap_or_default(), resources.requests.unwrap_or_default());
            judge(item, &limits, &requests, &mut problems);
        }
    }
    match problems.as_slice() {
        [] => Ok(()),
        [only] => Err(forbidden(draft.meta.name.clone(), only.clone())),
        several => Err(forbidden(draft.meta.name.clone(), format!("[{}]", several.join(", ")))),
    }
}

type Amounts = BTreeMap<String, Quantity>;

fn fill(amounts: &mut Option<Amounts>, defaults: &Value) {
    for (resource, amount) in defaults.as_object().into_iter().flatten() {
        if let Some(amount) = amount.as_str() {
            amounts
                .get_or_insert_default()
                .entry(resource.clone())
                .or_insert_with(|| Quantity(amount.to_owned()));
        }
    }
}

fn judge(item: &Value, limits: &Amounts, requests: &Amounts, problems: &mut Vec<String>) {
    let read = |amount: Option<&Quantity>| amount.and_then(|amount| milli(&amount.0));
    for (resource, least) in item["min"].as_object().into_iter().flatten() {
        let least = least.as_str().unwrap_or_default();
        match requests.get(resource) {
            None => problems
                .push(format!("minimum {resource} usage per Container is {least}.  No request is specified")),
            request if read(request) < milli(least) => {
                let request = request.map_or("", |request| request.0.as_str());
                problems.push(format!(
                    "minimum {resource} usage per Container is {least}, but request is {request}"
                ));
            }
            _ => {}
        }
    }
    for (resource, most) in item["max"].as_object().into_iter().flatten() {
        let most = most.as_str().unwrap_or_default();
        match limits.get(resource) {
            None => problems
                .push(format!("maximum {resource} usage per Container is {most}.  No limit is specified")),
            limit if read(limit) > milli(most) => {
                let limit = limit.map_or("", |limit| limit.0.as_str());
                problems
                    .push(format!("maximum {resource} usage per Container is {most}, but limit is {limit}"));
            }
            _ => {}
        }
    }
}
