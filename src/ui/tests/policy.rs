//! A rollback without a key on the screen: asked for, counting, stopped, and left to a person.

use super::*;
use crate::app::model::fixture::{Policies, three_bad_readings};
use crate::app::model::{FieldKind, Panel};
use crate::release::Verdict;

/// The rows that matter, at the sizes where they must show.
fn at_some_sizes(script: &Script) -> String {
    let draw = |(width, height)| format!("── {width}×{height}\n{}", drawn(&script.model, width, height));
    [(150, 30), (80, 24), (60, 20)].map(draw).join("\n")
}

fn counting() -> Script {
    let mut script = Script::accepted(Policies::Accepted);
    three_bad_readings(&mut script);
    script.at(823);
    script
}

/// The banner's rows, and the footer, at a width.
fn told(script: &Script, width: u16) -> String {
    let buffer = buffer(&script.model, width, 24);
    [row(&buffer, 1), row(&buffer, 2), row(&buffer, 23)].join("\n")
}

#[test]
fn what_the_document_asks_to_do_by_itself_before_the_release_begins() {
    let mut script = Script::accepted(Policies::Offered);
    script.model.preflight.clear();
    let is_policy = |script: &Script| {
        let Some(Panel::Start(form)) = &script.model.view.panel else { panic!("the start panel is open") };
        matches!(form.fields[form.selected].kind, FieldKind::Policy(_))
    };
    while !is_policy(&script) {
        script.key("down");
    }
    script.key("space");
    assert_snapshot!(at_some_sizes(&script));
}

#[test]
fn the_seconds_and_the_key_that_stops_them_are_in_the_banner() {
    assert_snapshot!(at_some_sizes(&counting()));
}

#[test]
fn the_seconds_and_their_key_are_told_however_narrow_it_is() {
    for width in [40, 60, 80, 120, 200] {
        let told = told(&counting(), width);
        assert!(told.contains("rolls back by itself in 17s"), "{width}: {told}");
    }
    for width in [60, 80, 120, 200] {
        let told = told(&counting(), width);
        assert!(told.contains("h stops it") && told.contains("h stop the countdown"), "{width}: {told}");
    }
}

#[test]
fn who_types_or_only_watches_is_told_what_stops_it_there() {
    let mut script = counting();
    script.key("n");
    assert!(told(&script, 120).contains("Esc then h stops it"), "{}", told(&script, 120));
    let mut script = counting();
    script.model.mode = Mode::Following { holder: "bo".to_owned() };
    assert!(told(&script, 120).contains("only bo can stop it"), "{}", told(&script, 120));
    assert!(!told(&script, 120).contains("h stop"), "{}", told(&script, 120));
}

#[test]
fn a_countdown_that_was_stopped_leaves_the_proposal_and_who_stopped_it() {
    let script = pressed(counting(), &["h"]);
    let told = told(&script, 200);
    assert!(told.contains("not by itself: ana stopped the countdown"), "{told}");
    assert!(told.contains("R then Y"), "{told}");
    assert_snapshot!(at_some_sizes(&pressed(script, &["R"])));
}

#[test]
fn a_countdown_without_readings_ended_and_is_no_all_clear() {
    let mut script = counting();
    let fact = Fact::CriterionRead {
        criterion: "taux-d-erreur".into(),
        verdict: Verdict::NoData,
        why: "no reading for 61 s".to_owned(),
        since: None,
    };
    script.event(None, fact);
    script.model.view.flash = None;
    let told = told(&script, 200);
    assert!(told.contains("the countdown ended"), "{told}");
    assert!(told.contains("nothing fires on no data") && told.contains("R then Y"), "{told}");
}

#[test]
fn the_panel_of_the_policy() {
    assert_snapshot!(at_some_sizes(&pressed(Script::accepted(Policies::Accepted), &["R", "p"])));
    let none = pressed(Script::rolling_out(), &["R", "p"]);
    assert!(drawn(&none.model, 120, 24).contains("the document asks for none"));
}
