//! What annotations take, hold and ask for, where an operator looks.

use super::*;
use crate::app::model::Row;
use crate::release::{Captured, Exit};
use crate::watch::Need;

fn changed() -> Script {
    let mut script = Script::begun_changed(&[
        ("- [ ] Les tests passent sur main", "- [ ] Les tests passent sur main <!-- gonogo: approvals=0 -->"),
        ("- [ ] La recette est validée", "- [ ] La recette est validée <!-- gonogo: optional -->"),
        (
            "```bash\ngit log --oneline -20",
            "<!-- gonogo: timeout=90s env=NS=prod confirm=type:context stream -->\n```bash\ngit log --oneline -20",
        ),
    ]);
    script.at(20);
    script
}

#[test]
fn what_is_held_or_weaker_carries_a_sign_and_words() {
    let mut script = changed();
    let shown = drawn(&script.model, 150, 30);
    assert!(shown.contains("⚠ held"), "{shown}");
    let recette = shown.lines().find(|line| line.contains("La recette est validée")).expect("its row");
    assert!(recette.contains('⚠'), "{recette}");
    assert!(shown.contains("⚠ held: `approvals=0` would leave"), "the current item says why: {shown}");
    script.model.view.cursor = Some(Row::Check("pre-requis/la-recette-est-validee".into()));
    let shown = drawn(&script.model, 150, 30);
    assert!(shown.contains("by an annotation: may be answered"), "{shown}");
}

#[test]
fn the_run_panel_says_what_the_document_asks_of_a_command() {
    let mut script = changed();
    script.model.view.cursor = Some(Row::Command("preparation/command-1".into()));
    script.key("enter");
    for (width, height) in [(150, 30), (80, 24)] {
        let shown = drawn(&script.model, width, height);
        for words in [
            "asked",
            "sets NS=prod",
            "stopped after 90 s",
            "asks for the context first",
            "is never waited for",
        ] {
            assert!(shown.contains(words), "{words} at {width}: {shown}");
        }
    }
}

#[test]
fn annotations_are_drawn_at_any_size() {
    let script = changed();
    for (width, height) in [(1, 1), (20, 5), (60, 12)] {
        assert!(drawn(&script.model, width, height).lines().count() <= usize::from(height));
    }
}

#[test]
fn a_check_of_several_people_says_who_confirmed_it_and_who_is_asked() {
    let check = "- [ ] Les tests passent sur main";
    let mut script = Script::begun_changed(&[(
        check,
        &format!("{check} <!-- gonogo: role=devops-engineer,tech-lead approvals=2 distinct -->"),
    )]);
    script.at(20);
    script.key("space");
    for (width, height) in [(150, 30), (80, 24)] {
        let shown = drawn(&script.model, width, height);
        for words in ["not by all yet", "ana (devops-engineer)", "1 of 2 to come: ask"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }
    script.key("o");
    let shown = drawn(&script.model, 150, 30);
    assert!(shown.contains("at the keyboard"), "{shown}");
}

/// The first command of the document with these keys, and its run panel open.
fn at_command(keys: &str) -> Script {
    let asked = format!("<!-- gonogo: {keys} -->\n```bash\ngit log --oneline -20");
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", &asked)]);
    script.confirm_all(&["pre-requis"]);
    script.key("enter");
    script
}

fn ended(code: i32) -> Fact {
    let command = "preparation/command-1".into();
    Fact::CommandEnded { command, attempt: 1, exit: Exit::Code(code), took_ms: 412 }
}

#[test]
fn an_attempt_that_begins_by_itself_is_announced_where_it_can_be_stopped() {
    let mut script = pressed(at_command("retries=3"), &["r"]);
    script.event(None, ended(1));
    assert_snapshot!(drawn(&script.model, 80, 24));
}

#[test]
fn what_a_command_needs_and_does_not_find_stands_in_its_run_panel() {
    let mut script = at_command("shell=zsh stdin=notes.txt capture=URL");
    let file = script.model.stdin_of(script.model.release.workflow().commands().next().unwrap()).unwrap();
    script.model.observed.missing.extend([Need::Program("zsh".to_owned()), Need::File(file)]);
    assert_snapshot!(drawn(&script.model, 100, 30));
}

#[test]
fn a_value_that_was_captured_stands_beside_its_attempt() {
    let mut script = pressed(at_command("capture=URL"), &["r"]);
    let captured = Captured::Value("https://staging.example.org".to_owned());
    script
        .event(None, Fact::OutputCaptured { command: "preparation/command-1".into(), attempt: 1, captured });
    script.event(None, ended(0));
    assert_snapshot!(drawn(&script.model, 100, 24));
}

#[test]
fn a_missing_program_and_the_key_that_skips_for_it_stand_below_the_item() {
    let mut script = pressed(at_command("skip-if-missing"), &["esc"]);
    script.model.observed.missing.insert(Need::Program("git".to_owned()));
    assert_snapshot!(drawn(&script.model, 100, 24));
}
