//! The way back of one workload: read it before the change, prove it, send it.
//!
//! What differs between the kinds is where a revision is kept, what is asked for beside the patch, and
//! what is done beside it; the patch itself is one and the same.

mod argo;
mod arm;
mod earlier;
mod fire;
mod pod;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::Value;

pub use arm::Tested;
pub use fire::Fired;
pub(super) use fire::{is_failed_test, lost_a_race, millis};

use super::error::{Cause, KubeError, Place};
use super::objects::{
    ControllerRevision, DaemonSet, Deployment, Pod, PodEntry, ReplicaSet, RevisionEntry, Rolling, Rollout,
    StatefulSet, Workload,
};
use crate::release::Replicas;
use crate::release::pin::{Pin, Template};
use crate::watch::{RevisionFacts, TargetRef, UpdateStrategy, template};
use crate::workflow::Kind;

pub(super) const FIELD_MANAGER: &str = "gonogo";

/// A workload as it is, and whose template it rolls out.
struct Now {
    workload: Workload,
    /// The Deployment that holds the template of an Argo Rollout in its place (`spec.workloadRef`).
    lender: Option<Workload>,
}

impl Now {
    /// The object in which the template is written.
    fn holder(&self) -> &Workload {
        self.lender.as_ref().unwrap_or(&self.workload)
    }

    /// The kind of [`Self::holder`].
    fn kind(&self, target: &TargetRef) -> Kind {
        if self.lender.is_some() { Kind::Deployment } else { target.kind }
    }

    /// How many pods it has to ask for, if that is another number than now.
    fn resized(&self, kind: Kind, replicas: Replicas) -> Option<u32> {
        let now = self.workload.spec_replicas;
        // A DaemonSet has as many as there are nodes.
        let wanted = if kind == Kind::DaemonSet { now } else { replicas.wanted(now) };
        (wanted != now).then_some(wanted)
    }

    /// Whether the patch has to resume it, so that the template does not change and no pod with it.
    fn resumes(&self) -> bool {
        self.workload.paused && self.lender.is_none()
    }
}

pub(super) struct WayBack<'a> {
    client: &'a Client,
    place: &'a Place,
    target: &'a TargetRef,
}

impl<'a> WayBack<'a> {
    pub fn of(client: &'a Client, place: &'a Place, target: &'a TargetRef) -> Self {
        Self { client, place, target }
    }

    /// Reads what runs now as the state to return to.
    ///
    /// - Errors: [`KubeError::NotRolledBack`] when its template is in an object that is not followed.
    pub async fn pin(&self, at: Timestamp) -> Result<(Pin, Template), KubeError> {
        let now = self.read().await?;
        let (workload, holder) = (&now.workload, now.holder());
        let revisions = match self.revisions_of(workload).await {
            Ok(revisions) => revisions,
            // The template itself is what goes back; its revision is only named.
            Err(error) if error.cause() == Some(Cause::Forbidden) => Vec::new(),
            Err(error) => return Err(error),
        };
        // By content: a number says only which was made last.
        let kept = revisions.into_iter().find(|revision| holds(&revision.facts, &now));
        // Without the right to list pods everything but the digests is still known.
        let pods = self.place.call("list pods", self.api::<Pod>().list(&listing(workload))).await;
        let mut digests: Vec<String> = pods
            .iter()
            .flat_map(|pods| &pods.items)
            .map(|pod| &pod.entry)
            .filter(|pod| kept.as_ref().is_some_and(|kept| is_made_from(pod, kept, workload)))
            .flat_map(|pod| &pod.facts.containers)
            .filter(|container| !container.init && !container.image_id.is_empty())
            .map(|container| container.image_id.clone())
            .collect();
        digests.sort_unstable();
        digests.dedup();
        let pin = Pin {
            target: self.target.clone(),
            mounted: Vec::new(),
            limit: unsettled(workload),
            uid: workload.uid.clone(),
            at,
            revision: workload.revision.or(kept.as_ref().and_then(|kept| kept.facts.revision)),
            kept_in: kept.as_ref().map(|kept| kept.facts.name.clone()).unwrap_or_default(),
            template_hash: kept.map(|kept| kept.facts.template_hash).unwrap_or_default(),
            template_print: holder.template_print.clone(),
            images: holder.images.clone(),
            digests,
            replicas: workload.spec_replicas,
        };
        Ok((pin, Template(template::plain(&holder.template))))
    }

    /// The revisions that belong to a workload.
    async fn revisions_of(&self, workload: &Workload) -> Result<Vec<RevisionEntry>, KubeError> {
        let mut revisions = self.revisions(&listing(workload)).await?;
        revisions.retain(|revision| revision.owner.as_deref() == Some(workload.uid.as_str()));
        Ok(revisions)
    }

    async fn revisions(&self, listing: &ListParams) -> Result<Vec<RevisionEntry>, KubeError> {
        let what = format!("list {}", self.keeper().1);
        Ok(match self.target.kind {
            Kind::Deployment | Kind::Rollout => {
                let sets = self.place.call(&what, self.api::<ReplicaSet>().list(listing)).await?;
                sets.items.into_iter().map(|set| set.entry).collect()
            }
            Kind::StatefulSet | Kind::DaemonSet => {
                let kept = self.place.call(&what, self.api::<ControllerRevision>().list(listing)).await?;
                kept.items.into_iter().map(|revision| revision.entry).collect()
            }
        })
    }

    async fn revision(&self, name: &str) -> Result<RevisionEntry, KubeError> {
        let what = format!("read the old {}", self.keeper().0);
        match self.target.kind {
            Kind::Deployment | Kind::Rollout => {
                let read = self.place.call(&what, self.api::<ReplicaSet>().get(name)).await;
                read.map(|set| set.entry)
            }
            Kind::StatefulSet | Kind::DaemonSet => {
                let read = self.place.call(&what, self.api::<ControllerRevision>().get(name)).await;
                read.map(|revision| revision.entry)
            }
        }
    }

    /// What keeps the revisions of this kind, and their plural.
    fn keeper(&self) -> (&'static str, &'static str) {
        match self.target.kind {
            Kind::Deployment | Kind::Rollout => ("ReplicaSet", "replicasets"),
            Kind::StatefulSet | Kind::DaemonSet => ("ControllerRevision", "controllerrevisions"),
        }
    }

    /// - Errors: [`KubeError::NotRolledBack`] when its template is in an object that is not followed.
    async fn read(&self) -> Result<Now, KubeError> {
        let workload = self.get(self.target.kind, &self.target.name).await?;
        let Some(borrowed) = &workload.borrowed else { return Ok(Now { workload, lender: None }) };
        if borrowed.kind != "Deployment" {
            let lender = format!("{}/{}", borrowed.kind.to_lowercase(), borrowed.name);
            let why = format!(
                "its template is written in {lender} (spec.workloadRef): use the document's own commands"
            );
            return Err(KubeError::NotRolledBack { target: self.target.to_string(), why });
        }
        let lender = self.get(Kind::Deployment, &borrowed.name).await?;
        Ok(Now { workload, lender: Some(lender) })
    }

    async fn get(&self, kind: Kind, name: &str) -> Result<Workload, KubeError> {
        let what = format!("read {}/{name}", kind.as_str());
        match kind {
            Kind::Deployment => {
                self.place.call(&what, self.api::<Deployment>().get(name)).await.map(|it| it.workload)
            }
            Kind::StatefulSet => {
                self.place.call(&what, self.api::<StatefulSet>().get(name)).await.map(|it| it.workload)
            }
            Kind::DaemonSet => {
                self.place.call(&what, self.api::<DaemonSet>().get(name)).await.map(|it| it.workload)
            }
            Kind::Rollout => {
                self.place.call(&what, self.api::<Rollout>().get(name)).await.map(|it| it.workload)
            }
        }
    }

    /// Sends the patch to the object that holds the template.
    async fn send(&self, now: &Now, patch: json_patch::Patch, dry_run: bool) -> Result<Workload, KubeError> {
        let params =
            PatchParams { dry_run, field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let what = match dry_run {
            true => format!("dry-run the rollback of {}", self.target),
            false => format!("roll back {}", self.target),
        };
        let (name, patch) = (now.holder().name.as_str(), Patch::<()>::Json(patch));
        match now.kind(self.target) {
            Kind::Deployment => {
                let api = self.api::<Deployment>();
                self.place.call(&what, api.patch(name, &params, &patch)).await.map(|it| it.workload)
            }
            Kind::StatefulSet => {
                let api = self.api::<StatefulSet>();
                self.place.call(&what, api.patch(name, &params, &patch)).await.map(|it| it.workload)
            }
            Kind::DaemonSet => {
                let api = self.api::<DaemonSet>();
                self.place.call(&what, api.patch(name, &params, &patch)).await.map(|it| it.workload)
            }
            Kind::Rollout => {
                let api = self.api::<Rollout>();
                self.place.call(&what, api.patch(name, &params, &patch)).await.map(|it| it.workload)
            }
        }
    }

    /// Gives an Argo Rollout its pods whose template is in another object.
    async fn resize(&self, now: &Now, n_pods: u32) -> Result<(), KubeError> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Merge(serde_json::json!({"spec": {"replicas": n_pods}}));
        let (api, name) = (self.api::<Rollout>(), &now.workload.name);
        self.place.call(&format!("scale {}", self.target), api.patch(name, &params, &patch)).await.map(|_| ())
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.target.namespace)
    }

    fn changed(&self, what: impl Into<String>) -> KubeError {
        KubeError::Changed { target: self.target.to_string(), what: what.into() }
    }
}

/// Pods and revisions of a workload, as far as its selector can be written as a query.
fn listing(workload: &Workload) -> ListParams {
    match &workload.selector {
        Some(selector) => ListParams::default().labels(selector),
        None => ListParams::default(),
    }
}

/// The change itself: nothing but the template and the pods that it needs, and only if both are still
/// what was read.
///
/// `kubectl rollout undo` replaces the annotations too, and drops those that were added since; and
/// it tests nothing, so that it can undo somebody else's fix.
fn patch(pinned: &Template, now: &Now, resized: Option<u32>) -> json_patch::Patch {
    let operation =
        |op: &str, path: &str, value: &Value| serde_json::json!({ "op": op, "path": path, "value": value });
    let holder = now.holder();
    let mut operations = vec![
        operation("test", "/metadata/uid", &Value::from(holder.uid.as_str())),
        operation("test", "/spec/template", &holder.template),
        operation("replace", "/spec/template", &pinned.0),
    ];
    if now.resumes() {
        operations.push(operation("replace", "/spec/paused", &Value::Bool(false)));
    }
    if let Some(n_pods) = resized {
        // Somebody who gives it more pods at this moment is not overruled.
        operations.push(operation("test", "/spec/replicas", &Value::from(now.workload.spec_replicas)));
        operations.push(operation("replace", "/spec/replicas", &Value::from(n_pods)));
    }
    serde_json::from_value(Value::Array(operations)).expect("well-formed operations are a patch")
}

/// Whether this revision was made of the very template that is written now.
///
/// The API server fills defaults into every template but that of an Argo Rollout, which it does not
/// know: there its controller says which ReplicaSet is of the template, as long as it has seen it.
fn holds(revision: &RevisionFacts, now: &Now) -> bool {
    let by_hash = match &now.workload.rolling {
        Rolling::Hash { target: Some(hash), .. } => {
            argo::is_observed(now)
                && *hash == revision.template_hash
                && revision.images == now.holder().images
        }
        _ => false,
    };
    by_hash || revision.template_print == now.holder().template_print
}

fn is_made_from(pod: &PodEntry, kept: &RevisionEntry, workload: &Workload) -> bool {
    let owner = pod.owner.as_deref();
    // A StatefulSet labels its pods with the revision's name, a DaemonSet with its hash.
    let is_labelled = || {
        let label = pod.revision_hash.as_deref();
        label == Some(&kept.facts.name) || label == Some(&kept.facts.template_hash)
    };
    owner == Some(&kept.facts.uid) || (owner == Some(&workload.uid) && is_labelled())
}

/// Why what is written in a workload cannot be called proven by what runs.
fn unsettled(workload: &Workload) -> Option<String> {
    let from_to = |stable: &Option<String>, target: &Option<String>| {
        let (stable, target) = (stable.as_deref()?, target.as_deref()?);
        let words = format!("its update from {stable} to {target} was not over when it was pinned");
        (stable != target).then_some(words)
    };
    let half_way = |workload: &Workload| {
        let (updated, wanted) = (workload.updated, workload.spec_replicas);
        let words = format!("{updated} of {wanted} pods ran it when it was pinned");
        (updated < wanted).then_some(words)
    };
    match (&workload.rolling, &workload.strategy) {
        (Rolling::Name { target, stable }, UpdateStrategy::Ordinals { .. }) => from_to(stable, target),
        (Rolling::Hash { target, stable }, _) => from_to(stable, target),
        // Under OnDelete its status never says that an update is over; the pods do.
        (Rolling::Name { .. }, _) => half_way(workload),
        (Rolling::Template, _) => half_way(workload),
    }
}

#[cfg(test)]
mod tests;
