//! What holds of every document, whatever was typed into it. `cargo test` asks it of generated text for
//! a second or two, the targets in `fuzz/` for as long as one likes.

use gonogo::workflow::{Check, Source, Workflow, lint_text, plan_json, plan_text, read};

/// Where hostile text can stand in a document.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "each target looks at one place")]
pub enum Where {
    /// It is the document.
    Document,
    /// Inside annotations, of a check and of a command.
    Annotation,
    /// A block that a shell runs.
    Shell,
    /// A recorded session with prompts and output.
    Console,
}

impl Where {
    pub fn document(self, text: &str) -> String {
        let block = |language: &str| {
            format!("# R\n\n## Steps\n\n### 1. A\n\n```{language}\n{text}\n```\n\n- [ ] Done\n")
        };
        match self {
            Where::Document => text.to_owned(),
            Where::Annotation => format!(
                "# R\n\n## Steps\n\n### 1. A\n\n<!-- gonogo: {text} -->\n```bash\nkubectl get pods\n```\n\n\
                 - [ ] Done <!-- gonogo: {text} -->\n"
            ),
            Where::Shell => block("bash"),
            Where::Console => block("console"),
        }
    }
}

/// Reads bytes, put where they are to stand, and asserts what must hold of any document.
pub fn assert_sound_at(at: Where, bytes: &[u8]) {
    let text = at.document(&String::from_utf8_lossy(bytes));
    // A document is also bytes that are no text.
    let bytes = if matches!(at, Where::Document) { bytes } else { text.as_bytes() };
    assert_sound(&read(Source { file: "release.md", bytes, siblings: &|_| false }));
}

pub fn assert_sound(workflow: &Workflow) {
    let lines: Vec<&str> = workflow.text.split('\n').collect();
    let inside = |line: usize, column: usize| {
        let line = lines.get(line - 1).unwrap_or_else(|| panic!("line {line} of {}", lines.len()));
        assert!(column <= line.chars().count() + 1, "column {column} of {line:?}");
    };
    for found in &workflow.diagnostics {
        inside(found.place.line, found.place.column);
        assert!(found.end_column > found.place.column);
        found.related.iter().for_each(|place| inside(place.line, place.column));
    }
    workflow.checks().for_each(|Check { place, .. }| inside(place.line, place.column));
    workflow.commands().for_each(|command| inside(command.place.line, command.place.column));
    for step in &workflow.steps {
        assert_eq!(step.order.len(), step.commands.len() + step.groups.len());
    }
    for param in &workflow.params {
        for place in &param.occurrences {
            let at: String = lines[place.line - 1].chars().skip(place.column - 1).collect();
            let marks = param.placeholders.iter().any(|mark| at.starts_with(mark.as_str()));
            let named = at.starts_with('$') && at.contains(&param.name);
            let full = param.placeholders.len() == 8;
            assert!(
                at.starts_with(&param.default) || marks || named || full,
                "{place:?} is not at {}",
                param.name
            );
        }
    }
    let mut ids: Vec<&str> = workflow.checks().map(|check| check.id.as_str()).collect();
    ids.extend(workflow.commands().map(|command| command.id.as_str()));
    let n = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n, "ids are unique");
    plan_json(workflow);
    plan_text(workflow);
    lint_text(workflow, false);
}
