//! The grammar of `<!-- gonogo: key=value flag key="quoted" -->`: text to tokens with their places.
//!
//! What cannot be read costs one token, is told with its place, and never swallows the next one
//! silently: a reader of the rendered page cannot see a comment, so gonogo has to be the one who
//! notices.

use std::fmt;
use std::ops::Range;

/// The word that makes a comment ours.
const NAME: &str = "gonogo";

/// No annotation that a person wrote has more keys.
const MAX_TOKENS: usize = 100;

/// A comment of ours. Offsets count from the start of the comment's text, `<!--` included.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::workflow) struct Annotation {
    pub(in crate::workflow) tokens: Vec<Token>,
    pub(in crate::workflow) problems: Vec<Problem>,
}

/// `key` or `key=value`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::workflow) struct Token {
    pub(in crate::workflow) key: String,
    /// `None` for a flag.
    pub(in crate::workflow) value: Option<String>,
    pub(in crate::workflow) span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::workflow) struct Problem {
    pub(in crate::workflow) span: Range<usize>,
    pub(in crate::workflow) message: String,
}

impl fmt::Display for Token {
    /// As the grammar reads it back, also inside a comment: `--` and `-->` never appear.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        let Some(value) = &self.value else { return Ok(()) };
        let plain = !value.is_empty()
            && value.chars().all(|c| is_bare(c) && c != '\\')
            && !value.contains("--")
            && !value.ends_with('-');
        if plain {
            return write!(f, "={value}");
        }
        f.write_str("=\"")?;
        let mut last = '=';
        for c in value.chars() {
            if matches!(c, '"' | '\\' | '>') || (c == '-' && last == '-') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
            last = c;
        }
        f.write_str("\"")
    }
}

/// Reads one HTML comment; `None` when it is not ours.
///
/// - Shape: `text` runs from `<!--` to `-->`; tokens and problems are in the order of the text, and
///   every token's key is there once.
/// - Cost: linear in the length of the text.
pub(in crate::workflow) fn read(text: &str) -> Option<Annotation> {
    let inner = text.strip_prefix("<!--")?;
    let (inner, closed) = match inner.strip_suffix("-->") {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    let start = 4 + (inner.len() - inner.trim_start().len());
    let body = inner.trim_start();
    let name = body.get(..NAME.len()).filter(|name| name.eq_ignore_ascii_case(NAME))?;
    let rest = &body[name.len()..];
    // `gonogo-demo` and `gonogos` are somebody else's words.
    let colon = rest.starts_with(':');
    if !colon && !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let mut annotation = Annotation::default();
    if !colon || name != NAME {
        // A sentence may begin with the name: only what goes on like an annotation is meant as one.
        let first = rest.trim_start_matches(':').split_whitespace().next().unwrap_or_default();
        let meant = colon || first.contains('=') || super::keys::find(first).is_some();
        if !meant {
            return None;
        }
        let message = format!("an annotation begins with `{NAME}:`");
        annotation.problems.push(Problem { span: start..start + name.len(), message });
    }
    let from = start + name.len() + usize::from(colon);
    let end = 4 + inner.len();
    if !closed {
        let message = "this comment is never closed: nothing in it can be relied on".to_owned();
        annotation.problems.push(Problem { span: 0..4, message });
    }
    read_tokens(text, from..end, &mut annotation);
    Some(annotation)
}

/// Reads the attributes of a fence as runme writes them: `name=deploy interactive=false`, or JSON's
/// `"name":"deploy","interactive":"false"`, without the braces. What does not read as one is left
/// out: these words belong to another tool.
pub(in crate::workflow) fn read_info(text: &str) -> Annotation {
    let mut annotation = Annotation::default();
    if !text.trim_start().starts_with('"') {
        read_tokens(text, 0..text.len(), &mut annotation);
        return annotation;
    }
    let mut at = 0;
    for pair in text.split_inclusive(',') {
        let span = at..at + pair.trim_end_matches(',').len();
        at += pair.len();
        let Some((key, value)) = pair.trim_end_matches(',').split_once(':') else { continue };
        let word = |text: &str| text.trim().trim_matches('"').to_owned();
        annotation.tokens.push(Token { key: word(key), value: Some(word(value)), span });
    }
    annotation
}

fn read_tokens(text: &str, within: Range<usize>, annotation: &mut Annotation) {
    let mut seen = std::collections::HashSet::new();
    let mut at = within.start;
    for n in 0.. {
        let Some(start) = next_word(text, at..within.end) else { return };
        if n == MAX_TOKENS {
            let message = format!("it has more than {MAX_TOKENS} words; the rest is not read");
            annotation.problems.push(Problem { span: start..within.end, message });
            return;
        }
        let (end, read) = token(text, start..within.end);
        at = end;
        let mut problem = |message: String| annotation.problems.push(Problem { span: start..end, message });
        match read {
            Ok(token) if seen.contains(&token.key) => {
                problem(format!("`{}` stands here twice", token.key));
            }
            Ok(token) => {
                seen.insert(token.key.clone());
                annotation.tokens.push(token);
            }
            Err(message) => problem(message),
        }
    }
}

fn next_word(text: &str, within: Range<usize>) -> Option<usize> {
    let rest = &text[within.clone()];
    let blank = rest.len() - rest.trim_start().len();
    (blank < rest.len()).then_some(within.start + blank)
}

/// The token that begins at the start of the range, and where it ends.
fn token(text: &str, within: Range<usize>) -> (usize, Result<Token, String>) {
    let rest = &text[within.clone()];
    let n_key = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
    let key = &rest[..n_key];
    if !is_key(key) {
        let n_word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let word: String = rest[..n_word].chars().take(40).collect();
        return (
            within.start + n_word,
            Err(format!("`{word}` is no key: a key is lower-case letters, digits and `-`")),
        );
    }
    let done = |n: usize, value: Option<String>| {
        let span = within.start..within.start + n;
        (span.end, Ok(Token { key: key.to_owned(), value, span }))
    };
    if !rest[n_key..].starts_with('=') {
        return done(n_key, None);
    }
    let from = n_key + 1;
    let (n, value) = match rest[from..].chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&rest[from..], quote),
        _ => bare(&rest[from..]),
    };
    match value {
        Ok(value) => done(from + n, Some(value)),
        Err(why) => (within.start + from + n, Err(format!("the value of `{key}` {why}"))),
    }
}

fn is_key(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '<' | '>')
}

fn bare(rest: &str) -> (usize, Result<String, String>) {
    let n = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let word = &rest[..n];
    if word.is_empty() {
        return (n, Err("is missing".into()));
    }
    match word.chars().find(|c| !is_bare(*c)) {
        Some(c) => (n, Err(format!("holds {c:?}: put it in quotes"))),
        None => (n, Ok(word.to_owned())),
    }
}

fn quoted(rest: &str, quote: char) -> (usize, Result<String, String>) {
    let mut value = String::new();
    let mut bad = None;
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some((_, escaped)) => escaped,
                None => break,
            },
            c if c == quote => {
                let n = at + 1;
                let after = rest[n..].chars().next();
                let glued = after.is_some_and(|c| !c.is_whitespace());
                let result = match bad {
                    Some(c) => Err(format!("holds {c:?}, which is no text")),
                    None if value.is_empty() => Err("is empty".into()),
                    None if glued => Err("goes on after its closing quote".into()),
                    None => Ok(value),
                };
                let n =
                    if glued { n + rest[n..].find(char::is_whitespace).unwrap_or(rest.len() - n) } else { n };
                return (n, result);
            }
            c => c,
        };
        // Whatever takes the value in: it gets one line, and nothing that a terminal obeys.
        if c.is_control() {
            bad = bad.or(Some(c));
        }
        value.push(c);
    }
    // The rest of the comment may have been meant as anything.
    (rest.len(), Err("has no closing quote".into()))
}
