//! Every problem of a document with its line, column and a way out.
//!
//! Inference notes what it meets; here the notes of one rule become one diagnostic, worded for the
//! person who will run the document.

use std::collections::BTreeMap;
use std::ops::Range;

use super::model::{Code, Diagnostic, Place, Severity};
use super::places::Places;

/// What the rules found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    sites: BTreeMap<Code, Vec<Site>>,
}

#[derive(Debug, Clone)]
struct Site {
    at: At,
    detail: String,
}

#[derive(Debug, Clone)]
enum At {
    Span(Range<usize>),
    Place(Place),
    /// With the column where its caret ends.
    Caret(Place, usize),
}

impl Findings {
    pub(super) fn note(&mut self, code: Code, span: Range<usize>, detail: String) {
        self.sites.entry(code).or_default().push(Site { at: At::Span(span), detail });
    }

    pub(super) fn note_at(&mut self, code: Code, place: Place, detail: String) {
        self.sites.entry(code).or_default().push(Site { at: At::Place(place), detail });
    }

    pub(super) fn note_caret(&mut self, code: Code, caret: (Place, usize), detail: String) {
        self.sites.entry(code).or_default().push(Site { at: At::Caret(caret.0, caret.1), detail });
    }

    /// Takes back what turned out otherwise.
    pub(super) fn forget(&mut self, code: Code) {
        self.sites.remove(&code);
    }

    /// Puts what was found later among the diagnostics of a document.
    pub(super) fn add_to(self, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.extend(self.diagnostics(&Places::new("")));
        diagnostics.sort_by_key(|found| (found.severity, found.code, found.place));
    }

    /// Ordered by severity, then rule, then line; one per rule.
    pub(super) fn diagnostics(self, places: &Places<'_>) -> Vec<Diagnostic> {
        let mut diagnostics: Vec<Diagnostic> =
            self.sites.into_iter().map(|(code, sites)| diagnostic(code, sites, places)).collect();
        diagnostics.sort_by_key(|found| (found.severity, found.code, found.place));
        diagnostics
    }
}

fn diagnostic(code: Code, sites: Vec<Site>, places: &Places<'_>) -> Diagnostic {
    let mut located: Vec<(Place, usize, String)> = sites
        .into_iter()
        .map(|site| match site.at {
            At::Span(span) => (places.at(span.start), places.end_column(&span), site.detail),
            At::Place(place) => (place, place.column + 1, site.detail),
            At::Caret(place, end_column) => (place, end_column, site.detail),
        })
        .collect();
    located.sort();
    located.dedup_by_key(|(place, ..)| *place);
    let (place, end_column, _) = located[0];
    let details: Vec<&str> = located.iter().map(|(.., detail)| detail.as_str()).collect();
    let (message, help) = words(code, &details);
    let related = located[1..].iter().map(|(place, ..)| *place).collect();
    Diagnostic { severity: severity(code), code, place, end_column, message, help, related }
}

pub(super) fn severity(code: Code) -> Severity {
    match code {
        Code::FrontmatterBroken
        | Code::NotUtf8
        | Code::UnclosedFence
        | Code::ShellUnclosed
        | Code::NoSteps
        | Code::AnnotationSyntax
        | Code::AnnotationHeld
        | Code::AnnotationDoubleDash
        | Code::CallRefused => Severity::Error,
        Code::TagMessageLosesComments
        | Code::ChoiceNeeded
        | Code::PushBesideTag
        | Code::LiteralVersion
        | Code::WorkflowNotFound
        | Code::RoleUndeclared
        | Code::FrontmatterValue
        | Code::Mojibake
        | Code::LongChecklist
        | Code::TickedInFile
        | Code::HiddenCharacter
        | Code::RollbackInsideCommand
        | Code::UnclassifiedTasks
        | Code::DurationUnknown
        | Code::CriterionNotMeasured
        | Code::SecretInText
        | Code::AnnotationKey
        | Code::AnnotationValue
        | Code::AnnotationMisplaced
        | Code::AnnotationNotHonoured
        | Code::AnnotationWeakens
        | Code::CallTarget
        | Code::CalledErrors => Severity::Warning,
        Code::ReferenceNotRun
        | Code::Stream
        | Code::RatioWithoutPercentile
        | Code::NoAutomaticCheck
        | Code::CallShadowed
        | Code::CallLeftOut => Severity::Info,
    }
}

/// The message and the way out of a rule, given the details of all places where it found something.
fn words(code: Code, details: &[&str]) -> (String, String) {
    let (detail, n) = (details[0], details.len());
    let (message, help): (String, &str) = match code {
        Code::TagMessageLosesComments => (
            format!("git tag drops {} of this message: it takes a line that starts with # for a comment", lines(n)),
            "add --cleanup=verbatim to the git tag command",
        ),
        Code::ChoiceNeeded => (
            format!("{} alternatives: nothing runs until one is chosen", offers(n)),
            "gonogo asks when it gets there; to settle it for good, keep one alternative",
        ),
        Code::PushBesideTag => (
            "the push stands in the same block as the tag: what is public and cannot be taken back runs without a pause"
                .into(),
            "give the push a block of its own, so that the tag can be looked at first",
        ),
        Code::LiteralVersion => (
            format!("the version {detail} stands here as a literal{}", times(n)),
            "gonogo takes it for the parameter VERSION and shows every substitution; start with --param VERSION=…",
        ),
        Code::WorkflowNotFound => (
            format!("{} next to this file", named("the workflow", "is not", "the workflows", "are not", details)),
            "put a file of that name with the ending .md beside it, or take the call out",
        ),
        Code::RoleUndeclared => (
            format!("{} among the roles of the frontmatter", named("the role", "is not", "the roles", "are not", details)),
            "add it to `roles:`, so that somebody is named for it at the start",
        ),
        Code::ReferenceNotRun => (
            format!("{detail}: gonogo shows it and runs nothing{}", also(n)),
            "do it by hand where needed; to have a block run, mark it as ```bash",
        ),
        Code::Stream => (
            "this command follows without end: it feeds the log pane and is never waited for".into(),
            "nothing to do; other commands of the same block are better put into a block of their own",
        ),
        Code::RatioWithoutPercentile => (
            format!("`{detail}` names no percentile and no baseline"),
            "gonogo takes p95 against the five minutes before the first change; write `p95` to say so",
        ),
        Code::NoAutomaticCheck => (
            format!(
                "{detail} {}, 0 automatic: every one is answered by a person",
                if detail == "1" { "check" } else { "checks" }
            ),
            "nothing to do; gonogo shows the readings it has beside the checks they belong to",
        ),
        Code::FrontmatterBroken => (
            format!("the YAML head cannot be read: {detail}"),
            "quote a value that holds a colon, a bracket or a quote; the other keys were read one by one",
        ),
        Code::FrontmatterValue => (listed(details, "; "), "correct the value; until then the document runs without it"),
        Code::Mojibake => (
            format!("the text looks like UTF-8 that was read as {detail}"),
            "get the file again as UTF-8; `gonogo lint --preview FILE` prints a repaired preview, the file stays as it is",
        ),
        Code::NoSteps => (
            "no step found: there is nothing to walk through".into(),
            "write `## Steps` with a `### ` heading per step, or boxes `- [ ]` under a heading",
        ),
        Code::LongChecklist => (
            format!("{detail} checks stand together: more than nine are skimmed, not read{}", also(n)),
            "divide them into groups with a heading or a bold line each",
        ),
        Code::TickedInFile => (
            format!("{} ticked in the file; gonogo starts with every box open", boxes(n)),
            "write `- [ ]`: what was done in a release stands in its journal",
        ),
        Code::UnclosedFence => (
            "this fence is never closed: everything below it is code, and none of it runs".into(),
            "close it with a line of the same marks",
        ),
        Code::NotUtf8 => (
            format!("the file is no UTF-8: {detail}"),
            "save it as UTF-8; what could not be read shows as \u{fffd}, in commands as well",
        ),
        Code::ShellUnclosed => (
            "a quote, heredoc or compound command opens here and never closes in its block".into(),
            "close it, or mark the block as ```text when it is not meant to run",
        ),
        Code::HiddenCharacter => (
            format!("an invisible character ({detail}) stands in a command: what runs is not what you see"),
            "type the command again, without pasting",
        ),
        Code::RollbackInsideCommand => (
            "this command rolls back by itself when something in it fails".into(),
            "take it out: gonogo's own rollback returns to the pinned state and is verified",
        ),
        Code::UnclassifiedTasks => (
            format!("{} under a heading that gonogo does not know or does not walk through", boxes(n)),
            "move them into a step or a gate, or write them as plain bullets",
        ),
        Code::DurationUnknown => (
            format!("`{detail}` is not a duration, so nothing is timed here"),
            "write 5 min, 300 s or 1-2 hours",
        ),
        Code::CriterionNotMeasured => (
            format!("gonogo does not measure `{}`: a person has to declare it", listed(details, "`, `")),
            "write it for the error rate, latency p95, request rate or restarts to have it watched",
        ),
        Code::SecretInText => (
            format!("{} would be written into the text of a command or a check", listed(details, ", ")),
            "write \"$NAME\" in its place: a command reads it from its environment",
        ),
        Code::AnnotationSyntax => (
            format!("this annotation cannot be read: {}", listed(details, "; ")),
            "write `<!-- gonogo: key=value flag key=\"two words\" -->`",
        ),
        Code::AnnotationHeld => (
            format!("a gate is held: {}", listed(details, "; ")),
            "correct it; until then only an override with a reason goes past it",
        ),
        Code::AnnotationDoubleDash => (
            listed(details, "; "),
            "put the comment on a line of its own, indented below its item",
        ),
        Code::AnnotationKey => (listed(details, "; "), "see docs/annotations.md for the keys; this one does nothing"),
        Code::AnnotationValue => {
            (listed(details, "; "), "correct the value; until then the document runs without this key")
        }
        Code::AnnotationMisplaced => (
            listed(details, "; "),
            "put the comment behind the words it is about, or on a line of its own before the block",
        ),
        Code::AnnotationNotHonoured => {
            (format!("not kept: {}", listed(details, "; ")), "say in the prose what must happen; gonogo does what stands here instead")
        }
        Code::AnnotationWeakens => (
            format!("weaker than its words, unseen on a rendered page: {}", listed(details, "; ")),
            "say it in the prose, so that a reviewer sees it; gonogo marks it ⚠ in plan, screen and report",
        ),
        Code::CallRefused => (
            format!("a call is not followed: {}", listed(details, "; ")),
            "correct the line; until then it is held, and only an override with a reason goes past it",
        ),
        Code::CallTarget => (
            listed(details, "; "),
            "add it to `targets:` of this document, so that it is watched and the rollback key covers it",
        ),
        Code::CalledErrors => (listed(details, "; "), "correct them there: its steps run in this release"),
        Code::CallShadowed => {
            (listed(details, "; "), "nothing to do; to take the other one, move it nearer or rename one of them")
        }
        Code::CallLeftOut => (
            format!("not taken over from a called workflow: {}", listed(details, "; ")),
            "nothing to do; what must hold for this release belongs into this document",
        ),
    };
    (message, help.to_owned())
}

/// How many of a rule's details one message spells out.
const MAX_DETAILS: usize = 8;

/// The distinct details in the order in which they stand in the document.
fn listed(details: &[&str], between: &str) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for detail in details {
        if distinct.len() < MAX_DETAILS && !distinct.contains(detail) {
            distinct.push(detail);
        }
    }
    distinct.join(between)
}

fn named(one: &str, is: &str, several: &str, are: &str, details: &[&str]) -> String {
    let names = listed(details, "`, `");
    if names.contains('`') { format!("{several} `{names}` {are}") } else { format!("{one} `{names}` {is}") }
}

fn times(n: usize) -> String {
    if n == 1 { String::new() } else { format!(", {n} times in all") }
}

fn also(n: usize) -> String {
    if n == 1 { String::new() } else { format!(" (and {} more)", n - 1) }
}

fn lines(n: usize) -> String {
    if n == 1 { "a line".into() } else { format!("{n} lines") }
}

fn boxes(n: usize) -> String {
    if n == 1 { "a box stands".into() } else { format!("{n} boxes stand") }
}

fn offers(n: usize) -> String {
    if n == 1 { "this block offers".into() } else { format!("{n} blocks offer") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reports_once_with_its_further_places() {
        let places = Places::new("ab\ncd\nef\n");
        let mut findings = Findings::default();
        findings.note(Code::Stream, 6..8, String::new());
        findings.note(Code::Stream, 3..5, String::new());
        findings.note(Code::Stream, 3..5, String::new());
        findings.note(Code::NoSteps, 0..0, String::new());
        let found = findings.diagnostics(&places);
        assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::NoSteps, Code::Stream]);
        assert_eq!(found[1].place, Place { line: 2, column: 1 });
        assert_eq!(found[1].related, [Place { line: 3, column: 1 }]);
        assert_eq!(found[1].end_column, 3);
    }

    #[test]
    fn codes_are_written_as_the_json_plan_writes_them() {
        for code in [Code::NotUtf8, Code::TagMessageLosesComments, Code::RatioWithoutPercentile] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
