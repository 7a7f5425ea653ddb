use proptest::prelude::*;

use super::grammar::{Token, read, read_info};
use crate::workflow::annotated::CheckGate;
use crate::workflow::model::{Code, CommandKind, Severity, Workflow};
use crate::workflow::{Source, read as read_document};

fn tokens(text: &str) -> Vec<(String, Option<String>)> {
    let annotation = read(text).unwrap_or_else(|| panic!("{text} is not ours"));
    assert!(annotation.problems.is_empty(), "{text}: {:?}", annotation.problems);
    annotation.tokens.into_iter().map(|token| (token.key, token.value)).collect()
}

fn problem(text: &str) -> String {
    read(text).unwrap().problems.remove(0).message
}

fn parsed(text: &str) -> Workflow {
    read_document(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| true })
}

/// A release with one step around the given body.
fn step(body: &str) -> Workflow {
    parsed(&format!("---\nroles: [lead, qa, po]\n---\n# T\n\n## Steps\n\n### 1. Ship\n\n{body}"))
}

fn codes(workflow: &Workflow) -> Vec<Code> {
    let ours = workflow.diagnostics.iter().map(|found| found.code);
    ours.filter(|code| code.as_str().starts_with("annotation-")).collect()
}

fn held(workflow: &Workflow) -> Vec<(&str, &str)> {
    let checks = workflow.checks();
    checks.filter_map(|check| Some((check.text.as_str(), check.annotated.hold.as_deref()?))).collect()
}

// ── grammar

#[test]
fn flags_values_and_quotes_are_read() {
    let (some, none) = (|text: &str| Some(text.to_owned()), None);
    let found = tokens("<!-- gonogo: id=set-image distinct env=\"A=b c,D=\\\"e\\\"\" soak='1h..2h' -->");
    let expected = [
        ("id", some("set-image")),
        ("distinct", none),
        ("env", some("A=b c,D=\"e\"")),
        ("soak", some("1h..2h")),
    ];
    assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
    assert_eq!(tokens("<!--gonogo:optional-->"), [("optional".to_owned(), None)]);
    assert_eq!(tokens("<!-- gonogo:\n     id=a\n     optional\n-->").len(), 2, "an editor wrapped it");
}

#[test]
fn other_comments_are_not_ours() {
    for text in [
        "<!-- go -->",
        "<!-- gonogos: a=b -->",
        "<!-- gonogo is the runner of this file -->",
        "<!-- toc -->",
        "<!---->",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_the_token_that_it_costs() {
    for (text, told) in [
        ("<!-- gonogo: A=b -->", "`A=b` is no key"),
        ("<!-- gonogo: max= -->", "the value of `max` is missing"),
        ("<!-- gonogo: max=\"1 -->", "the value of `max` has no closing quote"),
        ("<!-- gonogo: max=\"\" -->", "the value of `max` is empty"),
        ("<!-- gonogo: max=\"1\"% -->", "goes on after its closing quote"),
        ("<!-- gonogo: max=a<b -->", "holds '<': put it in quotes"),
        ("<!-- gonogo: cwd=\"a\nb\" -->", "holds '\\n'"),
        ("<!-- gonogo: id=a id=b -->", "`id` stands here twice"),
        ("<!-- gonogo optional -->", "an annotation begins with `gonogo:`"),
        ("<!-- Gonogo: optional -->", "an annotation begins with `gonogo:`"),
        ("<!-- gonogo: optional", "never closed"),
    ] {
        assert!(problem(text).contains(told), "{text}: {}", problem(text));
    }
    let annotation = read("<!-- gonogo: max=a<b id=c -->").unwrap();
    assert_eq!(annotation.tokens.len(), 1, "the token after a broken one is read");
}

#[test]
fn attributes_of_runme_are_read_in_both_of_its_forms() {
    for text in [
        "name=deploy cwd=/x interactive=false",
        "\"name\":\"deploy\",\"cwd\":\"/x\",\"interactive\":\"false\"",
    ] {
        let found = read_info(text);
        let keys: Vec<&str> = found.tokens.iter().map(|token| token.key.as_str()).collect();
        assert_eq!(keys, ["name", "cwd", "interactive"], "{text}");
        assert_eq!(found.tokens[0].value.as_deref(), Some("deploy"));
    }
}

fn any_value() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), "[ -~éλ→\u{a0}]{1,20}".prop_map(Some)]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(pairs in proptest::collection::btree_map("[a-z][a-z0-9-]{0,8}", any_value(), 0..8)) {
        let tokens: Vec<Token> =
            pairs.into_iter().map(|(key, value)| Token { key, value, span: 0..0 }).collect();
        let printed: Vec<String> = tokens.iter().map(ToString::to_string).collect();
        let comment = format!("<!-- gonogo: {} -->", printed.join(" "));
        prop_assert!(!comment[4..comment.len() - 3].contains("--") || tokens.iter().any(|t| t.key.contains("--")), "{comment}");
        let annotation = read(&comment).unwrap();
        prop_assert!(annotation.problems.is_empty(), "{comment}: {:?}", annotation.problems);
        let plain = |tokens: &[Token]| tokens.iter().map(|t| (t.key.clone(), t.value.clone())).collect::<Vec<_>>();
        prop_assert_eq!(plain(&annotation.tokens), plain(&tokens));
    }

    #[test]
    fn any_comment_is_read_to_its_end(inner in "(gonogo:|[a-z]+=|\"|'|\\\\|<|>|-|,|[a-z0-9 é\n\t%.\u{0}]){0,60}") {
        let text = format!("<!-- gonogo: {inner} -->");
        let annotation = read(&text).unwrap();
        for span in annotation.tokens.iter().map(|t| &t.span).chain(annotation.problems.iter().map(|p| &p.span)) {
            prop_assert!(text.get(span.clone()).is_some(), "{span:?} in {text}");
        }
        let words = inner.split_whitespace().count();
        prop_assert!(annotation.tokens.len() + annotation.problems.len() <= words);
        prop_assert!(words == 0 || annotation.tokens.len() + annotation.problems.len() > 0);
    }

    #[test]
    fn a_document_of_comments_is_read_to_its_end(
        text in "(<!-- gonogo: |-->|<!--|max=1%|metric=error-rate|id=a|after=a|soak=1h|optional|- \\[ \\] a|```sh|```|### 1. B|> |  |\n|x | --| \\{name=a\\}){0,80}"
    ) {
        let workflow = step(&text);
        for found in &workflow.diagnostics {
            prop_assert!(found.place.line <= workflow.text.lines().count().max(1));
        }
        let mut ids: Vec<&str> = workflow.checks().map(|check| check.id.as_str()).collect();
        ids.sort_unstable();
        let n = ids.len();
        ids.dedup();
        prop_assert_eq!(ids.len(), n, "ids are unique");
    }
}

#[test]
fn hostile_comments_take_no_more_time_than_their_length() {
    // Finishing at all is the test: what is quadratic here takes hours.
    let many = "<!-- gonogo: id=a -->\n".repeat(20_000);
    let nested = format!("{}<!-- gonogo: id=a -->", "- ".repeat(10_000));
    let long = format!("<!-- gonogo: {} -->\n", "a=\"b ".repeat(50_000));
    let keys = format!("<!-- gonogo: {} -->\n", (0..20_000).map(|n| format!("k{n}=1 ")).collect::<String>());
    let open = "<!-- gonogo: ".repeat(20_000);
    let list = format!("{}{}", "- [ ] a\n".repeat(5_000), "<!-- gonogo: max=1 -->\n\n".repeat(5_000));
    for text in [many, nested, long, keys, open, list] {
        step(&text);
    }
}

// ── attachment

#[test]
fn the_three_forms_attach_to_item_next_block_and_item_around() {
    let workflow = step(
        "<!-- gonogo: id=set-image -->\n```bash\nkubectl get pods\n```\n\n- [ ] Inline <!-- gonogo: id=inline -->\n- [ ] Below\n  <!-- gonogo: id=below -->\n",
    );
    let ids: Vec<&str> = workflow.checks().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["inline", "below"]);
    assert_eq!(workflow.steps[0].commands[0].id.as_str(), "set-image");
    assert_eq!(codes(&workflow), []);
    let heading = parsed("# T\n\n## Steps\n\n### 1. Ship <!-- gonogo: id=ship -->\n\n- [ ] A\n");
    assert_eq!((heading.steps[0].id.as_str(), heading.steps[0].title.as_str()), ("ship", "Ship"));
}

/// The same document as its author wrote it, and as formatters leave it behind.
#[test]
fn what_formatters_rewrite_means_the_same() {
    let written = "- [ ] Staging ok\n  <!-- gonogo: id=staging role=qa killer -->\n- [ ] Errors <!-- gonogo: metric=error-rate max=1% for=5m -->\n\nWatch for 1 hour: <!-- gonogo: soak=2h -->\n\n<!-- gonogo: id=go env=\"NS=a b\" -->\n```bash\necho go\n```\n";
    let rewrites = [
        // Other bullets, blank lines between items, deeper indentation of what belongs to them.
        "* [ ] Staging ok\n\n  <!-- gonogo: id=staging role=qa killer -->\n\n* [ ] Errors <!-- gonogo: metric=error-rate max=1% for=5m -->\n\nWatch for 1 hour: <!-- gonogo: soak=2h -->\n\n<!-- gonogo: id=go env=\"NS=a b\" -->\n\n```bash\necho go\n```\n",
        "-   [ ] Staging ok\n    <!-- gonogo: id=staging role=qa killer -->\n-   [ ] Errors <!-- gonogo: metric=error-rate max=1% for=5m -->\n\nWatch for 1 hour: <!-- gonogo: soak=2h -->\n\n<!-- gonogo: id=go env=\"NS=a b\" -->\n\n```bash\necho go\n```\n",
        // Long lines wrapped: in front of the comment, and inside it.
        "- [ ] Staging ok\n  <!-- gonogo: id=staging role=qa\n  killer -->\n- [ ] Errors\n  <!-- gonogo: metric=error-rate max=1% for=5m -->\n\nWatch for 1 hour:\n<!-- gonogo: soak=2h -->\n\n<!-- gonogo:\n     id=go\n     env=\"NS=a b\" -->\n```bash\necho go\n```\n",
        // Wrapped, then given the blank lines of a block.
        "- [ ] Staging ok\n  <!-- gonogo: id=staging role=qa killer -->\n- [ ] Errors\n\n  <!-- gonogo: metric=error-rate max=1% for=5m -->\n\nWatch for 1 hour:\n\n<!-- gonogo: soak=2h -->\n\n<!-- gonogo: id=go env=\"NS=a b\" -->\n\n```bash\necho go\n```\n",
        // Windows line ends.
        &written.replace('\n', "\r\n"),
    ];
    let meaning = |text: &str| {
        let mut workflow = step(text);
        for group in &mut workflow.steps[0].groups {
            group.place.line = 0;
            group.checks.iter_mut().for_each(|check| check.place.line = 0);
            group.checks.iter_mut().for_each(|check| check.place.column = 0);
            group.place.column = 0;
        }
        let step = workflow.steps.remove(0);
        let terms: Vec<_> =
            step.commands.into_iter().map(|command| (command.id, command.annotated)).collect();
        (step.groups, step.soak, terms, codes_of(&workflow.diagnostics))
    };
    let expected = meaning(written);
    assert_eq!(expected.1.map(|soak| soak.min_s), Some(7_200));
    for text in &rewrites {
        assert_eq!(meaning(text), expected, "{text}");
    }
}

fn codes_of(diagnostics: &[crate::workflow::Diagnostic]) -> Vec<Code> {
    diagnostics.iter().map(|found| found.code).collect()
}

#[test]
fn a_comment_between_two_lists_is_unclear_and_a_gate_in_it_is_held() {
    let workflow = step("- [ ] A\n<!-- gonogo: metric=error-rate max=1% -->\n- [ ] B\n- [ ] C\n");
    assert!(codes(&workflow).contains(&Code::AnnotationMisplaced));
    assert_eq!(held(&workflow).len(), 1, "{:?}", held(&workflow));
    assert!(held(&workflow)[0].1.contains("the item above or"));
}

/// What Prettier 3 makes of a comment below an item: the first run takes its indentation away, the
/// second one sets it apart. Where that leaves two readings, a gate is held and never handed on.
#[test]
fn a_gate_that_a_formatter_moved_between_two_items_is_held_and_not_handed_on() {
    let gate = "<!-- gonogo: id=a metric=error-rate max=1% -->";
    for moved in [
        format!("- [ ] A\n{gate}\n- [ ] B\n"),
        format!("- [ ] A\n\n{gate}\n\n- [ ] B\n"),
        format!("- [ ] A\n{gate}\n<!-- gonogo: for=5m -->\n- [ ] B\n"),
    ] {
        let workflow = step(&moved);
        assert!(!held(&workflow).is_empty(), "{moved}");
        let handed_on = workflow.checks().any(|check| check.text == "B" && check.annotated.gate.is_some());
        assert!(!handed_on, "{moved}");
    }
    // With one reading only, it stays.
    for moved in [
        format!("- [ ] A\n{gate}\n\n- [ ] B\n"),
        format!("- [ ] A\n\n{gate}\n\n### 2. Next\n\n- [ ] B\n"),
        format!("- [ ] A\n\n{gate}\n\n```bash\necho\n```\n"),
        format!("- [ ] A\n      {gate}\n- [ ] B\n"),
    ] {
        let workflow = step(&moved);
        let check = workflow.checks().next().unwrap();
        assert!(
            check.id.as_str() == "a" && check.annotated.gate.is_some(),
            "{moved}: {:?}",
            workflow.diagnostics
        );
        assert_eq!(held(&workflow), [], "{moved}");
    }
    let torn = step("- [ ] A\n\n<!-- gonogo: optional -->\n\n### 2. Next\n\n- [ ] B\n");
    assert!(torn.steps.iter().all(|step| step.gating) && torn.checks().all(|check| !check.optional));
    assert_eq!(codes(&torn), [Code::AnnotationMisplaced]);
}

#[test]
fn a_comment_that_lost_its_indentation_stays_with_the_item_above() {
    let workflow = step("- [ ] A\n- [ ] B\n<!-- gonogo: id=b killer -->\n\nAnd so on.\n");
    let ids: Vec<&str> = workflow.checks().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["ship/a", "b"]);
}

#[test]
fn a_comment_inside_a_fence_is_text() {
    let workflow = step("```bash\necho '<!-- gonogo: optional -->'\n```\n\n`<!-- gonogo: id=x -->`\n");
    assert_eq!((codes(&workflow), workflow.annotations.len()), (vec![], 0));
}

#[test]
fn a_soak_in_the_rollback_section_is_misplaced_and_holds_the_release() {
    let workflow =
        parsed("# T\n\n## Steps\n\n### A\n\n- [ ] a\n\n## Rollback\n\nWait <!-- gonogo: soak=1h -->\n");
    assert_eq!(workflow.steps[0].soak, None);
    assert_eq!(held(&workflow).len(), 1);
}

// ── keys

#[test]
fn annotations_override_the_frontmatter_and_the_prose() {
    let workflow = parsed(
        "---\nroles: [lead, qa]\n---\n# T\n\n## Steps\n\n### Staging <!-- gonogo: poll=qa -->\n\n- [ ] a\n\n### Production\n\nMonitor for 1 hour: <!-- gonogo: soak=10m..20m -->\n\n- [ ] b, if applicable <!-- gonogo: killer -->\n",
    );
    let poll = workflow.steps[0].poll.as_ref().unwrap();
    assert_eq!(poll.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(), ["qa"]);
    assert_eq!(workflow.steps[1].soak.map(|soak| (soak.min_s, soak.max_s)), Some((600, 1_200)));
    assert!(!workflow.checks().last().unwrap().optional);
    assert_eq!(codes(&workflow), [Code::AnnotationWeakens]);
    let weaker: Vec<&str> =
        workflow.annotations.iter().filter_map(|applied| applied.weakens.as_deref()).collect();
    assert_eq!(weaker, ["its poll leaves out lead", "soaks 600 s where its words say 3600 s"]);
    let instead: Vec<&str> =
        workflow.annotations.iter().filter_map(|applied| applied.instead_of.as_deref()).collect();
    assert_eq!(instead, ["a poll of lead, qa", "3600 s to 3600 s, by its words", "optional, by its words"]);
}

#[test]
fn every_malformed_gate_is_held_and_never_dropped() {
    for tokens in [
        "metric=error-rate",
        "metric=cpu max=1%",
        "metric=error-rate max=1",
        "max=1%",
        "metric=error-rate max=1% nodata=pass",
        "metric=error-rate max=1% for=soon",
        "metric=error-rate max=1% cmd=x",
        "cmd=nothing",
        "cmd",
        "rollout=app",
        "rollout=deployment/app ready=50%",
        "rollout=deployment/app restarts=few",
        "after=nothing",
        "aprovals=2",
        "metric=error-rate max=1% evry=5m",
        "approvals=0",
        "approvals=two",
        "approvals=40",
        "approvals",
        "distinct",
        "distinct approvals=1",
        "not=qa",
        "approvals=2 metric=error-rate max=1%",
        "soak=1h",
        "metric=\"error-rate max=1%",
        "metric=error-rate metric=restarts max=1%",
        "metric=latency-p95 max=1%",
        "every=4s metric=error-rate max=1%",
        "every=often metric=error-rate max=1%",
        "every=30s rollout=deployment/app",
        "every=30s",
    ] {
        let workflow = step(&format!("- [ ] A, if applicable\n  <!-- gonogo: {tokens} -->\n"));
        let check = workflow.checks().next().unwrap();
        assert_eq!(held(&workflow).len(), 1, "{tokens}: {:?}", workflow.diagnostics);
        assert!(!check.optional && !check.is_sensed(), "{tokens}");
    }
}

#[test]
fn a_gate_in_a_comment_that_its_line_never_closes_is_held() {
    let workflow = step("- [ ] A <!-- gonogo: approvals=2\n\nText\n");
    assert_eq!(held(&workflow).len(), 1);
}

#[test]
fn a_broken_key_that_is_no_gate_costs_itself_alone() {
    let workflow = step("- [ ] A\n  <!-- gonogo: id=a role=qa owner=bo timeout=5m optional=maybe -->\n");
    assert_eq!(held(&workflow), []);
    assert_eq!(codes(&workflow), [Code::AnnotationKey, Code::AnnotationValue]);
    let check = workflow.checks().next().unwrap();
    assert_eq!((check.id.as_str(), check.optional, check.annotated.roles.len()), ("a", false, 1));
}

#[test]
fn a_command_takes_its_terms() {
    let workflow = step(
        "<!-- gonogo: timeout=1h30m kill-grace=5s cwd=deploy/eu env=A=1,B=x=y risk=irreversible confirm=type:target -->\n```bash\nkubectl get pods\n```\n",
    );
    let terms = &workflow.steps[0].commands[0].annotated;
    assert_eq!(
        (terms.timeout_s, terms.grace_s, terms.directory.as_deref()),
        (Some(5_400), Some(5), Some("deploy/eu"))
    );
    assert_eq!(terms.env, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x=y".to_owned())]);
    assert!(workflow.steps[0].production && terms.confirm.is_some());
    assert_eq!(codes(&workflow), []);
}

#[test]
fn what_would_lead_a_command_elsewhere_is_refused() {
    for tokens in [
        "cwd=/etc",
        "cwd=../up",
        "cwd=a/../../b",
        "cwd=~",
        "cwd=-x",
        "cwd=$HOME",
        "env=PATH=/tmp",
        "env=LD_PRELOAD=x",
        "env=BASH_ENV=x",
        "env=KUBECONFIG=x",
        "env=a-b=c",
        "env=A=1,A=2",
        "env=A",
        "timeout=0s",
        "timeout=99999h",
        "risk=some",
        "choose=3",
    ] {
        let workflow = step(&format!("<!-- gonogo: {tokens} -->\n```bash\nkubectl get pods\n```\n"));
        assert_eq!(codes(&workflow), [Code::AnnotationValue], "{tokens}");
        let terms = &workflow.steps[0].commands[0].annotated;
        assert!(terms.env.is_empty() && terms.directory.is_none() && terms.timeout_s.is_none(), "{tokens}");
    }
}

fn retries(document: &Workflow) -> Option<u32> {
    document.commands().next().and_then(|command| command.annotated.retries)
}

#[test]
fn a_command_is_run_again_as_often_as_its_document_says() {
    let workflow = step("<!-- gonogo: retries=3 -->\n```bash\ncurl -fsS https://example.org/health\n```\n");
    assert_eq!((retries(&workflow), codes(&workflow)), (Some(3), vec![]));
    for refused in ["0", "11", "-1", "often"] {
        let workflow = step(&format!("<!-- gonogo: retries={refused} -->\n```bash\nmake test\n```\n"));
        assert_eq!((retries(&workflow), codes(&workflow)), (None, vec![Code::AnnotationValue]), "{refused}");
    }
    assert_eq!(codes(&step("- [ ] A <!-- gonogo: retries=2 -->\n")), [Code::AnnotationMisplaced]);
}

#[test]
fn what_others_see_is_never_run_again_by_itself() {
    for (body, why) in [
        ("<!-- gonogo: retries=2 risk=prod -->\n```bash\nmake test\n```\n", "acts on production"),
        ("<!-- gonogo: retries=2 -->\n```bash\ngit push origin main\n```\n", "pushes, deploys or publishes"),
        ("<!-- gonogo: retries=2 confirm=type:context -->\n```bash\nmake test\n```\n", "a word is typed"),
        ("<!-- gonogo: retries=2 tty -->\n```bash\nmake test\n```\n", "sits at its terminal"),
        ("<!-- gonogo: retries=2 stream -->\n```bash\nmake test\n```\n", "nothing waits"),
        (
            "<!-- gonogo: retries=2 -->\n```bash\nmake test\n```\n\n<!-- gonogo: risk=prod -->\n```bash\nmake\n```\n",
            "acts on production",
        ),
    ] {
        let workflow = step(body);
        assert_eq!(retries(&workflow), None, "{body}");
        let told = workflow.diagnostics.iter().find(|found| found.code == Code::AnnotationNotHonoured);
        let told = told.unwrap_or_else(|| panic!("{body}: {:?}", codes(&workflow)));
        assert!(told.message.contains(why), "{}", told.message);
        assert_eq!((told.place.line, told.place.column), (10, 14), "{body}");
        assert!(!workflow.annotations.iter().any(|applied| applied.text == "retries=2"));
    }
    let back = parsed(
        "# T\n\n## Steps\n\n### A\n\n- [ ] a\n\n## Rollback\n\n<!-- gonogo: retries=2 -->\n```bash\nmake undo\n```\n",
    );
    assert_eq!((retries(&back), codes(&back)), (None, vec![Code::AnnotationNotHonoured]));
}

#[test]
fn a_command_names_the_variable_that_its_output_is() {
    let capture = |tokens: &str, rest: &str| {
        step(&format!("<!-- gonogo: {tokens} -->\n```bash\nmake url\n```\n{rest}"))
    };
    let of = |workflow: &Workflow| workflow.steps[0].commands[0].annotated.capture.clone();
    let workflow = capture("capture=URL", "");
    assert_eq!((of(&workflow).as_deref(), codes(&workflow)), (Some("URL"), vec![]));
    for (tokens, rest, why) in [
        ("capture=PATH", "", "changes what a command's own text means"),
        ("capture=LD_PRELOAD", "", "changes what a command's own text means"),
        ("capture=KUBECONFIG", "", "changes what a command's own text means"),
        ("capture=NODE_OPTIONS", "", "steers programs"),
        ("capture=API_TOKEN", "", "named like a secret"),
        ("capture=a-b", "", "no name of a variable"),
        ("capture=URL tty", "", "says nothing beside `tty`"),
        ("capture=URL stream", "", "waited for"),
        ("capture=URL", "\n```bash\nexport URL=x\n```\n", "line 16 sets `URL` itself"),
        ("capture", "", "has no value"),
    ] {
        let workflow = capture(tokens, rest);
        assert_eq!(of(&workflow), None, "{tokens}");
        let told = workflow.diagnostics.iter().find(|found| found.code == Code::AnnotationValue).unwrap();
        assert!(told.message.contains(why), "{tokens}: {}", told.message);
        assert_eq!((told.place.line, told.place.column), (10, 14), "{tokens}");
    }
    let own = step("<!-- gonogo: capture=URL -->\n```bash\nURL=$(make url)\necho \"$URL\"\n```\n");
    assert_eq!(of(&own).as_deref(), Some("URL"), "its own text may set it, too");
    let param = parsed(
        "---\nparams: {URL: {}}\n---\n# T\n\n## Steps\n\n### A\n\n<!-- gonogo: capture=URL -->\n```bash\nmake url\n```\n",
    );
    assert_eq!(of(&param), None);
    assert_eq!(codes(&step("- [ ] A <!-- gonogo: capture=URL -->\n")), [Code::AnnotationMisplaced]);
}

#[test]
fn a_command_reads_a_file_below_its_directory() {
    let read = |tokens: &str| step(&format!("<!-- gonogo: {tokens} -->\n```bash\npsql\n```\n"));
    let stdin = |workflow: &Workflow| workflow.steps[0].commands[0].annotated.stdin.clone();
    let workflow = read("stdin=sql/dump.sql cwd=db");
    assert_eq!((stdin(&workflow).as_deref(), codes(&workflow)), (Some("sql/dump.sql"), vec![]));
    for tokens in [
        "stdin=/etc/passwd",
        "stdin=../x",
        "stdin=a/../../x",
        "stdin=~/x",
        "stdin=$X",
        "stdin",
        "stdin=a tty",
    ] {
        let workflow = read(tokens);
        assert_eq!((stdin(&workflow), codes(&workflow)), (None, vec![Code::AnnotationValue]), "{tokens}");
    }
    assert_eq!(codes(&step("- [ ] A <!-- gonogo: stdin=a -->\n")), [Code::AnnotationMisplaced]);
}

#[test]
fn a_metric_may_say_how_often_it_is_read() {
    let workflow = step("- [ ] A <!-- gonogo: metric=error-rate max=1% for=5m every=30s -->\n");
    let gate = workflow.checks().next().unwrap().annotated.gate.clone();
    let Some(CheckGate::Metric(gate)) = gate else { panic!("{gate:?}") };
    assert_eq!((gate.for_s, gate.every_s, codes(&workflow)), (300, Some(30), vec![]));
}

#[test]
fn an_item_may_be_skipped_where_its_program_is_missing() {
    let offered = |workflow: &Workflow| {
        let commands = workflow.commands().filter(|command| command.annotated.skip_if_missing).count();
        (commands, workflow.checks().filter(|check| check.annotated.skip_if_missing).count())
    };
    let workflow = step(
        "<!-- gonogo: skip-if-missing id=lint -->\n```bash\nhelm lint .\n```\n\n- [ ] A <!-- gonogo: cmd=lint skip-if-missing -->\n",
    );
    assert_eq!((offered(&workflow), codes(&workflow)), ((1, 1), vec![]));
    assert_eq!(workflow.steps[0].commands[0].programs(), ["helm"]);
    let read_by = |shell: &str| {
        let text = format!("<!-- gonogo: skip-if-missing shell={shell} -->\n```bash\nhelm lint .\n```\n");
        step(&text).steps[0].commands[0].programs()
    };
    assert_eq!(read_by("zsh"), ["helm", "zsh"]);
    assert_eq!(read_by("/usr/bin/python3"), ["/usr/bin/python3"], "its text is no shell's");
    let heading = parsed(
        "# T\n\n## Steps\n\n### A <!-- gonogo: skip-if-missing -->\n\n```bash\nhelm lint .\n```\n\n```bash\nmake\n```\n",
    );
    assert_eq!((offered(&heading), codes(&heading)), ((2, 0), vec![]));
    for refused in [
        "- [ ] A <!-- gonogo: skip-if-missing -->\n",
        "<!-- gonogo: skip-if-missing=helm -->\n```bash\nhelm lint .\n```\n",
    ] {
        let workflow = step(refused);
        assert_eq!(
            (offered(&workflow), codes(&workflow)),
            ((0, 0), vec![Code::AnnotationValue]),
            "{refused}"
        );
    }
    assert_eq!(
        codes(&step("Wait <!-- gonogo: skip-if-missing -->\n\n- [ ] A\n")),
        [Code::AnnotationMisplaced]
    );
}

#[test]
fn a_command_names_what_reads_it() {
    let read_by =
        |shell: &str| step(&format!("<!-- gonogo: shell={shell} -->\n```bash\nkubectl get pods\n```\n"));
    let workflow = read_by("dash");
    let shell = workflow.steps[0].commands[0].annotated.shell.clone();
    assert_eq!(shell.unwrap().command_line(), ["dash", "-e"]);
    assert_eq!(codes(&workflow), []);
    let foreign = read_by("/usr/bin/python3");
    assert_eq!(codes(&foreign), [Code::AnnotationWeakens], "a line that fails does not end it");
    for refused in ["fish", "./sh", "\"/bin/ba sh\""] {
        let workflow = read_by(refused);
        assert_eq!(codes(&workflow), [Code::AnnotationValue], "{refused}");
        assert_eq!(workflow.steps[0].commands[0].annotated.shell, None);
        assert_eq!(
            workflow.diagnostics.iter().find(|found| found.code == Code::AnnotationValue).unwrap().place.line,
            10
        );
    }
    let misplaced = step("- [ ] A <!-- gonogo: shell=zsh -->\n");
    assert_eq!(codes(&misplaced), [Code::AnnotationMisplaced]);
}

#[test]
fn an_alternative_is_offered_first_by_number_or_words() {
    for choose in ["2", "helm", "\"# by hand\"", "kubectl"] {
        let workflow = step(&format!(
            "<!-- gonogo: choose={choose} -->\n```bash\nkubectl get pods\n# or\nhelm list\n```\n"
        ));
        let expected = match choose {
            "kubectl" => Some(0),
            "\"# by hand\"" => None,
            _ => Some(1),
        };
        assert_eq!(workflow.steps[0].commands[0].annotated.choose, expected, "{choose}");
        assert_eq!(workflow.steps[0].commands[0].kind, CommandKind::Choice, "the others stay to be seen");
    }
}

#[test]
fn runme_attributes_are_aliases_and_the_others_are_left_alone() {
    let workflow = step(
        "```sh {name=deploy cwd=eu interactive=false promptEnv=no}\nkubectl get pods\n```\n\n```bash {background=true}\n./serve.sh\n```\n",
    );
    let commands = &workflow.steps[0].commands;
    assert_eq!((commands[0].id.as_str(), commands[0].annotated.directory.as_deref()), ("deploy", Some("eu")));
    assert_eq!(commands[1].kind, CommandKind::Stream);
    assert_eq!(codes(&workflow), [Code::AnnotationWeakens]);
}

#[test]
fn two_dashes_behind_words_are_an_error_and_on_a_line_of_their_own_they_are_not() {
    let behind = step("- [ ] A <!-- gonogo: id=a--b -->\n");
    assert!(codes(&behind).contains(&Code::AnnotationDoubleDash));
    assert_eq!(behind.diagnostics[0].severity, Severity::Error);
    assert_eq!(codes(&step("- [ ] A\n  <!-- gonogo: id=a--b -->\n")), []);
}

#[test]
fn an_id_that_is_in_use_leaves_the_inferred_one() {
    let workflow = step(
        "- [ ] A <!-- gonogo: id=same -->\n- [ ] B <!-- gonogo: id=same -->\n- [ ] C <!-- gonogo: id=ship -->\n",
    );
    let ids: Vec<&str> = workflow.checks().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["same", "ship/b", "ship/c"]);
    assert_eq!(codes(&workflow), [Code::AnnotationValue]);
}

#[test]
fn a_query_block_is_asked_for_its_metric() {
    let workflow = step("<!-- gonogo: query=error-rate unit=% -->\n```promql\n100 * a\n  / b\n```\n");
    let query = &workflow.queries[&crate::workflow::Metric::ErrorRate];
    assert_eq!((query.expression.as_str(), query.baseline_s), ("100 * a / b", None));
    let strange = step("<!-- gonogo: query=saturation -->\n```promql\na\n```\n");
    assert!(strange.queries.is_empty() && codes(&strange) == [Code::AnnotationValue]);
}

#[test]
fn a_query_block_says_what_it_is_compared_with_and_who_is_asked() {
    let query =
        |tokens: &str| step(&format!("<!-- gonogo: query=error-rate {tokens} -->\n```promql\na\n```\n"));
    let of = |workflow: &Workflow| workflow.queries.values().next().cloned();
    let workflow = query("source=prometheus baseline=15m");
    assert_eq!((of(&workflow).and_then(|query| query.baseline_s), codes(&workflow)), (Some(900), vec![]));
    for baseline in ["30s", "25h", "soon"] {
        let workflow = query(&format!("baseline={baseline}"));
        assert_eq!(of(&workflow).map(|query| query.baseline_s), Some(None), "{baseline}");
        assert_eq!(codes(&workflow), [Code::AnnotationValue], "{baseline}");
    }
    let elsewhere = query("source=loki");
    assert_eq!((of(&elsewhere), codes(&elsewhere)), (None, vec![Code::AnnotationValue]));
    let told =
        &elsewhere.diagnostics.iter().find(|found| found.code == Code::AnnotationValue).unwrap().message;
    assert!(told.contains("`source=loki` is nothing that gonogo asks: it knows prometheus"), "{told}");
    let alone = step("<!-- gonogo: baseline=15m -->\n```promql\na\n```\n");
    assert_eq!(codes(&alone), [Code::AnnotationValue]);
}

#[test]
fn a_check_with_a_gate_counts_as_automatic() {
    let workflow = step("- [ ] A <!-- gonogo: metric=restarts max=0 -->\n");
    assert!(!codes_of(&workflow.diagnostics).contains(&Code::NoAutomaticCheck));
    assert!(matches!(workflow.checks().next().unwrap().annotated.gate, Some(CheckGate::Metric(_))));
}
