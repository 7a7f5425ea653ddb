//! Which part of the workflow a comment is about.

use std::collections::HashMap;

use super::grammar::{self, Annotation};
use super::keys::{self, Key, On};
use crate::workflow::markdown::comments::{Comment, Marks, Node, NodeKind};
use crate::workflow::model::{Check, Command, CommandKind, Workflow};
use crate::workflow::places::Places;

/// A check by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckAt {
    Gate(usize, usize),
    Step(usize, usize, usize),
    Output(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandAt {
    Step(usize, usize),
    Rollback(usize),
}

impl CheckAt {
    pub(super) fn get(self, workflow: &mut Workflow) -> Option<&mut Check> {
        match self {
            CheckAt::Gate(gate, check) => workflow.gates.get_mut(gate)?.checks.get_mut(check),
            CheckAt::Step(step, group, check) => {
                workflow.steps.get_mut(step)?.groups.get_mut(group)?.checks.get_mut(check)
            }
            CheckAt::Output(check) => workflow.outputs.get_mut(check),
        }
    }
}

impl CommandAt {
    pub(super) fn get(self, workflow: &mut Workflow) -> Option<&mut Command> {
        match self {
            CommandAt::Step(step, command) => workflow.steps.get_mut(step)?.commands.get_mut(command),
            CommandAt::Rollback(command) => workflow.rollback.commands.get_mut(command),
        }
    }
}

/// What a comment is about, as far as the workflow knows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct About {
    /// What its keys may be for; empty when nothing there can carry one.
    pub(super) on: Vec<On>,
    pub(super) check: Option<CheckAt>,
    pub(super) command: Option<CommandAt>,
    /// The step around it, or the one that it opens.
    pub(super) step: Option<usize>,
    pub(super) group: Option<(usize, usize)>,
    /// Its first line.
    pub(super) line: usize,
    /// The code of a block that is not run.
    pub(super) fence: Option<String>,
}

impl About {
    pub(super) fn takes(&self, key: &Key) -> bool {
        key.on.iter().any(|on| self.on.contains(on))
    }
}

/// One annotation with its place in text and workflow.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) annotation: Annotation,
    /// Where its text begins in the document, when its offsets can be counted from there.
    pub(super) base: Option<usize>,
    pub(super) span: std::ops::Range<usize>,
    pub(super) raw: String,
    /// In a line of text, where GitHub is strict.
    pub(super) inline: bool,
    /// Attributes of a fence, written for another tool.
    pub(super) foreign: bool,
    pub(super) unclear: bool,
    pub(super) about: About,
}

/// The lines at which the parts of a workflow stand.
#[derive(Debug)]
pub(super) struct Index {
    checks: HashMap<usize, CheckAt>,
    /// By line, ascending.
    commands: Vec<(usize, CommandAt, bool)>,
    steps: HashMap<usize, usize>,
    step_lines: Vec<(usize, usize)>,
    groups: HashMap<usize, (usize, usize)>,
}

impl Index {
    pub(super) fn of(workflow: &Workflow) -> Self {
        let mut checks = HashMap::new();
        let mut commands = Vec::new();
        let mut groups = HashMap::new();
        for (g, gate) in workflow.gates.iter().enumerate() {
            for (c, check) in gate.checks.iter().enumerate() {
                checks.insert(check.place.line, CheckAt::Gate(g, c));
            }
        }
        let is_run = |command: &Command| command.kind != CommandKind::Reference;
        for (s, step) in workflow.steps.iter().enumerate() {
            for (c, command) in step.commands.iter().enumerate() {
                commands.push((command.place.line, CommandAt::Step(s, c), is_run(command)));
            }
            for (g, group) in step.groups.iter().enumerate() {
                groups.entry(group.place.line).or_insert((s, g));
                for (c, check) in group.checks.iter().enumerate() {
                    checks.insert(check.place.line, CheckAt::Step(s, g, c));
                }
            }
        }
        for (c, check) in workflow.outputs.iter().enumerate() {
            checks.insert(check.place.line, CheckAt::Output(c));
        }
        for (c, command) in workflow.rollback.commands.iter().enumerate() {
            commands.push((command.place.line, CommandAt::Rollback(c), is_run(command)));
        }
        commands.sort_by_key(|(line, ..)| *line);
        let mut step_lines: Vec<(usize, usize)> =
            workflow.steps.iter().enumerate().map(|(s, step)| (step.place.line, s)).collect();
        step_lines.sort_unstable();
        let steps = step_lines.iter().rev().copied().collect();
        Self { checks, commands, steps, step_lines, groups }
    }

    /// The step whose lines are around this one, when no heading in between opens something else.
    fn step_before(&self, line: usize, heading: Option<usize>) -> Option<usize> {
        let before = self.step_lines.partition_point(|(start, _)| *start <= line);
        let (start, step) = *self.step_lines.get(before.checked_sub(1)?)?;
        heading.is_none_or(|heading| heading <= start).then_some(step)
    }
}

/// Every annotation of a document, in its order.
pub(super) fn sites(marks: &Marks, workflow: &Workflow, text: &str, places: &Places<'_>) -> Vec<Site> {
    let index = Index::of(workflow);
    let finder = Finder { marks, index: &index, places, text, workflow };
    let comments = marks.comments.iter().filter_map(|comment| finder.comment(comment));
    let infos = marks.nodes.iter().filter_map(|node| finder.info(node));
    let mut sites: Vec<Site> = comments.chain(infos).collect();
    sites.sort_by_key(|site| site.span.start);
    sites
}

struct Finder<'f> {
    marks: &'f Marks,
    index: &'f Index,
    places: &'f Places<'f>,
    text: &'f str,
    workflow: &'f Workflow,
}

impl Finder<'_> {
    fn line(&self, offset: usize) -> usize {
        self.places.at(offset).line
    }

    /// The step under whose heading something stands.
    fn step_around(&self, line: usize, heading: Option<usize>) -> Option<usize> {
        let node = |index: usize| self.marks.nodes.get(index);
        let mut above = heading;
        while let Some(heading) = above.and_then(node) {
            if let Some(step) = self.index.steps.get(&self.line(heading.text)) {
                return Some(*step);
            }
            above = heading.heading;
        }
        self.index.step_before(line, heading.and_then(node).map(|heading| self.line(heading.text)))
    }

    fn comment(&self, comment: &Comment) -> Option<Site> {
        let annotation = grammar::read(&comment.text)?;
        let keys: Vec<&Key> = annotation.tokens.iter().filter_map(|token| keys::find(&token.key)).collect();
        let mut abouts: Vec<About> =
            comment.candidates.iter().filter_map(|node| self.about(self.marks.nodes.get(*node)?)).collect();
        let fits = |about: &About| keys.iter().filter(|key| about.takes(key)).count();
        let best = abouts.iter().map(&fits).max().unwrap_or(0);
        // The likeliest of those that can carry most of its keys.
        let chosen = abouts.iter().position(|about| fits(about) == best);
        let line = self.line(comment.span.start);
        let is_torn = |abouts: &[About]| {
            let mut fitting = abouts.iter().filter(|about| fits(about) == best);
            comment.tied && best > 0 && fitting.nth(1).is_some()
        };
        let unclear = comment.unclear || is_torn(&abouts);
        let about = match chosen {
            Some(chosen) if !unclear => abouts.swap_remove(chosen),
            _ => About { step: self.step_around(line, comment.heading), line, ..About::default() },
        };
        let exact = self.text.get(comment.span.clone()) == Some(comment.text.as_str());
        Some(Site {
            annotation,
            base: exact.then_some(comment.span.start),
            span: comment.span.clone(),
            raw: comment.text.clone(),
            inline: comment.inline,
            foreign: false,
            unclear,
            about,
        })
    }

    fn info(&self, node: &Node) -> Option<Site> {
        let (info, at) = node.info.as_ref()?;
        let open = info.find('{')?;
        let close = info.rfind('}').filter(|close| *close > open)?;
        let inner = &info[open + 1..close];
        let start = at + open + 1;
        let about = self.about(node).filter(|about| about.command.is_some())?;
        Some(Site {
            annotation: grammar::read_info(inner),
            base: (self.text.get(start..start + inner.len()) == Some(inner)).then_some(start),
            span: start..start + inner.len(),
            raw: inner.to_owned(),
            inline: false,
            foreign: true,
            unclear: false,
            about,
        })
    }

    fn about(&self, node: &Node) -> Option<About> {
        let line = self.line(if node.text == usize::MAX { node.span.start } else { node.text });
        let items = node.items.iter().filter_map(|item| self.marks.nodes.get(*item));
        let own_step = items
            .rev()
            .map(|item| item.text)
            .filter(|text| *text != usize::MAX)
            .find_map(|text| self.index.steps.get(&self.line(text)).copied());
        let step = self.index.steps.get(&line).copied().filter(|_| node.kind != NodeKind::Code);
        let about = About {
            step: step.or(own_step).or_else(|| self.step_around(line, node.heading)),
            group: self.index.groups.get(&line).copied(),
            line,
            ..About::default()
        };
        Some(match node.kind {
            NodeKind::Heading => About {
                on: if step.is_some() || about.step.is_some() { vec![On::Heading] } else { Vec::new() },
                ..about
            },
            NodeKind::Paragraph => About { on: vec![On::Paragraph], ..about },
            NodeKind::Item => match (self.index.checks.get(&line), step) {
                (Some(check), _) => About { on: vec![On::Item], check: Some(*check), ..about },
                (None, Some(_)) => About { on: vec![On::Heading], ..about },
                // A bullet that only carries a sentence, such as a soak.
                (None, None) => About { on: vec![On::Paragraph], ..about },
            },
            NodeKind::Code => self.code(node, about),
            NodeKind::List => self.list(node, about),
            NodeKind::Other => return None,
        })
    }

    fn code(&self, node: &Node, about: About) -> About {
        let last = self.line(node.span.end.saturating_sub(1).max(node.span.start));
        let from = self.index.commands.partition_point(|(line, ..)| *line < about.line);
        match self.index.commands.get(from).filter(|(line, ..)| *line <= last) {
            Some((_, at, true)) => About { on: vec![On::Command], command: Some(*at), ..about },
            known => {
                let reference = known.map(|(_, at, _)| *at);
                let text = match reference {
                    Some(CommandAt::Step(step, command)) => {
                        self.workflow.steps.get(step).and_then(|step| step.commands.get(command))
                    }
                    Some(CommandAt::Rollback(command)) => self.workflow.rollback.commands.get(command),
                    None => None,
                };
                let code = text
                    .map_or_else(|| inside(&self.text[node.span.clone()]), |command| command.text.clone());
                About { on: vec![On::Fence], fence: Some(code), ..about }
            }
        }
    }

    /// A comment above a list is about its one item; with several, about the list as a group.
    fn list(&self, node: &Node, about: About) -> About {
        let first = node.first_item.and_then(|item| self.marks.nodes.get(item));
        match first.filter(|_| node.n_items == 1) {
            Some(only) => self.about(only).unwrap_or(about),
            None => About { on: vec![On::Paragraph], ..about },
        }
    }
}

/// A block's text without its fences.
fn inside(block: &str) -> String {
    let mut lines: Vec<&str> = block.lines().skip(1).collect();
    lines.pop();
    lines.join("\n") + "\n"
}
