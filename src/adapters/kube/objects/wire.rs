//! The JSON that all kinds share, field by field, with everything else left unread.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::watch::{Condition, Image};

/// Metadata; `L` and `A` say what of the labels and annotations is read.
///
/// `managedFields`, often half of the object, is skipped without being taken apart. That is why
/// these are type parameters and not a flattened structure, which would have it all kept first.
#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta<L = IgnoredAny, A = IgnoredAny>
where
    L: Default,
    A: Default,
{
    pub name: String,
    pub uid: String,
    pub resource_version: Option<String>,
    pub generation: Option<i64>,
    #[serde(deserialize_with = "lenient_time")]
    pub creation_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient_time")]
    pub deletion_timestamp: Option<Timestamp>,
    pub owner_references: Vec<Owner>,
    pub labels: L,
    pub annotations: A,
}

pub(super) type Map = Option<BTreeMap<String, String>>;
/// Metadata of the few objects whose labels and annotations all matter.
pub(super) type NotedMeta = Meta<Map, Map>;

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct Owner {
    uid: String,
    controller: bool,
}

impl<L: Default, A: Default> Meta<L, A> {
    /// What a watch itself needs: who it is, and where to resume.
    pub fn thin(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.name.clone()),
            resource_version: self.resource_version.clone(),
            ..ObjectMeta::default()
        }
    }

    /// UID of the controlling object.
    pub fn owner(&self) -> Option<String> {
        self.owner_references.iter().find(|owner| owner.controller).map(|owner| owner.uid.clone())
    }
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
    #[serde(deserialize_with = "lenient_time")]
    last_update_time: Option<Timestamp>,
    #[serde(deserialize_with = "lenient_time")]
    last_transition_time: Option<Timestamp>,
}

impl From<WireCondition> for Condition {
    fn from(wire: WireCondition) -> Self {
        Self {
            kind: wire.kind,
            status: wire.status,
            reason: wire.reason.unwrap_or_default(),
            message: wire.message.unwrap_or_default(),
            last_update: wire.last_update_time.or(wire.last_transition_time),
        }
    }
}

pub(super) fn conditions(wire: Option<Vec<WireCondition>>) -> Vec<Condition> {
    wire.unwrap_or_default().into_iter().map(Condition::from).collect()
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    match_labels: Map,
    match_expressions: Option<Vec<Requirement>>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Requirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl Selector {
    /// As a label query; `None` when it cannot be written as one or would match everything.
    pub fn query(&self) -> Option<String> {
        let mut terms: Vec<String> = Vec::new();
        for (key, value) in self.match_labels.iter().flatten() {
            terms.push(format!("{key}={value}"));
        }
        for requirement in self.match_expressions.iter().flatten() {
            let Requirement { key, operator, values } = requirement;
            let values = values.iter().flatten().cloned().collect::<Vec<_>>().join(",");
            terms.push(match operator.as_str() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "Exists" => key.clone(),
                "DoesNotExist" => format!("!{key}"),
                _ => return None,
            });
        }
        (!terms.is_empty()).then(|| terms.join(","))
    }
}

/// Names the GitOps tool that owns an object and would undo a change by hand.
pub(super) fn gitops_owner(labels: &Map, annotations: &Map) -> Option<String> {
    let of = |map: &Map, key: &str| map.as_ref()?.get(key).filter(|value| !value.is_empty()).cloned();
    if let Some(id) = of(annotations, "argocd.argoproj.io/tracking-id") {
        let application = id.split(':').next().unwrap_or(&id);
        return Some(format!("argocd: {application}"));
    }
    if let Some(name) = of(labels, "argocd.argoproj.io/instance") {
        return Some(format!("argocd: {name}"));
    }
    if let Some(name) = of(labels, "kustomize.toolkit.fluxcd.io/name") {
        return Some(format!("flux kustomization: {name}"));
    }
    of(labels, "helm.toolkit.fluxcd.io/name").map(|name| format!("flux helm release: {name}"))
}

/// The same of an object that is read as it is.
pub(in crate::adapters::kube) fn gitops_owner_of(object: &Value) -> Option<String> {
    let map = |path: &str| object.pointer(path).and_then(|map| serde_json::from_value(map.clone()).ok());
    gitops_owner(&map("/metadata/labels"), &map("/metadata/annotations"))
}

/// A revision number; one that is missing or no number is unknown.
pub(super) fn revision_number(annotations: &Map, key: &str) -> Option<u64> {
    annotations.as_ref()?.get(key)?.parse().ok()
}

pub(super) fn images(template: &Value) -> Vec<Image> {
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    containers
        .into_iter()
        .flatten()
        .map(|container| Image { container: text(container, "name"), image: text(container, "image") })
        .collect()
}

pub(super) fn count(number: Option<i64>) -> u32 {
    u32::try_from(number.unwrap_or(0).max(0)).unwrap_or(u32::MAX)
}

/// A bound of a rolling update, as an update strategy has it: `3` and `"25%"` alike.
pub(super) fn rolling_bound(strategy: &Value, key: &str) -> Option<String> {
    int_or_text(strategy.get("rollingUpdate")?.get(key))
}

/// `3` and `"25%"` alike.
pub(super) fn int_or_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A time that cannot be read is an unknown time, not a reason to lose the whole list.
pub(super) fn lenient_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_selector_is_not_turned_into_a_query_for_everything() {
        let query = |value: Value| serde_json::from_value::<Selector>(value).unwrap().query();
        assert_eq!(query(json!({})), None);
        assert_eq!(query(json!({"matchLabels": null, "matchExpressions": []})), None);
        let strange = json!({"matchExpressions": [{"key": "tier", "operator": "Near", "values": ["a"]}]});
        assert_eq!(query(strange), None, "half a query would match too much");
    }
}
