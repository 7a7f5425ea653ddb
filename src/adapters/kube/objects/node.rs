//! Core `v1` Nodes: whether one may be the reason for its pods' trouble.

use kube::core::ObjectMeta;
use serde::Deserialize;

use super::resource;
use super::wire::Meta;
use crate::watch::NodeTrouble;

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct Node {
    meta: ObjectMeta,
    pub entry: NodeEntry,
}

resource!(Node, "Node", "", "v1", "nodes", ClusterResourceScope);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeEntry {
    pub name: String,
    pub trouble: Option<NodeTrouble>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    metadata: Meta,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    unschedulable: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    conditions: Vec<Thin>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Thin {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl From<Wire> for Node {
    fn from(wire: Wire) -> Self {
        // A node that never reported is as silent as one that stopped.
        let ready = wire.status.conditions.iter().find(|condition| condition.kind == "Ready");
        let trouble = match ready.is_some_and(|ready| ready.status == "True") {
            false => Some(NodeTrouble::NotReady),
            true => wire.spec.unschedulable.then_some(NodeTrouble::Cordoned),
        };
        Self { meta: wire.metadata.thin(), entry: NodeEntry { name: wire.metadata.name, trouble } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_silent_node_is_worse_than_a_cordoned_one() {
        let trouble = |unschedulable: bool, ready: Value| {
            let node = json!({"metadata": {"name": "n"}, "spec": {"unschedulable": unschedulable},
                "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, ready]}});
            serde_json::from_value::<Node>(node).unwrap().entry.trouble
        };
        let ready = |status: &str| json!({"type": "Ready", "status": status});
        assert_eq!(trouble(false, ready("True")), None);
        assert_eq!(trouble(true, ready("True")), Some(NodeTrouble::Cordoned));
        assert_eq!(trouble(true, ready("Unknown")), Some(NodeTrouble::NotReady));
        assert_eq!(trouble(false, json!({})), Some(NodeTrouble::NotReady));
    }
}
