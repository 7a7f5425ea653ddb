//! Whether every text of a built-in theme can be read on what it stands on: the contrast ratio of
//! WCAG 2, from 1 to 21.
//!
//! What a number of the 256 means is the table of xterm, which terminals do not change. The sixteen
//! colours belong to the user; they are judged by xterm's table too, below. A theme that leaves its
//! background to the terminal is judged on those that terminals of its kind have.

use ratatui::style::{Color, Modifier};

use super::*;

/// The sixteen colours of xterm, in the order of [`NAMED`].
const XTERM: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

fn rgb(color: Color) -> Option<(u8, u8, u8)> {
    if let Some(at) = NAMED.iter().position(|(_, known, _)| *known == color) {
        return Some(XTERM[at]);
    }
    let hex = as_hex(color)?;
    Some(hexadecimal(&hex).expect("a colour is six digits"))
}

fn luminance((red, green, blue): (u8, u8, u8)) -> f64 {
    let linear = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

fn ratio(one: (u8, u8, u8), other: (u8, u8, u8)) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Asserts that each role can be read, on a terminal with these `(text, background)` colours of its own.
fn assert_readable(name: &str, depth: Depth, terminal: ((u8, u8, u8), (u8, u8, u8)), least: f64) {
    let theme = Theme::built_in(name).unwrap().with_depth(depth);
    let ground = theme.style(Role::Text);
    for role in Role::ALL {
        let style = theme.style(role);
        let fore = style.fg.or(ground.fg).and_then(rgb).unwrap_or(terminal.0);
        let back = style.bg.or(ground.bg).and_then(rgb).unwrap_or(terminal.1);
        let found = ratio(fore, back);
        assert!(found >= least, "{name} at {depth:?}: {} has {found:.2}, not {least}", role.name());
        // A terminal is free in how much it takes from a faint text.
        assert!(!style.add_modifier.contains(Modifier::DIM), "{name}: {}", role.name());
    }
}

const DEPTHS: [Depth; 3] = [Depth::True, Depth::Indexed, Depth::Sixteen];
const BLACK: (u8, u8, u8) = (0, 0, 0);
const WHITE: (u8, u8, u8) = (255, 255, 255);

#[test]
fn the_ratio_is_that_of_wcag() {
    assert!((ratio(WHITE, BLACK) - 21.0).abs() < 1e-9);
    // The example that tools agree on: #767676 is the lightest grey that is readable on white.
    assert!((ratio((0x76, 0x76, 0x76), WHITE) - 4.54).abs() < 0.01);
}

#[test]
fn every_text_of_the_dark_theme_can_be_read_on_dark_terminals() {
    let grounds = [BLACK, (0x0d, 0x11, 0x17), (0x1e, 0x1e, 0x1e)];
    for ground in grounds {
        for depth in [Depth::True, Depth::Indexed] {
            assert_readable("dark", depth, ((229, 229, 229), ground), 4.5);
        }
    }
    assert_readable("dark", Depth::Sixteen, ((229, 229, 229), BLACK), 4.5);
}

#[test]
fn every_text_of_the_light_theme_can_be_read_whatever_the_terminal() {
    for depth in [Depth::True, Depth::Indexed] {
        assert_readable("light", depth, (WHITE, BLACK), 4.5);
    }
    assert_readable("light", Depth::Sixteen, (BLACK, WHITE), 4.5);
}

#[test]
fn every_text_of_the_high_contrast_theme_stands_out_seven_to_one() {
    for depth in DEPTHS {
        for terminal in [(WHITE, BLACK), (BLACK, WHITE)] {
            assert_readable("high-contrast", depth, terminal, 7.0);
        }
    }
}

#[test]
fn a_theme_with_a_ground_of_its_own_lets_no_role_stand_on_the_terminals() {
    for name in ["light", "high-contrast"] {
        let theme = Theme::built_in(name).unwrap();
        assert!(theme.style(Role::Text).bg.is_some_and(|ground| ground != Color::Reset), "{name}");
    }
}
