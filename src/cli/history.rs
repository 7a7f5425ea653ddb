//! `list` and `report`: the releases kept on this machine.

use std::sync::Arc;

use super::{DONE, document, print};
use crate::adapters::store::{self, ReadOnly, Summary};
use crate::journal;
use crate::release::{Fact, Phase, ReleaseId};
use crate::report;

pub fn list() -> color_eyre::Result<u8> {
    let releases = store::list(&store::state_dir()?)?;
    if releases.is_empty() {
        print("no release yet; `gonogo demo` plays one\n")?;
        return Ok(DONE);
    }
    let width = releases.iter().map(|release| release.id.0.len()).max().unwrap_or(0);
    for release in &releases {
        print(&format!("{:width$}  {}\n", release.id.0, words(release)))?;
    }
    Ok(DONE)
}

fn words(release: &Summary) -> String {
    let mut words = vec![match release.phase {
        Some(phase) => format!("{:15}", phase_word(phase)),
        None => "UNREADABLE     ".to_owned(),
    }];
    let params: Vec<String> = release.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    words.push(params.join(" "));
    words.extend(release.targets.iter().map(ToString::to_string));
    words.extend(release.by.as_ref().map(|by| format!("by {by}")));
    if release.practice {
        words.push("practice".to_owned());
    }
    if release.held_by_other {
        words.push("someone is at it now".to_owned());
    } else if release.is_open() {
        words.push("open: gonogo resume".to_owned());
    }
    words.extend(release.problem.clone());
    words.retain(|word| !word.is_empty());
    words.join("  ")
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "PREPARING",
        Phase::Running => "RUNNING",
        Phase::Held => "HELD",
        Phase::RollingBack => "ROLLING BACK",
        Phase::RolledBack => "SAFE",
        Phase::RollbackFailed => "ROLLBACK FAILED",
        Phase::Completed => "COMPLETED",
        Phase::Aborted => "ABORTED",
    }
}

/// Without an id the newest release is meant, open or not.
pub fn report(id: Option<&str>) -> color_eyre::Result<u8> {
    let state_dir = store::state_dir()?;
    let id = match id {
        Some(id) => store::resolve(&state_dir, Some(id))?,
        None => match store::list(&state_dir)?.into_iter().next() {
            Some(newest) => newest.id,
            None => color_eyre::eyre::bail!("there is no release to report on yet"),
        },
    };
    print(&of(&id)?)?;
    Ok(DONE)
}

/// The report of a release, from its journal.
pub(super) fn of(id: &ReleaseId) -> color_eyre::Result<String> {
    let (folder, read) = ReadOnly::open(&store::state_dir()?, id)?;
    let file = read.records.first().and_then(|record| match &record.event.fact {
        Fact::Opened { file, .. } => Some(file.clone()),
        _ => None,
    });
    let document = document::understood(file.unwrap_or_default().as_ref(), folder.folder().document()?);
    let release = journal::replay(Arc::new(document.workflow), &read.records)?;
    Ok(report::markdown(&release, &read.records, &report::Meta::of(&read)))
}
