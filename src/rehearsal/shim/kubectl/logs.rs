//! `kubectl logs`.

use std::io::Write;

use futures::StreamExt;
use jiff::SignedDuration;
use serde_json::Value;

use super::super::api::escape;
use super::super::arguments::Flags;
use super::super::{Session, ShimError};
use super::{kind, path};
use crate::rehearsal::sim::store::Kind;

pub async fn logs(
    session: &Session,
    flags: &Flags,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let (pods, selected) = match (words, flags.value("selector")) {
        ([], Some(labels)) => (pods(session, labels).await?, true),
        ([], None) => {
            return Err(ShimError::Usage(
                "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.".into(),
            ));
        }
        ([word, ..], _) => match word.split_once('/') {
            None => (vec![(*word).to_owned()], false),
            Some((of, name)) if kind(of)? == Kind::Pod => (vec![name.to_owned()], false),
            Some((of, name)) => (vec![one_pod(session, kind(of)?, name).await?], false),
        },
    };
    let container = words.get(1).copied().or_else(|| flags.value("container"));
    let mut query = vec![format!("follow={}", flags.is_set("follow"))];
    for flag in ["previous", "timestamps"] {
        if flags.is_set(flag) {
            query.push(format!("{flag}=true"));
        }
    }
    query.extend(container.map(|container| format!("container={}", escape(container))));
    let tail = match flags.number("tail")? {
        // Several pods at once show their last lines only, as kubectl does.
        None if selected => Some(10),
        tail => tail.filter(|tail| *tail >= 0),
    };
    query.extend(tail.map(|tail| format!("tailLines={tail}")));
    query.extend(flags.value("since-time").map(|time| format!("sinceTime={}", escape(time))));
    if let Some(since) = flags.value("since") {
        let since: SignedDuration = since
            .parse()
            .map_err(|_| ShimError::Usage(format!("invalid argument {since:?} for \"--since\"")))?;
        query.push(format!("sinceSeconds={}", since.as_secs()));
    }
    let mut streams = Vec::new();
    for pod in &pods {
        let place = format!("{}/log?{}", path(Kind::Pod, &session.namespace, Some(pod)), query.join("&"));
        let prefix = if flags.is_set("prefix") {
            format!("[pod/{pod}/{}] ", container.unwrap_or("app"))
        } else {
            String::new()
        };
        let lines = session.api.lines(&place, false).await?;
        streams.push(lines.map(move |line| line.map(|line| format!("{prefix}{line}"))));
    }
    if flags.is_set("follow") {
        let mut all = futures::stream::select_all(streams);
        while let Some(line) = all.next().await {
            writeln!(out, "{}", line?)?;
            out.flush()?;
        }
        return Ok(());
    }
    for mut lines in streams {
        while let Some(line) = lines.next().await {
            writeln!(out, "{}", line?)?;
        }
    }
    Ok(())
}

async fn pods(session: &Session, labels: &str) -> Result<Vec<String>, ShimError> {
    let place = path(Kind::Pod, &session.namespace, None);
    let list = session.api.get(&format!("{place}?labelSelector={}", escape(labels))).await?;
    Ok(names(&list))
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().into_iter().flatten();
    items.filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

/// One pod of a workload: a ready one if there is any, as kubectl chooses.
async fn one_pod(session: &Session, kind: Kind, name: &str) -> Result<String, ShimError> {
    let object = session.api.get(&path(kind, &session.namespace, Some(name))).await?;
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(label, value)| format!("{label}={}", value.as_str().unwrap_or_default()))
        .collect();
    let place = path(Kind::Pod, &session.namespace, None);
    let list = session.api.get(&format!("{place}?labelSelector={}", escape(&selector.join(",")))).await?;
    let mut pods: Vec<&Value> = list["items"].as_array().into_iter().flatten().collect();
    let not_ready = |pod: &Value| {
        let statuses = pod["status"]["containerStatuses"].as_array();
        !statuses.is_some_and(|statuses| statuses.iter().all(|status| status["ready"] == true))
    };
    pods.sort_by_key(|pod| not_ready(pod));
    let chosen = pods.first().and_then(|pod| pod["metadata"]["name"].as_str());
    let chosen =
        chosen.ok_or_else(|| ShimError::Usage(format!("no pods found for {}", super::shown(kind, name))))?;
    if pods.len() > 1 {
        // On the error stream, so that the lines alone are on the output.
        writeln!(std::io::stderr(), "Found {} pods, using pod/{chosen}", pods.len())?;
    }
    Ok(chosen.to_owned())
}
