//! What one block sets and a later one reads: `export RELEASE=…` in the first step, `$RELEASE` in the
//! last. Each block runs in a shell of its own, so what is set is carried forward in plain sight, as
//! lines before the later block.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::workflow::model::{Command, CommandKind, Step};
use crate::workflow::shell::{self, Script};

/// Bytes of a value that is repeated before every block that reads it.
const MAX_VALUE: usize = 200;

/// A name that a block leaves behind.
#[derive(Debug, Clone)]
struct Setting {
    /// `export NAME=value`, when the value says the same at any time.
    line: Option<String>,
    /// Where it is set, for the refusal.
    document_line: usize,
}

/// Puts before each command what earlier ones have set and it reads. A value that only the earlier
/// run can know, such as `$(git describe)`, is asked for: the shell then refuses to start without it.
pub(super) fn carry_forward(steps: &mut [Step], rollback: &mut [Command]) {
    let mut known: HashMap<String, Setting> = HashMap::new();
    let commands = steps.iter_mut().flat_map(|step| &mut step.commands).chain(rollback);
    for command in commands {
        if matches!(command.kind, CommandKind::Note | CommandKind::Reference) {
            continue;
        }
        let script = shell::scan(&command.text);
        let own = settings(&command.text, &script);
        if !known.is_empty() {
            command.text = with_settings(&command.text, &known);
            for text in command.choices.iter_mut().filter_map(|choice| choice.text.as_mut()) {
                *text = with_settings(text, &known);
            }
        }
        for (name, value) in own {
            // Of alternatives only one runs, and which one is not known here.
            let certain = command.kind == CommandKind::Run;
            let line = value.filter(|_| certain).map(|value| format!("export {name}={value}\n"));
            known.insert(name, Setting { line, document_line: command.place.line });
        }
    }
}

/// The names that a block sets itself: what it sets stands before every later block that reads it.
pub(in crate::workflow) fn set_in(text: &str) -> impl Iterator<Item = String> {
    settings(text, &shell::scan(text)).into_iter().map(|(name, _)| name)
}

/// The names that a block sets at its top level, with the value as written where it is a constant.
fn settings(text: &str, script: &Script) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for statement in script.statements() {
        let [simple] = statement.commands.as_slice() else { continue };
        let exported =
            simple.words.first().is_some_and(|word| matches!(word.text.as_str(), "export" | "declare"));
        let words = if exported { simple.words.get(1..).unwrap_or_default() } else { &simple.words };
        let all_set = words.iter().all(|word| assignment(&text[word.range.clone()]).is_some());
        // `A=1 make` sets it for make alone.
        if simple.conditional || words.is_empty() || !all_set {
            continue;
        }
        for (name, value) in words.iter().filter_map(|word| assignment(&text[word.range.clone()])) {
            let constant = value.len() <= MAX_VALUE && !value.contains(['$', '`', '\n']);
            found.push((name.to_owned(), constant.then(|| value.to_owned())));
        }
    }
    found
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, value))
}

fn with_settings(text: &str, known: &HashMap<String, Setting>) -> String {
    static READ: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)").expect("the pattern is a constant and the tests use it")
    });
    let own: HashSet<String> = settings(text, &shell::scan(text)).into_iter().map(|(name, _)| name).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut lines: Vec<String> = Vec::new();
    for name in READ.captures_iter(text).filter_map(|found| found.get(1)) {
        let name = name.as_str();
        let Some(setting) = known.get(name).filter(|_| !own.contains(name)) else { continue };
        if !seen.insert(name) {
            continue;
        }
        lines.push(setting.line.clone().unwrap_or_else(|| {
            format!(
                ": \"${{{name}:?was set by the command of line {}; edit this command to set it here}}\"\n",
                setting.document_line
            )
        }));
    }
    lines.concat() + text
}
