//! A screen as a picture: what the README shows is what the program draws.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::theme::as_hex;

/// Units: pixels. A column is as wide as common monospace fonts draw it at this size.
const FONT: f64 = 14.0;
const COLUMN: f64 = 8.4;
const ROW: f64 = 18.0;
const MARGIN: f64 = 14.0;
/// Room above the screen for the title.
const TITLE: f64 = 30.0;

const BACKGROUND: &str = "#0d1117";
const FOREGROUND: &str = "#c9d1d9";
const FRAME: &str = "#30363d";

/// Renders a buffer as an SVG document.
///
/// - Shape: runs of one style are one element and carry their width, so that a font of another width
///   keeps the columns; the same buffer always gives the same text.
pub fn svg(buffer: &Buffer, title: &str) -> String {
    let area = buffer.area;
    let width = 2.0 * MARGIN + f64::from(area.width) * COLUMN;
    let height = TITLE + 2.0 * MARGIN + f64::from(area.height) * ROW;
    let mut out = String::new();
    let title = escaped(title);
    let font = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";
    let mut put = |text: std::fmt::Arguments| out.write_fmt(text).expect("a string takes any text");
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"{font}\" font-size=\"{FONT}\" \
         role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n"
    ));
    put(format_args!(
        "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\" stroke=\"{FRAME}\"/>\n\
         <text x=\"{:.0}\" y=\"21\" fill=\"#8b949e\" text-anchor=\"middle\" font-size=\"13\">{title}</text>\n",
        width / 2.0
    ));
    put(format_args!("<g xml:space=\"preserve\" fill=\"{FOREGROUND}\">\n"));
    for y in 0..area.height {
        for run in runs(buffer, y) {
            let x = MARGIN + f64::from(run.from) * COLUMN;
            let top = TITLE + MARGIN + f64::from(y) * ROW;
            let wide = f64::from(run.columns) * COLUMN;
            if let Some(background) = &run.look.background {
                put(format_args!(
                    "<rect x=\"{x:.1}\" y=\"{top:.0}\" width=\"{wide:.1}\" height=\"{ROW}\" fill=\"{background}\"/>\n"
                ));
            }
            let text = run.text.trim_end();
            if text.is_empty() {
                continue;
            }
            let columns = f64::from(u16::try_from(text.width()).unwrap_or(run.columns)) * COLUMN;
            let baseline = top + ROW - 5.0;
            put(format_args!(
                "<text x=\"{x:.1}\" y=\"{baseline:.0}\" textLength=\"{columns:.1}\"{}>{}</text>\n",
                run.look.attributes(),
                escaped(text)
            ));
        }
    }
    put(format_args!("</g>\n</svg>\n"));
    out
}

#[derive(PartialEq)]
struct Look {
    foreground: Option<String>,
    background: Option<String>,
    bold: bool,
    dim: bool,
    underlined: bool,
}

impl Look {
    fn of(cell: &Cell) -> Look {
        let has = |modifier| cell.modifier.contains(modifier);
        let (mut foreground, mut background) = (as_hex(cell.fg), as_hex(cell.bg));
        if has(Modifier::REVERSED) {
            let ink = foreground.unwrap_or_else(|| FOREGROUND.to_owned());
            foreground = Some(background.unwrap_or_else(|| BACKGROUND.to_owned()));
            background = Some(ink);
        }
        Look {
            foreground,
            background,
            bold: has(Modifier::BOLD),
            dim: has(Modifier::DIM),
            underlined: has(Modifier::UNDERLINED),
        }
    }

    fn attributes(&self) -> String {
        let mut text = String::new();
        if let Some(foreground) = &self.foreground {
            text.push_str(&format!(" fill=\"{foreground}\""));
        }
        if self.bold {
            text.push_str(" font-weight=\"bold\"");
        }
        if self.dim {
            text.push_str(" opacity=\"0.6\"");
        }
        if self.underlined {
            text.push_str(" text-decoration=\"underline\"");
        }
        text
    }
}

struct Run {
    from: u16,
    columns: u16,
    text: String,
    look: Look,
}

/// A row as runs of one style. Spaces without a background belong to any style.
fn runs(buffer: &Buffer, y: u16) -> Vec<Run> {
    let area = buffer.area;
    let mut runs: Vec<Run> = Vec::new();
    let mut x = 0;
    while x < area.width {
        let Some(cell) = buffer.cell((area.x + x, area.y + y)) else { break };
        let symbol = cell.symbol();
        let wide = u16::try_from(symbol.width().max(1)).unwrap_or(1);
        let look = Look::of(cell);
        let is_blank = symbol.trim().is_empty() && look.background.is_none();
        match runs.last_mut() {
            Some(run)
                if run.look == look
                    || (is_blank && run.look.background.is_none() && !run.look.underlined) =>
            {
                run.text.push_str(symbol);
                run.columns += wide;
            }
            _ => runs.push(Run { from: x, columns: wide, text: symbol.to_owned(), look }),
        }
        x += wide;
    }
    // A run that begins with blanks would stretch over them for nothing.
    for run in &mut runs {
        if run.look.background.is_none() {
            let blanks = run.text.len() - run.text.trim_start().len();
            run.text.drain(..blanks);
            let blanks = u16::try_from(blanks).unwrap_or(0);
            run.from += blanks;
            run.columns = run.columns.saturating_sub(blanks);
        }
    }
    runs.retain(|run| run.columns > 0);
    runs
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no way to write most control characters.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::{Color, Style};

    #[test]
    fn runs_of_one_style_become_one_element() {
        let mut buffer = Buffer::with_lines(["plain <b> & \"more\"", "second"]);
        buffer.set_string(
            0,
            1,
            "second",
            Style::new().fg(Color::Rgb(0x3f, 0xb9, 0x50)).add_modifier(Modifier::BOLD),
        );
        let svg = svg(&buffer, "a <title>");
        assert_eq!(svg.matches("<text x=").count(), 3, "{svg}");
        assert!(svg.contains(">plain &lt;b&gt; &amp; &quot;more&quot;</text>"), "{svg}");
        assert!(svg.contains("fill=\"#3fb950\" font-weight=\"bold\">second</text>"), "{svg}");
        assert!(svg.contains("<title>a &lt;title&gt;</title>"));
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn columns_hold_whatever_the_font() {
        let buffer = Buffer::with_lines(["  漢字 x"]);
        let svg = svg(&buffer, "t");
        let x = MARGIN + 2.0 * COLUMN;
        assert!(svg.contains(&format!("<text x=\"{x:.1}\"")), "{svg}");
        assert!(svg.contains(&format!("textLength=\"{:.1}\"", 6.0 * COLUMN)), "{svg}");
    }

    #[test]
    fn reversed_text_swaps_the_colours_and_a_background_is_a_box() {
        let mut buffer = Buffer::with_lines(["go"]);
        buffer.set_style(buffer.area, Style::new().add_modifier(Modifier::REVERSED));
        let svg = svg(&buffer, "t");
        assert!(svg.contains(&format!("height=\"18\" fill=\"{FOREGROUND}\"/>")), "{svg}");
        assert!(svg.contains(&format!("fill=\"{BACKGROUND}\">go</text>")), "{svg}");
    }
}
