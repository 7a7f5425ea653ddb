//! An unclear block at the keyboard: one key turns it, on the start panel and on the way.

use super::*;
use crate::app::model::FieldKind;
use crate::release::Effect;
use crate::workflow::{BlockClass, CommandKind, Meaning};

const DOCUMENT: &str = "---\nname: release\nroles: [ops]\n---\n# R\n\n## Steps\n\n### 1. Tag\n\n```\ngit push origin <tag>\n```\n\n- [ ] Pushed\n";

fn script() -> Script {
    let mut script = Script::opened_with(DOCUMENT, Vec::new());
    script.model.preflight.clear();
    script
}

fn kinds(script: &Script) -> Vec<&'static str> {
    let Some(Panel::Start(form)) = &script.model.view.panel else { panic!("the start panel is open") };
    let words = |kind: &FieldKind| match kind {
        FieldKind::Param(_) => "param",
        FieldKind::Role(_) => "role",
        FieldKind::Block(_) => "block",
        FieldKind::Secret(_) | FieldKind::Policy(_) => "other",
    };
    form.fields.iter().map(|field| words(&field.kind)).collect()
}

fn meaning(script: &Script) -> Option<Meaning> {
    let settling = script.model.release.document().settlings()[0].settling.clone();
    settling.and_then(|settling| settling.ruling).map(|ruling| ruling.meaning)
}

#[test]
fn one_key_turns_it_and_the_form_asks_for_what_the_document_then_needs() {
    let mut script = script();
    assert_eq!(kinds(&script), ["param", "role", "block"]);
    press(&mut script, "down");
    press(&mut script, "down");
    let asks = press(&mut script, "space");
    assert!(
        asks.iter().any(|ask| matches!(ask, Ask::Do(Effect::Remember { ruling: Some(_), .. }))),
        "{asks:?}"
    );
    assert_eq!((meaning(&script), kinds(&script)), (Some(Meaning::Commands), vec!["param", "role", "block"]));
    press(&mut script, "space");
    assert_eq!((meaning(&script), kinds(&script)), (Some(Meaning::Text), vec!["role", "block"]));
    press(&mut script, "space");
    assert_eq!((meaning(&script), kinds(&script)), (None, vec!["param", "role", "block"]));
    press(&mut script, "enter");
    assert!(told(&script).contains("space says whether it is commands"), "{}", told(&script));
}

#[test]
fn what_was_typed_stays_when_a_block_is_turned() {
    let mut script = script();
    press(&mut script, "enter");
    script.type_text("-2");
    press(&mut script, "enter");
    press(&mut script, "down");
    press(&mut script, "space");
    let Some(Panel::Start(form)) = &script.model.view.panel else { panic!("the start panel is open") };
    assert_eq!(form.fields[0].value, "v1.3.0-2");
    press(&mut script, "space");
    press(&mut script, "space");
    let Some(Panel::Start(form)) = &script.model.view.panel else { panic!("the start panel is open") };
    assert_eq!(form.fields[0].value, "v1.3.0-2", "also when the field was not asked for in between");
    assert!(matches!(form.fields[form.selected].kind, FieldKind::Block(_)), "and the selection, too");
}

#[test]
fn on_the_way_it_has_a_panel_of_its_own_and_then_runs_like_any_other() {
    let mut script = script();
    press(&mut script, "r");
    press(&mut script, "up");
    press(&mut script, "enter");
    assert!(matches!(script.model.view.panel, Some(Panel::Unclear(_))), "{:?}", script.model.view.panel);
    press(&mut script, "space");
    press(&mut script, "esc");
    let command = &script.model.release.workflow().steps[0].commands[0];
    assert_eq!((command.kind, command.class), (CommandKind::Run, BlockClass::Runnable));
    let asks = press(&mut script, "enter");
    assert!(matches!(script.model.view.panel, Some(Panel::Run(_))), "{asks:?}");
}
