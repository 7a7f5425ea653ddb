//! One watch per kind, joined and thinned out: the loop hears the newest facts only.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, Stream, StreamExt};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::logs::{Candidates, candidates};
use super::objects::{Deployment, Pod, ReplicaSet, Warning};
use super::store::Store;
use crate::watch::{Observation, TargetRef, WorkloadFacts};
use crate::workflow::Kind;

/// Ten summaries a second are more than an eye can follow.
const SUMMARY_EVERY: Duration = Duration::from_millis(100);
/// With thousands of pods a summary itself costs; it may take a twentieth of the time.
const SUMMARY_SHARE: u32 = 20;
const BACKOFF_FIRST: Duration = Duration::from_millis(300);
const BACKOFF_LAST: Duration = Duration::from_secs(15);

/// One watch per kind and namespace serves all targets there.
pub(super) fn by_namespace(targets: Vec<TargetRef>) -> BTreeMap<String, Vec<TargetRef>> {
    let mut namespaces: BTreeMap<String, Vec<TargetRef>> = BTreeMap::new();
    for target in targets {
        if target.kind != Kind::Deployment {
            tracing::warn!("{target} is not watched: only deployments are");
            continue;
        }
        namespaces.entry(target.namespace.clone()).or_default().push(target);
    }
    namespaces
}

enum Step {
    Deployment(Told<Deployment>),
    Set(Told<ReplicaSet>),
    Pod(Told<Pod>),
    Warning(Told<Warning>),
}

/// A step of a watch, or that it could not be taken and will be tried again.
enum Told<K> {
    Event(Event<K>),
    Failed,
}

/// Watches until dropped, and sends the facts of each target whenever they changed.
pub(super) async fn run(
    client: Client,
    namespace: String,
    targets: Vec<TargetRef>,
    out: Sender<Observation>,
    recoveries: watch::Receiver<u64>,
    followable: watch::Sender<Candidates>,
) {
    let source = Source { client, namespace, recoveries };
    // A single target narrows its watches to itself: the namespace may hold thousands of pods.
    let single = (targets.len() == 1).then(|| targets[0].name.clone());
    let by_name = single.as_ref().map(|name| format!("metadata.name={name}"));
    let mut deployments = source.watch::<Deployment>(by_name, None).map(Step::Deployment).boxed();
    let mut warnings =
        source.watch::<Warning>(Some("type=Warning".to_owned()), None).map(Step::Warning).boxed();
    let mut selector = None;
    let mut members: Option<BoxStream<'static, Step>> = single.is_none().then(|| source.members(None));
    let mut store = Store::default();
    let mut sent: HashMap<TargetRef, WorkloadFacts> = HashMap::new();
    let mut pending: BTreeMap<TargetRef, WorkloadFacts> = BTreeMap::new();
    let mut dirty = false;
    let mut next_summary = Instant::now();
    loop {
        tokio::select! {
            Some(step) = deployments.next() => dirty |= take(&mut store, step),
            Some(step) = warnings.next() => dirty |= take(&mut store, step),
            Some(step) = next_of(&mut members) => dirty |= take(&mut store, step),
            () = sleep_until(next_summary), if dirty => {
                let began = Instant::now();
                for target in &targets {
                    let Some(facts) = store.facts(target) else { continue };
                    if sent.get(target) != Some(&facts) {
                        offer(&followable, target, &facts);
                        pending.insert(target.clone(), facts);
                    } else {
                        pending.remove(target);
                    }
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
        if let Some(name) = &single {
            let wanted = store.selector(name);
            if wanted.is_some() && wanted != selector {
                store.sets.reset();
                store.pods.reset();
                members = Some(source.members(wanted.clone()));
                selector = wanted;
            } else if members.is_none()
                && wanted.is_none()
                && store.facts(&targets[0]).is_none()
                && store.deployments.synced
            {
                members = Some(source.members(None));
            }
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

async fn next_of(stream: &mut Option<BoxStream<'static, Step>>) -> Option<Step> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

fn take(store: &mut Store, step: Step) -> bool {
    match step {
        Step::Deployment(Told::Event(event)) => store.deployment(event),
        Step::Set(Told::Event(event)) => store.set(event),
        Step::Pod(Told::Event(event)) => store.pod(event),
        Step::Warning(Told::Event(event)) => store.warning(event),
        Step::Set(Told::Failed) => !std::mem::replace(&mut store.sets.failed, true),
        Step::Pod(Told::Failed) => !std::mem::replace(&mut store.pods.failed, true),
        Step::Deployment(Told::Failed) | Step::Warning(Told::Failed) => false,
    }
}

struct Source {
    client: Client,
    namespace: String,
    recoveries: watch::Receiver<u64>,
}

impl Source {
    fn members(&self, labels: Option<String>) -> BoxStream<'static, Step> {
        let sets = self.watch::<ReplicaSet>(None, labels.clone()).map(Step::Set);
        let pods = self.watch::<Pod>(None, labels).map(Step::Pod);
        futures::stream::select(sets, pods).boxed()
    }

    fn watch<K>(
        &self,
        fields: Option<String>,
        labels: Option<String>,
    ) -> impl Stream<Item = Told<K>> + Send + use<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let config =
            watcher::Config { field_selector: fields, label_selector: labels, ..watcher::Config::default() };
        let watch = Enduring {
            api: Api::<K>::namespaced(self.client.clone(), &self.namespace),
            config,
            recoveries: self.recoveries.clone(),
            stream: None,
            n_failures: 0,
        };
        futures::stream::unfold(watch, |mut watch| async move {
            let told = watch.next().await;
            Some((told, watch))
        })
    }
}

type Watch<K> = Pin<Box<dyn Stream<Item = watcher::Result<Event<K>>> + Send>>;

/// A watch that outlives every failure: it backs off with jitter, and begins anew when the cluster
/// is back, because a connection from before the break may be dead without knowing it.
struct Enduring<K> {
    api: Api<K>,
    config: watcher::Config,
    recoveries: watch::Receiver<u64>,
    stream: Option<Watch<K>>,
    n_failures: u32,
}

impl<K> Enduring<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async fn next(&mut self) -> Told<K> {
        loop {
            if self.n_failures > 0 {
                tokio::select! {
                    () = sleep(backoff(self.n_failures)) => {}
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
                        return Told::Event(event);
                    }
                    Some(Err(error)) => {
                        self.n_failures = self.n_failures.saturating_add(1);
                        tracing::warn!("watch of {}: {}", K::plural(&()), words(&error));
                        return Told::Failed;
                    }
                    None => self.stream = None,
                },
                () = woken(&mut self.recoveries) => self.stream = None,
            }
        }
    }
}

/// Words without the server's answer: a body that could not be read may hold anything.
fn words(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => {
            let (cause, detail) = super::error::explain(error);
            format!("{}: {detail}", cause.words())
        }
        watcher::Error::WatchError(status) => format!("{} {}", status.code, status.message),
        watcher::Error::NoResourceVersion => "no resource version in the answer".to_owned(),
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
            target(Kind::Deployment, "shop", "web"),
            target(Kind::Deployment, "pay", "app"),
            target(Kind::DaemonSet, "shop", "agent"),
        ]);
        assert_eq!(grouped.len(), 2);
        assert_eq!(grouped["shop"].len(), 2);
    }
}
