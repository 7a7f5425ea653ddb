//! `kubectl get` and a short `kubectl describe`.

use std::io::Write;

use futures::StreamExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::api::escape;
use super::super::arguments::Flags;
use super::super::printer::Printer;
use super::super::{Session, ShimError};
use super::{containers, jsonpath, kind, objects, path, shown};
use crate::rehearsal::sim::store::Kind;

pub async fn get(
    session: &Session,
    flags: &Flags,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let namespace = if flags.is_set("all-namespaces") { "" } else { &session.namespace };
    // Kinds with at most one name each: `deploy,rs`, `pods x y`, `deploy/app rs/x`.
    let wanted: Vec<(Kind, Option<&str>)> = match words {
        [] => {
            return Err(ShimError::Usage("Required resource not specified.".into()));
        }
        [kinds] if !kinds.contains('/') => {
            let kinds = if *kinds == "all" { "pods,deployments,replicasets" } else { kinds };
            kinds.split(',').map(|name| Ok((kind(name)?, None))).collect::<Result<_, ShimError>>()?
        }
        words => objects(words)?.into_iter().map(|(kind, name)| (kind, Some(name))).collect(),
    };
    let several = wanted.iter().any(|(kind, _)| *kind != wanted[0].0);
    let output = flags.value("output").unwrap_or_default();
    match output {
        "" | "wide" => {}
        "json" | "yaml" | "name" => return whole(session, flags, namespace, &wanted, output, out).await,
        other if other.starts_with("jsonpath=") => {
            return whole(session, flags, namespace, &wanted, output, out).await;
        }
        other => {
            return Err(ShimError::Usage(format!(
                "the practice kubectl prints -o wide, json, yaml, name and jsonpath=…, not {other:?}"
            )));
        }
    }
    if !several && wanted.len() > 1 && !flags.is_set("watch") {
        return together(session, flags, namespace, &wanted, out).await;
    }
    let mut printed = 0;
    for (index, (kind, name)) in wanted.iter().enumerate() {
        let prefix = if several { shown(*kind, "") } else { String::new() };
        let mut printer = Printer::new(output == "wide", !flags.is_set("no-headers"), prefix);
        let place = path(*kind, namespace, *name);
        let table = session.api.table(&format!("{place}{}", selectors(flags, '?'))).await?;
        let rows = table["rows"].as_array().map_or(0, Vec::len);
        if rows > 0 {
            if printed > 0 && index > 0 && several {
                writeln!(out)?;
            }
            printer.print(&table, out)?;
            printed += rows;
        }
        if flags.is_set("watch") || flags.is_set("watch-only") {
            return watch(session, flags, *kind, namespace, *name, &table, printer, out).await;
        }
    }
    if printed == 0 {
        // On the error stream, so that a script sees no rows.
        let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace} namespace.") };
        writeln!(std::io::stderr(), "No resources found{place}")?;
    }
    Ok(())
}

/// Several objects of one kind stand in one table.
async fn together(
    session: &Session,
    flags: &Flags,
    namespace: &str,
    wanted: &[(Kind, Option<&str>)],
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let mut all: Option<Value> = None;
    for (kind, name) in wanted {
        let mut table = session.api.table(&path(*kind, namespace, *name)).await?;
        match all.as_mut().and_then(|all| all["rows"].as_array_mut()) {
            Some(rows) => rows.append(table["rows"].as_array_mut().unwrap_or(&mut Vec::new())),
            None => all = Some(table),
        }
    }
    let is_wide = flags.value("output") == Some("wide");
    let mut printer = Printer::new(is_wide, !flags.is_set("no-headers"), String::new());
    if let Some(all) = all {
        printer.print(&all, out)?;
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "it continues `get` with all that was found so far")]
async fn watch(
    session: &Session,
    flags: &Flags,
    kind: Kind,
    namespace: &str,
    name: Option<&str>,
    table: &Value,
    mut printer: Printer,
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let version = table["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let one = name.map(|name| format!("&fieldSelector=metadata.name%3D{name}")).unwrap_or_default();
    let place = format!(
        "{}?watch=true&resourceVersion={version}{one}{}",
        path(kind, namespace, None),
        selectors(flags, '&')
    );
    let mut lines = session.api.lines(&place, true).await?;
    while let Some(line) = lines.next().await {
        let event: Value = serde_json::from_str(&line?).unwrap_or_default();
        if event["object"]["kind"] == "Table" {
            printer.print(&event["object"], out)?;
            out.flush()?;
        }
    }
    Ok(())
}

async fn whole(
    session: &Session,
    flags: &Flags,
    namespace: &str,
    wanted: &[(Kind, Option<&str>)],
    output: &str,
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let mut items = Vec::new();
    for (kind, name) in wanted {
        let place = path(*kind, namespace, *name);
        let answer = session.api.get(&format!("{place}{}", selectors(flags, '?'))).await?;
        match (name, answer["items"].as_array()) {
            (None, Some(list)) => items.extend(list.iter().map(|item| (*kind, item.clone()))),
            _ => items.push((*kind, answer)),
        }
    }
    if output == "name" {
        for (kind, item) in &items {
            writeln!(out, "{}", shown(*kind, item["metadata"]["name"].as_str().unwrap_or_default()))?;
        }
        return Ok(());
    }
    let single = wanted.len() == 1 && wanted[0].1.is_some();
    let object = match items.pop() {
        Some((_, item)) if single => item,
        last => {
            items.extend(last);
            let items: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
            json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
        }
    };
    if let Some(template) = output.strip_prefix("jsonpath=") {
        write!(out, "{}", jsonpath::print(template, &object)?)?;
        return Ok(());
    }
    if output == "json" { print_json(&object, out) } else { print_yaml(&object, out) }
}

fn print_json(object: &Value, out: &mut dyn Write) -> Result<(), ShimError> {
    let mut text = Vec::new();
    let four_spaces = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, four_spaces);
    object.serialize(&mut writer).map_err(|error| ShimError::Usage(error.to_string()))?;
    text.push(b'\n');
    out.write_all(&text)?;
    Ok(())
}

fn print_yaml(object: &Value, out: &mut dyn Write) -> Result<(), ShimError> {
    let text = serde_yaml::to_string(object).map_err(|error| ShimError::Usage(error.to_string()))?;
    write!(out, "{text}")?;
    Ok(())
}

/// The label and field selectors of a command line, as a query that begins with `first`.
fn selectors(flags: &Flags, first: char) -> String {
    let mut query = String::new();
    for (flag, parameter) in [("selector", "labelSelector"), ("field-selector", "fieldSelector")] {
        if let Some(value) = flags.value(flag) {
            query.push(if query.is_empty() { first } else { '&' });
            query += &format!("{parameter}={}", escape(value));
        }
    }
    query
}

pub async fn describe(session: &Session, words: &[&str], out: &mut dyn Write) -> Result<(), ShimError> {
    for (kind, name) in objects(words)? {
        let object = session.api.get(&path(kind, &session.namespace, Some(name))).await?;
        describe_one(kind, &object, out)?;
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let events = path(Kind::Event, &session.namespace, None);
        let events = session.api.get(&format!("{events}?fieldSelector=involvedObject.uid%3D{uid}")).await?;
        writeln!(out, "Events:")?;
        let events = events["items"].as_array().cloned().unwrap_or_default();
        if events.is_empty() {
            writeln!(out, "  <none>")?;
        }
        for event in &events {
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            let times = event["count"].as_i64().unwrap_or(1);
            writeln!(out, "  {:<8} {:<20} x{times:<4} {}", text("type"), text("reason"), text("message"))?;
        }
    }
    Ok(())
}

fn describe_one(kind: Kind, object: &Value, out: &mut dyn Write) -> Result<(), ShimError> {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let text = |value: &Value| value.as_str().unwrap_or("<none>").to_owned();
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let mut line = |name: &str, value: String| writeln!(out, "{:<24}{value}", format!("{name}:"));
    line("Name", text(&metadata["name"]))?;
    line("Namespace", text(&metadata["namespace"]))?;
    line("CreationTimestamp", text(&metadata["creationTimestamp"]))?;
    line("Labels", pairs(&metadata["labels"]))?;
    line("Annotations", pairs(&metadata["annotations"]))?;
    match kind {
        Kind::Deployment => {
            let counts = [
                (&spec["replicas"], "desired"),
                (&status["updatedReplicas"], "updated"),
                (&status["replicas"], "total"),
                (&status["availableReplicas"], "available"),
                (&status["unavailableReplicas"], "unavailable"),
            ];
            let counts: Vec<String> =
                counts.iter().map(|(value, word)| format!("{} {word}", number(value))).collect();
            line("Replicas", counts.join(" | "))?;
            line("StrategyType", text(&spec["strategy"]["type"]))?;
            for container in containers(object) {
                line("Image", format!("{} ({})", text(&container["image"]), text(&container["name"])))?;
            }
        }
        Kind::Pod => {
            line("Node", text(&spec["nodeName"]))?;
            line("Status", text(&status["phase"]))?;
            for container in status["containerStatuses"].as_array().into_iter().flatten() {
                line("Container", format!("{} {}", text(&container["name"]), text(&container["image"])))?;
                line("  State", container["state"].to_string())?;
                line("  Last State", container["lastState"].to_string())?;
                line("  Restart Count", number(&container["restartCount"]).to_string())?;
            }
        }
        _ => {}
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let value = format!("{} {}", text(&condition["status"]), text(&condition["reason"]));
        line(&format!("Condition {}", text(&condition["type"])), value)?;
    }
    Ok(())
}

fn pairs(map: &Value) -> String {
    let pairs = map.as_object().into_iter().flatten();
    let pairs: Vec<String> =
        pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    if pairs.is_empty() { "<none>".into() } else { pairs.join(",") }
}
