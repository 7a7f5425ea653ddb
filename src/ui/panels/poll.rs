//! The go / no-go poll: each role with its answer, and the evidence on which it is asked.

use ratatui::text::Line;

use super::{Sheet, evidence};
use crate::app::action::Action;
use crate::release::{Ballot, Vote};
use crate::ui::paint::Paint;
use crate::ui::signs::Sign;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::workflow::StepId;

/// The word of an answer; `…` while there is none.
pub fn answer(ballot: Option<&Ballot>) -> (&'static str, Role) {
    match ballot.map(|ballot| (ballot.not_applicable, ballot.vote)) {
        Some((true, _)) => ("n/a", Role::Dim),
        Some((_, Some(Vote::Go))) => ("GO", Role::Ok),
        Some((_, Some(Vote::NoGo))) => ("NO-GO", Role::Bad),
        Some((_, Some(Vote::Abstain))) => ("abstains", Role::Warning),
        _ => ("…", Role::Dim),
    }
}

pub fn sheet<'a>(paint: &Paint<'a>, id: &StepId, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let workflow = model.release.workflow();
    let step = workflow.step(id);
    let mut title = paint.line("Go / no-go", Role::Title);
    if let Some(step) = step {
        let number = step.number.map(|number| format!("{number} ")).unwrap_or_default();
        title.spans.push(paint.span(format!(" ── {number}{}", step.title), Role::Title));
        let next = workflow.steps.iter().skip_while(|known| known.id != *id).nth(1);
        if next.is_some_and(|next| next.production) {
            title.spans.push(paint.span(" ── production starts after this", Role::Warning));
        }
    }
    let mut sheet = Sheet::new(title, width);
    let Some(poll) = step.and_then(|step| step.poll.as_ref()) else { return sheet };
    let ballots = model.state().polls.get(id);
    let asked = poll
        .roles
        .iter()
        .find(|role| !ballots.and_then(|ballots| ballots.get(*role)).is_some_and(Ballot::lets_go));
    for role in &poll.roles {
        let ballot = ballots.and_then(|ballots| ballots.get(role));
        let is_asked = asked == Some(role);
        if is_asked {
            sheet.selected = Some(sheet.lines.len());
        }
        let (word, style) = answer(ballot);
        let person = ballot.map(|ballot| &ballot.person).or_else(|| model.state().roster.get(role));
        let person_words = person.map_or("nobody yet", String::as_str);
        let mut line = Line::from_iter([
            paint.span(if is_asked { "▶ " } else { "  " }, Role::Focus),
            paint.span(format!("{:<16} ", text::elide(role.as_str(), 16)), Role::Title),
            paint.span(
                format!("{:<10} ", text::elide(person_words, 10)),
                if person.is_some() { Role::Text } else { Role::Warning },
            ),
            paint.span(word, style),
        ]);
        if let Some(ballot) = ballot.filter(|_| width >= 50) {
            let gap = " ".repeat(10_usize.saturating_sub(word.len()));
            line.spans.push(paint.span(format!("{gap}{}", paint.wall(ballot.at.wall)), Role::Dim));
        }
        let reason = ballot.and_then(|ballot| ballot.reason.as_ref());
        sheet.push(line);
        if let Some(reason) = reason {
            sheet.hanging(paint, Line::from("      "), reason, Role::Text);
        }
        if person.is_none() && ballot.is_none() {
            let people = paint.key(Action::People).unwrap_or_default();
            let not = paint.key(Action::NotApplicable).unwrap_or_default();
            let words = format!(
                "blocks until {people} says who answers, or {not} gives a reason why it is not asked"
            );
            sheet.hanging(paint, Line::from("      "), &words, Role::Warning);
        }
    }
    sheet.blank();
    if let Some(step) = step {
        let marks = step.checks().map(|check| {
            let sign = match model.state().checks.get(&check.id).map(|mark| &mark.answer) {
                Some(crate::release::Answer::Sensed { .. }) => Sign::Sensed,
                Some(crate::release::Answer::Overridden) => Sign::Overridden,
                Some(answer) if !answer.closes() => Sign::No,
                Some(crate::release::Answer::Confirmed) => Sign::Ticked,
                Some(_) => Sign::NotApplicable,
                None => Sign::Open,
            };
            format!("{} {}", check.text, paint.sign(sign).trim())
        });
        let marks: Vec<String> = marks.collect();
        if !marks.is_empty() {
            sheet.fact(paint, "evidence", &marks.join("   "), Role::Text);
        }
    }
    for seen in model.poll_evidence() {
        let seen = evidence::line(&seen);
        sheet.fact(paint, "", &seen.joined(), seen.role);
    }
    sheet.keys([
        paint.hint(Action::Go, "GO"),
        paint.hint(Action::NoGo, "NO-GO, with a reason"),
        paint.hint(Action::Abstain, "abstain (is not GO)"),
        paint.hint(Action::People, "who answers"),
        paint.hint(Action::NotApplicable, "not asked, with a reason"),
        paint.hint(Action::Hold, "hold the poll"),
        paint.hint(Action::Close, "back"),
    ]);
    sheet
}
