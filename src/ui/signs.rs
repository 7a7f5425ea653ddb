//! The signs that stand beside words, and what replaces them on a terminal without Unicode.

use ratatui::buffer::Buffer;

/// What a mark at the head of a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Open,
    Ticked,
    Sensed,
    Overridden,
    NotApplicable,
    Closed,
    No,
    Unknown,
    /// Something to run.
    Command,
    Running,
    /// Something to read only.
    Note,
    /// Follows something without end.
    Stream,
    Pending,
    Unfolded,
    Poll,
    Soak,
}

impl Sign {
    /// - Shape: one column in Unicode, three in ASCII, so that texts stay aligned.
    pub fn text(self, ascii: bool) -> &'static str {
        let (unicode, plain) = match self {
            Sign::Open => ("☐", "[ ]"),
            Sign::Ticked => ("☑", "[x]"),
            Sign::Sensed => ("◉", "(o)"),
            Sign::Overridden => ("◆", "<> "),
            Sign::NotApplicable => ("–", " - "),
            Sign::Closed => ("✔", " v "),
            Sign::No => ("✘", " X "),
            Sign::Unknown => ("?", " ? "),
            Sign::Command => ("❯", " $ "),
            Sign::Running => ("◌", "..."),
            Sign::Note => ("¶", " # "),
            Sign::Stream => ("≈", " ~ "),
            Sign::Pending => ("·", " . "),
            Sign::Unfolded => ("▼", " v:"),
            Sign::Poll => ("◇", "(?)"),
            Sign::Soak => ("◷", "(t)"),
        };
        if ascii { plain } else { unicode }
    }
}

/// Replaces every character that is not ASCII, cell by cell, so that columns stay where they are.
pub fn flatten(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().is_ascii() {
            continue;
        }
        let plain = cell.symbol().chars().next().map_or(' ', plain);
        cell.set_char(plain);
    }
}

fn plain(c: char) -> char {
    match c {
        '━' => '=',
        '─' | '–' | '—' | '‐'..='―' => '-',
        '│' | '┃' | '┆' => '|',
        '┌' | '┐' | '└' | '┘' | '┏' | '┓' | '┗' | '┛' | '├' | '┤' | '┣' | '┫' | '╂' | '┼' => {
            '+'
        }
        '→' | '▶' | '▸' | '❯' | '↳' | '›' => '>',
        '←' | '◀' | '‹' => '<',
        '↑' | '▲' | '⇡' => '^',
        '↓' | '▼' | '▾' => 'v',
        '⚠' => '!',
        '·' | '◌' | '▁' => '.',
        '…' | '≈' => '~',
        '●' | '◉' | '•' => '*',
        '○' => 'o',
        '✔' | '☑' => 'v',
        '✘' | '×' => 'x',
        '☐' => '_',
        '▂' => '_',
        '▃' => '-',
        '▄' | '▅' => '=',
        '▆' => '+',
        '▇' => '*',
        '█' => '#',
        '▒' => ':',
        '░' => '.',
        '■' | '◆' | '◇' => '#',
        '⏎' => '/',
        '“' | '”' | '«' | '»' => '"',
        '‘' | '’' => '\'',
        'à' | 'á' | 'â' | 'ä' | 'ã' | 'å' => 'a',
        'À' | 'Á' | 'Â' | 'Ä' => 'A',
        'ç' => 'c',
        'Ç' => 'C',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'È' | 'É' | 'Ê' | 'Ë' => 'E',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'Î' | 'Ï' => 'I',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'ö' | 'õ' => 'o',
        'Ô' | 'Ö' => 'O',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'Ù' | 'Û' | 'Ü' => 'U',
        'ÿ' => 'y',
        'œ' => 'o',
        'ß' => 's',
        '\u{a0}' | '\u{202f}' => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use unicode_width::UnicodeWidthStr;

    const ALL: [Sign; 16] = [
        Sign::Open,
        Sign::Ticked,
        Sign::Sensed,
        Sign::Overridden,
        Sign::NotApplicable,
        Sign::Closed,
        Sign::No,
        Sign::Unknown,
        Sign::Command,
        Sign::Running,
        Sign::Note,
        Sign::Stream,
        Sign::Pending,
        Sign::Unfolded,
        Sign::Poll,
        Sign::Soak,
    ];

    #[test]
    fn signs_keep_their_columns_and_differ_from_each_other() {
        for (index, sign) in ALL.into_iter().enumerate() {
            assert_eq!(sign.text(false).width(), 1, "{sign:?}");
            assert_eq!(sign.text(true).len(), 3, "{sign:?}");
            assert!(sign.text(true).is_ascii());
            for other in &ALL[index + 1..] {
                assert_ne!(sign.text(false), other.text(false));
                assert_ne!(sign.text(true), other.text(true), "{sign:?} and {other:?}");
            }
        }
    }

    #[test]
    fn nothing_but_ascii_is_left_and_columns_stay() {
        let mut buffer = Buffer::with_lines(["│ Déploiement ▶ 漢字 ok │"]);
        let area = buffer.area;
        flatten(&mut buffer);
        assert_eq!(buffer.area, area);
        let row: String = (0..area.width).map(|x| buffer[(x, 0)].symbol()).collect();
        assert!(row.is_ascii(), "{row}");
        assert!(row.starts_with("| Deploiement > ? ? "), "{row}");
        assert!(row.ends_with("ok |"), "{row}");
        assert_eq!(Rect::new(0, 0, area.width, 1), area);
    }
}
