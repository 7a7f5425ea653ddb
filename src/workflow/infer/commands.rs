//! Code blocks to commands: what runs, what offers a choice, what only stands there to be read.

use std::borrow::Cow;
use std::ops::Range;

use super::session::{self, Session};
use super::{Reader, classify, programs};
use crate::workflow::markdown::{Code, Inline};
use crate::workflow::model::{BlockClass, Choice, Code as Rule, Command, CommandId, CommandKind};
use crate::workflow::settled::{BlockPrint, Meaning, Settled, Settling};
use crate::workflow::shell::{self, Piece, Script};
use crate::workflow::vocabulary;

/// A code block, read: what of it would run, and what it is.
struct Reading<'c> {
    code: Cow<'c, Code>,
    script: Script,
    class: BlockClass,
    settling: Option<Settling>,
}

impl<'c> Reading<'c> {
    /// What the block is once people had their say; where they had none, it is what it says itself.
    fn settled(code: &'c Code, caption: Option<&str>, settled: &Settled) -> Self {
        let reading = Self::of(code, caption);
        if reading.class != BlockClass::Unsure {
            return reading;
        }
        let Some((commands, script)) = meant(code) else { return reading };
        let block = BlockPrint::of(code);
        let ruling = settled.get(&block).cloned();
        let meaning = ruling.as_ref().map(|ruling| ruling.meaning);
        let settling = Some(Settling { block, commands: commands.text.clone(), ruling });
        match meaning {
            Some(Meaning::Commands) => {
                Self { code: Cow::Owned(commands), script, class: BlockClass::Runnable, settling }
            }
            Some(Meaning::Text) => Self { class: BlockClass::SaidText, settling, ..reading },
            None => Self { settling, ..reading },
        }
    }

    fn of(code: &'c Code, caption: Option<&str>) -> Self {
        let (code, unclear) = match session::read(code, classify::is_shell(code)) {
            Some(Session::Typed(typed)) => (Cow::Owned(typed), false),
            Some(Session::Unclear) => (Cow::Borrowed(code), true),
            None => (Cow::Borrowed(code), false),
        };
        let script = if classify::is_shell(&code) { shell::scan(&code.text) } else { Script::default() };
        let class = match () {
            () if unclear || !code.closed => BlockClass::Unsure,
            () if classify::is_shell(&code) && is_script(&code, &script) => BlockClass::Script,
            () => classify::class(&code, &script, classify::is_for_people(caption)),
        };
        Self { code, script, class, settling: None }
    }
}

/// What an unclear block would run, were it commands; nothing where it cannot be any.
fn meant(code: &Code) -> Option<(Code, Script)> {
    if !code.closed {
        return None;
    }
    let commands = session::said_to_be_typed(code).unwrap_or_else(|| classify::without_answers(code));
    let script = shell::scan(&commands.text);
    let runs = script.statements().next().is_some() && !is_script(&commands, &script);
    runs.then_some((commands, script))
}

/// Whether a block holds something that gonogo would run.
pub(super) fn is_runnable(code: &Code) -> bool {
    let reading = Reading::of(code, None);
    reading.class == BlockClass::Runnable && reading.script.statements().next().is_some()
}

/// Whether a block is for the operator to deal with: it runs, or it may be meant to.
pub(super) fn is_work(code: &Code) -> bool {
    let reading = Reading::of(code, None);
    match reading.class {
        BlockClass::Runnable => reading.script.statements().next().is_some(),
        BlockClass::Unsure => reading.code.closed,
        _ => false,
    }
}

/// A program for another moment: it has an interpreter line or reads arguments.
fn is_script(code: &Code, script: &Script) -> bool {
    code.text.lines().take(3).any(|line| line.starts_with("#!")) || script.arguments.is_some()
}

/// Counts the commands of a step or section, for their ids.
#[derive(Debug)]
pub(super) struct Numbering {
    prefix: String,
    n_commands: usize,
    n_references: usize,
}

impl Numbering {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), n_commands: 0, n_references: 0 }
    }

    /// A block that a person settles is counted as a command whatever they say: no id moves by that.
    fn next(&mut self, kind: CommandKind, settles: bool) -> String {
        if kind == CommandKind::Reference && !settles {
            self.n_references += 1;
            format!("{}/reference-{}", self.prefix, self.n_references)
        } else {
            self.n_commands += 1;
            format!("{}/command-{}", self.prefix, self.n_commands)
        }
    }
}

impl Reader<'_> {
    /// Reads a code block; `caption` is the sentence before it.
    pub(super) fn command(&mut self, code: &Code, caption: Option<&Inline>, ids: &mut Numbering) -> Command {
        let reading = Reading::settled(code, caption.map(|inline| inline.text.as_str()), self.settled);
        if reading.settling.is_some() && reading.class != BlockClass::Runnable {
            self.note_meant(code, reading.class);
        }
        let Reading { code, script, class, settling } = &reading;
        let block = Block { code, script, class: *class };
        let alternatives = block.alternatives(caption);
        let kind = if *class != BlockClass::Runnable {
            CommandKind::Reference
        } else if script.statements().next().is_none() {
            CommandKind::Note
        } else if alternatives.choices.len() > 1 {
            CommandKind::Choice
        } else if script.commands().any(programs::is_stream) {
            CommandKind::Stream
        } else {
            CommandKind::Run
        };
        self.note_block(&block, kind, alternatives.first_mark.clone());

        let leading = block.leading_comment();
        let labels_first = kind == CommandKind::Choice
            && leading.as_deref().is_some_and(|comment| !vocabulary::offers_a_choice(comment));
        let caption = leading
            .filter(|_| !labels_first && kind != CommandKind::Reference)
            .or_else(|| caption.map(|inline| inline.text.trim().to_owned()));
        let mut text = code.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let place = if code.map.is_empty() { code.span.start } else { code.map.source(0) };
        Command {
            class: *class,
            settling: settling.clone(),
            warnings: Vec::new(),
            id: CommandId(self.command_ids.unique(ids.next(kind, settling.is_some()))),
            place: self.places.at(place),
            language: code.language.clone(),
            caption,
            kind,
            text,
            choices: if kind == CommandKind::Choice { alternatives.choices } else { Vec::new() },
            annotated: Default::default(),
        }
    }

    /// What an unclear block names counts before anybody settles it: whoever runs it, its workload is
    /// watched and its values are asked for.
    fn note_meant(&mut self, code: &Code, class: BlockClass) {
        let Some((commands, script)) = meant(code) else { return };
        self.workloads.extend(script.commands().flat_map(programs::workloads));
        if class == BlockClass::Unsure {
            self.note_literals(&commands.text, &commands.map, &script);
        }
    }

    /// A line that points outside, such as `→ **skill**: git`: shown, never run.
    pub(super) fn pointer(
        &mut self,
        inline: &Inline,
        what: &str,
        name: &str,
        ids: &mut Numbering,
    ) -> Command {
        Command {
            class: BlockClass::Pointer,
            settling: None,
            warnings: Vec::new(),
            id: CommandId(self.command_ids.unique(ids.next(CommandKind::Reference, false))),
            place: self.places.at(inline.span.start),
            language: String::new(),
            caption: None,
            kind: CommandKind::Reference,
            text: format!("{what}: {name}\n"),
            choices: Vec::new(),
            annotated: Default::default(),
        }
    }

    /// A command in backticks inside the words of a check: runs when asked for, never awaited.
    pub(super) fn offer(&mut self, code: &str, check: &Inline, ids: &mut Numbering) -> Command {
        let script = shell::scan(code);
        self.workloads.extend(script.commands().flat_map(programs::workloads));
        Command {
            class: BlockClass::Runnable,
            settling: None,
            warnings: Vec::new(),
            id: CommandId(self.command_ids.unique(ids.next(CommandKind::Offer, false))),
            place: self.places.at(check.span.start),
            language: "bash".into(),
            caption: Some(check.text.split_whitespace().collect::<Vec<_>>().join(" ")),
            kind: CommandKind::Offer,
            text: format!("{code}\n"),
            choices: Vec::new(),
            annotated: Default::default(),
        }
    }

    fn note_block(&mut self, block: &Block<'_>, kind: CommandKind, first_mark: Option<Range<usize>>) {
        let Block { code, script, class } = block;
        let source = |range: &Range<usize>| code.map.range(range);
        if !code.closed {
            let opening = code.span.start..code.span.start + 3;
            self.findings.note(Rule::UnclosedFence, opening, String::new());
            return;
        }
        for simple in script.commands().filter(|simple| simple.conditional && programs::is_undo(simple)) {
            let words = simple.words.first().zip(simple.words.last());
            if let Some((first, last)) = words.filter(|_| !self.in_rollback) {
                self.findings.note(
                    Rule::RollbackInsideCommand,
                    source(&(first.range.start..last.range.end)),
                    String::new(),
                );
            }
        }
        if kind == CommandKind::Reference {
            let line = code.text.lines().next().unwrap_or_default();
            let span = if code.map.is_empty() { code.span.clone() } else { source(&(0..line.len())) };
            let what = if *class == BlockClass::Script {
                "this script is no step: it has an interpreter line or reads arguments".to_owned()
            } else if *class == BlockClass::Unsure {
                "these lines may be commands, and nothing says so for certain".to_owned()
            } else if *class == BlockClass::SaidText {
                "somebody said that this is no command".to_owned()
            } else if classify::is_shell(code) {
                "this block holds what a program printed".to_owned()
            } else if code.language.is_empty() {
                "a block without a language is not run".to_owned()
            } else {
                format!("a `{}` block is not run", code.language)
            };
            self.findings.note(Rule::ReferenceNotRun, span, what);
            return;
        }
        if let Some(open) = script.unclosed {
            let end = code.text[open..].find('\n').map_or(code.text.len(), |newline| open + newline);
            self.findings.note(Rule::ShellUnclosed, source(&(open..end)), String::new());
        }
        if kind == CommandKind::Note {
            return;
        }
        if let Some(mark) = first_mark.filter(|_| kind == CommandKind::Choice) {
            self.findings.note(Rule::ChoiceNeeded, source(&mark), String::new());
        }
        for (at, hidden) in code.text.char_indices().filter(|(_, c)| is_hidden(*c)) {
            let span = source(&(at..at + hidden.len_utf8()));
            self.findings.note(Rule::HiddenCharacter, span, format!("U+{:04X}", u32::from(hidden)));
        }
        self.note_programs(block);
        self.note_literals(&code.text, &code.map, script);
    }

    fn note_programs(&mut self, block: &Block<'_>) {
        let Block { code, script, .. } = block;
        let mut tags = false;
        let mut push = None;
        for statement in script.statements() {
            for simple in &statement.commands {
                if let Some(tagging) = programs::tagging(simple, &code.text) {
                    tags = true;
                    for lost in &tagging.lost {
                        self.findings.note(
                            Rule::TagMessageLosesComments,
                            code.map.range(lost),
                            String::new(),
                        );
                    }
                }
                if programs::is_push(simple) && push.is_none() {
                    push = Some(statement.range.clone());
                }
                if programs::is_stream(simple) {
                    self.findings.note(Rule::Stream, code.map.range(&statement.range), String::new());
                }
                self.workloads.extend(programs::workloads(simple));
            }
        }
        if let Some(push) = push.filter(|_| tags) {
            self.findings.note(Rule::PushBesideTag, code.map.range(&push), String::new());
        }
    }
}

/// Characters that make a terminal show something else than what runs; not the joiners, which
/// ordinary emoji are made with.
fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A code block with its pieces.
struct Block<'b> {
    code: &'b Code,
    script: &'b Script,
    class: BlockClass,
}

#[derive(Debug, Default)]
struct Alternatives {
    choices: Vec<Choice>,
    /// The first comment that separates them, or the line that announces them.
    first_mark: Option<Range<usize>>,
}

/// One branch while it is being read.
#[derive(Debug, Default)]
struct Branch {
    label: String,
    comments: Vec<Range<usize>>,
    statements: Option<Range<usize>>,
    n_statements: usize,
}

impl Block<'_> {
    fn comment(&self, range: &Range<usize>) -> &str {
        self.code.text[range.clone()].trim_start_matches('#').trim()
    }

    /// The comments before the first statement, when they do not separate alternatives.
    fn leading_comment(&self) -> Option<String> {
        let mut comments = Vec::new();
        let mut found_statement = false;
        for piece in &self.script.pieces {
            match piece {
                Piece::Comment(range)
                    if vocabulary::alternative_label(&self.code.text[range.clone()]).is_none() =>
                {
                    comments.push(self.comment(range));
                }
                Piece::Comment(_) => return None,
                Piece::Statement(_) => {
                    found_statement = true;
                    break;
                }
            }
        }
        let caption = comments.join(" ");
        (found_statement && !caption.trim().is_empty()).then_some(caption)
    }

    fn alternatives(&self, caption: Option<&Inline>) -> Alternatives {
        let mut first_mark = None;
        let mut branches = vec![Branch::default()];
        for piece in &self.script.pieces {
            let branch = branches.last_mut().expect("the list starts with one branch and only grows");
            match piece {
                Piece::Comment(range) => {
                    match vocabulary::alternative_label(&self.code.text[range.clone()]) {
                        Some(label) => {
                            first_mark.get_or_insert_with(|| range.clone());
                            branches.push(Branch { label: label.to_owned(), ..Branch::default() });
                        }
                        None => branch.comments.push(range.clone()),
                    }
                }
                Piece::Statement(statement) => {
                    let start = branch.statements.as_ref().map_or(statement.range.start, |range| range.start);
                    branch.statements = Some(start..statement.range.end);
                    branch.n_statements += 1;
                }
            }
        }
        // `# ou` on the first line separates nothing inside this block.
        branches.retain(|branch| {
            branch.statements.is_some() || !branch.comments.is_empty() || !branch.label.is_empty()
        });
        if branches.len() == 1 && branches[0].n_statements > 1 && first_mark.is_none() {
            return self.one_per_statement(caption);
        }
        let choices = branches.iter().map(|branch| self.choice(branch)).collect();
        Alternatives { choices: with_warnings(choices), first_mark }
    }

    /// `# Selon l'outil` above several statements offers them as alternatives without an `# ou`.
    fn one_per_statement(&self, caption: Option<&Inline>) -> Alternatives {
        let leading = self.leading_comment();
        let announced = leading.as_deref().or(caption.map(|inline| inline.text.as_str()));
        if !announced.is_some_and(vocabulary::offers_a_choice) {
            return Alternatives::default();
        }
        let statements: Vec<_> = self.script.statements().map(|statement| statement.range.clone()).collect();
        let first_mark = statements.first().cloned();
        let branch = |range: &Range<usize>| Branch { statements: Some(range.clone()), ..Branch::default() };
        let choices = statements.iter().map(|range| self.choice(&branch(range))).collect();
        Alternatives { choices: with_warnings(choices), first_mark }
    }

    fn choice(&self, branch: &Branch) -> Choice {
        let text = branch.statements.as_ref().map(|range| format!("{}\n", &self.code.text[range.clone()]));
        let before_first = |range: &&Range<usize>| {
            branch.statements.as_ref().is_none_or(|statements| range.end <= statements.start)
        };
        let comment = branch
            .comments
            .iter()
            .rfind(before_first)
            .map(|range| self.comment(range))
            .filter(|comment| !vocabulary::offers_a_choice(comment));
        let label = match (branch.label.as_str(), comment, &text) {
            // `GitHub Actions - automatic on the tag`: the part after the dash says what happens.
            ("", Some(comment), None) => comment
                .rsplit_once(" - ")
                .or_else(|| comment.rsplit_once(" – "))
                .map_or(comment, |(_, what)| what),
            ("", Some(comment), Some(_)) => comment,
            ("", None, Some(text)) => text.lines().next().unwrap_or_default(),
            ("", None, None) => "",
            (label, ..) => label,
        };
        Choice { label: label.trim().to_owned(), text, warning: None }
    }
}

pub(super) fn with_warnings(mut choices: Vec<Choice>) -> Vec<Choice> {
    let automatic =
        choices.iter().any(|choice| choice.text.is_none() && vocabulary::happens_by_itself(&choice.label));
    for choice in &mut choices {
        let Some(text) = &choice.text else { continue };
        let script = shell::scan(text);
        if script.commands().any(programs::is_revert) {
            choice.warning = Some("a revert changes the repository only: it does not undo the deploy".into());
        } else if automatic {
            choice.warning = Some(
                "the other way happens by itself: running this as well may cause a double deploy".into(),
            );
        }
    }
    choices
}
