//! What a document says about failing: rollback section, error table, escalation list.

use super::calls::CallLine;
use super::commands::Numbering;
use super::outline::Chapter;
use super::{Reader, duration, steps};
use crate::workflow::markdown::{Block, Inline, ListItem, Table};
use crate::workflow::model::{
    Call, Code as Rule, CriterionKind, Escalation, KnownError, Policy, RoleName, RollbackSection,
};
use crate::workflow::vocabulary::{self, Column, Section};

const ARROWS: &[&str] = &["→", "➜", "➡", "->", "=>"];

/// How long a policy counts down when the document does not say: enough for somebody who looked away
/// to come back, read the banner, think, and press `h`. Units: seconds of wall time.
const COUNTDOWN_S: u64 = 60;

/// What a document may ask for: below it the key cannot be reached in time, above it nobody waits.
const COUNTDOWNS_S: std::ops::RangeInclusive<u64> = 10..=3_600;

impl<'d> Reader<'_> {
    pub(super) fn rollback(
        &mut self,
        chapter: &Chapter<'d>,
        ids: &mut Numbering,
        section: &mut RollbackSection,
    ) {
        section.present = true;
        self.in_rollback = true;
        for body in &chapter.bodies {
            let mut before = body.heading.map(|heading| &heading.inline);
            for block in body.blocks {
                self.rollback_block(block, &mut before, ids, section);
            }
        }
        self.in_rollback = false;
    }

    fn rollback_block(
        &mut self,
        block: &'d Block,
        before: &mut Option<&'d Inline>,
        ids: &mut Numbering,
        section: &mut RollbackSection,
    ) {
        match block {
            Block::Paragraph(inline) => {
                if let Some(line) = CallLine::of(&inline.text) {
                    let call = self.call(&line.name, inline.span.clone());
                    section.calls.push(Call { with: line.with, condition: line.condition, ..call });
                } else if let Some((what, name)) = steps::pointer(inline) {
                    self.findings.note(
                        Rule::ReferenceNotRun,
                        inline.span.clone(),
                        format!("the {what} `{name}`"),
                    );
                    let pointer = self.pointer(inline, &what, &name, ids);
                    section.commands.push(pointer);
                } else {
                    *before = Some(inline);
                }
            }
            Block::Code(code) => {
                let command = self.command(code, before.take(), ids);
                section.commands.push(command);
            }
            Block::List(list) => {
                let announced = before.take().and_then(|inline| vocabulary::section(&inline.text));
                for item in &list.items {
                    let criterion =
                        super::checks::first_line(item).filter(|_| announced == Some(Section::Criteria));
                    if let Some(inline) = criterion {
                        let criterion = self.criterion(inline);
                        section.criteria.push(criterion);
                    }
                    self.note_unreachable_box(item);
                    let mut caption = super::checks::first_line(item);
                    for block in item.blocks.iter().filter(|block| !matches!(block, Block::Paragraph(_))) {
                        self.rollback_block(block, &mut caption, ids, section);
                    }
                }
            }
            Block::Quote(blocks) => {
                for block in blocks {
                    self.rollback_block(block, before, ids, section);
                }
            }
            Block::Heading(heading) => *before = Some(&heading.inline),
            Block::Table(_) => {}
        }
    }

    /// A criteria chapter of its own: every bullet is one.
    pub(super) fn criteria_chapter(&mut self, chapter: &Chapter<'d>, section: &mut RollbackSection) {
        section.present = true;
        for block in chapter.blocks() {
            if let Block::List(list) = block {
                for inline in list.items.iter().filter_map(super::checks::first_line) {
                    let criterion = self.criterion(inline);
                    section.criteria.push(criterion);
                }
            }
        }
    }

    /// A box where gonogo never walks by: better told than lost.
    pub(super) fn note_unreachable_box(&mut self, item: &ListItem) {
        if item.task.is_some() {
            let span =
                super::checks::first_line(item).map_or(item.span.clone(), |inline| inline.span.clone());
            self.findings.note(Rule::UnclassifiedTasks, span, String::new());
        }
    }

    /// `rollback: {auto, countdown}` of the frontmatter, once the criteria are known.
    pub(super) fn policy(&mut self, section: &RollbackSection) -> Option<Policy> {
        let policy = self.front.policy.as_ref()?;
        let (asked, span) = (policy.value.unwrap_or(COUNTDOWN_S), policy.span.clone());
        let countdown_s = asked.clamp(*COUNTDOWNS_S.start(), *COUNTDOWNS_S.end());
        if asked < countdown_s {
            let message = format!(
                "a countdown of {asked} s leaves nobody the time to stop it; {countdown_s} s are taken"
            );
            self.findings.note(Rule::FrontmatterValue, span, message);
        } else if asked > countdown_s {
            let message =
                format!("a countdown of {asked} s is none that anybody waits for; {countdown_s} s are taken");
            self.findings.note(Rule::FrontmatterValue, span, message);
        }
        let mut auto = Vec::new();
        for entry in self.front.auto.clone() {
            let slug = vocabulary::slug(&entry.value, "");
            let found = section.criteria.iter().find(|criterion| {
                criterion.id.as_str() == slug || vocabulary::slug(&criterion.text, "") == slug
            });
            match found {
                Some(criterion) if criterion.kind == CriterionKind::Declared => {
                    let message = format!(
                        "`rollback.auto` names `{}`, which only a person can see: nothing fires on it by itself; \
                         declare it with b, then press R and Y",
                        entry.value
                    );
                    self.findings.note(Rule::FrontmatterValue, entry.span, message);
                }
                Some(criterion) if !auto.contains(&criterion.id) => auto.push(criterion.id.clone()),
                Some(_) => {}
                None => {
                    let known: Vec<&str> =
                        section.criteria.iter().map(|criterion| criterion.id.as_str()).collect();
                    let message = format!(
                        "`rollback.auto` names `{}`, which is no criterion of this document ({})",
                        entry.value,
                        if known.is_empty() { "it has none".to_owned() } else { known.join(", ") }
                    );
                    self.findings.note(Rule::FrontmatterValue, entry.span, message);
                }
            }
        }
        Some(Policy { auto, countdown_s })
    }

    pub(super) fn errors(&mut self, chapter: &Chapter<'d>) -> Vec<KnownError> {
        let mut errors = Vec::new();
        for body in &chapter.bodies {
            // `### Pods crash` with text below is a row as well.
            if let Some(heading) = body.heading {
                let told = body.blocks.iter().find_map(|block| match block {
                    Block::Paragraph(inline) => Some(inline),
                    _ => None,
                });
                errors.push(self.known_error(&heading.inline, None, told));
            }
            for block in body.blocks {
                match block {
                    Block::Table(table) => errors.extend(self.error_rows(table)),
                    Block::List(list) => list.items.iter().for_each(|item| self.note_unreachable_box(item)),
                    _ => {}
                }
            }
        }
        errors
    }

    fn error_rows(&mut self, table: &Table) -> Vec<KnownError> {
        let named: Vec<Option<Column>> =
            table.header.iter().map(|cell| vocabulary::column(&cell.text)).collect();
        let position = |column: Column, otherwise: usize| {
            named.iter().position(|name| *name == Some(column)).or_else(|| {
                // Without a name we know, the usual order: error, cause, solution.
                named.get(otherwise).filter(|name| name.is_none()).map(|_| otherwise)
            })
        };
        let error = position(Column::Error, 0);
        let cause = position(Column::Cause, 1);
        let solution = position(Column::Solution, 2);
        let rows = table.rows.iter().filter_map(|row| {
            let cell = |column: Option<usize>| column.and_then(|column| row.get(column));
            let error = cell(error).filter(|cell| !cell.text.trim().is_empty())?;
            Some((error, cell(cause), cell(solution)))
        });
        rows.map(|(error, cause, solution)| self.known_error(error, cause, solution)).collect()
    }

    fn known_error(&self, error: &Inline, cause: Option<&Inline>, solution: Option<&Inline>) -> KnownError {
        let text =
            |inline: Option<&Inline>| inline.map_or(String::new(), |inline| inline.text.trim().to_owned());
        let mut links: Vec<String> = solution.map_or(Vec::new(), |inline| inline.links.clone());
        if solution.is_some_and(|inline| vocabulary::asks_for_rollback(&inline.text)) {
            links.push("rollback".into());
        }
        links.dedup();
        KnownError {
            place: self.places.at(error.span.start),
            error: error.text.trim().to_owned(),
            cause: text(cause),
            solution: text(solution),
            links,
        }
    }

    pub(super) fn escalation(&mut self, chapter: &Chapter<'d>) -> Vec<Escalation> {
        let mut lines = Vec::new();
        for block in chapter.blocks() {
            match block {
                Block::List(list) => {
                    list.items.iter().for_each(|item| self.note_unreachable_box(item));
                    lines.extend(list.items.iter().filter_map(super::checks::first_line));
                }
                Block::Paragraph(inline) if ARROWS.iter().any(|arrow| inline.text.contains(arrow)) => {
                    lines.push(inline)
                }
                _ => {}
            }
        }
        lines.into_iter().filter_map(|inline| self.escalation_line(inline)).collect()
    }

    fn escalation_line(&mut self, inline: &Inline) -> Option<Escalation> {
        let text = inline.text.trim();
        let arrow = ARROWS.iter().find_map(|arrow| text.split_once(arrow));
        // A colon alone says too little; with a role in backticks behind it, it is an arrow.
        let (trigger, answer) =
            arrow.or_else(|| text.split_once(':').filter(|_| !inline.codes.is_empty()))?;
        let mut roles: Vec<RoleName> = Vec::new();
        let mut actions = Vec::new();
        for part in answer.split(['+', ',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
            let quoted: Vec<&String> =
                inline.codes.iter().filter(|code| part.contains(code.as_str())).collect();
            // Without backticks the first words after the arrow name the role.
            let unquoted = inline.codes.is_empty() && roles.is_empty();
            if unquoted {
                roles.push(RoleName(part.to_owned()));
            } else if quoted.is_empty() {
                actions.push(part.to_owned());
            } else {
                roles.extend(quoted.into_iter().map(|code| RoleName(code.clone())));
            }
        }
        for role in &roles {
            if !self.front.roles.iter().any(|declared| declared.value == role.as_str()) {
                let at = inline.text.rfind(role.as_str());
                let span =
                    at.map_or(inline.span.clone(), |at| inline.map.range(&(at..at + role.as_str().len())));
                self.findings.note(Rule::RoleUndeclared, span, role.as_str().to_owned());
            }
        }
        let place = self.places.at(inline.span.start);
        let (trigger, answer) = (trigger.trim().to_owned(), answer.trim().to_owned());
        let after_s = duration::find(&trigger).or_else(|| after(&answer)).map(|found| found.min_s);
        Some(Escalation { place, trigger, roles, actions, answer, after_s })
    }
}

/// A time behind a word that says "after": any other may be that of an answer, or of a shift.
fn after(text: &str) -> Option<duration::Duration> {
    duration::find(text)
        .filter(|found| vocabulary::says_after(text.get(..found.range.start).unwrap_or_default()))
}
