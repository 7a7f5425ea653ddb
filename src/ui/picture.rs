//! The README's picture: made from the program itself, and found out when it no longer is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::theme::{Depth, Theme};
use super::{Scrolls, render, svg};
use crate::app::model::fixture::Script;

const SIZE: (u16, u16) = (150, 34);

#[test]
fn the_picture_in_the_readme_is_what_the_program_draws() {
    let script = Script::breached();
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    let mut buffer = Buffer::empty(area);
    let theme = Theme::default_for(false, Depth::True);
    render(&mut buffer, area, &script.model, &mut Scrolls::default(), &theme);
    let drawn = svg::svg(&buffer, "gonogo: a release whose error rate is over its limit");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cockpit.svg");
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        drawn == kept,
        "docs/cockpit.svg is not what the program draws; UPDATE_PICTURE=1 cargo test picture writes it anew"
    );
}
