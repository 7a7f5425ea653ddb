//! What every object has: its place, its identity, its labels and its owners.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kind::Kind;
use super::seconds;

/// The metadata of an object that the simulation keeps as more than text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    pub namespace: String,
    pub name: String,
    pub generate_name: Option<String>,
    pub uid: String,
    pub created: Timestamp,
    pub generation: i64,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub owners: Vec<OwnerReference>,
    pub finalizers: Vec<String>,
    /// When it was asked to go, while something still holds it.
    pub deleted: Option<Timestamp>,
}

impl Meta {
    pub fn new(namespace: &str, name: &str, uid: String, created: Timestamp) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            generate_name: None,
            uid,
            created,
            generation: 1,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            owners: Vec::new(),
            finalizers: Vec::new(),
            deleted: None,
        }
    }

    /// Takes over what a client may write: labels, annotations, owners and finalizers.
    pub fn take_over(&mut self, shown: &Value) {
        let read = |field: &str| shown["metadata"][field].clone();
        self.labels = serde_json::from_value(read("labels")).unwrap_or_default();
        self.annotations = serde_json::from_value(read("annotations")).unwrap_or_default();
        self.owners = serde_json::from_value(read("ownerReferences")).unwrap_or_default();
        self.finalizers = serde_json::from_value(read("finalizers")).unwrap_or_default();
    }

    /// The owner that manages this object.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.controller == Some(true))
    }

    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|owner| owner.uid == uid)
    }

    /// As `metadata` of the API; the resource version is the store's to add.
    pub fn shown(&self) -> Value {
        let mut shown = json!({
            "name": self.name,
            "namespace": self.namespace,
            "uid": self.uid,
            "creationTimestamp": seconds(self.created),
            "generation": self.generation,
        });
        if let Some(prefix) = &self.generate_name {
            shown["generateName"] = prefix.clone().into();
        }
        if !self.labels.is_empty() {
            shown["labels"] = json!(self.labels);
        }
        if !self.annotations.is_empty() {
            shown["annotations"] = json!(self.annotations);
        }
        if !self.owners.is_empty() {
            shown["ownerReferences"] = json!(self.owners);
        }
        if !self.finalizers.is_empty() {
            shown["finalizers"] = json!(self.finalizers);
        }
        if let Some(at) = self.deleted {
            shown["deletionTimestamp"] = seconds(at).into();
            shown["deletionGracePeriodSeconds"] = 0.into();
        }
        shown
    }

    /// The reference by which this object owns what it makes.
    pub fn as_controller(&self, kind: Kind) -> OwnerReference {
        OwnerReference {
            api_version: kind.api_version(),
            kind: kind.as_str().into(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

/// Whether labels satisfy a selector; an empty selector selects everything, as the API has it.
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(name, value)| labels.get(name) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let value = labels.get(&expression.key);
            let listed =
                value.is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
            match expression.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}
