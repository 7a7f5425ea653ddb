//! The pane of a command's terminal.

use super::*;
use crate::app::msg::What;
use crate::watch::{TerminalInk, TerminalLook, TerminalRun, TerminalScreen};

fn run(at: u16, text: &str, look: TerminalLook) -> TerminalRun {
    TerminalRun { at, text: text.to_owned(), look }
}

fn green() -> TerminalLook {
    TerminalLook { foreground: TerminalInk::Indexed(2), bold: true, ..TerminalLook::default() }
}

fn script() -> Script {
    let tty = ("### 1. Préparation\n", "### 1. Préparation\n\n<!-- gonogo: tty=true -->\n");
    let mut script = Script::begun_changed(&[tty]);
    script.confirm_all(&["pre-requis"]);
    script.run("preparation");
    let command = script.model.release.workflow().step(&"preparation".into()).unwrap().commands[0].id.clone();
    let plain = TerminalLook::default();
    let rows = vec![
        vec![run(0, "name: ana", plain)],
        vec![run(0, "日", plain), run(2, "本", plain), run(5, "done", green())],
        vec![run(0, "word: ", plain)],
    ];
    let screen = TerminalScreen { columns: 44, rows, cursor: Some((6, 2)), ..TerminalScreen::default() };
    script.send(What::Screen { command, attempt: 1, screen });
    script
}

#[test]
fn a_command_in_a_terminal() {
    let script = script();
    let draw = |(width, height)| format!("── {width}×{height}\n{}", drawn(&script.model, width, height));
    assert_snapshot!([(160, 48), (80, 24), (60, 20)].map(draw).join("\n"));
}

#[test]
fn its_colours_cursor_and_size_are_those_of_the_pane() {
    let script = script();
    let area = Rect::new(0, 0, 80, 24);
    for (theme, foreground) in [("dark", Some(ratatui::style::Color::Green)), ("monochrome", None)] {
        let theme = Theme::built_in(theme).unwrap();
        let (mut buffer, mut scrolls) = (Buffer::empty(area), Scrolls::default());
        let cursor = render(&mut buffer, area, &script.model, &mut scrolls, &theme);
        let (x, y) = find(&buffer, "done");
        let style = buffer[(x, y)].style();
        assert_eq!(style.fg.filter(|fg| *fg != ratatui::style::Color::Reset), foreground);
        assert!(style.add_modifier.contains(ratatui::style::Modifier::BOLD));
        let (x, y) = find(&buffer, "word:");
        assert_eq!(cursor.map(|cursor| (cursor.x, cursor.y)), Some((x + 6, y)));
        assert_eq!(scrolls.terminal, Some((44, 17)));
    }
}

#[test]
fn the_way_out_is_in_sight_at_every_size_and_nothing_panics() {
    let script = script();
    for (width, height) in [(160, 48), (80, 24), (60, 20), (40, 12)] {
        let screen = drawn(&script.model, width, height);
        assert!(screen.contains("ctrl-]"), "{width}×{height}\n{screen}");
    }
    for width in 1..50 {
        for height in 1..16 {
            drawn(&script.model, width, height);
        }
    }
}
