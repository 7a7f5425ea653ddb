//! Who owns what: controllers take over what their selector selects and nobody owns, and let go of
//! what it selects no longer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::World;
use super::kind::Kind;
use super::meta::{Meta, selects};

/// A controller with what it selects.
struct Claimer {
    kind: Kind,
    meta: Meta,
    selector: LabelSelector,
}

impl World {
    /// Settles the ownership of ReplicaSets and pods; true when one changed hands.
    pub(super) fn claim(&mut self) -> bool {
        let deployments: Vec<Claimer> = self
            .deployments
            .iter()
            .map(|it| claimer(Kind::Deployment, &it.meta, &it.spec.selector))
            .collect();
        let mut changed = false;
        for set in &mut self.replica_sets {
            changed |= settle(&mut set.meta, &deployments);
        }
        let sets = self.replica_sets.iter().map(|it| claimer(Kind::ReplicaSet, &it.meta, &it.selector));
        let stateful =
            self.stateful_sets.iter().map(|it| claimer(Kind::StatefulSet, &it.meta, &it.spec.selector));
        let daemons = self.daemon_sets.iter().map(|it| claimer(Kind::DaemonSet, &it.meta, &it.spec.selector));
        let claimers: Vec<Claimer> = sets.chain(stateful).chain(daemons).collect();
        for pod in self.pods.iter_mut().filter(|pod| pod.deletion.is_none()) {
            changed |= settle(&mut pod.meta, &claimers);
        }
        changed
    }
}

fn claimer(kind: Kind, meta: &Meta, selector: &LabelSelector) -> Claimer {
    Claimer { kind, meta: meta.clone(), selector: selector.clone() }
}

fn settle(meta: &mut Meta, claimers: &[Claimer]) -> bool {
    let selected = |claimer: &&Claimer| {
        claimer.meta.namespace == meta.namespace && selects(&claimer.selector, &meta.labels)
    };
    match meta.controller().map(|owner| owner.uid.clone()) {
        Some(uid) => {
            let owner = claimers.iter().find(|claimer| claimer.meta.uid == uid);
            let lost = owner.is_some_and(|owner| owner.meta.deleted.is_none() && !selected(&owner));
            if lost {
                meta.owners.retain(|owner| owner.uid != uid);
            }
            lost
        }
        None if meta.deleted.is_none() => {
            let found = claimers.iter().filter(selected).find(|claimer| {
                let fits = claimer.kind != Kind::StatefulSet
                    || meta.name.strip_prefix(&format!("{}-", claimer.meta.name)).is_some_and(is_number);
                claimer.meta.deleted.is_none() && fits
            });
            if let Some(found) = found {
                meta.owners.push(found.meta.as_controller(found.kind));
            }
            found.is_some()
        }
        None => false,
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}
