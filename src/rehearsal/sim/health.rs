//! The application's own opinion of its health.

use serde_json::{Value, json};

use super::dice::chance;
use super::pod::Pod;
use super::{World, routes, seconds};
use crate::rehearsal::scenario::tag_of;

/// Failing requests hold their database connections; from this share on the pool answers slowly.
const BUSY: f64 = 0.005;

impl World {
    /// What `/health` says now, and whether all is well. Source of the shape: an Express service with
    /// `status`, `timestamp`, `version`, `uptime` and `checks`.
    pub fn health(&self) -> (bool, Value) {
        let now = self.now;
        let shares = routes::shares(&self.store, &self.pods);
        let is_asked = |pod: &Pod| {
            shares.as_ref().is_none_or(|shares| shares.get(&pod.meta.name).is_some_and(|share| *share > 0.0))
        };
        let serving: Vec<_> = self
            .pods
            .iter()
            .filter(|pod| pod.is_of_the_application() && pod.serves() && is_asked(pod))
            .collect();
        // Requests go round the pods, so two requests in a row may meet two versions.
        let turn = usize::try_from(now.as_millisecond() / 700).unwrap_or(0);
        let Some(pod) = (!serving.is_empty()).then(|| serving[turn % serving.len()]) else {
            let checks = json!({
                "database": {"status": "error", "message": "no pod of the application is ready"},
                "redis": {"status": "error", "message": "no pod of the application is ready"},
                "externalApi": {"status": "error", "message": "no pod of the application is ready"},
            });
            let body =
                json!({"status": "unhealthy", "timestamp": seconds(now), "uptime": 0, "checks": checks});
            return (false, body);
        };
        let container = &pod.containers[0];
        let noise = chance(pod.seed(), now.as_second() as u64);
        let (opened, feature) = self.flagged();
        let busy = container.error_ratio(self.scenario, now).max(opened * feature.error_ratio);
        let latency_ms = if busy > BUSY { 140.0 + 900.0 * noise } else { 3.0 + 5.0 * noise };
        let started = container.life.as_ref().map_or(pod.meta.created, |life| life.started);
        let body = json!({
            "status": "healthy",
            "timestamp": format!("{now:.3}"),
            "version": tag_of(&container.image),
            "uptime": now.duration_since(started).as_secs_f64().round(),
            "checks": {
                "database": {"status": "ok", "latency": format!("{latency_ms:.0}ms")},
                "redis": {"status": "ok"},
                "externalApi": {"status": "ok"},
            },
        });
        (true, body)
    }
}
