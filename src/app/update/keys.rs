//! Keys: looked up in the one table, then done where the operator stands.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    Ask, arm, deed, escalation, flash, leave, lock, logs, panels, prompts, reload, report, terminal, themes,
    watching,
};
use crate::app::action::Action;
use crate::app::keymap::Key;
use crate::app::model::{Model, Pane, Panel, Purpose, Row, Seen};
use crate::release::{Answer, Fact, Phase, people_of, same_person};
use crate::watch::rollout::argo::{self, Order};
use crate::workflow::{Kind, RoleName};

/// A key held down repeats about every 33 ms, and most terminals tell no repeat from a press. Nobody
/// decides twice in less than this. Units: ms.
const HELD_MS: i128 = 150;

pub(super) fn key(model: &mut Model, event: KeyEvent) -> Vec<Ask> {
    if event.kind == KeyEventKind::Release {
        return Vec::new();
    }
    if matches!(model.view.panel, Some(Panel::Terminal { .. })) && model.view.prompt.is_none() {
        return terminal::key(model, &event);
    }
    // Esc and the key after it, quickly or through tmux, arrive as one key with alt: neither was meant.
    if event
        .modifiers
        .intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META)
    {
        return Vec::new();
    }
    let key = Key::of(&event);
    let last = model.view.last_press.replace((key, model.now));
    let is_held = last.is_some_and(|(known, at)| {
        let is_quick = model.now.wall.duration_since(at.wall).as_millis() < HELD_MS;
        known == key && (is_quick || model.view.typed_ahead)
    });
    if model.view.prompt.is_some() {
        return prompts::key(model, key);
    }
    if let Some(Panel::Run(_)) = model.view.panel
        && let KeyCode::Char(digit @ '1'..='9') = key.code
    {
        panels::choose(model, digit as usize - '1' as usize);
        return Vec::new();
    }
    let Some(action) = model.keymap.action(&model.contexts(), key) else { return Vec::new() };
    let is_repeat = event.kind == KeyEventKind::Repeat;
    if is_repeat && !is_movement(action) {
        return Vec::new();
    }
    if is_held && is_decision(action) {
        flash(model, "too quick to have been read: press the key once for each", true);
        return Vec::new();
    }
    act(model, action)
}

/// What a key that is held down must not do again and again.
fn is_decision(action: Action) -> bool {
    use Action as A;
    // The second `h` of a key held down would ask for a hold, right after it stopped a countdown.
    matches!(
        action,
        A::Confirm | A::Go | A::Run | A::Fire | A::DeleteBlocker | A::TrafficFirst | A::Accept | A::Hold
    )
}

fn is_movement(action: Action) -> bool {
    use Action as A;
    matches!(
        action,
        A::Down | A::Up | A::PageDown | A::PageUp | A::Left | A::Right | A::SearchNext | A::SearchPrevious
    )
}

/// Does what was asked, by key or from the palette.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Ask> {
    use Action as A;
    if !model.knows(action) {
        let why = match model.watching() {
            Some(_) => "nothing is released here, only watched",
            None => "the workflow says what is watched",
        };
        flash(model, format!("{}: {why}", action.label()), true);
        return Vec::new();
    }
    match action {
        A::RollbackPanel => return open_rollback(model),
        A::Help => return panel(model, Panel::Help),
        A::OwnLog => return panel(model, Panel::OwnLog),
        A::Palette => {
            model.view.panel = Some(Panel::Palette { selected: 0 });
            prompts::open(model, Purpose::Palette, "");
            return Vec::new();
        }
        A::KnownErrors => return known_errors(model),
        A::Escalate => return escalation::open(model),
        A::Terminal => return terminal::open(model),
        A::Theme => return themes::open(model),
        A::Redraw => {
            model.view.redraws = model.view.redraws.wrapping_add(1);
            return Vec::new();
        }
        A::Quit => return quit(model),
        A::Note => return ask_text(model, Purpose::Note),
        A::Hold => return hold(model),
        A::Declare => return panel(model, Panel::Criteria { selected: 0, overriding: false }),
        A::OverrideCriterion => return panel(model, Panel::Criteria { selected: 0, overriding: true }),
        A::People => return panel(model, Panel::People { selected: 0 }),
        A::Policy => return panel(model, Panel::Policy { selected: 0 }),
        A::Reload => return reload::open(model),
        A::Report => return report::open(model),
        A::Lock => return panel(model, Panel::Lock),
        A::TakeLock => return lock::take(model),
        A::GiveLock => return lock::give(model),
        A::WatchHolder => return lock::watch(model),
        A::Workloads => return watching::open(model),
        A::NextTarget | A::PreviousTarget => {
            show_target(model, action == A::NextTarget);
            return Vec::new();
        }
        A::Promote | A::PromoteFull | A::AbortRollout | A::RetryRollout => {
            return action.order().map_or_else(Vec::new, |order| open_order(model, order));
        }
        _ => {}
    }
    if model.view.panel.is_some() {
        return panels::act(model, action);
    }
    match action {
        A::NextPane => focus(model, next_pane(model)),
        A::PreviousPane => focus(model, previous_pane(model)),
        A::FocusChecklist => focus(model, Pane::Checklist),
        A::FocusRollout => focus(model, Pane::Rollout),
        A::FocusSignals => focus(model, Pane::Signals),
        A::Zoom => model.view.zoom = !model.view.zoom,
        A::Home => model.view.cursor = None,
        A::ShortenSoak => return shorten_soak(model),
        _ => {
            return match model.view.focus {
                Pane::Checklist => checklist(model, action),
                Pane::Rollout => logs::act(model, action),
                Pane::Signals => Vec::new(),
            };
        }
    }
    Vec::new()
}

fn panel(model: &mut Model, panel: Panel) -> Vec<Ask> {
    model.view.panel_scroll = 0;
    model.view.panel = Some(panel);
    Vec::new()
}

fn known_errors(model: &mut Model) -> Vec<Ask> {
    match model.known_here() {
        Some(of) => panel(model, Panel::Known(of)),
        None => {
            let text = match model.release.workflow().errors.is_empty() {
                true => "the document has no table of known errors",
                false => "nothing here has failed that a row of the document's error table speaks of",
            };
            flash(model, text, true);
            Vec::new()
        }
    }
}

fn ask_text(model: &mut Model, purpose: Purpose) -> Vec<Ask> {
    prompts::open(model, purpose, "");
    Vec::new()
}

pub(super) fn open_rollback(model: &mut Model) -> Vec<Ask> {
    if !model.knows(Action::RollbackPanel) {
        return Vec::new();
    }
    if matches!(model.view.panel, Some(Panel::Rollback { .. })) {
        model.view.panel = None;
        return Vec::new();
    }
    if model.state().phase == Phase::Preparing {
        flash(model, "nothing has been started, so there is nothing to roll back", true);
        return Vec::new();
    }
    model.view.prompt = None;
    model.rollback_was_painted(false);
    model.view.panel_scroll = 0;
    model.view.panel = Some(Panel::Rollback { diff: false });
    arm(model)
}

/// Shows another workload; past either end, the one that most needs a look.
fn show_target(model: &mut Model, forward: bool) {
    let targets = model.targets();
    if targets.len() < 2 {
        flash(model, "there is no other workload to show", true);
        return;
    }
    let at = model.chosen().and_then(|chosen| targets.iter().position(|target| target == chosen));
    let to = match (at, forward) {
        (None, true) => Some(0),
        (None, false) => Some(targets.len() - 1),
        (Some(at), true) => Some(at + 1),
        (Some(at), false) => at.checked_sub(1),
    };
    model.view.target = to.and_then(|to| targets.get(to)).cloned();
}

/// Asks before an order is given; one that would do nothing or harm is refused here already.
fn open_order(model: &mut Model, order: Order) -> Vec<Ask> {
    let is_argo = |seen: &&Seen| seen.facts.target.kind == Kind::Rollout;
    let mut all = model.targets().iter().filter_map(|target| model.observed.workloads.get(target));
    let Some(seen) = model.shown().filter(is_argo).or_else(|| all.find(is_argo)) else {
        flash(model, "no Argo Rollout is watched here", true);
        return Vec::new();
    };
    match argo::why_not(&seen.facts, order) {
        Some(why) => {
            flash(model, why, true);
            Vec::new()
        }
        None => {
            let target = seen.facts.target.clone();
            panel(model, Panel::Order { target, order })
        }
    }
}

fn quit(model: &mut Model) -> Vec<Ask> {
    if model.watching().is_some() {
        // Nothing was started, so nothing is left running.
        return leave(model, "nothing is watched any more");
    }
    if model.state().phase.is_over() {
        return leave(model, "the release is over");
    }
    panel(model, Panel::Quit)
}

fn hold(model: &mut Model) -> Vec<Ask> {
    if model.state().policy.countdown.is_some() {
        return deed(model, Fact::CountdownStopped);
    }
    match model.state().phase {
        Phase::Held => {
            let asks = deed(model, Fact::Released);
            // After a hold the place is shown again, wherever the cursor had wandered.
            model.view.cursor = None;
            asks
        }
        _ => ask_text(model, Purpose::Hold),
    }
}

fn next_pane(model: &Model) -> Pane {
    match model.view.focus {
        Pane::Checklist => Pane::Rollout,
        Pane::Rollout => Pane::Signals,
        Pane::Signals if model.watching().is_some() => Pane::Rollout,
        Pane::Signals => Pane::Checklist,
    }
}

fn previous_pane(model: &Model) -> Pane {
    match model.view.focus {
        Pane::Signals => Pane::Rollout,
        Pane::Rollout if model.watching().is_some() => Pane::Signals,
        Pane::Rollout => Pane::Checklist,
        Pane::Checklist => Pane::Signals,
    }
}

fn focus(model: &mut Model, pane: Pane) {
    model.view.focus = pane;
    model.view.news.remove(&pane);
    if pane == Pane::Checklist {
        model.view.zoom = false;
    }
}

fn checklist(model: &mut Model, action: Action) -> Vec<Ask> {
    use Action as A;
    match action {
        A::Down => move_cursor(model, 1),
        A::Up => move_cursor(model, -1),
        A::PageDown => move_cursor(model, 10),
        A::PageUp => move_cursor(model, -10),
        A::Top => move_cursor(model, isize::MIN),
        A::Bottom => move_cursor(model, isize::MAX),
        _ => {
            let Some(row) = model.selected() else { return Vec::new() };
            return on_row(model, action, row);
        }
    }
    Vec::new()
}

fn move_cursor(model: &mut Model, by: isize) {
    let rows = model.rows();
    let Some(last) = rows.len().checked_sub(1) else { return };
    let selected = model.selected();
    let at = rows.iter().position(|row| Some(row) == selected.as_ref()).unwrap_or(0);
    let to = at.saturating_add_signed(by).min(last);
    model.view.cursor = rows.get(to).cloned();
}

fn on_row(model: &mut Model, action: Action, row: Row) -> Vec<Ask> {
    use Action as A;
    match (action, row) {
        (A::Open, Row::Gate(_) | Row::Step(_) | Row::Outputs) => {
            toggle(model);
            Vec::new()
        }
        (A::Open | A::Edit | A::Choose, Row::Command(id)) => panels::open_command(model, &id),
        (A::Open, Row::Poll(step)) => panel(model, Panel::Poll(step)),
        (A::Go | A::NoGo, Row::Poll(step)) => {
            // The first key shows the evidence; the vote is given in the panel.
            panel(model, Panel::Poll(step))
        }
        (A::Open, Row::Finish) if model.state().phase.is_over() => report::open(model),
        (A::Open, Row::Finish) => panel(model, Panel::Finish),
        (A::Open, Row::Check(id)) => panels::open_check(model, &id),
        (A::Confirm, Row::Check(id)) => confirm(model, &id),
        (A::NoGo, Row::Check(id)) => ask_text(model, Purpose::NoGoCheck(id)),
        (A::Reopen, Row::Check(check)) => deed(model, Fact::CheckReopened { check }),
        (A::Skip, Row::Soak(_)) => shorten_soak(model),
        (A::Skip, row @ (Row::Check(_) | Row::Command(_))) => {
            prompts::skip(model, row);
            Vec::new()
        }
        (A::NotApplicable, row @ (Row::Check(_) | Row::Command(_))) => {
            ask_text(model, Purpose::NotApplicable(row))
        }
        (A::Confirm, Row::Command(_)) => {
            flash(model, "a command is not confirmed: ⏎ shows it, r runs it", true);
            Vec::new()
        }
        (A::Confirm, Row::Poll(_)) => {
            flash(model, "a poll is answered role by role: g GO, x NO-GO", true);
            Vec::new()
        }
        (A::Confirm, Row::Soak(_)) => {
            flash(model, "a soak ends by the clock; s ends it early, with a role and a reason", true);
            Vec::new()
        }
        _ => {
            flash(model, format!("{} does not apply to this line", action.label()), true);
            Vec::new()
        }
    }
}

fn toggle(model: &mut Model) {
    let Some(row) = model.selected() else { return };
    if !model.view.opened.remove(&row) {
        model.view.opened.insert(row.clone());
    }
    model.view.cursor = Some(row);
}

fn confirm(model: &mut Model, check: &crate::workflow::CheckId) -> Vec<Ask> {
    let known = model.release.workflow().check(check);
    let is_sensed = known.is_some_and(|check| check.is_sensed() || check.annotated.hold.is_some());
    match model.state().checks.get(check).map(|mark| &mark.answer) {
        Some(Answer::Sensed { .. }) => {
            flash(model, "gonogo sensed this itself; there is nothing to confirm", true);
            return Vec::new();
        }
        _ if is_sensed => return ask_text(model, Purpose::Override(check.clone())),
        _ => {}
    }
    // Another than the one who sits here is asked for by name.
    if known.is_some_and(|known| model.release.may_approve(known, &model.me.name).is_err()) {
        return ask_text(model, Purpose::Approve(check.clone()));
    }
    confirm_by(model, check, None)
}

/// Confirms in the name of whoever sits here, or of `person`.
pub(super) fn confirm_by(
    model: &mut Model,
    check: &crate::workflow::CheckId,
    person: Option<String>,
) -> Vec<Ask> {
    let asks_for_more = |known: &crate::workflow::Check| known.annotated.typed.is_some();
    if model.release.workflow().check(check).is_some_and(asks_for_more) {
        return ask_text(model, Purpose::Typed { check: check.clone(), person });
    }
    let evidence = model.evidence_for(check);
    let asks = deed(model, Fact::Confirmed { check: check.clone(), evidence, person, typed: None });
    if !asks.is_empty() {
        model.view.cursor = None;
    }
    asks
}

fn shorten_soak(model: &mut Model) -> Vec<Ask> {
    let Some(Row::Soak(step)) = model.selected() else {
        flash(model, "no soak is selected", true);
        return Vec::new();
    };
    // The shortening is done in a role: the first that this operator answers for today.
    let me = model.me.name.clone();
    let only = model.release.workflow().step(&step).and_then(|step| step.annotated.released_by.clone());
    let may = |role: &RoleName| only.as_ref().is_none_or(|only| only == role);
    let is_me = |entry: &str| people_of(entry).any(|name| same_person(name, &me));
    let mut mine = model.state().roster.iter().filter(|(role, entry)| is_me(entry) && may(role));
    let role = mine.next().map(|(role, _)| role.clone());
    match role {
        Some(role) => ask_text(model, Purpose::ShortenSoak { step, role }),
        None => {
            flash(model, "only somebody who answers for a role may shorten a soak: see o", true);
            Vec::new()
        }
    }
}
