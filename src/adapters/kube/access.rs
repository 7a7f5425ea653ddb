//! What the identity may do, asked at the start instead of found out in the middle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::time::timeout;

use super::error::{Cause, explain};
use super::limits::consequence;
use crate::watch::{Preflight, TargetRef};
use crate::workflow::Kind;

/// A line that comes later than this is no preflight any more.
const PATIENCE: Duration = Duration::from_secs(4);
/// Questions in the air at once: the server has others to answer, too.
const AT_ONCE: usize = 8;

/// One right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Right {
    pub verb: &'static str,
    pub group: &'static str,
    /// Such as `pods` or `pods/log`.
    pub resource: &'static str,
    /// Empty for the whole cluster.
    pub namespace: String,
    pub name: Option<String>,
}

/// The server's answer about a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Allowed,
    /// With the authorizer's reason; often empty.
    Denied(String),
    /// It answered, and said neither.
    Unclear,
}

impl Right {
    /// Asks for it.
    ///
    /// - Source: one SelfSubjectAccessReview, which everybody may create unless it was forbidden.
    pub async fn ask(&self, client: &Client) -> Result<Answer, kube::Error> {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (self.resource, None),
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(self.verb.to_owned()),
                    group: Some(self.group.to_owned()),
                    resource: Some(resource.to_owned()),
                    subresource,
                    namespace: Some(self.namespace.clone()).filter(|namespace| !namespace.is_empty()),
                    name: self.name.clone(),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        let answer = api.create(&PostParams::default(), &review).await?;
        Ok(match answer.status {
            Some(status) if status.allowed => Answer::Allowed,
            Some(status) => Answer::Denied(status.reason.unwrap_or_default()),
            None => Answer::Unclear,
        })
    }
}

pub(super) fn plural(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Deployment => ("apps", "deployments"),
        Kind::StatefulSet => ("apps", "statefulsets"),
        Kind::DaemonSet => ("apps", "daemonsets"),
        Kind::Rollout => ("argoproj.io", "rollouts"),
    }
}

/// Everything that watching these targets, and rolling them back, needs.
fn wanted(targets: &[TargetRef]) -> Vec<Right> {
    let mut namespaces: BTreeMap<&str, Vec<&TargetRef>> = BTreeMap::new();
    for target in targets {
        namespaces.entry(&target.namespace).or_default().push(target);
    }
    let mut rights = Vec::new();
    for (namespace, targets) in namespaces {
        let mut want = |verbs: &[&'static str], (group, resource), name: Option<&str>| {
            rights.extend(verbs.iter().map(|verb| Right {
                verb,
                group,
                resource,
                namespace: namespace.to_owned(),
                name: name.map(str::to_owned),
            }));
        };
        // A single target is watched by its name, which a right may be limited to.
        let single = (targets.len() == 1).then(|| targets[0].name.as_str());
        let kinds: BTreeSet<Kind> = targets.iter().map(|target| target.kind).collect();
        for kind in &kinds {
            want(&["list", "watch"], plural(*kind), single);
        }
        let has = |some: [Kind; 2]| some.iter().any(|kind| kinds.contains(kind));
        if has([Kind::Deployment, Kind::Rollout]) {
            want(&["list", "watch"], ("apps", "replicasets"), None);
        }
        if has([Kind::StatefulSet, Kind::DaemonSet]) {
            want(&["list", "watch"], ("apps", "controllerrevisions"), None);
        }
        if kinds.contains(&Kind::Rollout) {
            want(&["list", "watch"], ("argoproj.io", "analysisruns"), None);
        }
        want(&["list", "watch"], ("", "pods"), None);
        want(&["get"], ("", "pods/log"), None);
        want(&["list", "watch"], ("", "events"), None);
        for target in targets {
            want(&["get", "patch"], plural(target.kind), Some(&target.name));
        }
    }
    rights.extend(["list", "watch"].map(|verb| Right {
        verb,
        group: "",
        resource: "nodes",
        namespace: String::new(),
        name: None,
    }));
    rights
}

/// Asks for every right that the targets need.
///
/// - Shape: one line for each thing that is out of reach, with what follows from it; one fine line
///   when nothing is.
pub(super) async fn lines(client: &Client, targets: &[TargetRef]) -> Vec<Preflight> {
    let asking = wanted(targets).into_iter().map(|right| {
        let client = client.clone();
        async move {
            let answer = right.ask(&client).await;
            (right, answer)
        }
        .boxed()
    });
    let asked = futures::stream::iter(asking).buffered(AT_ONCE).collect::<Vec<_>>();
    let Ok(answers) = timeout(PATIENCE, asked).await else {
        let why = format!("the cluster did not say within {} s what we may do", PATIENCE.as_secs());
        return vec![Preflight::limited("permissions", why)];
    };
    let mut denied: Vec<Right> = Vec::new();
    for (right, answer) in answers {
        match answer {
            Ok(Answer::Allowed) => {}
            Ok(Answer::Denied(_)) => denied.push(right),
            Ok(Answer::Unclear) => {
                return vec![Preflight::limited("permissions", "the cluster does not say what we may do")];
            }
            Err(error) => {
                let (cause, detail) = explain(&error);
                let why = match cause {
                    Cause::Forbidden => "may not ask for own permissions".to_owned(),
                    cause => format!("cannot ask for own permissions: {}: {detail}", cause.words()),
                };
                return vec![Preflight::limited("permissions", why)];
            }
        }
    }
    if denied.is_empty() {
        return vec![Preflight::fine("permissions", "may read all that is watched, and patch it back")];
    }
    told(&denied, targets)
}

/// One line for each resource, with all its missing verbs.
fn told(denied: &[Right], targets: &[TargetRef]) -> Vec<Preflight> {
    let mut lines: Vec<(String, Vec<&'static str>, &Right)> = Vec::new();
    for right in denied {
        let what = match (right.verb, right.namespace.as_str()) {
            ("get" | "patch", _) if right.name.is_some() => {
                format!("rollback of {}", name_of(right, targets))
            }
            (_, "") => right.resource.to_owned(),
            (_, namespace) => format!("{} in {namespace}", right.resource),
        };
        match lines.iter_mut().find(|(known, _, _)| *known == what) {
            Some((_, verbs, _)) => verbs.push(right.verb),
            None => lines.push((what, vec![right.verb], right)),
        }
    }
    lines
        .into_iter()
        .map(|(what, verbs, right)| {
            let verbs = verbs.join(" nor ");
            let why = match what.strip_prefix("rollback of ") {
                Some(target) => format!("may not {verbs} {target}: gonogo cannot roll it back"),
                None => format!("may not {verbs} {}: {}", right.resource, consequence(right.resource)),
            };
            Preflight::limited(what, why)
        })
        .collect()
}

fn name_of(right: &Right, targets: &[TargetRef]) -> String {
    let is_meant = |target: &&TargetRef| {
        Some(&target.name) == right.name.as_ref()
            && target.namespace == right.namespace
            && plural(target.kind).1 == right.resource
    };
    targets.iter().find(is_meant).map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::adapters::kube::testing::{Reply, Server};
    use crate::watch::PreflightOutcome;

    fn target(kind: Kind, name: &str) -> TargetRef {
        TargetRef { kind, namespace: "shop".into(), name: name.into(), container: None }
    }

    /// A server that denies what the closure says, by verb, resource and subresource.
    async fn server(denies: impl Fn(&str, &str, &str) -> bool + Send + Sync + 'static) -> Server {
        Server::answering(move |_, head| {
            let body = &head[head.find("{\"").unwrap_or_default()..];
            let mut review: Value = serde_json::from_str(body).unwrap();
            let asked = review.pointer("/spec/resourceAttributes").cloned().unwrap();
            let text = |key: &str| asked.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let denied = denies(&text("verb"), &text("resource"), &text("subresource"));
            review["status"] = json!({"allowed": !denied});
            Reply::status("201 Created", review.to_string())
        })
        .await
    }

    #[tokio::test]
    async fn each_missing_right_is_a_line_with_its_consequence() {
        let server = server(|verb, resource, subresource| {
            verb == "patch"
                || resource == "nodes"
                || subresource == "log"
                || (resource, verb) == ("events", "watch")
        })
        .await;
        let targets = [target(Kind::Deployment, "app"), target(Kind::StatefulSet, "db")];
        let lines = lines(&server.client(), &targets).await;
        let told: Vec<(&str, &str)> =
            lines.iter().map(|line| (line.what.as_str(), line.detail.as_str())).collect();
        assert_eq!(
            told,
            [
                ("pods/log in shop", "may not get pods/log: the log pane stays empty"),
                (
                    "events in shop",
                    "may not watch events: reasons such as failed pulls and probes are missing"
                ),
                ("rollback of deployment/app", "may not patch deployment/app: gonogo cannot roll it back"),
                ("rollback of statefulset/db", "may not patch statefulset/db: gonogo cannot roll it back"),
                ("nodes", "may not list nor watch nodes: a pod's trouble is not told from that of its node"),
            ]
        );
        assert!(lines.iter().all(|line| line.outcome == PreflightOutcome::Limited));
    }

    #[tokio::test]
    async fn who_may_everything_reads_one_fine_line() {
        let server = server(|_, _, _| false).await;
        let lines = lines(&server.client(), &[target(Kind::Rollout, "web")]).await;
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].outcome, PreflightOutcome::Fine);
    }

    #[tokio::test]
    async fn a_cluster_that_does_not_answer_the_question_is_a_limit_and_no_denial() {
        let server =
            Server::start(|_, _| Reply::status("403 Forbidden", r#"{"kind":"Status","code":403}"#)).await;
        let lines = lines(&server.client(), &[target(Kind::DaemonSet, "agent")]).await;
        assert_eq!(lines, [Preflight::limited("permissions", "may not ask for own permissions")]);
    }
}
