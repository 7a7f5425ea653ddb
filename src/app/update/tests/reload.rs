//! The document edited while its release runs, at the keyboard.

use super::*;
use crate::watch::OutputLine;
use crate::workflow::Edition;

fn edition(script: &Script, changes: &[(&str, &str)]) -> Box<Edition> {
    let mut edition = script.model.release.document().edition();
    for (line, with) in changes {
        assert!(edition.text.contains(line), "{line}");
        edition.text = edition.text.replacen(line, with, 1);
    }
    Box::new(edition)
}

fn running() -> Script {
    let mut script = Script::begun();
    script.confirm_all(&["pre-requis"]);
    script
}

/// Opens the palette and asks for it by name, as an operator does.
fn ask(script: &mut Script) -> Vec<Ask> {
    press(script, ":");
    script.type_text("reload");
    press(script, "enter")
}

const NOTES: (&str, &str) = ("- [ ] Les tests passent sur main", "- [ ] Tous les tests passent sur main");

#[test]
fn nothing_is_taken_over_before_it_was_shown_and_asked_for() {
    let mut script = running();
    let edited = edition(&script, &[NOTES]);
    assert_eq!(tell(&mut script, What::DocumentChanged(edited.clone())), []);
    assert_eq!(script.model.state().reloads, []);
    assert_eq!(ask(&mut script), []);
    assert!(matches!(&script.model.view.panel, Some(Panel::Reload(shown)) if shown.edition == *edited));
    // What is saved while the panel stands open is not what the panel shows.
    let later = edition(&script, &[NOTES, ("# ", "# À nouveau : ")]);
    tell(&mut script, What::DocumentChanged(later.clone()));
    let asks = press(&mut script, "r");
    assert_eq!(records(&asks).len(), 1, "it is a record");
    assert_eq!(script.model.view.panel, None);
    assert_eq!(script.model.state().reloads.len(), 1);
    assert!(script.model.release.document().text.contains("Tous les tests"));
    assert!(!script.model.release.document().text.contains("À nouveau"));
    let left = script.model.view.edited.as_ref().map(|edited| &edited.edition);
    assert_eq!(left, Some(&*later), "the rest is still to be looked at");
    let first = script.model.release.current();
    assert_eq!(first, crate::release::Current::Check("pre-requis/tous-les-tests-passent-sur-main".into()));
}

#[test]
fn an_edit_that_is_taken_back_leaves_nothing_to_reload() {
    let mut script = running();
    let (edited, same) = (edition(&script, &[NOTES]), edition(&script, &[]));
    tell(&mut script, What::DocumentChanged(edited));
    tell(&mut script, What::DocumentChanged(same));
    assert_eq!(script.model.view.edited, None);
    ask(&mut script);
    assert_eq!(script.model.view.panel, None);
    let said = script.model.view.flash.as_ref().map(|flash| flash.text.clone()).unwrap_or_default();
    assert!(said.contains("nothing to reload"), "{said}");
}

#[test]
fn a_command_that_a_reload_moved_still_shows_what_it_printed() {
    let mut script = running();
    script.run_ok("preparation");
    let line = OutputLine { text: "abc1234 fix: the cart".to_owned(), is_stderr: false };
    let batch = OutputBatch { command: PREPARE.into(), attempt: 1, lines: vec![line.clone()], cut: 0 };
    tell(&mut script, What::Output(batch));
    let before =
        ("```bash\ngit log --oneline -20", "```bash\ngit status\n```\n\n```bash\ngit log --oneline -20");
    let edited = edition(&script, &[before]);
    tell(&mut script, What::DocumentChanged(edited));
    ask(&mut script);
    press(&mut script, "r");
    let moved = "preparation/command-2".into();
    let last = script.model.state().last_attempt(&moved).expect("it ran, and stands in another place");
    assert_eq!((last.run.command.as_str(), last.run.attempt), (PREPARE, 1));
    let output = script.model.output(&moved, 1).expect("what it printed went with it");
    assert_eq!(output.lines.back(), Some(&line));
    assert!(script.model.output(&PREPARE.into(), 1).is_none(), "nobody ran what stands there now");
}

#[test]
fn a_running_command_keeps_the_key_from_working_and_says_so() {
    let mut script = running();
    script.run("preparation");
    let edited = edition(&script, &[NOTES]);
    tell(&mut script, What::DocumentChanged(edited));
    ask(&mut script);
    assert!(!script.model.offers().contains(&crate::app::action::Action::Run));
    assert_eq!(press(&mut script, "r"), []);
    let said = script.model.view.flash.as_ref().map(|flash| flash.text.clone()).unwrap_or_default();
    assert!(said.contains("is running"), "{said}");
    assert_eq!(script.model.state().reloads, []);
}
