//! Whole documents: the shipped library, the seed and its twins, and bad input.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests fail and skip like tests")]

mod sound;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gonogo::workflow::{
    Code, CommandKind, CriterionKind, EvidenceKind, Item, LIBRARY, Language, Metric, Operator, Probe,
    Severity, Source, Workflow, lint_text, plan_json, plan_text, read,
};
use proptest::prelude::*;
use serde_json::Value;
use sound::{Where, assert_sound, assert_sound_at};
use unicode_width::UnicodeWidthStr;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn load(path: &Path) -> Workflow {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let folder = path.parent().unwrap();
    let file = path.file_name().unwrap().to_str().unwrap();
    read(Source { file, bytes: &bytes, siblings: &|name| folder.join(name).is_file() })
}

fn parsed(text: &str) -> Workflow {
    read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false })
}

fn fixture(name: &str) -> Workflow {
    load(&root().join("tests/fixtures/workflows").join(name))
}

/// The exact document of the yardstick, where it is at hand.
fn seed(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/seeds").join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {} is not here", path.display());
    None
}

fn markdown_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no files");
    files
}

/// The plan without its words: what two languages must agree on.
fn shape(plan: &Value) -> Value {
    const KEPT: &[&str] = &["kind", "metric", "operator", "unit", "severity", "code", "default"];
    const LEFT_OUT: &[&str] = &["sha256", "column", "language"];
    match plan {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()))
            .map(|(key, value)| {
                let kept = KEPT.contains(&key.as_str()) && value.is_string();
                (key.clone(), if kept { value.clone() } else { shape(value) })
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => "…".into(),
        other => other.clone(),
    }
}

const TEN: [Code; 10] = [
    Code::TagMessageLosesComments,
    Code::ChoiceNeeded,
    Code::PushBesideTag,
    Code::LiteralVersion,
    Code::WorkflowNotFound,
    Code::RoleUndeclared,
    Code::ReferenceNotRun,
    Code::Stream,
    Code::RatioWithoutPercentile,
    Code::NoAutomaticCheck,
];

/// What a careful reader finds in the seed and in every document of its shape.
fn assert_facts_of_the_seed(workflow: &Workflow) {
    let counts: Vec<usize> = workflow.steps.iter().map(|step| step.checks().count()).collect();
    assert_eq!(counts, [3, 0, 3, 4, 2, 8, 3, 4]);
    assert_eq!(workflow.gates.len(), 1);
    assert_eq!(workflow.gates[0].checks.len(), 5);
    let numbers: Vec<_> = workflow.steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, (1..=8).map(Some).collect::<Vec<_>>());
    let kinds: Vec<Vec<CommandKind>> = workflow
        .steps
        .iter()
        .map(|step| step.commands.iter().map(|command| command.kind).collect())
        .collect();
    use CommandKind::*;
    assert_eq!(
        kinds,
        [vec![Run], vec![Reference, Run], vec![Choice], vec![], vec![Choice], vec![], vec![Stream], vec![]]
    );

    let trigger = &workflow.steps[2].commands[0].choices;
    assert_eq!(trigger[0].text, None, "the tag starts it: nothing to run");
    assert!(trigger[1].warning.as_ref().is_some_and(|warning| warning.contains("double deploy")));
    let undo = &workflow.rollback.commands[0].choices;
    assert!(undo[1].warning.as_ref().is_some_and(|warning| warning.contains("does not undo the deploy")));

    let polls: Vec<bool> = workflow.steps.iter().map(|step| step.poll.is_some()).collect();
    assert_eq!(polls, [false, false, false, true, false, false, false, false]);
    let production: Vec<bool> = workflow.steps.iter().map(|step| step.production).collect();
    assert_eq!(production, [false, false, false, false, true, true, true, true]);
    let gating: Vec<bool> = workflow.steps.iter().map(|step| step.gating).collect();
    assert_eq!(gating, [true, true, true, true, true, true, true, false]);
    let timeboxes: Vec<_> = workflow.steps[5].groups.iter().map(|group| group.timebox_s).collect();
    assert_eq!(timeboxes, [Some(300), Some(1_800)]);
    let soak = workflow.steps[6].soak.unwrap();
    assert_eq!((soak.min_s, soak.max_s), (3_600, 7_200));
    assert_eq!(workflow.steps.iter().filter(|step| step.soak.is_some()).count(), 1);
    let optional: Vec<bool> = workflow.steps[4].checks().map(|check| check.optional).collect();
    assert_eq!(optional, [false, true]);
    assert_eq!(workflow.steps[0].order, [Item::Command(0), Item::Group(0)]);

    assert_eq!(workflow.params.len(), 1);
    assert_eq!(
        (workflow.params[0].name.as_str(), workflow.params[0].default.as_str()),
        ("VERSION", "v1.2.0")
    );
    assert_eq!(workflow.params[0].occurrences.len(), 7);
    assert_eq!(workflow.targets.len(), 1);
    let probes: Vec<_> = workflow.outputs.iter().map(|check| check.probe).collect();
    assert_eq!(probes, [Some(Probe::RolloutComplete), Some(Probe::TagPushed), None, None]);
    let kinds: Vec<_> = workflow.rollback.criteria.iter().map(|criterion| &criterion.kind).collect();
    let above = Operator::Above;
    let errors =
        CriterionKind::Threshold { metric: Metric::ErrorRate, operator: above, value: 1.0, unit: "%".into() };
    let latency = CriterionKind::Ratio { metric: Metric::LatencyP95, operator: above, factor: 2.0 };
    assert_eq!(kinds, [&errors, &latency, &CriterionKind::Declared, &CriterionKind::Declared]);
    assert_eq!(workflow.errors.len(), 3);
    assert_eq!(workflow.errors[2].links, ["rollback"]);
    assert_eq!(workflow.escalation.len(), 3);
    assert_eq!(workflow.escalation[1].actions, ["rollback"]);
    assert_eq!(workflow.roles.iter().filter(|role| !role.declared).count(), 1);

    let codes: Vec<Code> = workflow.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, TEN);
    assert!(workflow.diagnostics.iter().all(|found| found.severity != Severity::Error));
}

#[test]
fn the_seed_says_what_a_careful_reader_finds() {
    let Some(path) = seed("release.md") else { return };
    let workflow = load(&path);
    assert_facts_of_the_seed(&workflow);

    assert_eq!(workflow.title, "Release en Production");
    let ids: Vec<&str> = workflow.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids[..2], ["preparation", "creer-le-tag"]);
    assert_eq!(workflow.gates[0].id.as_str(), "pre-requis");
    let first = workflow.steps[0].checks().next().unwrap();
    assert_eq!(first.id.as_str(), "preparation/changelog-prepare");
    let command = &workflow.steps[1].commands[1];
    assert_eq!(command.id.as_str(), "creer-le-tag/command-1");
    assert_eq!(workflow.rollback.commands[0].id.as_str(), "rollback/command-1");
    let criteria: Vec<&str> =
        workflow.rollback.criteria.iter().map(|criterion| criterion.id.as_str()).collect();
    assert_eq!(criteria[..2], ["taux-d-erreur", "latence"]);
    assert_eq!(workflow.steps[2].commands[0].choices[0].label, "déclenché automatiquement par le tag");
    assert_eq!(workflow.steps[4].commands[0].caption.as_deref(), Some("Selon l'outil"));
    assert_eq!(workflow.targets[0].container.as_deref(), Some("app"));

    let place = |code: Code| {
        let found = workflow.diagnostics.iter().find(|found| found.code == code).unwrap();
        (found.place.line, found.place.column, found.related.len())
    };
    assert_eq!(place(Code::TagMessageLosesComments), (50, 1, 2));
    assert_eq!(place(Code::ChoiceNeeded), (71, 1, 2));
    assert_eq!(place(Code::PushBesideTag), (62, 1, 0));
    assert_eq!(place(Code::LiteralVersion), (48, 12, 6));
    assert_eq!(place(Code::WorkflowNotFound), (6, 9, 1));
    assert_eq!(place(Code::RoleUndeclared), (177, 36, 0));
    assert_eq!(place(Code::ReferenceNotRun), (44, 1, 0));
    assert_eq!(place(Code::Stream), (122, 1, 0));
    assert_eq!(place(Code::RatioWithoutPercentile), (161, 3, 0));
    assert_eq!(place(Code::NoAutomaticCheck), (18, 7, 0));

    use EvidenceKind::{Criteria, ErrorRate, Health, Latency, Logs, Rollout};
    let evidence = |text: &str| workflow.checks().find(|check| check.text == text).unwrap().evidence.clone();
    assert_eq!(evidence("Rollout progressif si applicable"), [Rollout, EvidenceKind::Command]);
    assert_eq!(evidence("Pas d'erreurs 5xx"), [ErrorRate]);
    assert_eq!(evidence("Pas d'erreurs dans les logs"), [Logs]);
    assert_eq!(evidence("API répond (health check)"), [Health]);
    assert_eq!(evidence("Latence normale"), [Latency]);
    assert_eq!(evidence("Métriques normales"), [Criteria]);
}

#[test]
fn french_and_english_twins_give_one_plan_apart_from_the_words() {
    let (french, english) = (fixture("livraison.fr.md"), fixture("delivery.en.md"));
    assert_facts_of_the_seed(&french);
    assert_facts_of_the_seed(&english);
    assert_eq!(shape(&plan_json(&french)), shape(&plan_json(&english)));
    let evidence = |workflow: &Workflow| -> Vec<Vec<EvidenceKind>> {
        workflow.checks().map(|check| check.evidence.clone()).collect()
    };
    assert_eq!(evidence(&french), evidence(&english));
    if let Some(path) = seed("release.md") {
        assert_eq!(shape(&plan_json(&load(&path))), shape(&plan_json(&french)));
    }
}

#[test]
fn every_shipped_workflow_runs_as_it_is() {
    for path in markdown_files("workflows") {
        let workflow = load(&path);
        let worst = workflow.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
        assert_eq!(worst, 0, "{}", lint_text(&workflow, false));
        let warnings =
            workflow.diagnostics.iter().filter(|found| found.severity == Severity::Warning).count();
        assert_eq!(warnings, 0, "{}", lint_text(&workflow, false));
        assert!(workflow.checks().count() <= 34, "{}", path.display());
        assert!(workflow.calls.iter().all(|call| call.found), "{}", path.display());
        assert!(workflow.roles.iter().all(|role| role.declared), "{}", path.display());
        let n_targets = match workflow.name.as_str() {
            // Behind nginx two sides of a service run wherever they run: no workload is named.
            "blue-green-nginx" => 0,
            "blue-green" | "canary-istio" => 2,
            _ => 1,
        };
        assert_eq!(workflow.targets.len(), n_targets, "{}", path.display());
        let asked: Vec<&str> = workflow.params.iter().map(|param| param.name.as_str()).collect();
        let expected: &[&str] = match workflow.name.as_str() {
            "feature-flag" => &["FLAG"],
            "hotfix" => &["VERSION", "COMMIT"],
            "production-checklist" | "incident-communication" => &[],
            _ => &["VERSION"],
        };
        assert_eq!(asked, expected, "{}", path.display());
    }
}

#[test]
fn the_shipped_twins_agree() {
    let of = |name: &str| load(&root().join("workflows").join(name));
    let evidence = |workflow: &Workflow| -> Vec<Vec<EvidenceKind>> {
        workflow.checks().map(|check| check.evidence.clone()).collect()
    };
    let english_ones = LIBRARY.iter().filter(|it| it.language == Language::English);
    for it in english_ones {
        let french = of(&format!("{}.md", it.name));
        let english = of(it.file);
        assert_eq!(shape(&plan_json(&french)), shape(&plan_json(&english)), "{}", it.name);
        assert_eq!(evidence(&french), evidence(&english), "{}", it.name);
        let probes = |workflow: &Workflow| workflow.probes();
        assert_eq!(probes(&french), probes(&english), "{}", it.name);
        let text = |workflow: &Workflow| -> Vec<String> {
            let run = workflow.commands().filter(|command| command.kind == CommandKind::Run);
            // Comments are words; what runs is the same.
            let code = |text: &str| {
                text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
            };
            run.map(|command| code(&command.text)).collect()
        };
        if it.name != "release" {
            assert_eq!(text(&french), text(&english), "{}", it.name);
        }
    }
    assert_eq!(markdown_files("workflows").len(), LIBRARY.len(), "a file that nobody ships");
}

#[test]
fn the_production_checklist_has_the_ten_items() {
    let workflow = load(&root().join("workflows/production-checklist.en.md"));
    let items = workflow.checks().count() - workflow.outputs.len();
    assert_eq!(items, 10);
    let polls: Vec<bool> = workflow.steps.iter().map(|step| step.poll.is_some()).collect();
    assert_eq!(polls, [false, false, false, false, true], "everybody answers at the end");
}

#[test]
fn an_agent_profile_is_a_reference_with_one_checklist() {
    let Some(path) = seed("production-expert.md") else { return };
    let workflow = load(&path);
    assert_eq!(workflow.steps.len(), 1);
    assert_eq!(workflow.steps[0].checks().count(), 10);
    assert_eq!(workflow.commands().count(), 0, "both scripts are references, none of them a step");
    assert_eq!((workflow.params.len(), workflow.targets.len()), (0, 0));
    let codes: Vec<Code> = workflow.diagnostics.iter().map(|found| found.code).collect();
    use Code::*;
    assert_eq!(codes, [LongChecklist, RollbackInsideCommand, ReferenceNotRun, NoAutomaticCheck]);
}

#[test]
fn a_mangled_file_is_detected_and_previewed_never_rewritten() {
    let Some(path) = seed("production-expert.as-received.md") else { return };
    let workflow = load(&path);
    assert!(workflow.diagnostics.iter().any(|found| found.code == Code::Mojibake));
    assert_eq!(workflow.text.as_bytes(), fs::read(&path).unwrap());
    let repaired = gonogo::workflow::mojibake(&workflow.text).unwrap();
    assert_eq!(repaired.encoding, "Windows-1254");
    assert_eq!((repaired.n_repaired_lines, repaired.n_lost_lines), (83, 16));
    assert!(repaired.preview.contains("Expert en déploiement production et stratégies de mise en ligne"));
}

/// Every file of `tests/fixtures/bad` stands beside the report it must give. After a change of
/// wording: `UPDATE_REPORTS=1 cargo test --test workflows`, then read the difference.
#[test]
fn bad_input_gives_the_report_beside_it() {
    let mut wrong = Vec::new();
    for path in markdown_files("tests/fixtures/bad") {
        let workflow = load(&path);
        let report = lint_text(&workflow, false);
        let beside = path.with_extension("report");
        if std::env::var_os("UPDATE_REPORTS").is_some() {
            fs::write(&beside, &report).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if report != expected {
            wrong.push(format!("{}:\n--- expected\n{expected}\n--- got\n{report}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_a_terminal_obeys_reaches_the_operator() {
    for path in markdown_files("tests/fixtures/bad") {
        let workflow = load(&path);
        for shown in [plan_text(&workflow), lint_text(&workflow, false)] {
            let obeyed = shown.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
            assert_eq!(obeyed, None, "{}", path.display());
        }
    }
}

#[test]
fn the_plan_for_people_stays_within_a_hundred_columns() {
    let mut files = markdown_files("workflows");
    files.extend(markdown_files("tests/fixtures/workflows"));
    for path in files {
        let plan = plan_text(&load(&path));
        let wide: Vec<&str> = plan.lines().filter(|line| line.width() > 100).collect();
        assert!(wide.is_empty(), "{}: {wide:#?}", path.display());
    }
}

#[test]
fn the_plan_for_people_reads_well() {
    let plan = plan_text(&load(&root().join("workflows/release.en.md")));
    let beside = root().join("tests/fixtures/workflows/release.en.plan");
    if std::env::var_os("UPDATE_REPORTS").is_some() {
        fs::write(&beside, &plan).unwrap();
    }
    let expected = fs::read_to_string(&beside).unwrap_or_default();
    assert_eq!(plan, expected);
}

#[test]
fn colours_are_asked_for() {
    let workflow = parsed("# A\n");
    assert!(lint_text(&workflow, true).contains('\u{1b}'));
    assert!(!lint_text(&workflow, false).contains('\u{1b}'));
}

#[test]
fn a_parameter_replaces_its_literal_and_nothing_else() {
    let workflow = fixture("delivery.en.md");
    let values = BTreeMap::from([("VERSION".to_owned(), "v1.3.0-rc.1".to_owned())]);
    let changed = workflow.with_params(&values);
    let texts = |workflow: &Workflow| -> String {
        let choices = workflow.commands().flat_map(|command| &command.choices);
        let choices = choices.flat_map(|choice| choice.text.iter().chain([&choice.label]));
        let commands = workflow.commands().map(|command| &command.text);
        commands.chain(choices).map(String::as_str).collect()
    };
    assert!(!texts(&changed).contains("v1.2.0"));
    assert_eq!(texts(&changed).replace("v1.3.0-rc.1", "v1.2.0"), texts(&workflow));
    assert_eq!(changed.text, workflow.text, "the document stays as it is");
    assert_eq!(workflow.with_params(&BTreeMap::new()), workflow);

    let diff = workflow.param_diff(&values);
    let lines: Vec<usize> = diff.iter().map(|change| change.place.line).collect();
    assert_eq!(lines, [48, 62, 72, 92, 94, 156], "one line each, even where the literal stands twice");
    assert_eq!(diff[0].after, "git tag -a v1.3.0-rc.1 -m \"Release v1.3.0-rc.1");
}

#[test]
fn a_version_in_a_check_is_replaced_too() {
    let text = "# R\n## Steps\n### 1. Ship\n```bash\ngit tag v1.2.0\n```\n- [ ] v1.2.0 is out\n";
    let values = BTreeMap::from([("VERSION".to_owned(), "v2.0.0".to_owned())]);
    let changed = parsed(text).with_params(&values);
    assert_eq!(changed.steps[0].checks().next().unwrap().text, "v2.0.0 is out");
    assert_eq!(parsed(text).params[0].occurrences.len(), 2);
}

#[test]
fn a_version_read_from_the_environment_is_a_parameter_without_an_example() {
    let workflow = parsed("# R\n## Steps\n### 1. Ship\n```bash\ngit tag \"$VERSION\"\n```\n");
    assert_eq!(workflow.params[0].default, "");
    assert_eq!(workflow.params[0].occurrences[0].column, 10);
    let own = parsed("# R\n## Steps\n### 1. Ship\n```bash\nVERSION=x\ngit tag \"$VERSION\"\n```\n");
    assert_eq!(own.params, []);
}

#[test]
fn frontmatter_orders_targets_and_proposes_a_policy() {
    let text = "---\ntargets: [statefulset/db, deployment/app]\nirreversible: [migration 42]\n\
                rollback: {auto: [error-rate, Latency x2], countdown: 45s}\n---\n# R\n## Steps\n### 1. Prod\n\
                ```bash\nkubectl -n shop set image deploy/app web=img:v1\nkubectl rollout restart ds/agent\n```\n\
                ## Rollback\n### Rollback criteria\n- Error rate > 1%\n- Latency x2\n";
    let workflow = parsed(text);
    let names: Vec<&str> = workflow.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["db", "app", "agent"], "declared ones in their order, then what else is changed");
    assert_eq!(workflow.targets[1].namespace.as_deref(), Some("shop"));
    assert_eq!(workflow.targets[1].container.as_deref(), Some("web"));
    assert_eq!(workflow.irreversible, ["migration 42"]);
    let policy = workflow.rollback.policy.unwrap();
    let auto: Vec<&str> = policy.auto.iter().map(|id| id.as_str()).collect();
    assert_eq!((auto, policy.countdown_s), (vec!["error-rate", "latency"], 45));
}

#[test]
fn a_policy_is_told_what_it_cannot_do_and_how_long_it_may_wait() {
    let with = |rollback: &str| {
        parsed(&format!(
            "---\nrollback: {rollback}\n---\n# R\n## Steps\n### 1. Prod\n```bash\nmake\n```\n## Rollback\n\
             ### Rollback criteria\n- Error rate > 1%\n- A critical function is broken\n"
        ))
    };
    let told = |workflow: &Workflow| -> String {
        workflow.diagnostics.iter().map(|known| format!("{} {}\n", known.place.line, known.message)).collect()
    };
    let declared = with("{auto: [error-rate, a-critical-function-is-broken]}");
    let policy = declared.rollback.policy.clone().unwrap();
    assert_eq!((policy.auto.len(), policy.countdown_s), (1, 60), "a person says so, and a minute is given");
    let words = told(&declared);
    assert!(words.contains("2 `rollback.auto` names `a-critical-function-is-broken`"), "{words}");
    assert!(words.contains("which only a person can see"), "{words}");
    for (asked, taken, why) in
        [("2s", 10, "nobody the time to stop it"), ("3h", 3_600, "none that anybody waits for")]
    {
        let workflow = with(&format!("{{auto: [error-rate], countdown: {asked}}}"));
        assert_eq!(
            workflow.rollback.policy.as_ref().map(|policy| policy.countdown_s),
            Some(taken),
            "{asked}"
        );
        assert!(told(&workflow).contains(why), "{}", told(&workflow));
    }
    assert!(!told(&with("{auto: [error-rate], countdown: 10s}")).contains("countdown"));
}

#[test]
fn numbered_items_with_work_of_their_own_are_steps() {
    let text =
        "# R\n## Procedure\n1. Build\n   ```sh\n   make\n   ```\n2. Tell people\n3. Look\n   - [ ] fine\n";
    let workflow = parsed(text);
    let steps: Vec<_> = workflow.steps.iter().map(|step| (step.number, step.title.as_str())).collect();
    assert_eq!(steps, [(Some(1), "Build"), (Some(2), "Tell people"), (Some(3), "Look")]);
    assert_eq!(workflow.steps[0].commands[0].text, "make\n");
    assert_eq!(workflow.steps[1].checks().count(), 1, "an item without work is confirmed by a person");
}

#[test]
fn without_a_steps_heading_every_section_with_work_is_a_step() {
    let workflow =
        parsed("# R\n## About\nWords.\n## Build\n```sh\nmake\n```\n## Ship\n- [ ] out\n## Notes\n- a\n");
    let titles: Vec<&str> = workflow.steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["Build", "Ship"]);
}

#[test]
fn a_condition_above_boxes_stays_with_them() {
    let workflow = parsed(
        "# R\n## Steps\n### 1. A\n- For minor releases:\n  - [ ] Write a post\n- [ ] Tag\n  - [ ] sign\n",
    );
    let texts: Vec<&str> = workflow.checks().map(|check| check.text.as_str()).collect();
    assert_eq!(texts, ["For minor releases: Write a post", "Tag: sign"]);
}

#[test]
fn boxes_with_the_same_words_have_ids_of_their_own() {
    let workflow = parsed("# R\n## Steps\n### 1. A\n- [ ] ok\n- [ ] ok\n- [ ] ok 2\n### 2. A\n- [ ] ok\n");
    let mut ids: Vec<&str> = workflow.checks().map(|check| check.id.as_str()).collect();
    assert_eq!(ids.len(), 4);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn three_alternatives_are_a_choice_of_three() {
    let text = "# R\n## Steps\n### 1. A\n```bash\none\n# or\ntwo\n# otherwise by phone\nthree\n```\n";
    let choices = &parsed(text).steps[0].commands[0].choices;
    let shown: Vec<_> =
        choices.iter().map(|choice| (choice.label.as_str(), choice.text.as_deref())).collect();
    assert_eq!(shown, [("one", Some("one\n")), ("two", Some("two\n")), ("by phone", Some("three\n"))]);
}

#[test]
fn depending_on_offers_a_choice_without_an_or() {
    let text = "# R\n## Steps\n### 1. A\n```bash\n# Depending on the tool\nkubectl apply -f x\nhelm upgrade x\n```\n";
    let workflow = parsed(text);
    assert_eq!(workflow.steps[0].commands[0].kind, CommandKind::Choice);
    assert_eq!(workflow.steps[0].commands[0].choices.len(), 2);
}

#[test]
fn an_alternative_inside_quotes_or_a_heredoc_is_text() {
    for text in ["git tag v1 -m \"a\n# ou\nb\"", "cat <<EOF\na\n# or\nb\nEOF"] {
        let workflow = parsed(&format!("# R\n## Steps\n### 1. A\n```bash\n{text}\n```\n"));
        assert_eq!(workflow.steps[0].commands[0].kind, CommandKind::Run, "{text}");
    }
}

#[test]
fn a_terminal_session_runs_without_its_prompts_and_outputs() {
    let text = "# R\n## Steps\n### 1. A\n```console\n$ git tag v1.2.0 \\\n    -m x\nok\n$ git push\n```\n";
    let workflow = parsed(text);
    let command = &workflow.steps[0].commands[0];
    assert_eq!(
        (command.kind, command.text.as_str()),
        (CommandKind::Run, "git tag v1.2.0 \\\n    -m x\ngit push\n")
    );
    assert_eq!(workflow.params[0].occurrences[0].column, 11, "the column counts the prompt");
}

#[test]
fn what_is_no_shell_is_shown_and_never_run() {
    for fence in ["```", "```yaml", "~~~json", "```promql"] {
        let close = &fence[..3];
        let workflow = parsed(&format!("# R\n## Steps\n### 1. A\n{fence}\nkubectl delete x\n{close}\n"));
        assert_eq!(workflow.steps[0].commands[0].kind, CommandKind::Reference, "{fence}");
    }
}

#[test]
fn an_escalation_line_needs_an_arrow_or_a_role_in_backticks() {
    let text = "# R\n## Escalation\n- Broken -> lead + rollback\n- Slow: call `ops`\n- See also: the wiki\n";
    let lines = parsed(text).escalation;
    let shown: Vec<_> = lines.iter().map(|line| (line.trigger.as_str(), line.roles[0].as_str())).collect();
    assert_eq!(shown, [("Broken", "lead"), ("Slow", "ops")]);
    assert_eq!(lines[0].actions, ["rollback"]);
}

#[test]
fn prerequisites_with_commands_are_a_step_because_a_gate_runs_nothing() {
    let workflow =
        parsed("# R\n## Prerequisites\n```sh\nmake test\n```\n- [ ] green\n## Steps\n### 1. A\n- [ ] a\n");
    assert_eq!(workflow.gates, []);
    assert_eq!(workflow.steps[0].title, "Prerequisites");
    assert_eq!(workflow.steps[0].commands.len(), 1);
}

#[test]
fn a_poll_without_roles_still_asks_somebody() {
    let workflow = parsed("# R\n## Steps\n### 1. A\n- [ ] a\n### 2. Production\n- [ ] b\n");
    let roles: Vec<&str> =
        workflow.steps[0].poll.as_ref().unwrap().roles.iter().map(|role| role.as_str()).collect();
    assert_eq!(roles, ["operator"]);
}

#[test]
fn windows_line_ends_change_nothing_but_the_hash() {
    let text = fs::read_to_string(root().join("tests/fixtures/workflows/livraison.fr.md")).unwrap();
    let file =
        |text: String| read(Source { file: "livraison.fr.md", bytes: text.as_bytes(), siblings: &|_| false });
    let (unix, windows) = (file(text.clone()), file(text.replace('\n', "\r\n")));
    let plan = |workflow: &Workflow| {
        let mut plan = plan_json(workflow);
        plan["sha256"] = Value::Null;
        plan
    };
    assert_eq!(plan(&unix), plan(&windows));
}

#[test]
fn a_called_workflow_is_looked_for_beside_the_file_and_nowhere_else() {
    let asked = std::cell::RefCell::new(Vec::new());
    let text = "---\ncalls: [rollback, ../etc/passwd, .hidden]\n---\n# R\n";
    let siblings = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        name == "rollback.md"
    };
    let workflow = read(Source { file: "dir/release.en.md", bytes: text.as_bytes(), siblings: &siblings });
    let found: Vec<bool> = workflow.calls.iter().map(|call| call.found).collect();
    assert_eq!(found, [true, false, false]);
    assert_eq!(*asked.borrow(), ["rollback.en.md", "rollback.md"]);
}

/// Texts that a reader with quadratic or recursive habits would never finish or not survive.
#[test]
fn hostile_documents_are_read_to_their_end() {
    let megabyte = "a ".repeat(500_000);
    let step = "# R\n## Steps\n### 1. A\n";
    for (what, text) in [
        ("nested lists", "- ".repeat(10_000) + "x"),
        ("nested quotes", "> ".repeat(10_000) + "x"),
        ("nested boxes", (0..200).map(|depth| format!("{}- [ ] x\n", "  ".repeat(depth))).collect()),
        ("many fences", format!("{step}{}", "```bash\nls\n```\n".repeat(20_000))),
        ("many unclosed quotes", format!("{step}{}", "```bash\necho \"\n```\n".repeat(5_000))),
        ("a long line", format!("{step}{megabyte}\n- [ ] {megabyte}\n")),
        ("a long command", format!("{step}```bash\necho {megabyte}v1.2.0 v1.2.0\n```\n")),
        ("many versions in a line", format!("{step}```bash\necho {}\n```\n", "v1.2.0 ".repeat(50_000))),
        ("the same box", format!("{step}{}", "- [ ] x\n".repeat(20_000))),
        ("emphasis", format!("{step}{}", "*a **b ".repeat(20_000))),
        ("brackets", format!("{step}{}", "[".repeat(50_000))),
        ("substitutions", format!("{step}```bash\n{}\n```\n", "$(".repeat(100_000))),
        ("heredocs", format!("{step}```bash\n{}\n```\n", "cat <<E\nE\n".repeat(20_000))),
        ("headings", "## x\n- [ ] y\n".repeat(10_000)),
        ("alternatives", format!("{step}```bash\n{}```\n", "ls\n# or\n".repeat(20_000))),
        ("a deep head", format!("---\na: {}\n---\n# R\n", "[".repeat(10_000))),
        (
            "a table",
            format!(
                "# R\n## Common errors\n{}",
                "|a|b|c|\n|-|-|-|\n".to_owned() + &"|x|y|z|\n".repeat(20_000)
            ),
        ),
    ] {
        let workflow = parsed(&text);
        assert_eq!(workflow.sha256.len(), 64, "{what}");
        assert!(!plan_text(&workflow).is_empty() && !lint_text(&workflow, false).is_empty(), "{what}");
    }
}

const TWIN: &str = include_str!("fixtures/workflows/livraison.fr.md");

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        assert_sound_at(Where::Document, &bytes);
    }

    #[test]
    fn any_markdown_is_read(text in "(# |## |### |Steps\n|Rollback\n|- \\[ \\] |- |1\\. |```bash\n|```\n|---\n|name: |\n|git tag v1.2.0|# ou\n|> |\\||\\*\\*|→|é|\"|'|\\$\\(|<<E\n|  |5 min|x2|:| ){0,60}") {
        assert_sound(&parsed(&text));
    }

    #[test]
    fn anything_in_an_annotation_is_read(text in "(id|after|approvals|metric|max|for|soak|hold|=|=2|=1%|=error-rate|\"|'|,|\\.\\.| |\\\\|-->|<!--|é|\n){0,24}") {
        assert_sound_at(Where::Annotation, text.as_bytes());
    }

    #[test]
    fn anything_in_a_block_is_read(text in "(git tag|export A=|kubectl|\\$ |# |> |\"|'|\\$\\(|\\)|<<E|E\n|```|\\|\\||;|\\{|\\}|if |done|<x>|v1\\.2\\.0|é|\t| |\n){0,40}") {
        assert_sound_at(Where::Shell, text.as_bytes());
        assert_sound_at(Where::Console, text.as_bytes());
    }

    #[test]
    fn a_mutated_release_is_read(
        cuts in proptest::collection::vec((0usize..TWIN.len(), 0usize..60, "[#\\-`\"'\\[\\]|:\n a→é$(<]{0,4}"), 1..12)
    ) {
        let mut text = TWIN.to_owned();
        for (at, length, put) in cuts {
            let floor = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            let range = floor(at)..floor(at + length);
            text.replace_range(range, &put);
        }
        assert_sound(&parsed(&text));
    }
}

#[test]
fn a_table_of_levels_is_read_in_every_language_and_any_other_table_is_text() {
    for header in [
        "Level | Who | When",
        "Niveau | Qui | Délai",
        "Stufe | Wer | Wann",
        "Nivel | Quién | Cuándo",
        "Nível | Quem | Quando",
    ] {
        let text = format!(
            "---\nroles: [ops, cto]\n---\n# R\n\n## Escalation\n\n| {header} |\n|---|---|---|\n\
             | 1 | `ops` | 0 min |\n| 2 | ops, cto (+33 6 12) | 15-30 min |\n| 3 | cto | — |\n| 4 | | 2 h |\n"
        );
        let workflow = parsed(&text);
        let shown: Vec<(&str, Vec<&str>, Option<u64>)> = workflow
            .escalation
            .iter()
            .map(|level| {
                (
                    level.trigger.as_str(),
                    level.roles.iter().map(|role| role.as_str()).collect(),
                    level.after_s,
                )
            })
            .collect();
        let level = header.split(' ').next().expect("a first column");
        let triggers = [format!("{level} 1, 0 min"), format!("{level} 2, 15-30 min"), format!("{level} 3")];
        let expected = [
            (triggers[0].as_str(), vec!["ops"], Some(0)),
            (triggers[1].as_str(), vec!["ops", "cto"], Some(900)),
            (triggers[2].as_str(), vec!["cto"], None),
        ];
        assert_eq!(shown, expected, "{header}");
        assert_eq!(workflow.escalation[1].answer, "ops, cto (+33 6 12)");
        assert_eq!(workflow.escalation[1].place.line, 11);
    }
    let of = |table: &str| parsed(&format!("# R\n\n## Escalation\n\n{table}\n")).escalation;
    assert_eq!(of("| Who | Phone |\n|---|---|\n| ops | 112 |"), [], "nobody says when");
    assert_eq!(of("| Level | When |\n|---|---|\n| 1 | 5 min |"), [], "nobody is named");
    let contact = of("| After | Contact | Phone |\n|---|---|---|\n| 1 hour | Ana | 112 |");
    assert_eq!((contact[0].answer.as_str(), contact[0].after_s), ("Ana, 112", Some(3_600)));
    assert_eq!(contact[0].trigger, "1 hour");
}

#[test]
fn a_level_of_escalation_has_the_time_that_the_document_gives_it() {
    let text = "# R\n## Escalation\n- After 15 minutes → `lead`\n- 30-60 min → `cto`, +33 6 12\n\
                - Level 3: `ops` after 1h30\n- Broken → `ops` (answers within 5 min)\n- Data lost → `dpo`\n";
    let lines = parsed(text).escalation;
    let times: Vec<Option<u64>> = lines.iter().map(|line| line.after_s).collect();
    assert_eq!(times, [Some(900), Some(1_800), Some(5_400), None, None]);
    assert_eq!(lines[1].answer, "cto, +33 6 12");
}
