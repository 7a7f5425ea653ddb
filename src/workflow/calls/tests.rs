use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::workflow::{Code, CommandKind, Language, Source, plan_text, read};

/// Files by name; whatever begins with `built-in:` is the library's.
struct Files(BTreeMap<String, String>);

impl Shelf for Files {
    fn find(&self, _: Option<&str>, name: &str, _: Language) -> Vec<(String, CalledFrom)> {
        let places = [
            (format!("{name}.md"), CalledFrom::Beside),
            (format!("workflows/{name}.md"), CalledFrom::Repository),
            (format!("built-in:{name}.md"), CalledFrom::BuiltIn),
        ];
        places.into_iter().filter(|(file, _)| self.0.contains_key(file)).collect()
    }

    fn text(&self, file: &str) -> Option<String> {
        self.0.get(file).cloned()
    }
}

fn files(files: &[(&str, &str)]) -> Files {
    Files(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
}

fn with(text: &str, shelf: &Files) -> Workflow {
    let plain = read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false });
    let called = Arc::new(gather(&plain, shelf));
    placed(plain, &called)
}

fn ids(workflow: &Workflow) -> Vec<&str> {
    workflow.steps.iter().map(|step| step.id.as_str()).collect()
}

fn codes(workflow: &Workflow) -> Vec<Code> {
    workflow.diagnostics.iter().map(|found| found.code).collect()
}

fn message(workflow: &Workflow, code: Code) -> String {
    let found = workflow.diagnostics.iter().find(|found| found.code == code);
    found.map(|found| found.message.clone()).unwrap_or_default()
}

const RELEASE: &str = "---\nroles: [lead]\ntargets: [deployment/app]\n---\n# Release\n\n## Steps\n\n### 1. Prepare\n\n- [ ] Ready\n\n### 2. Production\n\n```bash\nkubectl set image deployment/app app=myapp:v1.2.0\n```\n\n→ **workflow**: migrate\n\n- [ ] Migrated\n\n### 3. Look\n\n- [ ] Fine\n";
const MIGRATE: &str = "# Migrate\n\n## Prerequisites\n\n- [ ] Backup taken\n\n## Steps\n\n### Run it\n\n```bash\n./migrate v0.9.0\n./look v0.9.0\n```\n\n### Check it\n\n- [ ] Rows are right <!-- gonogo: after=run-it/command-1 -->\n\n## Outputs\n\n- Schema is new\n";

#[test]
fn a_called_workflow_stands_in_the_place_of_its_line_with_gate_and_outputs() {
    let workflow = with(RELEASE, &files(&[("migrate.md", MIGRATE)]));
    let expected = [
        "prepare",
        "production",
        "production/migrate/prerequisites",
        "production/migrate/run-it",
        "production/migrate/check-it",
        "production/migrate/outputs",
        "production/continued",
        "look",
    ];
    assert_eq!(ids(&workflow), expected);
    assert_eq!(workflow.steps[1].commands.len(), 1, "the line itself is gone, the block before it stays");
    assert_eq!(workflow.steps[6].checks().count(), 1);
    assert!(workflow.steps[2..].iter().all(|step| step.production), "what production calls is production");
    let check = workflow.steps[4].checks().next().unwrap();
    assert_eq!(
        check.annotated.after,
        [crate::workflow::Before::Command("production/migrate/run-it/command-1".into())]
    );
    assert_eq!(workflow.steps[3].called.as_ref().unwrap().file, "migrate.md");
    assert_eq!(workflow.file_of(&workflow.steps[3]), "migrate.md");
    assert!(!codes(&workflow).contains(&Code::WorkflowNotFound));
    assert_eq!(workflow.gates.len(), 0);
    insta::assert_snapshot!(plan_text(&workflow));
    insta::assert_snapshot!(crate::workflow::explain_text(&workflow, Some(19)));
}

#[test]
fn doing_it_twice_changes_nothing_and_the_answers_alone_give_the_same() {
    let shelf = files(&[("migrate.md", MIGRATE)]);
    let workflow = with(RELEASE, &shelf);
    let kept: CalledFiles =
        serde_json::from_str(&serde_json::to_string(workflow.called.as_deref().unwrap()).unwrap()).unwrap();
    let kept = Arc::new(kept);
    // The file may lie beside the document by now, or not: the answers say what was found then.
    let plain = read(Source { file: "release.md", bytes: RELEASE.as_bytes(), siblings: &|_| true });
    assert_eq!(placed(plain, &kept), workflow);
    assert_eq!(placed(workflow.clone(), &kept), workflow);
}

#[test]
fn a_value_is_inherited_by_name_and_each_text_keeps_its_own_example() {
    let workflow = with(RELEASE, &files(&[("migrate.md", MIGRATE)]));
    assert_eq!(workflow.params.len(), 1);
    let given = BTreeMap::from([("VERSION".to_owned(), "v1.3.0".to_owned())]);
    let filled = workflow.with_params(&given);
    assert_eq!(filled.steps[1].commands[0].text, "kubectl set image deployment/app app=myapp:v1.3.0\n");
    assert_eq!(filled.steps[3].commands[0].text, "./migrate v1.3.0\n./look v1.3.0\n");
    let changed = workflow.param_diff(&given);
    let files: Vec<Option<&str>> = changed.iter().map(|change| change.file.as_deref()).collect();
    assert_eq!(files, [None, Some("migrate.md"), Some("migrate.md")]);
}

#[test]
fn a_value_is_passed_by_the_line_to_text_and_environment_through_two_calls() {
    let release = RELEASE.replace("migrate\n", "migrate VERSION=v0.8.0 APP_TAG=$VERSION\n");
    let migrate =
        MIGRATE.replace("./look v0.9.0", "./look v0.9.0 $APP_TAG\n```\n\n→ workflow: inner\n\n```bash\ntrue");
    let inner = "# Inner\n\n## Steps\n\n### One\n\n```bash\necho $APP_TAG $VERSION\n```\n";
    let workflow = with(&release, &files(&[("migrate.md", &migrate), ("inner.md", inner)]));
    let given = BTreeMap::from([("VERSION".to_owned(), "v1.3.0".to_owned())]);
    let filled = workflow.with_params(&given);
    let of = |id: &str| filled.steps.iter().find(|step| step.id.as_str() == id).unwrap();
    let text = &of("production/migrate/run-it").commands[0].text;
    assert_eq!(text, "export APP_TAG=\"$VERSION\"\n./migrate v0.8.0\n./look v0.8.0 $APP_TAG\n");
    let step = of("production/migrate/run-it/inner/one");
    assert_eq!(
        step.commands[0].text,
        "export APP_TAG=\"$VERSION\"\nexport VERSION=v0.8.0\necho $APP_TAG $VERSION\n"
    );
    assert_eq!(step.called.as_ref().unwrap().depth, 2);
}

#[test]
fn what_cannot_be_passed_is_held_and_the_rest_runs() {
    for (passed, why) in [
        ("NAME=x", "`migrate` has no parameter NAME; it has VERSION"),
        ("VERSION=$OTHER", "$OTHER is no parameter of this document"),
        ("VERSION=a;b", "holds ';'"),
        ("VERSION=v1.0.0 VERSION=v1.0.1", "VERSION is passed twice"),
    ] {
        let release = RELEASE.replace("migrate\n", &format!("migrate {passed}\n"));
        let workflow = with(&release, &files(&[("migrate.md", MIGRATE)]));
        assert!(
            message(&workflow, Code::CallRefused).contains(why),
            "{}",
            message(&workflow, Code::CallRefused)
        );
        assert_eq!(ids(&workflow), ["prepare", "production", "look"]);
        let held = workflow.steps[1].checks().next().unwrap();
        assert!(held.annotated.hold.as_ref().is_some_and(|hold| hold.contains(why)), "{held:?}");
    }
}

#[test]
fn a_call_that_nothing_answers_is_done_by_hand_and_named() {
    let workflow = with(RELEASE, &files(&[]));
    let checks: Vec<&str> = workflow.steps[1].checks().map(|check| check.text.as_str()).collect();
    assert_eq!(checks, ["→ migrate: nothing answers this call, so it is done by hand", "Migrated"]);
    assert!(!workflow.steps[1].checks().next().unwrap().optional);
    let found = workflow.diagnostics.iter().find(|found| found.code == Code::WorkflowNotFound).unwrap();
    assert_eq!((found.place.line, found.message.contains("`migrate`")), (19, true));
}

#[test]
fn a_conditional_call_is_offered_and_never_awaited() {
    for line in [
        "If a row is wrong → workflow: migrate",
        "→ workflow: migrate if a row is wrong",
        "If a row is wrong:\n\n→ workflow: migrate",
        "- If a row is wrong → workflow: migrate",
        "→ workflow: migrate (optional)",
    ] {
        let release = RELEASE.replace("→ **workflow**: migrate", line);
        let workflow = with(&release, &files(&[("migrate.md", MIGRATE)]));
        assert_eq!(ids(&workflow), ["prepare", "production", "look"], "{line}");
        let offered = workflow.steps[1].commands.last().unwrap();
        assert_eq!(offered.kind, CommandKind::Reference);
        let caption = offered.caption.as_deref().unwrap_or_default();
        assert!(caption.contains("gonogo run migrate.md"), "{line}: {caption}");
        assert_eq!(workflow.steps[1].checks().count(), 1, "{line}");
    }
}

#[test]
fn a_built_in_answer_is_offered_beside_a_block_and_taken_where_there_is_none() {
    let shelf = files(&[("built-in:migrate.md", MIGRATE)]);
    let beside = with(RELEASE, &shelf);
    assert_eq!(ids(&beside), ["prepare", "production", "look"]);
    assert!(codes(&beside).contains(&Code::WorkflowNotFound), "the author has still no such file");
    let alone = RELEASE.replace("```bash\nkubectl set image deployment/app app=myapp:v1.2.0\n```\n", "");
    let alone = with(&alone, &shelf);
    assert!(ids(&alone).contains(&"production/migrate/run-it"), "{:?}", ids(&alone));
}

#[test]
fn the_nearer_of_two_is_taken_and_the_other_named() {
    let far = MIGRATE.replace("Run it", "Far");
    let workflow = with(RELEASE, &files(&[("migrate.md", MIGRATE), ("workflows/migrate.md", &far)]));
    assert!(ids(&workflow).contains(&"production/migrate/run-it"));
    assert!(message(&workflow, Code::CallShadowed).contains("workflows/migrate.md"));
}

#[test]
fn a_circle_is_refused_with_its_chain() {
    let a = "# A\n\n## Steps\n\n### One\n\n→ workflow: b\n";
    let b = "# B\n\n## Steps\n\n### Two\n\n→ workflow: migrate\n";
    let workflow = with(RELEASE, &files(&[("migrate.md", a), ("b.md", b)]));
    let told = message(&workflow, Code::CallRefused);
    assert!(
        told.contains("Release → migrate → b → migrate") || told.contains("release → migrate → b → migrate"),
        "{told}"
    );
    assert!(told.contains("b.md:7"), "{told}");
    assert_eq!(ids(&workflow).len(), 6, "the rest is in its place: {:?}", ids(&workflow));
    let itself = RELEASE.replace("migrate\n", "release\n");
    let itself = with(&itself, &files(&[("release.md", &itself)]));
    assert!(message(&itself, Code::CallRefused).contains("circle"));
}

#[test]
fn a_depth_that_nobody_follows_is_refused() {
    let mut shelf = files(&[]);
    for n in 0..12 {
        let text = format!("# L{n}\n\n## Steps\n\n### Go\n\n→ workflow: l{}\n\n- [ ] Done\n", n + 1);
        shelf.0.insert(format!("l{n}.md"), text);
    }
    let release = RELEASE.replace("migrate\n", "l0\n");
    let workflow = with(&release, &shelf);
    let deepest = workflow.called_workflows().iter().map(|called| called.depth).max();
    assert_eq!(deepest, Some(DEEPEST));
    assert!(message(&workflow, Code::CallRefused).contains("8 deep"), "{:?}", workflow.diagnostics);
}

#[test]
fn the_way_back_and_the_targets_stay_those_of_the_caller() {
    let migrate = format!(
        "---\ntargets: [statefulset/db]\nroles: [dba]\n---\n{MIGRATE}\n## Rollback\n\n```bash\n./undo\n```\n\n**Rollback criteria**:\n- Error rate > 5%\n"
    );
    let workflow = with(RELEASE, &files(&[("migrate.md", &migrate)]));
    assert_eq!(workflow.targets.len(), 1);
    assert!(!workflow.rollback.present && workflow.rollback.criteria.is_empty());
    assert!(message(&workflow, Code::CallTarget).contains("statefulset/db"));
    assert!(message(&workflow, Code::CallLeftOut).contains("the rollback section of migrate.md"));
    assert!(workflow.roles.iter().any(|role| role.name.as_str() == "dba" && role.declared));
}

#[test]
fn a_call_of_the_rollback_section_is_no_step() {
    let release = format!("{RELEASE}\n## Rollback\n\n→ **workflow**: migrate\n\n```bash\n./undo\n```\n")
        .replacen("→ **workflow**: migrate\n", "", 1);
    let workflow = with(&release, &files(&[("migrate.md", MIGRATE)]));
    assert_eq!(ids(&workflow), ["prepare", "production", "look"]);
    assert!(workflow.rollback.calls[0].found);
    assert_eq!(workflow.called.as_ref().unwrap().texts.len(), 0, "its text is not needed");
}

fn arb_graph() -> impl Strategy<Value = Vec<Vec<(usize, u8)>>> {
    proptest::collection::vec(proptest::collection::vec((0usize..7, 0u8..6), 0..4), 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever calls whatever: it ends, every id is one item's alone, and no call is an open door.
    #[test]
    fn any_graph_of_calls_ends_with_unique_ids(graph in arb_graph()) {
        let text = |n: usize, calls: &[(usize, u8)]| {
            let mut text = format!("# W{n}\n\n## Prerequisites\n\n- [ ] Ready\n\n## Steps\n\n### Go\n\n");
            for (to, how) in calls {
                let line = match how {
                    0 => format!("If it fails → workflow: w{to}\n\n"),
                    1 => format!("### Go\n\n→ workflow: w{to}\n\n- [ ] Done\n\n"),
                    2 => format!("```bash\ntrue\n```\n\n→ workflow: w{to} VERSION=v1.0.0\n\n"),
                    _ => format!("→ workflow: w{to}\n\n"),
                };
                text.push_str(&line);
            }
            text + "- [ ] Done\n"
        };
        let shelf = Files(graph.iter().enumerate().map(|(n, calls)| (format!("w{n}.md"), text(n, calls))).collect());
        let workflow = with(&text(99, &[(0, 3), (1, 1)]), &shelf);
        let mut seen = BTreeSet::new();
        for id in workflow.steps.iter().map(|step| step.id.0.clone()) {
            prop_assert!(seen.insert(id.clone()), "step {id}");
        }
        for id in workflow.commands().map(|command| command.id.0.clone()) {
            prop_assert!(seen.insert(id.clone()), "command {id}");
        }
        for id in workflow.checks().map(|check| check.id.0.clone()) {
            prop_assert!(seen.insert(id.clone()), "check {id}");
        }
        prop_assert!(workflow.steps.len() < 3_000, "{} steps", workflow.steps.len());
        let kept = Arc::clone(workflow.called.as_ref().unwrap());
        let again = read(Source { file: "release.md", bytes: workflow.text.as_bytes(), siblings: &|_| true });
        prop_assert_eq!(placed(again, &kept), workflow);
    }
}

#[test]
fn a_value_that_a_called_text_writes_must_be_plain_there_too() {
    let release =
        RELEASE.replace("roles: [lead]", "roles: [lead]\nparams: {NOTE: string, CHAT_TOKEN: secret}");
    let migrate = MIGRATE.replace("./look v0.9.0", "./look <note> $CHAT_TOKEN");
    let workflow = with(&release, &files(&[("migrate.md", &migrate)]));
    let note = workflow.params.iter().find(|param| param.name == "NOTE").unwrap();
    assert!(note.check("two words; reboot").is_err(), "it stands in a command of the called workflow");
    assert_eq!(note.check("words"), Ok(()));
    let alone = read(Source { file: "release.md", bytes: release.as_bytes(), siblings: &|_| false });
    let note = alone.params.iter().find(|param| param.name == "NOTE").unwrap();
    assert_eq!(note.check("two words; reboot"), Ok(()), "alone it is read from the environment only");
    let given = BTreeMap::from([("CHAT_TOKEN".to_owned(), "hunter2x".to_owned())]);
    let filled = workflow.with_params(&given);
    assert!(filled.commands().all(|command| !command.text.contains("hunter2x")));
}

#[test]
fn what_a_production_step_calls_is_not_run_again_by_itself() {
    let called = "# Wait\n\n## Steps\n\n### Look\n\n<!-- gonogo: retries=3 -->\n```bash\nmake look\n```\n";
    let placed = |heading: &str| {
        let text = format!("# T\n\n## Steps\n\n### {heading}\n\n→ workflow: wait\n");
        with(&text, &files(&[("wait.md", called)]))
    };
    let kept = |workflow: &Workflow| workflow.commands().filter_map(|it| it.annotated.retries).sum::<u32>();
    assert_eq!(kept(&placed("Staging")), 3);
    let workflow = placed("Production");
    assert_eq!(kept(&workflow), 0);
    let told = workflow.diagnostics.iter().find(|found| found.code == Code::AnnotationNotHonoured).unwrap();
    assert_eq!(told.place.line, 7);
    assert!(told.message.contains("acts on production"), "{}", told.message);
}
