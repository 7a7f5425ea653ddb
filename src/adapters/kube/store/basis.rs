//! What the place of a pod within its workload rests on.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::adapters::kube::nodes::Nodes;
use crate::watch::{RevisionFacts, TargetRef};

/// A revision by what leads to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    pub uid: String,
    pub name: Arc<str>,
    pub hash: String,
}

/// While this is the same, so is the place of every pod that did not change itself: of thousands of
/// pods, few change between two summaries.
#[derive(Debug)]
pub(super) struct Basis {
    uid: String,
    target: Option<String>,
    revisions: Vec<Known>,
    nodes: Option<Arc<Nodes>>,
    skew: SignedDuration,
}

impl Basis {
    pub fn new(
        uid: &str,
        target: Option<&str>,
        revisions: &[RevisionFacts],
        nodes: Option<&Arc<Nodes>>,
        skew: SignedDuration,
    ) -> Self {
        let names = |set: &RevisionFacts| Known {
            uid: set.uid.clone(),
            name: set.name.as_str().into(),
            hash: set.template_hash.clone(),
        };
        Self {
            uid: uid.to_owned(),
            target: target.map(str::to_owned),
            revisions: revisions.iter().map(names).collect(),
            nodes: nodes.cloned(),
            skew,
        }
    }
}

impl PartialEq for Basis {
    fn eq(&self, other: &Self) -> bool {
        let same_nodes = match (&self.nodes, &other.nodes) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        same_nodes
            && self.skew == other.skew
            && self.uid == other.uid
            && self.target == other.target
            && self.revisions == other.revisions
    }
}

/// The bases of all workloads, each with a number that is given once.
#[derive(Debug, Default)]
pub(super) struct Bases {
    known: HashMap<TargetRef, (u64, Basis)>,
    n_given: u64,
}

impl Bases {
    /// A workload's basis with its number: the old ones while nothing changed.
    pub fn settle(&mut self, target: &TargetRef, basis: Basis) -> (u64, Vec<Known>) {
        if let Some((number, known)) = self.known.get(target)
            && *known == basis
        {
            return (*number, known.revisions.clone());
        }
        self.n_given += 1;
        let revisions = basis.revisions.clone();
        self.known.insert(target.clone(), (self.n_given, basis));
        (self.n_given, revisions)
    }

    /// Whether a pod with this number has its place in another workload.
    pub fn is_of_another(&self, number: u64, ours: u64) -> bool {
        number != ours && self.known.values().any(|(known, _)| *known == number)
    }
}
