//! What annotations take, hold and ask for, where an operator looks.

use super::*;
use crate::app::model::Row;

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
