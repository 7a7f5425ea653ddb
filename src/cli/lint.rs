//! `lint` and `explain`: what a document's reader should know, and where each attribute came from.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use color_eyre::eyre::{WrapErr as _, bail};

use super::{DONE, FAILED, complain, document, print};
use crate::workflow::{
    Code, Fixed, Severity, Workflow, explain_text, fixed, lint_explained, lint_github, lint_json, lint_sarif,
    lint_text, mojibake,
};

pub const EXIT_CODES: &str = "Exit codes: 0 nothing that is denied · 1 an error, a warning with \
--deny warnings, or a file that cannot be read · 2 usage.";

#[derive(Debug, Args)]
pub struct Lint {
    /// The workflows, Markdown files
    #[arg(required_unless_present = "explain")]
    files: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Say why a code matters, instead
    #[arg(long, value_name = "CODE", conflicts_with_all = ["files", "fix", "preview"])]
    explain: Option<String>,
    /// Exit with 1 for these as well
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// Correct what has one safe answer; never prose, never a command
    #[arg(long)]
    fix: bool,
    /// Print the text as it was before it was decoded wrongly, instead; the file stays as it is
    #[arg(long, conflicts_with = "fix")]
    preview: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    /// `gonogo.lint/1`
    Json,
    /// Annotations of a GitHub Actions run
    Github,
    /// SARIF 2.1.0
    Sarif,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

pub fn lint(flags: &Lint) -> color_eyre::Result<u8> {
    if let Some(name) = &flags.explain {
        return explain_code(name);
    }
    let mut failed = false;
    let mut workflows = Vec::new();
    for file in &flags.files {
        if flags.preview {
            preview(file)?;
            continue;
        }
        match read(file, flags.fix) {
            Ok(workflow) => workflows.push(workflow),
            Err(error) => {
                // The other files are worth reading all the same.
                complain(&error);
                failed = true;
            }
        }
    }
    if flags.preview {
        return Ok(DONE);
    }
    match flags.format {
        Format::Text => text(&workflows)?,
        Format::Json => print(&format!("{:#}\n", lint_json(&workflows)))?,
        Format::Github => print(&lint_github(&workflows))?,
        Format::Sarif => print(&format!("{:#}\n", lint_sarif(&workflows, env!("CARGO_PKG_VERSION"))))?,
    }
    let denied = |severity| match severity {
        Severity::Error => true,
        Severity::Warning => flags.deny == Some(Deny::Warnings),
        Severity::Info => false,
    };
    let mut found = workflows.iter().flat_map(|workflow| &workflow.diagnostics);
    Ok(if failed || found.any(|found| denied(found.severity)) { FAILED } else { DONE })
}

fn explain_code(name: &str) -> color_eyre::Result<u8> {
    let Some(code) = Code::named(name) else {
        let near = Code::ALL.iter().min_by_key(|code| strsim::levenshtein(code.as_str(), name));
        let near = near.map_or("", |code| code.as_str());
        bail!("no diagnostic has the code `{name}`; did you mean `{near}`?");
    };
    print(&lint_explained(code))?;
    Ok(DONE)
}

fn text(workflows: &[Workflow]) -> color_eyre::Result<()> {
    let coloured =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let reports: Vec<String> = workflows.iter().map(|workflow| lint_text(workflow, coloured)).collect();
    print(&reports.join("\n"))?;
    let mut found = workflows.iter().flat_map(|workflow| &workflow.diagnostics);
    if let Some(first) = found.next() {
        print(&format!("gonogo lint --explain {} says why it matters\n", first.code.as_str()))?;
    }
    Ok(())
}

fn read(file: &Path, fix: bool) -> color_eyre::Result<Workflow> {
    let read = document::read(file)?;
    if !fix {
        return Ok(read.workflow);
    }
    let Fixed { text, fixes } = fixed(&read.workflow);
    // Bytes that were replaced when they were read would be lost for good.
    if fixes.is_empty() || read.workflow.text.as_bytes() != read.bytes.as_slice() {
        return Ok(read.workflow);
    }
    replace(file, &text)
        .wrap_err_with(|| format!("{} could not be corrected; it is as it was", file.display()))?;
    let mut told = String::new();
    for (code, place) in fixes {
        told.push_str(&format!("corrected {}:{}: {}\n", file.display(), place.line, code.as_str()));
    }
    // Nowhere is left to tell it when even this fails.
    let _ = std::io::stderr().write_all(told.as_bytes());
    Ok(document::read(file)?.workflow)
}

/// Puts a text in place of a file in one moment, behind whatever link leads to it.
fn replace(file: &Path, text: &str) -> color_eyre::Result<()> {
    let file = fs::canonicalize(file)?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::write(&beside, text)
        .and_then(|()| fs::set_permissions(&beside, fs::metadata(&file)?.permissions()))
        .and_then(|()| fs::rename(&beside, &file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    Ok(written?)
}

/// Prints the repaired text of a document that was decoded wrongly on its way.
fn preview(file: &Path) -> color_eyre::Result<()> {
    let workflow = document::read(file)?.workflow;
    let Some(repaired) = mojibake(&workflow.text) else {
        bail!("{} reads as it was written: there is nothing to repair", file.display());
    };
    print(&repaired.preview)
}

/// `FILE` or `FILE:LINE`; a file of the whole name comes first.
pub fn explain(place: &str) -> color_eyre::Result<u8> {
    let (file, line) = match place.rsplit_once(':') {
        Some((file, line)) if !Path::new(place).exists() => match line.parse::<usize>() {
            Ok(line) if line > 0 => (file, Some(line)),
            _ => bail!("`{line}` is no line of {file}; write FILE or FILE:LINE"),
        },
        _ => (place, None),
    };
    let workflow = document::read_as_settled(Path::new(file))?.workflow;
    if let Some(line) = line.filter(|line| *line > workflow.text.lines().count()) {
        bail!("{file} has no line {line}; it ends at {}", workflow.text.lines().count());
    }
    print(&explain_text(&workflow, line))?;
    Ok(DONE)
}
