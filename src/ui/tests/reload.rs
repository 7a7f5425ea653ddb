//! The document edited while its release runs: the line that says so, and the panel that asks.

use super::*;
use crate::app::msg::What;

fn edited() -> Script {
    let mut script = Script::begun();
    script.confirm_all(&["pre-requis"]);
    script.run_ok("preparation");
    let mut edition = script.model.release.document().edition();
    for (line, with) in [
        ("- [ ] Les tests passent sur main", "- [ ] Tous les tests passent sur main"),
        ("git log --oneline -20", "git log --oneline -30"),
    ] {
        assert!(edition.text.contains(line), "{line}");
        edition.text = edition.text.replacen(line, with, 1);
    }
    script.send(What::DocumentChanged(Box::new(edition)));
    script
}

#[test]
fn an_edited_document_is_told_in_one_line_and_shown_in_a_panel() {
    let mut script = edited();
    let banner = drawn(&script.model, 150, 30);
    let line = banner.lines().find(|line| line.contains("changed on disk")).expect("a banner");
    assert!(line.contains(":reload"), "{line}");
    script.key(":");
    script.type_text("reload");
    script.key("enter");
    let (wide, small) = (drawn(&script.model, 150, 30), drawn(&script.model, 80, 24));
    assert_snapshot!(format!("{wide}\n\n{small}"));
}

#[test]
fn the_panel_is_drawn_at_any_size() {
    let mut script = edited();
    script.key(":");
    script.type_text("reload");
    script.key("enter");
    for (width, height) in [(1, 1), (20, 5), (60, 12)] {
        assert!(drawn(&script.model, width, height).lines().count() <= usize::from(height));
    }
}
