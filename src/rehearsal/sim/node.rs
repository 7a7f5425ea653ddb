//! Nodes: made ready by a kubelet of ours, cordoned by people, missed by their pods.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::seconds;

/// What a cordoned node is tainted with, by the node lifecycle controller.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// A node of our own.
pub fn made(name: &str, uid: &str, created: Timestamp) -> Value {
    let mut node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": uid,
            "creationTimestamp": seconds(created),
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
    });
    register(&mut node, created);
    node
}

/// What a kubelet tells of a new node: that it is ready, and what it has room for.
pub fn register(node: &mut Value, now: Timestamp) {
    if node["spec"].is_null() {
        node["spec"] = json!({});
    }
    let room = json!({"cpu": "1k", "memory": "1Ti", "pods": "10k"});
    node["status"] = json!({
        "addresses": [{"address": "127.0.0.1", "type": "InternalIP"}],
        "allocatable": room,
        "capacity": room,
        "conditions": [{
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "the practice world needs no kubelet",
            "lastHeartbeatTime": seconds(now),
            "lastTransitionTime": seconds(now),
        }],
        "nodeInfo": {"kubeletVersion": "practice", "operatingSystem": "linux", "architecture": "amd64"},
    });
}

pub fn is_cordoned(node: &Value) -> bool {
    node["spec"]["unschedulable"] == true
}

pub fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// The node with the taint that follows from being cordoned or not.
pub fn tainted(node: &Value) -> Value {
    let mut node = node.clone();
    let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let present = taints.iter().any(|taint| taint["key"] == UNSCHEDULABLE);
    if is_cordoned(&node) && !present {
        taints.push(json!({"key": UNSCHEDULABLE, "effect": "NoSchedule"}));
    } else if !is_cordoned(&node) && present {
        taints.retain(|taint| taint["key"] != UNSCHEDULABLE);
    }
    if let Some(spec) = node["spec"].as_object_mut() {
        if taints.is_empty() {
            spec.remove("taints");
        } else {
            spec.insert("taints".into(), taints.into());
        }
    }
    node
}
