//! `plan` and `lint`: the document alone, no cluster and no screen.

use std::io::IsTerminal as _;
use std::path::Path;

use super::{DONE, FAILED, document, print};
use color_eyre::eyre::bail;

use crate::workflow::{Severity, lint_text, mojibake, plan_json, plan_text};

pub fn plan(file: &Path, as_json: bool) -> color_eyre::Result<u8> {
    let workflow = document::read(file)?.workflow;
    if as_json {
        print(&format!("{:#}\n", plan_json(&workflow)))?;
    } else {
        print(&plan_text(&workflow))?;
    }
    Ok(DONE)
}

pub fn lint(file: &Path) -> color_eyre::Result<u8> {
    let workflow = document::read(file)?.workflow;
    let coloured =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    print(&lint_text(&workflow, coloured))?;
    let failed = workflow.diagnostics.iter().any(|found| found.severity == Severity::Error);
    Ok(if failed { FAILED } else { DONE })
}

/// Prints the repaired text of a document that was decoded wrongly on its way.
pub fn preview(file: &Path) -> color_eyre::Result<u8> {
    let workflow = document::read(file)?.workflow;
    let Some(repaired) = mojibake(&workflow.text) else {
        bail!("{} reads as it was written: there is nothing to repair", file.display());
    };
    print(&repaired.preview)?;
    Ok(DONE)
}
