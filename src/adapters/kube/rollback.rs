//! The way back of one deployment: read it before the change, prove it, send it.

use std::time::Instant;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::Value;

use super::access::{Answer, Right};
use super::error::{Cause, KubeError, Place};
use super::listwatch::backoff;
use super::objects::{Deployment, Pod, ReplicaSet, Workload};
use crate::release::pin::{Finding, Outcome, Pin, Template};
use crate::watch::{TargetRef, template};
use crate::workflow::Kind;

/// Somebody who writes at the same moment may beat us a few times, not for ever.
const ATTEMPTS: usize = 4;
const FIELD_MANAGER: &str = "gonogo";

/// What became of a rollback that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fired {
    /// The API server took the patch. Units: milliseconds from the first request to its answer.
    Accepted { took_ms: u64, generation: i64 },
    /// The deployment already carries the pinned template: nothing was sent.
    AlreadyThere,
}

/// What a test of the way back found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    pub findings: Vec<Finding>,
    /// What the patch would change, `- ` and `+ ` lines; see [`template::diff`].
    pub diff: Vec<String>,
}

impl Tested {
    fn only(finding: Finding) -> Self {
        Self { findings: vec![finding], diff: Vec::new() }
    }
}

pub(super) struct WayBack<'a> {
    client: &'a Client,
    place: &'a Place,
    target: &'a TargetRef,
}

impl<'a> WayBack<'a> {
    /// - Errors: [`KubeError::NotRolledBack`] for every kind but Deployment, before any request.
    pub fn of(client: &'a Client, place: &'a Place, target: &'a TargetRef) -> Result<Self, KubeError> {
        match target.kind {
            Kind::Deployment => Ok(Self { client, place, target }),
            _ => Err(KubeError::NotRolledBack { target: target.to_string() }),
        }
    }

    /// Reads what runs now as the state to return to.
    pub async fn pin(&self, at: Timestamp) -> Result<(Pin, Template), KubeError> {
        let deployment = self.read().await?;
        let listing = match &deployment.selector {
            Some(selector) => ListParams::default().labels(selector),
            None => ListParams::default(),
        };
        let sets = self.place.call("list replicasets", self.api::<ReplicaSet>().list(&listing)).await?;
        let set = sets.items.into_iter().map(|set| set.entry).find(|set| {
            set.owner.as_deref() == Some(deployment.uid.as_str())
                && set.facts.template_print == deployment.template_print
        });
        // Without the right to list pods everything but the digests is still known.
        let pods = self.place.call("list pods", self.api::<Pod>().list(&listing)).await;
        let mut digests: Vec<String> = pods
            .iter()
            .flat_map(|pods| &pods.items)
            .map(|pod| &pod.entry)
            .filter(|pod| set.as_ref().is_some_and(|set| pod.owner.as_ref() == Some(&set.facts.uid)))
            .flat_map(|pod| &pod.facts.containers)
            .filter(|container| !container.init && !container.image_id.is_empty())
            .map(|container| container.image_id.clone())
            .collect();
        digests.sort_unstable();
        digests.dedup();
        let pin = Pin {
            target: self.target.clone(),
            uid: deployment.uid,
            at,
            revision: deployment.revision,
            replica_set: set.as_ref().map(|set| set.facts.name.clone()).unwrap_or_default(),
            template_hash: set.map(|set| set.facts.template_hash).unwrap_or_default(),
            template_print: deployment.template_print,
            images: deployment.images,
            digests,
            replicas: deployment.spec_replicas,
        };
        Ok((pin, Template(template::plain(&deployment.template))))
    }

    /// Tests everything the way back needs; changes nothing.
    ///
    /// - Errors: only when the API server could not be asked at all, so that an old result is not
    ///   mistaken for a new one.
    pub async fn arm(&self, pin: &Pin, pinned: &Template) -> Result<Tested, KubeError> {
        let deployment = match self.read().await {
            Ok(deployment) => deployment,
            Err(error) => {
                return match error.cause() {
                    Some(Cause::NotFound) => {
                        Ok(Tested::only(self.finding("exists", Outcome::Broken("it was deleted".into()))))
                    }
                    Some(Cause::Forbidden | Cause::Unauthorized) => {
                        let why = format!("may not read it: {error}");
                        Ok(Tested::only(self.finding("may read", Outcome::Broken(why))))
                    }
                    _ => Err(error),
                };
            }
        };
        if deployment.uid != pin.uid {
            let why = "it was deleted and made anew since it was pinned".to_owned();
            return Ok(Tested::only(self.finding("same object", Outcome::Broken(why))));
        }
        let (patch, pods, kept, dry_run) = tokio::join!(
            self.may("patch", "apps", "deployments"),
            self.may("list", "", "pods"),
            self.kept(pin),
            self.dry_run(pin, pinned, &deployment),
        );
        let not_paused = match deployment.paused {
            false => Outcome::Fine,
            true => Outcome::Limited("it is paused: the way back resumes it".into()),
        };
        let nobody_else = match &deployment.gitops_owner {
            None => Outcome::Fine,
            Some(owner) => Outcome::Limited(format!("{owner} would undo it: suspend its sync first")),
        };
        let pods = match pods? {
            Outcome::Broken(why) => Outcome::Limited(format!("{why}: its pods cannot be read back")),
            other => other,
        };
        let findings = vec![
            self.finding("may patch deployments", patch?),
            self.finding("ReplicaSet kept", kept?),
            self.finding("dry run", dry_run?),
            self.finding("not paused", not_paused),
            self.finding("no GitOps owner", nobody_else),
            self.finding("may list pods", pods),
        ];
        Ok(Tested { findings, diff: template::diff(&deployment.template, &pinned.0) })
    }

    /// Puts the pinned template back.
    ///
    /// - Shape: preconditions are the object's UID and the template that it carries now; with
    ///   `shown`, that must be the template the operator saw. A generation that moved alone, as by
    ///   an autoscaler, is no obstacle.
    /// - Errors: [`KubeError::Changed`] when somebody else changed the template meanwhile.
    pub async fn fire(&self, pin: &Pin, pinned: &Template, shown: Option<&str>) -> Result<Fired, KubeError> {
        let began = Instant::now();
        let mut expected = shown.map(str::to_owned);
        let mut n_sent = 0;
        loop {
            let deployment = self.read().await?;
            self.check_precondition(pin, expected.as_deref(), &deployment)?;
            if deployment.template_print == pin.template_print && !deployment.paused {
                return Ok(match n_sent {
                    0 => Fired::AlreadyThere,
                    // An answer got lost, the change did not.
                    _ => Fired::Accepted { took_ms: millis(began), generation: deployment.generation },
                });
            }
            let patch = patch(pin, pinned, &deployment);
            n_sent += 1;
            match self.send(patch, false).await {
                Ok(after) => {
                    return Ok(Fired::Accepted { took_ms: millis(began), generation: after.generation });
                }
                Err(error) => match error.cause() {
                    // A failed precondition answers 422, a lost race 409; the next reading tells
                    // which, and whether there is anything left to do.
                    Some(Cause::Conflict | Cause::Rejected) if n_sent < ATTEMPTS && lost_a_race(&error) => {
                        expected.get_or_insert(deployment.template_print);
                    }
                    // Whether it arrived is not known; sending it again is harmless, not sending it is not.
                    Some(Cause::Busy | Cause::Server) if n_sent < ATTEMPTS => {
                        expected.get_or_insert(deployment.template_print);
                        tokio::time::sleep(backoff(n_sent.try_into().unwrap_or(u32::MAX))).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    fn check_precondition(
        &self,
        pin: &Pin,
        expected: Option<&str>,
        deployment: &Workload,
    ) -> Result<(), KubeError> {
        let changed = |what: String| KubeError::Changed { target: self.target.to_string(), what };
        if deployment.uid != pin.uid {
            return Err(changed("it was deleted and made anew since it was pinned".into()));
        }
        let is_known = |print: &str| {
            print == deployment.template_print || pin.template_print == deployment.template_print
        };
        if !expected.is_none_or(is_known) {
            let images: Vec<&str> = deployment.images.iter().map(|image| image.image.as_str()).collect();
            return Err(changed(format!("somebody deployed {} meanwhile", images.join(", "))));
        }
        Ok(())
    }

    async fn read(&self) -> Result<Workload, KubeError> {
        let what = format!("read {}", self.target);
        let read = self.place.call(&what, self.api::<Deployment>().get(&self.target.name)).await;
        read.map(|deployment| deployment.workload)
    }

    async fn send(&self, patch: json_patch::Patch, dry_run: bool) -> Result<Workload, KubeError> {
        let params =
            PatchParams { dry_run, field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let what = match dry_run {
            true => format!("dry-run the rollback of {}", self.target),
            false => format!("roll back {}", self.target),
        };
        let api = self.api::<Deployment>();
        let patch = Patch::<()>::Json(patch);
        let sent = self.place.call(&what, api.patch(&self.target.name, &params, &patch)).await;
        sent.map(|deployment| deployment.workload)
    }

    async fn dry_run(&self, pin: &Pin, pinned: &Template, now: &Workload) -> Result<Outcome, KubeError> {
        match self.send(patch(pin, pinned, now), true).await {
            Ok(_) => Ok(Outcome::Fine),
            Err(KubeError::Call { cause, detail, .. }) if is_answer(cause) => Ok(match cause {
                Cause::Forbidden if !is_admission(&detail) => {
                    Outcome::Broken(format!("not allowed: {detail}"))
                }
                Cause::Rejected if detail.contains("does not support dry run") => Outcome::Limited(detail),
                // Somebody writes right now; the next check will tell.
                Cause::Conflict => Outcome::Unknown(detail),
                Cause::Rejected if is_failed_test(&detail) => {
                    Outcome::Unknown("the deployment changed while it was tested".into())
                }
                Cause::Server | Cause::Busy => Outcome::Unknown(format!("{}: {detail}", cause.words())),
                _ => Outcome::Broken(detail),
            }),
            Err(error) => Err(error),
        }
    }

    async fn kept(&self, pin: &Pin) -> Result<Outcome, KubeError> {
        if pin.replica_set.is_empty() {
            return Ok(Outcome::Limited("none was found when it was pinned".into()));
        }
        let gone = || {
            let name = &pin.replica_set;
            Outcome::Limited(format!("{name} is gone: the pinned template itself is sent"))
        };
        match self.place.call("read the old replicaset", self.api::<ReplicaSet>().get(&pin.replica_set)).await
        {
            Ok(set) if set.entry.facts.template_print == pin.template_print => Ok(Outcome::Fine),
            Ok(_) => Ok(gone()),
            Err(error) => match error.cause() {
                Some(Cause::NotFound) => Ok(gone()),
                Some(Cause::Forbidden) => Ok(Outcome::Unknown("may not read replicasets".into())),
                _ => Err(error),
            },
        }
    }

    async fn may(
        &self,
        verb: &'static str,
        group: &'static str,
        resource: &'static str,
    ) -> Result<Outcome, KubeError> {
        let right = Right {
            verb,
            group,
            resource,
            namespace: self.target.namespace.clone(),
            name: (verb == "patch").then(|| self.target.name.clone()),
        };
        match self.place.call("ask for permissions", right.ask(self.client)).await {
            Ok(Answer::Allowed) => Ok(Outcome::Fine),
            Ok(Answer::Denied(reason)) => {
                let reason = if reason.is_empty() { reason } else { format!(" ({reason})") };
                let namespace = &self.target.namespace;
                Ok(Outcome::Broken(format!("may not {verb} {resource} in {namespace}{reason}")))
            }
            Ok(Answer::Unclear) => Ok(Outcome::Unknown("the API server gave no answer".into())),
            Err(error) => match error.cause() {
                Some(Cause::Forbidden) => Ok(Outcome::Unknown("may not ask for own permissions".into())),
                _ => Err(error),
            },
        }
    }

    fn finding(&self, what: &str, outcome: Outcome) -> Finding {
        Finding { target: self.target.clone(), what: what.to_owned(), outcome }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.target.namespace)
    }
}

/// The change itself: nothing but the template, and only if it is still what was read.
///
/// `kubectl rollout undo` replaces the annotations too, and drops those that were added since; and
/// it tests nothing, so that it can undo somebody else's fix.
fn patch(pin: &Pin, pinned: &Template, now: &Workload) -> json_patch::Patch {
    let operation =
        |op: &str, path: &str, value: &Value| serde_json::json!({ "op": op, "path": path, "value": value });
    let mut operations = vec![
        operation("test", "/metadata/uid", &Value::from(pin.uid.as_str())),
        operation("test", "/spec/template", &now.template),
        operation("replace", "/spec/template", &pinned.0),
    ];
    if now.paused {
        // Else the template would change and not one pod with it.
        operations.push(operation("replace", "/spec/paused", &Value::Bool(false)));
    }
    serde_json::from_value(Value::Array(operations)).expect("four well-formed operations are a patch")
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Whether the server answered at all, so that its answer is a finding.
fn is_answer(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Forbidden | Cause::Rejected | Cause::Conflict | Cause::NotFound | Cause::Server | Cause::Busy
    )
}

fn is_admission(detail: &str) -> bool {
    detail.contains("admission") || detail.contains("denied the request")
}

/// How the API server words a `test` operation that did not hold.
fn is_failed_test(detail: &str) -> bool {
    detail.contains("testing value") || detail.contains("test failed") || detail.contains("testing path")
}

fn lost_a_race(error: &KubeError) -> bool {
    match error {
        KubeError::Call { cause: Cause::Conflict, .. } => true,
        KubeError::Call { detail, .. } => is_failed_test(detail),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pin() -> Pin {
        Pin {
            target: TargetRef {
                kind: Kind::Deployment,
                namespace: "shop".into(),
                name: "app".into(),
                container: None,
            },
            uid: "u1".into(),
            at: Timestamp::UNIX_EPOCH,
            revision: Some(7),
            replica_set: "app-5d4".into(),
            template_hash: "5d4".into(),
            template_print: "p".into(),
            images: vec![],
            digests: vec![],
            replicas: 4,
        }
    }

    fn now(paused: bool) -> Workload {
        let deployment: Deployment = serde_json::from_value(json!({"metadata": {"name": "app", "uid": "u1"},
            "spec": {"paused": paused, "template": {"spec": {"image": "bad"}}}}))
        .unwrap();
        deployment.workload
    }

    #[tokio::test]
    async fn another_kind_than_a_deployment_is_never_touched() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nobody listens at this address: a request would end as refused.
        let mut config = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
        config.root_cert = Some(Vec::new());
        let client = Client::try_from(config).unwrap();
        let place = Place { host: "http://127.0.0.1:9".into(), context: "test".into() };
        for kind in [Kind::StatefulSet, Kind::DaemonSet, Kind::Rollout] {
            let target = TargetRef { kind, ..pin().target };
            let error = WayBack::of(&client, &place, &target).err().unwrap();
            let said = format!(
                "{}/app is not rolled back by gonogo yet; use the document's own commands",
                kind.as_str()
            );
            assert_eq!((error.to_string(), error.cause()), (said, None));
        }
        assert!(WayBack::of(&client, &place, &pin().target).is_ok());
    }

    #[test]
    fn the_patch_tests_uid_and_template_and_touches_nothing_else() {
        let sent = patch(&pin(), &Template(json!({"spec": {"image": "good"}})), &now(false));
        assert_eq!(
            serde_json::to_value(sent).unwrap(),
            json!([
                {"op": "test", "path": "/metadata/uid", "value": "u1"},
                {"op": "test", "path": "/spec/template", "value": {"spec": {"image": "bad"}}},
                {"op": "replace", "path": "/spec/template", "value": {"spec": {"image": "good"}}},
            ])
        );
    }

    #[test]
    fn a_paused_deployment_is_resumed_by_the_same_patch() {
        let sent = patch(&pin(), &Template(json!({})), &now(true));
        let sent = serde_json::to_value(sent).unwrap();
        assert_eq!(sent[3], json!({"op": "replace", "path": "/spec/paused", "value": false}));
    }
}
