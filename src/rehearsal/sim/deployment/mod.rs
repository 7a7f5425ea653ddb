//! The Deployment controller: the same decisions, in the same order, as the one of Kubernetes.
//!
//! Checked against a real controller manager: what each status shows during a rollout, the revision
//! numbers after an undo, and when a condition changes. Source of the rules: the observable behaviour
//! described in the Kubernetes documentation of Deployments.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DeploymentSpec;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};

use super::Condition;
use super::dice::{Dice, hash, name_digits};
use super::event::{About, News, Reporter};
use super::kind::Kind;
use super::meta::Meta;
use super::replica_set::ReplicaSet;

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

    /// Surge and unavailable as pod counts; never both zero, or nothing could move.
    pub fn bounds(&self) -> (i32, i32) {
        if self.recreates() {
            return (0, self.desired());
        }
        let rolling = self.spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let desired = self.desired();
        let quarter = IntOrString::String("25%".into());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref()).unwrap_or(&quarter);
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&quarter);
        let surge = resolve(surge, desired, true);
        let unavailable = resolve(unavailable, desired, false);
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        (surge, unavailable.min(desired))
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

    pub(super) fn new_set<'a>(&self, sets: &'a [ReplicaSet]) -> Option<&'a ReplicaSet> {
        // The oldest wins when several have the template, so that two controllers agree.
        sets.iter()
            .filter(|set| set.meta.is_controlled_by(&self.meta.uid) && set.matches(&self.spec.template))
            .min_by(|a, b| (a.meta.created, &a.meta.name).cmp(&(b.meta.created, &b.meta.name)))
    }

    fn new_set_name(&self, sets: &[ReplicaSet]) -> Option<String> {
        self.new_set(sets).map(|set| set.meta.name.clone())
    }

    /// Gives the set of the current template the highest revision, makes it when it is missing, and
    /// copies the number to the Deployment.
    fn sync_revision(&mut self, pass: &mut Pass<'_>, create: bool) -> Step {
        let new = self.new_set_name(pass.sets);
        let highest_old = self
            .own(pass.sets)
            .filter(|set| Some(&set.meta.name) != new.as_ref())
            .map(ReplicaSet::revision)
            .max()
            .unwrap_or(0);
        let (surge, _) = self.bounds();
        let desired = self.desired();
        let Some(name) = new else {
            if !create {
                return Step::Settled;
            }
            self.make_set(pass, highest_old + 1);
            return Step::Made;
        };
        let inherited = self.inherited_annotations();
        let set = pass
            .sets
            .iter_mut()
            .find(|set| self.is_own(set, &name))
            .expect("its name was found among the sets");
        let before = set.meta.annotations.clone();
        set.meta.annotations.extend(inherited);
        if set.revision() <= highest_old {
            let old = set.meta.annotations.insert(REVISION.into(), (highest_old + 1).to_string());
            if let Some(old) = old {
                let history = set.meta.annotations.entry(REVISION_HISTORY.into()).or_default();
                if !history.is_empty() {
                    history.push(',');
                }
                history.push_str(&old);
            }
        }
        set.note_replicas(desired, surge);
        set.min_ready_s = self.spec.min_ready_seconds.unwrap_or(0);
        let (changed, revision) = (set.meta.annotations != before, set.revision());
        if changed {
            return Step::Changed;
        }
        if self.meta.annotations.insert(REVISION.into(), revision.to_string()) != Some(revision.to_string()) {
            if self.condition("Progressing").is_none() {
                let message = format!("Found new replica set \"{name}\"");
                self.set_condition(Condition::new(
                    "Progressing",
                    "True",
                    "FoundNewReplicaSet",
                    &message,
                    pass.now,
                ));
            }
            return Step::Changed;
        }
        Step::Settled
    }

    fn make_set(&mut self, pass: &mut Pass<'_>, revision: u64) {
        let mut hash = template_hash(&self.spec.template, self.collisions);
        let taken = |sets: &[ReplicaSet], name: &str| {
            sets.iter().any(|set| set.meta.name == name && set.meta.namespace == self.meta.namespace)
        };
        while taken(pass.sets, &format!("{}-{hash}", self.meta.name)) {
            self.collisions += 1;
            hash = template_hash(&self.spec.template, self.collisions);
        }
        let name = format!("{}-{hash}", self.meta.name);
        let (surge, _) = self.bounds();
        let replicas = if self.recreates() {
            self.desired()
        } else {
            let present: i32 = self.own(pass.sets).map(|set| set.replicas).sum();
            (self.desired() + surge - present).clamp(0, self.desired())
        };
        let mut template = self.spec.template.clone();
        let metadata = template.metadata.get_or_insert_default();
        metadata.labels.get_or_insert_default().insert(TEMPLATE_HASH.into(), hash.clone());
        let mut annotations = self.inherited_annotations();
        annotations.insert(REVISION.into(), revision.to_string());
        let mut selector = self.spec.selector.clone();
        selector.match_labels.get_or_insert_default().insert(TEMPLATE_HASH.into(), hash);
        let mut meta = Meta::new(&self.meta.namespace, &name, pass.dice.uid(), pass.now);
        meta.labels = template.metadata.as_ref().and_then(|meta| meta.labels.clone()).unwrap_or_default();
        meta.annotations = annotations;
        meta.owners = vec![self.meta.as_controller(Kind::Deployment)];
        let mut set = ReplicaSet::new(meta, selector, template);
        set.min_ready_s = self.spec.min_ready_seconds.unwrap_or(0);
        set.note_replicas(self.desired(), surge);
        pass.sets.push(set);
        if replicas > 0 {
            self.scale(pass, &name, replicas);
        }
        if let Some(set) = pass.sets.last_mut() {
            // It was made with this size: there was no earlier generation.
            set.meta.generation = 1;
        }
        self.meta.annotations.insert(REVISION.into(), revision.to_string());
        let message = format!("Created new replica set \"{name}\"");
        self.set_condition(Condition::new("Progressing", "True", "NewReplicaSetCreated", &message, pass.now));
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

    /// Whether `spec.replicas` was changed since the sets were last sized.
    fn was_scaled(&self, pass: &Pass<'_>) -> bool {
        self.own(pass.sets)
            .filter(|set| set.replicas > 0)
            .any(|set| set.noted_desired().is_some_and(|noted| noted != self.desired()))
    }

    /// Follows a change of `spec.replicas` without moving the rollout: in proportion when several sets
    /// hold pods.
    fn scale_active(&mut self, pass: &mut Pass<'_>) -> bool {
        let desired = self.desired();
        let (surge, _) = self.bounds();
        let active: Vec<(String, i32)> = {
            let mut active: Vec<&ReplicaSet> = self.own(pass.sets).filter(|set| set.replicas > 0).collect();
            active.sort_by_key(|set| std::cmp::Reverse(set.meta.created));
            active.iter().map(|set| (set.meta.name.clone(), set.replicas)).collect()
        };
        let mut wanted: Vec<(String, i32)> = Vec::new();
        match active.as_slice() {
            [] => {
                if let Some(name) = self.new_set_name(pass.sets) {
                    wanted.push((name, desired));
                }
            }
            [(only, _)] => wanted.push((only.clone(), desired)),
            several => {
                let present: i32 = several.iter().map(|(_, replicas)| replicas).sum();
                let allowed = if desired > 0 { desired + surge } else { 0 };
                let mut rest = allowed - present;
                for (index, (name, replicas)) in several.iter().enumerate() {
                    let share =
                        (f64::from(*replicas) * f64::from(allowed) / f64::from(present)).round() as i32;
                    let change = (share - replicas).clamp(rest.min(0), rest.max(0));
                    let last = index + 1 == several.len();
                    let change = if last { rest } else { change };
                    rest -= change;
                    wanted.push((name.clone(), (replicas + change).max(0)));
                }
            }
        }
        let mut changed = false;
        for (name, replicas) in wanted {
            let present = pass.sets.iter().find(|set| self.is_own(set, &name)).map_or(0, |set| set.replicas);
            if present != replicas {
                self.scale(pass, &name, replicas);
                changed = true;
            }
        }
        let uid = self.meta.uid.clone();
        for set in pass.sets.iter_mut().filter(|set| set.meta.is_controlled_by(&uid)) {
            changed |= set.note_replicas(desired, surge);
        }
        changed
    }

    fn scale(&self, pass: &mut Pass<'_>, name: &str, replicas: i32) {
        let (surge, _) = self.bounds();
        let set =
            pass.sets.iter_mut().find(|set| self.is_own(set, name)).expect("only known sets are scaled");
        let from = set.replicas;
        set.replicas = replicas;
        set.meta.generation += 1;
        set.note_replicas(self.desired(), surge);
        let direction = if replicas > from { "up" } else { "down" };
        pass.news.push(News {
            about: About {
                kind: Kind::Deployment,
                namespace: self.meta.namespace.clone(),
                name: self.meta.name.clone(),
                uid: self.meta.uid.clone(),
                container: None,
            },
            reporter: Reporter::Deployments,
            node: None,
            warning: false,
            reason: "ScalingReplicaSet",
            message: format!("Scaled {direction} replica set {name} from {from} to {replicas}"),
        });
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

    /// By its owner too: equal templates give sets of one name in every namespace.
    fn is_own(&self, set: &ReplicaSet, name: &str) -> bool {
        set.meta.name == name && set.meta.is_controlled_by(&self.meta.uid)
    }

    pub(super) fn own<'a>(&'a self, sets: &'a [ReplicaSet]) -> impl Iterator<Item = &'a ReplicaSet> {
        sets.iter().filter(|set| set.meta.is_controlled_by(&self.meta.uid))
    }

    /// Names of the sets of other templates, oldest first.
    fn old_sets(&self, sets: &[ReplicaSet], new: &str) -> Vec<String> {
        let mut old: Vec<&ReplicaSet> = self.own(sets).filter(|set| set.meta.name != new).collect();
        old.sort_by(|a, b| (a.meta.created, &a.meta.name).cmp(&(b.meta.created, &b.meta.name)));
        old.into_iter().map(|set| set.meta.name.clone()).collect()
    }

    /// Annotations that a set takes over, such as the change cause.
    fn inherited_annotations(&self) -> BTreeMap<String, String> {
        let own = [LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS];
        self.meta
            .annotations
            .iter()
            .filter(|(key, _)| !own.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// Pods for a count or a share of `total`; a share of surge rounds up, of unavailable down.
pub fn resolve(value: &IntOrString, total: i32, up: bool) -> i32 {
    match value {
        IntOrString::Int(count) => (*count).max(0),
        IntOrString::String(text) => {
            let share = text.trim_end_matches('%').parse::<f64>().unwrap_or(0.0) * f64::from(total) / 100.0;
            (if up { share.ceil() } else { share.floor() }) as i32
        }
    }
}

/// The letters in the names of what runs `template`; another number of collisions makes others.
pub fn template_hash(template: &PodTemplateSpec, collisions: u32) -> String {
    let text = serde_json::to_string(template).expect("a pod template has only text for keys");
    let digest = hash(&if collisions == 0 { text } else { format!("{text}{collisions}") });
    name_digits((digest ^ (digest >> 32)) as u32)
}
