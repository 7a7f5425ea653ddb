//! The horizontal autoscaler without metrics, as it is on a cluster that serves none: it keeps the
//! target within its bounds, and can say nothing else.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::change::Part;
use super::event::Reporter;
use super::meta::Meta;
use super::store::{Key, Kind};
use super::{World, key, seconds};

/// The controller looks at each autoscaler this often, counted from its creation.
const PERIOD: SignedDuration = SignedDuration::from_secs(15);

const NO_METRICS: &str = "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to \
     get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not \
     find the requested resource (get pods.metrics.k8s.io)";

impl World {
    /// When the controller looks at an autoscaler next.
    pub(super) fn next_autoscaling(&self) -> Option<Timestamp> {
        let all = self.store.list(Kind::HorizontalPodAutoscaler, "");
        all.filter_map(|(_, it)| next_look(it, self.autoscaled)).min()
    }

    /// Looks at the autoscalers whose time has come.
    pub(super) fn autoscale(&mut self) {
        let due: Vec<(Key, Value)> = self
            .store
            .list(Kind::HorizontalPodAutoscaler, "")
            .filter(|(_, it)| next_look(it, self.autoscaled).is_some_and(|at| at <= self.now))
            .map(|(key, it)| (key.clone(), (**it).clone()))
            .collect();
        self.autoscaled = self.now;
        for (place, it) in due {
            self.keep_within_bounds(&place, it);
        }
    }

    fn keep_within_bounds(&mut self, place: &Key, mut it: Value) {
        let reference = &it["spec"]["scaleTargetRef"];
        let kind = reference["kind"].as_str().and_then(Kind::from_name).filter(|kind| kind.has_scale());
        let name = reference["name"].as_str().unwrap_or_default();
        let Some(target) = kind.map(|kind| key(kind, &place.namespace, name)) else { return };
        let Ok(mut object) = self.object(&target) else { return };
        let bound = |field: &str| it["spec"][field].as_i64();
        let (least, most) = (bound("minReplicas").unwrap_or(1), bound("maxReplicas").unwrap_or(1));
        let current = object["spec"]["replicas"].as_i64().unwrap_or(1);
        let (wanted, why) = if current == 0 {
            // Scaled to zero by hand: the autoscaler stands aside.
            (0, "")
        } else if current < least {
            (least, "Current number of replicas below Spec.MinReplicas")
        } else if current > most {
            (most, "Current number of replicas above Spec.MaxReplicas")
        } else {
            (current, "")
        };
        let now = self.now;
        let shown = object["status"]["replicas"].as_i64().unwrap_or(0);
        it["status"]["currentReplicas"] = shown.into();
        it["status"]["currentMetrics"] = Value::Null;
        it["status"]["desiredReplicas"] = wanted.into();
        if current == 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            set_condition(&mut it, "ScalingActive", "False", "ScalingDisabled", message, now);
        } else if wanted == current {
            let message = "the HPA controller was able to get the target's current scale";
            set_condition(&mut it, "AbleToScale", "True", "SucceededGetScale", message, now);
            set_condition(&mut it, "ScalingActive", "False", "FailedGetResourceMetric", NO_METRICS, now);
        } else {
            object["spec"]["replicas"] = wanted.into();
            if self.replace(&target, object, Part::Main, false).is_err() {
                return;
            }
            let message = format!("the HPA controller was able to update the target scale to {wanted}");
            set_condition(&mut it, "AbleToScale", "True", "SucceededRescale", &message, now);
            it["status"]["lastScaleTime"] = seconds(now).into();
            let uid = it["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let meta = Meta::new(&place.namespace, &place.name, uid, now);
            self.with_hands(|hands| {
                let about = (Kind::HorizontalPodAutoscaler, &meta);
                let message = format!("New size: {wanted}; reason: {why}");
                hands.tell(about, Reporter::Autoscaler, false, "SuccessfulRescale", message);
            });
        }
        self.store.publish(place.clone(), it);
    }
}

/// The next whole period of an autoscaler's life after `last`.
fn next_look(it: &Value, last: Timestamp) -> Option<Timestamp> {
    let created: Timestamp = it["metadata"]["creationTimestamp"].as_str()?.parse().ok()?;
    let lived = last.duration_since(created).as_secs().max(0);
    let periods = lived / PERIOD.as_secs() + 1;
    created.checked_add(SignedDuration::from_secs(periods * PERIOD.as_secs())).ok()
}

fn set_condition(it: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
    let mut conditions = it["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let known = conditions.iter().position(|one| one["type"] == kind).map(|index| conditions.remove(index));
    let since = known
        .filter(|known| known["status"] == status)
        .map_or_else(|| seconds(now).into(), |known| known["lastTransitionTime"].clone());
    conditions.push(json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    }));
    conditions.sort_by_key(|one| one["type"].to_string());
    it["status"]["conditions"] = conditions.into();
}
