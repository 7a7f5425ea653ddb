//! The world as clients may see it: every object brought up to date in the store.

use std::collections::BTreeSet;

use super::meta::Meta;
use super::store::Kind;
use super::{World, key, render};

impl World {
    /// Brings the published objects up to date with the world.
    pub(super) fn publish(&mut self) {
        let at = |kind, meta: &Meta| key(kind, &meta.namespace, &meta.name);
        for it in &self.deployments {
            self.store.publish(at(Kind::Deployment, &it.meta), render::deployment(it));
        }
        for it in &self.replica_sets {
            self.store.publish(at(Kind::ReplicaSet, &it.meta), render::replica_set(it));
        }
        for it in &self.stateful_sets {
            self.store.publish(at(Kind::StatefulSet, &it.meta), render::stateful_set(it));
        }
        for it in &self.daemon_sets {
            self.store.publish(at(Kind::DaemonSet, &it.meta), render::daemon_set(it));
        }
        for it in &self.revisions {
            self.store.publish(at(Kind::ControllerRevision, &it.meta), render::revision(it));
        }
        for it in &self.pods {
            self.store.publish(at(Kind::Pod, &it.meta), render::pod(it, self.scenario));
        }
        for event in self.events.iter_mut().filter(|event| event.fresh) {
            event.fresh = false;
            self.store.publish(key(Kind::Event, &event.namespace, &event.name), render::event(event));
        }
        self.retract(Kind::Pod, self.pods.iter().map(|it| &it.meta).map(place).collect());
        self.retract(Kind::ReplicaSet, self.replica_sets.iter().map(|it| &it.meta).map(place).collect());
        self.retract(Kind::Deployment, self.deployments.iter().map(|it| &it.meta).map(place).collect());
        self.retract(Kind::StatefulSet, self.stateful_sets.iter().map(|it| &it.meta).map(place).collect());
        self.retract(Kind::DaemonSet, self.daemon_sets.iter().map(|it| &it.meta).map(place).collect());
        self.retract(Kind::ControllerRevision, self.revisions.iter().map(|it| &it.meta).map(place).collect());
    }

    /// Takes back what is published of a kind and is no more.
    fn retract(&mut self, kind: Kind, left: BTreeSet<(String, String)>) {
        self.store.retain(kind, |key| left.contains(&(key.namespace.clone(), key.name.clone())));
    }
}

fn place(meta: &Meta) -> (String, String) {
    (meta.namespace.clone(), meta.name.clone())
}
