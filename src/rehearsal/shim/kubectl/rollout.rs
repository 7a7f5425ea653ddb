//! `kubectl rollout`: status, history, undo, restart, pause, resume.

use std::io::Write;
use std::time::Duration;

use axum::http::Method;
use futures::StreamExt;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::arguments::Flags;
use super::super::{Session, ShimError};
use super::{containers, objects, path, shown};
use crate::rehearsal::sim::deployment::{
    DESIRED_REPLICAS, LAST_APPLIED, MAX_REPLICAS, REVISION, REVISION_HISTORY, TEMPLATE_HASH,
};
use crate::rehearsal::sim::store::Kind;

pub async fn rollout(
    session: &Session,
    flags: &Flags,
    verb: &str,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let verbs = ["history", "pause", "restart", "resume", "status", "undo"];
    if !verbs.contains(&verb) {
        return Err(ShimError::Usage(format!(
            "unknown command \"rollout {verb}\"; there are {}",
            verbs.join(", ")
        )));
    }
    for (kind, name) in objects(words)? {
        if kind != Kind::Deployment {
            let subject = kind.subject();
            return Err(ShimError::Usage(format!("no status viewer has been implemented for {subject}")));
        }
        match verb {
            "status" => status(session, flags, name, out).await?,
            "history" => history(session, flags, name, out).await?,
            "undo" => undo(session, flags, name, out).await?,
            "restart" => restart(session, name, out).await?,
            "pause" => pause(session, name, true, out).await?,
            _ => pause(session, name, false, out).await?,
        }
    }
    Ok(())
}

async fn status(session: &Session, flags: &Flags, name: &str, out: &mut dyn Write) -> Result<(), ShimError> {
    let place = path(Kind::Deployment, &session.namespace, None);
    let object = session.api.get(&format!("{place}/{name}")).await?;
    let (text, mut done) = progress(name, &object, flags.number("revision")?)?;
    writeln!(out, "{text}")?;
    if done || flags.value("watch") == Some("false") {
        return Ok(());
    }
    let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let mut lines = session
        .api
        .lines(
            &format!("{place}?watch=true&resourceVersion={version}&fieldSelector=metadata.name%3D{name}"),
            false,
        )
        .await?;
    let limit = flags.value("timeout").map(timeout).transpose()?.flatten();
    let watching = async {
        while let Some(line) = lines.next().await {
            let event: Value = serde_json::from_str(&line?).unwrap_or_default();
            if event["type"] == "DELETED" {
                return Err(ShimError::Usage("object has been deleted".into()));
            }
            let (text, complete) = progress(name, &event["object"], flags.number("revision")?)?;
            writeln!(out, "{text}")?;
            out.flush()?;
            if complete {
                done = true;
                break;
            }
        }
        Ok(())
    };
    match limit {
        Some(limit) => tokio::time::timeout(limit, watching)
            .await
            .map_err(|_| ShimError::Usage("timed out waiting for the condition".into()))??,
        None => watching.await?,
    }
    if done { Ok(()) } else { Err(ShimError::Usage("the watch ended before the rollout did".into())) }
}

fn timeout(text: &str) -> Result<Option<Duration>, ShimError> {
    let read: SignedDuration =
        text.parse().map_err(|_| ShimError::Usage(format!("invalid argument {text:?} for \"--timeout\"")))?;
    // Zero means without end.
    Ok(Duration::try_from(read).ok().filter(|limit| !limit.is_zero()))
}

/// What `rollout status` says about a Deployment, and whether that is its last word. The order of the
/// questions is the real one's.
fn progress(name: &str, object: &Value, revision: Option<i64>) -> Result<(String, bool), ShimError> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let count = |value: &Value| value.as_i64().unwrap_or(0);
    if let Some(wanted) = revision.filter(|wanted| *wanted > 0) {
        let latest = object["metadata"]["annotations"][REVISION].as_str().unwrap_or_default();
        if latest != wanted.to_string() {
            let why =
                format!("desired revision ({wanted}) is different from the running revision ({latest})");
            return Err(ShimError::Usage(why));
        }
    }
    if count(&object["metadata"]["generation"]) > count(&status["observedGeneration"]) {
        return Ok(("Waiting for deployment spec update to be observed...".into(), false));
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    if conditions.into_iter().any(|condition| condition["reason"] == "ProgressDeadlineExceeded") {
        return Err(ShimError::Usage(format!("deployment {name:?} exceeded its progress deadline")));
    }
    let desired = count(&spec["replicas"]);
    let (replicas, updated) = (count(&status["replicas"]), count(&status["updatedReplicas"]));
    let available = count(&status["availableReplicas"]);
    let waiting =
        |what: String| Ok((format!("Waiting for deployment {name:?} rollout to finish: {what}..."), false));
    if updated < desired {
        return waiting(format!("{updated} out of {desired} new replicas have been updated"));
    }
    if replicas > updated {
        return waiting(format!("{} old replicas are pending termination", replicas - updated));
    }
    if available < updated {
        return waiting(format!("{available} of {updated} updated replicas are available"));
    }
    Ok((format!("deployment {name:?} successfully rolled out"), true))
}

/// The ReplicaSets of a Deployment with their revisions, lowest first.
async fn revisions(session: &Session, deployment: &Value) -> Result<Vec<(i64, Value)>, ShimError> {
    let sets = session.api.get(&path(Kind::ReplicaSet, &session.namespace, None)).await?;
    let uid = &deployment["metadata"]["uid"];
    let mut found: Vec<(i64, Value)> = sets["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|set| {
            let owners = set["metadata"]["ownerReferences"].as_array();
            owners.into_iter().flatten().any(|owner| owner["uid"] == *uid)
        })
        .filter_map(|set| {
            let revision = set["metadata"]["annotations"][REVISION].as_str().unwrap_or("0");
            Some((revision.parse().ok()?, set.clone()))
        })
        .collect();
    found.sort_by_key(|(revision, _)| *revision);
    Ok(found)
}

async fn history(session: &Session, flags: &Flags, name: &str, out: &mut dyn Write) -> Result<(), ShimError> {
    let object = session.api.get(&path(Kind::Deployment, &session.namespace, Some(name))).await?;
    let revisions = revisions(session, &object).await?;
    let title = shown(Kind::Deployment, name);
    if let Some(wanted) = flags.number("revision")?.filter(|wanted| *wanted > 0) {
        let (_, set) = revisions
            .iter()
            .find(|(revision, _)| *revision == wanted)
            .ok_or_else(|| ShimError::Usage("unable to find the specified revision".into()))?;
        writeln!(out, "{title} with revision #{wanted}")?;
        writeln!(out, "Pod Template:")?;
        let labels = set["spec"]["template"]["metadata"]["labels"].as_object();
        for (index, (label, value)) in labels.into_iter().flatten().enumerate() {
            let head = if index == 0 { "  Labels:" } else { "" };
            writeln!(out, "{head:<10}\t{label}={}", value.as_str().unwrap_or_default())?;
        }
        writeln!(out, "  Containers:")?;
        for container in containers(set) {
            writeln!(out, "   {}:", container["name"].as_str().unwrap_or_default())?;
            writeln!(out, "    Image:\t{}", container["image"].as_str().unwrap_or_default())?;
        }
        return Ok(());
    }
    writeln!(out, "{title} ")?;
    writeln!(out, "REVISION  CHANGE-CAUSE")?;
    for (revision, set) in &revisions {
        let cause = set["metadata"]["annotations"]["kubernetes.io/change-cause"].as_str().unwrap_or("<none>");
        writeln!(out, "{revision:<10}{cause}")?;
    }
    writeln!(out)?;
    Ok(())
}

/// Back to another revision's template, by the same patch as the real kubectl's, with its traps.
async fn undo(session: &Session, flags: &Flags, name: &str, out: &mut dyn Write) -> Result<(), ShimError> {
    let place = path(Kind::Deployment, &session.namespace, Some(name));
    let object = session.api.get(&place).await?;
    let revisions = revisions(session, &object).await?;
    let wanted = flags.number("to-revision")?.unwrap_or(0);
    let target = if wanted > 0 {
        let named = revisions.iter().find(|(revision, _)| *revision == wanted);
        named.ok_or_else(|| {
            ShimError::Usage(format!("unable to find specified revision {wanted} in history"))
        })?
    } else {
        let previous = revisions.len().checked_sub(2).and_then(|index| revisions.get(index));
        previous
            .ok_or_else(|| ShimError::Usage(format!("no rollout history found for deployment {name:?}")))?
    };
    if object["spec"]["paused"] == true {
        return Err(ShimError::Usage(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again".into(),
        ));
    }
    let (revision, set) = target;
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(TEMPLATE_HASH);
    }
    let title = shown(Kind::Deployment, name);
    if template == object["spec"]["template"] {
        writeln!(out, "{title} skipped rollback (current template already matches revision {revision})")?;
        return Ok(());
    }
    let own = [LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS];
    let of = |object: &Value| object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    let mut annotations = of(set);
    annotations.retain(|key, _| !own.contains(&key.as_str()));
    annotations.extend(of(&object).into_iter().filter(|(key, _)| own.contains(&key.as_str())));
    let patch = json!([
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace", "path": "/metadata/annotations", "value": annotations},
    ]);
    session.api.patch(&super::with_dry_run(&place, flags), "json-patch", &patch).await?;
    writeln!(out, "{title} rolled back{}", super::dry_run_note(flags))?;
    Ok(())
}

async fn restart(session: &Session, name: &str, out: &mut dyn Write) -> Result<(), ShimError> {
    let place = path(Kind::Deployment, &session.namespace, Some(name));
    // The world's time, because it is not ours: two restarts within one real second may be a minute apart.
    let clock = session.api.get("/practice/clock").await?;
    let now: jiff::Timestamp = clock["now"].as_str().and_then(|now| now.parse().ok()).unwrap_or_default();
    let annotation = json!({"kubectl.kubernetes.io/restartedAt": format!("{now:.0}")});
    let body = json!({"spec": {"template": {"metadata": {"annotations": annotation}}}});
    session.api.send(Method::PATCH, &place, "application/strategic-merge-patch+json", Some(&body)).await?;
    writeln!(out, "{} restarted", shown(Kind::Deployment, name))?;
    Ok(())
}

async fn pause(session: &Session, name: &str, pause: bool, out: &mut dyn Write) -> Result<(), ShimError> {
    let place = path(Kind::Deployment, &session.namespace, Some(name));
    let object = session.api.get(&place).await?;
    let word = if pause { "paused" } else { "resumed" };
    if (object["spec"]["paused"] == true) == pause {
        let state = if pause { "already paused" } else { "not paused" };
        return Err(ShimError::Usage(format!("deployments.apps {name:?} {state}")));
    }
    session.api.patch(&place, "strategic-merge-patch", &json!({"spec": {"paused": pause}})).await?;
    writeln!(out, "{} {word}", shown(Kind::Deployment, name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(updated: i64, replicas: i64, available: i64) -> Value {
        json!({
            "metadata": {"generation": 2, "annotations": {REVISION: "3"}},
            "spec": {"replicas": 4},
            "status": {
                "observedGeneration": 2,
                "updatedReplicas": updated,
                "replicas": replicas,
                "availableReplicas": available,
            },
        })
    }

    #[test]
    fn status_words_are_those_of_kubectl_in_its_order() {
        let words = |object: &Value| progress("app", object, None).unwrap().0;
        let prefix = "Waiting for deployment \"app\" rollout to finish: ";
        let cases = [
            (deployment(2, 5, 3), "2 out of 4 new replicas have been updated..."),
            (deployment(4, 5, 3), "1 old replicas are pending termination..."),
            (deployment(4, 4, 3), "3 of 4 updated replicas are available..."),
        ];
        for (object, expected) in cases {
            assert_eq!(words(&object), format!("{prefix}{expected}"));
        }
        assert_eq!(words(&deployment(4, 4, 4)), "deployment \"app\" successfully rolled out");
    }

    #[test]
    fn an_unobserved_generation_hides_an_old_deadline() {
        let mut object = deployment(4, 4, 4);
        object["status"]["conditions"] = json!([{"reason": "ProgressDeadlineExceeded"}]);
        assert!(progress("app", &object, None).is_err());
        object["metadata"]["generation"] = 3.into();
        assert!(!progress("app", &object, None).unwrap().1);
    }

    #[test]
    fn another_revision_than_the_wanted_one_is_an_error() {
        assert!(progress("app", &deployment(4, 4, 4), Some(3)).is_ok());
        assert!(progress("app", &deployment(4, 4, 4), Some(2)).is_err());
    }
}
