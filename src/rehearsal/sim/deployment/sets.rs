//! The ReplicaSets of a Deployment: which is the new one, and how it is made and numbered.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::{
    DESIRED_REPLICAS, Deployment, LAST_APPLIED, MAX_REPLICAS, Pass, REVISION, REVISION_HISTORY, Step,
    TEMPLATE_HASH,
};
use crate::rehearsal::sim::Condition;
use crate::rehearsal::sim::dice::{hash, name_digits};
use crate::rehearsal::sim::kind::Kind;
use crate::rehearsal::sim::meta::Meta;
use crate::rehearsal::sim::replica_set::ReplicaSet;

impl Deployment {
    pub(in crate::rehearsal::sim) fn new_set<'a>(&self, sets: &'a [ReplicaSet]) -> Option<&'a ReplicaSet> {
        // The oldest wins when several have the template, so that two controllers agree.
        sets.iter()
            .filter(|set| set.meta.is_controlled_by(&self.meta.uid) && set.matches(&self.spec.template))
            .min_by(|a, b| (a.meta.created, &a.meta.name).cmp(&(b.meta.created, &b.meta.name)))
    }

    pub(super) fn new_set_name(&self, sets: &[ReplicaSet]) -> Option<String> {
        self.new_set(sets).map(|set| set.meta.name.clone())
    }

    /// Gives the set of the current template the highest revision, makes it when it is missing, and
    /// copies the number to the Deployment.
    pub(super) fn sync_revision(&mut self, pass: &mut Pass<'_>, create: bool) -> Step {
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

    /// By its owner too: equal templates give sets of one name in every namespace.
    pub(super) fn is_own(&self, set: &ReplicaSet, name: &str) -> bool {
        set.meta.name == name && set.meta.is_controlled_by(&self.meta.uid)
    }

    pub(in crate::rehearsal::sim) fn own<'a>(
        &'a self,
        sets: &'a [ReplicaSet],
    ) -> impl Iterator<Item = &'a ReplicaSet> {
        sets.iter().filter(|set| set.meta.is_controlled_by(&self.meta.uid))
    }

    /// Names of the sets of other templates, oldest first.
    pub(super) fn old_sets(&self, sets: &[ReplicaSet], new: &str) -> Vec<String> {
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

/// The letters in the names of what runs `template`; another number of collisions makes others.
pub fn template_hash(template: &PodTemplateSpec, collisions: u32) -> String {
    let text = serde_json::to_string(template).expect("a pod template has only text for keys");
    let digest = hash(&if collisions == 0 { text } else { format!("{text}{collisions}") });
    name_digits((digest ^ (digest >> 32)) as u32)
}
