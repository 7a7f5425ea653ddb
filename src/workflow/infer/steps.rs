//! What stands under a heading to a step: caption, commands, groups of checks, timeboxes, a soak.

use super::calls::{self, CallLine};
use super::checks::{Checks, Under, Which, is_task_table};
use super::commands::Numbering;
use super::methods::{self, Way};
use super::outline::{self, Body, Numbered, Outline, Part};
use super::{Reader, classify, duration};
use crate::workflow::markdown::{Block, Code, Inline, List};
use crate::workflow::model::{
    BlockClass, Call, Check, Code as Rule, Command, CommandKind, EvidenceKind, Group, Item, Soak, Step,
    StepId,
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
    /// What the checks that follow depend on: the method whose checks they are.
    condition: String,
    /// Warnings that wait for the next command.
    warnings: Vec<String>,
    /// The paragraph before the next block when it begins with `or`: the block is another way to do
    /// what the last command does.
    or: Option<&'d Inline>,
    calls: Vec<Call>,
    /// Whether the heading says when the step is done at all.
    depends: Option<String>,
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
            condition: String::new(),
            warnings: Vec::new(),
            or: None,
            calls: Vec::new(),
            depends: Some(opening.title.to_owned()).filter(|title| calls::is_condition(title)),
        };
        let method_of = |body: &Body<'d>| {
            let heading = body.heading.map(|heading| &heading.inline);
            heading.filter(|heading| vocabulary::names_a_method(&heading.text))
        };
        let several = bodies.iter().filter_map(method_of).count() > 1;
        let mut ways: Vec<(Way, &'d Inline)> = Vec::new();
        for body in bodies {
            let from = draft.commands.len();
            let heading = body.heading.map(|heading| &heading.inline);
            let method = method_of(body).filter(|_| several);
            if let Some(heading) = heading {
                self.note_soak(heading, &mut draft);
                draft.title = Some(heading);
                draft.sentence = None;
            }
            draft.or = None;
            draft.condition = method.map_or(String::new(), |inline| inline.text.trim().to_owned());
            for block in body.blocks {
                self.block(block, &mut draft);
            }
            if let Some(inline) = method {
                let way = Way { label: draft.condition.clone(), commands: from..draft.commands.len() };
                ways.push((way, inline));
            }
        }
        if let [(_, first), _, ..] = ways.as_slice() {
            let span = first.span.clone();
            let ways: Vec<Way> = ways.into_iter().map(|(way, _)| way).collect();
            if methods::merge(&ways, &mut draft.commands, &mut draft.order) {
                self.findings.note(Rule::ChoiceNeeded, span, String::new());
            }
        }
        methods::warn(&mut draft.commands);
        if !draft.commands.iter().any(|command| is_run(command.kind)) {
            // The outcome of a command is no evidence where there is none.
            let checks = draft.groups.iter_mut().flat_map(|group| &mut group.checks);
            checks.for_each(|check| check.evidence.retain(|kind| *kind != EvidenceKind::Command));
        }
        let caption = draft.caption.iter().map(|inline| inline.text.trim().to_owned());
        // A warning that no command follows is still for whoever does the step.
        let warnings = draft.warnings.drain(..).map(|warning| format!("⚠ {warning}"));
        let caption = caption.chain(warnings).collect::<Vec<_>>().join(" ");
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
            calls: draft.calls,
            called: None,
            annotated: Default::default(),
        }
    }

    fn block(&mut self, block: &'d Block, draft: &mut Draft<'d>) {
        match block {
            Block::Paragraph(inline) => self.paragraph(inline, draft),
            Block::Code(code) => {
                let caption = draft.sentence.take().or(draft.title);
                self.add_code(code, caption, draft);
            }
            Block::List(list) => self.list(list, draft),
            Block::Quote(blocks) => {
                let blocks = match alert(blocks) {
                    Some(text) => {
                        draft.warnings.push(text);
                        &blocks[1..]
                    }
                    None => blocks,
                };
                for block in blocks {
                    self.block(block, draft);
                }
            }
            Block::Heading(heading) => draft.title = Some(&heading.inline),
            Block::Table(table) if is_task_table(table) => {
                let (slug, condition) = (draft.slug.clone(), draft.condition.clone());
                let found = self.table_rows(table, Under { path: &slug, condition: &condition });
                self.add_checks(found, draft);
            }
            Block::Table(_) => {}
        }
    }

    fn add_code(&mut self, code: &'d Code, caption: Option<&'d Inline>, draft: &mut Draft<'d>) {
        let command = self.command(code, caption, &mut draft.ids);
        let (class, place) = (command.class, command.place);
        let or = draft.or.take();
        let follows = match (draft.order.last(), draft.commands.last()) {
            (Some(Item::Command(_)), Some(last)) => is_run(last.kind) && is_run(command.kind),
            _ => false,
        };
        let first_line = command.text.lines().next().unwrap_or_default().to_owned();
        draft.add_command(command);
        if let (Some(or), true) = (or, follows) {
            let label = vocabulary::alternative_label(&or.text).unwrap_or_default();
            if let (Some(other), Some(first)) = (draft.commands.pop(), draft.commands.last_mut()) {
                draft.order.pop();
                methods::append(first, other, label);
                self.findings.note(Rule::ChoiceNeeded, or.span.clone(), String::new());
            }
        } else if class == BlockClass::Unsure {
            // What may be meant to run must not be passed by in silence: a person settles it.
            let words = format!("? {first_line}");
            let under = Under { path: &draft.slug, condition: &draft.condition };
            let check = Check { place, optional: true, ..self.check_of(&words, code.span.start, under) };
            draft.order.push(Item::Group(draft.groups.len()));
            draft.groups.push(Group { title: None, place, timebox_s: None, checks: vec![check] });
        }
    }

    /// A sentence that asks somebody to wait for something without saying how long: a person says
    /// when it is over.
    fn add_wait(&mut self, inline: &Inline, draft: &mut Draft<'d>) {
        let under = Under { path: &draft.slug, condition: &draft.condition };
        let check = self.check(inline, under);
        draft.order.push(Item::Group(draft.groups.len()));
        draft.groups.push(Group { title: None, place: check.place, timebox_s: None, checks: vec![check] });
    }

    fn paragraph(&mut self, inline: &'d Inline, draft: &mut Draft<'d>) {
        if let Some(line) = CallLine::of(&inline.text) {
            let before = draft.sentence.map(|inline| inline.text.trim());
            let condition = before.filter(|words| words.ends_with(':') && calls::is_condition(words));
            self.add_call(inline, line, condition.map(str::to_owned), draft);
            return;
        }
        if let Some((what, name)) = pointer(inline) {
            let reason = format!("the {what} `{name}` is for a person or an agent");
            self.findings.note(Rule::ReferenceNotRun, inline.span.clone(), reason);
            let command = self.pointer(inline, &what, &name, &mut draft.ids);
            draft.add_command(command);
            return;
        }
        self.note_soak(inline, draft);
        if vocabulary::warns(&inline.text) {
            draft.warnings.push(unmarked(&inline.text).to_owned());
            return;
        }
        if vocabulary::asks_to_wait(&inline.text) && duration::find(&inline.text).is_none() {
            self.add_wait(inline, draft);
            return;
        }
        draft.or = vocabulary::alternative_label(&inline.text).map(|_| inline);
        let titles_a_group =
            inline.strong || (timebox(inline).is_some() && inline.text.trim_end().ends_with(':'));
        if titles_a_group {
            draft.title = Some(inline);
        } else if draft.order.is_empty() && draft.title.is_none() {
            draft.caption.push(inline);
        }
        draft.sentence = Some(inline);
    }

    fn add_call(
        &mut self,
        inline: &Inline,
        line: CallLine,
        condition: Option<String>,
        draft: &mut Draft<'d>,
    ) {
        let of_method = Some(draft.condition.clone()).filter(|method| !method.is_empty());
        let condition = condition.or_else(|| draft.depends.clone()).or(of_method);
        let condition = condition.map(|words| words.trim_end_matches([':', ' ']).to_owned());
        let (call, pointer) = self.call_line(inline, line, condition, &mut draft.ids);
        draft.calls.push(call);
        draft.add_command(pointer);
    }

    fn note_soak(&mut self, inline: &Inline, draft: &mut Draft<'_>) {
        if !vocabulary::asks_to_watch(&inline.text) && !vocabulary::asks_to_wait(&inline.text) {
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
                    if item.task.is_some() {
                        continue;
                    }
                    if vocabulary::warns(&inline.text) {
                        draft.warnings.push(unmarked(&inline.text).to_owned());
                    } else if vocabulary::asks_to_wait(&inline.text) && duration::find(&inline.text).is_none()
                    {
                        self.add_wait(inline, draft);
                    }
                }
            }
        }
        for (inline, line, condition) in calls::of_list(list) {
            self.add_call(inline, line, condition, draft);
        }
        let (slug, condition) = (draft.slug.clone(), draft.condition.clone());
        let mut found = self.checks(list, Under { path: &slug, condition: &condition }, Which::Boxes);
        // Only one of several methods is gone, so what the others ask may not apply.
        found.checks.iter_mut().for_each(|check| check.optional |= !condition.is_empty());
        self.add_checks(found, draft);
    }

    fn add_checks(&mut self, found: Checks<'d>, draft: &mut Draft<'d>) {
        // Run first, then confirm: code inside a box stands before the whole group, so that the
        // group and its timebox stay in one piece.
        for (code, caption) in found.codes {
            self.add_code(code, caption, draft);
        }
        for (code, check) in found.offers {
            let command = self.offer(code, check, &mut draft.ids);
            draft.add_command(command);
        }
        let sentence = draft.sentence.take();
        if found.checks.is_empty() {
            return;
        }
        let own_title = draft.title.take().filter(|title| title.text.trim() != draft.condition);
        let title = own_title.or_else(|| {
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

    /// The steps of a chapter that has no headings for them: numbered items that hold work, or
    /// everything as one step.
    pub(super) fn steps_without_headings(&mut self, opening: Opening<'_>, bodies: &[Body<'d>]) -> Vec<Step> {
        if !outline::has_numbered_steps(bodies) {
            return vec![self.step(opening, bodies)];
        }
        let mut steps = Vec::new();
        for body in bodies {
            let (before, items) = outline::numbered_items(body.blocks);
            if before.iter().any(outline::holds_work) {
                let title = body.heading.map_or(opening.title, |heading| heading.inline.text.trim());
                let opening = Opening { title, ..opening };
                steps.push(self.step(opening, &[Body { heading: None, blocks: before }]));
            }
            for numbered in items {
                steps.extend(self.step_of_item(&numbered));
            }
        }
        steps
    }

    /// A step of words alone is still something a person does, and does not pass by itself.
    pub(super) fn with_work(&mut self, mut step: Step, opening: Opening<'_>) -> Step {
        if step.order.is_empty() && step.soak.is_none() {
            let under = Under { path: step.id.as_str(), condition: "" };
            let check = self.check_of(opening.title, opening.offset, under);
            step.order.push(Item::Group(0));
            step.groups.push(Group { title: None, place: step.place, timebox_s: None, checks: vec![check] });
        }
        step
    }

    fn step_of_item(&mut self, numbered: &Numbered<'d>) -> Option<Step> {
        let item = numbered.item;
        let inline = super::checks::first_line(item)?;
        let title = inline.text.trim().trim_end_matches(':').trim_end();
        let number = u32::try_from(numbered.number).ok();
        let opening = Opening { number, title, offset: inline.span.start };
        let own =
            item.blocks.iter().position(|block| matches!(block, Block::Paragraph(_))).map_or(0, |i| i + 1);
        let bodies = [&item.blocks[own..], numbered.after].map(|blocks| Body { heading: None, blocks });
        let mut step = self.step(opening, &bodies);
        if let Some(line) = CallLine::of(&inline.text) {
            // Its own words call: what stands below them comes after.
            let mut ids = Numbering::new(&format!("{}/call", step.id));
            let (call, pointer) = self.call_line(inline, line, None, &mut ids);
            step.order.insert(0, Item::Command(step.commands.len()));
            step.commands.push(pointer);
            step.calls.push(call);
        }
        if step.order.is_empty() {
            // An item without work of its own is still something a person does.
            let mut ids = Numbering::new(step.id.as_str());
            for code in inline.codes.iter().filter(|code| classify::is_inline_command(code)) {
                step.order.push(Item::Command(step.commands.len()));
                step.commands.push(self.offer(code, inline, &mut ids));
            }
            let check = self.check(inline, Under { path: step.id.as_str(), condition: "" });
            step.order.push(Item::Group(0));
            step.groups.push(Group { title: None, place: step.place, timebox_s: None, checks: vec![check] });
        }
        Some(step)
    }

    /// A document about a release that has nothing but numbered sentences: each is confirmed.
    pub(super) fn bare_lists(&mut self, outline: &Outline<'d>, title: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        for chapter in &outline.chapters {
            let heading = chapter.heading.map_or(title, |heading| heading.inline.text.trim());
            let about = vocabulary::is_about_a_release(heading) || vocabulary::is_about_a_release(title);
            if !about || !matches!(chapter.part, Part::Front | Part::Other | Part::Steps) {
                continue;
            }
            for body in &chapter.bodies {
                let (_, items) = outline::numbered_items(body.blocks);
                if items.len() > 1 {
                    steps.extend(items.iter().filter_map(|numbered| self.step_of_item(numbered)));
                }
            }
        }
        steps
    }
}

fn is_run(kind: CommandKind) -> bool {
    matches!(kind, CommandKind::Run | CommandKind::Choice)
}

impl Draft<'_> {
    fn add_command(&mut self, mut command: Command) {
        if !matches!(command.kind, CommandKind::Reference | CommandKind::Note) {
            command.warnings.append(&mut self.warnings);
        }
        self.order.push(Item::Command(self.commands.len()));
        self.commands.push(command);
    }
}

/// The words of a callout that warns: `> [!CAUTION]`, `> ⚠ …`.
fn alert(blocks: &[Block]) -> Option<String> {
    let Some(Block::Paragraph(inline)) = blocks.first() else { return None };
    let text = inline.text.trim();
    let marked = ["[!CAUTION]", "[!WARNING]", "[!IMPORTANT]"].iter().find_map(|mark| text.strip_prefix(mark));
    match marked.map(str::trim) {
        Some(text) => Some(text.to_owned()),
        None => vocabulary::warns(text).then(|| unmarked(text).to_owned()),
    }
}

/// A warning without the sign in front of it: the screen has its own.
fn unmarked(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '⚠' | '\u{fe0f}' | '🚨' | '⛔' | '🛑'))
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
