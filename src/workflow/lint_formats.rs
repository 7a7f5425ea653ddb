//! Diagnostics for machines: `gonogo.lint/1`, annotations of GitHub Actions, SARIF 2.1.0.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::lint_text::visible;
use super::model::{Code, Diagnostic, Place, Severity, Workflow};

/// The diagnostics of several documents: schema `gonogo.lint/1`.
///
/// - Units: lines and columns from 1, columns in characters, `end_column` exclusive.
pub fn lint_json(workflows: &[Workflow]) -> Value {
    let found = |found: &Diagnostic| {
        json!({
            "code": found.code,
            "severity": found.severity,
            "line": found.place.line,
            "column": found.place.column,
            "end_column": found.end_column,
            "message": found.message,
            "help": found.help,
            "why": found.code.why(),
            "fixable": found.code.is_fixable(),
            "related": found.related.iter().map(place).collect::<Vec<_>>(),
        })
    };
    let files = workflows.iter().map(|workflow| {
        let diagnostics: Vec<Value> = workflow.diagnostics.iter().map(found).collect();
        json!({ "file": workflow.file, "sha256": workflow.sha256, "diagnostics": diagnostics })
    });
    json!({ "schema": "gonogo.lint/1", "files": files.collect::<Vec<_>>() })
}

fn place(place: &Place) -> Value {
    json!({ "line": place.line, "column": place.column })
}

/// Workflow commands of GitHub Actions, one line for each place of each diagnostic.
///
/// - Shape: nothing in a file name or a message can begin another command.
pub fn lint_github(workflows: &[Workflow]) -> String {
    let mut lines = String::new();
    for workflow in workflows {
        for found in &workflow.diagnostics {
            let level = match found.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "notice",
            };
            let message = escaped(&format!("{}. {}", found.message, found.help), false);
            for place in std::iter::once(&found.place).chain(&found.related) {
                let _ = writeln!(
                    lines,
                    "::{level} file={},line={},col={},title={}::{message}",
                    escaped(&workflow.file, true),
                    place.line,
                    place.column,
                    found.code.as_str()
                );
            }
        }
    }
    lines
}

fn escaped(text: &str, is_property: bool) -> String {
    let text = visible(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if is_property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
}

/// SARIF 2.1.0, one run for all documents.
pub fn lint_sarif(workflows: &[Workflow], version: &str) -> Value {
    let level = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            json!({
                "id": code.as_str(),
                "fullDescription": { "text": code.why() },
                "defaultConfiguration": { "level": level(code.severity()) },
            })
        })
        .collect();
    let location = |file: &str, place: &Place, end_column: Option<usize>| {
        let mut region = json!({ "startLine": place.line, "startColumn": place.column });
        if let Some(end) = end_column {
            region["endColumn"] = json!(end);
        }
        json!({ "physicalLocation": { "artifactLocation": { "uri": uri(file) }, "region": region } })
    };
    let results: Vec<Value> = workflows
        .iter()
        .flat_map(|workflow| workflow.diagnostics.iter().map(move |found| (workflow, found)))
        .map(|(workflow, found)| {
            let related = found.related.iter().map(|place| location(&workflow.file, place, None));
            json!({
                "ruleId": found.code.as_str(),
                "level": level(found.severity),
                "message": { "text": format!("{}. {}", found.message, found.help) },
                "locations": [location(&workflow.file, &found.place, Some(found.end_column))],
                "relatedLocations": related.collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "gonogo", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A path as the relative reference that SARIF asks for.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Source, read};

    fn linted(file: &str) -> Workflow {
        let text = b"# T\n\n## Steps\n\n### A\n\n- [x] 100%\n- [x] b\n";
        read(Source { file, bytes: text, siblings: &|_| false })
    }

    #[test]
    fn a_file_name_cannot_begin_another_command() {
        let lines = lint_github(&[linted("a\n::error::b,c:d.md")]);
        assert_eq!(lines.lines().filter(|line| !line.starts_with("::")).count(), 0);
        assert!(
            lines.lines().all(|line| line.contains("file=a\u{fffd}%3A%3Aerror%3A%3Ab%2Cc%3Ad.md,")),
            "{lines}"
        );
        assert!(
            lines.contains("::warning ") && lines.contains("line=8,col="),
            "each place has a line: {lines}"
        );
    }

    #[test]
    fn json_and_sarif_name_every_place_and_rule() {
        let json = lint_json(&[linted("a.md"), linted("b c.md")]);
        assert_eq!(json["schema"], "gonogo.lint/1");
        let ticked = &json["files"][1]["diagnostics"][0];
        assert_eq!(
            (ticked["code"].as_str(), ticked["fixable"].as_bool()),
            (Some("ticked-in-file"), Some(true))
        );
        assert_eq!(ticked["related"][0]["line"], 8);
        let sarif = lint_sarif(&[linted("b c.md")], "0");
        let result = &sarif["runs"][0]["results"][0];
        assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "b%20c.md");
        let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]));
    }
}
