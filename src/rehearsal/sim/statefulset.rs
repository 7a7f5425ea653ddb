//! The StatefulSet controller: pods with numbers, made and replaced one after the other.
//!
//! Checked against a real controller manager: the order of what a watcher sees, when the current
//! revision follows the update revision, what a partition and `OnDelete` hold back, and the trap that
//! a reverted template does not replace the pod that never became ready.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSetSpec;
use serde::{Deserialize, Serialize};

use super::change::Refusal;
use super::event::Reporter;
use super::hands::Hands;
use super::kind::Kind;
use super::meta::Meta;
use super::pod::{Pod, is_available, next_available};
use super::retry::Retry;
use super::revision::{self, REVISION_LABEL, Revision};

const NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatefulSet {
    pub meta: Meta,
    pub spec: StatefulSetSpec,
    pub status: Status,
    /// The controller has not looked at the object since this change; it will at this time.
    pub look_at: Option<Timestamp>,
    pub retry: Retry,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub observed_generation: i64,
    pub replicas: i32,
    pub ready: i32,
    pub available: i32,
    pub current: i32,
    pub updated: i32,
    pub current_revision: String,
    pub update_revision: String,
}

/// A pod of the set as one pass sees it.
#[derive(Debug, Clone)]
struct Member {
    uid: String,
    name: String,
    ordinal: i32,
    revision: String,
    is_terminating: bool,
    is_ready: bool,
    is_available: bool,
}

impl StatefulSet {
    pub fn new(meta: Meta, spec: StatefulSetSpec, look_at: Option<Timestamp>) -> Self {
        Self { meta, spec, status: Status::default(), look_at, retry: Retry::default() }
    }

    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn start(&self) -> i32 {
        self.spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0)
    }

    fn is_ordered(&self) -> bool {
        self.spec.pod_management_policy.as_deref() != Some("Parallel")
    }

    fn is_on_delete(&self) -> bool {
        self.spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete")
    }

    fn partition(&self) -> i32 {
        let strategy = self.spec.update_strategy.as_ref();
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        rolling.and_then(|rolling| rolling.partition).unwrap_or(0)
    }

    fn min_ready_s(&self) -> i64 {
        i64::from(self.spec.min_ready_seconds.unwrap_or(0))
    }

    /// When the controller must look again by itself.
    pub fn next_due(&self, pods: &[Pod], now: Timestamp) -> Option<Timestamp> {
        let own = pods.iter().filter(|pod| pod.belongs_to(&self.meta));
        let available = next_available(own, self.min_ready_s(), now);
        available.into_iter().chain(self.retry.next(now)).chain(self.look_at).min()
    }

    /// One pass of the controller; true when it changed something.
    pub fn sync(&mut self, revisions: &mut Vec<Revision>, hands: &mut Hands<'_>) -> bool {
        let now = hands.now;
        if self.look_at.is_some_and(|at| at > now) || self.retry.rests(now) {
            return false;
        }
        self.look_at = None;
        let template = &self.spec.template;
        let (update, moved) =
            revision::of_template(revisions, &self.meta, Kind::StatefulSet, template, hands.dice, now);
        let known = revisions.iter().any(|one| {
            one.meta.is_controlled_by(&self.meta.uid) && one.meta.name == self.status.current_revision
        });
        let current = if known { self.status.current_revision.clone() } else { update.clone() };

        // Counted before it acts: a watcher sees each pod missing before it sees it made again.
        let mut status = self.count(hands.pods, &current, &update, now);
        let (acted, given_up) = self.act(revisions, &current, &update, hands);
        status.current -= given_up;
        if !self.is_on_delete()
            && status.updated == status.replicas
            && status.ready == status.replicas
            && status.replicas == self.replicas()
        {
            status.current_revision.clone_from(&update);
            status.current = status.updated;
        }
        let limit = usize::try_from(self.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
        let in_use = self.in_use(hands.pods, &status);
        let dropped = revision::truncate(revisions, &self.meta, limit, &in_use);
        let changed = status != self.status;
        self.status = status;
        acted || moved || dropped || changed
    }

    /// Makes, deletes or replaces pods by the rules of order. Tells whether it did, and how many pods of
    /// the current revision it gave up for the update.
    fn act(
        &mut self,
        revisions: &[Revision],
        current: &str,
        update: &str,
        hands: &mut Hands<'_>,
    ) -> (bool, i32) {
        if self.meta.deleted.is_some() {
            return (false, 0);
        }
        let members = self.members(hands.pods, hands.now);
        let range = self.start()..self.start() + self.replicas();
        let first_unhealthy = members.iter().find(|one| !one.is_ready || one.is_terminating);
        let first_unhealthy = first_unhealthy.map(|one| one.uid.clone());
        let mut acted = false;
        for ordinal in range.clone() {
            let Some(member) = members.iter().find(|one| one.ordinal == ordinal) else {
                let is_old = !self.is_on_delete() && ordinal < self.start() + self.partition();
                let revision = if is_old { current } else { update };
                if let Err(refusal) = self.make_pod(ordinal, revision, revisions, hands) {
                    self.fail(ordinal, &refusal, hands);
                    return (acted, 0);
                }
                self.retry.succeeded();
                acted = true;
                if self.is_ordered() {
                    return (acted, 0);
                }
                continue;
            };
            if self.is_ordered() && (member.is_terminating || !member.is_available) {
                // Here a never ready pod blocks everything behind it, a reverted template included.
                return (acted, 0);
            }
        }
        for member in members.iter().rev().filter(|one| !range.contains(&one.ordinal)) {
            if member.is_terminating {
                if self.is_ordered() {
                    return (acted, 0);
                }
                continue;
            }
            let waits = !member.is_available && first_unhealthy.as_ref() != Some(&member.uid);
            if self.is_ordered() && waits {
                return (acted, 0);
            }
            self.delete(member, hands);
            acted = true;
            if self.is_ordered() {
                return (acted, 0);
            }
        }
        if self.is_on_delete() || acted {
            return (acted, 0);
        }
        let first = self.start() + self.partition();
        for member in members.iter().rev().filter(|one| range.contains(&one.ordinal)) {
            if member.ordinal < first {
                break;
            }
            if member.revision != update && !member.is_terminating {
                self.delete(member, hands);
                return (true, i32::from(member.revision == current));
            }
            if member.is_terminating || !member.is_available {
                break;
            }
        }
        (acted, 0)
    }

    fn make_pod(
        &self,
        ordinal: i32,
        revision: &str,
        revisions: &[Revision],
        hands: &mut Hands<'_>,
    ) -> Result<(), Refusal> {
        let name = format!("{}-{ordinal}", self.meta.name);
        let own = revisions
            .iter()
            .find(|one| one.meta.name == revision && one.meta.is_controlled_by(&self.meta.uid));
        let template = own.map_or(&self.spec.template, |one| &one.template);
        let mut draft = hands.draft(&self.meta, Kind::StatefulSet, template, name.clone());
        draft.meta.labels.insert(REVISION_LABEL.into(), revision.to_owned());
        draft.meta.labels.insert(NAME_LABEL.into(), name.clone());
        draft.meta.labels.insert(INDEX_LABEL.into(), ordinal.to_string());
        draft.spec.hostname = Some(name.clone());
        draft.spec.subdomain.clone_from(&self.spec.service_name);
        hands.create_pod(draft)?;
        let message = format!("Create Pod {name} in StatefulSet {} successful", self.meta.name);
        let about = (Kind::StatefulSet, &self.meta);
        hands.tell(about, Reporter::StatefulSets, false, "SuccessfulCreate", message);
        Ok(())
    }

    fn fail(&mut self, ordinal: i32, refusal: &Refusal, hands: &mut Hands<'_>) {
        let name = &self.meta.name;
        let message = format!("create Pod {name}-{ordinal} in StatefulSet {name} failed error: {refusal}");
        let about = (Kind::StatefulSet, &self.meta);
        hands.tell(about, Reporter::StatefulSets, true, "FailedCreate", message);
        self.retry.failed(hands.now);
    }

    fn delete(&self, member: &Member, hands: &mut Hands<'_>) {
        hands.delete_pod(&member.uid);
        let message = format!("Delete Pod {} in StatefulSet {} successful", member.name, self.meta.name);
        let about = (Kind::StatefulSet, &self.meta);
        hands.tell(about, Reporter::StatefulSets, false, "SuccessfulDelete", message);
    }

    /// Its pods by their numbers.
    fn members(&self, pods: &[Pod], now: Timestamp) -> Vec<Member> {
        let mut members: Vec<Member> = pods
            .iter()
            .filter(|pod| pod.belongs_to(&self.meta))
            .filter_map(|pod| {
                let ordinal = pod.meta.name.rsplit_once('-')?.1.parse().ok()?;
                Some(Member {
                    uid: pod.meta.uid.clone(),
                    name: pod.meta.name.clone(),
                    ordinal,
                    revision: pod.meta.labels.get(REVISION_LABEL).cloned().unwrap_or_default(),
                    is_terminating: pod.deletion.is_some(),
                    is_ready: pod.is_ready(),
                    is_available: is_available(pod, self.min_ready_s(), now),
                })
            })
            .collect();
        members.sort_by_key(|one| one.ordinal);
        members
    }

    fn count(&self, pods: &[Pod], current: &str, update: &str, now: Timestamp) -> Status {
        let members = self.members(pods, now);
        let number = |wanted: &dyn Fn(&Member) -> bool| {
            i32::try_from(members.iter().filter(|one| wanted(one)).count()).unwrap_or(i32::MAX)
        };
        Status {
            observed_generation: self.meta.generation,
            replicas: number(&|_| true),
            ready: number(&|one| one.is_ready),
            available: number(&|one| one.is_available),
            current: number(&|one| !one.is_terminating && one.revision == current),
            updated: number(&|one| !one.is_terminating && one.revision == update),
            current_revision: current.to_owned(),
            update_revision: update.to_owned(),
        }
    }

    fn in_use(&self, pods: &[Pod], status: &Status) -> Vec<String> {
        let of_pods = pods
            .iter()
            .filter(|pod| pod.belongs_to(&self.meta))
            .filter_map(|pod| pod.meta.labels.get(REVISION_LABEL).cloned());
        of_pods.chain([status.current_revision.clone(), status.update_revision.clone()]).collect()
    }
}
