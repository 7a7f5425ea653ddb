//! `gonogo lint` and `gonogo explain` as programs, and pages of the documentation that are kept true.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![allow(clippy::disallowed_methods, reason = "the program is started as its user starts it")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use gonogo::workflow::{
    CheckGate, Code, SignOff, Source, Typed, Workflow, annotation_reference, lint_reference, read,
};
use serde_json::Value;

fn gonogo(folder: &Path, args: &[&str]) -> Output {
    let home = folder.join("home");
    Command::new(env!("CARGO_BIN_EXE_gonogo"))
        .args(args)
        .current_dir(folder)
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const CLEAN: &str = "# T\n\n## Steps\n\n### A\n\n- [ ] a <!-- gonogo: metric=restarts max=0 -->\n";
const TICKED: &str = "# T\r\n\r\n## Steps\r\n\r\n### A\r\n\r\n- [x] a  <!-- gonogo: id=a--b -->\r\n- [ ] b\r\n\r\nProse with [x] in it.";
const BROKEN: &str = "# T\n\n## Steps\n\n### A\n\n```bash\necho\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("clean.md", CLEAN), ("ticked.md", TICKED), ("broken.md", BROKEN)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn many_files_are_linted_and_one_that_is_missing_does_not_hide_the_others() {
    let folder = folder();
    let all = gonogo(folder.path(), &["lint", "clean.md", "missing.md", "broken.md"]);
    assert_eq!(all.status.code(), Some(1));
    assert!(
        out(&all).contains("clean.md: 0 errors") && out(&all).contains("broken.md: 1 error"),
        "{}",
        out(&all)
    );
    assert!(told(&all).contains("missing.md does not exist"), "{}", told(&all));
    assert_eq!(gonogo(folder.path(), &["lint"]).status.code(), Some(2));
}

#[test]
fn the_exit_code_says_what_is_denied() {
    let folder = folder();
    fs::write(folder.path().join("warns.md"), CLEAN.replace("[ ]", "[x]")).unwrap();
    for (args, code) in [
        (&["lint", "clean.md"][..], 0),
        (&["lint", "warns.md"], 0),
        (&["lint", "--deny", "warnings", "warns.md"], 1),
        (&["lint", "--deny", "warnings", "clean.md"], 0),
        (&["lint", "broken.md"], 1),
        (&["lint", "--format", "xml", "clean.md"], 2),
        (&["lint", "--explain", "annotation-held"], 0),
        (&["lint", "--explain", "annotation-hold"], 1),
    ] {
        assert_eq!(gonogo(folder.path(), args).status.code(), Some(code), "{args:?}");
    }
    let near = gonogo(folder.path(), &["lint", "--explain", "annotation-hold"]);
    assert!(told(&near).contains("did you mean `annotation-held`"), "{}", told(&near));
}

#[test]
fn machines_get_json_sarif_or_workflow_commands() {
    let folder = folder();
    let run = |format| out(&gonogo(folder.path(), &["lint", "--format", format, "clean.md", "ticked.md"]));
    let json: Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(
        (json["schema"].as_str(), json["files"].as_array().map(Vec::len)),
        (Some("gonogo.lint/1"), Some(2))
    );
    let sarif: Value = serde_json::from_str(&run("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(run("github").lines().any(|line| line.starts_with("::warning file=ticked.md,line=7,")));
}

#[test]
fn fixes_are_written_once_and_every_other_byte_stays() {
    let folder = folder();
    let path = folder.path().join("ticked.md");
    let fixed = gonogo(folder.path(), &["lint", "--fix", "ticked.md", "clean.md"]);
    assert!(told(&fixed).contains("corrected ticked.md:7: ticked-in-file"), "{}", told(&fixed));
    let expected = TICKED.replace("- [x] a  <!--", "- [ ] a\r\n  <!--");
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(fs::read_to_string(folder.path().join("clean.md")).unwrap(), CLEAN);
    let again = gonogo(folder.path(), &["lint", "--fix", "ticked.md"]);
    assert!(!told(&again).contains("corrected"), "{}", told(&again));
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let beside = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(beside, 3, "nothing is left beside the files");
}

#[test]
fn what_is_no_utf_8_is_not_written_back() {
    let folder = folder();
    let bytes = [TICKED.as_bytes(), b"\xff"].concat();
    let path = folder.path().join("latin.md");
    fs::write(&path, &bytes).unwrap();
    gonogo(folder.path(), &["lint", "--fix", "latin.md"]);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_file_or_a_line_of_it_is_explained() {
    let folder = folder();
    let line = gonogo(folder.path(), &["explain", "clean.md:7"]);
    assert!(
        out(&line).starts_with("line 7  check “a”") && out(&line).contains("metric=restarts"),
        "{}",
        out(&line)
    );
    assert!(out(&gonogo(folder.path(), &["explain", "clean.md"])).contains("line 5  step “A”"));
    for (place, why) in
        [("clean.md:x", "is no line"), ("clean.md:0", "is no line"), ("clean.md:99", "has no line 99")]
    {
        let refused = gonogo(folder.path(), &["explain", place]);
        assert_eq!(refused.status.code(), Some(1), "{place}");
        assert!(told(&refused).contains(why), "{place}: {}", told(&refused));
    }
}

// ── pages that are kept true

/// The part of a page between its two marks, written anew when asked:
/// `UPDATE_DOCS=1 cargo test --test documents`.
fn assert_generated(page: &str, expected: &str) {
    const MARKS: [&str; 2] = ["<!-- generated: begin -->\n", "<!-- generated: end -->"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(MARKS[0]).unwrap();
    let (kept, tail) = rest.split_once(MARKS[1]).unwrap();
    let expected = format!("\n{expected}\n");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{}{expected}{}{tail}", MARKS[0], MARKS[1])).unwrap();
        return;
    }
    assert!(
        kept == expected,
        "docs/{page} is not what the code says: UPDATE_DOCS=1 cargo test --test documents"
    );
}

#[test]
fn the_page_of_diagnostics_lists_every_code_as_the_code_has_it() {
    assert_generated("diagnostics.md", &lint_reference());
    for code in Code::ALL {
        assert_eq!(Code::named(code.as_str()), Some(code));
        assert!(lint_reference().contains(&format!("### `{}`\n", code.as_str())));
    }
}

#[test]
fn the_page_of_annotations_has_the_table_of_the_code() {
    assert_generated("annotations.md", &annotation_reference());
}

/// The examples of the page, as one document.
fn examples() -> Workflow {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/annotations.md")).unwrap();
    let example = page.split("````markdown\n").nth(1).unwrap().split("````").next().unwrap();
    read(Source { file: "release.md", bytes: example.as_bytes(), siblings: &|_| true })
}

#[test]
fn the_examples_of_the_page_mean_what_it_says() {
    let workflow = examples();
    let command = &workflow.steps[0].commands[0];
    assert_eq!((command.id.as_str(), command.annotated.timeout_s), ("set-image", Some(600)));
    assert_eq!(command.annotated.env, [("NS".to_owned(), "prod".to_owned())]);
    let check = |text: &str| workflow.checks().find(|check| check.text.starts_with(text)).unwrap();
    let staging = check("Staging");
    assert_eq!(staging.id.as_str(), "staging-ok");
    let four_eyes = SignOff { approvals: 2, distinct: true, not_runner: true };
    assert_eq!((staging.annotated.sign_off, staging.annotated.typed), (Some(four_eyes), Some(Typed::Url)));
    assert!(
        matches!(&check("Error rate").annotated.gate, Some(CheckGate::Metric(gate)) if gate.for_s == 300)
    );
    assert!(
        matches!(&check("Rolling").annotated.gate, Some(CheckGate::Rollout(gate)) if gate.max_restarts == Some(0))
    );
    assert_eq!(workflow.queries.len(), 1);
    let watching = &workflow.steps[1];
    assert_eq!(watching.soak.map(|soak| (soak.min_s, soak.max_s)), Some((3_600, 7_200)));
    assert_eq!(watching.annotated.released_by.as_ref().map(|role| role.as_str()), Some("tech-lead"));
    let ours: Vec<Code> = workflow
        .diagnostics
        .iter()
        .map(|found| found.code)
        .filter(|code| code.as_str().starts_with("annotation-"))
        .collect();
    assert_eq!(ours, []);
}
