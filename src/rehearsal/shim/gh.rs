//! The practice gh: workflows are dispatched to the practice CI, and its runs can be watched.

use std::io::Write;
use std::time::Duration;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::Flags;
use super::{Session, ShimError, Surroundings};
use crate::rehearsal::serve::table::age;

const KNOWN: &str = "workflow run FILE --ref REF, workflow list, run list, run view ID, run watch ID";
const RUNS: &str = "/practice/runs";
/// The real gh looks every three seconds; the practice world runs faster.
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub async fn run(args: &[String], around: &Surroundings, out: &mut dyn Write) -> Result<(), ShimError> {
    let flags = Flags::read("gh", args)?;
    let words: Vec<&str> = flags.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help", ..] => {
            writeln!(out, "This is the practice gh of gonogo. It knows: {KNOWN}.")?;
            return Ok(());
        }
        ["--version" | "version", ..] => {
            writeln!(out, "gh version 2.0.0+practice")?;
            return Ok(());
        }
        ["workflow", "run" | "list", ..] | ["run", "list" | "view" | "watch", ..] => {}
        _ => {
            let what = words.join(" ");
            return Err(ShimError::Usage(format!(
                "the practice gh does not know {what:?}; it knows: {KNOWN}"
            )));
        }
    }
    let session = Session::open("gh", around, &flags).await?;
    match words.as_slice() {
        ["workflow", "run", workflow, ..] => dispatch(&session, &flags, workflow, out).await,
        ["workflow", "run"] => Err(ShimError::Usage("workflow ID, name, or filename required".into())),
        ["workflow", ..] => {
            writeln!(
                out,
                "build         active  build.yml\ndeploy        active  deploy.yml\ndeploy-prod   active  deploy-prod.yml"
            )?;
            Ok(())
        }
        ["run", "list", ..] => list(&session, &flags, out).await,
        ["run", "watch", rest @ ..] => watch(&session, &flags, rest.first().copied(), out).await,
        ["run", _, rest @ ..] => view(&session, rest.first().copied(), out).await,
        _ => Err(ShimError::Usage(format!("the practice gh knows: {KNOWN}"))),
    }
}

async fn dispatch(
    session: &Session,
    flags: &Flags,
    workflow: &str,
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let reference = flags.value("ref").unwrap_or("main");
    let body = json!({"workflow": workflow, "reference": reference});
    session.api.send(Method::POST, RUNS, "application/json", Some(&body)).await?;
    writeln!(out, "✓ Created workflow_dispatch event for {workflow} at {reference}")?;
    writeln!(out, "\nTo see runs for this workflow, try: gh run list --workflow={workflow:?}")?;
    Ok(())
}

async fn runs(session: &Session) -> Result<Vec<Value>, ShimError> {
    let answer = session.api.get(RUNS).await?;
    Ok(answer["runs"].as_array().cloned().unwrap_or_default())
}

fn text(run: &Value, field: &str) -> String {
    run[field].as_str().unwrap_or_default().to_owned()
}

/// `✓`, `X` or `*`, as gh marks a run.
fn mark(run: &Value) -> &'static str {
    match run["conclusion"].as_str() {
        Some("success") => "✓",
        Some("failure") => "X",
        _ => "*",
    }
}

fn time(run: &Value, field: &str) -> Option<Timestamp> {
    run[field].as_str()?.parse().ok()
}

/// World time from the start to the end, or to now.
fn elapsed(run: &Value) -> String {
    let now = time(run, "now");
    let end = time(run, "ends").zip(now).map(|(ends, now)| ends.min(now));
    let seconds =
        time(run, "created").zip(end).map_or(0, |(created, end)| end.duration_since(created).as_secs());
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

async fn list(session: &Session, flags: &Flags, out: &mut dyn Write) -> Result<(), ShimError> {
    let limit = usize::try_from(flags.number("limit")?.unwrap_or(20)).unwrap_or(20);
    let wanted = flags.value("workflow");
    let runs: Vec<Value> = runs(session)
        .await?
        .into_iter()
        .filter(|run| wanted.is_none_or(|wanted| run["workflow"] == wanted))
        .take(limit)
        .collect();
    if runs.is_empty() {
        writeln!(out, "no runs found")?;
        return Ok(());
    }
    writeln!(
        out,
        "{:<12}  {:<24}  {:<16}  {:<10}  {:<18}  {:<12}  {:<8}  AGE",
        "STATUS", "TITLE", "WORKFLOW", "BRANCH", "EVENT", "ID", "ELAPSED"
    )?;
    for run in &runs {
        let status = match run["status"].as_str() {
            Some("completed") => text(run, "conclusion"),
            _ => text(run, "status"),
        };
        writeln!(
            out,
            "{} {status:<10}  {:<24}  {:<16}  {:<10}  {:<18}  {:<12}  {:<8}  {}",
            mark(run),
            text(run, "title"),
            text(run, "workflow"),
            text(run, "reference"),
            text(run, "event"),
            run["id"],
            elapsed(run),
            time(run, "now").map(|now| age(run["created"].as_str(), now)).unwrap_or_default(),
        )?;
    }
    Ok(())
}

/// The run with this number, or the newest.
async fn find(session: &Session, id: Option<&str>) -> Result<Value, ShimError> {
    let found = runs(session)
        .await?
        .into_iter()
        .find(|run| id.is_none_or(|id| id.parse().ok() == run["id"].as_u64()));
    found.ok_or_else(|| match id {
        Some(id) => ShimError::Usage(format!("failed to get run: HTTP 404: no run has the number {id}")),
        None => ShimError::Usage("no runs found".into()),
    })
}

fn print(run: &Value, out: &mut dyn Write) -> Result<(), ShimError> {
    let (title, workflow) = (text(run, "title"), text(run, "workflow"));
    writeln!(out, "{} {title} {workflow} · {}", mark(run), run["id"])?;
    writeln!(out, "Triggered via {} on {}, {}", text(run, "event"), text(run, "reference"), elapsed(run))?;
    if let Some(failure) = run["failure"].as_str() {
        writeln!(out, "\nX {failure}")?;
    }
    Ok(())
}

async fn view(session: &Session, id: Option<&str>, out: &mut dyn Write) -> Result<(), ShimError> {
    print(&find(session, id).await?, out)
}

async fn watch(
    session: &Session,
    flags: &Flags,
    id: Option<&str>,
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let first = find(session, id).await?;
    let id = first["id"].to_string();
    print(&first, out)?;
    let mut told = text(&first, "status");
    loop {
        let run = find(session, Some(&id)).await?;
        let status = text(&run, "status");
        if status == "completed" {
            let conclusion = text(&run, "conclusion");
            writeln!(
                out,
                "\n{} Run {} ({id}) completed with '{conclusion}'",
                mark(&run),
                text(&run, "workflow")
            )?;
            let failed = conclusion != "success" && flags.is_set("exit-status");
            return if failed { Err(ShimError::Silent) } else { Ok(()) };
        }
        if status != told {
            writeln!(out, "{} {status}", mark(&run))?;
            out.flush()?;
            told = status;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
