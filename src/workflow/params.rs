//! Giving a parameter its value: which values are safe, what they change, and the changed document.

use std::collections::BTreeMap;

use super::infer::params::literals;
use super::model::{BlockClass, Check, Command, CommandKind, Param, ParamKind, Place, Step, Workflow};
use super::placeholders::filled;
use super::{Source, Target, read};

/// One line that a parameter changes, for the operator to agree to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamChange {
    /// The called file that it stands in; `None` for the document itself.
    pub file: Option<String>,
    pub place: Place,
    pub before: String,
    pub after: String,
}

/// No value of a release is longer. Units: bytes.
const LONGEST: usize = 4 * 1024;

impl Param {
    /// Whether its value is written into the text of commands and checks; any other one goes into
    /// their environment alone.
    pub fn is_written(&self) -> bool {
        !self.default.is_empty() || !self.placeholders.is_empty() || self.written_below
    }

    /// Whether a release asks for it. A secret that the document writes into its text is never put
    /// there, so nobody is asked for it.
    pub fn is_asked(&self) -> bool {
        !(self.is_secret() && self.is_written())
    }

    pub fn is_secret(&self) -> bool {
        self.kind == ParamKind::Secret
    }

    /// Whether a value is one that this parameter takes, and cannot be read as anything but itself
    /// where it is written.
    ///
    /// - Errors: what is wrong with it, in words that never hold a secret.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let name = &self.name;
        if value.is_empty() {
            return Err(format!("{name} is empty; give it a value such as {}", self.example()));
        }
        if value.len() > LONGEST {
            return Err(format!("{name} is longer than {LONGEST} bytes"));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("{name} holds a line end or another control character"));
        }
        let shown = if self.is_secret() { String::new() } else { format!(" `{value}`") };
        if self.declared || self.is_secret() {
            self.kind.check(value).map_err(|why| format!("{name}{shown} {why}"))?;
        }
        let only_in_the_environment = !self.is_written() && (self.declared || self.is_secret());
        if only_in_the_environment {
            return Ok(());
        }
        let is_url = self.declared && self.kind == ParamKind::Url;
        plain(name, value, is_url).map_err(|why| match self.declared {
            true => format!("{why}; the document may write \"${name}\" in place of the value"),
            false => why,
        })
    }

    fn example(&self) -> String {
        match &self.kind {
            ParamKind::Choice(values) => values.first().cloned().unwrap_or_default(),
            ParamKind::Number { min, .. } => min.unwrap_or(1.0).to_string(),
            ParamKind::Url => "https://example.com".to_owned(),
            ParamKind::Secret => "the one of your password store".to_owned(),
            ParamKind::Text | ParamKind::Semver => "v1.3.0".to_owned(),
        }
    }
}

/// Whether a value can be written into a command without being read as anything but itself.
///
/// - Errors: what is wrong with it, as a sentence fragment.
pub(super) fn plain(name: &str, value: &str, is_url: bool) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("{name} is empty"));
    }
    if value.starts_with('-') {
        return Err(format!("{name} `{value}` starts with `-`, which a command reads as an option"));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let of_address = |c: char| is_url && matches!(c, ':' | '/' | '%' | '@' | '+' | '=' | ',');
    match value.chars().find(|c| !is_plain(*c) && !of_address(*c)) {
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
    /// - Values are used as they are: see [`Param::check`]. A secret is never put into a text.
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

    /// The workloads that the document names once these values stand in their places: one that writes
    /// `deployment/<deployment>` names none before.
    pub fn targets_with(&self, values: &BTreeMap<String, String>) -> Vec<Target> {
        let given = self.given(values);
        if !self.targets.is_empty() || given.is_empty() {
            return self.targets.clone();
        }
        let lines = self.text.split_inclusive('\n').map(|line| self.substituted(line, &given));
        let text: String = lines.collect();
        read(Source { file: &self.file, bytes: text.as_bytes(), siblings: &|_| false }).targets
    }

    /// The values of this document's own parameters.
    fn given(&self, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let open = self.params.iter().filter(|param| !param.is_secret());
        let own = open.filter_map(|param| values.get_key_value(&param.name));
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
    // What never runs stays the document's own words; what nobody settled a person runs elsewhere.
    if matches!(command.kind, CommandKind::Reference | CommandKind::Note)
        && command.class != BlockClass::Unsure
    {
        return;
    }
    in_text(&mut command.text);
    if let Some(settling) = &mut command.settling {
        in_text(&mut settling.commands);
    }
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

    fn param(name: &str, kind: ParamKind, written: bool, declared: bool) -> Param {
        let placeholders = if written { vec![format!("<{name}>")] } else { Vec::new() };
        Param { name: name.to_owned(), kind, declared, placeholders, ..Param::default() }
    }

    #[test]
    fn values_that_a_shell_could_read_are_refused_with_the_reason() {
        let version = param("VERSION", ParamKind::Semver, true, false);
        for value in ["v1.2.0", "1.2.0-rc.1", "main_2"] {
            assert_eq!(version.check(value), Ok(()));
        }
        for (value, reason) in [
            ("", "empty"),
            ("-rf", "starts with `-`"),
            ("v1;reboot", "';'"),
            ("$(id)", "'$'"),
            ("v1 2", "' '"),
            ("vé", "'é'"),
            ("a\nb", "control character"),
        ] {
            let told = version.check(value).unwrap_err();
            assert!(told.contains(reason), "{value}: {told}");
        }
    }

    #[test]
    fn a_declared_kind_is_kept_and_the_environment_takes_any_words() {
        let note = param("NOTE", ParamKind::Text, false, true);
        assert_eq!(note.check("it's \"fine\"; $(id) && true"), Ok(()));
        assert!(note.check("two\nlines").is_err());
        assert!(param("NOTE", ParamKind::Text, true, true).check("two words").unwrap_err().contains("$NOTE"));
        let semver = param("VERSION", ParamKind::Semver, true, true);
        assert!(semver.check("main").unwrap_err().contains("no semantic version"));
        let url = param("HOOK", ParamKind::Url, true, true);
        assert_eq!(url.check("https://example.com:8443/a/b=1"), Ok(()));
        assert!(url.check("https://example.com/?a&b").is_err(), "`&` would end the command");
        assert_eq!(param("HOOK", ParamKind::Url, false, true).check("https://example.com/?a&b"), Ok(()));
        let n = param("N", ParamKind::Number { min: Some(1.0), max: Some(9.0) }, true, true);
        assert_eq!(n.check("9"), Ok(()));
        assert!(n.check("10").unwrap_err().contains("above 9"));
    }

    #[test]
    fn a_workload_behind_a_placeholder_is_known_with_its_value() {
        let text = "# R\n\n## Steps\n\n### 1. A\n\n```bash\nkubectl set image deployment/<deployment> app=x:v1.2.0\n```\n";
        let workflow = read(Source { file: "r.md", bytes: text.as_bytes(), siblings: &|_| false });
        assert_eq!(workflow.targets, []);
        assert_eq!(workflow.targets_with(&BTreeMap::new()), []);
        let values = BTreeMap::from([("DEPLOYMENT".to_owned(), "shop".to_owned())]);
        let names: Vec<String> =
            workflow.targets_with(&values).into_iter().map(|target| target.name).collect();
        assert_eq!(names, ["shop"]);
    }

    #[test]
    fn a_secret_is_not_repeated_by_its_refusal() {
        let secret = param("TOKEN", ParamKind::Secret, false, false);
        let told = secret.check("abc").unwrap_err();
        assert!(told.contains("shorter than 6") && !told.contains("abc"), "{told}");
        assert_eq!(secret.check("a b'c\"d$e"), Ok(()));
        assert!(!param("TOKEN", ParamKind::Secret, true, true).is_asked());
    }
}
