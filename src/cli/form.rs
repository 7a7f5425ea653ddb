//! The start panel's fields: what is asked, what is offered, and what is known already.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::model::{Field, FieldKind, StartForm};
use crate::config::Config;
use crate::release::Operator;
use crate::workflow::{Offer, Param, RoleName, Secrets, Workflow};

/// What can be said of a release before anybody types.
pub(super) struct Known<'a> {
    pub config: &'a Config,
    pub me: &'a Operator,
    /// Given on the command line.
    pub params: &'a BTreeMap<String, String>,
    pub secrets: &'a Secrets,
    /// As `2026-11-22`.
    pub today: &'a str,
    /// The version after the newest tag.
    pub next: Option<&'a str>,
}

/// The secrets of a document that the operator's own environment has.
pub(super) fn secrets_of(workflow: &Workflow, variable: impl Fn(&str) -> Option<String>) -> Secrets {
    let mut secrets = Secrets::default();
    for param in workflow.params.iter().filter(|param| param.is_secret()) {
        // What is too short to be hidden in the output is left to the commands.
        if let Some(value) = variable(&param.name).filter(|value| param.check(value).is_ok()) {
            secrets.insert(&param.name, &value);
        }
    }
    secrets
}

/// The minor version after the newest of the tags that are versions, written as they are.
pub(super) fn next_semver(tags: &BTreeSet<String>) -> Option<String> {
    let version = |tag: &String| {
        let bare = tag.strip_prefix('v').unwrap_or(tag);
        semver::Version::parse(bare)
            .ok()
            .map(|version| (version, if bare.len() < tag.len() { "v" } else { "" }))
    };
    let (newest, mark) =
        tags.iter().filter_map(version).filter(|(version, _)| version.pre.is_empty()).max()?;
    Some(format!("{mark}{}.{}.0", newest.major, newest.minor + 1))
}

pub(super) fn start_form(
    workflow: &Workflow,
    known: &Known<'_>,
    variable: impl Fn(&str) -> Option<String>,
) -> StartForm {
    let params = workflow.params.iter().filter(|param| param.is_asked()).map(|param| {
        if param.is_secret() { secret_field(param, known) } else { param_field(param, known, &variable) }
    });
    // Somebody answers for every role from the start, and the form shows who: the one who sits here,
    // unless the settings know better.
    let role = |role: RoleName| Field {
        value: known.config.roster.get(role.as_str()).cloned().unwrap_or_else(|| known.me.name.clone()),
        kind: FieldKind::Role(role),
        note: String::new(),
    };
    let people = workflow.people().into_iter().filter(|(_, answers)| *answers).map(|(name, _)| role(name));
    let policy = workflow.rollback.policy.iter().flat_map(|policy| &policy.auto);
    let policy = policy.map(|criterion| Field {
        kind: FieldKind::Policy(criterion.clone()),
        value: String::new(),
        note: String::new(),
    });
    StartForm::new(params.chain(people).chain(policy).collect(), workflow)
}

fn secret_field(param: &Param, known: &Known<'_>) -> Field {
    let (value, note) = match known.secrets.has(&param.name) {
        true => ("••••••", "from your environment"),
        false if param.declared => ("", "a secret, never written down"),
        false => ("", "a secret, never written down; leave it empty if nothing needs it"),
    };
    let kind = FieldKind::Secret(param.name.clone());
    Field { kind, value: value.to_owned(), note: said(param.about.as_deref(), note.to_owned()) }
}

/// What the document has in the place of a value, and how often.
fn written(literal: &str, param: &Param) -> String {
    match param.occurrences.len() {
        0 | 1 => format!("the document says {literal}"),
        n => format!("the document says {literal}, {n} times"),
    }
}

fn param_field(param: &Param, known: &Known<'_>, variable: &impl Fn(&str) -> Option<String>) -> Field {
    // A name that the document only writes in its own text may mean something else out there.
    let from_outside = || {
        let value = variable(&param.name).filter(|_| param.declared || !param.is_written())?;
        param.check(&value).is_ok().then_some(value)
    };
    let mut note = match (param.default.as_str(), param.placeholders.first()) {
        _ if param.declared => param.kind.to_string(),
        ("", None) => "the document names no example".to_owned(),
        ("", Some(mark)) => written(mark, param),
        (example, _) => written(example, param),
    };
    if let Some(next) = known.next.filter(|_| param.offer == Some(Offer::NextSemver)) {
        note = format!("{note}; after the newest tag comes {next}");
    }
    let value = match known.params.get(&param.name) {
        Some(given) => given.clone(),
        None => match from_outside() {
            Some(outside) => {
                note = format!("from your environment; {note}");
                outside
            }
            // A date is as good as known; a version is a decision, so it is only named beside the field.
            None if param.offer == Some(Offer::Today) => known.today.to_owned(),
            None => param.preset.clone().unwrap_or_default(),
        },
    };
    Field { kind: FieldKind::Param(param.name.clone()), value, note: said(param.about.as_deref(), note) }
}

/// The author's words before ours.
fn said(about: Option<&str>, note: String) -> String {
    match about {
        Some(about) => format!("{about} ({note})"),
        None => note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_to_offer_comes_after_the_newest_tag_and_is_written_like_it() {
        let next = |tags: &[&str]| next_semver(&tags.iter().map(|tag| (*tag).to_owned()).collect());
        assert_eq!(next(&["v1.9.0", "v1.10.2", "v2.0.0-rc.1", "nightly"]).as_deref(), Some("v1.11.0"));
        assert_eq!(next(&["0.3.0"]).as_deref(), Some("0.4.0"));
        assert_eq!(next(&["latest"]), None);
    }

    fn form(head: &str, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let text = format!(
            "---\nroles: [ops]\nparams:\n{head}---\n# R\n\n## Steps\n\n### 1. A\n\n```bash\nkubectl get pods\n```\n"
        );
        let source = crate::workflow::Source { file: "r.md", bytes: text.as_bytes(), siblings: &|_| false };
        let workflow = crate::workflow::read(source);
        assert_eq!(workflow.params.len(), head.lines().count(), "{:?}", workflow.diagnostics);
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let secrets = secrets_of(&workflow, variable);
        let me = Operator { name: "ana".to_owned(), host: String::new(), identity: None };
        let config = Config::default();
        let params = BTreeMap::from([("GIVEN".to_owned(), "by-flag".to_owned())]);
        let known = Known {
            config: &config,
            me: &me,
            params: &params,
            secrets: &secrets,
            today: "2026-11-22",
            next: None,
        };
        let fields = start_form(&workflow, &known, variable).fields;
        fields.into_iter().map(|field| (field.value, field.note)).collect()
    }

    #[test]
    fn a_flag_comes_before_the_environment_and_that_before_the_document() {
        let fields = form(
            "  GIVEN: {default: x}\n  REGION: {values: [eu, us], default: eu}\n  N: {type: number, default: 3}\n",
            &[("GIVEN", "outside"), ("REGION", "us"), ("N", "many")],
        );
        let values: Vec<&str> = fields.iter().map(|(value, _)| value.as_str()).collect();
        assert_eq!(values, ["by-flag", "us", "3", "ana"], "a value that does not fit is not taken");
        assert_eq!(fields[1].1, "from your environment; one of eu, us");
    }

    #[test]
    fn a_secret_is_shown_only_as_being_there() {
        let fields =
            form("  A_TOKEN: secret\n  B_TOKEN: {about: for the chat}\n", &[("A_TOKEN", "hunter2-and-more")]);
        assert_eq!(fields[0], ("••••••".to_owned(), "from your environment".to_owned()));
        assert_eq!(fields[1], (String::new(), "for the chat (a secret, never written down)".to_owned()));
    }
}
