//! A command in a terminal: whose keys are whose.

use super::*;
use crate::app::model::Panel;
use crate::release::{Exit, Fact};
use crate::watch::{TerminalRun, TerminalScreen};
use crate::workflow::CommandId;

const TTY: (&str, &str) = ("### 1. Préparation\n", "### 1. Préparation\n\n<!-- gonogo: tty=true -->\n");

fn screen(text: &str) -> TerminalScreen {
    let run = TerminalRun { at: 0, text: text.to_owned(), look: Default::default() };
    TerminalScreen { columns: 80, rows: vec![vec![run]], cursor: Some((0, 0)), ..Default::default() }
}

/// The first command runs in a terminal.
fn running() -> (Script, CommandId) {
    let mut script = Script::begun_changed(&[TTY]);
    script.confirm_all(&["pre-requis"]);
    script.run("preparation");
    let command = script.model.release.workflow().step(&"preparation".into()).unwrap().commands[0].id.clone();
    script.send(What::Screen { command: command.clone(), attempt: 1, screen: screen("name: ") });
    (script, command)
}

fn typed(script: &Script) -> Vec<String> {
    let typed = script.asked.iter().filter_map(|ask| match ask {
        Ask::Type { bytes, .. } => Some(String::from_utf8(bytes.clone()).unwrap()),
        _ => None,
    });
    typed.collect()
}

fn is_open(script: &Script) -> bool {
    matches!(script.model.view.panel, Some(Panel::Terminal { .. }))
}

#[test]
fn the_annotation_asks_for_it_the_record_says_so_and_keys_go_to_the_command() {
    let (mut script, command) = running();
    assert!(is_open(&script));
    let run = &script.model.state().last_attempt(&command).unwrap().run;
    assert!(run.terms.tty && run.env.contains(&"TERM".to_owned()));
    // Each of these is a key of the cockpit elsewhere; none of them is one here.
    for (key, sent) in
        [("R", "R"), ("q", "q"), ("ctrl-c", "\u{3}"), ("ctrl-r", "\u{12}"), ("esc", "\u{1b}"), ("h", "h")]
    {
        script.asked.clear();
        script.key(key);
        assert_eq!(typed(&script), [sent], "{key}");
        assert!(is_open(&script) && script.model.view.prompt.is_none());
    }
    assert!(!script.asked.iter().any(|ask| matches!(ask, Ask::Append { .. })), "what is typed is no record");
}

#[test]
fn one_chord_takes_the_keys_back_and_the_rollback_is_in_reach_behind_it() {
    let (mut script, command) = running();
    script.key("ctrl-]");
    assert_eq!(script.model.view.panel, Some(Panel::Output { command: command.clone(), attempt: 1 }));
    assert_eq!(script.model.state().command(&command), CommandState::Running);
    script.key("t");
    assert!(is_open(&script));
    // As terminals without a newer protocol send it.
    script.send(What::Key(KeyEvent::new(KeyCode::Char('5'), KeyModifiers::CONTROL)));
    assert!(!is_open(&script));
    script.key("R");
    assert!(matches!(script.model.view.panel, Some(Panel::Rollback { .. })));
}

#[test]
fn keys_typed_after_the_end_are_nobodys_until_the_chord() {
    let (mut script, command) = running();
    let fact = Fact::CommandEnded { command: command.clone(), attempt: 1, exit: Exit::Code(0), took_ms: 9 };
    script.event(None, fact);
    script.asked.clear();
    for key in ["y", "enter", "r", "R", "Y", "K", "q", "esc", "space"] {
        script.key(key);
    }
    assert!(is_open(&script) && typed(&script).is_empty(), "{:?}", script.asked);
    assert!(script.model.view.flash.as_ref().is_some_and(|flash| flash.text.contains("ctrl-]")));
    script.key("ctrl-]");
    assert_eq!(script.model.view.panel, Some(Panel::Output { command, attempt: 1 }));
}

#[test]
fn pasted_text_goes_to_the_command_without_what_could_end_it() {
    let (mut script, command) = running();
    script.asked.clear();
    script.send(What::Paste("one\r\ntwo\u{1b}[201~\u{3}".to_owned()));
    assert_eq!(typed(&script), ["one\rtwo[201~"]);
    let marked = TerminalScreen { bracketed_paste: true, ..screen("$ ") };
    script.send(What::Screen { command, attempt: 1, screen: marked });
    script.asked.clear();
    script.send(What::Paste("one\ntwo".to_owned()));
    assert_eq!(typed(&script), ["\u{1b}[200~one\ntwo\u{1b}[201~"]);
}

#[test]
fn any_command_may_have_one_by_a_key_of_the_run_panel() {
    let mut script = Script::begun();
    script.confirm_all(&["pre-requis"]);
    script.key("enter");
    script.key("t");
    assert!(matches!(&script.model.view.panel, Some(Panel::Run(panel)) if panel.tty));
    script.key("t");
    assert!(matches!(&script.model.view.panel, Some(Panel::Run(panel)) if !panel.tty));
    script.key("t");
    script.key("r");
    assert!(is_open(&script));
}

#[test]
fn the_key_that_leaves_a_terminal_stays_one_with_ctrl() {
    let mut keymap = crate::app::keymap::Keymap::default();
    assert!(keymap.rebind("leave-terminal", "x").unwrap_err().contains("ctrl"));
    assert!(keymap.rebind("leave-terminal", "esc").unwrap_err().contains("ctrl"));
    assert_eq!(keymap.rebind("leave-terminal", "ctrl-o"), Ok(()));
}
