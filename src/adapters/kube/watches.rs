//! One watch per kind, joined and thinned out: the loop hears the newest facts only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll, Stream, StreamExt};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::error::{Cause, explain};
use super::limits::Limits;
use super::logs::{Candidates, candidates};
use super::nodes::Nodes;
use super::objects::{
    AnalysisRun, ControllerRevision, DaemonSet, Deployment, Pod, PodEntry, ReplicaSet, RevisionEntry,
    Rollout, Run, StatefulSet, Warning, Workload,
};
use super::store::Store;
use super::told::{Refusal, Told};
use crate::watch::{Observation, TargetRef, WarningEvent, WorkloadFacts};
use crate::workflow::Kind;

/// Ten summaries a second are more than an eye can follow.
const SUMMARY_EVERY: Duration = Duration::from_millis(100);
/// With thousands of pods a summary itself costs; it may take a twentieth of the time.
const SUMMARY_SHARE: u32 = 20;
const BACKOFF_FIRST: Duration = Duration::from_millis(300);
const BACKOFF_LAST: Duration = Duration::from_secs(15);
/// A right is not given, nor a kind installed, while somebody waits for it.
const REFUSED: Duration = Duration::from_secs(60);

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

type Steps = SelectAll<BoxStream<'static, Step>>;

/// What the watches of all namespaces share.
#[derive(Clone)]
pub(super) struct Shared {
    pub source: Source,
    pub out: Sender<Observation>,
    pub followable: watch::Sender<Candidates>,
    pub nodes_wanted: watch::Sender<bool>,
    pub nodes: watch::Receiver<Option<Arc<Nodes>>>,
    pub limits: Limits,
}

/// Watches until dropped, and sends the facts of each target whenever they changed.
pub(super) async fn run(shared: Shared, namespace: String, targets: Vec<TargetRef>) {
    let Shared { source, out, followable, nodes_wanted, mut nodes, limits } = shared;
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
    loop {
        tokio::select! {
            Some(step) = steps.next() => dirty |= take(&mut store, &limits, &place.namespace, step).await,
            Some(step) = members.next() => dirty |= take(&mut store, &limits, &place.namespace, step).await,
            Ok(()) = nodes.changed() => dirty = true,
            () = sleep_until(next_summary), if dirty => {
                let began = Instant::now();
                let nodes = nodes.borrow_and_update().clone();
                for target in &targets {
                    let Some(facts) = store.facts(target, nodes.as_deref()) else { continue };
                    if sent.get(target) == Some(&facts) {
                        pending.remove(target);
                        continue;
                    }
                    offer(&followable, target, &facts);
                    if facts.pods.iter().any(|pod| !pod.ready) {
                        nodes_wanted.send_if_modified(|wanted| !std::mem::replace(wanted, true));
                    }
                    pending.insert(target.clone(), facts);
                }
                dirty = false;
                next_summary = began + SUMMARY_EVERY.max(began.elapsed() * SUMMARY_SHARE);
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
fn offer(followable: &watch::Sender<Candidates>, target: &TargetRef, facts: &WorkloadFacts) {
    let latest = candidates(facts);
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

/// The client, and the news that the cluster is back.
#[derive(Clone)]
pub(super) struct Source {
    pub client: Client,
    pub recoveries: watch::Receiver<u64>,
}

struct Place {
    source: Source,
    namespace: String,
}

impl Place {
    fn workloads(&self, kind: Kind, single: Option<&TargetRef>) -> BoxStream<'static, Step> {
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

    fn watch<K, F>(&self, fields: Option<&str>, labels: Option<&str>, step: F) -> BoxStream<'static, Step>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
        F: Fn(Told<K>) -> Step + Send + 'static,
    {
        let api = Api::<K>::namespaced(self.source.client.clone(), &self.namespace);
        enduring(api, &self.source, fields, labels).map(step).boxed()
    }
}

/// Watches without end.
pub(super) fn enduring<K>(
    api: Api<K>,
    source: &Source,
    fields: Option<&str>,
    labels: Option<&str>,
) -> impl Stream<Item = Told<K>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config {
        field_selector: fields.map(str::to_owned),
        label_selector: labels.map(str::to_owned),
        ..watcher::Config::default()
    };
    let recoveries = source.recoveries.clone();
    let watch = Enduring { api, config, recoveries, stream: None, pause: None, n_failures: 0 };
    futures::stream::unfold(watch, |mut watch| async move {
        let told = watch.next().await;
        Some((told, watch))
    })
}

type Watch<K> = Pin<Box<dyn Stream<Item = watcher::Result<Event<K>>> + Send>>;

/// A watch that outlives every failure: it backs off with jitter, and begins anew when the cluster
/// is back, because a connection from before the break may be dead without knowing it.
struct Enduring<K> {
    api: Api<K>,
    config: watcher::Config,
    recoveries: watch::Receiver<u64>,
    stream: Option<Watch<K>>,
    pause: Option<Duration>,
    n_failures: u32,
}

impl<K> Enduring<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async fn next(&mut self) -> Told<K> {
        loop {
            if let Some(pause) = self.pause.take() {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = woken(&mut self.recoveries) => self.stream = None,
                }
            }
            let stream =
                self.stream.get_or_insert_with(|| Box::pin(watcher(self.api.clone(), self.config.clone())));
            tokio::select! {
                told = stream.next() => match told {
                    Some(Ok(event)) => {
                        if !matches!(event, Event::Init) {
                            self.n_failures = 0;
                        }
                        return match event {
                            Event::Init => Told::Restart,
                            Event::InitApply(object) => Told::Listed(object),
                            Event::InitDone => Told::Synced,
                            Event::Apply(object) => Told::Changed(object),
                            Event::Delete(object) => Told::Removed(object),
                        };
                    }
                    Some(Err(error)) => return self.failed(&error),
                    None => self.stream = None,
                },
                () = woken(&mut self.recoveries) => self.stream = None,
            }
        }
    }

    fn failed(&mut self, error: &watcher::Error) -> Told<K> {
        let (cause, detail) = cause_of(error);
        if matches!(cause, Cause::Forbidden | Cause::NotFound) {
            self.pause = Some(REFUSED);
            return Told::Refused(Refusal { cause, detail });
        }
        self.n_failures = self.n_failures.saturating_add(1);
        self.pause = Some(backoff(self.n_failures));
        tracing::warn!("watch of {}: {}: {detail}", K::plural(&()), cause.words());
        Told::Failed
    }
}

/// Words without the server's answer: a body that could not be read may hold anything.
fn cause_of(error: &watcher::Error) -> (Cause, String) {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => explain(error),
        watcher::Error::WatchError(status) => explain(&kube::Error::Api(status.clone())),
        watcher::Error::NoResourceVersion => (Cause::Answer, "no resource version in the answer".to_owned()),
    }
}

pub(super) async fn woken(recoveries: &mut watch::Receiver<u64>) {
    if recoveries.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Doubles up to a ceiling; jitter between half and whole keeps many watches from knocking at once.
pub(super) fn backoff(n_failures: u32) -> Duration {
    let whole = BACKOFF_FIRST.saturating_mul(1 << n_failures.clamp(1, 8).saturating_sub(1)).min(BACKOFF_LAST);
    let dice = (RandomState::new().hash_one(n_failures) % 1000) as u32;
    whole / 2 + whole * dice / 2000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_grows_to_its_ceiling_and_is_never_zero() {
        for n in 1..40 {
            let delay = backoff(n);
            assert!(delay >= BACKOFF_FIRST / 2 && delay <= BACKOFF_LAST, "{n}: {delay:?}");
        }
        assert!(backoff(39) >= BACKOFF_LAST / 2);
    }

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
