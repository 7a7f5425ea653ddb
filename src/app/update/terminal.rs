//! The terminal of a command: keys go to the command, until one chord takes them back.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Ask, flash};
use crate::app::action::Action;
use crate::app::keymap::{Context, Key};
use crate::app::model::{Mode, Model, Panel};
use crate::release::CommandState;
use crate::watch::TerminalScreen;
use crate::workflow::CommandId;

/// Screens kept of commands that were in a terminal.
const KEPT: usize = 4;

/// A pasted text beyond this is none that anybody types into a command. Units: bytes.
const LONGEST_PASTE: usize = 64 * 1024;

/// What the command's terminal shows now.
pub(super) fn shown(model: &mut Model, command: CommandId, attempt: u32, screen: TerminalScreen) {
    let terminals = &mut model.view.terminals;
    terminals.retain(|(known, ..)| *known != (command.clone(), attempt));
    terminals.push(((command, attempt), screen));
    if terminals.len() > KEPT {
        terminals.remove(0);
    }
}

/// Gives a key to the command whose terminal is open.
pub(super) fn key(model: &mut Model, event: &KeyEvent) -> Vec<Ask> {
    let Some(Panel::Terminal { command, attempt }) = model.view.panel.clone() else { return Vec::new() };
    let chord = model.keymap.action(&[Context::Terminal], Key::of(event));
    if chord == Some(Action::LeaveTerminal) && event.kind != KeyEventKind::Repeat {
        leave(model);
        return Vec::new();
    }
    let mode = model.view.terminal(&command, attempt).map(|screen| screen.application_cursor);
    match bytes_of(event, mode.unwrap_or_default()) {
        Some(bytes) => type_in(model, command, attempt, bytes),
        None => Vec::new(),
    }
}

/// Gives pasted text to the command, marked as pasted where it asked for that.
pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Ask> {
    let Some(Panel::Terminal { command, attempt }) = model.view.panel.clone() else { return Vec::new() };
    if text.len() > LONGEST_PASTE {
        flash(model, "nothing was pasted: it is longer than 64 KiB", true);
        return Vec::new();
    }
    let is_marked = model.view.terminal(&command, attempt).is_some_and(|screen| screen.bracketed_paste);
    // An escape in it could end the mark and be typed as keys.
    let text: String =
        text.replace("\r\n", "\n").chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let bytes = match is_marked {
        true => format!("\u{1b}[200~{text}\u{1b}[201~"),
        false => text.replace('\n', "\r"),
    };
    type_in(model, command, attempt, bytes.into_bytes())
}

fn type_in(model: &mut Model, command: CommandId, attempt: u32, bytes: Vec<u8>) -> Vec<Ask> {
    if model.mode != Mode::Driving {
        flash(model, "here the command can only be watched", true);
        return Vec::new();
    }
    // What was typed for a command that is over must not become keys of the cockpit.
    if model.state().command(&command) != CommandState::Running {
        let key = model.keymap.key(&[Context::Terminal], Action::LeaveTerminal);
        let key = key.map(|key| key.to_string()).unwrap_or_default();
        flash(model, format!("the command has ended: {key} leaves its terminal"), true);
        return Vec::new();
    }
    vec![Ask::Type { command, attempt, bytes }]
}

/// Takes the keys back; the command goes on, and its output stands there.
fn leave(model: &mut Model) {
    let Some(Panel::Terminal { command, attempt }) = model.view.panel.clone() else { return };
    model.view.panel_scroll = u16::MAX;
    model.view.panel = Some(Panel::Output { command, attempt });
}

/// In the run panel: whether the command is to have a terminal. At a command that has one: into it.
pub(super) fn open(model: &mut Model) -> Vec<Ask> {
    let running = match &mut model.view.panel {
        Some(Panel::Run(panel)) => {
            panel.tty = !panel.tty;
            return Vec::new();
        }
        Some(Panel::Output { command, attempt }) => Some((command.clone(), *attempt)),
        _ => None,
    };
    match running.filter(|(command, attempt)| model.view.terminal(command, *attempt).is_some()) {
        Some((command, attempt)) => model.view.panel = Some(Panel::Terminal { command, attempt }),
        None => {
            flash(model, "this command has no terminal: choose it in the run panel, before it runs", true)
        }
    }
    Vec::new()
}

/// What a terminal sends for a key, as xterm does.
fn bytes_of(event: &KeyEvent, application_cursor: bool) -> Option<Vec<u8>> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let has = |modifier| event.modifiers.contains(modifier);
    let (ctrl, alt, shift) = (has(KeyModifiers::CONTROL), has(KeyModifiers::ALT), has(KeyModifiers::SHIFT));
    let modified = 1 + u8::from(shift) + 2 * u8::from(alt) + 4 * u8::from(ctrl);
    let cursor = |letter: char| match (modified, application_cursor) {
        (1, true) => format!("\u{1b}O{letter}"),
        (1, false) => format!("\u{1b}[{letter}"),
        _ => format!("\u{1b}[1;{modified}{letter}"),
    };
    let numbered = |number: u8| match modified {
        1 => format!("\u{1b}[{number}~"),
        _ => format!("\u{1b}[{number};{modified}~"),
    };
    let text = match event.code {
        KeyCode::Up => cursor('A'),
        KeyCode::Down => cursor('B'),
        KeyCode::Right => cursor('C'),
        KeyCode::Left => cursor('D'),
        KeyCode::Home => cursor('H'),
        KeyCode::End => cursor('F'),
        KeyCode::Insert => numbered(2),
        KeyCode::Delete => numbered(3),
        KeyCode::PageUp => numbered(5),
        KeyCode::PageDown => numbered(6),
        KeyCode::BackTab => "\u{1b}[Z".to_owned(),
        KeyCode::F(n @ 1..=4) if modified == 1 => format!("\u{1b}O{}", char::from(b'P' + n - 1)),
        KeyCode::F(n @ 1..=4) => format!("\u{1b}[1;{modified}{}", char::from(b'P' + n - 1)),
        KeyCode::F(n @ 5..=12) => {
            const NUMBERS: [u8; 8] = [15, 17, 18, 19, 20, 21, 23, 24];
            numbered(*NUMBERS.get(usize::from(n - 5))?)
        }
        code => {
            let plain = match code {
                KeyCode::Enter => "\r".to_owned(),
                KeyCode::Tab => "\t".to_owned(),
                KeyCode::Backspace => if ctrl { "\u{8}" } else { "\u{7f}" }.to_owned(),
                KeyCode::Esc => "\u{1b}".to_owned(),
                KeyCode::Char(c) if ctrl => control(c)?.to_string(),
                KeyCode::Char(c) => c.to_string(),
                _ => return None,
            };
            if alt { format!("\u{1b}{plain}") } else { plain }
        }
    };
    Some(text.into_bytes())
}

/// The control character of a key.
fn control(c: char) -> Option<char> {
    match c {
        ' ' | '@' | '2' => Some('\0'),
        // Without a newer protocol a terminal cannot tell these from the brackets behind them.
        '3' | '[' => Some('\u{1b}'),
        '4' | '\\' => Some('\u{1c}'),
        '5' | ']' => Some('\u{1d}'),
        '6' | '^' => Some('\u{1e}'),
        '7' | '_' | '/' => Some('\u{1f}'),
        '8' | '?' => Some('\u{7f}'),
        c if c.is_ascii_alphabetic() => Some(char::from(c.to_ascii_lowercase() as u8 & 0x1f)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(code: KeyCode, modifiers: KeyModifiers) -> Option<String> {
        bytes_of(&KeyEvent::new(code, modifiers), false).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn keys_are_sent_as_xterm_sends_them() {
        let none = KeyModifiers::NONE;
        let cases = [
            (KeyCode::Char('é'), none, "é"),
            (KeyCode::Enter, none, "\r"),
            (KeyCode::Backspace, none, "\u{7f}"),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, "\u{3}"),
            (KeyCode::Char('r'), KeyModifiers::CONTROL, "\u{12}"),
            (KeyCode::Char('b'), KeyModifiers::ALT, "\u{1b}b"),
            (KeyCode::Up, none, "\u{1b}[A"),
            (KeyCode::Right, KeyModifiers::CONTROL, "\u{1b}[1;5C"),
            (KeyCode::PageDown, none, "\u{1b}[6~"),
            (KeyCode::F(1), none, "\u{1b}OP"),
            (KeyCode::F(12), none, "\u{1b}[24~"),
        ];
        for (code, modifiers, bytes) in cases {
            assert_eq!(sent(code, modifiers).as_deref(), Some(bytes), "{code:?} {modifiers:?}");
        }
        let up = KeyEvent::new(KeyCode::Up, none);
        assert_eq!(bytes_of(&up, true), Some(b"\x1bOA".to_vec()));
        let released = KeyEvent { kind: KeyEventKind::Release, ..up };
        assert_eq!(bytes_of(&released, false), None);
    }
}
