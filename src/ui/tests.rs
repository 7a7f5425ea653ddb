//! Whole screens, drawn into a buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::theme::{Depth, Theme};
use super::{Scrolls, render};
use crate::app::model::Model;
use crate::app::model::fixture::Script;

pub fn buffer(model: &Model, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let theme = Theme::default_for(false, Depth::True);
    render(&mut buffer, area, model, &mut Scrolls::default(), &theme);
    buffer
}

/// The screen as text, without spaces at line ends.
pub fn drawn(model: &Model, width: u16, height: u16) -> String {
    let buffer = buffer(model, width, height);
    let row = |y: u16| {
        let mut row = String::new();
        let mut x = 0;
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol)).unwrap_or(1).max(1);
        }
        row.trim_end().to_owned()
    };
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn look() {
    let size = std::env::var("SIZE").unwrap_or_else(|_| "150x26".into());
    let (w, h) = size.split_once('x').unwrap();
    let (w, h) = (w.parse().unwrap(), h.parse().unwrap());
    let which = std::env::var("WHICH").unwrap_or_default();
    let all: Vec<(&str, fn() -> Script)> = vec![
        ("start", Script::start),
        ("poll", || {
            let mut s = Script::at_poll();
            s.key("enter");
            s
        }),
        ("before", || {
            let mut s = Script::before_production();
            s.key("enter");
            s.key("1");
            s
        }),
        ("rolling", Script::rolling_out),
        ("breach", Script::breached),
        ("panel", || {
            let mut s = Script::breached();
            s.key("R");
            s
        }),
        ("back", Script::rolling_back),
        ("safe", Script::safe),
        ("silent", Script::silent),
        ("doubt", Script::in_doubt),
        ("doubtpanel", || {
            let mut s = Script::in_doubt();
            s.key("enter");
            s
        }),
        ("held", Script::held),
        ("help", || {
            let mut s = Script::rolling_out();
            s.key("?");
            s
        }),
        ("palette", || {
            let mut s = Script::rolling_out();
            s.key(":");
            s.type_text("ro");
            s
        }),
        ("people", || {
            let mut s = Script::rolling_out();
            s.key("o");
            s
        }),
        ("criteria", || {
            let mut s = Script::breached();
            s.key("b");
            s
        }),
        ("quit", || {
            let mut s = Script::rolling_out();
            s.key("q");
            s
        }),
        ("output", || {
            let mut s = Script::before_production();
            s.run("deploiement-production");
            s.at(548);
            s
        }),
        ("log", || {
            let mut s = Script::rolling_out();
            s.key("L");
            s
        }),
        ("nogo", || {
            let mut s = Script::rolling_out();
            s.key("x");
            s.type_text("pas encore");
            s
        }),
        ("validation", || {
            let mut s = Script::validating();
            s.at(1200);
            s
        }),
        ("soak", || {
            let mut s = Script::soaking();
            s.at(2900);
            s
        }),
    ];
    for (name, make) in all {
        if which.is_empty() || which.split(',').any(|w| w == name) {
            let script = make();
            println!("=== {name}\n{}", drawn(&script.model, w, h));
        }
    }
}
