//! What stands under a heading to a step: caption, commands, groups of checks, timeboxes, a soak.

use super::checks::Which;
use super::commands::Numbering;
use super::outline::{self, Body};
use super::{Reader, duration};
use crate::workflow::markdown::{Block, Inline, List};
use crate::workflow::model::{
    Code as Rule, Command, CommandKind, EvidenceKind, Group, Item, Soak, Step, StepId,
};
use crate::workflow::vocabulary;

/// A step while it is being read.
#[derive(Debug)]
struct Draft<'d> {
    slug: String,
    ids: Numbering,
    commands: Vec<Command>,
    groups: Vec<Group>,
    order: Vec<Item>,
    caption: Vec<&'d Inline>,
    soak: Option<Soak>,
    /// The last paragraph, as long as nothing used it.
    sentence: Option<&'d Inline>,
    /// A deeper heading or a bold line that names the next group.
    title: Option<&'d Inline>,
}

/// Where a step begins: its heading or list item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening<'d> {
    pub(super) number: Option<u32>,
    pub(super) title: &'d str,
    pub(super) offset: usize,
}

impl<'d> Reader<'_> {
    pub(super) fn step(&mut self, opening: Opening<'_>, bodies: &[Body<'d>]) -> Step {
        let slug = self.step_ids.unique(vocabulary::slug(opening.title, "step"));
        let mut draft = Draft {
            ids: Numbering::new(&slug),
            slug,
            commands: Vec::new(),
            groups: Vec::new(),
            order: Vec::new(),
            caption: Vec::new(),
            soak: None,
            sentence: None,
            title: None,
        };
        for body in bodies {
            if let Some(heading) = body.heading {
                self.note_soak(heading, &mut draft);
                draft.title = Some(heading);
                draft.sentence = None;
            }
            for block in body.blocks {
                self.block(block, &mut draft);
            }
        }
        if !draft.commands.iter().any(|command| is_run(command.kind)) {
            // The outcome of a command is no evidence where there is none.
            let checks = draft.groups.iter_mut().flat_map(|group| &mut group.checks);
            checks.for_each(|check| check.evidence.retain(|kind| *kind != EvidenceKind::Command));
        }
        let caption = draft.caption.iter().map(|inline| inline.text.trim()).collect::<Vec<_>>().join(" ");
        Step {
            id: StepId(draft.slug),
            number: opening.number,
            title: opening.title.to_owned(),
            place: self.places.at(opening.offset),
            caption: Some(caption).filter(|caption| !caption.is_empty()),
            commands: draft.commands,
            groups: draft.groups,
            order: draft.order,
            poll: None,
            soak: draft.soak,
            production: false,
            gating: !vocabulary::is_communication(opening.title),
        }
    }

    fn block(&mut self, block: &'d Block, draft: &mut Draft<'d>) {
        match block {
            Block::Paragraph(inline) => self.paragraph(inline, draft),
            Block::Code(code) => {
                let caption = draft.sentence.take().or(draft.title);
                let command = self.command(code, caption, &mut draft.ids);
                draft.add_command(command);
            }
            Block::List(list) => self.list(list, draft),
            Block::Quote(blocks) => {
                for block in blocks {
                    self.block(block, draft);
                }
            }
            Block::Heading(heading) => draft.title = Some(&heading.inline),
            Block::Table(_) => {}
        }
    }

    fn paragraph(&mut self, inline: &'d Inline, draft: &mut Draft<'d>) {
        if let Some((what, name)) = pointer(inline) {
            if is_workflow(&what) {
                self.call(&name, inline.span.clone());
            } else {
                let reason = format!("the {what} `{name}` is for a person or an agent");
                self.findings.note(Rule::ReferenceNotRun, inline.span.clone(), reason);
            }
            let command = self.pointer(inline, &what, &name, &mut draft.ids);
            draft.add_command(command);
            return;
        }
        self.note_soak(inline, draft);
        let titles_a_group =
            inline.strong || (timebox(inline).is_some() && inline.text.trim_end().ends_with(':'));
        if titles_a_group {
            draft.title = Some(inline);
        } else if draft.order.is_empty() && draft.title.is_none() {
            draft.caption.push(inline);
        }
        draft.sentence = Some(inline);
    }

    fn note_soak(&mut self, inline: &Inline, draft: &mut Draft<'_>) {
        if !vocabulary::asks_to_watch(&inline.text) {
            return;
        }
        match duration::find(&inline.text) {
            Some(found) => {
                let soak = Soak { min_s: found.min_s, max_s: found.max_s };
                // Two watching times in one step: the longer one holds it.
                if draft.soak.is_none_or(|known| known.min_s < soak.min_s) {
                    draft.soak = Some(soak);
                }
            }
            None => {
                if let Some(range) = duration::misspelt(&inline.text) {
                    let written = inline.text[range.clone()].to_owned();
                    self.findings.note(Rule::DurationUnknown, inline.map.range(&range), written);
                }
            }
        }
    }

    fn list(&mut self, list: &'d List, draft: &mut Draft<'d>) {
        for item in &list.items {
            for block in &item.blocks {
                if let Block::Paragraph(inline) = block {
                    self.note_soak(inline, draft);
                }
            }
        }
        let found = self.checks(list, &draft.slug.clone(), Which::Boxes);
        // Run first, then confirm: code inside a box stands before the whole group, so that the
        // group and its timebox stay in one piece.
        for (code, caption) in found.codes {
            let command = self.command(code, caption, &mut draft.ids);
            draft.add_command(command);
        }
        let sentence = draft.sentence.take();
        if found.checks.is_empty() {
            return;
        }
        let title = draft.title.take().or_else(|| {
            sentence.filter(|inline| {
                inline.text.trim_end().ends_with(':')
                    && !draft.caption.iter().any(|known| std::ptr::eq(*known, *inline))
            })
        });
        let follows_a_group = matches!(draft.order.last(), Some(Item::Group(_)));
        if let (None, true, Some(group)) =
            (title, follows_a_group && sentence.is_none(), draft.groups.last_mut())
        {
            // A comment or another marker splits one list in two; the operator sees one.
            group.checks.extend(found.checks);
            return;
        }
        let place = match title {
            Some(inline) => self.places.at(inline.span.start),
            None => found.checks[0].place,
        };
        draft.order.push(Item::Group(draft.groups.len()));
        draft.groups.push(Group {
            title: title.map(group_title),
            place,
            timebox_s: title.and_then(timebox),
            checks: found.checks,
        });
    }

    /// The steps of a chapter that has no headings for them: an ordered list whose items hold work,
    /// or everything as one step.
    pub(super) fn steps_without_headings(&mut self, opening: Opening<'_>, bodies: &[Body<'d>]) -> Vec<Step> {
        let blocks = || bodies.iter().flat_map(|body| body.blocks);
        let Some(list) = outline::steps_as_items(blocks()) else {
            return vec![self.step(opening, bodies)];
        };
        let first = list.start.unwrap_or(1);
        let mut steps = Vec::new();
        for (number, item) in (first..).zip(&list.items) {
            let Some(inline) = super::checks::first_line(item) else { continue };
            let title = inline.text.trim().trim_end_matches(':').trim_end();
            let opening = Opening { number: u32::try_from(number).ok(), title, offset: inline.span.start };
            let after = item
                .blocks
                .iter()
                .position(|block| matches!(block, Block::Paragraph(_)))
                .map_or(0, |i| i + 1);
            let body = Body { heading: None, blocks: &item.blocks[after..] };
            let mut step = self.step(opening, &[body]);
            if step.order.is_empty() {
                // An item without work of its own is still something a person does.
                let list = List { start: None, items: vec![item.clone()] };
                let checks = self.checks(&list, step.id.as_str(), Which::Bullets).checks;
                step.order.push(Item::Group(0));
                step.groups.push(Group { title: None, place: step.place, timebox_s: None, checks });
            }
            steps.push(step);
        }
        steps
    }
}

fn is_run(kind: CommandKind) -> bool {
    matches!(kind, CommandKind::Run | CommandKind::Choice)
}

impl Draft<'_> {
    fn add_command(&mut self, command: Command) {
        self.order.push(Item::Command(self.commands.len()));
        self.commands.push(command);
    }
}

/// `→ **skill**: git` as ("skill", "git").
pub(super) fn pointer(inline: &Inline) -> Option<(String, String)> {
    let text = inline.text.trim();
    let rest = ["→", "➜", "➡", "->", "=>"].iter().find_map(|arrow| text.strip_prefix(arrow))?.trim_start();
    let (what, name) = rest.split_once(':')?;
    let what = vocabulary::fold(what.trim());
    let name = inline.codes.first().map_or(name.trim(), |code| code.trim());
    let is_word = !what.is_empty() && what.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    (is_word && !name.is_empty()).then(|| (what, name.to_owned()))
}

pub(super) fn is_workflow(what: &str) -> bool {
    vocabulary::points_at_a_workflow(what)
}

/// `Checklist critique (5 min)` is a countdown of five minutes; a watching time is a soak instead.
fn timebox(inline: &Inline) -> Option<u64> {
    if vocabulary::asks_to_watch(&inline.text) {
        return None;
    }
    duration::find(&inline.text).map(|found| found.max_s)
}

/// The words of a group's title, without its colon and its duration in brackets.
fn group_title(inline: &Inline) -> String {
    let mut title = inline.text.trim().trim_end_matches(':').trim_end().to_owned();
    if let Some(found) = duration::find(&title) {
        let (before, after) = (title[..found.range.start].trim_end(), title[found.range.end..].trim_start());
        if let (Some(before), Some(after)) = (before.strip_suffix('('), after.strip_prefix(')')) {
            let shortened = format!("{} {}", before.trim_end(), after.trim_start());
            if !shortened.trim().is_empty() {
                title = shortened.trim().to_owned();
            }
        }
    }
    title
}
