//! ReplicaSets: one per template, each keeping its number of pods.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use super::container::Container;
use super::deployment::{DESIRED_REPLICAS, MAX_REPLICAS, REVISION, TEMPLATE_HASH};
use super::dice::Dice;
use super::event::{About, AboutKind, News, Reporter};
use super::pod::{Pod, Surroundings, is_available, more_expendable};
use super::{Condition, after};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplicaSet {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub created: Timestamp,
    pub generation: i64,
    pub owner: String,
    pub owner_uid: String,
    pub hash: String,
    pub annotations: BTreeMap<String, String>,
    /// With the `pod-template-hash` label.
    pub template: PodTemplateSpec,
    /// The Deployment's selector, without the hash.
    pub selector: LabelSelector,
    pub replicas: i32,
    pub min_ready_s: i32,
    pub status: Status,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub observed_generation: i64,
    pub replicas: i32,
    pub ready: i32,
    pub available: i32,
    pub terminating: i32,
}

impl ReplicaSet {
    /// Its revision; 0 when the annotation is missing or unreadable.
    pub fn revision(&self) -> u64 {
        self.annotations.get(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Whether this set runs `template`, the hash label aside.
    pub fn matches(&self, template: &PodTemplateSpec) -> bool {
        let mut own = self.template.clone();
        let labels = own.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut());
        if let Some(labels) = labels {
            labels.remove(TEMPLATE_HASH);
        }
        own == *template
    }

    pub fn noted_desired(&self) -> Option<i32> {
        self.annotations.get(DESIRED_REPLICAS)?.parse().ok()
    }

    /// Notes the Deployment's size, by which a later change of it is recognised.
    pub fn note_replicas(&mut self, desired: i32, surge: i32) -> bool {
        let desired_before = self.annotations.insert(DESIRED_REPLICAS.into(), desired.to_string());
        let max_before = self.annotations.insert(MAX_REPLICAS.into(), (desired + surge).to_string());
        desired_before != Some(desired.to_string()) || max_before != Some((desired + surge).to_string())
    }

    fn owns(&self, pod: &Pod) -> bool {
        pod.owner_uid == self.uid
    }

    /// Makes or deletes pods until their number is right; true when it did.
    pub fn keep_replicas(&self, pods: &mut Vec<Pod>, dice: &mut Dice, around: &mut Surroundings<'_>) -> bool {
        let active = pods.iter().filter(|pod| self.owns(pod) && pod.deletion.is_none()).count();
        let wanted = usize::try_from(self.replicas).unwrap_or(0);
        for _ in active..wanted {
            let pod = self.make_pod(dice, around.now);
            around.news.push(self.news("SuccessfulCreate", format!("Created pod: {}", pod.name)));
            pods.push(pod);
        }
        if active > wanted {
            let mut candidates: Vec<usize> = (0..pods.len())
                .filter(|&index| self.owns(&pods[index]) && pods[index].deletion.is_none())
                .collect();
            candidates.sort_by(|&one, &other| more_expendable(&pods[one], &pods[other]));
            for index in candidates.into_iter().take(active - wanted) {
                pods[index].delete(around);
                around.news.push(self.news("SuccessfulDelete", format!("Deleted pod: {}", pods[index].name)));
            }
        }
        active != wanted
    }

    /// Counts its pods; true when a number changed.
    pub fn count(&mut self, pods: &[Pod], now: Timestamp) -> bool {
        let active = || pods.iter().filter(|pod| self.owns(pod) && pod.deletion.is_none());
        let min_ready_s = i64::from(self.min_ready_s);
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let status = Status {
            observed_generation: self.generation,
            replicas: number(active().count()),
            ready: number(active().filter(|pod| pod.is_ready()).count()),
            available: number(active().filter(|pod| is_available(pod, min_ready_s, now)).count()),
            terminating: number(pods.iter().filter(|pod| self.owns(pod) && pod.deletion.is_some()).count()),
        };
        let changed = status != self.status;
        self.status = status;
        changed
    }

    /// When a ready pod will have been ready for long enough to count as available.
    pub fn next_due(&self, pods: &[Pod], now: Timestamp) -> Option<Timestamp> {
        let min_ready = SignedDuration::from_secs(i64::from(self.min_ready_s));
        pods.iter()
            .filter(|pod| self.owns(pod) && pod.deletion.is_none())
            .filter_map(|pod| pod.ready_since()?.checked_add(min_ready).ok())
            .filter(|at| *at > now)
            .min()
    }

    fn make_pod(&self, dice: &mut Dice, now: Timestamp) -> Pod {
        let spec = self.template.spec.clone().unwrap_or_default();
        let metadata = self.template.metadata.clone().unwrap_or_default();
        let scheduled = after(now, dice.between(0.2, 0.9));
        Pod {
            namespace: self.namespace.clone(),
            name: format!("{}-{}", self.name, dice.suffix()),
            uid: dice.uid(),
            created: now,
            owner: self.name.clone(),
            owner_uid: self.uid.clone(),
            labels: metadata.labels.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
            containers: spec.containers.iter().map(Container::new).collect(),
            spec,
            node: None,
            ip: None,
            scheduled,
            conditions: Vec::<Condition>::new(),
            deletion: None,
        }
    }

    fn news(&self, reason: &'static str, message: String) -> News {
        News {
            about: About {
                kind: AboutKind::ReplicaSet,
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                uid: self.uid.clone(),
                container: None,
            },
            reporter: Reporter::ReplicaSets,
            node: None,
            warning: false,
            reason,
            message,
        }
    }
}
