//! Disruption budgets: how many pods may be missing, and evictions that ask first.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::change::Refusal;
use super::deployment::resolve;
use super::meta::selects;
use super::pod::Pod;
use super::store::{Key, Kind};
use super::{Condition, World, key, seconds};

/// What a budget amounts to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    expected: i32,
    healthy: i32,
    needed: i32,
}

impl World {
    /// Evicts a pod, as `POST pods/NAME/eviction` does.
    ///
    /// - Errors: [`Refusal::Disruption`] while a budget of the pod does not allow it.
    pub fn evict(&mut self, namespace: &str, name: &str, wish: &Value) -> Result<(), Refusal> {
        let place = key(Kind::Pod, namespace, name);
        self.object(&place)?;
        let Some(index) = self.pods.iter().position(|pod| is_at(pod, &place)) else {
            return Err(Refusal::not_found(&place));
        };
        let pod = &self.pods[index];
        let unguarded = pod.phase() == "Pending" || !pod.is_active();
        let budget = self.budgets_of(pod).into_iter().next().filter(|_| !unguarded);
        if let Some((_, budget)) = &budget {
            let count = self.count_budget(budget, namespace);
            let allowed = (count.healthy - count.needed).max(0);
            let unhealthy_goes = !pod.is_ready() && count.healthy >= count.needed;
            if allowed == 0 && !unhealthy_goes {
                let why = format!(
                    "The disruption budget {} needs {} healthy pods and has {} currently",
                    budget["metadata"]["name"].as_str().unwrap_or_default(),
                    count.needed,
                    count.healthy
                );
                return Err(Refusal::Disruption { why });
            }
        }
        if wish["deleteOptions"]["dryRun"] == json!(["All"]) {
            return Ok(());
        }
        let now = self.now;
        let reason = "EvictionByEvictionAPI";
        self.pods[index].note(Condition::new(
            "DisruptionTarget",
            "True",
            reason,
            "Eviction API: evicting",
            now,
        ));
        self.publish();
        let uid = self.pods[index].meta.uid.clone();
        let grace = wish["deleteOptions"]["gracePeriodSeconds"].as_i64();
        self.delete_pods(grace, |meta| meta.uid == uid);
        self.settle();
        Ok(())
    }

    /// Brings every budget's status up to date; true when one changed.
    pub(super) fn refresh_budgets(&mut self) -> bool {
        let before = self.store.version();
        let budgets: Vec<(Key, Value)> = self
            .store
            .list(Kind::PodDisruptionBudget, "")
            .map(|(key, budget)| (key.clone(), (**budget).clone()))
            .collect();
        for (place, mut budget) in budgets {
            let count = self.count_budget(&budget, &place.namespace);
            let allowed = if count.expected > 0 { (count.healthy - count.needed).max(0) } else { 0 };
            let (status, reason) =
                if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
            let generation = budget["metadata"]["generation"].clone();
            let known = &budget["status"]["conditions"][0];
            let since = if known["status"] == status {
                known["lastTransitionTime"].clone()
            } else {
                seconds(self.now).into()
            };
            budget["status"] = json!({
                "conditions": [{
                    "type": "DisruptionAllowed",
                    "status": status,
                    "reason": reason,
                    "message": "",
                    "observedGeneration": generation,
                    "lastTransitionTime": since,
                }],
                "currentHealthy": count.healthy,
                "desiredHealthy": count.needed,
                "disruptionsAllowed": allowed,
                "expectedPods": count.expected,
                "observedGeneration": generation,
            });
            self.store.publish(place, budget);
        }
        self.store.version() != before
    }

    fn budgets_of(&self, pod: &Pod) -> Vec<(Key, Value)> {
        self.store
            .list(Kind::PodDisruptionBudget, &pod.meta.namespace)
            .filter(|(_, budget)| selector(budget).is_some_and(|one| selects(&one, &pod.meta.labels)))
            .map(|(key, budget)| (key.clone(), (**budget).clone()))
            .collect()
    }

    fn count_budget(&self, budget: &Value, namespace: &str) -> Count {
        let selector = selector(budget).unwrap_or_default();
        let chosen: Vec<&Pod> = self
            .pods
            .iter()
            .filter(|pod| pod.meta.namespace == namespace && selects(&selector, &pod.meta.labels))
            .collect();
        let present = chosen.iter().filter(|pod| !pod.is_over()).count();
        let healthy = chosen.iter().filter(|pod| pod.is_active() && pod.is_ready()).count();
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let bound = |field: &str| -> Option<IntOrString> {
            serde_json::from_value(budget["spec"][field].clone()).ok()
        };
        let wanted = || self.wanted_by_owners(&chosen);
        let (expected, needed) = match (bound("maxUnavailable"), bound("minAvailable")) {
            (Some(most), _) => {
                let wanted = wanted();
                (wanted, (wanted - resolve(&most, wanted, true)).max(0))
            }
            (None, Some(IntOrString::Int(least))) => (number(present), least),
            (None, Some(share)) => {
                let wanted = wanted();
                (wanted, resolve(&share, wanted, true))
            }
            (None, None) => (number(present), 1),
        };
        Count { expected, healthy: number(healthy), needed }
    }

    /// How many pods the owners of these want together.
    fn wanted_by_owners(&self, pods: &[&Pod]) -> i32 {
        let mut uids: Vec<&str> = pods
            .iter()
            .filter_map(|pod| {
                let owner = pod.meta.controller()?;
                let set = self.replica_sets.iter().find(|set| set.meta.uid == owner.uid);
                // Pods of a Deployment's old and new set together are as many as the Deployment wants.
                let above = set.and_then(|set| set.meta.controller());
                Some(above.map_or(owner.uid.as_str(), |above| above.uid.as_str()))
            })
            .collect();
        uids.sort_unstable();
        uids.dedup();
        let wanted = |uid: &&str| -> i32 {
            let deployment = self.deployments.iter().find(|it| it.meta.uid == **uid).map(|it| it.desired());
            let set = self.replica_sets.iter().find(|it| it.meta.uid == **uid).map(|it| it.replicas);
            let stateful = self.stateful_sets.iter().find(|it| it.meta.uid == **uid);
            deployment.or(set).or(stateful.and_then(|it| it.spec.replicas)).unwrap_or(0)
        };
        uids.iter().map(wanted).sum()
    }
}

fn is_at(pod: &Pod, place: &Key) -> bool {
    pod.meta.name == place.name && pod.meta.namespace == place.namespace
}

fn selector(budget: &Value) -> Option<LabelSelector> {
    serde_json::from_value(budget["spec"]["selector"].clone()).ok()
}
