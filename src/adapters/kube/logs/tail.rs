//! The logs of one target, apart from any release: its pods, their containers, and their lines.

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, ApiResource, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, Resource as _};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::choice::Offer;
use super::target::{LogTarget, Wanted};
use super::{Reading, run};
use crate::adapters::kube::error::{Cause, KubeError, Place};
use crate::adapters::kube::heartbeat;
use crate::adapters::kube::listwatch::{Source, endless};
use crate::adapters::kube::objects::{Pod, PodEntry};
use crate::adapters::kube::store::Mirror;
use crate::adapters::kube::told::Told;
use crate::watch::{ContainerState, Moment, Observation, PodFacts, Shared};

/// Pods come and go in crowds; ten looks a second are enough to open a stream in time.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// More connections than this are a burden on the server; what is left out is told.
const MOST_STREAMS: usize = 64;

/// What is read of a target's logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    pub target: LogTarget,
    pub namespace: String,
    /// These alone; all when empty.
    pub containers: Vec<String>,
    /// Goes on with what comes, new pods and restarted containers included.
    pub follow: bool,
    /// At most so many of the last lines of each container that is there already.
    pub tail: Option<u32>,
    /// … and none that is older. Units: seconds.
    pub since_s: Option<u32>,
    /// The life before the present one of each container.
    pub previous: bool,
    /// A longer line is cut, visibly. Units: bytes.
    pub line_limit: usize,
}

/// A target that was found, with the pods that it has now.
pub struct LogTail {
    client: Client,
    place: Place,
    request: LogRequest,
    wanted: Wanted,
    pods: Pods,
}

impl std::fmt::Debug for LogTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogTail").field("request", &self.request).finish_non_exhaustive()
    }
}

impl LogTail {
    /// Finds the target and lists its pods.
    pub(in crate::adapters::kube) async fn open(
        client: Client,
        place: Place,
        request: LogRequest,
    ) -> Result<Self, KubeError> {
        let wanted = request.target.wanted(&client, &place, &request.namespace).await?;
        let what = format!("read the logs of {} in namespace {}", request.target, request.namespace);
        let api: Api<Pod> = Api::namespaced(client.clone(), &request.namespace);
        let params = ListParams {
            label_selector: wanted.labels.clone(),
            field_selector: wanted.fields.clone(),
            ..ListParams::default()
        };
        let listed = api.list(&params).await.map_err(|error| place.call_failed(&what, &error))?;
        if listed.items.is_empty() && request.target.is_pod() {
            return Err(place.failed(&what, Cause::NotFound, String::new()));
        }
        let mut pods = Pods::default();
        for told in listed.items.into_iter().map(Told::Listed).chain([Told::Synced]) {
            pods.take(told);
        }
        let mut tail = Self { client, place, request, wanted, pods };
        tail.own().await;
        tail.check_containers(&what)?;
        tail.check_permission(&what).await?;
        Ok(tail)
    }

    /// How many containers have something to read now.
    pub fn n_containers(&self) -> usize {
        self.offer().candidates().count()
    }

    /// Containers that have nothing to read yet, and why: `app-1 app: ContainerCreating`.
    pub fn silent(&self) -> Vec<String> {
        let mut silent = Vec::new();
        for pod in self.pods.ours() {
            for container in pod.containers.iter().filter(|container| self.is_meant(&container.name)) {
                if let (ContainerState::Waiting { reason, .. }, None) =
                    (&container.state, &container.last_end)
                {
                    silent.push(format!("{} {}: {reason}", pod.name, container.name));
                }
            }
        }
        silent
    }

    /// Tells the lines, in the order of their times; ends when all that was asked for was told, which
    /// for a workload that is followed is never.
    ///
    /// - Shape: [`Observation::Logs`], and [`Observation::Link`] when the API server falls silent.
    ///   A full `out` holds the readers back and drops nothing.
    pub async fn run<C: Fn() -> Moment>(mut self, out: Sender<Observation>, clock: C) {
        let reading = Reading {
            follow: self.request.follow,
            tail: self.request.tail.map(i64::from),
            since_s: self.request.since_s.map(i64::from),
            previous: self.request.previous,
            before_us: false,
            done_inits: true,
            line_limit: self.request.line_limit,
            most_streams: MOST_STREAMS,
        };
        let (recovered, recoveries) = watch::channel(0);
        let first = BTreeMap::from([((), Arc::new(self.offer()))]);
        let (followable, offers) = watch::channel(first);
        let reading = run(self.client.clone(), reading, offers, out.clone(), recoveries.clone());
        if self.request.follow {
            // Lines carry the server's times: how far its clock is from ours changes nothing here.
            let (skewed, _) = watch::channel(jiff::SignedDuration::ZERO);
            let beating =
                heartbeat::run(self.client.clone(), heartbeat::Pace::USUAL, out, recovered, skewed, clock);
            let watching = self.watch(followable, recoveries);
            let told = async { tokio::join!(reading, watching) };
            tokio::select! {
                _ = told => {}
                () = beating => {}
            }
        } else {
            drop(followable);
            reading.await;
        }
    }

    /// Tells of pods that come and go until nothing more can come.
    async fn watch(
        &mut self,
        followable: watch::Sender<BTreeMap<(), Arc<Offer>>>,
        recoveries: watch::Receiver<u64>,
    ) {
        let path = Pod::url_path(&(), Some(&self.request.namespace));
        let source = Source { client: self.client.clone(), recoveries };
        let (fields, labels) = (self.wanted.fields.as_deref(), self.wanted.labels.as_deref());
        let mut steps = pin!(endless(&source, path, fields, labels));
        let mut dirty = false;
        let mut look = pin!(sleep_until(Instant::now()));
        loop {
            tokio::select! {
                Some(told) = steps.next() => {
                    if self.pods.take(told) && !std::mem::replace(&mut dirty, true) {
                        look.as_mut().reset(Instant::now() + LOOK_EVERY);
                    }
                }
                () = &mut look, if dirty => {
                    dirty = false;
                    self.own().await;
                    let latest = Arc::new(self.offer());
                    followable.send_modify(|known| {
                        known.insert((), latest);
                    });
                    if self.request.target.is_pod() && self.is_over() {
                        return;
                    }
                }
                () = followable.closed() => return,
            }
        }
    }

    fn is_meant(&self, container: &str) -> bool {
        let containers = &self.request.containers;
        containers.is_empty() || containers.iter().any(|name| name == container)
    }

    fn offer(&self) -> Offer {
        Offer {
            namespace: self.request.namespace.clone(),
            pods: self.pods.ours().cloned().collect(),
            target_revision: None,
            only: self.request.containers.clone(),
        }
    }

    /// Nothing more can come from this pod.
    fn is_over(&self) -> bool {
        self.pods.ours().all(|pod| matches!(pod.phase.as_str(), "Succeeded" | "Failed"))
    }

    /// Decides which of the pods that match the labels belong to the target.
    async fn own(&mut self) {
        let Some(owner) = &self.wanted.owner else {
            self.pods.owners = None;
            return;
        };
        let owners = self.pods.owners.get_or_insert_with(|| HashSet::from([owner.clone()]));
        if !self.wanted.through_sets
            || !self
                .pods
                .known
                .values()
                .any(|pod| pod.owner.as_ref().is_some_and(|set| !owners.contains(set)))
        {
            return;
        }
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("apps", "v1", "ReplicaSet"),
            "replicasets",
        );
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.request.namespace, &resource);
        let params = ListParams { label_selector: self.wanted.labels.clone(), ..ListParams::default() };
        match api.list_metadata(&params).await {
            Ok(sets) => owners.extend(sets.items.into_iter().filter_map(|set| {
                let owned = set.metadata.owner_references?.iter().any(|by| by.uid == *owner);
                set.metadata.uid.filter(|_| owned)
            })),
            // Whoever may read pods but not their owners still gets what the labels say.
            Err(error) => {
                tracing::warn!("owners of pods: {error}");
                self.pods.owners = None;
                self.wanted.owner = None;
            }
        }
    }

    fn check_containers(&self, what: &str) -> Result<(), KubeError> {
        let mut known: Vec<&str> = Vec::new();
        for pod in self.pods.ours() {
            known.extend(pod.containers.iter().map(|container| container.name.as_str()));
        }
        known.sort_unstable();
        known.dedup();
        let missing = self.request.containers.iter().find(|name| !known.contains(&name.as_str()));
        match missing {
            Some(name) if !known.is_empty() => {
                let detail = format!("no container is named {name}; there are {}", known.join(", "));
                Err(self.place.failed(what, Cause::NotFound, detail))
            }
            _ => Ok(()),
        }
    }

    /// A follower tries for ever; whoever may not read logs at all should hear of it at once.
    async fn check_permission(&self, what: &str) -> Result<(), KubeError> {
        let attributes = ResourceAttributes {
            namespace: Some(self.request.namespace.clone()),
            verb: Some("get".to_owned()),
            resource: Some("pods".to_owned()),
            subresource: Some("log".to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        // Where nobody may ask, the log itself gives the answer.
        let Ok(answer) = api.create(&PostParams::default(), &review).await else { return Ok(()) };
        match answer.status {
            Some(status) if !status.allowed => {
                let detail = format!("you may not get pods/log in namespace {}", self.request.namespace);
                Err(self.place.failed(what, Cause::Forbidden, detail))
            }
            _ => Ok(()),
        }
    }
}

/// The pods that match, as the watch tells them.
#[derive(Default)]
struct Pods {
    known: Mirror<PodEntry>,
    /// UIDs whose pods count; all do without.
    owners: Option<HashSet<String>>,
}

impl Pods {
    /// Takes one step of the watch; `true` when something may have changed.
    fn take(&mut self, told: Told<Pod>) -> bool {
        self.known.take(told.map(|pod| pod.entry), |entry| &entry.facts.name)
    }

    fn ours(&self) -> impl Iterator<Item = &Shared<PodFacts>> {
        let is_ours = |entry: &&PodEntry| match (&self.owners, &entry.owner) {
            (None, _) => true,
            (Some(owners), Some(owner)) => owners.contains(owner),
            (Some(_), None) => false,
        };
        self.known.values().filter(is_ours).map(|entry| &entry.facts)
    }
}
