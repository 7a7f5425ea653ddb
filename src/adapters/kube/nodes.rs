//! Which nodes are in trouble, so that their pods' trouble is not blamed on the version.

use std::collections::HashMap;
use std::sync::Arc;

use kube::Resource;
use tokio::sync::watch;

use super::limits::Limits;
use super::listwatch::{Source, endless};
use super::objects::{Node, NodeEntry};
use super::store::Mirror;
use super::told::Told;
use crate::watch::NodeTrouble;

/// All nodes of the cluster, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Nodes(HashMap<String, Option<NodeTrouble>>);

impl Nodes {
    /// - `name`: of a node that a pod was put on.
    pub fn trouble(&self, name: &str) -> Option<NodeTrouble> {
        match self.0.get(name) {
            Some(trouble) => *trouble,
            None => Some(NodeTrouble::Gone),
        }
    }
}

impl FromIterator<NodeEntry> for Nodes {
    fn from_iter<T: IntoIterator<Item = NodeEntry>>(nodes: T) -> Self {
        Self(nodes.into_iter().map(|node| (node.name, node.trouble)).collect())
    }
}

/// Watches the nodes from the moment that somebody asks for them: while all pods are ready, nodes
/// explain nothing, and there may be thousands.
pub(super) async fn run(
    source: Source,
    mut wanted: watch::Receiver<bool>,
    known: watch::Sender<Option<Arc<Nodes>>>,
    limits: Limits,
) {
    if wanted.wait_for(|wanted| *wanted).await.is_err() {
        return;
    }
    let mut mirror: Mirror<NodeEntry> = Mirror::default();
    let mut steps = Box::pin(endless::<Node>(&source, Node::url_path(&(), None), None, None));
    while let Some(told) = futures::StreamExt::next(&mut steps).await {
        let told = told.map(|node| node.entry);
        limits.heard("nodes", "", &told).await;
        let is_heartbeat = match &told {
            Told::Changed(node) => mirror.get(&node.name) == Some(node),
            _ => false,
        };
        if mirror.take(told, |node| &node.name) && !is_heartbeat {
            known.send_replace(mirror.synced.then(|| Arc::new(mirror.values().cloned().collect())));
        }
    }
}
