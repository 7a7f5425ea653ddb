//! The scheduler: a node for each pod, or the reasons why there is none, counted as the real one counts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, PodSpec};
use serde_json::Value;

use super::World;
use super::kind::Kind;
use super::node;
use super::pod::Pod;
use super::quantity::milli;
use super::quota::usage;

/// Why a node is not for a pod, and whether evicting others could change that.
struct Unfit {
    reasons: Vec<String>,
    is_final: bool,
}

impl World {
    /// Looks for nodes for the pods whose time has come, and again for those that found none before.
    pub(super) fn schedule(&mut self) -> bool {
        let now = self.now;
        let waiting: Vec<usize> = (0..self.pods.len())
            .filter(|&index| {
                let pod = &self.pods[index];
                !pod.is_scheduled() && pod.deletion.is_none() && pod.look_at.is_none_or(|at| at <= now)
            })
            .collect();
        let mut changed = false;
        for index in waiting {
            let found = match self.pods[index].spec.node_name.clone() {
                Some(node) => Ok(node),
                None => self.find_node(&self.pods[index]),
            };
            let scenario = self.scenario;
            let mut news = Vec::new();
            match found {
                Ok(name) => {
                    self.pods[index].bind(name, now, scenario, &mut news);
                    changed = true;
                }
                Err(why) => changed |= self.pods[index].wait_for_a_node(&why, now, &mut news),
            }
            self.tell(news);
        }
        changed
    }

    /// The feasible node with the fewest pods.
    fn find_node(&self, pod: &Pod) -> Result<String, String> {
        let mut feasible: Option<(usize, &str)> = None;
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let (mut total, mut hopeless) = (0, 0);
        for (place, node) in self.store.list(Kind::Node, "") {
            total += 1;
            match self.judge(pod, &place.name, node) {
                Ok(crowd) if feasible.is_none_or(|(least, _)| crowd < least) => {
                    feasible = Some((crowd, &place.name));
                }
                Ok(_) => {}
                Err(unfit) => {
                    hopeless += usize::from(unfit.is_final);
                    for reason in unfit.reasons {
                        *reasons.entry(reason).or_insert(0) += 1;
                    }
                }
            }
        }
        if let Some((_, name)) = feasible {
            return Ok(name.to_owned());
        }
        if total == 0 {
            return Err("no nodes available to schedule pods".into());
        }
        // Sorted as text with their counts, as the scheduler sorts them.
        let mut counted: Vec<String> =
            reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        counted.sort();
        let mut preemption = Vec::new();
        if total > hopeless {
            preemption.push(format!("{} No preemption victims found for incoming pod", total - hopeless));
        }
        if hopeless > 0 {
            preemption.push(format!("{hopeless} Preemption is not helpful for scheduling"));
        }
        Err(format!(
            "0/{total} nodes are available: {}. no new claims to deallocate, preemption: 0/{total} nodes are available: {}.",
            counted.join(", "),
            preemption.join(", ")
        ))
    }

    /// How many pods a fitting node has; else the first reason against it, in the scheduler's order.
    fn judge(&self, pod: &Pod, name: &str, node: &Value) -> Result<usize, Unfit> {
        let hopeless = |reason: &str| Err(Unfit { reasons: vec![reason.into()], is_final: true });
        let tolerated = |taint: &Value| tolerates(&pod.spec, taint);
        if node::is_cordoned(node)
            && !tolerated(&serde_json::json!({"key": node::UNSCHEDULABLE, "effect": "NoSchedule"}))
        {
            return hopeless("node(s) were unschedulable");
        }
        let taints = node["spec"]["taints"].as_array().into_iter().flatten();
        let untolerated =
            taints.into_iter().any(|taint| taint["effect"] != "PreferNoSchedule" && !tolerated(taint));
        if untolerated || !node::is_ready(node) {
            return hopeless("node(s) had untolerated taint(s)");
        }
        if !wants(&pod.spec, name, node) {
            return hopeless("node(s) didn't match Pod's node affinity/selector");
        }
        let present: Vec<&Pod> =
            self.pods.iter().filter(|one| one.node.as_deref() == Some(name) && !one.is_over()).collect();
        let mut lacking = Vec::new();
        let mut is_final = false;
        for (resource, amount) in usage(&pod.spec) {
            let (resource, reason) = match resource.as_str() {
                "pods" => ("pods", "Too many pods".to_owned()),
                resource => match resource.strip_prefix("requests.") {
                    Some(resource) => (resource, format!("Insufficient {resource}")),
                    None => continue,
                },
            };
            let room = node["status"]["allocatable"][resource].as_str().and_then(milli).unwrap_or(0);
            let key = if resource == "pods" { "pods".to_owned() } else { format!("requests.{resource}") };
            let used: i128 = present.iter().filter_map(|one| usage(&one.spec).get(&key).copied()).sum();
            if used + amount > room {
                lacking.push(reason);
                is_final |= amount > room;
            }
        }
        if lacking.is_empty() { Ok(present.len()) } else { Err(Unfit { reasons: lacking, is_final }) }
    }
}

/// Whether a pod may run beside a taint.
pub fn tolerates(spec: &PodSpec, taint: &Value) -> bool {
    spec.tolerations.iter().flatten().any(|toleration| {
        let exists = toleration.operator.as_deref() == Some("Exists");
        let key = toleration.key.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        (effect.is_empty() || taint["effect"] == effect)
            && ((key.is_empty() && exists) || taint["key"] == key)
            && (exists
                || toleration.value.as_deref().unwrap_or_default()
                    == taint["value"].as_str().unwrap_or_default())
    })
}

/// Whether a pod's selector and required affinity name this node.
pub fn wants(spec: &PodSpec, name: &str, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let selected =
        spec.node_selector.iter().flatten().all(|(label, value)| labels[label.as_str()] == value.as_str());
    let required = spec
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.as_ref())
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let meets = |requirement: &NodeSelectorRequirement, value: Option<&str>| {
        let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|one| one == value));
        match requirement.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    };
    selected
        && required.is_none_or(|required| {
            required.node_selector_terms.iter().any(|term| {
                let by_label = term.match_expressions.iter().flatten();
                let by_field = term.match_fields.iter().flatten();
                by_label.into_iter().all(|one| meets(one, labels[one.key.as_str()].as_str()))
                    && by_field.into_iter().all(|one| one.key == "metadata.name" && meets(one, Some(name)))
            })
        })
}
