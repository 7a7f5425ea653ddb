//! Text as the tables compare it: without case, accents or punctuation.

/// Lower case, without accents, typographic apostrophes as plain ones.
pub(in crate::workflow) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            folded.push(c.to_ascii_lowercase());
            continue;
        }
        for lower in c.to_lowercase() {
            match lower {
                'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => folded.push('a'),
                'ç' | 'č' => folded.push('c'),
                'è' | 'é' | 'ê' | 'ë' => folded.push('e'),
                'ì' | 'í' | 'î' | 'ï' => folded.push('i'),
                'ñ' => folded.push('n'),
                'ò' | 'ó' | 'ô' | 'õ' | 'ö' => folded.push('o'),
                'ù' | 'ú' | 'û' | 'ü' => folded.push('u'),
                'ý' | 'ÿ' => folded.push('y'),
                'š' => folded.push('s'),
                'ž' => folded.push('z'),
                'œ' => folded.push_str("oe"),
                'æ' => folded.push_str("ae"),
                'ß' => folded.push_str("ss"),
                '’' | '‘' | 'ʼ' => folded.push('\''),
                // Combining accents: the letter before them is already in place.
                '\u{0300}'..='\u{036F}' => {}
                other => folded.push(other),
            }
        }
    }
    folded
}

/// Folded words with single spaces between them; punctuation and emoji separate words.
pub(in crate::workflow) fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for c in fold(text).chars() {
        if c.is_alphanumeric() {
            words.push(c);
        } else if !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
    }
    words.truncate(words.trim_end().len());
    words
}

/// Longer slugs tell nothing more and make journals hard to read.
const MAX_SLUG: usize = 60;

/// An accent-free id: `Créer le Tag` becomes `creer-le-tag`.
pub(in crate::workflow) fn slug(text: &str, otherwise: &str) -> String {
    let mut slug = String::new();
    for word in words(text).split(' ').filter(|word| !word.is_empty()) {
        if !slug.is_empty() && slug.len() + word.len() >= MAX_SLUG {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.extend(word.chars().take(MAX_SLUG));
    }
    if slug.is_empty() { otherwise.to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_accent_free_short_and_never_empty() {
        assert_eq!(slug("Créer le Tag", "step"), "creer-le-tag");
        assert_eq!(slug("Pas d’erreurs 5xx", "check"), "pas-d-erreurs-5xx");
        assert_eq!(slug("✅ →", "check"), "check");
        assert!(slug(&"mot ".repeat(100), "check").len() <= MAX_SLUG);
        assert_eq!(slug("リリース", "step"), "リリース");
    }
}
