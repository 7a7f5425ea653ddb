//! Text that was UTF-8, was read as something else and saved again: `dÃ©ploiement`.
//!
//! The repair is a preview for the operator. Nothing is ever rewritten, because some of the
//! characters are lost for good and only the author knows which.

/// A text with its mojibake undone as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// What the bytes were taken for: `Windows-1252` or `Windows-1254`.
    pub encoding: &'static str,
    pub preview: String,
    pub n_repaired_lines: usize,
    /// Lines with characters outside ASCII that do not decode back.
    pub n_lost_lines: usize,
    /// The first repaired line, from 1.
    pub first_line: usize,
}

/// What bytes 0x80 to 0x9F mean in Windows-1252; `\0` where nothing is defined.
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“',
    '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// Where Windows-1254 differs above 0x9F; below, it lacks the two letters with a caron.
const WINDOWS_1254: [(char, u8); 6] =
    [('Ğ', 0xD0), ('İ', 0xDD), ('Ş', 0xDE), ('ğ', 0xF0), ('ı', 0xFD), ('ş', 0xFE)];

type ToByte = fn(char) -> Option<u8>;

/// Detects mojibake and undoes it line by line; `None` when the text is what it seems to be.
///
/// Most lines that leave ASCII must decode back: a genuine accent almost never does, so a document
/// that merely quotes a broken word is left alone.
pub fn mojibake(text: &str) -> Option<Repaired> {
    let encodings: [(&'static str, ToByte); 2] =
        [("Windows-1252", windows_1252), ("Windows-1254", windows_1254)];
    let candidates = encodings.map(|(name, to_byte)| repair(text, name, to_byte));
    let best = candidates
        .into_iter()
        .reduce(|best, other| if other.n_repaired_lines > best.n_repaired_lines { other } else { best })?;
    (best.n_repaired_lines > best.n_lost_lines).then_some(best)
}

fn repair(text: &str, encoding: &'static str, to_byte: ToByte) -> Repaired {
    let mut repaired = Repaired {
        encoding,
        preview: String::with_capacity(text.len()),
        n_repaired_lines: 0,
        n_lost_lines: 0,
        first_line: 0,
    };
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if line.is_ascii() || line == "\u{feff}" {
            repaired.preview.push_str(line);
            continue;
        }
        let bytes: Option<Vec<u8>> = line.chars().map(to_byte).collect();
        match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(line) => {
                repaired.preview.push_str(&line);
                repaired.n_repaired_lines += 1;
                if repaired.first_line == 0 {
                    repaired.first_line = number;
                }
            }
            None => {
                repaired.preview.push_str(line);
                repaired.n_lost_lines += 1;
            }
        }
    }
    repaired
}

fn windows_1252(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ (0..=0x7F | 0xA0..=0xFF) => u8::try_from(code).ok(),
        // Decoders keep the bytes that the table leaves undefined as they are.
        code @ (0x81 | 0x8D | 0x8F | 0x90 | 0x9D) => u8::try_from(code).ok(),
        _ => WINDOWS_1252
            .iter()
            .position(|known| *known == c && c != '\0')
            .and_then(|i| u8::try_from(i + 0x80).ok()),
    }
}

fn windows_1254(c: char) -> Option<u8> {
    if let Some((_, byte)) = WINDOWS_1254.iter().find(|(letter, _)| *letter == c) {
        return Some(*byte);
    }
    match c {
        'Ð' | 'Ý' | 'Þ' | 'ð' | 'ý' | 'þ' | 'Ž' | 'ž' => None,
        '\u{8e}' => Some(0x8E),
        '\u{9e}' => Some(0x9E),
        _ => windows_1252(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// UTF-8 bytes read as Windows-1252, undefined bytes kept.
    fn broken(text: &str) -> String {
        text.bytes()
            .map(|byte| match byte {
                0x80..=0x9F if WINDOWS_1252[usize::from(byte) - 0x80] != '\0' => {
                    WINDOWS_1252[usize::from(byte) - 0x80]
                }
                byte => char::from(byte),
            })
            .collect()
    }

    #[test]
    fn a_broken_text_is_repaired_line_by_line() {
        let text = "# Déploiement → prêt\nplain\nà l'été\n";
        let repaired = mojibake(&broken(text)).unwrap();
        assert_eq!(repaired.preview, text);
        assert_eq!((repaired.n_repaired_lines, repaired.n_lost_lines, repaired.first_line), (2, 0, 1));
    }

    #[test]
    fn turkish_windows_is_told_apart() {
        // U+017E is C5 BE, U+011F is C4 9F: only the second table knows both ways back.
        let repaired = mojibake("Ã§a ira\nÅŸ ok\n").unwrap();
        assert_eq!(repaired.preview, "ça ira\nş ok\n");
    }

    #[test]
    fn genuine_accents_are_left_alone() {
        assert_eq!(mojibake("Déploiement de l'été\n→ prêt ✅\n"), None);
        assert_eq!(mojibake("plain\n"), None);
        assert_eq!(mojibake("Déploiement\nété\nwe once had dÃ©ploiement here\n"), None);
    }

    proptest! {
        #[test]
        fn what_was_broken_comes_back(text in "[a-zéèêàçù→✅œ’ \n]{0,60}") {
            prop_assume!(!text.is_ascii());
            let repaired = mojibake(&broken(&text));
            prop_assert_eq!(repaired.map(|repaired| repaired.preview), Some(text));
        }
    }
}
