//! What sends the traffic of the targets where it goes: read before the change, tested, put back, and
//! read again.

mod find;
mod shape;
mod steer;
#[cfg(test)]
mod tests;

use std::time::Instant;

pub use steer::{Steering, Wish};

use futures::future::join_all;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::error::{Cause, KubeError, Place};
use super::objects::{Pod, gitops_owner_of};
use super::rollback::{FIELD_MANAGER, is_failed_test, lost_a_race, millis};
use crate::release::pin::{Outcome, Template};
use crate::release::{Held, RouteKind, RoutePin, RouteRef};
use crate::watch::TargetRef;

/// Somebody who writes at the same moment may beat us a few times, not for ever.
const ATTEMPTS: usize = 4;
/// Pods looked at to see whether one is ready.
const PODS: u32 = 250;

/// What steers the targets, and what could not be found out about that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    pub pins: Vec<RoutePin>,
    /// In words: what may not be read, and so is not covered.
    pub unknown: Vec<String>,
}

/// What a test of putting one back found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTested {
    pub outcome: Outcome,
    /// What would change, `- ` and `+ ` lines.
    pub diff: Vec<String>,
}

pub(super) struct Traffic<'a> {
    pub client: &'a Client,
    pub place: &'a Place,
}

/// Plural, and the versions under which it may be served, newest first.
fn served(kind: RouteKind) -> (&'static str, &'static str, &'static [&'static str]) {
    const ISTIO: &[&str] = &["networking.istio.io/v1", "networking.istio.io/v1beta1"];
    match kind {
        RouteKind::Service => ("Service", "services", &["v1"]),
        RouteKind::Autoscaler => ("HorizontalPodAutoscaler", "horizontalpodautoscalers", &["autoscaling/v2"]),
        RouteKind::VirtualService => ("VirtualService", "virtualservices", ISTIO),
        RouteKind::DestinationRule => ("DestinationRule", "destinationrules", ISTIO),
        // It stands before the cluster, which serves no such object.
        RouteKind::Nginx => ("", "nginx", &[]),
    }
}

impl Traffic<'_> {
    /// Reads what steers these targets, as the state to return to.
    ///
    /// - Source: four lists in each namespace.
    pub async fn pin(&self, targets: &[(TargetRef, Template)]) -> Routes {
        let mut namespaces: Vec<&str> = targets.iter().map(|(target, _)| target.namespace.as_str()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let mut routes = Routes::default();
        for namespace in namespaces {
            let kinds = [
                RouteKind::Service,
                RouteKind::VirtualService,
                RouteKind::DestinationRule,
                RouteKind::Autoscaler,
            ];
            let mut listed = find::Listed { namespace: namespace.to_owned(), objects: Vec::new() };
            let mut forbidden = Vec::new();
            let all = join_all(kinds.map(|kind| self.list(kind, namespace))).await;
            for (kind, all) in kinds.into_iter().zip(all) {
                match all {
                    Ok((version, objects)) => listed.objects.push((kind, version, objects)),
                    Err(error) if error.cause() == Some(Cause::Forbidden) => forbidden.push(served(kind).1),
                    Err(error) => routes.unknown.push(format!("what {} steer: {error}", served(kind).1)),
                }
            }
            if !forbidden.is_empty() {
                let kinds = forbidden.join(", ");
                routes
                    .unknown
                    .push(format!("what {kinds} steer is not covered: may not list them in {namespace}"));
            }
            routes.pins.extend(find::find(&listed, targets));
        }
        routes
    }

    async fn list(&self, kind: RouteKind, namespace: &str) -> Result<(String, Vec<Value>), KubeError> {
        let (_, plural, versions) = served(kind);
        for version in versions {
            let api = self.api(kind, version, namespace);
            match self.place.call(&format!("list {plural}"), api.list(&ListParams::default())).await {
                Ok(all) => {
                    let objects =
                        all.items.into_iter().filter_map(|object| serde_json::to_value(object).ok());
                    return Ok(((*version).to_owned(), objects.collect()));
                }
                // A cluster without a mesh.
                Err(error) if error.cause() == Some(Cause::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((String::new(), Vec::new()))
    }

    /// Tests whether one could be put back; changes nothing.
    ///
    /// - Errors: only when the API server could not be asked at all.
    /// - Source: the object, and a server-side dry run of the very patch.
    pub async fn arm(&self, pin: &RoutePin) -> Result<RouteTested, KubeError> {
        for _ in 0..ATTEMPTS {
            match self.test(pin).await {
                // Somebody who writes between the reading and the test is no obstacle.
                Err(KubeError::Call { detail, .. }) if is_failed_test(&detail) => {}
                tested => return tested,
            }
        }
        let outcome = Outcome::Unknown("it changed while it was tested".to_owned());
        Ok(RouteTested { outcome, diff: Vec::new() })
    }

    /// - Errors: as [`Self::arm`], and a test that did not hold.
    async fn test(&self, pin: &RoutePin) -> Result<RouteTested, KubeError> {
        let limited = |why: String| Ok(RouteTested { outcome: Outcome::Limited(why), diff: Vec::new() });
        let now = match self.read(&pin.route, &pin.api_version).await {
            Ok(now) => now,
            Err(error) => {
                return match error.cause() {
                    Some(Cause::NotFound) => limited("it was deleted since it was pinned".into()),
                    Some(Cause::Forbidden | Cause::Unauthorized) => {
                        limited(format!("may not read it: {error}"))
                    }
                    _ => Err(error),
                };
            }
        };
        if uid(&now) != pin.uid {
            return limited("it was deleted and made anew since it was pinned".into());
        }
        let operations = match shape::put_back(&pin.held, &now, pin.route.kind) {
            Ok(operations) => operations,
            Err(why) => return limited(why),
        };
        let diff = match operations.is_empty() {
            true => Vec::new(),
            false => vec![
                format!("- {}: {}", pin.route, told(&now, pin)),
                format!("+ {}: {}", pin.route, pin.held),
            ],
        };
        let outcome = match (self.dry_run(pin, operations).await?, gitops_owner_of(&now)) {
            (Outcome::Fine, Some(owner)) => {
                Outcome::Limited(format!("{owner} would undo it: suspend its sync first"))
            }
            (Outcome::Fine, None) => pin.limit.clone().map_or(Outcome::Fine, Outcome::Limited),
            (other, _) => other,
        };
        Ok(RouteTested { outcome, diff })
    }

    async fn dry_run(&self, pin: &RoutePin, operations: Vec<Value>) -> Result<Outcome, KubeError> {
        if !pin.is_written() {
            return Ok(Outcome::Fine);
        }
        let is_there = operations.is_empty();
        let Err(error) = self.send(pin, operations, true).await else { return Ok(Outcome::Fine) };
        let KubeError::Call { cause, detail, .. } = &error else { return Err(error) };
        Ok(match cause {
            // Most releases move no traffic: then it is no limit of their way back.
            Cause::Forbidden if is_there => {
                Outcome::Stays(format!("could not be put back if it were moved: {detail}"))
            }
            Cause::Forbidden => Outcome::Limited(format!("may not be put back: {detail}")),
            Cause::Rejected if is_failed_test(detail) => return Err(error),
            Cause::Rejected => Outcome::Limited(detail.clone()),
            Cause::Conflict | Cause::Server | Cause::Busy => {
                Outcome::Unknown(format!("{}: {detail}", cause.words()))
            }
            _ => return Err(error),
        })
    }

    /// Makes one as it was pinned.
    ///
    /// - Shape: how long it took in milliseconds; `None` when it was so already.
    /// - Errors: [`KubeError::Changed`] when it is another object, or has no place any more for what
    ///   was pinned; [`KubeError::NotYet`] while a Service would send its traffic to no ready pod.
    pub async fn put_back(&self, pin: &RoutePin) -> Result<Option<u64>, KubeError> {
        let began = Instant::now();
        let mut n_sent = 0;
        loop {
            let now = self.read(&pin.route, &pin.api_version).await?;
            if uid(&now) != pin.uid {
                return Err(changed(pin, "it was deleted and made anew since it was pinned".to_owned()));
            }
            let operations =
                shape::put_back(&pin.held, &now, pin.route.kind).map_err(|why| changed(pin, why))?;
            if operations.is_empty() {
                return Ok((n_sent > 0).then(|| millis(began)));
            }
            self.has_pods(pin).await?;
            n_sent += 1;
            match self.send(pin, operations, false).await {
                Ok(()) => return Ok(Some(millis(began))),
                Err(error) if n_sent < ATTEMPTS && lost_a_race(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A Service that selects nobody answers nobody: whatever the targets say, a ready pod is seen first.
    async fn has_pods(&self, pin: &RoutePin) -> Result<(), KubeError> {
        let Held::Selector(_) = &pin.held else { return Ok(()) };
        match self.ready(&pin.route, &pin.held, Some(PODS)).await {
            Ok(0) => {
                let why = format!("no ready pod carries {}", pin.held);
                Err(KubeError::NotYet { target: pin.route.to_string(), why })
            }
            Ok(_) => Ok(()),
            // The targets' own watches have said that they can take it.
            Err(error) if error.cause() == Some(Cause::Forbidden) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How many ready pods a selector has, of all or of so many that are looked at.
    async fn ready(
        &self,
        route: &RouteRef,
        selector: &Held,
        at_most: Option<u32>,
    ) -> Result<usize, KubeError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &route.namespace);
        let listing = ListParams { limit: at_most, ..ListParams::default() }.labels(&selector.to_string());
        let pods = self.place.call("list pods", api.list(&listing)).await?;
        let facts = pods.items.iter().map(|pod| &pod.entry.facts);
        Ok(facts.filter(|pod| pod.ready && !pod.ending).count())
    }

    /// Looks whether all are as they were pinned.
    ///
    /// - Errors: [`KubeError::Changed`] for one that we wrote and somebody else moved since;
    ///   [`KubeError::NotYet`] for one that its controller still moves.
    /// - Source: each object, read at once.
    pub async fn read_back(&self, pins: &[RoutePin]) -> Result<(), KubeError> {
        let objects = join_all(pins.iter().map(|pin| self.read(&pin.route, &pin.api_version))).await;
        let (mut moved, mut not_yet) = (Vec::new(), Vec::new());
        for (pin, now) in pins.iter().zip(objects) {
            let now = now?;
            if uid(&now) == pin.uid && shape::is_as(&pin.held, &now, pin.route.kind) {
                continue;
            }
            let words = format!("{} is {}, {} was pinned", pin.route, told(&now, pin), pin.held);
            match &pin.kept_by {
                Some(keeper) => not_yet.push((pin, format!("{words}; {keeper} moves it"))),
                None => moved.push((pin, words)),
            }
        }
        let words = |all: &[(&RoutePin, String)]| {
            all.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join("; ")
        };
        match (moved.first(), not_yet.first()) {
            (Some((pin, _)), _) => Err(changed(pin, words(&moved))),
            (None, Some((pin, _))) => {
                Err(KubeError::NotYet { target: pin.route.to_string(), why: words(&not_yet) })
            }
            (None, None) => Ok(()),
        }
    }

    async fn read(&self, route: &RouteRef, version: &str) -> Result<Value, KubeError> {
        let api = self.api(route.kind, version, &route.namespace);
        let object = self.place.call(&format!("read {route}"), api.get(&route.name)).await?;
        Ok(serde_json::to_value(object).unwrap_or_default())
    }

    async fn send(&self, pin: &RoutePin, mut operations: Vec<Value>, dry_run: bool) -> Result<(), KubeError> {
        operations.insert(0, json!({"op": "test", "path": "/metadata/uid", "value": pin.uid}));
        let patch: json_patch::Patch =
            serde_json::from_value(operations.into()).expect("tests, replacements and removals are a patch");
        let params =
            PatchParams { dry_run, field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let what = match dry_run {
            true => format!("dry-run putting back {}", pin.route),
            false => format!("put back {}", pin.route),
        };
        let api = self.api(pin.route.kind, &pin.api_version, &pin.route.namespace);
        let patch = Patch::<()>::Json(patch);
        self.place.call(&what, api.patch(&pin.route.name, &params, &patch)).await.map(|_| ())
    }

    fn api(&self, kind: RouteKind, version: &str, namespace: &str) -> Api<DynamicObject> {
        let (name, plural, _) = served(kind);
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural);
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }
}

fn uid(object: &Value) -> &str {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
}

/// What an object says now of what was pinned, in words.
fn told(now: &Value, pin: &RoutePin) -> String {
    let now = shape::held(pin.route.kind, now).map(|now| match (now, &pin.held) {
        // Of a shared gateway only the routes that were pinned are ours to speak of.
        (Held::Shares(mut now), Held::Shares(pinned)) => {
            now.retain(|now| pinned.iter().any(|pinned| pinned.entry == now.entry));
            Held::Shares(now)
        }
        (now, _) => now,
    });
    now.map_or_else(|| "nothing".to_owned(), |now| now.to_string())
}

fn changed(pin: &RoutePin, what: String) -> KubeError {
    KubeError::Changed { target: pin.route.to_string(), what }
}
