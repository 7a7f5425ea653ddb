//! Pane 1: the document as the rows of a release, with one current item.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{evidence, output};
use crate::app::action::Action;
use crate::app::model::{Row, rows};
use crate::release::{Answer, CommandState, StepStatus, Vote, summary};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::signs::Sign;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::Moment;
use crate::workflow::{BlockClass, Check, CheckId, Command, CommandId, CommandKind, GateId, Step, StepId};

/// Rows that the text of the current item may take.
const CURRENT_ROWS: usize = 3;
/// Below this width nothing is indented.
const INDENTED: usize = 36;

/// Draws the rows around the selected one; `scroll` is kept from frame to frame, so that the list
/// moves no more than it must.
pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect, scroll: &mut usize) {
    let pane = Pane::new(paint, usize::from(area.width));
    let rows = paint.model.rows();
    let height = usize::from(area.height);
    let tall = |row: &Row| if pane.is_open(row) { pane.lines(row).len() } else { 1 };
    let heights: Vec<usize> = rows.iter().map(tall).collect();
    let total: usize = heights.iter().sum();

    let selected = pane.selected.as_ref().and_then(|selected| rows.iter().position(|row| row == selected));
    if let Some(index) = selected {
        let top: usize = heights[..index].iter().sum();
        let bottom = top + heights[index];
        // The heading above the selected row stays in sight where there is room for it.
        let above = top.saturating_sub(usize::from(height > 6));
        *scroll = (*scroll).max((bottom + usize::from(height > 6 && bottom < total)).saturating_sub(height));
        *scroll = (*scroll).min(above);
    }
    *scroll = (*scroll).min(total.saturating_sub(height));

    let mut at = 0;
    for (row, tall) in rows.iter().zip(&heights) {
        let end = at + tall;
        if end > *scroll && at < *scroll + height {
            let lines = pane.lines(row);
            let is_selected = pane.selected.as_ref() == Some(row);
            for (index, line) in lines.iter().enumerate() {
                let Some(y) = (at + index).checked_sub(*scroll) else { continue };
                text::put(buffer, area, y, line);
                if is_selected && index == 0 && pane.shows_cursor {
                    text::tint(buffer, area, y, paint.style(Role::Selection));
                }
            }
        }
        at = end;
    }
    recent(paint, buffer, area, total.saturating_sub(*scroll));
}

/// The current item on one row, for when the checklist itself is covered.
pub fn current_line<'a>(paint: &Paint<'a>, width: usize) -> Line<'a> {
    let pane = Pane::new(paint, width);
    let Some(row) = &pane.current else { return Line::default() };
    let mut line = pane.lines(row).into_iter().next().unwrap_or_default();
    if let Row::Check(id) = row
        && let Some(check) = paint.model.release.workflow().check(id)
    {
        // One row is all there is: the text whole or elided, never wrapped.
        line = pane.item(
            row,
            pane.check_mark(id),
            vec![paint.span(check.text.as_str(), Role::Text)],
            Line::default(),
        );
    }
    text::fit(line, width)
}

/// What people and the world did last, at the bottom, when there is room.
fn recent(paint: &Paint, buffer: &mut Buffer, area: Rect, used: usize) {
    let height = usize::from(area.height);
    let free = height.saturating_sub(used + 1);
    let n = free.min(if height > 30 { 8 } else { 3 });
    if n == 0 || paint.model.state().recent.is_empty() || area.width < 30 {
        return;
    }
    let newest: Vec<&(Moment, String)> = paint.model.state().recent.iter().rev().take(n).collect();
    let first = height - newest.len();
    for (index, (at, words)) in newest.into_iter().enumerate() {
        let label = if index == 0 { " last   " } else { "        " };
        let when = format!("{}  ", paint.wall(at.wall));
        let line = Line::from_iter([
            paint.span(label, Role::Dim),
            paint.span(when, Role::Dim),
            paint.span(format::clean(words), Role::Text),
        ]);
        text::put(buffer, area, first + index, &text::fit(line, usize::from(area.width)));
    }
}

struct Pane<'p, 'a> {
    paint: &'p Paint<'a>,
    width: usize,
    current: Option<Row>,
    selected: Option<Row>,
    /// Whether the cursor was moved off the current item, which is marked anyway.
    shows_cursor: bool,
}

impl<'p, 'a> Pane<'p, 'a> {
    fn new(paint: &'p Paint<'a>, width: usize) -> Self {
        let current = rows::of_current(&paint.model.release.current());
        let selected = paint.model.selected();
        let shows_cursor = selected.is_some() && selected != current;
        Self { paint, width, current, selected, shows_cursor }
    }

    /// Whether a row may take more than one line.
    fn is_open(&self, row: &Row) -> bool {
        self.current.as_ref() == Some(row)
            || self.selected.as_ref() == Some(row)
            || matches!(row, Row::Soak(_) | Row::Poll(_))
    }

    fn lines(&self, row: &Row) -> Vec<Line<'a>> {
        let workflow = self.paint.model.release.workflow();
        match row {
            Row::Gate(id) => vec![self.gate(row, id)],
            Row::Step(id) => workflow.step(id).map(|step| vec![self.step(row, step)]).unwrap_or_default(),
            Row::Outputs => vec![self.outputs(row)],
            Row::Check(id) => workflow.check(id).map(|check| self.check(row, check)).unwrap_or_default(),
            Row::Command(id) => self.command(row, id),
            Row::Group(id, index) => self.group(id, *index),
            Row::Soak(id) => self.soak(row, id),
            Row::Poll(id) => self.poll(row, id),
            Row::Finish => vec![self.item(
                row,
                (Sign::Command, Role::Accent),
                vec![self.paint.span(self.end(), Role::Title)],
                Line::default(),
            )],
        }
    }

    fn end(&self) -> &'static str {
        match self.paint.model.state().phase.is_over() {
            true => "read the report",
            false => "complete the release",
        }
    }

    fn pointer(&self, row: &Row) -> Span<'a> {
        if self.current.as_ref() == Some(row) {
            self.paint.span("▶", Role::Focus)
        } else if self.selected.as_ref() == Some(row) {
            self.paint.span("›", Role::Focus)
        } else {
            Span::raw(" ")
        }
    }

    /// One line: pointer, mark, text, and what stands at the right end.
    fn item(&self, row: &Row, mark: (Sign, Role), words: Vec<Span<'a>>, right: Line<'a>) -> Line<'a> {
        let mut line = Line::from(Span::raw(self.indent()));
        line.spans.push(self.pointer(row));
        line.spans.push(Span::raw(" "));
        line.spans.push(self.paint.span(self.paint.sign(mark.0), mark.1));
        line.spans.push(Span::raw(" "));
        line.spans.extend(words);
        text::ends(line, right, self.width, self.text_column() + 8)
    }

    fn indent(&self) -> &'static str {
        if self.width >= INDENTED { "  " } else { "" }
    }

    fn text_column(&self) -> usize {
        self.indent().len() + 3 + self.paint.sign_width()
    }

    // ── headings

    fn heading(&self, row: &Row, mark: (Sign, Role), title: String, role: Role, right: Line<'a>) -> Line<'a> {
        let pointer = if self.selected.as_ref() == Some(row) { self.pointer(row) } else { Span::raw(" ") };
        let line = Line::from_iter([
            pointer,
            self.paint.span(self.paint.sign(mark.0), mark.1),
            Span::raw(" "),
            self.paint.span(title, role),
        ]);
        text::ends(line, right, self.width, 10)
    }

    fn gate(&self, row: &Row, id: &GateId) -> Line<'a> {
        let workflow = self.paint.model.release.workflow();
        let Some(gate) = workflow.gates.iter().find(|gate| &gate.id == id) else { return Line::default() };
        let ids = || gate.checks.iter().map(|check| &check.id);
        let (closed, total, no_go) = self.count(ids());
        let mark = self.section_mark(closed == total, no_go, self.holds_current(ids()));
        self.heading(row, mark, gate.title.clone(), section_role(mark.0), self.counts(closed, total))
    }

    fn outputs(&self, row: &Row) -> Line<'a> {
        let workflow = self.paint.model.release.workflow();
        let ids = || workflow.outputs.iter().map(|check| &check.id);
        let (closed, total, no_go) = self.count(ids());
        let mark = self.section_mark(closed == total, no_go, self.holds_current(ids()));
        self.heading(row, mark, "Outputs".to_owned(), section_role(mark.0), self.counts(closed, total))
    }

    fn step(&self, row: &Row, step: &Step) -> Line<'a> {
        let release = &self.paint.model.release;
        let status = release.step_status(step);
        let (closed, total, no_go) = self.count(step.checks().map(|check| &check.id));
        let poll_no = step.poll.is_some() && self.votes(&step.id).any(|vote| vote == Some(Vote::NoGo));
        let mark =
            self.section_mark(status == StepStatus::Done, no_go || poll_no, status == StepStatus::Current);
        let title = step.heading();
        let mut right = Line::default();
        if !step.annotated.weakened.is_empty() {
            right.spans.push(self.paint.span("⚠ ", Role::Warning));
        }
        if let Some(soak) = step.soak
            && status == StepStatus::Pending
        {
            let (least, most) = (format::planned(soak.min_s), format::planned(soak.max_s));
            let span = if least == most { least } else { format!("{least}–{most}") };
            right.spans.push(self.paint.span(format!("soak {span}  "), Role::Dim));
        }
        if step.poll.is_some() {
            let (word, role) = match (poll_no, status) {
                (true, _) => ("NO-GO  ", Role::Bad),
                (_, StepStatus::Done) => ("GO  ", Role::Ok),
                _ => ("poll  ", Role::Dim),
            };
            right.spans.push(self.paint.span(word, role));
        }
        if total > 0 {
            right.spans.extend(self.counts(closed, total).spans);
        } else if status == StepStatus::Done {
            right.spans.push(self.paint.span("done", Role::Dim));
        }
        self.heading(row, mark, title, section_role(mark.0), right)
    }

    fn section_mark(&self, done: bool, no_go: bool, current: bool) -> (Sign, Role) {
        match (no_go, done, current) {
            (true, ..) => (Sign::No, Role::Bad),
            (_, true, _) => (Sign::Closed, Role::Ok),
            (.., true) => (Sign::Unfolded, Role::Focus),
            _ => (Sign::Pending, Role::Dim),
        }
    }

    fn count<'c>(&self, checks: impl Iterator<Item = &'c CheckId>) -> (usize, usize, bool) {
        let answers = &self.paint.model.state().checks;
        let (mut closed, mut total, mut no_go) = (0, 0, false);
        for id in checks {
            total += 1;
            let answer = answers.get(id).map(|mark| &mark.answer);
            closed += usize::from(answer.is_some_and(Answer::closes));
            no_go |= answer == Some(&Answer::NoGo);
        }
        (closed, total, no_go)
    }

    fn counts(&self, closed: usize, total: usize) -> Line<'a> {
        self.paint.line(format!("{closed}/{total}"), if closed == total { Role::Dim } else { Role::Text })
    }

    fn holds_current<'c>(&self, mut checks: impl Iterator<Item = &'c CheckId>) -> bool {
        matches!(&self.current, Some(Row::Check(id)) if checks.any(|check| check == id))
    }

    // ── items

    fn check_mark(&self, id: &CheckId) -> (Sign, Role) {
        match self.paint.model.state().checks.get(id).map(|mark| &mark.answer) {
            None => (Sign::Open, Role::Text),
            Some(Answer::Confirmed) => (Sign::Ticked, Role::Ok),
            Some(Answer::NoGo) => (Sign::No, Role::Bad),
            Some(Answer::NotApplicable | Answer::Skipped) => (Sign::NotApplicable, Role::Dim),
            Some(Answer::Overridden) => (Sign::Overridden, Role::Overridden),
            Some(Answer::Sensed { .. }) => (Sign::Sensed, Role::Sensed),
            Some(Answer::SensedFailing { .. }) => (Sign::Unknown, Role::Warning),
        }
    }

    fn check(&self, row: &Row, check: &'a Check) -> Vec<Line<'a>> {
        let mark = self.check_mark(&check.id);
        let answer = self.paint.model.state().checks.get(&check.id);
        let word = match answer.map(|mark| &mark.answer) {
            Some(Answer::Skipped) => "skipped",
            Some(Answer::NotApplicable) => "n/a",
            Some(Answer::Overridden) => "override",
            Some(Answer::NoGo) => "NO-GO",
            Some(Answer::SensedFailing { .. }) => "not yet",
            None if check.annotated.hold.is_some() => "⚠ held",
            None if !self.paint.model.release.approvals(&check.id).is_empty() => "not by all yet",
            _ if !check.annotated.weakened.is_empty() => "⚠",
            _ => "",
        };
        let warns = word.starts_with('⚠');
        let right = self.paint.line(word, if warns { Role::Warning } else { mark.1 });
        let is_here = self.current.as_ref() == Some(row) || self.selected.as_ref() == Some(row);
        let role = if answer.is_some_and(|mark| mark.answer.closes()) { Role::Dim } else { Role::Text };
        if !is_here {
            return vec![self.item(row, mark, vec![self.paint.span(check.text.as_str(), role)], right)];
        }
        let mut lines = self.wrapped(row, mark, &check.text, Role::Title, right);
        if let Some(mark) = answer.filter(|mark| mark.approvals.is_empty()) {
            let who = mark.by.as_ref().map_or("sensed", |by| by.name.as_str());
            let why = match &mark.answer {
                Answer::Sensed { value } | Answer::SensedFailing { value } => Some(value),
                _ => mark.reason.as_ref(),
            };
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            let words = format!("{who} {}{why}", self.paint.wall(mark.at.wall));
            self.below(&mut lines, &format::clean(&words), "", Role::Dim);
        }
        let given = answer.map_or(self.paint.model.release.approvals(&check.id), |mark| &mark.approvals);
        for approval in given {
            let words = format!("{approval} {}", self.paint.wall(approval.at.wall));
            self.below(&mut lines, &format::clean(&words), "", Role::Text);
        }
        let awaited = self.paint.model.release.awaited_approvals(check);
        if let Some(words) = &awaited {
            self.below(&mut lines, &format::clean(words), "", Role::Warning);
        }
        // Who is asked, or did it, says already who confirms it.
        let said = usize::from(awaited.is_some() || !given.is_empty());
        for term in check.annotated.terms().into_iter().skip(said) {
            let (sign, role) = if term.warns { ("⚠ ", Role::Warning) } else { ("", Role::Dim) };
            self.below(&mut lines, &format::clean(&format!("{sign}{}", term.text)), "", role);
        }
        self.may_be_skipped(&mut lines, row);
        for seen in evidence::of_check(self.paint, &check.id) {
            self.below(&mut lines, &seen.words, &seen.age, seen.role);
        }
        lines
    }

    /// An item's text over as many rows as it needs, the right end on the first of them.
    fn wrapped(
        &self,
        row: &Row,
        mark: (Sign, Role),
        words: &str,
        role: Role,
        right: Line<'a>,
    ) -> Vec<Line<'a>> {
        let gap = if right.width() > 0 { right.width() + 1 } else { 0 };
        let room = self.width.saturating_sub(self.text_column() + gap).max(8);
        let mut rows = text::wrap(words, room, CURRENT_ROWS).into_iter();
        let first = rows.next().unwrap_or_default();
        let mut lines = vec![self.item(row, mark, vec![self.paint.span(first, role)], right)];
        for rest in rows {
            let indent = " ".repeat(self.text_column());
            lines.push(text::fit(
                Line::from_iter([Span::raw(indent), self.paint.span(rest, role)]),
                self.width,
            ));
        }
        lines
    }

    /// What stands under an item: two rows at most, and never without its age.
    fn below(&self, lines: &mut Vec<Line<'a>>, words: &str, age: &str, role: Role) {
        let indent = self.text_column();
        let room = self.width.saturating_sub(indent + 2).max(8);
        let mut rows = text::wrap(words, room, 2);
        if !age.is_empty() {
            match rows.last_mut() {
                Some(last) if text_width(last) + 3 + text_width(age) <= room => {
                    last.push_str(" · ");
                    last.push_str(age);
                }
                _ => rows.push(age.to_owned()),
            }
        }
        let mut head = Some("↳ ");
        for row in rows {
            let line = Line::from_iter([
                Span::raw(" ".repeat(indent)),
                self.paint.span(head.take().unwrap_or("  "), Role::Dim),
                self.paint.span(row, role),
            ]);
            lines.push(text::fit(line, self.width));
        }
    }

    fn group(&self, id: &StepId, index: usize) -> Vec<Line<'a>> {
        let release = &self.paint.model.release;
        let Some(group) = release.workflow().step(id).and_then(|step| step.groups.get(index)) else {
            return Vec::new();
        };
        let title = group.title.clone().unwrap_or_default();
        let closed = group.checks.iter().all(|check| release.is_closed(&check.id));
        let began = self.paint.model.state().timeboxes.get(&(id.clone(), index));
        let right = match (group.timebox_s, began) {
            (None, _) => Line::default(),
            (Some(_), _) if closed => self.paint.line("closed", Role::Dim),
            (Some(planned), None) => self.paint.line(format::planned(planned), Role::Dim),
            (Some(planned), Some(began)) => {
                let spent = self.paint.world_since(began.world).as_secs().max(0);
                let planned = i64::try_from(planned).unwrap_or(i64::MAX);
                let left = jiff::SignedDuration::from_secs(planned.saturating_sub(spent).abs());
                if spent > planned {
                    self.paint.line(format!("OVERDUE {}", format::clock(left)), Role::Warning)
                } else {
                    self.paint.line(format!("{} left", format::clock(left)), Role::Info)
                }
            }
        };
        let line =
            Line::from_iter([Span::raw(self.indent()), Span::raw("  "), self.paint.span(title, Role::Title)]);
        vec![text::ends(line, right, self.width, 10)]
    }

    fn command(&self, row: &Row, id: &CommandId) -> Vec<Line<'a>> {
        let model = self.paint.model;
        let Some(command) = model.release.workflow().command(id) else { return Vec::new() };
        let state = model.state().command(id);
        let attempt = model.state().last_attempt(id);
        let (mark, mut right) = self.command_state(command, state);
        if let Some(attempt) = attempt {
            let words = match (&attempt.end, state) {
                (_, CommandState::InDoubt) => "in doubt".to_owned(),
                (Some((_, Some(exit))), _) => {
                    let took = attempt.took_ms.map(|millis| format!("  {}", format::took(millis)));
                    let took = took.unwrap_or_default();
                    // The mark says "succeeded" already where room is short.
                    if exit.succeeded() && self.width < INDENTED {
                        took.trim_start().to_owned()
                    } else if let Some(again) = output::again(self.paint, id) {
                        format!("{exit}, {again}")
                    } else {
                        format!("{exit}{took}")
                    }
                }
                (None, CommandState::Running) => {
                    let stop = if attempt.stop_asked { "stopping" } else { "running" };
                    format!("{stop} {}", format::clock(self.paint.since(attempt.started)))
                }
                _ => right.to_string(),
            };
            right = self.paint.line(words, mark.1);
        }
        let words = match (attempt, command.kind) {
            (Some(attempt), _) => summary::first_line(&attempt.run.text),
            (None, CommandKind::Choice) => match &command.caption {
                Some(caption) => caption.clone(),
                None => summary::first_line(&command.text),
            },
            (None, _) => summary::first_line(&command.text),
        };
        let is_here = self.current.as_ref() == Some(row) || self.selected.as_ref() == Some(row);
        if !is_here {
            let role = if state.closes() { Role::Dim } else { Role::Text };
            return vec![self.item(row, mark, vec![self.paint.span(words, role)], right)];
        }
        // A long command and its outcome do not share a row well: the outcome goes below.
        let fits = self.text_column() + text_width(&words) + 2 + right.width() <= self.width;
        let (beside, below) = if fits { (right, Line::default()) } else { (Line::default(), right) };
        let mut lines = self.wrapped(row, mark, &words, Role::Title, beside);
        if below.width() > 0 {
            lines.push(text::ends(Line::default(), below, self.width, 0));
        }
        self.may_be_skipped(&mut lines, row);
        lines
    }

    /// What is missing for an item that the document lets people skip then.
    fn may_be_skipped(&self, lines: &mut Vec<Line<'a>>, row: &Row) {
        let Some(reason) = self.paint.model.skip_reason(row) else { return };
        let key = self.paint.key_anywhere(Action::Skip).unwrap_or_default();
        let words = format!("{reason}: {key} skips it, with that as the reason");
        self.below(lines, &words, "", Role::Warning);
    }

    fn command_state(&self, command: &Command, state: CommandState) -> ((Sign, Role), Line<'a>) {
        let (mark, word) = match (command.kind, state) {
            (CommandKind::Stream, CommandState::Running) => ((Sign::Stream, Role::Info), "following"),
            (CommandKind::Stream, _) => ((Sign::Stream, Role::Dim), "follows, is not awaited"),
            (CommandKind::Reference, _) if command.class == BlockClass::Unsure => {
                ((Sign::Unknown, Role::Warning), "may be commands")
            }
            (CommandKind::Note | CommandKind::Reference, _) => ((Sign::Note, Role::Dim), "to read"),
            (CommandKind::Offer, CommandState::Ready) => ((Sign::Command, Role::Dim), "offered"),
            (CommandKind::Choice, CommandState::Ready) => ((Sign::Command, Role::Accent), "choose one"),
            (_, CommandState::Ready) => ((Sign::Command, Role::Accent), ""),
            (_, CommandState::Running) => ((Sign::Running, Role::Info), "running"),
            (_, CommandState::Succeeded) => ((Sign::Closed, Role::Ok), "done"),
            (_, CommandState::Failed) => ((Sign::No, Role::Bad), "failed"),
            (_, CommandState::Cancelled) => ((Sign::No, Role::Warning), "cancelled"),
            (_, CommandState::InDoubt) => ((Sign::Unknown, Role::Warning), "in doubt"),
            (_, CommandState::Skipped) => ((Sign::NotApplicable, Role::Dim), "skipped"),
            (_, CommandState::NotApplicable) => ((Sign::NotApplicable, Role::Dim), "n/a"),
            (_, CommandState::NothingToRun) => ((Sign::Closed, Role::Dim), "nothing to run"),
        };
        (mark, self.paint.line(word, mark.1))
    }

    fn soak(&self, row: &Row, id: &StepId) -> Vec<Line<'a>> {
        let Some(soak) = self.paint.model.state().soaks.get(id) else {
            let words = vec![self.paint.span("soak", Role::Dim)];
            return vec![self.item(row, (Sign::Soak, Role::Dim), words, Line::default())];
        };
        let spent = self.paint.world_since(soak.since.world);
        let earliest = soak.earliest.duration_since(soak.since.world);
        let latest = soak.latest.duration_since(soak.since.world);
        if soak.over {
            let words = match &soak.shortened {
                Some((by, role, why)) => format!("soak shortened by {by} as {role}: {why}"),
                None => format!("soaked {}", format::span(spent)),
            };
            let mark = if soak.shortened.is_some() {
                (Sign::Overridden, Role::Overridden)
            } else {
                (Sign::Closed, Role::Ok)
            };
            return vec![self.item(row, mark, vec![self.paint.span(words, Role::Dim)], Line::default())];
        }
        let left = earliest - spent;
        let right = self.paint.line(format!("{} to go", format::clock(left)), Role::Info);
        let head =
            self.item(row, (Sign::Soak, Role::Info), vec![self.paint.span("soak", Role::Title)], right);
        // The bar runs to the latest mark; `|` stands at the earliest.
        let indent = self.text_column();
        let width = self.width.saturating_sub(indent + 1).min(40);
        let total = latest.as_secs_f64().max(1.0);
        let column = |at: f64| ((at / total * width as f64) as usize).min(width.saturating_sub(1));
        let (mark, now) = (column(earliest.as_secs_f64()), column(spent.as_secs_f64()));
        let bar: String = (0..width)
            .map(|at| match at {
                at if at == mark => '┃',
                at if at < now => '━',
                _ => '░',
            })
            .collect();
        let planned =
            |length: jiff::SignedDuration| format::planned(u64::try_from(length.as_secs()).unwrap_or(0));
        let mark_words = |word: &str, length, at: jiff::Timestamp| {
            // The clock on the wall tells nothing about a world that runs faster.
            let is_wall = self.paint.model.speed == 1.0;
            let zone = &self.paint.model.settings.zone;
            let at = if is_wall { format!(" {}", format::wall_short(at, zone)) } else { String::new() };
            format!("{word}{at} ({})", planned(length))
        };
        let marks = format!(
            "{} · {}",
            mark_words("earliest", earliest, soak.earliest),
            mark_words("latest", latest, soak.latest)
        );
        let pad = || Span::raw(" ".repeat(indent));
        let mut lines =
            vec![head, text::fit(Line::from_iter([pad(), self.paint.span(bar, Role::Info)]), self.width)];
        for row in text::wrap(&marks, self.width.saturating_sub(indent).max(8), 2) {
            lines.push(text::fit(Line::from_iter([pad(), self.paint.span(row, Role::Dim)]), self.width));
        }
        lines
    }

    fn votes(&self, id: &StepId) -> impl Iterator<Item = Option<Vote>> {
        self.paint
            .model
            .state()
            .polls
            .get(id)
            .into_iter()
            .flat_map(|polls| polls.values().map(|ballot| ballot.vote))
    }

    fn poll(&self, row: &Row, id: &StepId) -> Vec<Line<'a>> {
        let release = &self.paint.model.release;
        let Some(poll) = release.workflow().step(id).and_then(|step| step.poll.as_ref()) else {
            return Vec::new();
        };
        let ballots = self.paint.model.state().polls.get(id);
        let answers: Vec<_> =
            poll.roles.iter().map(|role| (role, ballots.and_then(|all| all.get(role)))).collect();
        let n_go = answers.iter().filter(|(_, ballot)| ballot.is_some_and(|ballot| ballot.lets_go())).count();
        let is_go = n_go == answers.len();
        let mark = if is_go { (Sign::Closed, Role::Ok) } else { (Sign::Poll, Role::Accent) };
        let right = self.paint.line(format!("{n_go}/{} GO", answers.len()), mark.1);
        let words = vec![self.paint.span("go / no-go", Role::Title)];
        let mut lines = vec![self.item(row, mark, words, right)];
        if is_go && self.current.as_ref() != Some(row) && self.selected.as_ref() != Some(row) {
            return lines;
        }
        for (role, ballot) in answers {
            let (word, style) = super::poll::answer(ballot);
            let person = self.paint.model.state().roster.get(role);
            let person = ballot.map(|ballot| &ballot.person).or(person);
            let person = person.map_or_else(|| " (nobody)".to_owned(), |person| format!(" ({person})"));
            let line = Line::from_iter([
                Span::raw(" ".repeat(self.text_column())),
                self.paint.span(role.to_string(), Role::Text),
                self.paint.span(person, Role::Dim),
            ]);
            lines.push(text::ends(line, self.paint.line(word, style), self.width, self.text_column() + 6));
        }
        lines
    }
}

fn section_role(sign: Sign) -> Role {
    match sign {
        Sign::Unfolded => Role::Title,
        Sign::No => Role::Bad,
        Sign::Pending => Role::Dim,
        _ => Role::Text,
    }
}

fn text_width(words: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(words)
}
