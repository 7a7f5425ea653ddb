//! The practice kubectl: the commands that release documents use, with the texts of the real one.

mod get;
mod jsonpath;
mod logs;
mod patch;
mod rollout;

use std::io::Write;

use serde_json::{Value, json};

use super::arguments::Flags;
use super::{Session, ShimError, Surroundings, kubeconfig};
use crate::rehearsal::sim::store::Kind;

const KNOWN: &str = "apply, auth can-i, config current-context, delete, describe, get, logs, patch, rollout, scale, \
                     set image, version";

pub async fn run(args: &[String], around: &Surroundings, out: &mut dyn Write) -> Result<(), ShimError> {
    let flags = Flags::read("kubectl", args)?;
    let words: Vec<&str> = flags.words.iter().map(String::as_str).collect();
    let (command, rest) = match words.as_slice() {
        [] | ["help", ..] => {
            writeln!(out, "This is the practice kubectl of gonogo. It knows: {KNOWN}.")?;
            return Ok(());
        }
        ["config", "current-context"] => {
            let files = flags.value("kubeconfig").unwrap_or(&around.kubeconfig);
            writeln!(out, "{}", kubeconfig::current_context(files)?)?;
            return Ok(());
        }
        ["version", ..] if flags.is_set("client") => {
            writeln!(out, "Client Version: v1.33.0+practice")?;
            return Ok(());
        }
        [command, rest @ ..] => (*command, rest),
    };
    if !["apply", "auth", "delete", "describe", "get", "logs", "patch", "rollout", "scale", "set", "version"]
        .contains(&command)
    {
        return Err(unknown(&words.join(" ")));
    }
    let session = Session::open("kubectl", around, &flags).await?;
    match (command, rest) {
        ("version", _) => {
            let version = session.api.get("/version").await?;
            writeln!(out, "Client Version: v1.33.0+practice")?;
            writeln!(out, "Server Version: {}", version["gitVersion"].as_str().unwrap_or_default())?;
            Ok(())
        }
        ("auth", ["can-i", ..]) => {
            writeln!(out, "yes")?;
            Ok(())
        }
        ("get", rest) => get::get(&session, &flags, rest, out).await,
        ("describe", rest) => get::describe(&session, rest, out).await,
        ("logs", rest) => logs::logs(&session, &flags, rest, out).await,
        ("rollout", [verb, rest @ ..]) => rollout::rollout(&session, &flags, verb, rest, out).await,
        ("set", ["image", rest @ ..]) => set_image(&session, &flags, rest, out).await,
        ("patch", rest) => patch::patch(&session, &flags, rest, out).await,
        ("scale", rest) => scale(&session, &flags, rest, out).await,
        ("apply", _) => apply(&session, &flags, out).await,
        ("delete", rest) => delete(&session, rest, out).await,
        _ => Err(unknown(&words.join(" "))),
    }
}

fn unknown(what: &str) -> ShimError {
    ShimError::Usage(format!("the practice kubectl does not know {what:?}; it knows: {KNOWN}"))
}

/// A kind by any of the names that kubectl takes for it.
fn kind(name: &str) -> Result<Kind, ShimError> {
    Ok(match name.split('.').next().unwrap_or(name) {
        "deploy" | "deployment" | "deployments" => Kind::Deployment,
        "rs" | "replicaset" | "replicasets" => Kind::ReplicaSet,
        "po" | "pod" | "pods" => Kind::Pod,
        "ev" | "event" | "events" => Kind::Event,
        "ns" | "namespace" | "namespaces" => Kind::Namespace,
        "no" | "node" | "nodes" => Kind::Node,
        "lease" | "leases" => Kind::Lease,
        "cm" | "configmap" | "configmaps" => Kind::ConfigMap,
        "svc" | "service" | "services" => Kind::Service,
        "vs" | "virtualservice" | "virtualservices" => Kind::VirtualService,
        "dr" | "destinationrule" | "destinationrules" => Kind::DestinationRule,
        "hpa" | "horizontalpodautoscaler" | "horizontalpodautoscalers" => Kind::HorizontalPodAutoscaler,
        "pdb" | "poddisruptionbudget" | "poddisruptionbudgets" => Kind::PodDisruptionBudget,
        _ => {
            return Err(ShimError::Usage(format!("the server doesn't have a resource type {name:?}")));
        }
    })
}

/// The path of a kind's collection, or of one of its objects.
fn path(kind: Kind, namespace: &str, name: Option<&str>) -> String {
    let root =
        if kind.group().is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}", kind.api_version()) };
    let namespaced = !matches!(kind, Kind::Namespace | Kind::Node) && !namespace.is_empty();
    let place = if namespaced { format!("/namespaces/{namespace}") } else { String::new() };
    let name = name.map(|name| format!("/{name}")).unwrap_or_default();
    format!("{root}{place}/{}{name}", kind.plural())
}

/// As kubectl names one object: `deployment.apps/app`.
fn shown(kind: Kind, name: &str) -> String {
    format!("{}/{name}", kind.subject().to_lowercase())
}

/// The objects that words name: `deployment/app rs/x` or `deployment app other`.
fn objects<'a>(words: &[&'a str]) -> Result<Vec<(Kind, &'a str)>, ShimError> {
    if words.iter().any(|word| word.contains('/')) {
        return words
            .iter()
            .map(|word| match word.split_once('/') {
                Some((of, name)) if !name.is_empty() => Ok((kind(of)?, name)),
                _ => Err(ShimError::Usage(
                    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form".into(),
                )),
            })
            .collect();
    }
    match words {
        [] | [_] => Err(ShimError::Usage("resource(s) were provided, but no name was specified".into())),
        [of, names @ ..] => {
            let kind = kind(of)?;
            Ok(names.iter().map(|name| (kind, *name)).collect())
        }
    }
}

fn containers(deployment: &Value) -> Vec<Value> {
    deployment["spec"]["template"]["spec"]["containers"].as_array().cloned().unwrap_or_default()
}

async fn set_image(
    session: &Session,
    flags: &Flags,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let (images, targets): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.contains('='));
    if images.is_empty() {
        return Err(ShimError::Usage("at least one image update is required".into()));
    }
    for (kind, name) in objects(&targets)? {
        let path = path(kind, &session.namespace, Some(name));
        let current = session.api.get(&path).await?;
        let present = containers(&current);
        let mut changed = Vec::new();
        for image in &images {
            let (container, image) = image.split_once('=').unwrap_or((image, ""));
            let chosen: Vec<&Value> =
                present.iter().filter(|one| container == "*" || one["name"] == container).collect();
            if chosen.is_empty() {
                return Err(ShimError::Usage(format!("unable to find container named {container:?}")));
            }
            let differing = chosen.into_iter().filter(|one| one["image"] != image);
            changed.extend(differing.map(|one| json!({"name": one["name"], "image": image})));
        }
        if changed.is_empty() {
            continue;
        }
        let body = json!({"spec": {"template": {"spec": {"containers": changed}}}});
        session.api.patch(&with_dry_run(&path, flags), "strategic-merge-patch", &body).await?;
        writeln!(out, "{} image updated{}", shown(kind, name), dry_run_note(flags))?;
    }
    Ok(())
}

async fn scale(
    session: &Session,
    flags: &Flags,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let replicas = flags.number("replicas")?.filter(|replicas| *replicas >= 0).ok_or_else(|| {
        ShimError::Usage(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0".into(),
        )
    })?;
    for (kind, name) in objects(words)? {
        let path = format!("{}/scale", path(kind, &session.namespace, Some(name)));
        let body = json!({"spec": {"replicas": replicas}});
        session.api.patch(&with_dry_run(&path, flags), "merge-patch", &body).await?;
        writeln!(out, "{} scaled{}", shown(kind, name), dry_run_note(flags))?;
    }
    Ok(())
}

/// Takes a Deployment from a file or from standard input.
async fn apply(session: &Session, flags: &Flags, out: &mut dyn Write) -> Result<(), ShimError> {
    let file =
        flags.value("filename").ok_or_else(|| ShimError::Usage("must specify one of -f and -k".into()))?;
    let text =
        if file == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text =
        text.map_err(|error| ShimError::Usage(format!("the path {file:?} cannot be read: {error}")))?;
    let object: Value = serde_yaml::from_str(&text)
        .map_err(|error| ShimError::Usage(format!("error parsing {file}: {error}")))?;
    let of = object["kind"].as_str().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if of != "Deployment" || name.is_empty() {
        return Err(ShimError::Usage(format!(
            "the practice kubectl applies one Deployment with a name, and {file} holds {of:?} {name:?}"
        )));
    }
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or(&session.namespace);
    let path = path(Kind::Deployment, namespace, Some(name));
    let before = session.api.get(&path).await?;
    let after = session.api.patch(&with_dry_run(&path, flags), "strategic-merge-patch", &object).await?;
    let same = before["spec"] == after["spec"]
        && before["metadata"]["annotations"] == after["metadata"]["annotations"];
    let done = if same { "unchanged" } else { "configured" };
    writeln!(out, "{} {done}{}", shown(Kind::Deployment, name), dry_run_note(flags))?;
    Ok(())
}

async fn delete(session: &Session, words: &[&str], out: &mut dyn Write) -> Result<(), ShimError> {
    for (kind, name) in objects(words)? {
        let path = path(kind, &session.namespace, Some(name));
        session.api.send(axum::http::Method::DELETE, &path, "application/json", None).await?;
        writeln!(out, "{} {name:?} deleted", kind.subject().to_lowercase())?;
    }
    Ok(())
}

fn with_dry_run(path: &str, flags: &Flags) -> String {
    let dry = matches!(flags.value("dry-run"), Some("server" | "client"));
    if dry { format!("{path}?dryRun=All") } else { path.to_owned() }
}

fn dry_run_note(flags: &Flags) -> &'static str {
    match flags.value("dry-run") {
        Some("server") => " (server dry run)",
        Some("client") => " (dry run)",
        _ => "",
    }
}
