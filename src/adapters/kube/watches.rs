//! One watch per kind, joined and thinned out: the loop hears the newest facts only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll, StreamExt};
use jiff::SignedDuration;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::limits::Limits;
use super::listwatch::{Source, endless};
pub(super) use super::listwatch::{backoff, woken};
use super::logs::{Offer, Offers};
use super::nodes::Nodes;
use super::objects::{
    AnalysisRun, ControllerRevision, DaemonSet, Deployment, Pod, PodEntry, ReplicaSet, RevisionEntry,
    Rollout, Run, StatefulSet, Warning, Workload,
};
use super::store::Store;
use super::told::Told;
use crate::watch::{Observation, TargetRef, WarningEvent, WorkloadFacts};
use crate::workflow::Kind;

/// Ten summaries a second are more than an eye can follow.
const SUMMARY_EVERY: Duration = Duration::from_millis(100);
/// With thousands of pods a summary costs, here and in all that read it: two a second will do then.
const SUMMARY_PER_POD: Duration = Duration::from_micros(80);
/// Events that came together are taken together; then somebody else has a turn.
const AT_ONCE: usize = 256;
/// Who follows the logs asks each of the pods anew: of thousands once a second will do.
const OFFER_PER_POD: Duration = Duration::from_micros(200);

/// One watch per kind and namespace serves all targets there.
pub(super) fn by_namespace(targets: Vec<TargetRef>) -> BTreeMap<String, Vec<TargetRef>> {
    let mut namespaces: BTreeMap<String, Vec<TargetRef>> = BTreeMap::new();
    for target in targets {
        namespaces.entry(target.namespace.clone()).or_default().push(target);
    }
    namespaces
}

enum Step {
    Workload(Kind, Box<Told<Workload>>),
    Set(Told<RevisionEntry>),
    Revision(Told<RevisionEntry>),
    Pod(Told<PodEntry>),
    Warning(Told<WarningEvent>),
    Run(Told<Run>),
}

type Steps = SelectAll<BoxStream<'static, Vec<Step>>>;

/// What the watches of all namespaces share.
#[derive(Clone)]
pub(super) struct Shared {
    pub source: Source,
    pub out: Sender<Observation>,
    pub followable: watch::Sender<Offers>,
    pub nodes_wanted: watch::Sender<bool>,
    pub nodes: watch::Receiver<Option<Arc<Nodes>>>,
    pub limits: Limits,
    /// How far the cluster's clock is ahead of ours.
    pub skew: watch::Receiver<SignedDuration>,
}

/// Watches until dropped, and sends the facts of each target whenever they changed.
pub(super) async fn run(shared: Shared, namespace: String, targets: Vec<TargetRef>) {
    let Shared { source, out, followable, nodes_wanted, mut nodes, limits, mut skew } = shared;
    let place = Place { source, namespace };
    // A single target narrows its watches to itself: the namespace may hold thousands of pods.
    let single = (targets.len() == 1).then(|| targets[0].clone());
    let kinds: BTreeSet<Kind> = targets.iter().map(|target| target.kind).collect();
    let mut steps: Steps = kinds.iter().map(|kind| place.workloads(*kind, single.as_ref())).collect();
    steps.push(
        place.watch::<Warning, _>(Some("type=Warning"), None, |warning| {
            Step::Warning(warning.map(|w| w.facts))
        }),
    );
    if kinds.contains(&Kind::Rollout) {
        steps.push(place.watch::<AnalysisRun, _>(None, None, |run| Step::Run(run.map(|run| run.run))));
    }
    let mut members = match &single {
        Some(_) => Steps::new(),
        None => place.members(&kinds, None),
    };
    let mut selector = None;
    let mut lenders = kinds.contains(&Kind::Deployment);
    let mut store = Store::default();
    let mut sent: HashMap<TargetRef, WorkloadFacts> = HashMap::new();
    let mut pending: BTreeMap<TargetRef, WorkloadFacts> = BTreeMap::new();
    let mut dirty = false;
    let mut next_summary = Instant::now();
    let mut unoffered: BTreeSet<TargetRef> = BTreeSet::new();
    let mut next_offer = Instant::now();
    loop {
        tokio::select! {
            Some(chunk) = steps.next() => for step in chunk {
                dirty |= take(&mut store, &limits, &place.namespace, step).await;
            },
            Some(chunk) = members.next() => for step in chunk {
                dirty |= take(&mut store, &limits, &place.namespace, step).await;
            },
            Ok(()) = nodes.changed() => dirty = true,
            Ok(()) = skew.changed() => {
                store.skew = *skew.borrow_and_update();
                dirty = true;
            }
            () = sleep_until(next_summary), if dirty => {
                let began = Instant::now();
                let nodes = nodes.borrow_and_update().clone();
                let mut n_pods = 0;
                for target in &targets {
                    let Some(facts) = store.facts(target, nodes.as_ref()) else { continue };
                    n_pods += facts.pods.len();
                    if sent.get(target) == Some(&facts) {
                        pending.remove(target);
                        continue;
                    }
                    if facts.pods.iter().any(|pod| !pod.ready) {
                        nodes_wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
                    }
                    unoffered.insert(target.clone());
                    pending.insert(target.clone(), facts);
                }
                dirty = false;
                let n_pods = u32::try_from(n_pods).unwrap_or(u32::MAX);
                next_summary = began + SUMMARY_EVERY + SUMMARY_PER_POD.saturating_mul(n_pods);
            }
            () = sleep_until(next_offer), if !unoffered.is_empty() => {
                let mut n_pods = 0;
                for target in std::mem::take(&mut unoffered) {
                    if let Some(facts) = pending.get(&target).or_else(|| sent.get(&target)) {
                        n_pods += facts.pods.len();
                        offer(&followable, &target, facts);
                    }
                }
                let n_pods = u32::try_from(n_pods).unwrap_or(u32::MAX);
                next_offer = Instant::now() + OFFER_PER_POD.saturating_mul(n_pods);
            }
            // A slow loop blocks nothing here: newer facts replace those that wait.
            permit = out.reserve(), if !pending.is_empty() => {
                let Ok(permit) = permit else { return };
                if let Some((target, facts)) = pending.pop_first() {
                    permit.send(Observation::Workload(Box::new(facts.clone())));
                    sent.insert(target, facts);
                }
            }
        }
        if !lenders && store.borrows() {
            lenders = true;
            steps.push(place.workloads(Kind::Deployment, None));
        }
        let Some(target) = &single else { continue };
        let wanted = store.selector(target);
        if wanted.is_some() && wanted != selector {
            store.sets.reset();
            store.history.reset();
            store.pods.reset();
            members = place.members(&kinds, wanted.clone());
            selector = wanted;
        } else if wanted.is_none() && selector.is_none() && store.knows(target) == Some(true) {
            // Without a query that is its own it would be one for the whole namespace.
            dirty |= !store.pods.is_settled();
            store.sets.waive();
            store.history.waive();
            store.pods.waive();
        }
    }
}

/// Tells the log streams which containers there are, when that changed.
fn offer(followable: &watch::Sender<Offers>, target: &TargetRef, facts: &WorkloadFacts) {
    let latest = Offer::of(facts);
    followable.send_if_modified(|known| {
        let is_new = known.get(target).is_none_or(|known| **known != latest);
        if is_new {
            known.insert(target.clone(), Arc::new(latest));
        }
        is_new
    });
}

async fn take(store: &mut Store, limits: &Limits, namespace: &str, step: Step) -> bool {
    match step {
        // That a workload may not be read is told by its facts.
        Step::Workload(kind, told) => store.workload(kind, *told),
        Step::Set(told) => {
            limits.heard("replicasets", namespace, &told).await;
            store.set(told)
        }
        Step::Revision(told) => {
            limits.heard("controllerrevisions", namespace, &told).await;
            store.revision(told)
        }
        Step::Pod(told) => {
            limits.heard("pods", namespace, &told).await;
            store.pod(told)
        }
        Step::Warning(told) => {
            limits.heard("events", namespace, &told).await;
            store.warning(told)
        }
        Step::Run(told) => {
            limits.heard("analysisruns", namespace, &told).await;
            store.run(told)
        }
    }
}

struct Place {
    source: Source,
    namespace: String,
}

impl Place {
    fn workloads(&self, kind: Kind, single: Option<&TargetRef>) -> BoxStream<'static, Vec<Step>> {
        let field = single.map(|target| format!("metadata.name={}", target.name));
        let field = field.as_deref();
        /// The template itself is for a rollback, which reads it anew; its print is enough here.
        fn slim(workload: Workload) -> Workload {
            Workload { template: Value::Null, ..workload }
        }
        match kind {
            Kind::Deployment => self.watch::<Deployment, _>(field, None, move |told| {
                Step::Workload(kind, Box::new(told.map(|one| slim(one.workload))))
            }),
            Kind::StatefulSet => self.watch::<StatefulSet, _>(field, None, move |told| {
                Step::Workload(kind, Box::new(told.map(|one| slim(one.workload))))
            }),
            Kind::DaemonSet => self.watch::<DaemonSet, _>(field, None, move |told| {
                Step::Workload(kind, Box::new(told.map(|one| slim(one.workload))))
            }),
            Kind::Rollout => self.watch::<Rollout, _>(field, None, move |told| {
                Step::Workload(kind, Box::new(told.map(|one| slim(one.workload))))
            }),
        }
    }

    /// Revisions and pods: of one workload by its labels, or of the whole namespace.
    fn members(&self, kinds: &BTreeSet<Kind>, labels: Option<String>) -> Steps {
        let labels = labels.as_deref();
        let mut steps = Steps::new();
        steps.push(self.watch::<Pod, _>(None, labels, |told| Step::Pod(told.map(|pod| pod.entry))));
        if kinds.contains(&Kind::Deployment) || kinds.contains(&Kind::Rollout) {
            steps
                .push(self.watch::<ReplicaSet, _>(None, labels, |told| Step::Set(told.map(|set| set.entry))));
        }
        if kinds.contains(&Kind::StatefulSet) || kinds.contains(&Kind::DaemonSet) {
            steps.push(self.watch::<ControllerRevision, _>(None, labels, |told| {
                Step::Revision(told.map(|revision| revision.entry))
            }));
        }
        steps
    }

    fn watch<K, F>(
        &self,
        fields: Option<&str>,
        labels: Option<&str>,
        step: F,
    ) -> BoxStream<'static, Vec<Step>>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + DeserializeOwned
            + Send
            + 'static,
        F: Fn(Told<K>) -> Step + Send + 'static,
    {
        let path = K::url_path(&(), Some(&self.namespace));
        endless(&self.source, path, fields, labels).map(step).ready_chunks(AT_ONCE).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_one_namespace_share_their_watches() {
        let target = |kind, namespace: &str, name: &str| TargetRef {
            kind,
            namespace: namespace.into(),
            name: name.into(),
            container: None,
        };
        let grouped = by_namespace(vec![
            target(Kind::Deployment, "shop", "app"),
            target(Kind::DaemonSet, "shop", "agent"),
            target(Kind::Rollout, "pay", "app"),
        ]);
        assert_eq!(grouped.len(), 2);
        assert_eq!(grouped["shop"].len(), 2);
    }
}
