//! Who holds the lock, why and since when; and what can be done about it.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::release::{LockHolder, LockStanding, Phase};
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::watch::TargetRef;

pub fn sheet<'a>(paint: &Paint<'a>, width: usize) -> Sheet<'a> {
    let model = paint.model;
    if let Some((target, holder)) = model.lock_held_by() {
        return of_another(paint, target, holder, width);
    }
    let mut sheet = Sheet::new(paint.line("Lock", Role::Title), width);
    match &model.state().lock.standing {
        Some(LockStanding::Ours { takeovers, .. }) => {
            let story = model.lock_story().unwrap_or_default();
            sheet.fact(paint, "held by", &story, Role::Text);
            for target in &model.state().targets {
                sheet.fact(paint, "", &format!("{target} in {}", target.namespace), Role::Dim);
            }
            for takeover in takeovers {
                let words = format!("{}: {}", takeover.from, takeover.because);
                sheet.fact(paint, "taken from", &words, Role::Overridden);
            }
            sheet.blank();
            let words = match model.state().phase {
                Phase::RolledBack | Phase::RollbackFailed => {
                    "it stays after you leave, until a person gives it back with a reason: here, or with gonogo unlock"
                }
                _ => "it is given back when the release is completed or aborted; left open, it expires",
            };
            sheet.text(paint, words, Role::Dim);
        }
        Some(_) => {
            let story = model.lock_story().unwrap_or_default();
            sheet.fact(paint, "lock", &story, Role::Text);
        }
        None => {
            sheet.text(paint, "nothing is locked yet: the lock is taken as the release begins", Role::Text)
        }
    }
    let mut hints = Vec::new();
    if model.may_give_lock() {
        hints.push(paint.hint(Action::GiveLock, "give it back, with a reason"));
    }
    hints.push(paint.hint(Action::Close, "back"));
    sheet.keys(hints);
    sheet
}

fn of_another<'a>(paint: &Paint<'a>, target: &TargetRef, holder: &LockHolder, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let is_lost = matches!(model.state().lock.standing, Some(LockStanding::Lost { .. }));
    let verb = if is_lost { "took" } else { "holds" };
    let title = Line::from_iter([
        paint.span("Lock", Role::Title),
        paint.span(format!(" ── {} {verb} {target}", holder.who), Role::Warning),
    ]);
    let mut sheet = Sheet::new(title, width);
    sheet.fact(paint, "held by", &holder.name(), Role::Text);
    if let Some(since) = holder.since {
        sheet.fact(paint, "since", &model.clock_of(since), Role::Text);
    }
    sheet.fact(paint, "for", &holder.reason, Role::Text);
    if let Some(release) = &holder.release {
        sheet.fact(paint, "release", &release.0, Role::Text);
    }
    if let Some(kept) = &holder.kept {
        sheet.fact(paint, "kept", kept, Role::Warning);
    }
    if let Some(takeover) = &holder.takeover {
        let at = model.clock_of(takeover.at);
        let words = format!("{} at {at}: {}", takeover.from, takeover.because);
        sheet.fact(paint, "taken from", &words, Role::Overridden);
    }
    sheet.blank();
    let words = match model.state().phase {
        Phase::Preparing => "two releases of one workload undo each other: nothing has been started here",
        _ => "nothing forward starts here while it is so; R rolls back all the same",
    };
    sheet.text(paint, words, Role::Dim);
    let elsewhere = format!("gonogo watch {target} --namespace {}", target.namespace);
    let here = holder.release.as_ref().filter(|_| holder.host == model.me.host);
    let command = here.map_or(elsewhere, |release| format!("gonogo resume {release}"));
    sheet.fact(paint, "to watch", &command, Role::Dim);
    let mut hints = Vec::new();
    if model.state().phase == Phase::Preparing {
        hints.push(paint.hint(Action::WatchHolder, "watch it instead, and release nothing"));
    }
    hints.push(paint.hint(Action::TakeLock, "take the lock over, with a reason"));
    hints.push(paint.hint(Action::Close, "back"));
    sheet.keys(hints);
    sheet
}
