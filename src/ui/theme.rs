//! Roles and what they look like. The only file that names a colour.

mod choice;
#[cfg(test)]
mod contrast;
#[cfg(test)]
mod tests;

pub use choice::Themes;

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use serde_yaml::Spanned;

use crate::watch::{TerminalInk, TerminalLook};

/// What a piece of the screen means. A role never stands alone: a sign or a word says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Text,
    Dim,
    Title,
    Focus,
    Selection,
    Ok,
    Warning,
    Bad,
    Info,
    Accent,
    /// Answered by a probe, not by a person.
    Sensed,
    /// A person went against a probe, or without it: never looks like `Ok`.
    Overridden,
    /// Known once, not known now.
    Stale,
    LogError,
    LogWarn,
    /// One of eight, to tell pods apart; only `0..8` exist.
    Pod(u8),
}

const N_ROLES: usize = 23;

impl Role {
    pub const ALL: [Role; N_ROLES] = [
        Role::Text,
        Role::Dim,
        Role::Title,
        Role::Focus,
        Role::Selection,
        Role::Ok,
        Role::Warning,
        Role::Bad,
        Role::Info,
        Role::Accent,
        Role::Sensed,
        Role::Overridden,
        Role::Stale,
        Role::LogError,
        Role::LogWarn,
        Role::Pod(0),
        Role::Pod(1),
        Role::Pod(2),
        Role::Pod(3),
        Role::Pod(4),
        Role::Pod(5),
        Role::Pod(6),
        Role::Pod(7),
    ];

    /// The role's name in a theme file.
    pub fn name(self) -> &'static str {
        const PODS: [&str; 8] = ["pod-1", "pod-2", "pod-3", "pod-4", "pod-5", "pod-6", "pod-7", "pod-8"];
        match self {
            Role::Text => "text",
            Role::Dim => "dim",
            Role::Title => "title",
            Role::Focus => "focus",
            Role::Selection => "selection",
            Role::Ok => "ok",
            Role::Warning => "warning",
            Role::Bad => "bad",
            Role::Info => "info",
            Role::Accent => "accent",
            Role::Sensed => "sensed",
            Role::Overridden => "overridden",
            Role::Stale => "stale",
            Role::LogError => "log-error",
            Role::LogWarn => "log-warn",
            Role::Pod(index) => PODS[usize::from(index % 8)],
        }
    }

    fn index(self) -> usize {
        let pods = N_ROLES - 8;
        match self {
            Role::Pod(index) => pods + usize::from(index % 8),
            other => Role::ALL.iter().position(|role| *role == other).unwrap_or(0),
        }
    }
}

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    Sixteen,
    Indexed,
    True,
}

impl Depth {
    /// Reads what the environment says: `COLORTERM` promises true colour, `TERM` 256 colours.
    pub fn of_terminal(colorterm: Option<&str>, term: Option<&str>) -> Depth {
        if colorterm.is_some_and(|value| matches!(value, "truecolor" | "24bit")) {
            return Depth::True;
        }
        let is_indexed = term.is_some_and(|term| term.contains("256color") || term.contains("kitty"));
        if is_indexed { Depth::Indexed } else { Depth::Sixteen }
    }
}

/// Each role with its style, for one depth of colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    pub name: String,
    looks: Vec<Look>,
    depth: Depth,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Look {
    foreground: Option<Ink>,
    background: Option<Ink>,
    modifiers: Modifier,
}

/// A colour, and what stands for it where it cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ink {
    rgb: Option<(u8, u8, u8)>,
    fallback: Color,
}

/// What is wrong in a theme file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThemeError {
    #[error("{file}:{line}:{column}: {message}")]
    Yaml { file: String, line: u64, column: u64, message: String },
    #[error("{file}:{line}:{column}: there is no role `{role}`; did you mean `{near}`?")]
    UnknownRole { file: String, line: u64, column: u64, role: String, near: String },
    #[error("{file}:{line}:{column}: in `{role}`: {why}")]
    BadStyle { file: String, line: u64, column: u64, role: String, why: String },
    #[error(
        "{file}: the theme names no style for {roles}; name them, or write `extends: dark` above `roles:`"
    )]
    MissingRoles { file: String, roles: String },
    #[error("{file}:{line}:{column}: there is no theme `{base}` to start from; write {}", built_in_names())]
    UnknownBase { file: String, line: u64, column: u64, base: String },
    #[error("there is no theme `{name}`; write {known}, or the path of a theme file")]
    NoSuchTheme { name: String, known: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    /// Older files say `base`.
    #[serde(alias = "base")]
    extends: Option<Spanned<String>>,
    roles: BTreeMap<String, Spanned<Option<String>>>,
}

const BUILT_IN: [(&str, &str); 4] = [
    ("dark", include_str!("../../themes/dark.yaml")),
    ("light", include_str!("../../themes/light.yaml")),
    ("high-contrast", include_str!("../../themes/high-contrast.yaml")),
    ("monochrome", include_str!("../../themes/monochrome.yaml")),
];

impl Theme {
    /// The theme that is used when nothing is configured: `dark`, or `monochrome` when `NO_COLOR` is set.
    pub fn default_for(no_color: bool, depth: Depth) -> Theme {
        let name = if no_color { "monochrome" } else { "dark" };
        Theme::built_in(name).expect("the built-in themes are tested").with_depth(depth)
    }

    pub fn built_in(name: &str) -> Result<Theme, ThemeError> {
        let known = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (name, text) = known
            .ok_or_else(|| ThemeError::NoSuchTheme { name: name.to_owned(), known: built_in_names() })?;
        Theme::read(&format!("themes/{name}.yaml"), text).map_err(|mut errors| errors.remove(0))
    }

    /// Reads a theme file.
    ///
    /// - Shape: `name`, `roles`, and perhaps `extends`, a built-in theme that has what `roles` leaves out.
    /// - Errors: every problem of the file, with its place; never empty.
    pub fn read(file: &str, text: &str) -> Result<Theme, Vec<ThemeError>> {
        let parsed: File = serde_yaml::from_str(text).map_err(|error| {
            let place = error.location();
            vec![ThemeError::Yaml {
                file: file.to_owned(),
                line: place.as_ref().map_or(1, serde_yaml::Location::line),
                column: place.as_ref().map_or(1, serde_yaml::Location::column),
                message: one_line(&error.without_snippet().to_string()),
            }]
        })?;
        let mut looks: Vec<Option<Look>> = vec![None; N_ROLES];
        let mut errors = Vec::new();
        if let Some(base) = &parsed.extends {
            match Theme::built_in(&base.value) {
                Ok(base) => looks = base.looks.into_iter().map(Some).collect(),
                Err(_) => errors.push(ThemeError::UnknownBase {
                    file: file.to_owned(),
                    line: base.referenced.line(),
                    column: base.referenced.column(),
                    base: base.value.clone(),
                }),
            }
        }
        for (name, style) in &parsed.roles {
            let (line, column) = (style.referenced.line(), style.referenced.column());
            let file = file.to_owned();
            let Some(role) = Role::ALL.into_iter().find(|role| role.name() == name) else {
                let near = Role::ALL.iter().min_by_key(|role| strsim::damerau_levenshtein(role.name(), name));
                let near = near.map_or("", |role| role.name()).to_owned();
                errors.push(ThemeError::UnknownRole { file, line, column, role: name.clone(), near });
                continue;
            };
            let look = style.value.as_deref().map_or_else(
                || Err("there is no style; a colour that starts with # needs quotes around it".to_owned()),
                look,
            );
            match look {
                Ok(look) => looks[role.index()] = Some(look),
                Err(why) => {
                    errors.push(ThemeError::BadStyle { file, line, column, role: name.clone(), why });
                    looks[role.index()] = Some(Look::default());
                }
            }
        }
        let unnamed = Role::ALL.iter().filter(|role| looks[role.index()].is_none());
        let missing: Vec<&str> = unnamed.map(|role| role.name()).collect();
        if !missing.is_empty() {
            errors.push(ThemeError::MissingRoles { file: file.to_owned(), roles: missing.join(", ") });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let looks = looks.into_iter().flatten().collect();
        Ok(Theme { name: parsed.name, looks, depth: Depth::True })
    }

    /// The same theme for a terminal that shows fewer colours.
    pub fn with_depth(mut self, depth: Depth) -> Theme {
        self.depth = depth;
        self
    }

    pub fn style(&self, role: Role) -> Style {
        let look = self.looks.get(role.index()).copied().unwrap_or_default();
        let mut style = Style::new().add_modifier(look.modifiers);
        style.fg = look.foreground.map(|ink| ink.at(self.depth));
        style.bg = look.background.map(|ink| ink.at(self.depth));
        style
    }
}

impl Theme {
    /// What a command in a terminal of its own asked for, as this terminal can show it; a theme
    /// without colours leaves them out here, too.
    pub fn of_terminal(&self, look: TerminalLook) -> Style {
        let mut style = Style::new();
        for (is_set, modifier) in [
            (look.bold, Modifier::BOLD),
            (look.dim, Modifier::DIM),
            (look.italic, Modifier::ITALIC),
            (look.underline, Modifier::UNDERLINED),
            (look.inverse, Modifier::REVERSED),
        ] {
            if is_set {
                style = style.add_modifier(modifier);
            }
        }
        if self.looks.iter().all(|look| look.foreground.is_none() && look.background.is_none()) {
            return style;
        }
        let color = |ink: TerminalInk| match (ink, self.depth) {
            (TerminalInk::Default, _) => None,
            (TerminalInk::Indexed(index @ 0..16), _) => Some(SIXTEEN[usize::from(index)]),
            (TerminalInk::Indexed(index), Depth::Sixteen) => {
                as_hex(Color::Indexed(index)).and_then(|hex| hexadecimal(&hex).ok()).map(nearest)
            }
            (TerminalInk::Indexed(index), _) => Some(Color::Indexed(index)),
            (TerminalInk::Rgb(red, green, blue), depth) => {
                let rgb = (red, green, blue);
                Some(Ink { rgb: Some(rgb), fallback: nearest(rgb) }.at(depth))
            }
        };
        style.fg = color(look.foreground);
        style.bg = color(look.background);
        style
    }
}

/// The first sixteen of 256, by number.
const SIXTEEN: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

impl Ink {
    fn at(self, depth: Depth) -> Color {
        match (self.rgb, depth) {
            (Some((red, green, blue)), Depth::True) => Color::Rgb(red, green, blue),
            (Some(rgb), Depth::Indexed) => Color::Indexed(indexed(rgb)),
            _ => self.fallback,
        }
    }
}

/// Reads `#f0f6fc/white on #264f78/blue bold`.
fn look(text: &str) -> Result<Look, String> {
    let mut look = Look::default();
    let mut is_background = false;
    let mut is_empty = true;
    for word in text.split_whitespace() {
        is_empty = false;
        match word {
            "bold" => look.modifiers |= Modifier::BOLD,
            "dim" => look.modifiers |= Modifier::DIM,
            "underline" => look.modifiers |= Modifier::UNDERLINED,
            "reversed" => look.modifiers |= Modifier::REVERSED,
            "on" => is_background = true,
            "default" => is_background = false,
            colour if is_background => {
                look.background = Some(ink(colour)?);
                is_background = false;
            }
            colour => look.foreground = Some(ink(colour)?),
        }
    }
    match (is_empty, is_background) {
        (true, _) => Err("there is no style; write `default` for the terminal's own".to_owned()),
        (_, true) => Err("`on` has no colour behind it".to_owned()),
        _ => Ok(look),
    }
}

fn ink(text: &str) -> Result<Ink, String> {
    let (rgb, name) = match text.split_once('/') {
        Some((rgb, name)) => (Some(rgb), Some(name)),
        None if text.starts_with('#') => (Some(text), None),
        None => (None, Some(text)),
    };
    let rgb = rgb.map(hexadecimal).transpose()?;
    let fallback = match (name, rgb) {
        (Some(name), _) => named(name)?,
        (None, Some(rgb)) => nearest(rgb),
        (None, None) => Color::Reset,
    };
    Ok(Ink { rgb, fallback })
}

fn hexadecimal(text: &str) -> Result<(u8, u8, u8), String> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii());
    let part = |digits: &str, at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    digits
        .and_then(|digits| Some((part(digits, 0)?, part(digits, 2)?, part(digits, 4)?)))
        .ok_or_else(|| format!("`{text}` is not a colour; write # and six hexadecimal digits"))
}

/// The sixteen names, with what a common terminal shows for each.
const NAMED: [(&str, Color, (u8, u8, u8)); 16] = [
    ("black", Color::Black, (0, 0, 0)),
    ("red", Color::Red, (205, 49, 49)),
    ("green", Color::Green, (13, 188, 121)),
    ("yellow", Color::Yellow, (229, 229, 16)),
    ("blue", Color::Blue, (36, 114, 200)),
    ("magenta", Color::Magenta, (188, 63, 188)),
    ("cyan", Color::Cyan, (17, 168, 205)),
    ("gray", Color::Gray, (204, 204, 204)),
    ("dark-gray", Color::DarkGray, (118, 118, 118)),
    ("light-red", Color::LightRed, (241, 76, 76)),
    ("light-green", Color::LightGreen, (35, 209, 139)),
    ("light-yellow", Color::LightYellow, (245, 245, 67)),
    ("light-blue", Color::LightBlue, (59, 142, 234)),
    ("light-magenta", Color::LightMagenta, (214, 112, 214)),
    ("light-cyan", Color::LightCyan, (41, 184, 219)),
    ("white", Color::White, (242, 242, 242)),
];

fn named(name: &str) -> Result<Color, String> {
    if name == "default" {
        return Ok(Color::Reset);
    }
    let known = NAMED.iter().find(|(known, ..)| *known == name);
    known.map(|(_, color, _)| *color).ok_or_else(|| {
        let near = NAMED.iter().min_by_key(|(known, ..)| strsim::damerau_levenshtein(known, name));
        let near = near.map_or("", |(near, ..)| near);
        format!("`{name}` is neither a colour nor an attribute; did you mean `{near}`?")
    })
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    // The eye is keenest for green, least for blue.
    2 * square(a.0, b.0) + 4 * square(a.1, b.1) + 3 * square(a.2, b.2)
}

fn nearest(rgb: (u8, u8, u8)) -> Color {
    NAMED.iter().min_by_key(|(.., known)| distance(*known, rgb)).map_or(Color::Reset, |(_, color, _)| *color)
}

/// The nearest of the 6×6×6 cube and the grey ramp of a 256-colour terminal.
fn indexed(rgb: (u8, u8, u8)) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |value: u8| (0..6_u8).min_by_key(|i| LEVELS[usize::from(*i)].abs_diff(value)).unwrap_or(0);
    let (red, green, blue) = (level(rgb.0), level(rgb.1), level(rgb.2));
    let cube = 16 + 36 * red + 6 * green + blue;
    let cube_rgb = (LEVELS[usize::from(red)], LEVELS[usize::from(green)], LEVELS[usize::from(blue)]);
    let grey = |i: u8| 8 + 10 * i;
    let ramp = (0..24_u8).min_by_key(|i| distance((grey(*i), grey(*i), grey(*i)), rgb)).unwrap_or(0);
    let ramp_rgb = (grey(ramp), grey(ramp), grey(ramp));
    if distance(cube_rgb, rgb) <= distance(ramp_rgb, rgb) { cube } else { 232 + ramp }
}

/// The colours of a cell as a picture outside a terminal shows them, as `#rrggbb`.
///
/// - Shape: `None` for the terminal's own colour.
pub fn as_hex(color: Color) -> Option<String> {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let (red, green, blue) = match color {
        Color::Reset => return None,
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Indexed(index @ 0..16) => NAMED[usize::from(index)].2,
        Color::Indexed(index @ 16..232) => {
            let cube = index - 16;
            let level = |value: u8| LEVELS[usize::from(value % 6)];
            (level(cube / 36), level(cube / 6), level(cube))
        }
        Color::Indexed(index) => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
        named => NAMED.iter().find(|(_, known, _)| *known == named).map(|(.., rgb)| *rgb)?,
    };
    Some(format!("#{red:02x}{green:02x}{blue:02x}"))
}

fn built_in_names() -> String {
    BUILT_IN.map(|(name, _)| format!("`{name}`")).join(", ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
