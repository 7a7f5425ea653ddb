//! The DaemonSet controller: one pod on each node that wants one.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSetSpec;
use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::Refusal;
use super::deployment::resolve;
use super::event::Reporter;
use super::hands::Hands;
use super::kind::Kind;
use super::meta::Meta;
use super::pod::{Pod, is_available, next_available};
use super::retry::Retry;
use super::revision::{self, REVISION_LABEL, Revision};
use super::{node, schedule};

const GENERATION_LABEL: &str = "pod-template-generation";
pub const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DaemonSet {
    pub meta: Meta,
    pub spec: DaemonSetSpec,
    pub status: Status,
    /// The controller has not looked at the object since this change; it will at this time.
    pub look_at: Option<Timestamp>,
    pub retry: Retry,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub observed_generation: i64,
    pub desired: i32,
    pub current: i32,
    pub misscheduled: i32,
    pub ready: i32,
    pub updated: i32,
    pub available: i32,
}

impl DaemonSet {
    pub fn new(meta: Meta, spec: DaemonSetSpec, look_at: Option<Timestamp>) -> Self {
        Self { meta, spec, status: Status::default(), look_at, retry: Retry::default() }
    }

    fn min_ready_s(&self) -> i64 {
        i64::from(self.spec.min_ready_seconds.unwrap_or(0))
    }

    /// Surge and unavailable as counts of nodes; both zero when pods are replaced by hand only.
    fn bounds(&self, nodes: i32) -> (i32, i32) {
        let strategy = self.spec.update_strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
            return (0, 0);
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        let surge = surge.map_or(0, |surge| resolve(surge, nodes, true));
        let unavailable = unavailable.map_or(1, |unavailable| resolve(unavailable, nodes, true));
        (surge, if surge == 0 { unavailable.max(1) } else { unavailable })
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
            revision::of_template(revisions, &self.meta, Kind::DaemonSet, template, hands.dice, now);
        let hash = update.strip_prefix(&format!("{}-", self.meta.name)).unwrap_or(&update).to_owned();
        let nodes: Vec<(String, bool)> = hands
            .store
            .list(Kind::Node, "")
            .map(|(place, node)| (place.name.clone(), self.belongs_on(&place.name, node)))
            .collect();
        let acted = self.meta.deleted.is_none() && self.act(&nodes, &hash, hands);
        let status = self.count(&nodes, &hash, hands);
        let limit = usize::try_from(self.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
        let own = hands.pods.iter().filter(|pod| pod.belongs_to(&self.meta));
        let labels = own.filter_map(|pod| pod.meta.labels.get(REVISION_LABEL));
        let mut in_use: Vec<String> = labels.map(|hash| format!("{}-{hash}", self.meta.name)).collect();
        in_use.push(update);
        let dropped = revision::truncate(revisions, &self.meta, limit, &in_use);
        let changed = status != self.status;
        self.status = status;
        acted || moved || dropped || changed
    }

    fn belongs_on(&self, name: &str, node: &Value) -> bool {
        let mut spec = self.spec.template.spec.clone().unwrap_or_default();
        spec.tolerations.get_or_insert_default().extend(tolerations());
        let taints = node["spec"]["taints"].as_array().into_iter().flatten();
        schedule::wants(&spec, name, node)
            && node::is_ready(node)
            && taints
                .into_iter()
                .all(|taint| taint["effect"] == "PreferNoSchedule" || schedule::tolerates(&spec, taint))
    }

    fn act(&mut self, nodes: &[(String, bool)], hash: &str, hands: &mut Hands<'_>) -> bool {
        let mut acted = false;
        let mut doomed = Vec::new();
        let mut homeless = Vec::new();
        for (name, wanted) in nodes {
            let mut here: Vec<&Pod> = hands
                .pods
                .iter()
                .filter(|pod| pod.belongs_to(&self.meta) && target(pod) == Some(name.as_str()))
                .collect();
            doomed.extend(here.iter().filter(|pod| pod.is_over()).map(|pod| pod.meta.uid.clone()));
            here.retain(|pod| pod.is_active());
            if !wanted {
                doomed.extend(here.iter().map(|pod| pod.meta.uid.clone()));
            } else if here.is_empty() {
                let leaving =
                    hands.pods.iter().any(|pod| pod.belongs_to(&self.meta) && target(pod) == Some(name));
                if !leaving {
                    homeless.push(name.clone());
                }
            }
        }
        if doomed.is_empty() && homeless.is_empty() {
            doomed = self.outdated(nodes, hash, hands);
        }
        for uid in doomed {
            acted = true;
            self.delete(&uid, hands);
        }
        for name in homeless {
            match self.make_pod(&name, hash, hands) {
                Ok(()) => {
                    self.retry.succeeded();
                    acted = true;
                }
                Err(refusal) => {
                    let message = format!("Error creating: {refusal}");
                    let about = (Kind::DaemonSet, &self.meta);
                    hands.tell(about, Reporter::DaemonSets, true, "FailedCreate", message);
                    self.retry.failed(hands.now);
                    break;
                }
            }
        }
        acted
    }

    /// The old pods that a rolling update may give up now: what does not serve first, then as many as
    /// may be missing.
    fn outdated(&self, nodes: &[(String, bool)], hash: &str, hands: &Hands<'_>) -> Vec<String> {
        let wanted: Vec<&String> = nodes.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect();
        let (_, max_unavailable) = self.bounds(i32::try_from(wanted.len()).unwrap_or(i32::MAX));
        let (mut useless, mut candidates, mut missing) = (Vec::new(), Vec::new(), 0);
        for name in wanted {
            let here = hands.pods.iter().find(|pod| {
                pod.belongs_to(&self.meta) && pod.is_active() && target(pod) == Some(name.as_str())
            });
            let Some(pod) = here else {
                missing += 1;
                continue;
            };
            let available = is_available(pod, self.min_ready_s(), hands.now);
            if !available {
                missing += 1;
            }
            if is_of(pod, hash) {
                continue;
            }
            if available { candidates.push(pod.meta.uid.clone()) } else { useless.push(pod.meta.uid.clone()) }
        }
        let room = usize::try_from(max_unavailable - missing).unwrap_or(0);
        if max_unavailable == 0 {
            return Vec::new();
        }
        useless.extend(candidates.into_iter().take(room));
        useless
    }

    fn make_pod(&self, node: &str, hash: &str, hands: &mut Hands<'_>) -> Result<(), Refusal> {
        let name = format!("{}-{}", self.meta.name, hands.dice.suffix());
        let mut draft = hands.draft(&self.meta, Kind::DaemonSet, &self.spec.template, name.clone());
        draft.meta.labels.insert(REVISION_LABEL.into(), hash.to_owned());
        if let Some(generation) = self.meta.annotations.get(GENERATION_ANNOTATION) {
            draft.meta.labels.insert(GENERATION_LABEL.into(), generation.clone());
        }
        draft.spec.tolerations.get_or_insert_default().extend(tolerations());
        let affinity = draft.spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
        let term = core::NodeSelectorTerm {
            match_fields: Some(vec![core::NodeSelectorRequirement {
                key: "metadata.name".into(),
                operator: "In".into(),
                values: Some(vec![node.to_owned()]),
            }]),
            match_expressions: None,
        };
        affinity.required_during_scheduling_ignored_during_execution =
            Some(core::NodeSelector { node_selector_terms: vec![term] });
        hands.create_pod(draft)?;
        let about = (Kind::DaemonSet, &self.meta);
        hands.tell(about, Reporter::DaemonSets, false, "SuccessfulCreate", format!("Created pod: {name}"));
        Ok(())
    }

    fn delete(&self, uid: &str, hands: &mut Hands<'_>) {
        let name = hands.pods.iter().find(|pod| pod.meta.uid == uid).map(|pod| pod.meta.name.clone());
        hands.delete_pod(uid);
        let message = format!("Deleted pod: {}", name.unwrap_or_default());
        let about = (Kind::DaemonSet, &self.meta);
        hands.tell(about, Reporter::DaemonSets, false, "SuccessfulDelete", message);
    }

    fn count(&self, nodes: &[(String, bool)], hash: &str, hands: &Hands<'_>) -> Status {
        let mut status = Status { observed_generation: self.meta.generation, ..Status::default() };
        for (name, wanted) in nodes {
            // One that is going still counts for as long as it is there.
            let here = hands.pods.iter().find(|pod| {
                pod.belongs_to(&self.meta) && !pod.is_over() && target(pod) == Some(name.as_str())
            });
            if !wanted {
                status.misscheduled += i32::from(here.is_some());
                continue;
            }
            status.desired += 1;
            let Some(pod) = here else { continue };
            status.current += 1;
            status.ready += i32::from(pod.is_ready());
            status.available += i32::from(is_available(pod, self.min_ready_s(), hands.now));
            status.updated += i32::from(is_of(pod, hash));
        }
        status
    }
}

fn is_of(pod: &Pod, hash: &str) -> bool {
    pod.meta.labels.get(REVISION_LABEL).map(String::as_str) == Some(hash)
}

/// The node that a pod is on, or was made for.
fn target(pod: &Pod) -> Option<&str> {
    if let Some(node) = &pod.node {
        return Some(node);
    }
    let affinity = pod.spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let field = required.node_selector_terms.first()?.match_fields.as_ref()?.first()?;
    field.values.as_ref()?.first().map(String::as_str)
}

/// What a daemon's pod puts up with: it belongs on its node, whatever the node's state.
fn tolerations() -> impl Iterator<Item = core::Toleration> {
    [
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ]
    .into_iter()
    .map(|(what, effect)| core::Toleration {
        key: Some(format!("node.kubernetes.io/{what}")),
        operator: Some("Exists".into()),
        effect: Some(effect.into()),
        ..core::Toleration::default()
    })
}
