//! The upstream file as text: which colour its `server` lines name, and the same text for the other.
//!
//! Only the addresses of those lines change. A colour's name anywhere else (a comment, the name of an
//! upstream, another service's server) stays, so that going there and back gives the same bytes.

use std::ops::Range;

use crate::workflow::nginx::{NginxSite, Side};

/// A `server` line of an upstream.
#[derive(Debug, PartialEq, Eq)]
struct Server {
    /// The address, quotes left out.
    address: Range<usize>,
    line: usize,
}

/// Why no colour can be read: the line, where there is one, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclear {
    pub(super) line: Option<usize>,
    pub(super) why: String,
}

/// The side that all servers of a colour belong to.
pub(super) fn side_of<'s>(text: &str, site: &'s NginxSite) -> Result<&'s Side, Unclear> {
    let mut found: Option<(&Side, usize)> = None;
    for server in servers(text)? {
        let Some(side) = owner(&text[server.address.clone()], server.line, site)? else { continue };
        match found {
            Some((first, line)) if first.colour != side.colour => {
                return Err(Unclear {
                    line: Some(server.line),
                    why: format!(
                        "this server is {}, that of line {line} is {}; keep those of one colour, the other one's \
                         take their place at a switch",
                        side.colour, first.colour
                    ),
                });
            }
            Some(_) => {}
            None => found = Some((side, server.line)),
        }
    }
    let [first, second] = &site.sides;
    found.map(|(side, _)| side).ok_or_else(|| Unclear {
        line: None,
        why: format!(
            "no `server` line of an upstream belongs to {} or {}; say which addresses are whose, such as {}=HOST:PORT",
            first.colour, second.colour, first.colour
        ),
    })
}

/// The text with every server of `from` replaced by its counterpart of `to`.
pub(super) fn rewritten(text: &str, site: &NginxSite, from: &Side, to: &Side) -> Result<String, Unclear> {
    let mut result = String::with_capacity(text.len() + 16);
    let mut at = 0;
    for server in servers(text)? {
        let address = &text[server.address.clone()];
        if owner(address, server.line, site)?.is_some_and(|side| side.colour == from.colour) {
            result.push_str(&text[at..server.address.start]);
            result.push_str(&counterpart(address, from, to));
            at = server.address.end;
        }
    }
    result.push_str(&text[at..]);
    Ok(result)
}

/// The lines that differ, as `line: - before` and `line: + after`.
pub(super) fn difference(before: &str, after: &str) -> Vec<String> {
    let lines = before.lines().zip(after.lines()).enumerate().filter(|(_, (before, after))| before != after);
    lines
        .flat_map(|(n, (before, after))| {
            [format!("{}: - {}", n + 1, before.trim()), format!("{}: + {}", n + 1, after.trim())]
        })
        .collect()
}

fn owner<'s>(address: &str, line: usize, site: &'s NginxSite) -> Result<Option<&'s Side>, Unclear> {
    let [first, second] = &site.sides;
    match (is_of(address, first), is_of(address, second)) {
        (true, true) => Err(Unclear {
            line: Some(line),
            why: format!(
                "`{address}` has the names of both colours in it; say which addresses are whose, such as \
                 {}=HOST:PORT",
                first.colour
            ),
        }),
        (true, false) => Ok(Some(first)),
        (false, true) => Ok(Some(second)),
        (false, false) => Ok(None),
    }
}

fn is_of(address: &str, side: &Side) -> bool {
    match side.addresses.is_empty() {
        true => named(address, &side.colour.0).next().is_some(),
        false => side.addresses.iter().any(|own| own == address),
    }
}

/// Where a name stands as a part of its own: `blue` in `blue-app:8080`, not in `bluebird:8080`.
fn named<'a>(address: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    address.match_indices(name).map(|(at, _)| at).filter(|at| {
        let before = address[..*at].chars().next_back();
        let after = address[at + name.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

fn counterpart(address: &str, from: &Side, to: &Side) -> String {
    if let Some(nth) = from.addresses.iter().position(|own| own == address) {
        return to.addresses.get(nth).cloned().unwrap_or_else(|| address.to_owned());
    }
    let mut result = String::with_capacity(address.len() + 8);
    let mut rest = 0;
    for at in named(address, &from.colour.0) {
        result.push_str(&address[rest..at]);
        result.push_str(&to.colour.0);
        rest = at + from.colour.0.len();
    }
    result.push_str(&address[rest..]);
    result
}

/// The servers of every upstream block; those outside of any block too, for such a file is included
/// into one.
fn servers(text: &str) -> Result<Vec<Server>, Unclear> {
    let mut found = Vec::new();
    let mut blocks: Vec<bool> = Vec::new();
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut tokens = Tokens { text, at: 0 };
    while let Some(token) = tokens.next()? {
        let first = words.first().map(|word| &text[word.clone()]);
        match token {
            Token::Word(range) => {
                words.push(range);
                continue;
            }
            Token::End => {
                let in_upstream = blocks.last().copied().unwrap_or(true);
                if let (true, Some("server"), Some(address)) = (in_upstream, first, words.get(1)) {
                    found.push(Server { address: address.clone(), line: line_of(text, address.start) });
                }
            }
            Token::Open => blocks.push(first == Some("upstream")),
            Token::Close => {
                if blocks.pop().is_none() {
                    let line = Some(line_of(text, tokens.at.saturating_sub(1)));
                    return Err(Unclear { line, why: "this `}` closes nothing".to_owned() });
                }
            }
        }
        words.clear();
    }
    match blocks.is_empty() && words.is_empty() {
        true => Ok(found),
        false => {
            let line = Some(line_of(text, text.trim_end().len()));
            Err(Unclear { line, why: "the file ends in the middle of a directive or block".to_owned() })
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

enum Token {
    Word(Range<usize>),
    End,
    Open,
    Close,
}

/// nginx's own rules for words, as far as addresses need them.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, Unclear> {
        loop {
            let rest = &self.text[self.at..];
            let Some(c) = rest.chars().next() else { return Ok(None) };
            let single = match c {
                c if c.is_whitespace() => {
                    self.at += c.len_utf8();
                    continue;
                }
                '#' => {
                    self.at += rest.find('\n').unwrap_or(rest.len());
                    continue;
                }
                ';' => Token::End,
                '{' => Token::Open,
                '}' => Token::Close,
                '"' | '\'' => return self.quoted(c).map(Some),
                _ => return Ok(Some(self.word())),
            };
            self.at += 1;
            return Ok(Some(single));
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Unclear> {
        let start = self.at + 1;
        let mut is_escaped = false;
        for (at, c) in self.text[start..].char_indices() {
            if c == quote && !is_escaped {
                self.at = start + at + 1;
                return Ok(Token::Word(start..start + at));
            }
            is_escaped = c == '\\' && !is_escaped;
        }
        let line = Some(line_of(self.text, self.at));
        Err(Unclear { line, why: "this quote has no end".to_owned() })
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        let mut before = ' ';
        let mut is_variable = false;
        let mut end = self.text.len();
        for (at, c) in self.text[start..].char_indices() {
            // `${name}` is a part of its word; a brace without `$` opens a block.
            let opens_variable = c == '{' && before == '$';
            let is_end = c.is_whitespace() || c == ';' || (c == '{' && !opens_variable);
            if before != '\\' && (is_end || (c == '}' && !is_variable)) {
                end = start + at;
                break;
            }
            is_variable = (is_variable || opens_variable) && c != '}';
            before = if before == '\\' { ' ' } else { c };
        }
        self.at = end;
        Token::Word(start..end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_name() -> NginxSite {
        NginxSite::new("upstream.conf", "current-env")
    }

    fn by_address() -> NginxSite {
        let mut site = by_name();
        site.sides[0].addresses = vec!["10.0.0.1:80".into(), "10.0.0.2:80".into()];
        site.sides[1].addresses = vec!["10.0.1.1:80".into(), "unix:/run/green.sock".into()];
        site
    }

    fn colour(text: &str, site: &NginxSite) -> String {
        match side_of(text, site) {
            Ok(side) => side.colour.0.clone(),
            Err(Unclear { line, why }) => format!("{}: {why}", line.unwrap_or(0)),
        }
    }

    fn to_green(text: &str, site: &NginxSite) -> String {
        rewritten(text, site, &site.sides[0], &site.sides[1]).unwrap()
    }

    const FILE: &str = "# blue-app serves since May; blue is good\n\
        upstream blue_or_green {\n    server blue-app:8080 weight=5; # blue\n    \
        server \"app.blue.svc:8080\" backup;\n    server bluebird:9;\n}\n\
        upstream redis { server 10.0.0.9:6379; }\n\
        server { listen 80; server_name blue.example; location / { proxy_pass http://blue_or_green; } }\n";

    #[test]
    fn only_the_addresses_of_a_colours_servers_change() {
        let site = by_name();
        assert_eq!(colour(FILE, &site), "blue");
        let expected = FILE
            .replace("server blue-app:8080", "server green-app:8080")
            .replace("app.blue.svc", "app.green.svc");
        assert_eq!(to_green(FILE, &site), expected);
        assert_eq!(colour(&expected, &site), "green");
    }

    #[test]
    fn addresses_that_were_given_are_replaced_by_their_counterparts() {
        let site = by_address();
        let text = "server 10.0.0.1:80 max_fails=2;\nserver 10.0.0.2:80;\nserver 10.0.0.20:80;\n";
        assert_eq!(colour(text, &site), "blue");
        let green = to_green(text, &site);
        assert_eq!(
            green,
            "server 10.0.1.1:80 max_fails=2;\nserver unix:/run/green.sock;\nserver 10.0.0.20:80;\n"
        );
        assert_eq!(rewritten(&green, &site, &site.sides[1], &site.sides[0]).unwrap(), text);
    }

    #[test]
    fn what_tells_no_single_colour_is_refused_with_its_line() {
        let site = by_name();
        for (text, words) in [
            (
                "upstream a {\n server blue:1;\n server green:1 down;\n}\n",
                "3: this server is green, that of line 2",
            ),
            ("upstream a {\n server blue-green:1;\n}\n", "2: `blue-green:1` has the names of both"),
            ("upstream a { server red:1; }\n# server blue:1;\n", "0: no `server` line"),
            ("server { server_name blue; }\n", "0: no `server` line"),
            ("upstream a {\n server blue:1;\n", "2: the file ends in the middle"),
            ("upstream a { server blue:1; }\n}\n", "2: this `}` closes nothing"),
            ("upstream a {\n server 'blue:1;\n}\n", "2: this quote has no end"),
            ("", "0: no `server` line"),
        ] {
            let told = colour(text, &site);
            assert!(told.starts_with(words), "{text}: {told}");
        }
    }

    #[test]
    fn a_variable_in_braces_is_no_block() {
        let text = "map $a $b { default ${c}d; }\nupstream a { server blue:1; }";
        assert_eq!(colour(text, &by_name()), "blue");
    }

    #[test]
    fn the_difference_names_lines_before_and_after() {
        let text = "upstream a {\n  server blue:1;\n}\n";
        let told = difference(text, &to_green(text, &by_name()));
        assert_eq!(told, ["2: - server blue:1;", "2: + server green:1;"]);
    }

    proptest! {
        #[test]
        fn there_and_back_gives_the_same_bytes(
            text in "(upstream a \\{|\\}|server |blue|green|-app:80|bluebird|;|\n|# |\"|'| |weight=2|é|\\$\\{x\\}|\\\\){0,40}"
        ) {
            let site = by_name();
            let [blue, green] = &site.sides;
            if let Ok(from) = side_of(&text, &site) {
                let to = if from.colour == blue.colour { green } else { blue };
                let there = rewritten(&text, &site, from, to).unwrap();
                prop_assert_eq!(&side_of(&there, &site).unwrap().colour, &to.colour);
                prop_assert_eq!(rewritten(&there, &site, to, from).unwrap(), text);
            }
        }
    }
}
