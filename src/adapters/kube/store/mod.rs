//! What the watches of one namespace know, joined into the facts of a workload.

mod basis;
mod mirror;
mod skew;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::SignedDuration;

use super::nodes::Nodes;
use super::objects::{Joined, PodEntry, RevisionEntry, Rolling, Run, Workload};
use super::told::{Refusal, Told};
use crate::watch::{
    Analysis, PodFacts, RevisionFacts, Shared, TargetRef, UpdateStrategy, WarningEvent, WorkloadFacts,
};
use crate::workflow::Kind;
use basis::{Bases, Basis};
pub(super) use mirror::Mirror;

/// Enough to explain any rollout; a broken one repeats itself.
const EVENTS_PER_WORKLOAD: usize = 50;
/// A namespace in trouble can hold tens of thousands; the oldest go first.
const EVENTS_PER_NAMESPACE: usize = 4000;
/// A long life has many; the newest say how it stands.
const ANALYSES_PER_WORKLOAD: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Store {
    workloads: BTreeMap<Kind, Mirror<Workload>>,
    pub sets: Mirror<RevisionEntry>,
    pub history: Mirror<RevisionEntry>,
    pub pods: Mirror<PodEntry>,
    pub warnings: Mirror<WarningEvent>,
    pub runs: Mirror<Run>,
    /// How far the cluster's clock is ahead of ours; all times are told by ours.
    pub skew: SignedDuration,
    bases: Bases,
}

impl Store {
    pub fn workload(&mut self, kind: Kind, told: Told<Workload>) -> bool {
        self.workloads.entry(kind).or_default().take(told, |workload| &workload.name)
    }

    pub fn set(&mut self, told: Told<RevisionEntry>) -> bool {
        self.sets.take(told, |set| &set.facts.name)
    }

    pub fn revision(&mut self, told: Told<RevisionEntry>) -> bool {
        self.history.take(told, |revision| &revision.facts.name)
    }

    pub fn pod(&mut self, told: Told<PodEntry>) -> bool {
        self.pods.take(told, |pod| &pod.facts.name)
    }

    pub fn run(&mut self, told: Told<Run>) -> bool {
        self.runs.take(told, |run| &run.facts.name)
    }

    pub fn warning(&mut self, told: Told<WarningEvent>) -> bool {
        let changed = self.warnings.take(told, |event| &event.uid);
        if self.warnings.len() > EVENTS_PER_NAMESPACE {
            let mut ages: Vec<_> = self.warnings.values().map(|event| event.at).collect();
            ages.sort_unstable();
            let limit = ages[ages.len() / 2];
            self.warnings.retain(|event| event.at > limit);
        }
        changed
    }

    /// Whether the workload is known to be there or not to be there.
    pub fn knows(&self, target: &TargetRef) -> Option<bool> {
        let workloads = self.workloads.get(&target.kind)?;
        workloads.synced.then(|| workloads.get(&target.name).is_some())
    }

    /// The query by which a workload finds its pods; `None` when there is none that would not match
    /// too much.
    pub fn selector(&self, target: &TargetRef) -> Option<String> {
        let workload = self.workloads.get(&target.kind)?.get(&target.name)?;
        let lender = || self.lender(workload)?.selector.clone();
        workload.selector.clone().or_else(lender)
    }

    /// Whether a workload of this store takes its template from a Deployment.
    pub fn borrows(&self) -> bool {
        let rollouts = self.workloads.get(&Kind::Rollout);
        let borrows = |workload: &Workload| {
            workload.borrowed.as_ref().is_some_and(|borrowed| borrowed.kind == "Deployment")
        };
        rollouts.is_some_and(|rollouts| rollouts.values().any(borrows))
    }

    fn lender(&self, workload: &Workload) -> Option<&Workload> {
        let borrowed = workload.borrowed.as_ref().filter(|borrowed| borrowed.kind == "Deployment")?;
        self.workloads.get(&Kind::Deployment)?.get(&borrowed.name)
    }

    /// Joins one workload, or `None` while it cannot be told from the listings so far.
    ///
    /// Takes itself as changeable only to keep what was joined for the next time: of thousands of
    /// pods, few change between two summaries.
    pub fn facts(&mut self, target: &TargetRef, nodes: Option<&Arc<Nodes>>) -> Option<WorkloadFacts> {
        let workloads = self.workloads.get(&target.kind)?;
        if let Some(refusal) = &workloads.refused {
            return Some(WorkloadFacts { unread: Some(unread(target, refusal)), ..absent(target) });
        }
        if !workloads.synced {
            return None;
        }
        let Some(workload) = workloads.get(&target.name) else {
            return Some(WorkloadFacts { gone: true, ..absent(target) });
        };
        let has_sets = matches!(target.kind, Kind::Deployment | Kind::Rollout);
        let kept = if has_sets { &self.sets } else { &self.history };
        let is_lent = workload.borrowed.as_ref().is_none_or(|borrowed| {
            borrowed.kind != "Deployment"
                || self.workloads.get(&Kind::Deployment).is_some_and(Mirror::is_settled)
        });
        if !(kept.is_settled() && self.pods.is_settled() && is_lent) {
            return None;
        }
        let mut workload = workload.clone();
        let mut remarks = Vec::new();
        if workload.borrowed.is_some() {
            let lender = self.lender(&workload).cloned();
            borrow_template(&mut workload, lender, &mut remarks);
        }
        let mut revisions: Vec<&RevisionEntry> =
            kept.values().filter(|entry| entry.owner.as_deref() == Some(workload.uid.as_str())).collect();
        revisions.sort_by(|a, b| {
            b.facts.revision.cmp(&a.facts.revision).then_with(|| a.facts.name.cmp(&b.facts.name))
        });
        let (target_revision, stable_revision) = rolled_out(&workload, &revisions, &mut remarks);
        let revisions: Vec<RevisionFacts> = revisions.into_iter().map(|entry| entry.facts.clone()).collect();
        if self.pods.is_waived() {
            remarks.push("its selector is empty: its pods are not looked for".to_owned());
        }
        let mut argo = workload.argo.take();
        if let Some(argo) = &mut argo {
            argo.analyses = self.analyses(&workload.uid);
        }
        let pods = self.join_pods(target, &workload, &revisions, target_revision.as_deref(), nodes);
        let events = self.events_about(target, &workload.uid, &revisions);
        let mut facts = WorkloadFacts {
            target: target.clone(),
            uid: workload.uid,
            unread: None,
            gone: false,
            generation: workload.generation,
            observed_generation: workload.observed_generation,
            paused: workload.paused,
            strategy: workload.strategy,
            spec_replicas: workload.spec_replicas,
            replicas: workload.replicas,
            updated: workload.updated,
            ready: workload.ready,
            available: workload.available,
            revision: workload.revision.or_else(|| {
                let name = target_revision.as_deref()?;
                revisions.iter().find(|revision| revision.name == name)?.revision
            }),
            template_print: workload.template_print,
            images: workload.images,
            conditions: workload.conditions,
            progress_deadline_s: workload.progress_deadline_s,
            min_ready_s: workload.min_ready_s,
            max_surge: workload.max_surge,
            max_unavailable: workload.max_unavailable,
            gitops_owner: workload.gitops_owner,
            target_revision,
            stable_revision,
            revisions,
            pods,
            events,
            argo,
            unclear: (!remarks.is_empty()).then(|| remarks.join("; ")),
        };
        if !self.skew.is_zero() {
            skew::workload(&mut facts, -self.skew);
        }
        Some(facts)
    }

    /// The workload's pods with their revision and the trouble of their node, new ones first, each
    /// group by name.
    fn join_pods(
        &mut self,
        target: &TargetRef,
        workload: &Workload,
        revisions: &[RevisionFacts],
        target_revision: Option<&str>,
        nodes: Option<&Arc<Nodes>>,
    ) -> Vec<Shared<PodFacts>> {
        let basis = Basis::new(&workload.uid, target_revision, revisions, nodes, self.skew);
        let (basis, known) = self.bases.settle(target, basis);
        let by_uid: HashMap<&str, &Arc<str>> =
            known.iter().map(|revision| (revision.uid.as_str(), &revision.name)).collect();
        let by_hash: HashMap<&str, &Arc<str>> =
            known.iter().map(|revision| (revision.hash.as_str(), &revision.name)).collect();
        let (mut new, mut old) = (Vec::with_capacity(self.pods.len()), Vec::new());
        for pod in self.pods.values_mut() {
            let joined = match pod.joined {
                Some(joined) if joined.basis == basis => joined,
                Some(joined) if self.bases.is_of_another(joined.basis, basis) => continue,
                _ => {
                    let Some(owner) = pod.owner.as_deref() else { continue };
                    let name = match by_uid.get(owner) {
                        Some(name) => Some(Arc::clone(name)),
                        None if owner == workload.uid => pod
                            .revision_hash
                            .as_deref()
                            .map(|hash| revision_name(target.kind, workload, hash, &by_hash)),
                        None => continue,
                    };
                    let trouble = nodes.and_then(|nodes| nodes.trouble(pod.facts.node.as_deref()?));
                    if pod.facts.revision.as_deref() != name.as_deref() || pod.facts.node_trouble != trouble {
                        pod.facts.revision = name;
                        pod.facts.node_trouble = trouble;
                    }
                    let by = -self.skew;
                    if pod.moved != by {
                        skew::pod(&mut pod.facts, by - pod.moved);
                        pod.moved = by;
                    }
                    let is_new =
                        target_revision.is_some() && pod.facts.revision.as_deref() == target_revision;
                    Joined { basis, is_new }
                }
            };
            pod.joined = Some(joined);
            let group = if joined.is_new { &mut new } else { &mut old };
            group.push(pod.facts.clone());
        }
        new.append(&mut old);
        new
    }

    fn analyses(&self, uid: &str) -> Vec<Analysis> {
        let mut runs: Vec<&Run> =
            self.runs.values().filter(|run| run.owner.as_deref() == Some(uid)).collect();
        runs.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.facts.name.cmp(&b.facts.name)));
        let surplus = runs.len().saturating_sub(ANALYSES_PER_WORKLOAD);
        runs.into_iter().skip(surplus).map(|run| run.facts.clone()).collect()
    }

    fn events_about(&self, target: &TargetRef, uid: &str, revisions: &[RevisionFacts]) -> Vec<WarningEvent> {
        let is_owner = |owner: &str| owner == uid || revisions.iter().any(|revision| revision.uid == owner);
        let is_our_pod = |name: &str| {
            let owner = self.pods.get(name).and_then(|pod| pod.owner.as_deref());
            owner.is_some_and(is_owner)
        };
        let is_ours = |event: &&WarningEvent| match event.about.split_once('/') {
            Some(("Pod", name)) => is_our_pod(name),
            Some(("ReplicaSet", name)) => revisions.iter().any(|revision| revision.name == name),
            Some((kind, name)) => name == target.name && kind == object_kind(target.kind),
            None => false,
        };
        let mut events: Vec<&WarningEvent> = self.warnings.values().filter(is_ours).collect();
        events.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.uid.cmp(&b.uid)));
        let surplus = events.len().saturating_sub(EVENTS_PER_WORKLOAD);
        events.into_iter().skip(surplus).cloned().collect()
    }
}

/// Names of the revision that is rolled out and of the one that it replaces.
fn rolled_out(
    workload: &Workload,
    revisions: &[&RevisionEntry],
    remarks: &mut Vec<String>,
) -> (Option<String>, Option<String>) {
    match &workload.rolling {
        Rolling::Name { target, stable } => (target.clone(), stable.clone()),
        Rolling::Hash { target, stable } => {
            let mut named = |hash: &Option<String>| {
                let hash = hash.as_deref()?;
                the_only(revisions.iter().filter(|entry| entry.facts.template_hash == hash), hash, remarks)
            };
            (named(target), named(stable))
        }
        Rolling::Template => {
            let equal = || {
                let print = &workload.template_print;
                revisions.iter().filter(move |entry| entry.facts.template_print == *print)
            };
            // Kubernetes keeps two for one template after a hash collision, and numbers the one it uses.
            let number = workload.revision.or_else(|| equal().filter_map(|entry| entry.facts.revision).max());
            let numbered = equal().filter(|entry| number.is_some() && entry.facts.revision == number);
            let found = match equal().count() {
                0 | 1 => the_only(equal(), "", remarks),
                _ if numbered.clone().count() == 1 => the_only(numbered, "", remarks),
                _ => the_only(equal(), "its template", remarks),
            };
            (found, None)
        }
    }
}

/// Two that claim to be the same are none: whichever we took, its pods might be the wrong ones.
fn the_only<'a>(
    found: impl Iterator<Item = &'a &'a RevisionEntry>,
    what: &str,
    remarks: &mut Vec<String>,
) -> Option<String> {
    let mut names: Vec<&str> = found.map(|entry| entry.facts.name.as_str()).collect();
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => Some(name.to_owned()),
        (None, _) => None,
        (Some(last), false) => {
            names.push(last);
            let names = names.join(", ");
            remarks.push(format!("{names} all claim {what}: none is taken for the new one"));
            None
        }
    }
}

/// The name of the revision that a pod's `controller-revision-hash` means.
fn revision_name(
    kind: Kind,
    workload: &Workload,
    hash: &str,
    by_hash: &HashMap<&str, &Arc<str>>,
) -> Arc<str> {
    match (kind, by_hash.get(hash)) {
        (Kind::DaemonSet, Some(name)) => Arc::clone(name),
        (Kind::DaemonSet, None) => format!("{}-{hash}", workload.name).into(),
        // A StatefulSet labels its pods with the name itself.
        _ => hash.into(),
    }
}

/// Puts the template in that an Argo Rollout takes from a Deployment.
fn borrow_template(workload: &mut Workload, lender: Option<Workload>, remarks: &mut Vec<String>) {
    let Some(borrowed) = workload.borrowed.clone() else { return };
    let Some(lender) = lender else {
        let place = format!("{} {}", borrowed.kind, borrowed.name);
        remarks.push(format!("its pod template is in {place}, which cannot be read"));
        return;
    };
    // A change of the template is one of the lender: unseen, it is as unobserved as one of our own.
    if workload.observed_generation.is_some_and(|observed| observed >= workload.generation) {
        let seen = borrowed.observed_generation;
        if seen.is_none_or(|seen| seen < lender.generation) {
            workload.generation = lender.generation;
            workload.observed_generation = seen;
        }
    }
    workload.template_print = lender.template_print;
    workload.images = lender.images;
}

/// The kind as the API writes it.
pub(super) fn object_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "Deployment",
        Kind::StatefulSet => "StatefulSet",
        Kind::DaemonSet => "DaemonSet",
        Kind::Rollout => "Rollout",
    }
}

fn unread(target: &TargetRef, refusal: &Refusal) -> String {
    use super::error::Cause;
    let kind = target.kind.as_str();
    match (refusal.cause, target.kind) {
        (Cause::NotFound, Kind::Rollout) => {
            "this cluster knows no rollouts: argoproj.io/v1alpha1 is not installed".to_owned()
        }
        (Cause::NotFound, _) => format!("this cluster knows no {kind}s"),
        (Cause::Forbidden, _) => format!("may not list {kind}s in {}", target.namespace),
        (cause, _) => format!("{kind}s in {}: {}", target.namespace, cause.words()),
    }
}

/// The facts of a workload of which there are none.
fn absent(target: &TargetRef) -> WorkloadFacts {
    WorkloadFacts {
        target: target.clone(),
        uid: String::new(),
        unread: None,
        gone: false,
        generation: 0,
        observed_generation: None,
        paused: false,
        strategy: UpdateStrategy::RollingUpdate,
        spec_replicas: 0,
        replicas: 0,
        updated: 0,
        ready: 0,
        available: 0,
        revision: None,
        template_print: String::new(),
        images: vec![],
        conditions: vec![],
        progress_deadline_s: None,
        min_ready_s: 0,
        max_surge: None,
        max_unavailable: None,
        gitops_owner: None,
        target_revision: None,
        stable_revision: None,
        revisions: vec![],
        pods: vec![],
        events: vec![],
        argo: None,
        unclear: None,
    }
}
