//! What the watches of one namespace know, joined into the facts of a workload.

use std::collections::{BTreeMap, BTreeSet};

use kube::runtime::watcher::Event;

use super::objects::{Deployment, Pod, ReplicaSet, Warning};
use crate::watch::{PodFacts, RevisionFacts, TargetRef, UpdateStrategy, WarningEvent, WorkloadFacts};

/// Enough to explain any rollout; a broken one repeats itself.
const EVENTS_PER_WORKLOAD: usize = 50;
/// A namespace in trouble can hold tens of thousands; the oldest go first.
const EVENTS_PER_NAMESPACE: usize = 4000;

/// One kind of object, by key, as its watch tells it.
///
/// During a new listing the old content stays in use; objects that vanished meanwhile are missing
/// from the listing, and no deletion is ever told.
#[derive(Debug)]
pub(super) struct Mirror<V> {
    live: BTreeMap<String, V>,
    listing: Option<BTreeMap<String, V>>,
    /// Whether a listing ended, so that absence means something.
    pub synced: bool,
    /// The first try failed: better to go on without than to say nothing.
    pub failed: bool,
}

impl<V> Default for Mirror<V> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), listing: None, synced: false, failed: false }
    }
}

impl<V> Mirror<V> {
    /// Takes one step of the watch; `true` when something visible may have changed.
    pub fn take<K>(&mut self, event: Event<K>, entry: impl Fn(K) -> (String, V)) -> bool {
        match event {
            Event::Init => {
                self.listing = Some(BTreeMap::new());
                false
            }
            Event::InitApply(object) => {
                let (key, value) = entry(object);
                self.listing.get_or_insert_default().insert(key, value);
                false
            }
            Event::InitDone => {
                if let Some(listing) = self.listing.take() {
                    self.live = listing;
                }
                self.synced = true;
                true
            }
            Event::Apply(object) => {
                let (key, value) = entry(object);
                self.live.insert(key, value);
                true
            }
            Event::Delete(object) => {
                let (key, _) = entry(object);
                self.live.remove(&key).is_some()
            }
        }
    }

    pub fn is_settled(&self) -> bool {
        self.synced || self.failed
    }

    /// Forgets everything, because the question itself changed.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[derive(Debug, Default)]
pub(super) struct Store {
    pub deployments: Mirror<Deployment>,
    pub sets: Mirror<ReplicaSet>,
    pub pods: Mirror<Pod>,
    pub warnings: Mirror<WarningEvent>,
}

impl Store {
    pub fn deployment(&mut self, event: Event<Deployment>) -> bool {
        self.deployments.take(event, |object| (object.name.clone(), object))
    }

    pub fn set(&mut self, event: Event<ReplicaSet>) -> bool {
        self.sets.take(event, |object| (object.facts.uid.clone(), object))
    }

    pub fn pod(&mut self, event: Event<Pod>) -> bool {
        self.pods.take(event, |object| (object.facts.uid.clone(), object))
    }

    pub fn warning(&mut self, event: Event<Warning>) -> bool {
        let changed = self.warnings.take(event, |object| (object.facts.uid.clone(), object.facts));
        if self.warnings.live.len() > EVENTS_PER_NAMESPACE {
            let mut ages: Vec<_> = self.warnings.live.values().map(|event| event.at).collect();
            ages.sort_unstable();
            let limit = ages[ages.len() / 2];
            self.warnings.live.retain(|_, event| event.at > limit);
        }
        changed
    }

    /// The selector by which a deployment finds its pods, once it is known.
    pub fn selector(&self, name: &str) -> Option<String> {
        self.deployments.live.get(name).and_then(|deployment| deployment.selector.clone())
    }

    /// Joins one workload, or `None` while it cannot be told from the listings so far.
    pub fn facts(&self, target: &TargetRef) -> Option<WorkloadFacts> {
        if !self.deployments.synced {
            return None;
        }
        let Some(deployment) = self.deployments.live.get(&target.name) else {
            return Some(gone(target));
        };
        if !(self.sets.is_settled() && self.pods.is_settled()) {
            return None;
        }
        let mut revisions: Vec<RevisionFacts> = self
            .sets
            .live
            .values()
            .filter(|set| set.owner.as_deref() == Some(deployment.uid.as_str()))
            .map(|set| set.facts.clone())
            .collect();
        revisions.sort_by(|a, b| b.revision.cmp(&a.revision).then_with(|| a.name.cmp(&b.name)));
        let target_revision = revisions
            .iter()
            .find(|set| set.template_print == deployment.template_print)
            .map(|set| set.name.clone());
        let names: BTreeMap<&str, &str> =
            revisions.iter().map(|set| (set.uid.as_str(), set.name.as_str())).collect();
        let made_from = |pod: &Pod| names.get(pod.owner.as_deref()?).map(|name| (*name).to_owned());
        let mut pods: Vec<PodFacts> = self
            .pods
            .live
            .values()
            .filter_map(|pod| Some(PodFacts { revision: Some(made_from(pod)?), ..pod.facts.clone() }))
            .collect();
        let is_old = |pod: &PodFacts| pod.revision != target_revision;
        pods.sort_by(|a, b| is_old(a).cmp(&is_old(b)).then_with(|| a.name.cmp(&b.name)));
        let events = self.events_about(deployment, &revisions, &pods);
        Some(WorkloadFacts {
            target: target.clone(),
            uid: deployment.uid.clone(),
            gone: false,
            generation: deployment.generation,
            observed_generation: deployment.observed_generation,
            paused: deployment.paused,
            strategy: deployment.strategy.clone(),
            spec_replicas: deployment.spec_replicas,
            replicas: deployment.replicas,
            updated: deployment.updated,
            ready: deployment.ready,
            available: deployment.available,
            revision: deployment.revision,
            template_print: deployment.template_print.clone(),
            images: deployment.images.clone(),
            conditions: deployment.conditions.clone(),
            progress_deadline_s: deployment.progress_deadline_s,
            min_ready_s: deployment.min_ready_s,
            max_surge: deployment.max_surge.clone(),
            max_unavailable: deployment.max_unavailable.clone(),
            gitops_owner: deployment.gitops_owner.clone(),
            target_revision,
            stable_revision: None,
            revisions,
            pods,
            events,
            argo: None,
            unclear: None,
        })
    }

    fn events_about(
        &self,
        deployment: &Deployment,
        sets: &[RevisionFacts],
        pods: &[PodFacts],
    ) -> Vec<WarningEvent> {
        if self.warnings.live.is_empty() {
            return vec![];
        }
        let sets: BTreeSet<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        let pods: BTreeSet<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
        let is_ours = |event: &&WarningEvent| match event.about.split_once('/') {
            Some(("Pod", name)) => pods.contains(name),
            Some(("ReplicaSet", name)) => sets.contains(name),
            Some(("Deployment", name)) => name == deployment.name,
            _ => false,
        };
        let mut events: Vec<&WarningEvent> = self.warnings.live.values().filter(is_ours).collect();
        events.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.uid.cmp(&b.uid)));
        let surplus = events.len().saturating_sub(EVENTS_PER_WORKLOAD);
        events.into_iter().skip(surplus).cloned().collect()
    }
}

/// The facts of a workload that is not there.
fn gone(target: &TargetRef) -> WorkloadFacts {
    WorkloadFacts {
        target: target.clone(),
        uid: String::new(),
        gone: true,
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::workflow::Kind;

    fn target() -> TargetRef {
        TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: "app".into(), container: None }
    }

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn template(image: &str) -> Value {
        json!({"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "app", "image": image}]}})
    }

    fn deployment(image: &str) -> Deployment {
        read(json!({"metadata": {"name": "app", "uid": "d"},
            "spec": {"template": template(image), "selector": {"matchLabels": {"app": "app"}}}}))
    }

    fn set(uid: &str, owner: &str, revision: &str, image: &str) -> ReplicaSet {
        read(json!({"metadata": {"name": format!("app-{uid}"), "uid": uid,
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"uid": owner, "controller": true}]},
            "spec": {"template": template(image)}}))
    }

    fn pod(name: &str, owner: &str) -> Pod {
        read(json!({"metadata": {"name": name, "uid": name,
            "ownerReferences": [{"uid": owner, "controller": true}]}}))
    }

    fn warning(uid: &str, about: &str, at: &str) -> Warning {
        read(json!({"metadata": {"name": uid, "uid": uid}, "reason": "Failed", "lastTimestamp": at,
            "involvedObject": {"kind": "Pod", "name": about}}))
    }

    fn listed(store: &mut Store) {
        store.deployment(Event::Init);
        store.deployment(Event::InitApply(deployment("x:2")));
        store.deployment(Event::InitDone);
        store.set(Event::Init);
        store.set(Event::InitApply(set("old", "d", "7", "x:1")));
        store.set(Event::InitApply(set("new", "d", "8", "x:2")));
        store.set(Event::InitApply(set("foreign", "other", "9", "x:2")));
        store.set(Event::InitDone);
        store.pod(Event::Init);
        for (name, owner) in [("a", "old"), ("b", "new"), ("c", "foreign"), ("d", "new")] {
            store.pod(Event::InitApply(pod(name, owner)));
        }
        store.pod(Event::InitDone);
    }

    #[test]
    fn nothing_is_said_before_every_listing_ended() {
        let mut store = Store::default();
        assert_eq!(store.facts(&target()), None);
        store.deployment(Event::Init);
        store.deployment(Event::InitApply(deployment("x:2")));
        store.deployment(Event::InitDone);
        assert_eq!(store.facts(&target()), None, "its pods are not known yet");
        store.sets.failed = true;
        store.pods.failed = true;
        assert!(store.facts(&target()).is_some(), "a forbidden list must not silence the rest");
    }

    #[test]
    fn a_workload_missing_from_the_listing_is_gone() {
        let mut store = Store::default();
        store.deployment(Event::Init);
        store.deployment(Event::InitDone);
        assert!(store.facts(&target()).unwrap().gone);
    }

    #[test]
    fn pods_are_joined_by_owner_and_the_new_ones_come_first() {
        let mut store = Store::default();
        listed(&mut store);
        let facts = store.facts(&target()).unwrap();
        let names: Vec<&str> = facts.pods.iter().map(|pod| pod.name.as_str()).collect();
        assert_eq!(names, ["b", "d", "a"]);
        assert_eq!(facts.current_revision().unwrap().uid, "new");
        assert_eq!(facts.revisions[0].revision, Some(8));
        assert!(facts.is_new(&facts.pods[0]) && !facts.is_new(&facts.pods[2]));
    }

    #[test]
    fn what_vanished_during_a_break_is_missing_after_the_next_listing() {
        let mut store = Store::default();
        listed(&mut store);
        store.pod(Event::Init);
        store.pod(Event::InitApply(pod("b", "new")));
        assert_eq!(store.facts(&target()).unwrap().pods.len(), 3, "the old listing stays until then");
        store.pod(Event::InitDone);
        assert_eq!(store.facts(&target()).unwrap().pods.len(), 1);
    }

    #[test]
    fn warnings_of_other_pods_are_left_out_and_the_newest_come_last() {
        let mut store = Store::default();
        listed(&mut store);
        store.warning(Event::Apply(warning("1", "b", "2026-11-22T14:02:00Z")));
        store.warning(Event::Apply(warning("2", "elsewhere", "2026-11-22T14:03:00Z")));
        store.warning(Event::Apply(warning("3", "a", "2026-11-22T14:01:00Z")));
        let facts = store.facts(&target()).unwrap();
        let uids: Vec<&str> = facts.events.iter().map(|event| event.uid.as_str()).collect();
        assert_eq!(uids, ["3", "1"]);
    }
}
