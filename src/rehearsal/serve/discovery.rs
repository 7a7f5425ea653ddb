//! What the API server tells about itself: versions, groups and resources.

use serde_json::{Value, json};

use crate::rehearsal::sim::store::Kind;

/// By this word in the version a client knows a practice world from a real cluster.
pub const PRACTICE: &str = "practice";

pub fn version() -> Value {
    json!({
        "major": "1",
        "minor": "33",
        "gitVersion": format!("v1.33.0+{PRACTICE}"),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-11-01T00:00:00Z",
        "goVersion": "go1.24",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// The answer for a path of the discovery; `None` for any other path.
pub fn answer(path: &str) -> Option<Value> {
    let rest = match path {
        "/api" => {
            return Some(
                json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
            );
        }
        "/apis" => {
            let groups: Vec<Value> = GROUPS.iter().map(|(name, version)| group(name, version)).collect();
            return Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}));
        }
        "/api/v1" => return Some(resource_list("v1", resources("", "v1"))),
        path => path.strip_prefix("/apis/")?,
    };
    let (name, version) = rest.split_once('/').map_or((rest, None), |(name, version)| (name, Some(version)));
    let (_, known) = GROUPS.iter().find(|(group, _)| *group == name)?;
    match version {
        None => {
            let mut group = group(name, known);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            Some(group)
        }
        Some(version) if version == *known => Some(resource_list(rest, resources(name, version))),
        Some(_) => None,
    }
}

/// Every group with the one version of it that is served.
const GROUPS: [(&str, &str); 6] = [
    ("apps", "v1"),
    ("authorization.k8s.io", "v1"),
    ("autoscaling", "v2"),
    ("coordination.k8s.io", "v1"),
    ("policy", "v1"),
    ("scheduling.k8s.io", "v1"),
];

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resource_list(group_version: &str, resources: Vec<Value>) -> Value {
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

fn resources(group: &str, version: &str) -> Vec<Value> {
    let kinds = Kind::ALL.into_iter().filter(|kind| (kind.group(), kind.version()) == (group, version));
    let mut resources: Vec<Value> = kinds.flat_map(with_subresources).collect();
    if group == "authorization.k8s.io" {
        resources.push(json!({
            "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview",
            "namespaced": false, "kind": "SelfSubjectAccessReview", "verbs": ["create"],
        }));
    }
    resources
}

fn with_subresources(kind: Kind) -> Vec<Value> {
    let all = matches!(
        kind,
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet | Kind::Pod | Kind::Service
    );
    let mut resources = vec![json!({
        "name": kind.plural(),
        "singularName": kind.as_str().to_lowercase(),
        "namespaced": kind.is_namespaced(),
        "kind": kind.as_str(),
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        "shortNames": kind.short_names(),
        "categories": if all { vec!["all"] } else { Vec::new() },
    })];
    let mut sub = |name: &str, kind_of_it: Value, verbs: &[&str]| {
        let mut resource = kind_of_it;
        resource["name"] = format!("{}/{name}", kind.plural()).into();
        resource["singularName"] = "".into();
        resource["namespaced"] = kind.is_namespaced().into();
        resource["verbs"] = json!(verbs);
        resources.push(resource);
    };
    if kind.has_scale() {
        let scale = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
        sub("scale", scale, &["get", "patch", "update"]);
    }
    if kind == Kind::Pod {
        sub("log", json!({"kind": "Pod"}), &["get"]);
        sub("status", json!({"kind": "Pod"}), &["get", "patch", "update"]);
        let eviction = json!({"group": "policy", "version": "v1", "kind": "Eviction"});
        sub("eviction", eviction, &["create"]);
    }
    resources
}
