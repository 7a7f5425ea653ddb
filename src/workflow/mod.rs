//! What a release is: a Markdown file as plain data. Pure: text in, [`Workflow`] out.
//!
//! [`read`] never refuses a document. What is strange about it becomes a [`Diagnostic`] with its
//! place and a way out, and everything else is read as if the strange part were not there.

mod again;
mod annotated;
mod annotation;
mod calls;
mod edition;
mod explain;
mod fix;
mod frontmatter;
mod infer;
mod interpreter;
mod known;
mod library;
mod lint;
mod lint_codes;
mod lint_formats;
mod lint_text;
mod markdown;
pub mod model;
mod mojibake;
pub mod nginx;
mod param_kind;
mod params;
mod placeholders;
mod places;
mod plan_json;
mod plan_text;
pub mod scaffold;
mod secrets;
mod settled;
mod shell;
mod variables;
mod vocabulary;

pub use annotation::annotation_reference;
pub use calls::{Shelf, gather, placed};
pub use edition::{Edition, LineChange, line_changes};
pub use explain::{Origin, explain, explain_text};
pub use fix::{Fixed, fixed};
pub use interpreter::Interpreter;
pub use known::{Failed, KnownMatch, known_errors};
pub use library::{LIBRARY, Shipped, shipped};
pub use lint_codes::{lint_explained, lint_reference};
pub use lint_formats::{lint_github, lint_json, lint_sarif};
pub use lint_text::lint_text;
pub use model::*;
pub use mojibake::{Repaired, mojibake};
pub use param_kind::ParamKind;
pub use params::ParamChange;
pub use placeholders::unresolved;
pub use plan_json::plan_json;
pub use plan_text::plan_text;
pub use secrets::Secrets;
pub use settled::{BlockPrint, Meaning, Ruling, Settled, Settling};
pub use variables::reads_variable;

use std::fmt;

/// A file as it was found, and what lies next to it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The path as the operator gave it.
    pub file: &'a str,
    pub bytes: &'a [u8],
    /// Whether a file of this name, such as `rollback.md`, lies in the same folder.
    pub siblings: &'a dyn Fn(&str) -> bool,
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("file", &self.file)
            .field("n_bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Reads a document into a workflow.
///
/// - Shape: always a workflow; an empty or foreign text gives one without steps and says so.
/// - Errors: none; see [`Workflow::diagnostics`].
/// - Cost: linear in the length of the text.
pub fn read(source: Source<'_>) -> Workflow {
    read_settled(source, &Settled::default())
}

/// Reads a document of whose unclear blocks people said this.
pub fn read_settled(source: Source<'_>, settled: &Settled) -> Workflow {
    let mut findings = lint::Findings::default();
    let (text, damage) = decode(source.bytes);
    if let Some((offset, what)) = damage {
        findings.note(Code::NotUtf8, offset..offset + 1, what);
    }
    if let Some(repaired) = mojibake::mojibake(&text) {
        let line: usize = text.split_inclusive('\n').take(repaired.first_line - 1).map(str::len).sum();
        let length = text[line..].lines().next().map_or(0, str::len);
        findings.note(Code::Mojibake, line..line + length, repaired.encoding.to_owned());
    }
    let (front, body_start) = frontmatter::read(&text);
    let places = places::Places::new(&text);
    let document = infer::Document {
        file: source.file,
        text: &text,
        places: &places,
        front,
        body_start,
        siblings: source.siblings,
        settled,
        findings,
    };
    let (mut workflow, mut findings) = infer::infer(document);
    annotation::apply(body_start, &places, &mut workflow, &mut findings);
    Workflow { sha256: sha256(source.bytes), diagnostics: findings.diagnostics(&places), ..workflow }
}

/// The text, and where and why it is not what the bytes say.
fn decode(bytes: &[u8]) -> (String, Option<(usize, String)>) {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        (String::from_utf16_lossy(&units), Some((0, "it is UTF-16".to_owned())))
    };
    match bytes {
        [0xFF, 0xFE, ..] => return wide(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => return wide(u16::from_be_bytes),
        _ => {}
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(error) => {
            let valid = error.valid_up_to();
            let what = format!("byte {valid} is 0x{:02X}", bytes[valid]);
            (String::from_utf8_lossy(bytes).into_owned(), Some((valid, what)))
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
