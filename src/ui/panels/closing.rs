//! The panels at the end: completing the release, leaving gonogo, and text to read.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::app::model::Mode;
use crate::release::{Answer, CommandState, Phase, summary};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::signs::Sign;
use crate::ui::theme::Role;

/// What stays open, and what was overridden, before the release is called complete.
pub fn finish<'a>(paint: &Paint<'a>, width: usize) -> Sheet<'a> {
    let release = &paint.model.release;
    let mut sheet = Sheet::new(paint.line("Complete the release", Role::Title), width);
    match release.first_blocker() {
        Some(blocker) => sheet.hanging(paint, paint.line("✘ ", Role::Bad), &blocker, Role::Text),
        None => sheet.push(paint.line("✔ everything that gates is closed", Role::Ok)),
    }
    let pending = release.pending();
    if !pending.is_empty() {
        sheet.blank();
        sheet.push(paint.line("stays open, and the report will name it", Role::Dim));
        let sign = paint.sign(Sign::Open);
        for check in pending {
            sheet.hanging(paint, paint.line(format!("{sign} "), Role::Text), &check.text, Role::Text);
        }
    }
    let mut is_first = true;
    for check in release.workflow().checks() {
        let Some(mark) = release.state().checks.get(&check.id) else { continue };
        let (sign, role) = match mark.answer {
            Answer::Overridden => (Sign::Overridden, Role::Overridden),
            Answer::Skipped | Answer::NotApplicable => (Sign::NotApplicable, Role::Dim),
            _ => continue,
        };
        if std::mem::take(&mut is_first) {
            sheet.blank();
            sheet.push(paint.line("overridden, skipped or not applicable", Role::Dim));
        }
        let why = mark.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let words = format!("{}{why}", check.text);
        sheet.hanging(paint, paint.line(format!("{} ", paint.sign(sign)), role), &words, Role::Text);
    }
    sheet.keys([paint.hint(Action::Run, "complete it"), paint.hint(Action::Close, "back, nothing is done")]);
    sheet
}

/// What goes on and what stops when gonogo is left now.
pub fn quit<'a>(paint: &Paint<'a>, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let state = model.state();
    let mut sheet = Sheet::new(paint.line("Leave gonogo", Role::Title), width);
    if let Mode::Following { holder } = &model.mode {
        let words = format!("{holder} drives this release; your leaving changes nothing");
        sheet.text(paint, &words, Role::Text);
        sheet.keys([paint.hint(Action::LeaveOpen, "leave"), paint.hint(Action::Close, "stay")]);
        return sheet;
    }
    let running = state.commands.iter().filter(|(_, track)| track.state == CommandState::Running);
    let mut goes_on = Vec::new();
    for (_, track) in running {
        let Some(attempt) = track.attempts.last() else { continue };
        let pid = attempt.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        let words = summary::first_line(&attempt.run.text);
        goes_on.push(format!("stopped, with its whole group, after a grace: {words}{pid}"));
    }
    if state.phase == Phase::RollingBack {
        goes_on.push(
            "the rollback: what was sent goes on in the cluster; gonogo rollback finishes it".to_owned(),
        );
    }
    let rolling: Vec<_> = model
        .observed
        .workloads
        .values()
        .filter(|seen| !matches!(seen.verdict.state, crate::watch::rollout::RolloutState::Complete))
        .collect();
    for seen in rolling {
        let (target, state, why) = (&seen.facts.target, seen.verdict.state.word(), &seen.verdict.field);
        goes_on.push(format!("goes on in the cluster, unwatched: {target} {state} {why}"));
    }
    if goes_on.is_empty() {
        sheet.text(paint, "nothing is running", Role::Text);
    }
    for words in goes_on {
        sheet.hanging(paint, paint.line("▲ ", Role::Warning), &format::clean(&words), Role::Text);
    }
    sheet.blank();
    if state.phase.is_over() {
        sheet.text(paint, "the release is over; its journal and report are kept", Role::Dim);
    } else {
        let words = format!("left open, it is taken up again with: gonogo resume {}", state.id);
        sheet.text(paint, &words, Role::Dim);
    }
    let leave = if state.phase.is_over() { "leave" } else { "leave it open" };
    let mut hints = vec![paint.hint(Action::LeaveOpen, leave)];
    if !state.phase.is_over() {
        hints.push(paint.hint(Action::Abort, "abort the release, with a reason"));
    }
    hints.push(paint.hint(Action::Close, "stay"));
    sheet.keys(hints);
    sheet
}

/// Text to read, such as a block that is not run; long lines wrap under their indent.
pub fn text<'a>(paint: &Paint<'a>, title: &'a str, words: &str, width: usize) -> Sheet<'a> {
    let mut sheet = Sheet::new(paint.line(title, Role::Title), width);
    for line in words.lines() {
        let role = match line.trim_start().as_bytes().first() {
            Some(b'#') => Role::Title,
            Some(b'>') => Role::Dim,
            _ => Role::Text,
        };
        let indent = line.len() - line.trim_start().len();
        let head = Line::from(" ".repeat(indent.min(width / 2)));
        sheet.hanging(paint, head, &format::clean(line.trim_start()), role);
    }
    sheet.keys([
        paint.hint(Action::Down, "down"),
        paint.hint(Action::PageDown, "a page down"),
        paint.hint(Action::Close, "close"),
    ]);
    sheet
}
