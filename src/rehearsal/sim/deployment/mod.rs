//! The Deployment controller: the same decisions, in the same order, as the one of Kubernetes.
//!
//! Checked against a real controller manager: what each status shows during a rollout, the revision
//! numbers after an undo, and when a condition changes. Source of the rules: the observable behaviour
//! described in the Kubernetes documentation of Deployments.

mod scaling;
mod sets;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DeploymentSpec;
use serde::{Deserialize, Serialize};

use super::Condition;
use super::dice::Dice;
use super::event::News;
use super::meta::Meta;
use super::replica_set::ReplicaSet;
pub use scaling::resolve;
pub use sets::template_hash;

pub const REVISION: &str = "deployment.kubernetes.io/revision";
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
pub const TEMPLATE_HASH: &str = "pod-template-hash";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deployment {
    pub meta: Meta,
    pub spec: DeploymentSpec,
    pub status: Status,
    pub conditions: Vec<Condition>,
    /// How often the name of a new set was taken by somebody else's.
    pub collisions: u32,
    /// The controller has not looked at the object since this change; it will at this time.
    pub look_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub observed_generation: i64,
    pub replicas: i32,
    pub updated: i32,
    pub ready: i32,
    pub available: i32,
    pub unavailable: i32,
    pub terminating: i32,
}

/// What one pass of the controller decided; the world carries it out and publishes it.
#[derive(Debug)]
pub enum Step {
    /// Nothing more to do until something changes.
    Settled,
    /// Something was changed: publish, then look again.
    Changed,
    /// A set was made: publish, then take stock before anybody fills it.
    Made,
}

/// All that a pass may touch.
#[derive(Debug)]
pub struct Pass<'a> {
    pub now: Timestamp,
    pub sets: &'a mut Vec<ReplicaSet>,
    pub news: &'a mut Vec<News>,
    pub dice: &'a mut Dice,
}

impl Deployment {
    pub fn new(meta: Meta, spec: DeploymentSpec, look_at: Option<Timestamp>) -> Self {
        let (status, conditions) = (Status::default(), Vec::new());
        Self { meta, spec, status, conditions, collisions: 0, look_at }
    }

    pub fn desired(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    pub fn is_paused(&self) -> bool {
        self.spec.paused.unwrap_or(false)
    }

    fn recreates(&self) -> bool {
        self.spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
    }

    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// One pass of the controller. It makes at most one kind of change, because the real one returns
    /// after each and is woken by its own change: that is what watchers see in between.
    pub fn sync(&mut self, pass: &mut Pass<'_>) -> Step {
        if self.meta.deleted.is_some() {
            return self.sync_status(pass);
        }
        if self.refresh_pause_condition(pass.now) {
            return Step::Changed;
        }
        if self.is_paused() {
            if let Step::Changed = self.sync_revision(pass, false) {
                return Step::Changed;
            }
            return if self.scale_active(pass) { Step::Changed } else { self.sync_status(pass) };
        }
        if self.was_scaled(pass) {
            if let Step::Changed = self.sync_revision(pass, false) {
                return Step::Changed;
            }
            return if self.scale_active(pass) { Step::Changed } else { self.sync_status(pass) };
        }
        let may_create = !self.recreates() || self.old_pods_are_gone(pass.sets);
        match self.sync_revision(pass, may_create) {
            Step::Settled => {}
            step => return step,
        }
        if self.recreates() { self.recreate(pass) } else { self.roll(pass) }
    }

    fn roll(&mut self, pass: &mut Pass<'_>) -> Step {
        let name = self.new_set_name(pass.sets).expect("a pass that rolls has made the set of its template");
        let (surge, max_unavailable) = self.bounds();
        let desired = self.desired();
        let total: i32 = self.own(pass.sets).map(|set| set.replicas).sum();
        let (new_replicas, new_available) = self
            .new_set(pass.sets)
            .map(|set| (set.replicas, set.status.available))
            .expect("found by its name just above");

        let room = (desired + surge - total).max(0);
        let wanted =
            if new_replicas > desired { desired } else { new_replicas + room.min(desired - new_replicas) };
        if wanted != new_replicas {
            self.scale(pass, &name, wanted);
            self.update_status(pass);
            return Step::Changed;
        }

        let old_total = total - new_replicas;
        if old_total > 0 {
            let min_available = desired - max_unavailable;
            let new_unavailable = new_replicas - new_available;
            let may_go = total - min_available - new_unavailable;
            if may_go > 0 {
                let unhealthy = self.clean_unhealthy(pass, &name, may_go);
                let healthy = self.scale_down_old(pass, &name, min_available);
                if unhealthy + healthy > 0 {
                    self.update_status(pass);
                    return Step::Changed;
                }
            }
        }
        self.clean_up(pass);
        self.sync_status(pass)
    }

    /// Old pods that do not serve anyway go first; they cost no availability.
    fn clean_unhealthy(&mut self, pass: &mut Pass<'_>, new: &str, may_go: i32) -> i32 {
        let mut gone = 0;
        for name in self.old_sets(pass.sets, new) {
            let set = pass.sets.iter().find(|set| self.is_own(set, &name)).expect("listed just above");
            let (replicas, available) = (set.replicas, set.status.available);
            let fewer = (may_go - gone).min(replicas - available);
            if fewer > 0 {
                self.scale(pass, &name, replicas - fewer);
                gone += fewer;
            }
        }
        gone
    }

    fn scale_down_old(&mut self, pass: &mut Pass<'_>, new: &str, min_available: i32) -> i32 {
        let available: i32 = self.own(pass.sets).map(|set| set.status.available).sum();
        let mut may_go = available - min_available;
        let mut gone = 0;
        for name in self.old_sets(pass.sets, new) {
            if may_go <= 0 {
                break;
            }
            let replicas = pass.sets.iter().find(|set| self.is_own(set, &name)).map_or(0, |set| set.replicas);
            let fewer = may_go.min(replicas);
            if fewer > 0 {
                self.scale(pass, &name, replicas - fewer);
                may_go -= fewer;
                gone += fewer;
            }
        }
        gone
    }

    fn recreate(&mut self, pass: &mut Pass<'_>) -> Step {
        let new = self.new_set_name(pass.sets).unwrap_or_default();
        let mut changed = false;
        for name in self.old_sets(pass.sets, &new) {
            if pass.sets.iter().any(|set| self.is_own(set, &name) && set.replicas > 0) {
                self.scale(pass, &name, 0);
                changed = true;
            }
        }
        if !changed
            && self.old_pods_are_gone(pass.sets)
            && let Some(set) = self.new_set(pass.sets)
            && set.replicas != self.desired()
        {
            let desired = self.desired();
            self.scale(pass, &new, desired);
            changed = true;
        }
        if changed {
            self.update_status(pass);
            return Step::Changed;
        }
        self.clean_up(pass);
        self.sync_status(pass)
    }

    fn old_pods_are_gone(&self, sets: &[ReplicaSet]) -> bool {
        self.own(sets)
            .filter(|set| !set.matches(&self.spec.template))
            .all(|set| set.replicas == 0 && set.status.replicas == 0 && set.status.terminating == 0)
    }

    /// Drops old empty sets beyond the history limit once the rollout is complete.
    fn clean_up(&mut self, pass: &mut Pass<'_>) {
        let status = self.count(pass.sets);
        let desired = self.desired();
        if status.updated != desired || status.replicas != desired || status.available != desired {
            return;
        }
        let Some(new) = self.new_set_name(pass.sets) else { return };
        let limit = self.spec.revision_history_limit.unwrap_or(10).max(0) as usize;
        let mut old: Vec<(u64, String)> = self
            .own(pass.sets)
            .filter(|set| set.meta.name != new && set.replicas == 0 && set.status.replicas == 0)
            .map(|set| (set.revision(), set.meta.name.clone()))
            .collect();
        old.sort();
        let surplus = old.len().saturating_sub(limit);
        for (_, name) in old.into_iter().take(surplus) {
            pass.sets.retain(|set| !self.is_own(set, &name));
        }
    }
}
