//! Whose logs are meant: a pod, or all pods of a workload.

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::{GroupVersionKind, Selector};

use crate::adapters::kube::error::{Cause, KubeError, Place};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// A pod, or an object that owns pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    kind: &'static Kind,
    name: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Kind {
    /// As kubectl takes them; the first is the one we print.
    words: &'static [&'static str],
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    /// Its pods belong to ReplicaSets that belong to it.
    through_sets: bool,
}

const KINDS: [Kind; 7] = [
    kind(&["pod", "pods", "po"], "", "v1", "Pod", "pods"),
    Kind {
        through_sets: true,
        ..kind(&["deployment", "deployments", "deploy"], "apps", "v1", "Deployment", "deployments")
    },
    kind(&["statefulset", "statefulsets", "sts"], "apps", "v1", "StatefulSet", "statefulsets"),
    kind(&["daemonset", "daemonsets", "ds"], "apps", "v1", "DaemonSet", "daemonsets"),
    Kind {
        through_sets: true,
        ..kind(&["rollout", "rollouts", "ro"], "argoproj.io", "v1alpha1", "Rollout", "rollouts")
    },
    kind(&["replicaset", "replicasets", "rs"], "apps", "v1", "ReplicaSet", "replicasets"),
    kind(&["job", "jobs"], "batch", "v1", "Job", "jobs"),
];

const fn kind(
    words: &'static [&'static str],
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> Kind {
    Kind { words, group, version, kind, plural, through_sets: false }
}

/// What was written is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("`{0}` has no logs that we know; write pod, {kinds}", kinds = known_kinds())]
    Kind(String),
    #[error("`{0}` cannot be a name: lower-case letters, digits, - and . only")]
    Name(String),
}

fn known_kinds() -> String {
    let words: Vec<&str> = KINDS.iter().skip(1).map(|kind| kind.words[0]).collect();
    words.join(", ")
}

impl std::fmt::Display for LogTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind.words[0], self.name)
    }
}

impl std::str::FromStr for LogTarget {
    type Err = TargetError;

    /// Reads `deployment/app` and `pod/app-1` as kubectl writes them; a bare name is a pod's.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (word, name) = text.split_once('/').unwrap_or(("pod", text));
        // `deployments.apps` names the group too.
        let is_meant = |kind: &&Kind| {
            kind.words.contains(&word)
                || word
                    .split_once('.')
                    .is_some_and(|(word, group)| group == kind.group && kind.words.contains(&word))
        };
        let Some(kind) = KINDS.iter().find(is_meant) else { return Err(TargetError::Kind(word.to_owned())) };
        // Else a comma or a slash would make another question of it on the way to the API server.
        let is_name = !name.is_empty()
            && name.len() <= 253
            && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c));
        if !is_name {
            return Err(TargetError::Name(name.to_owned()));
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

/// Which pods of a namespace are asked for, and which of those count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub fields: Option<String>,
    pub labels: Option<String>,
    /// UID of the object whose pods are meant; other objects can have the same labels.
    pub owner: Option<String>,
    pub through_sets: bool,
}

impl LogTarget {
    /// Whether one pod alone is meant.
    pub fn is_pod(&self) -> bool {
        self.kind.plural == "pods"
    }

    /// Finds out how to ask for its pods.
    ///
    /// - Errors: [`KubeError::Call`] when it does not exist, may not be read, or selects no pod.
    pub(super) async fn wanted(
        &self,
        client: &Client,
        place: &Place,
        namespace: &str,
    ) -> Result<Wanted, KubeError> {
        if self.is_pod() {
            let fields = Some(format!("metadata.name={}", self.name));
            return Ok(Wanted { fields, labels: None, owner: None, through_sets: false });
        }
        let Kind { group, version, kind, plural, through_sets, .. } = *self.kind;
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let what = format!("read {self} in namespace {namespace}");
        let object = api.get(&self.name).await.map_err(|error| place.call_failed(&what, &error))?;
        let labels = selector(&object.data)
            .ok_or_else(|| place.failed(&what, Cause::Answer, "it has no selector, so no pods".to_owned()))?;
        Ok(Wanted { fields: None, labels: Some(labels), owner: object.metadata.uid, through_sets })
    }
}

/// The selector as a query; `None` when there is none or it would match every pod.
fn selector(object: &serde_json::Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?.clone();
    let labels: LabelSelector = serde_json::from_value(selector).ok()?;
    let query = Selector::try_from(labels).ok()?.to_string();
    (!query.is_empty()).then_some(query)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_is_read_by_each_name_that_kubectl_knows() {
        for (text, told) in [
            ("deploy/app", "deployment/app"),
            ("deployments.apps/app", "deployment/app"),
            ("sts/db", "statefulset/db"),
            ("rollouts.argoproj.io/web", "rollout/web"),
            ("job/migrate", "job/migrate"),
            ("pod/app-1", "pod/app-1"),
            ("app-1", "pod/app-1"),
        ] {
            assert_eq!(text.parse::<LogTarget>().unwrap().to_string(), told);
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_to_write() {
        let error = |text: &str| text.parse::<LogTarget>().unwrap_err().to_string();
        assert!(
            error("service/app").starts_with("`service` has no logs that we know; write pod, deployment,")
        );
        assert!(error("deployments.batch/app").starts_with("`deployments.batch` has no logs"));
        for name in ["deploy/", "deploy/a,b", "deploy/a/b", "App", ""] {
            assert!(error(name).contains("cannot be a name"), "{name}");
        }
    }

    #[test]
    fn a_selector_that_matches_everything_is_none() {
        let object = |selector| json!({"spec": {"selector": selector}});
        let both = json!({"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]});
        assert_eq!(selector(&object(both)).as_deref(), Some("app=x,tier in (a,b)"));
        assert_eq!(selector(&object(json!({}))), None);
        assert_eq!(selector(&json!({"spec": {}})), None);
    }
}
