//! What a shell block consists of: top-level statements and comments, quotes and heredocs respected.
//!
//! This is not a shell. It answers four questions: where does a statement begin and end, which
//! comments stand between statements, which simple commands with which words are in there, and is
//! anything left open. What it cannot tell it leaves inside one statement, so that a tag message
//! that looks like an alternative stays text.

use std::ops::Range;

/// A shell block, cut into its top-level pieces.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Script {
    pub(super) pieces: Vec<Piece>,
    /// Where a quote, substitution, heredoc or compound command opens that never closes.
    pub(super) unclosed: Option<usize>,
    /// Where the block reads its own arguments (`$1`, `$@`): it is a script, not a step.
    pub(super) arguments: Option<usize>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// A line that is a comment and stands between statements.
    Comment(Range<usize>),
    Statement(Statement),
}

/// One or more lines that the shell reads as a unit.
#[derive(Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) range: Range<usize>,
    pub(super) commands: Vec<Simple>,
}

/// A program with its arguments.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Simple {
    pub(super) words: Vec<Word>,
    /// Runs only when something before it failed, or inside a compound command.
    pub(super) conditional: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Word {
    /// Quotes removed; expansions stand as they are written.
    pub(super) text: String,
    pub(super) range: Range<usize>,
    /// Nothing in it is expanded by the shell.
    pub(super) literal: bool,
}

impl Script {
    pub(super) fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Statement(statement) => Some(statement),
            Piece::Comment(_) => None,
        })
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = &Simple> {
        self.statements().flat_map(|statement| &statement.commands)
    }
}

impl Simple {
    /// The words from the program on: assignments and wrappers such as `sudo` left out.
    pub(super) fn program(&self) -> &[Word] {
        let wrappers = ["sudo", "env", "command", "exec", "time", "nohup"];
        let skipped = self
            .words
            .iter()
            .take_while(|word| wrappers.contains(&word.text.as_str()) || is_assignment(&word.text))
            .count();
        &self.words[skipped..]
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compound {
    If,
    Loop,
    Case,
    Brace,
    Paren,
}

#[derive(Debug)]
struct Heredoc {
    delimiter: String,
    strip_tabs: bool,
}

/// Cuts a block into its pieces, in time linear in its length.
pub(super) fn scan(text: &str) -> Script {
    Scanner { text, bytes: text.as_bytes(), ..Scanner::default() }.run()
}

#[derive(Debug, Default)]
struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    script: Script,
    /// Compound commands that are open, with where they began.
    open: Vec<(Compound, usize)>,
    heredocs: Vec<Heredoc>,
    statement_start: Option<usize>,
    /// Where the last word or operator of the statement ends.
    statement_end: usize,
    commands: Vec<Simple>,
    simple: Simple,
    word: Option<Word>,
    /// The next word is the target of a redirection, not an argument.
    redirect: bool,
    /// `&&`, `||` or `|` stands last, so the statement goes on after the line end.
    continues: bool,
    after_or: bool,
}

impl Scanner<'_> {
    fn run(mut self) -> Script {
        while self.at < self.bytes.len() {
            self.step();
        }
        self.end_command();
        if let Some(&(_, opened)) = self.open.first() {
            self.script.unclosed.get_or_insert(opened);
        }
        if !self.heredocs.is_empty() {
            self.script.unclosed.get_or_insert(self.statement_start.unwrap_or_default());
        }
        self.end_statement();
        self.script
    }

    fn step(&mut self) {
        let start = self.at;
        match self.bytes[self.at] {
            b'\n' => self.line_end(),
            b' ' | b'\t' | b'\r' => {
                self.end_word();
                self.at += 1;
            }
            b'#' if self.word.is_none() => self.comment(),
            b'\\' => self.backslash(),
            b'\'' => {
                let content = self.quoted(start + 1, false);
                self.add_to_word(start, content, true);
            }
            b'"' => self.double_quote(),
            b'$' => self.dollar(),
            b'`' => {
                self.at = self.skip_nested(self.at);
                self.add_to_word(start, start..self.at, false);
            }
            b';' => self.operator(1, false),
            b'&' if self.next_is(b"&&") => self.operator(2, true),
            b'&' if self.next_is(b"&>") => self.redirection(2),
            b'&' => self.operator(1, false),
            b'|' if self.next_is(b"||") => {
                self.operator(2, true);
                self.after_or = true;
            }
            b'|' => self.operator(1, true),
            b'(' => {
                self.end_command();
                self.touch();
                self.open.push((Compound::Paren, self.at));
                self.at += 1;
            }
            b')' => {
                self.end_command();
                self.touch();
                // In a `case`, it ends a pattern and closes nothing.
                if matches!(self.open.last(), Some((Compound::Paren, _))) {
                    self.open.pop();
                }
                self.at += 1;
            }
            b'<' => self.less_than(),
            b'>' => {
                self.redirection(1);
                while self.at < self.bytes.len() && matches!(self.bytes[self.at], b'>' | b'&' | b'|') {
                    self.at += 1;
                }
            }
            _ => {
                let end = self.plain_run_end();
                self.add_to_word(start, start..end, true);
                self.at = end;
            }
        }
    }

    fn plain_run_end(&self) -> usize {
        let special = |byte: u8| b"\n \t\r\\'\"$`;&|()<>".contains(&byte);
        let rest = &self.bytes[self.at + 1..];
        self.at + 1 + rest.iter().position(|&byte| special(byte)).unwrap_or(rest.len())
    }

    fn next_is(&self, expected: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(expected)
    }

    /// Notes that something of a statement stands at the current place.
    fn touch(&mut self) {
        self.statement_start.get_or_insert(self.at);
        self.statement_end = self.statement_end.max(self.at + 1);
        self.continues = false;
    }

    fn line_end(&mut self) {
        let newline = self.at;
        let continues = self.continues && self.word.is_none();
        self.end_command();
        self.at += 1;
        if !self.heredocs.is_empty() {
            self.skip_heredocs();
        }
        if self.open.is_empty() && !continues {
            self.end_statement();
        } else {
            self.continues = continues;
        }
        debug_assert!(self.at > newline);
    }

    fn comment(&mut self) {
        let rest = &self.text[self.at..];
        let end = self.at + rest.find('\n').unwrap_or(rest.len());
        if self.statement_start.is_none() {
            let range = self.at..self.at + self.text[self.at..end].trim_end().len();
            self.script.pieces.push(Piece::Comment(range));
        }
        self.at = end;
    }

    fn backslash(&mut self) {
        let start = self.at;
        let rest = &self.text[start + 1..];
        if rest.starts_with('\n') {
            // The line goes on; a statement that consists of this alone is none.
            self.at += 2;
            return;
        }
        let length = rest.chars().next().map_or(0, char::len_utf8);
        self.at += 1 + length;
        self.add_to_word(start, start + 1..self.at, true);
    }

    fn double_quote(&mut self) {
        let start = self.at;
        self.at = self.skip_nested(start);
        let closed = self.at > start + 1 && self.bytes[self.at - 1] == b'"' && self.script.unclosed.is_none();
        let inner = start + 1..if closed { self.at - 1 } else { self.at };
        let content = &self.text[inner.clone()];
        let literal = !content.contains(['$', '`']);
        if !content.contains("$(") && !content.contains('`') {
            for (offset, _) in content.match_indices('$') {
                self.note_argument(inner.start + offset);
            }
        }
        self.add_to_word(start, inner, literal);
    }

    fn dollar(&mut self) {
        let start = self.at;
        match self.bytes.get(start + 1) {
            Some(b'\'') => {
                let content = self.quoted(start + 2, true);
                self.add_to_word(start, content, true);
            }
            Some(b'(' | b'{') => {
                self.at = self.skip_nested(start);
                self.add_to_word(start, start..self.at, false);
            }
            _ => {
                self.note_argument(start);
                // `$#` is no comment.
                self.at += if self.bytes.get(start + 1) == Some(&b'#') { 2 } else { 1 };
                self.add_to_word(start, start..self.at, false);
            }
        }
    }

    fn note_argument(&mut self, dollar: usize) {
        let reads = matches!(self.bytes.get(dollar + 1), Some(b'1'..=b'9' | b'@'));
        // Inside braces it may be a function that reads its own arguments.
        let in_function = self.open.iter().any(|(compound, _)| *compound == Compound::Brace);
        if reads && !in_function {
            self.script.arguments.get_or_insert(dollar);
        }
    }

    fn less_than(&mut self) {
        if self.next_is(b"<<<") {
            self.redirection(3);
        } else if self.next_is(b"<(") {
            let start = self.at;
            self.at = self.skip_nested(start);
            self.add_to_word(start, start..self.at, false);
        } else if self.next_is(b"<<") {
            self.end_word();
            self.touch();
            self.at += 2;
            self.heredoc();
        } else {
            self.redirection(1);
        }
    }

    fn heredoc(&mut self) {
        let strip_tabs = self.bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(strip_tabs);
        let rest = &self.text[self.at..];
        let word = rest.trim_start_matches([' ', '\t']);
        let from = self.at + (rest.len() - word.len());
        let end = word.find([' ', '\t', '\r', '\n', ';', '&', '|', '<', '>', '(', ')']).unwrap_or(word.len());
        let delimiter: String = word[..end].chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
        self.at = from + end;
        self.statement_end = self.statement_end.max(self.at);
        if !word[..end].is_empty() {
            self.heredocs.push(Heredoc { delimiter, strip_tabs });
        }
    }

    /// Moves past the bodies of the heredocs of the line that just ended.
    fn skip_heredocs(&mut self) {
        for heredoc in std::mem::take(&mut self.heredocs) {
            let mut closed = false;
            while self.at < self.bytes.len() && !closed {
                let rest = &self.text[self.at..];
                let length = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
                let line = rest[..length].trim_end_matches(['\n', '\r']);
                let line = if heredoc.strip_tabs { line.trim_start_matches('\t') } else { line };
                closed = line == heredoc.delimiter;
                self.statement_end = self.at + rest[..length].trim_end_matches('\n').len();
                self.at += length;
            }
            if !closed {
                self.script.unclosed.get_or_insert(self.statement_start.unwrap_or_default());
            }
        }
    }

    fn redirection(&mut self, length: usize) {
        // The number in `2>` is no argument.
        if self.word.as_ref().is_some_and(|word| word.text.bytes().all(|byte| byte.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        self.touch();
        self.at += length;
        self.redirect = true;
    }

    fn operator(&mut self, length: usize, continues: bool) {
        self.end_command();
        self.touch();
        self.at += length;
        self.statement_end = self.at;
        self.continues = continues;
        self.after_or = false;
    }

    fn add_to_word(&mut self, from: usize, content: Range<usize>, literal: bool) {
        self.statement_start.get_or_insert(from);
        self.statement_end = self.statement_end.max(self.at).max(content.end);
        self.continues = false;
        let end = self.at.max(content.end);
        let word =
            self.word.get_or_insert_with(|| Word { text: String::new(), range: from..end, literal: true });
        word.text.push_str(&self.text[content]);
        word.range.end = end;
        word.literal &= literal;
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.redirect) {
            return;
        }
        let quoted = word.range.len() != word.text.len();
        if self.simple.words.is_empty() && !quoted && self.keyword(&word) {
            return;
        }
        self.simple.words.push(word);
    }

    /// Handles a word that the shell reads as part of a compound command; true when it was one.
    fn keyword(&mut self, word: &Word) -> bool {
        let opened = match word.text.as_str() {
            "if" => Some(Compound::If),
            "while" | "until" => Some(Compound::Loop),
            "for" | "select" => {
                // What follows up to `do` is a header, no command, but harmless as one.
                self.open.push((Compound::Loop, word.range.start));
                return false;
            }
            "case" => {
                self.open.push((Compound::Case, word.range.start));
                return false;
            }
            "{" => Some(Compound::Brace),
            _ => None,
        };
        if let Some(compound) = opened {
            self.open.push((compound, word.range.start));
            return true;
        }
        let closes = match word.text.as_str() {
            "fi" => Compound::If,
            "done" => Compound::Loop,
            "esac" => Compound::Case,
            "}" => Compound::Brace,
            other => return matches!(other, "then" | "do" | "else" | "elif" | "!"),
        };
        if self.open.last().is_some_and(|(compound, _)| *compound == closes) {
            self.open.pop();
        }
        true
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirect = false;
        if !self.simple.words.is_empty() {
            let mut simple = std::mem::take(&mut self.simple);
            simple.conditional = self.after_or || !self.open.is_empty();
            self.commands.push(simple);
        }
    }

    fn end_statement(&mut self) {
        let commands = std::mem::take(&mut self.commands);
        if let Some(start) = self.statement_start.take() {
            let end = self.statement_end.clamp(start, self.bytes.len());
            self.script.pieces.push(Piece::Statement(Statement { range: start..end, commands }));
        }
        self.statement_end = 0;
        self.continues = false;
        self.after_or = false;
        self.heredocs.clear();
    }

    /// Moves past a single-quoted text that begins at `from`; answers what stands inside.
    fn quoted(&mut self, from: usize, escapes: bool) -> Range<usize> {
        let mut at = from;
        while at < self.bytes.len() {
            match self.bytes[at] {
                b'\\' if escapes => at += 1,
                b'\'' => {
                    self.at = at + 1;
                    return from..at;
                }
                _ => {}
            }
            at += 1;
        }
        self.script.unclosed.get_or_insert(from - 1);
        self.at = self.bytes.len();
        from..self.at
    }

    /// The offset after whatever opens at `from`: `"…"`, `$(…)`, `${…}`, `` `…` `` or `<(…)`, with
    /// everything nested inside. Keeps its own stack: nesting is the document's to choose.
    fn skip_nested(&mut self, from: usize) -> usize {
        let mut inside: Vec<u8> = Vec::new();
        let mut at = from;
        while at < self.bytes.len() {
            let byte = self.bytes[at];
            let next = self.bytes.get(at + 1).copied();
            let top = inside.last().copied();
            let mut length = 1;
            match (top, byte) {
                (_, b'\\') => length = 2,
                (Some(b'"'), b'"') | (Some(b'`'), b'`') | (Some(b'}'), b'}') | (Some(b')'), b')') => {
                    inside.pop();
                }
                (_, b'$') if next == Some(b'(') => {
                    inside.push(b')');
                    length = 2;
                }
                (_, b'$') if next == Some(b'{') => {
                    inside.push(b'}');
                    length = 2;
                }
                (None, b'<') => {
                    inside.push(b')');
                    length = 2;
                }
                (Some(b'`'), _) => {}
                (_, b'`') => inside.push(b'`'),
                (Some(b'"'), _) => {}
                (_, b'"') => inside.push(b'"'),
                (Some(b')'), b'(') => inside.push(b')'),
                (Some(b')'), b'\'') => {
                    let end = self.bytes[at + 1..].iter().position(|&byte| byte == b'\'');
                    length = end.map_or(self.bytes.len() - at, |end| end + 2);
                }
                _ => {}
            }
            at += length;
            if inside.is_empty() {
                return at.min(self.bytes.len());
            }
        }
        self.script.unclosed.get_or_insert(from);
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &str) -> Vec<String> {
        scan(text)
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Comment(range) => text[range.clone()].to_owned(),
                Piece::Statement(statement) => text[statement.range.clone()].to_owned(),
            })
            .collect()
    }

    fn commands(text: &str) -> Vec<Vec<String>> {
        scan(text)
            .commands()
            .map(|simple| simple.words.iter().map(|word| word.text.clone()).collect())
            .collect()
    }

    #[test]
    fn a_comment_inside_quotes_is_text() {
        let text = "# Tag\ngit tag -a v1 -m \"one\n\n# ou\n## two\n\"\n\n# Push\ngit push\n";
        assert_eq!(
            pieces(text),
            ["# Tag", "git tag -a v1 -m \"one\n\n# ou\n## two\n\"", "# Push", "git push"]
        );
        assert_eq!(scan(text).unclosed, None);
    }

    #[test]
    fn a_comment_inside_a_heredoc_is_text() {
        let text = "cat <<'EOF' | kubectl apply -f -\na: 1\n# ou\nEOF\necho done\n";
        assert_eq!(pieces(text), ["cat <<'EOF' | kubectl apply -f -\na: 1\n# ou\nEOF", "echo done"]);
    }

    #[test]
    fn lines_that_continue_are_one_statement() {
        let text =
            "kubectl set image \\\n  deployment/app app=x &&\n  echo ok\nif true; then\n  echo a\nfi\nls";
        assert_eq!(pieces(text).len(), 3);
        assert_eq!(commands("a && b || c | d; e & f"), [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]);
    }

    #[test]
    fn words_lose_quotes_and_keep_expansions() {
        let text = "git log --oneline $(git describe --tags | awk '{print $1}')..HEAD \"$A b\" 'c d' e\\ f >out 2>&1";
        let words = commands(text);
        assert_eq!(words.len(), 1);
        let tail = ["$(git describe --tags | awk '{print $1}')..HEAD", "$A b", "c d", "e f"];
        assert_eq!(words[0][3..], tail);
        assert_eq!(scan(text).arguments, None, "awk's own field is no argument of the block");
    }

    #[test]
    fn keywords_are_no_programs() {
        let text =
            "for x in a b; do\n  kubectl get $x || { echo no; kubectl rollout undo deploy/a; }\ndone\n";
        let script = scan(text);
        assert_eq!(script.pieces.len(), 1);
        assert_eq!(script.unclosed, None);
        let undo =
            script.commands().find(|simple| simple.words.get(2).is_some_and(|w| w.text == "undo")).unwrap();
        assert!(undo.conditional);
        assert_eq!(undo.program()[0].text, "kubectl");
    }

    #[test]
    fn a_case_and_a_function_stay_whole() {
        let text = "case $x in\n  a) echo a;;\n  *) echo b;;\nesac\ndeploy() {\n  echo $1\n}\ndeploy prod\n";
        let script = scan(text);
        assert_eq!(script.pieces.len(), 3);
        assert_eq!((script.unclosed, script.arguments), (None, None));
    }

    #[test]
    fn reading_arguments_makes_a_script() {
        assert_eq!(scan("VERSION=$1\n").arguments, Some(8));
        assert_eq!(scan("run \"$@\"\n").arguments, Some(5));
        assert_eq!(scan("echo '$1' $HOME $? $#\n").arguments, None);
    }

    #[test]
    fn what_stays_open_is_told_with_its_place() {
        assert_eq!(scan("ls\necho \"abc\n").unclosed, Some(8));
        assert_eq!(scan("echo 'abc\n").unclosed, Some(5));
        assert_eq!(scan("cat <<EOF\nabc\n").unclosed, Some(0));
        assert_eq!(scan("if true; then\n  ls\n").unclosed, Some(0));
        assert_eq!(scan("echo $(ls\n").unclosed, Some(5));
    }

    #[test]
    fn an_open_quote_may_end_in_any_letter() {
        for text in ["'→", "$'→", "\"→", "$'\\é", "\\é", "$(→", "`→"] {
            assert!(scan(text).statements().count() <= 1, "{text}");
        }
    }

    #[test]
    fn wrappers_and_assignments_stand_before_the_program() {
        let script = scan("KUBECONFIG=x sudo kubectl get pods");
        let simple = script.commands().next().unwrap();
        assert_eq!(simple.program()[0].text, "kubectl");
    }

    #[test]
    fn deep_nesting_needs_no_deep_stack() {
        assert!(scan(&"$(".repeat(100_000)).unclosed.is_some());
        assert!(scan(&"( ".repeat(100_000)).unclosed.is_some());
        assert!(scan(&"\"$(".repeat(100_000)).unclosed.is_some());
    }

    proptest! {
        #[test]
        fn pieces_are_in_order_and_inside_the_text(text in "([a-z#$(){}'\"`\\\\;&|<> \n\té0-9=]|<<E|EOF\n|\\$\\(|if |fi\n){0,80}") {
            let script = scan(&text);
            let mut last = 0;
            for piece in &script.pieces {
                let range = match piece {
                    Piece::Comment(range) => range,
                    Piece::Statement(statement) => &statement.range,
                };
                prop_assert!(range.start >= last && range.end >= range.start);
                prop_assert!(text.get(range.clone()).is_some());
                last = range.end;
            }
            for word in script.commands().flat_map(|simple| &simple.words) {
                prop_assert!(text.get(word.range.clone()).is_some());
            }
        }
    }
}
