//! Release documents in the shapes that teams give them, none of them annotated, and the plan that
//! gonogo makes of each. `docs/documents.md` has the table of the shapes.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gonogo::workflow::{
    BlockClass, CommandKind, EvidenceKind, Language, Offer, Severity, Source, Workflow, lint_text, plan_json,
    plan_text, read, unresolved,
};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn load(path: &Path) -> Workflow {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = path.file_name().unwrap().to_str().unwrap();
    read(Source { file, bytes: &bytes, siblings: &|_| false })
}

fn shape(name: &str) -> Workflow {
    load(&folder("shapes").join(name))
}

fn parsed(text: &str) -> Workflow {
    read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false })
}

fn step(body: &str) -> Workflow {
    parsed(&format!("# R\n## Steps\n### 1. A\n{body}\n"))
}

fn checks(workflow: &Workflow) -> Vec<&str> {
    workflow.checks().map(|check| check.text.as_str()).collect()
}

fn runs(workflow: &Workflow) -> Vec<&str> {
    let runs = workflow.commands().filter(|command| {
        !matches!(command.kind, CommandKind::Reference | CommandKind::Note | CommandKind::Offer)
    });
    runs.map(|command| command.text.as_str()).collect()
}

/// Every file of `tests/fixtures/shapes` stands beside the plan it must give. After a change of
/// inference: `UPDATE_REPORTS=1 cargo test --test shapes`, then read the difference.
#[test]
fn every_shape_gives_the_plan_beside_it() {
    let mut files: Vec<PathBuf> = fs::read_dir(folder("shapes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "only {} shapes", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let plan = plan_text(&load(&path));
        let beside = path.with_extension("plan");
        if std::env::var_os("UPDATE_REPORTS").is_some() {
            fs::write(&beside, &plan).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if plan != expected {
            wrong.push(format!("{}:\n--- expected\n{expected}\n--- got\n{plan}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_shape_is_named_in_the_table_of_the_documentation() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/documents.md")).unwrap();
    for entry in fs::read_dir(folder("shapes")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            assert!(docs.contains(&name), "docs/documents.md does not say what becomes of {name}");
        }
    }
}

// ── languages

/// The plan without its words.
fn bare(plan: &Value) -> Value {
    const KEPT: &[&str] =
        &["kind", "class", "metric", "operator", "unit", "severity", "code", "default", "offer"];
    const LEFT_OUT: &[&str] = &["sha256", "column", "language", "file"];
    match plan {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
            let bare = kept.map(|(key, value)| {
                let whole = KEPT.contains(&key.as_str()) && value.is_string();
                (key.clone(), if whole { value.clone() } else { bare(value) })
            });
            bare.collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        Value::String(_) => "…".into(),
        other => other.clone(),
    }
}

/// What the JSON plan does not tell and a language may still get wrong.
fn inferred(workflow: &Workflow) -> Vec<String> {
    let checks =
        workflow.checks().map(|check| format!("{:?} {:?} {}", check.probe, check.evidence, check.optional));
    let steps = workflow.steps.iter().map(|step| {
        let timeboxes: Vec<_> = step.groups.iter().map(|group| group.timebox_s).collect();
        format!(
            "{:?} {} {} {} {timeboxes:?} {:?}",
            step.number,
            step.production,
            step.gating,
            step.poll.is_some(),
            step.soak
        )
    });
    let warnings = workflow.commands().map(|command| command.warnings.len().to_string());
    checks.chain(steps).chain(warnings).collect()
}

fn is_a_twin_of_the_english_one(language: &str, expected: Language) {
    let of = |language: &str| load(&folder("languages").join(format!("release.{language}.md")));
    let (english, other) = (of("en"), of(language));
    assert_eq!(other.language, expected);
    assert_eq!(inferred(&other), inferred(&english), "{}", plan_text(&other));
    assert_eq!(bare(&plan_json(&other)), bare(&plan_json(&english)), "{}", plan_text(&other));
}

#[test]
fn the_english_release_holds_all_that_its_twins_are_compared_by() {
    let english = load(&folder("languages").join("release.en.md"));
    assert_eq!((english.gates.len(), english.steps.len(), english.outputs.len()), (1, 4, 2));
    assert_eq!(english.steps[1].commands[0].kind, CommandKind::Choice);
    assert_eq!(english.steps[3].commands[0].choices.len(), 2);
    let soak = english.steps[2].soak.unwrap();
    assert_eq!((soak.min_s, soak.max_s), (3_600, 7_200));
    assert!(english.steps[1].production && english.steps[0].poll.is_some() && !english.steps[3].gating);
    assert_eq!(english.rollback.criteria.len(), 4);
    assert_eq!(
        english.rollback.criteria.iter().filter(|one| format!("{:?}", one.kind) == "Declared").count(),
        1
    );
    assert!(english.outputs.iter().all(|check| check.probe.is_some()));
    assert!(english.checks().any(|check| check.evidence.contains(&EvidenceKind::ErrorRate)));
    assert_eq!(english.errors[0].links, ["rollback"]);
}

#[test]
fn the_french_release_is_a_twin() {
    is_a_twin_of_the_english_one("fr", Language::French);
}

#[test]
fn the_german_release_is_a_twin() {
    is_a_twin_of_the_english_one("de", Language::German);
}

#[test]
fn the_spanish_release_is_a_twin() {
    is_a_twin_of_the_english_one("es", Language::Spanish);
}

#[test]
fn the_portuguese_release_is_a_twin() {
    is_a_twin_of_the_english_one("pt", Language::Portuguese);
}

// ── what runs, and what does not

#[test]
fn only_prompted_lines_of_a_session_run() {
    let commands = shape("console.md");
    assert_eq!(
        runs(&commands),
        [
            "git tag -a v1.4.0 -m \"Release v1.4.0\n\n## Features\"\ngit push origin v1.4.0\n",
            "cat > notes.md <<EOF\n## not a heading\nEOF\nmake dist\n"
        ]
    );
}

#[test]
fn what_may_be_a_command_is_shown_asked_about_and_never_run() {
    for body in [
        "```\ngit push origin main\n```",
        "    ./gradlew publish",
        "```console\n# apt-get install app\n```",
        "```bash\ngit push\nerror: failed to push\n```",
        "```bash\ngit push",
    ] {
        let workflow = step(body);
        let command = workflow.commands().next().unwrap();
        assert_eq!((command.kind, command.class), (CommandKind::Reference, BlockClass::Unsure), "{body}");
        assert_eq!(workflow.checks().count(), 1, "a person settles it: {body}");
        assert!(plan_text(&workflow).contains("? not run, may be commands or not"), "{body}");
    }
}

#[test]
fn output_and_messages_ask_for_nothing() {
    for (body, class) in [
        ("```\nBUILD SUCCESSFUL\n```", BlockClass::Output),
        ("```bash\nerror: failed to push some refs\n```", BlockClass::Output),
        ("Announce it:\n\n```\nHello, it is out.\n```", BlockClass::Message),
        ("```yaml\na: 1\n```", BlockClass::Data),
        ("```bash\n#!/bin/sh\nls\n```", BlockClass::Script),
    ] {
        let workflow = step(&format!("- [ ] a\n\n{body}"));
        let command = workflow.commands().next().unwrap();
        assert_eq!((command.kind, command.class), (CommandKind::Reference, class), "{body}");
        assert_eq!(checks(&workflow), ["a"], "{body}");
    }
}

#[test]
fn a_command_in_backticks_is_offered_on_its_check_and_not_awaited() {
    let workflow =
        step("- [ ] `kubectl get pods` is fine on `main`\n- [ ] Never run `kubectl delete ns shop`");
    let kinds: Vec<_> = workflow.commands().map(|command| (command.kind, command.text.as_str())).collect();
    assert_eq!(kinds, [(CommandKind::Offer, "kubectl get pods\n")]);
    assert_eq!(workflow.checks().count(), 2);
}

#[test]
fn alternatives_written_one_after_the_other_are_a_choice() {
    let workflow = shape("methods.md");
    let kinds: Vec<CommandKind> = workflow.commands().map(|command| command.kind).collect();
    assert_eq!(kinds, [CommandKind::Choice, CommandKind::Choice], "no method runs beside another");
    let labels: Vec<&str> = workflow
        .commands()
        .flat_map(|command| &command.choices)
        .map(|choice| choice.label.as_str())
        .collect();
    assert_eq!(labels[..3], ["Method 1: kubectl", "Method 2: helm", "Method 3: by hand"]);
    assert_eq!(labels[4], "manually");
    assert!(workflow.checks().all(|check| check.optional), "only one method's checks apply");
}

#[test]
fn two_methods_with_headings_of_their_own_are_one_step() {
    let workflow =
        parsed("# R\n## Steps\n### Option A\n```sh\nmake a\n```\n### Option B\n```sh\nmake b\n```\n");
    assert_eq!(workflow.steps.len(), 1);
    assert_eq!(workflow.commands().map(|command| command.choices.len()).collect::<Vec<_>>(), [2]);
    let top = parsed("# R\n## Method 1\n```sh\nmake a\n```\n## Method 2\n```sh\nmake b\n```\n");
    assert_eq!((top.steps.len(), top.commands().count()), (1, 1));
}

#[test]
fn a_sentence_that_only_mentions_or_separates_nothing() {
    let workflow = step("```sh\nmake a\n```\n\nOrder matters here:\n\n```sh\nmake b\n```");
    assert_eq!(runs(&workflow), ["make a\n", "make b\n"]);
}

#[test]
fn what_one_block_sets_reaches_the_next_in_plain_sight() {
    let workflow = step(
        "```sh\nexport NAME=shop REGION='eu west'\nOLD=$(git describe)\n```\n\n```sh\nmake \"$NAME\" \"${REGION}\"\n```\n\n```sh\ngit log $OLD..\n```",
    );
    let texts = runs(&workflow);
    assert_eq!(texts[1], "export NAME=shop\nexport REGION='eu west'\nmake \"$NAME\" \"${REGION}\"\n");
    assert!(texts[2].starts_with(": \"${OLD:?was set by the command of line 5"), "{}", texts[2]);
    assert!(plan_text(&workflow).contains("export REGION='eu west'"));
}

#[test]
fn a_value_that_only_a_chosen_alternative_sets_is_asked_for() {
    let workflow = step("```sh\nexport SIDE=blue\n# or\nexport SIDE=green\n```\n\n```sh\nmake $SIDE\n```");
    assert!(runs(&workflow)[1].starts_with(": \"${SIDE:?"), "{:?}", runs(&workflow));
}

// ── checks

#[test]
fn a_box_above_boxes_closes_with_them() {
    let workflow = step("- [ ] Publish\n  - [ ] npm\n  - [ ] PyPI (optional)\n- [ ] Done");
    assert_eq!(checks(&workflow), ["Publish: npm", "Publish: PyPI (optional)", "Done"]);
    assert_eq!(workflow.checks().map(|check| check.optional).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn conditions_on_plain_bullets_reach_every_task_below() {
    let workflow = shape("conditions.md");
    assert!(checks(&workflow)[1].starts_with("For major releases only: for the API: "));
    assert_eq!(workflow.checks().map(|check| check.optional).collect::<Vec<_>>(), [true, true, false, false]);
}

#[test]
fn waiting_is_a_hold_or_a_soak() {
    let workflow = shape("waiting.md");
    assert_eq!(workflow.steps[0].soak.map(|soak| soak.min_s), Some(600));
    assert_eq!(checks(&workflow)[0], "Wait for the dashboard to go green before you go on.");
}

#[test]
fn a_warning_stands_before_the_command_that_follows_it() {
    let workflow = shape("waiting.md");
    let warnings: Vec<_> = workflow.commands().map(|command| command.warnings.concat()).collect();
    assert_eq!(warnings[..2], ["The migration cannot be undone.", "Do not start this on a Friday."]);
    let last = workflow.steps[2].caption.as_deref().unwrap();
    assert!(last.contains("Keep the old image"), "without a command it is for whoever does the step: {last}");
}

#[test]
fn an_issue_template_is_a_checklist_with_owners() {
    let workflow = shape("issue-template.md");
    assert_eq!(workflow.steps.len(), 3);
    let owners: Vec<&str> = workflow.checks().flat_map(|check| &check.owners).map(String::as_str).collect();
    assert_eq!(owners, ["bo", "carol"]);
    assert!(!checks(&workflow).iter().any(|text| text.contains("comment")));
}

#[test]
fn a_numbered_section_of_words_alone_does_not_pass_by_itself() {
    let text = "# R\n## 1. Build\n```sh\nmake\n```\n## 2. Tell the lead\nIn person.\n## 3. Ship\n```sh\nmake ship\n```\n## Notes\nx\n";
    let workflow = parsed(text);
    let titles: Vec<&str> = workflow.steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["Build", "Tell the lead", "Ship"]);
    assert_eq!(checks(&workflow), ["Tell the lead"]);
    assert_eq!(checks(&parsed("# R\n## Steps\n### A\nOnly words.\n### B\n- [ ] b\n")), ["A", "b"]);
}

// ── parameters

#[test]
fn every_spelling_of_a_value_is_asked_for_once() {
    let workflow = shape("placeholders.md");
    let params: Vec<_> = workflow.params.iter().map(|param| (param.name.as_str(), param.offer)).collect();
    assert_eq!(
        params,
        [
            ("VERSION", Some(Offer::NextSemver)),
            ("DATE", Some(Offer::Today)),
            ("TAG", Some(Offer::NextSemver)),
            ("ACCOUNT", None)
        ]
    );
    let values = [("VERSION", "v3.1.0"), ("DATE", "2026-11-22"), ("TAG", "v3.1.0"), ("ACCOUNT", "acme")];
    let values: BTreeMap<String, String> =
        values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let filled = workflow.with_params(&values);
    for command in filled.commands() {
        assert_eq!(unresolved(&command.text), None, "{}", command.text);
    }
    assert!(runs(&filled)[2].contains("docker push acme/app:3.1.0"), "X.Y.Z has no v");
    assert!(checks(&filled)[0].ends_with("3.1.0"));
    let diff = workflow.param_diff(&values);
    assert_eq!(diff.iter().map(|change| change.place.line).collect::<Vec<_>>(), [6, 14, 15, 21, 22, 27]);
}

#[test]
fn without_a_value_a_placeholder_stays_and_is_known() {
    let workflow = step("```sh\ngit tag <version>\n```");
    assert_eq!(unresolved(runs(&workflow)[0]), Some("<version>"));
    assert_eq!(workflow.params[0].placeholders, ["<version>"]);
    assert_eq!(workflow.with_params(&BTreeMap::new()), workflow);
}

// ── hostile input

/// Texts that a reader with quadratic habits would not finish in the life of a test run. The sizes are
/// those of a debug build; one line of 50 MB takes ten times as long and shows nothing else.
#[test]
fn hostile_shapes_are_read_to_their_end() {
    let head = "# R\n## Steps\n### 1. A\n";
    let long = "word ".repeat(1_000_000);
    for (what, text) in [
        ("a line of 5 MB", format!("{head}{long}\n")),
        ("lists nested 10 000 deep", format!("{head}{}- [ ] x", "- ".repeat(10_000))),
        ("numbered lists nested 10 000 deep", "1. ".repeat(10_000) + "x"),
        ("100 000 fences", format!("{head}{}", "```\n".repeat(100_000))),
        ("many sessions", format!("{head}```console\n{}```\n", "$ echo \"\nx\n".repeat(20_000))),
        ("many prompts", format!("{head}```console\n{}```\n", "$ ls\n".repeat(50_000))),
        ("many placeholders", format!("{head}```sh\necho {}\n```\n", "<a b> ".repeat(50_000))),
        (
            "many parameters",
            format!(
                "{head}```sh\n{}```\n",
                (0..5_000).map(|n| format!("echo <p {n}>\n")).collect::<String>()
            ),
        ),
        ("open brackets", format!("{head}```sh\necho {}\n```\n", "<a ".repeat(50_000))),
        ("many settings", format!("{head}{}", "```sh\nexport A=1\necho $A\n```\n".repeat(10_000))),
        ("many methods", format!("{head}{}", "#### Method 1\n```sh\nls\n```\n".repeat(10_000))),
        ("many alternatives", format!("{head}{}", "```sh\nls\n```\n\nOr:\n\n".repeat(20_000))),
        ("many waits", format!("{head}{}", "Wait for it.\n\n".repeat(10_000))),
        ("many warnings", format!("{head}{}```sh\nls\n```\n", "> [!CAUTION]\n> x\n\n".repeat(10_000))),
        ("many lists", format!("{head}{}", "1. a\n\n```sh\nls\n```\n\n".repeat(10_000))),
        ("a wide table", format!("{head}|{}\n|{}\n", "Task|".repeat(5_000), "-|".repeat(5_000))),
        ("many owners", format!("{head}- [ ] {}\n", "@ana ".repeat(20_000))),
        ("many summaries", format!("{head}{}", "<details>\n<summary>x</summary>\n\n".repeat(10_000))),
    ] {
        let workflow = parsed(&text);
        assert_eq!(workflow.sha256.len(), 64, "{what}");
        assert!(!plan_text(&workflow).is_empty() && !lint_text(&workflow, false).is_empty(), "{what}");
    }
}

#[test]
fn what_is_carried_forward_stays_in_proportion_to_the_text() {
    let of = |n: usize| {
        let block = format!("```sh\nexport A={}\necho $A\n```\n", "x".repeat(150));
        let workflow = step(&block.repeat(n));
        workflow.commands().map(|command| command.text.len()).sum::<usize>()
    };
    let (small, large) = (of(50), of(100));
    assert!(large <= 2 * small + 1_000, "{small} bytes for 50 blocks, {large} for 100");
}

#[test]
fn no_shape_is_an_error_but_the_unclosed_fence() {
    for entry in fs::read_dir(folder("shapes")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") && !path.ends_with("unclosed.md") {
            let workflow = load(&path);
            let worst = workflow.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
            assert_eq!(worst, 0, "{}", lint_text(&workflow, false));
        }
    }
}

#[test]
fn somebody_answers_in_every_document() {
    let people = |text: &str| {
        let workflow = read(Source { file: "r.md", bytes: text.as_bytes(), siblings: &|_| false });
        let people = workflow.people().into_iter();
        people.map(|(role, answers)| format!("{role} {answers}")).collect::<Vec<_>>()
    };
    assert_eq!(people("# Release\n\n- [ ] Done\n"), ["operator true"]);
    let polled = "# Release\n\n## 1. Tag\n\n- [ ] Tagged <!-- x -->\n\n## 2. Production\n\n- [ ] Done\n\n\
                  ## Escalation\n\n- **It fails** → `tech-lead`\n";
    assert_eq!(people(polled), ["operator true", "tech-lead false"]);
    let head = "---\nroles: [ops, qa]\n---\n# Release\n\n## Escalation\n\n- **It fails** → `qa`\n";
    assert_eq!(people(head), ["ops true", "qa true"]);
}
