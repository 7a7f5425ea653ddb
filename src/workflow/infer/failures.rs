//! What a document says about failing: rollback section, error table, escalation list.

use super::calls::CallLine;
use super::commands::Numbering;
use super::outline::Chapter;
use super::{Reader, duration, steps};
use crate::workflow::markdown::{Block, Inline, ListItem, Table};
use crate::workflow::model::{
    Call, Code as Rule, CriterionKind, Escalation, KnownError, Policy, RoleName, RollbackSection,
};
use crate::workflow::vocabulary::{self, Column, LevelColumn, Section};

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
        let mut levels = Vec::new();
        for block in chapter.blocks() {
            match block {
                Block::List(list) => {
                    list.items.iter().for_each(|item| self.note_unreachable_box(item));
                    let lines = list.items.iter().filter_map(super::checks::first_line);
                    levels.extend(lines.filter_map(|inline| self.escalation_line(inline)));
                }
                Block::Paragraph(inline) if ARROWS.iter().any(|arrow| inline.text.contains(arrow)) => {
                    levels.extend(self.escalation_line(inline));
                }
                Block::Table(table) => levels.extend(self.escalation_rows(table)),
                _ => {}
            }
        }
        levels
    }

    /// The rows of a table that says whom to call, and at which level or when; any other is text.
    fn escalation_rows(&mut self, table: &Table) -> Vec<Escalation> {
        let named: Vec<Option<LevelColumn>> =
            table.header.iter().map(|cell| vocabulary::level_column(&cell.text)).collect();
        let position = |column: LevelColumn| named.iter().position(|name| *name == Some(column));
        let (level, when) = (position(LevelColumn::Level), position(LevelColumn::When));
        let who = position(LevelColumn::Who).or_else(|| position(LevelColumn::Contact));
        let Some(who) = who.filter(|_| level.or(when).is_some()) else { return Vec::new() };
        let numbered = level.and_then(|level| table.header.get(level)).map_or("", |cell| cell.text.trim());
        let columns = LevelColumns { level, numbered, when, who };
        table.rows.iter().filter_map(|row| self.escalation_row(row, &columns)).collect()
    }

    fn escalation_row(&mut self, row: &[Inline], columns: &LevelColumns) -> Option<Escalation> {
        let text = |cell: &Inline| cell.text.trim().to_owned();
        let says = |cell: &&Inline| cell.text.contains(char::is_alphanumeric);
        let whom = row.get(columns.who).filter(says)?;
        let when = columns.when.and_then(|when| row.get(when)).filter(says);
        let level = columns.level.and_then(|level| row.get(level)).filter(says);
        // A number alone says nothing away from its column.
        let named = level.map(|cell| match cell.text.contains(char::is_alphabetic) {
            true => text(cell),
            false => format!("{} {}", columns.numbered, text(cell)),
        });
        let trigger: Vec<String> = named.into_iter().chain(when.map(text)).collect();
        let told = [Some(columns.who), columns.level, columns.when];
        let others = row.iter().enumerate().filter(|(at, cell)| !told.contains(&Some(*at)) && says(cell));
        let answer: Vec<String> =
            std::iter::once(whom).chain(others.map(|(_, cell)| cell)).map(text).collect();
        let roles: Vec<RoleName> = match whom.codes.as_slice() {
            // All that stands in this column is somebody, but for numbers and brackets that say how to
            // reach them.
            [] => {
                let parts = whom.text.split(['+', ',', ';', '/']);
                let names = parts.filter_map(|part| part.split('(').next()).map(str::trim);
                let names = names.filter(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '@'));
                names.map(|name| RoleName(name.to_owned())).collect()
            }
            codes => codes.iter().map(|code| RoleName(code.clone())).collect(),
        };
        self.note_undeclared(whom, &roles);
        // A column of times holds nothing else; a level may be named by one.
        let after_s = [when, level].into_iter().flatten().find_map(|cell| duration::find(&cell.text));
        Some(Escalation {
            place: self.places.at(row.first().unwrap_or(whom).span.start),
            trigger: trigger.join(", "),
            roles,
            actions: Vec::new(),
            answer: answer.join(", "),
            after_s: after_s.map(|found| found.min_s),
        })
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
        self.note_undeclared(inline, &roles);
        let place = self.places.at(inline.span.start);
        let (trigger, answer) = (trigger.trim().to_owned(), answer.trim().to_owned());
        let after_s = duration::find(&trigger).or_else(|| after(&answer)).map(|found| found.min_s);
        Some(Escalation { place, trigger, roles, actions, answer, after_s })
    }

    fn note_undeclared(&mut self, inline: &Inline, roles: &[RoleName]) {
        for role in roles {
            if !self.front.roles.iter().any(|declared| declared.value == role.as_str()) {
                let at = inline.text.rfind(role.as_str());
                let span =
                    at.map_or(inline.span.clone(), |at| inline.map.range(&(at..at + role.as_str().len())));
                self.findings.note(Rule::RoleUndeclared, span, role.as_str().to_owned());
            }
        }
    }
}

/// Where a table of levels says what.
struct LevelColumns<'t> {
    level: Option<usize>,
    /// What its levels are called: `Level`.
    numbered: &'t str,
    when: Option<usize>,
    who: usize,
}

/// A time behind a word that says "after": any other may be that of an answer, or of a shift.
fn after(text: &str) -> Option<duration::Duration> {
    duration::find(text)
        .filter(|found| vocabulary::says_after(text.get(..found.range.start).unwrap_or_default()))
}
