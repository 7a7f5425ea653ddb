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
    let groups = || ["apps", "authorization.k8s.io", "coordination.k8s.io"].map(group);
    Some(match path {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups()}),
        "/api/v1" => {
            let mut resources: Vec<Value> =
                [Kind::Namespace, Kind::Node, Kind::Pod, Kind::Event, Kind::ConfigMap].map(resource).into();
            resources.push(json!({
                "name": "pods/log", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get"],
            }));
            resource_list("v1", resources)
        }
        "/apis/apps/v1" => {
            let mut resources: Vec<Value> = [Kind::Deployment, Kind::ReplicaSet].map(resource).into();
            resources.push(json!({
                "name": "deployments/scale", "singularName": "", "namespaced": true, "group": "autoscaling",
                "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"],
            }));
            resource_list("apps/v1", resources)
        }
        "/apis/coordination.k8s.io/v1" => {
            resource_list("coordination.k8s.io/v1", vec![resource(Kind::Lease)])
        }
        "/apis/authorization.k8s.io/v1" => resource_list(
            "authorization.k8s.io/v1",
            vec![json!({
                "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview",
                "namespaced": false, "kind": "SelfSubjectAccessReview", "verbs": ["create"],
            })],
        ),
        _ => {
            let name = path.strip_prefix("/apis/")?;
            groups().into_iter().find(|group| group["name"] == name).map(|mut group| {
                group["kind"] = "APIGroup".into();
                group["apiVersion"] = "v1".into();
                group
            })?
        }
    })
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resource_list(group_version: &str, resources: Vec<Value>) -> Value {
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

fn resource(kind: Kind) -> Value {
    let (short, verbs): (&[&str], &[&str]) = match kind {
        Kind::Namespace => (&["ns"], &["get", "list", "watch"]),
        Kind::Node => (&["no"], &["get", "list", "watch"]),
        Kind::Deployment => (&["deploy"], &["delete", "get", "list", "patch", "update", "watch"]),
        Kind::ReplicaSet => (&["rs"], &["get", "list", "watch"]),
        Kind::Pod => (&["po"], &["delete", "get", "list", "watch"]),
        Kind::Event => (&["ev"], &["get", "list", "watch"]),
        Kind::Lease => (&[], &["create", "delete", "get", "list", "patch", "update", "watch"]),
        Kind::ConfigMap => (&["cm"], &["create", "delete", "get", "list", "patch", "update", "watch"]),
    };
    let all = matches!(kind, Kind::Deployment | Kind::ReplicaSet | Kind::Pod);
    json!({
        "name": kind.plural(),
        "singularName": kind.as_str().to_lowercase(),
        "namespaced": !matches!(kind, Kind::Namespace | Kind::Node),
        "kind": kind.as_str(),
        "verbs": verbs,
        "shortNames": short,
        "categories": if all { vec!["all"] } else { Vec::new() },
    })
}
