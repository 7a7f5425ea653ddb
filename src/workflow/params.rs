//! Giving a parameter its value: which values are safe, what they change, and the changed document.

use std::collections::BTreeMap;

use super::infer::params::literals;
use super::model::{Check, Command, CommandKind, Param, Place, Step, Workflow};
use super::placeholders::filled;

/// One line that a parameter changes, for the operator to agree to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamChange {
    /// The called file that it stands in; `None` for the document itself.
    pub file: Option<String>,
    pub place: Place,
    pub before: String,
    pub after: String,
}

/// Whether a value can go into commands without being read as anything but itself.
///
/// - Errors: what is wrong with it, as a sentence fragment.
pub fn valid_param(name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("{name} is empty; give it a value such as v1.3.0"));
    }
    if value.starts_with('-') {
        return Err(format!("{name} `{value}` starts with `-`, which a command reads as an option"));
    }
    match value.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        Some(bad) => Err(format!(
            "{name} holds {bad:?}, which a shell may read as something else; letters, digits, `.`, `_` and `-` are allowed"
        )),
        None => Ok(()),
    }
}

impl Workflow {
    /// The workflow with the literals of its parameters replaced in commands, choices and checks.
    ///
    /// - Shape: ids, places and the document's text stay those of the file; parameters without a
    ///   value, and those that the document reads from the environment, change nothing.
    /// - Values are used as they are: see [`valid_param`].
    pub fn with_params(&self, release: &BTreeMap<String, String>) -> Workflow {
        let mut workflow = self.clone();
        let values = self.given(release);
        let in_text = |text: &mut String| *text = self.substituted(text, &values);
        for step in &mut workflow.steps {
            match step.called.clone() {
                Some(called) => in_step(step, &|text| *text = called.substituted(text, release)),
                None => in_step(step, &in_text),
            }
        }
        for command in &mut workflow.rollback.commands {
            in_command(command, &in_text);
        }
        let gates = workflow.gates.iter_mut().flat_map(|gate| &mut gate.checks);
        for Check { text, .. } in gates.chain(&mut workflow.outputs) {
            in_text(text);
        }
        workflow
    }

    /// The values of this document's own parameters.
    fn given(&self, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let own = self.params.iter().filter_map(|param| values.get_key_value(&param.name));
        own.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn substituted(&self, text: &str, values: &BTreeMap<String, String>) -> String {
        substituted_by(&self.params, text, values)
    }

    /// The lines that [`Workflow::with_params`] changes, in document order; those of called workflows
    /// after them.
    pub fn param_diff(&self, release: &BTreeMap<String, String>) -> Vec<ParamChange> {
        let mut changes = changes(None, &self.text, &self.params, &self.given(release));
        for called in self.called_workflows() {
            let values = called.given(release);
            changes.extend(self::changes(Some(&called.file), &called.text, &called.params, &values));
        }
        changes
    }
}

fn changes(
    file: Option<&str>,
    text: &str,
    params: &[Param],
    values: &BTreeMap<String, String>,
) -> Vec<ParamChange> {
    let lines: Vec<&str> = text.lines().collect();
    let mut changes: Vec<ParamChange> = Vec::new();
    let given = params.iter().filter(|param| values.contains_key(&param.name));
    let mut places: Vec<Place> = given.flat_map(|param| &param.occurrences).copied().collect();
    places.sort();
    places.dedup_by_key(|place| place.line);
    for place in places {
        let before = lines.get(place.line - 1).copied().unwrap_or_default();
        let after = substituted_by(params, before, values);
        // A variable keeps its name: its value comes from the environment.
        if before != after {
            let (before, after) = (before.trim().to_owned(), after.trim().to_owned());
            changes.push(ParamChange { file: file.map(str::to_owned), place, before, after });
        }
    }
    changes
}

/// A text with the literals and placeholders replaced that have a value.
pub(super) fn substituted_by(params: &[Param], text: &str, values: &BTreeMap<String, String>) -> String {
    // Only one parameter has a literal: the version that the document repeats.
    let literal = params.iter().find(|param| !param.default.is_empty());
    let text = match literal.and_then(|param| Some((param, values.get(&param.name)?))) {
        Some((param, value)) => substituted(text, &param.default, value),
        None => text.to_owned(),
    };
    filled(&text, values)
}

fn in_step(step: &mut Step, in_text: &impl Fn(&mut String)) {
    for command in &mut step.commands {
        in_command(command, in_text);
    }
    for check in step.groups.iter_mut().flat_map(|group| &mut group.checks) {
        in_text(&mut check.text);
    }
}

fn in_command(command: &mut Command, in_text: &impl Fn(&mut String)) {
    // What never runs stays the document's own words.
    if matches!(command.kind, CommandKind::Reference | CommandKind::Note) {
        return;
    }
    in_text(&mut command.text);
    for choice in &mut command.choices {
        in_text(&mut choice.label);
        choice.text.iter_mut().for_each(in_text);
    }
}

/// Replaces the literal where it stands as a version of its own: the same places that inference
/// recorded, because both ask the same function.
fn substituted(text: &str, literal: &str, value: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for range in literals(text).filter(|range| &text[range.clone()] == literal) {
        result.push_str(&text[at..range.start]);
        result.push_str(value);
        at = range.end;
    }
    result.push_str(&text[at..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_version_is_replaced() {
        let text = "myapp:v1.2.0 v1.2.0-rc.1 xv1.2.0 v1.2.0.1 v1.2.0.tgz";
        let expected = "myapp:v1.3.0 v1.2.0-rc.1 xv1.2.0 v1.2.0.1 v1.3.0.tgz";
        assert_eq!(substituted(text, "v1.2.0", "v1.3.0"), expected);
    }

    #[test]
    fn values_that_a_shell_could_read_are_refused_with_the_reason() {
        for value in ["v1.2.0", "1.2.0-rc.1", "main_2"] {
            assert_eq!(valid_param("VERSION", value), Ok(()));
        }
        for (value, reason) in [
            ("", "empty"),
            ("-rf", "starts with `-`"),
            ("v1;reboot", "';'"),
            ("$(id)", "'$'"),
            ("v1 2", "' '"),
            ("vé", "'é'"),
            ("a\nb", "'\\n'"),
        ] {
            let told = valid_param("VERSION", value).unwrap_err();
            assert!(told.contains(reason), "{value}: {told}");
        }
    }
}
