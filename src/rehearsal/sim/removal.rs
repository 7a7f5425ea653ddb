//! How objects go: asked by a client, with what they own, after what holds them, or with their node.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::change::Refusal;
use super::meta::Meta;
use super::pod::Surroundings;
use super::store::{Key, Kind};
use super::{World, after, key, seconds};

/// By this finalizer an object waits for what it owns.
const FOREGROUND: &str = "foregroundDeletion";
/// The pod collector waits this long before it believes that a node will not come back.
const NODE_MISSED_S: f64 = 50.0;

/// What becomes of the objects that a deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// They go after it.
    #[default]
    Background,
    /// They go before it.
    Foreground,
    /// They stay, without an owner.
    Orphan,
}

/// How a client wants an object deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Farewell {
    pub propagation: Propagation,
    /// Units: seconds.
    pub grace_s: Option<i64>,
    /// The object must still have this uid.
    pub uid: Option<String>,
    pub dry_run: bool,
}

impl World {
    /// Deletes an object, as DELETE does.
    ///
    /// - Shape: the object as it was, or as it is while it is going.
    /// - Errors: [`Refusal::NotFound`], or [`Refusal::Conflict`] when it has another uid.
    pub fn delete(&mut self, place: &Key, wish: &Farewell) -> Result<Value, Refusal> {
        let object = self.object(place)?;
        let known = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if let Some(uid) = wish.uid.as_ref().filter(|uid| **uid != known) {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {known}");
            return Err(Refusal::Conflict { kind: place.kind, name: place.name.clone(), why });
        }
        if wish.dry_run {
            return Ok(object);
        }
        match place.kind {
            Kind::Pod => self.delete_pods(wish.grace_s, |meta| meta.uid == known),
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet => {
                self.delete_owner(&known, wish.propagation);
            }
            Kind::ControllerRevision => self.revisions.retain(|one| one.meta.uid != known),
            Kind::Namespace => self.end_namespace(place, &object),
            Kind::Node => {
                self.store.remove(place);
                self.missed_nodes.insert(place.name.clone(), after(self.now, NODE_MISSED_S));
            }
            Kind::Event => {
                self.events.retain(|event| event.uid != known);
                self.store.remove(place);
            }
            _ => {
                self.store.remove(place);
            }
        }
        self.settle();
        Ok(self.object(place).ok().filter(|after| after["metadata"]["uid"] == known).unwrap_or(object))
    }

    fn delete_owner(&mut self, uid: &str, propagation: Propagation) {
        let now = self.now;
        let held = {
            let Some(meta) = self.owner_mut(uid) else { return };
            match propagation {
                Propagation::Foreground if !meta.finalizers.iter().any(|one| one == FOREGROUND) => {
                    meta.finalizers.push(FOREGROUND.into());
                }
                _ => {}
            }
            let held = !meta.finalizers.is_empty();
            if held {
                meta.deleted.get_or_insert(now);
                meta.generation += 1;
            }
            held
        };
        if propagation == Propagation::Orphan {
            self.for_each_dependent(|meta| meta.owners.retain(|owner| owner.uid != uid));
        }
        if !held {
            self.forget_owner(uid);
        }
    }

    /// Whatever nobody owns any more goes; whoever waited for that goes too. True when something went.
    pub(super) fn collect_garbage(&mut self) -> bool {
        let mut living: BTreeSet<String> = BTreeSet::new();
        let mut leaving: BTreeSet<String> = BTreeSet::new();
        for meta in self.owners() {
            let waits = meta.deleted.is_some() && meta.finalizers.iter().any(|one| one == FOREGROUND);
            if waits {
                leaving.insert(meta.uid.clone())
            } else {
                living.insert(meta.uid.clone())
            };
        }
        let is_orphaned = |meta: &Meta| {
            !meta.owners.is_empty() && meta.owners.iter().all(|owner| !living.contains(&owner.uid))
        };
        let is_foreign = |meta: &Meta| meta.owners.iter().any(|owner| !is_workload(&owner.kind));
        let doomed = |meta: &Meta| is_orphaned(meta) && !is_foreign(meta);
        let sets: Vec<(String, bool)> = self
            .replica_sets
            .iter()
            .filter(|set| set.meta.deleted.is_none() && doomed(&set.meta))
            .map(|set| {
                let waited_for = set.meta.owners.iter().any(|owner| leaving.contains(&owner.uid));
                (set.meta.uid.clone(), waited_for)
            })
            .collect();
        let pods: BTreeSet<String> = self
            .pods
            .iter()
            .filter(|pod| pod.deletion.is_none() && doomed(&pod.meta))
            .map(|pod| pod.meta.uid.clone())
            .collect();
        let revisions = self.revisions.len();
        self.revisions.retain(|one| !doomed(&one.meta));
        let mut changed = revisions != self.revisions.len() || !sets.is_empty() || !pods.is_empty();
        for (uid, waited_for) in sets {
            let how = if waited_for { Propagation::Foreground } else { Propagation::Background };
            self.delete_owner(&uid, how);
        }
        if !pods.is_empty() {
            self.delete_pods(None, |meta| pods.contains(&meta.uid));
        }
        changed |= self.release_owners();
        changed | self.release_namespaces()
    }

    /// Lets go the objects whose last finalizer is gone, or whose dependents are.
    fn release_owners(&mut self) -> bool {
        let mut owned: BTreeSet<String> = BTreeSet::new();
        self.for_each_dependent(|meta| owned.extend(meta.owners.iter().map(|owner| owner.uid.clone())));
        let free: Vec<String> = self
            .owners()
            .filter(|meta| {
                let held = meta.finalizers.iter().any(|one| one != FOREGROUND || owned.contains(&meta.uid));
                meta.deleted.is_some() && !held
            })
            .map(|meta| meta.uid.clone())
            .collect();
        for uid in &free {
            self.forget_owner(uid);
        }
        !free.is_empty()
    }

    fn end_namespace(&mut self, place: &Key, object: &Value) {
        let mut object = object.clone();
        object["status"]["phase"] = "Terminating".into();
        object["metadata"]["deletionTimestamp"] = seconds(self.now).into();
        self.store.publish(place.clone(), object);
        let name = &place.name;
        let inside: Vec<Key> = Kind::ALL
            .into_iter()
            .flat_map(|kind| self.store.list(kind, name).map(|(key, _)| key.clone()).collect::<Vec<_>>())
            .filter(|key| key.namespace == *name)
            .collect();
        self.deployments.retain(|it| it.meta.namespace != *name);
        self.stateful_sets.retain(|it| it.meta.namespace != *name);
        self.daemon_sets.retain(|it| it.meta.namespace != *name);
        self.replica_sets.retain(|it| it.meta.namespace != *name);
        self.revisions.retain(|it| it.meta.namespace != *name);
        self.events.retain(|event| event.namespace != *name);
        self.delete_pods(None, |meta| meta.namespace == *name);
        for key in inside.iter().filter(|key| key.kind != Kind::Pod) {
            self.store.remove(key);
        }
    }

    fn release_namespaces(&mut self) -> bool {
        let ending: Vec<Key> = self
            .store
            .list(Kind::Namespace, "")
            .filter(|(place, namespace)| {
                namespace["status"]["phase"] == "Terminating"
                    && self.pods.iter().all(|pod| pod.meta.namespace != place.name)
            })
            .map(|(place, _)| place.clone())
            .collect();
        for place in &ending {
            self.events.retain(|event| event.namespace != place.name);
            let told: Vec<Key> =
                self.store.list(Kind::Event, &place.name).map(|(key, _)| key.clone()).collect();
            told.iter().for_each(|key| {
                self.store.remove(key);
            });
            self.store.remove(place);
        }
        !ending.is_empty()
    }

    /// Removes the pods of nodes that have been gone for long.
    pub(super) fn miss_nodes(&mut self) {
        let now = self.now;
        let due: Vec<String> =
            self.missed_nodes.extract_if(.., |_, at| *at <= now).map(|(name, _)| name).collect();
        for name in due {
            if self.store.get(&key(Kind::Node, "", &name)).is_none() {
                self.pods.retain(|pod| pod.node.as_ref() != Some(&name));
            }
        }
    }

    pub(super) fn delete_pods(&mut self, grace_s: Option<i64>, chosen: impl Fn(&Meta) -> bool) {
        let mut news = Vec::new();
        let mut around = Surroundings {
            scenario: self.scenario,
            now: self.now,
            pulled: &mut self.pulled,
            news: &mut news,
        };
        for pod in self.pods.iter_mut().filter(|pod| chosen(&pod.meta)) {
            pod.delete(grace_s, &mut around);
        }
        self.tell(news);
        self.remove_gone_pods();
    }

    /// Those that nobody waits for are gone at once.
    pub(super) fn remove_gone_pods(&mut self) {
        let now = self.now;
        self.pods.retain(|pod| pod.deletion.is_none_or(|deletion| deletion.gone > now));
    }

    fn owners(&self) -> impl Iterator<Item = &Meta> {
        let deployments = self.deployments.iter().map(|it| &it.meta);
        let sets = self.replica_sets.iter().map(|it| &it.meta);
        let stateful = self.stateful_sets.iter().map(|it| &it.meta);
        deployments.chain(sets).chain(stateful).chain(self.daemon_sets.iter().map(|it| &it.meta))
    }

    fn owner_mut(&mut self, uid: &str) -> Option<&mut Meta> {
        let deployments = self.deployments.iter_mut().map(|it| &mut it.meta);
        let sets = self.replica_sets.iter_mut().map(|it| &mut it.meta);
        let stateful = self.stateful_sets.iter_mut().map(|it| &mut it.meta);
        let daemons = self.daemon_sets.iter_mut().map(|it| &mut it.meta);
        deployments.chain(sets).chain(stateful).chain(daemons).find(|meta| meta.uid == uid)
    }

    fn for_each_dependent(&mut self, mut visit: impl FnMut(&mut Meta)) {
        let sets = self.replica_sets.iter_mut().map(|it| &mut it.meta);
        let revisions = self.revisions.iter_mut().map(|it| &mut it.meta);
        let pods = self.pods.iter_mut().map(|it| &mut it.meta);
        sets.chain(revisions).chain(pods).for_each(&mut visit);
    }

    fn forget_owner(&mut self, uid: &str) {
        self.deployments.retain(|it| it.meta.uid != uid);
        self.replica_sets.retain(|it| it.meta.uid != uid);
        self.stateful_sets.retain(|it| it.meta.uid != uid);
        self.daemon_sets.retain(|it| it.meta.uid != uid);
    }
}

fn is_workload(kind: &str) -> bool {
    matches!(kind, "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
}

/// When the pods of a missing node are due to be removed.
pub fn next_missed(missed: &std::collections::BTreeMap<String, Timestamp>) -> Option<Timestamp> {
    missed.values().min().copied()
}

/// Reads the options of a DELETE from its parameters and its body; the body wins.
pub fn farewell(parameter: impl Fn(&str) -> Option<String>, body: &Value) -> Farewell {
    let text = |field: &str| body[field].as_str().map(str::to_owned).or_else(|| parameter(field));
    let propagation = match text("propagationPolicy").as_deref() {
        Some("Foreground") => Propagation::Foreground,
        Some("Orphan") => Propagation::Orphan,
        _ => Propagation::Background,
    };
    let grace = parameter("gracePeriodSeconds").and_then(|text| text.parse().ok());
    Farewell {
        propagation,
        grace_s: body["gracePeriodSeconds"].as_i64().or(grace),
        uid: body["preconditions"]["uid"].as_str().map(str::to_owned),
        dry_run: body["dryRun"] == json!(["All"]) || parameter("dryRun").as_deref() == Some("All"),
    }
}
