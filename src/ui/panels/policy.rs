//! What rolls back without a key: on the start panel to be accepted, in the banner while it counts
//! down, and in a panel of its own to be withdrawn.

use jiff::Timestamp;
use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::app::model::{FieldKind, Mode, StartForm};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::signs::Sign;
use crate::ui::theme::Role;
use crate::watch::Verdict;
use crate::workflow::CriterionId;

/// The criteria of the document's policy, each to be accepted by a key of its own.
pub fn fields<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, form: &StartForm) {
    let mut is_first = true;
    for (index, field) in form.fields.iter().enumerate() {
        let FieldKind::Policy(criterion) = &field.kind else { continue };
        if std::mem::take(&mut is_first) {
            sheet.blank();
            let words = format!(
                "rolls back by itself, {} after one of these reads fail, only if you accept it:",
                length(paint)
            );
            sheet.text(paint, &words, Role::Dim);
        }
        one(paint, sheet, criterion, index == form.selected);
    }
}

fn one<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, criterion: &CriterionId, is_selected: bool) {
    if is_selected {
        sheet.selected = Some(sheet.lines.len());
    }
    let accepted = paint.model.state().policy.accepted.get(criterion);
    let sign = paint.sign(if accepted.is_some() { Sign::Ticked } else { Sign::Open });
    let text = text_of(paint, criterion);
    let said = match accepted {
        Some(accepted) => format!("rolls back by itself, accepted by {}", accepted.by),
        None => "a breach only proposes".to_owned(),
    };
    let is_accepted = accepted.is_some();
    let head = Line::from_iter([
        paint.span(if is_selected { "▶ " } else { "  " }, Role::Focus),
        paint.span(format!("{sign} "), if is_accepted { Role::Warning } else { Role::Dim }),
    ]);
    let role = match (is_accepted, is_selected) {
        (true, _) => Role::Warning,
        (false, true) => Role::Title,
        (false, false) => Role::Text,
    };
    sheet.hanging(paint, head, &format!("{text}: {said}"), role);
}

/// The panel: what was accepted, what became of it, and the way to withdraw it.
pub fn sheet<'a>(paint: &Paint<'a>, selected: usize, width: usize) -> Sheet<'a> {
    let title = [("Policy", Role::Title), (" ── what rolls back by itself", Role::Text)];
    let mut sheet = Sheet::new(paint.spans(title), width);
    let release = &paint.model.release;
    for (index, criterion) in release.policy_criteria().iter().enumerate() {
        one(paint, &mut sheet, criterion, index == selected);
    }
    if sheet.lines.is_empty() {
        sheet.text(paint, "the document asks for none: a breach proposes, and a person fires", Role::Dim);
        sheet.keys([paint.hint(Action::Close, "back")]);
        return sheet;
    }
    sheet.blank();
    standing(paint, &mut sheet);
    let words = format!(
        "It is accepted at the start of a release and never later; it fires once at most, {} after a reading that \
         fails, and not while the cluster is silent or the release is held.",
        length(paint)
    );
    sheet.text(paint, &words, Role::Dim);
    let withdraw = paint.hint(Action::Choose, "withdraw the selected one");
    sheet.keys([withdraw, paint.hint(Action::Close, "back")]);
    sheet
}

/// How it stands, where something was accepted: the rollback panel shows it, too.
pub fn lines<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let policy = &paint.model.state().policy;
    // Once it is fired, the line of who fired it says all.
    if (policy.accepted.is_empty() && policy.n_countdowns == 0) || paint.model.rollback().is_some() {
        return;
    }
    let mut label = "by itself";
    for (criterion, accepted) in policy.accepted.iter().filter(|_| policy.spent.is_none()) {
        let words = format!(
            "{} after “{}” reads fail, as {} accepted",
            length(paint),
            text_of(paint, criterion),
            accepted.by
        );
        sheet.fact(paint, std::mem::take(&mut label), &words, Role::Warning);
    }
    standing(paint, sheet);
}

/// What keeps it from firing, now or for good.
fn standing<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let policy = &paint.model.state().policy;
    if let Some(why) = &policy.spent {
        let words = format!("nothing more by itself in this release: {why}");
        sheet.fact(paint, "by itself", &words, Role::Text);
        return;
    }
    for (criterion, why) in paint.model.release.left_to_people() {
        let words = format!("“{}” not this time: {why}", text_of(paint, criterion));
        sheet.fact(paint, "by a person", &words, Role::Text);
    }
}

/// `rolls back by itself in 17s · h stops it`, long and short, while it counts down.
pub fn counting(paint: &Paint) -> Option<[(String, String); 2]> {
    let policy = &paint.model.state().policy;
    let countdown = policy.countdown.as_ref()?;
    let left = seconds_until(countdown.until, paint.model.now.wall);
    let by = policy.accepted.get(&countdown.criterion).map_or("somebody", |accepted| accepted.by.as_str());
    let what = (
        format!("rolls back by itself in {left}s, as {by} accepted"),
        format!("rolls back by itself in {left}s"),
    );
    let stop = match &paint.model.mode {
        Mode::Following { holder } => (format!("only {holder} can stop it"), format!("{holder} can stop it")),
        _ => match paint.key_anywhere(Action::Hold) {
            // What is typed is never a key.
            Some(key) if paint.model.view.prompt.is_some() => {
                let words = format!("Esc then {key} stops it");
                (words.clone(), words)
            }
            Some(key) => (format!("{key} stops it"), format!("{key} stops it")),
            None => (String::new(), String::new()),
        },
    };
    Some([what, stop])
}

/// Why this breach is left to a person, although somebody accepted that it rolls back by itself.
pub fn why_not(paint: &Paint, criterion: &CriterionId) -> Option<String> {
    let policy = &paint.model.state().policy;
    if !policy.accepted.contains_key(criterion) {
        return None;
    }
    let why = policy.spent.as_ref().or_else(|| policy.only_proposed.get(criterion))?;
    Some(format!("not by itself: {why}"))
}

/// A countdown that ended because nothing could be read any more: this is no end of the breach.
pub fn ended_blind(paint: &Paint) -> Option<String> {
    let state = paint.model.state();
    let end = state.policy.ended.as_ref()?;
    let verdict = state.criteria.get(&end.criterion)?.verdict;
    let is_blind = matches!(verdict, Verdict::NoData | Verdict::Error);
    is_blind.then(|| format!("“{}”: {}", text_of(paint, &end.criterion), end.why))
}

/// Whole seconds that are left; a second that has begun counts.
fn seconds_until(until: Timestamp, now: Timestamp) -> i64 {
    let left = until.duration_since(now).as_millis().max(0);
    i64::try_from((left + 999) / 1_000).unwrap_or(i64::MAX)
}

fn length(paint: &Paint) -> String {
    let policy = paint.model.release.workflow().rollback.policy.as_ref();
    let seconds = policy.map_or(0, |policy| policy.countdown_s);
    format::span(jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

fn text_of(paint: &Paint, criterion: &CriterionId) -> String {
    let known = paint.model.release.workflow().criterion(criterion);
    known.map_or_else(|| criterion.to_string(), |known| known.text.clone())
}
