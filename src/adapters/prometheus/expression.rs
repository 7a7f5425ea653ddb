//! The target's names put into an expression, so that they can only ever be names.

/// Puts namespace and name in place of `$namespace` and `$name`.
///
/// Inside quotes they are escaped for PromQL, and in a regular-expression matcher (`=~`, `!~`) for
/// the pattern too: a dot in `shop.v2` matches a dot only. Other words with a `$` stay as they are.
pub(super) fn for_target(expression: &str, namespace: &str, name: &str) -> String {
    let mut filled = String::with_capacity(expression.len() + 64);
    let mut quote: Option<Quote> = None;
    let mut rest = expression;
    while let Some(character) = rest.chars().next() {
        let word = rest.strip_prefix('$').map(|after| {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            &after[..end]
        });
        let value = match word {
            Some("namespace") => Some(namespace),
            Some("name") => Some(name),
            _ => None,
        };
        if let (Some(word), Some(value)) = (word, value) {
            filled.push_str(&escaped(value, quote));
            rest = &rest[1 + word.len()..];
            continue;
        }
        let mut taken = character.len_utf8();
        match quote {
            Some(open) if character == '\\' && open.mark != '`' => {
                taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
            }
            Some(open) if character == open.mark => quote = None,
            None if matches!(character, '"' | '\'' | '`') => {
                let before = filled.trim_end();
                let pattern = before.ends_with("=~") || before.ends_with("!~");
                quote = Some(Quote { mark: character, pattern });
            }
            _ => {}
        }
        filled.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    filled
}

#[derive(Clone, Copy)]
struct Quote {
    mark: char,
    /// The string is a regular expression.
    pattern: bool,
}

fn escaped(value: &str, quote: Option<Quote>) -> String {
    let Some(quote) = quote else { return value.to_owned() };
    let pattern = if quote.pattern { regex::escape(value) } else { value.to_owned() };
    if quote.mark == '`' {
        // A raw string has no escapes; a backtick could only end it.
        return pattern.replace('`', "");
    }
    let mut text = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            _ if character == quote.mark => {
                text.push('\\');
                text.push(character);
            }
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_they_are_asked_for() {
        let filled =
            for_target(r#"sum(x{namespace="$namespace",pod=~"$name-.*",z="$__range"})"#, "prod", "app");
        assert_eq!(filled, r#"sum(x{namespace="prod",pod=~"app-.*",z="$__range"})"#);
    }

    #[test]
    fn a_name_matches_only_itself() {
        assert_eq!(for_target(r#"x{pod=~"$name-.*"}"#, "", "shop.v2"), r#"x{pod=~"shop\\.v2-.*"}"#);
        assert_eq!(for_target("x{pod !~ `$name`}", "", "shop.v2"), r"x{pod !~ `shop\.v2`}");
        assert_eq!(for_target(r#"x{app="$name"}"#, "", "shop.v2"), r#"x{app="shop.v2"}"#);
    }

    #[test]
    fn no_name_can_leave_its_quotes() {
        let filled = for_target(r#"x{app="$name"}"#, "", "a\"} or vector(0) # \\");
        assert_eq!(filled, r#"x{app="a\"} or vector(0) # \\"}"#);
        assert_eq!(for_target(r#"x{a="\"$name"}"#, "", "b\"c"), r#"x{a="\"b\"c"}"#);
        assert_eq!(for_target("x{app=`$name`}", "", "a`b"), "x{app=`ab`}");
    }
}
