//! ReplicaSets: one per template, each keeping its number of pods.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSetSpec;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use super::Condition;
use super::change::Refusal;
use super::deployment::{DESIRED_REPLICAS, MAX_REPLICAS, REVISION, TEMPLATE_HASH};
use super::event::Reporter;
use super::hands::Hands;
use super::kind::Kind;
use super::meta::Meta;
use super::pod::{Pod, is_available, more_expendable, next_available};
use super::retry::Retry;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplicaSet {
    pub meta: Meta,
    pub template: PodTemplateSpec,
    pub selector: LabelSelector,
    pub replicas: i32,
    pub min_ready_s: i32,
    pub status: Status,
    pub conditions: Vec<Condition>,
    pub retry: Retry,
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
    /// A set of no pods yet.
    pub fn new(meta: Meta, selector: LabelSelector, template: PodTemplateSpec) -> Self {
        Self {
            meta,
            template,
            selector,
            replicas: 0,
            min_ready_s: 0,
            status: Status::default(),
            conditions: Vec::new(),
            retry: Retry::default(),
        }
    }

    /// A set as a client made it.
    pub fn adopted(meta: Meta, spec: &ReplicaSetSpec) -> Self {
        let mut set = Self::new(meta, spec.selector.clone(), spec.template.clone().unwrap_or_default());
        set.take_spec(spec);
        set
    }

    pub fn take_spec(&mut self, spec: &ReplicaSetSpec) {
        self.template = spec.template.clone().unwrap_or_default();
        self.replicas = spec.replicas.unwrap_or(1);
        self.min_ready_s = spec.min_ready_seconds.unwrap_or(0);
    }

    /// Its revision; 0 when the annotation is missing or unreadable.
    pub fn revision(&self) -> u64 {
        self.meta.annotations.get(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
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
        self.meta.annotations.get(DESIRED_REPLICAS)?.parse().ok()
    }

    /// Notes the Deployment's size, by which a later change of it is recognised.
    pub fn note_replicas(&mut self, desired: i32, surge: i32) -> bool {
        let desired_before = self.meta.annotations.insert(DESIRED_REPLICAS.into(), desired.to_string());
        let max_before = self.meta.annotations.insert(MAX_REPLICAS.into(), (desired + surge).to_string());
        desired_before != Some(desired.to_string()) || max_before != Some((desired + surge).to_string())
    }

    /// Makes or deletes pods until their number is right; true when something changed.
    pub fn keep_replicas(&mut self, hands: &mut Hands<'_>) -> bool {
        if self.meta.deleted.is_some() || self.retry.rests(hands.now) {
            return false;
        }
        let active = hands.pods.iter().filter(|pod| pod.belongs_to(&self.meta) && pod.is_active()).count();
        let wanted = usize::try_from(self.replicas).unwrap_or(0);
        let mut failure = None;
        for _ in active..wanted {
            if let Err(refusal) = self.make_pod(hands) {
                // The rest would fail for the same reason; it is tried again later.
                failure = Some(refusal);
                break;
            }
        }
        if active > wanted {
            let pods = &hands.pods;
            let mut candidates: Vec<&Pod> =
                pods.iter().filter(|pod| pod.belongs_to(&self.meta) && pod.is_active()).collect();
            candidates.sort_by(|one, other| more_expendable(one, other));
            let chosen: Vec<(String, String)> = candidates
                .into_iter()
                .take(active - wanted)
                .map(|pod| (pod.meta.uid.clone(), pod.meta.name.clone()))
                .collect();
            for (uid, name) in chosen {
                hands.delete_pod(&uid);
                self.tell(hands, false, "SuccessfulDelete", format!("Deleted pod: {name}"));
            }
        }
        let failed = failure.is_some();
        let noted = self.note_failure(failure, hands);
        (active != wanted && !failed) || noted
    }

    /// Keeps the condition that tells why pods could not be made; true when it changed.
    fn note_failure(&mut self, failure: Option<Refusal>, hands: &mut Hands<'_>) -> bool {
        let known = self.conditions.iter().any(|condition| condition.kind == "ReplicaFailure");
        let Some(refusal) = failure else {
            self.retry.succeeded();
            self.conditions.retain(|condition| condition.kind != "ReplicaFailure");
            return known;
        };
        self.retry.failed(hands.now);
        let message = refusal.to_string();
        self.tell(hands, true, "FailedCreate", format!("Error creating: {message}"));
        if !known {
            // A later failure for the same reason leaves the first message: it has another pod's name.
            self.conditions.push(Condition::new(
                "ReplicaFailure",
                "True",
                "FailedCreate",
                &message,
                hands.now,
            ));
        }
        !known
    }

    fn make_pod(&self, hands: &mut Hands<'_>) -> Result<(), Refusal> {
        let name = format!("{}-{}", self.meta.name, hands.dice.suffix());
        let draft = hands.draft(&self.meta, Kind::ReplicaSet, &self.template, name.clone());
        hands.create_pod(draft)?;
        self.tell(hands, false, "SuccessfulCreate", format!("Created pod: {name}"));
        Ok(())
    }

    fn tell(&self, hands: &mut Hands<'_>, warning: bool, reason: &'static str, message: String) {
        let about = (Kind::ReplicaSet, &self.meta);
        hands.tell(about, Reporter::ReplicaSets, warning, reason, message);
    }

    /// Counts its pods; true when a number changed.
    pub fn count(&mut self, pods: &[Pod], now: Timestamp) -> bool {
        let active = || pods.iter().filter(|pod| pod.belongs_to(&self.meta) && pod.is_active());
        let min_ready_s = i64::from(self.min_ready_s);
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let status = Status {
            observed_generation: self.meta.generation,
            replicas: number(active().count()),
            ready: number(active().filter(|pod| pod.is_ready()).count()),
            available: number(active().filter(|pod| is_available(pod, min_ready_s, now)).count()),
            terminating: number(
                pods.iter().filter(|pod| pod.belongs_to(&self.meta) && pod.deletion.is_some()).count(),
            ),
        };
        let changed = status != self.status;
        self.status = status;
        changed
    }

    /// When a ready pod will have been ready for long enough to count as available.
    pub fn next_due(&self, pods: &[Pod], now: Timestamp) -> Option<Timestamp> {
        let own = pods.iter().filter(|pod| pod.belongs_to(&self.meta) && pod.is_active());
        let available = next_available(own, i64::from(self.min_ready_s), now);
        available.into_iter().chain(self.retry.next(now)).min()
    }
}
