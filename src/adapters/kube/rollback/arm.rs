//! Everything the way back needs, tested without changing anything, in at most five requests: the
//! object, its kept revision, a dry run of the very patch, of a Deployment one of a pod, and one or two questions about
//! rights.

use futures::future::OptionFuture;
use kube::api::{Api, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};

use super::fire::is_failed_test;
use super::{FIELD_MANAGER, Now, Pin, Template, WayBack, patch};
use crate::adapters::kube::access::{Answer, Right, plural};
use crate::adapters::kube::error::{Cause, KubeError};
use crate::adapters::kube::objects::Workload;
use crate::release::pin::{Finding, Outcome};
use crate::watch::{RevisionFacts, UpdateStrategy, template};
use crate::workflow::Kind;

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

/// A right beside that to send the patch, and what follows when it is missing.
struct Asked {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    named: bool,
    without: &'static str,
}

/// What only some workloads need to be asked about.
fn special(now: &Workload, kind: Kind) -> Option<Asked> {
    match (kind, &now.strategy) {
        (Kind::StatefulSet, UpdateStrategy::Ordinals { in_order: true, .. }) => Some(Asked {
            verb: "delete",
            group: "",
            resource: "pods",
            named: false,
            without: "a pod that never gets ready holds the way back until somebody else deletes it",
        }),
        (Kind::Rollout, _) => Some(Asked {
            verb: "patch",
            group: "argoproj.io",
            resource: "rollouts/status",
            named: true,
            without: "traffic goes back with the template only, and step by step",
        }),
        _ => None,
    }
}

const LIST_PODS: Asked = Asked {
    verb: "list",
    group: "",
    resource: "pods",
    named: false,
    without: "its pods cannot be read back",
};

impl WayBack<'_> {
    /// Tests everything the way back needs; changes nothing.
    ///
    /// - Errors: only when the API server could not be asked at all, so that an old result is not
    ///   mistaken for a new one.
    pub async fn arm(&self, pin: &Pin, pinned: &Template) -> Result<Tested, KubeError> {
        let now = match self.read().await {
            Ok(now) => now,
            Err(KubeError::NotRolledBack { why, .. }) => {
                return Ok(Tested::only(self.finding("own template", Outcome::Broken(why))));
            }
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
        if now.workload.uid != pin.uid {
            let why = "it was deleted and made anew since it was pinned".to_owned();
            return Ok(Tested::only(self.finding("same object", Outcome::Broken(why))));
        }
        let special = special(&now.workload, self.target.kind);
        // One request more was needed to read a borrowed template; that pods may not be listed is told
        // by their watch, too.
        let list_pods = now.lender.is_none().then(|| self.may(&LIST_PODS));
        let surges = now.workload.strategy == UpdateStrategy::RollingUpdate
            && self.target.kind == Kind::Deployment
            && now.lender.is_none();
        let room = surges.then(|| self.room(pinned));
        let (kept, dry_run, room, pods, asked) = tokio::join!(
            self.kept(pin),
            self.dry_run(pinned, &now),
            OptionFuture::from(room),
            OptionFuture::from(list_pods),
            OptionFuture::from(special.as_ref().map(|asked| self.may(asked))),
        );
        let (may_patch, dry_run) = dry_run?;
        let (pause, not_paused) = match (now.workload.paused, now.resumes()) {
            (false, _) => ("not paused", Outcome::Fine),
            (true, true) => ("paused", Outcome::Limited("the way back resumes it".into())),
            (true, false) => ("paused", Outcome::Limited("resume it, else no pod goes back".into())),
        };
        let owner = now.workload.gitops_owner.as_ref().or(now.holder().gitops_owner.as_ref());
        let (gitops, nobody_else) = match owner {
            None => ("no GitOps owner", Outcome::Fine),
            Some(owner) => {
                ("GitOps owner", Outcome::Limited(format!("{owner} would undo it: suspend its sync first")))
            }
        };
        let mut findings = vec![
            self.finding(&format!("may patch {}", plural(now.kind(self.target)).1), may_patch),
            self.finding(&format!("{} kept", self.keeper().0), kept?),
            self.finding("dry run", dry_run),
            self.finding(pause, not_paused),
            self.finding(gitops, nobody_else),
        ];
        if let Some(Some(room)) = room.transpose()? {
            findings.push(self.finding("room for a pod", room));
        }
        if let Some(pods) = pods {
            findings.push(self.finding(&LIST_PODS.name(), pods?));
        }
        if let (Some(special), Some(outcome)) = (&special, asked) {
            findings.push(self.finding(&special.name(), outcome?));
        }
        // Told only where they limit: most workloads have nothing of the sort.
        let told = [("update strategy", by_hand(&now.workload)), ("pinned", pin.limit.clone())];
        let told = told.into_iter().filter_map(|(what, why)| Some((what, why?)));
        findings.extend(told.map(|(what, why)| self.finding(what, Outcome::Limited(why))));
        findings.extend(
            drifts(pin, &now).map(|why| self.finding("last applied configuration", Outcome::Stays(why))),
        );
        Ok(Tested { findings, diff: template::diff(&now.holder().template, &pinned.0) })
    }

    /// Whether the patch may be sent, and whether it would be taken.
    ///
    /// A dry run needs the same right as the patch, so its answer tells of the right too; to ask for
    /// it apart would cost a request for each workload at every test.
    async fn dry_run(&self, pinned: &Template, now: &Now) -> Result<(Outcome, Outcome), KubeError> {
        let (cause, detail) = match self.fits(pinned, now).await {
            Ok(()) => return Ok((Outcome::Fine, Outcome::Fine)),
            Err(KubeError::Call { cause, detail, .. }) if is_answer(cause) => (cause, detail),
            Err(error) => return Err(error),
        };
        let unknown = || Outcome::Unknown(format!("{}: {detail}", cause.words()));
        Ok(match cause {
            Cause::Forbidden if !is_admission(&detail) => {
                let (plural, namespace) = (plural(now.kind(self.target)).1, &self.target.namespace);
                let why = format!("may not patch {plural} in {namespace}");
                (Outcome::Broken(why), Outcome::Broken(format!("not allowed: {detail}")))
            }
            Cause::Server | Cause::Busy => (unknown(), unknown()),
            Cause::Rejected if detail.contains("does not support dry run") => {
                (Outcome::Fine, Outcome::Limited(detail))
            }
            // Somebody writes right now; the next check will tell.
            Cause::Conflict => (Outcome::Fine, Outcome::Unknown(detail)),
            _ => (Outcome::Fine, Outcome::Broken(detail)),
        })
    }

    /// Whether the namespace would take one more pod of the pinned template, which a rolling update
    /// needs: quotas, limits and admission of pods have their say only when one is made.
    ///
    /// - Shape: `None` when pods may not be made by this person, so that nothing is known.
    async fn room(&self, pinned: &Template) -> Result<Option<Outcome>, KubeError> {
        let mut pod = pinned.0.clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["generateName"] = format!("{}-", self.target.name).into();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.target.namespace, &resource);
        let Ok(pod) = serde_json::from_value(pod) else { return Ok(None) };
        let params = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.into()) };
        match self.place.call("dry-run a pod", api.create(&params, &pod)).await {
            Ok(_) => Ok(Some(Outcome::Fine)),
            Err(KubeError::Call { cause: Cause::Forbidden, detail, .. })
                if detail.contains(" cannot create ") =>
            {
                Ok(None)
            }
            Err(KubeError::Call { cause: Cause::Forbidden | Cause::Rejected, detail, .. }) => {
                Ok(Some(Outcome::Limited(detail)))
            }
            Err(KubeError::Call { cause: cause @ (Cause::Server | Cause::Busy), detail, .. }) => {
                Ok(Some(Outcome::Unknown(format!("{}: {detail}", cause.words()))))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the patch is taken. Somebody who writes between the reading and the test, such as the
    /// release itself, is no obstacle: it is tested against what they wrote.
    async fn fits(&self, pinned: &Template, now: &Now) -> Result<(), KubeError> {
        let mut later: Option<Now> = None;
        loop {
            let known = later.as_ref().unwrap_or(now);
            match self.send(known, patch(pinned, known, None), true).await {
                Err(KubeError::Call { detail, .. }) if is_failed_test(&detail) => {
                    let again = self.read().await?;
                    if again.holder().generation == known.holder().generation {
                        let what = format!("dry-run the rollback of {}", self.target);
                        return Err(self.place.failed(&what, Cause::Rejected, detail));
                    }
                    later = Some(again);
                }
                sent => return sent.map(|_| ()),
            }
        }
    }

    async fn kept(&self, pin: &Pin) -> Result<Outcome, KubeError> {
        if pin.kept_in.is_empty() {
            return Ok(Outcome::Limited("none was found when it was pinned".into()));
        }
        let gone = || {
            let name = &pin.kept_in;
            Outcome::Limited(format!("{name} is gone: the pinned template itself is sent"))
        };
        match self.revision(&pin.kept_in).await {
            Ok(kept) if is_pinned(&kept.facts, pin) => Ok(Outcome::Fine),
            Ok(_) => Ok(gone()),
            Err(error) => match error.cause() {
                Some(Cause::NotFound) => Ok(gone()),
                Some(Cause::Forbidden) => Ok(Outcome::Unknown(format!("may not read {}", self.keeper().1))),
                _ => Err(error),
            },
        }
    }

    /// Asks for a right without which the way back is limited.
    async fn may(&self, asked: &Asked) -> Result<Outcome, KubeError> {
        let Asked { verb, group, resource, named, without } = *asked;
        let namespace = &self.target.namespace;
        let right = Right {
            verb,
            group,
            resource,
            namespace: namespace.clone(),
            name: named.then(|| self.target.name.clone()),
        };
        match self.place.call("ask for permissions", right.ask(self.client)).await {
            Ok(Answer::Allowed) => Ok(Outcome::Fine),
            Ok(Answer::Denied(reason)) => {
                let reason = if reason.is_empty() { reason } else { format!(" ({reason})") };
                Ok(Outcome::Limited(format!("may not {verb} {resource} in {namespace}{reason}: {without}")))
            }
            Ok(Answer::Unclear) => Ok(Outcome::Unknown("the API server gave no answer".into())),
            Err(error) => match error.cause() {
                Some(Cause::Forbidden) => Ok(Outcome::Unknown("may not ask for own permissions".into())),
                _ => Err(error),
            },
        }
    }

    fn finding(&self, what: &str, outcome: Outcome) -> Finding {
        Finding { target: Some(self.target.clone()), what: what.to_owned(), outcome }
    }
}

impl Asked {
    fn name(&self) -> String {
        format!("may {} {}", self.verb, self.resource)
    }
}

/// What the next `kubectl apply` would make of the pinned template.
fn drifts(pin: &Pin, now: &Now) -> Option<String> {
    let applied = now.holder().last_applied.iter();
    let other = applied.filter(|image| pin.images.iter().all(|pinned| pinned != *image));
    let other: Vec<&str> = other.map(|image| image.image.as_str()).collect();
    let words = || format!("says {}: what is applied next is compared with that", other.join(", "));
    (!other.is_empty()).then(words)
}

/// What stays as it is although the template goes back.
fn by_hand(now: &Workload) -> Option<String> {
    match &now.strategy {
        UpdateStrategy::OnDelete => Some("OnDelete: pods go back only when somebody deletes them".to_owned()),
        UpdateStrategy::Ordinals { partition, .. } if *partition > 0 => {
            let kept = (*partition).min(now.spec_replicas);
            Some(format!(
                "partition {partition}: the first {kept} of {} pods stay as they are",
                now.spec_replicas
            ))
        }
        _ => None,
    }
}

/// Whether a revision still holds what was pinned; that of an Argo Rollout is known by its hash, see
/// [`super::holds`].
fn is_pinned(kept: &RevisionFacts, pin: &Pin) -> bool {
    let by_hash = pin.target.kind == Kind::Rollout
        && kept.template_hash == pin.template_hash
        && kept.images == pin.images;
    by_hash || kept.template_print == pin.template_print
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
