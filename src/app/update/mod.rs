//! One message in, the model moved on, and what should be done about it.
//!
//! This is where the write-ahead is kept: an effect that changes the outside leaves only after the
//! record that asked for it is on disk.

mod again;
mod escalation;
mod gates;
mod keys;
mod lock;
mod logs;
mod needs;
mod observations;
mod panels;
mod policy;
mod prompts;
mod reload;
mod report;
mod secrets;
mod settle;
mod terminal;
mod themes;
mod watching;

use super::model::{Flash, Leaving, Mode, Model, Panel};
use super::msg::{JournalNews, Msg, OutputBatch, What};
use crate::release::{
    ARMING_INTERVAL, Blocker, Effect, Event, Exit, Fact, Failure, FailureKind, Phase, Refusal, Run, Shown,
    StepResult, Timer,
};
use crate::watch::{Need, Preflight, TargetRef};
use crate::workflow::{CommandId, Secrets};

/// What the loop has to do after a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Write this record. An essential one may use the space that is kept for the way back.
    Append {
        seq: u64,
        event: Box<Event>,
        essential: bool,
    },
    Do(Effect),
    /// Watch these workloads instead of any others.
    Watch(Vec<TargetRef>),
    /// Have these in the environment of commands, and nowhere else.
    Keep(Secrets),
    /// Type this into the terminal of a running command; kept nowhere.
    Type {
        command: CommandId,
        attempt: u32,
        bytes: Vec<u8>,
    },
    /// Look whether this machine has these, answered by [`What::Looked`].
    Look(Vec<Need>),
    /// Put this on the clipboard of whoever sits at the terminal.
    Copy(String),
    /// Write a file of this name into the directory of the release, answered by [`What::Told`].
    Save {
        name: String,
        bytes: Vec<u8>,
    },
    /// Read the journal of the release, answered by [`What::JournalRead`].
    ReadJournal,
    /// Judge the rollouts again at this moment of world time.
    JudgeAt(jiff::Timestamp),
    /// Start nothing more, end what is under way, then say [`What::Drained`].
    Drain,
    /// Everything is put away: end the process.
    Exit(u8),
}

/// Exit code of a process that leaves while its release stays open.
const LEFT_OPEN: u8 = 75;

pub fn update(model: &mut Model, msg: Msg) -> Vec<Ask> {
    model.now = msg.at;
    match msg.what {
        What::Key(key) => keys::key(model, key),
        What::Paste(text) if matches!(model.view.panel, Some(Panel::Terminal { .. })) => {
            terminal::paste(model, &text)
        }
        What::Paste(text) => {
            prompts::paste(model, &text);
            Vec::new()
        }
        What::Told { text, is_refusal } => {
            flash(model, text, is_refusal);
            Vec::new()
        }
        What::Resize(columns, rows) => {
            model.view.size = (columns, rows);
            Vec::new()
        }
        What::Tick => tick(model),
        What::Judge => observations::judge_all(model),
        What::Fact(event) => fact(model, *event),
        What::Observed(observation) => observations::observed(model, observation),
        What::Offered(targets) => watching::offered(model, targets),
        What::Probed { probe, pass, value } => observations::probed(model, probe, pass, &value),
        What::Output(batch) => {
            output(model, batch);
            Vec::new()
        }
        What::Screen { command, attempt, screen } => {
            terminal::shown(model, command, attempt, screen);
            Vec::new()
        }
        What::Journal(news) => journal(model, news),
        What::JournalRead(read) => {
            report::read(model, &read);
            Vec::new()
        }
        What::Preflight(line) => {
            preflight(model, line);
            Vec::new()
        }
        What::Looked(found) => {
            needs::looked(model, found);
            Vec::new()
        }
        What::Lock(sight) => {
            lock::seen(model, *sight);
            Vec::new()
        }
        What::Past(past) => {
            model.observed.past = past;
            Vec::new()
        }
        What::Identity(identity) => {
            model.me.identity = Some(identity);
            Vec::new()
        }
        What::Diff(diff) => {
            model.observed.diff = diff;
            Vec::new()
        }
        What::DocumentChanged(edition) => {
            reload::seen(model, *edition);
            Vec::new()
        }
        What::Continued => {
            model.view.redraws = model.view.redraws.wrapping_add(1);
            Vec::new()
        }
        What::Leave { why } => leave(model, &why),
        What::Drained => {
            let code = model.leaving.as_ref().map_or(LEFT_OPEN, |leaving| leaving.exit_code);
            vec![Ask::Exit(code)]
        }
    }
}

/// Fires the rollback, from what was `shown` as running now.
pub fn roll_back(model: &mut Model, shown: Vec<Shown>, reason: Option<String>) -> Vec<Ask> {
    let evidence = model.rollback_evidence();
    // Its prompt refuses a secret; one that became known after the words were typed is in them still.
    let reason = reason.map(|reason| model.secrets.masked(&reason).into_owned());
    deed(model, Fact::RollbackFired { reason, shown, evidence, policy: None })
}

/// Deletes the pod that holds the way back, after a person named it.
pub fn delete_blocker(model: &mut Model, target: TargetRef, blocker: Blocker) -> Vec<Ask> {
    deed(model, Fact::BlockerDeleted { target, blocker })
}

/// Goes on with a rollback whose process ended.
pub fn go_on_rolling_back(model: &mut Model) -> Vec<Ask> {
    deed(model, Fact::Reopened)
}

/// Hands an event to the release and, if it is taken, to the journal.
fn record(model: &mut Model, event: Event) -> Result<Vec<Ask>, Refusal> {
    let ended = model.state().policy.ended.clone();
    let was_over = model.state().phase.is_over();
    let effects = model.release.handle(&event)?;
    if model.state().phase.is_over() && !was_over {
        // Where the report is read.
        model.view.cursor = None;
    }
    if let Some(end) = model.state().policy.ended.clone().filter(|end| Some(end) != ended.as_ref()) {
        flash(model, format!("the countdown ended: {}", end.why), false);
    }
    model.journal.appended += 1;
    let seq = model.journal.appended;
    let phase = model.state().phase;
    let essential = matches!(phase, Phase::RollingBack | Phase::RolledBack | Phase::RollbackFailed);
    let mut asks = vec![Ask::Append { seq, event: Box::new(event), essential }];
    for effect in effects {
        if model.journal.handed_to.is_some() && belongs_to_the_way_back(&effect) {
            continue;
        }
        if let Effect::PinBaseline { until } = effect {
            asks.extend(observations::pin_baseline(model, until));
        } else if let Effect::CountDown { criterion, seconds } = effect {
            asks.extend(policy::count_down(model, criterion, seconds));
        } else if let Effect::RunAgain(run) = effect {
            asks.extend(again::run_again(model, run));
        } else if let Effect::FireByPolicy { criterion } = effect {
            asks.extend(policy::fire(model, criterion));
        } else if !effect.changes_outside() || (effect.goes_unrecorded() && model.journal.failed.is_some()) {
            asks.push(Ask::Do(effect));
        } else {
            model.journal.withheld.push((seq, effect));
        }
    }
    Ok(asks)
}

/// What the process that rolls back does itself.
fn belongs_to_the_way_back(effect: &Effect) -> bool {
    effect.changes_outside() || matches!(effect, Effect::WakeAt { timer: Timer::RollbackRetry { .. }, .. })
}

/// Something the operator did: refused in words, or recorded under their name.
fn deed(model: &mut Model, fact: Fact) -> Vec<Ask> {
    let only_seen = match &model.mode {
        Mode::Driving => None,
        Mode::Following { holder } => {
            Some(format!("{holder} drives this release; here it can only be watched"))
        }
        Mode::Watching(_) => Some("nothing is released here, only watched".to_owned()),
    };
    let only_seen = only_seen.or_else(|| {
        let by = model.journal.handed_to.as_ref().filter(|_| !matches!(fact, Fact::Left { .. }))?;
        Some(format!("{by} rolls this release back from another terminal: nothing is started here"))
    });
    if let Some(text) = only_seen {
        flash(model, text, true);
        return Vec::new();
    }
    let is_way_back = is_way_back(&fact);
    if let Some(why) = secrets::refuses(model, &fact).filter(|_| !is_way_back) {
        flash(model, why, true);
        return Vec::new();
    }
    if let Some(why) = model.journal.failed.clone().filter(|_| !is_way_back) {
        flash(
            model,
            format!("nothing is recorded, so nothing starts: {why}; free some space, the rollback works"),
            true,
        );
        return Vec::new();
    }
    let event = Event { at: model.now, by: Some(model.me.clone()), fact };
    match record(model, event) {
        Ok(asks) => {
            model.view.flash = None;
            asks
        }
        Err(refusal) => {
            flash(model, refusal.to_string(), true);
            Vec::new()
        }
    }
}

/// What neither a full disk nor a secret that happens to be the name of a target may keep from
/// happening. The words in it that somebody typed are looked at before it is made.
fn is_way_back(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::RollbackFired { .. }
            | Fact::RollbackReason { .. }
            | Fact::RollbackCancelled
            | Fact::BlockerDeleted { .. }
            | Fact::TrafficFirst { .. }
            | Fact::CountdownStopped
            | Fact::Reopened
            | Fact::Left { .. }
    )
}

/// Something the world or the loop found out; the release may have no use for it.
fn found(model: &mut Model, fact: Fact) -> Vec<Ask> {
    let event = Event { at: model.now, by: None, fact };
    if model.mode != Mode::Driving {
        return Vec::new();
    }
    match record(model, event) {
        Ok(asks) => asks,
        Err(refusal) => {
            tracing::warn!(%refusal, "the release has no use for a fact");
            Vec::new()
        }
    }
}

fn fact(model: &mut Model, event: Event) -> Vec<Ask> {
    match event.fact {
        Fact::Armed { findings } => {
            model.observed.armed_at = Some(event.at);
            // Only news is recorded: the test itself comes every half minute.
            if findings == model.state().findings {
                Vec::new()
            } else {
                found(model, Fact::Armed { findings })
            }
        }
        Fact::LockChanged { standing } => lock::changed(model, standing),
        Fact::OutputCaptured { command, attempt, captured } => {
            let captured = secrets::checked(model, captured);
            found(model, Fact::OutputCaptured { command, attempt, captured })
        }
        woke @ Fact::Woke { timer: Timer::Countdown { .. } } => {
            // A reading that went silent since the last second must be known as such first.
            let mut asks = observations::judge_criteria(model);
            asks.extend(found(model, woke));
            asks
        }
        fact => found(model, fact),
    }
}

fn flash(model: &mut Model, text: impl Into<String>, is_refusal: bool) {
    model.view.flash = Some(Flash { at: model.now, text: text.into(), is_refusal });
}

fn preflight(model: &mut Model, line: Preflight) {
    match model.preflight.iter_mut().find(|known| known.what == line.what) {
        Some(known) => *known = line,
        None => model.preflight.push(line),
    }
}

fn tick(model: &mut Model) -> Vec<Ask> {
    let mut asks = Vec::new();
    if let Some(flash) = &model.view.flash
        && model.now.wall.duration_since(flash.at.wall).as_secs() >= 8
    {
        model.view.flash = None;
    }
    if model.mode != Mode::Driving || model.leaving.is_some() {
        return asks;
    }
    let since = |at: Option<crate::watch::Moment>| at.map(|at| model.now.wall.duration_since(at.wall));
    let state = model.state();
    if !model.release.is_pinned() {
        let due = since(model.observed.pin_asked_at).is_none_or(|age| age.as_secs() >= 5);
        if let Some(pin) = model.release.pin().filter(|_| due && !state.phase.is_over()) {
            asks.push(Ask::Do(pin));
            model.observed.pin_asked_at = Some(model.now);
        }
    } else {
        let due = since(model.observed.arm_asked_at).is_none_or(|age| age >= ARMING_INTERVAL);
        if due {
            asks.extend(arm(model));
        }
    }
    asks.extend(tell_arming(model));
    asks.extend(needs::look_again(model));
    asks.extend(observations::ask_probes(model));
    asks.extend(gates::sense(model));
    asks.extend(observations::judge_all(model));
    asks.extend(observations::judge_criteria(model));
    asks
}

/// Records whether the way back would work, when that is not as before: a release is told by its gaps.
fn tell_arming(model: &mut Model) -> Vec<Ask> {
    let is_asked = matches!(model.state().phase, Phase::Running | Phase::Held);
    let state = model.arming().state;
    if !is_asked || model.observed.arming_told == Some(state) {
        return Vec::new();
    }
    model.observed.arming_told = Some(state);
    found(model, Fact::ArmingChanged { state })
}

/// Tests the way back now.
fn arm(model: &mut Model) -> Vec<Ask> {
    model.observed.arm_asked_at = Some(model.now);
    model.release.arm().into_iter().map(Ask::Do).collect()
}

fn journal(model: &mut Model, news: JournalNews) -> Vec<Ask> {
    match news {
        JournalNews::Durable { seq } => {
            let journal = &mut model.journal;
            journal.durable = journal.durable.max(seq);
            journal.failed = None;
            let (ready, waiting) =
                std::mem::take(&mut journal.withheld).into_iter().partition(|(needs, _)| *needs <= seq);
            journal.withheld = waiting;
            let ready: Vec<(u64, Effect)> = ready;
            if model.leaving.is_some() {
                return Vec::new();
            }
            ready.into_iter().map(|(_, effect)| Ask::Do(effect)).collect()
        }
        JournalNews::Failed { why, .. } => {
            model.journal.failed = Some(why.clone());
            let (way_back, other): (Vec<_>, Vec<_>) = std::mem::take(&mut model.journal.withheld)
                .into_iter()
                .partition(|(_, effect)| effect.goes_unrecorded());
            let mut asks = never_left(model, other, &format!("the journal cannot be written: {why}"));
            asks.extend(way_back.into_iter().map(|(_, effect)| Ask::Do(effect)));
            asks
        }
        JournalNews::Followed(events) => events.iter().flat_map(|event| followed(model, event)).collect(),
        JournalNews::HolderGone if model.mode == Mode::Driving => taken_back(model),
        JournalNews::HolderGone => {
            flash(model, "the process that held this release is gone: `gonogo resume` takes it up", false);
            Vec::new()
        }
    }
}

/// What another process did to this release. It does itself what that asks for, but for stopping a
/// command, which is a child of ours, and for the lock, which we hold.
fn followed(model: &mut Model, event: &Event) -> Vec<Ask> {
    let is_only_a_look = model.mode == Mode::Driving
        && model.journal.handed_to.is_none()
        && !matches!(event.fact, Fact::RollbackFired { .. } | Fact::Reopened);
    // What is recorded before anything is fired goes again when nothing is: neither its readings nor
    // its tests are of this release then.
    if is_only_a_look {
        return Vec::new();
    }
    let effects = match model.release.handle(event) {
        Ok(effects) => effects,
        Err(refusal) => {
            tracing::warn!(%refusal, "a followed record does not fit");
            return Vec::new();
        }
    };
    let by = event.by.as_ref().map(|by| by.name.clone());
    match (&mut model.mode, by) {
        (Mode::Following { holder }, Some(by)) => *holder = by,
        (Mode::Driving, by) if matches!(event.fact, Fact::RollbackFired { .. } | Fact::Reopened) => {
            let by = by.unwrap_or_else(|| "somebody".to_owned());
            flash(model, format!("{by} rolls this release back from another terminal"), false);
            model.journal.handed_to = Some(by);
        }
        _ => {}
    }
    if model.mode != Mode::Driving {
        return Vec::new();
    }
    let mut asks = Vec::new();
    if model.journal.handed_to.is_some() {
        // It would work against the way back.
        let waiting = std::mem::take(&mut model.journal.withheld);
        asks = never_left(model, waiting, "the release is rolled back from another terminal");
    }
    let is_ours = |effect: &Effect| {
        matches!(
            effect,
            Effect::Stop { .. } | Effect::Ring | Effect::KeepLock { .. } | Effect::GiveLock { .. }
        )
    };
    asks.extend(effects.into_iter().filter(is_ours).map(Ask::Do));
    asks
}

/// The process that rolled back is gone: what it left undone is done here.
fn taken_back(model: &mut Model) -> Vec<Ask> {
    let Some(by) = model.journal.handed_to.take() else { return Vec::new() };
    if model.state().phase != Phase::RollingBack {
        return Vec::new();
    }
    flash(model, format!("the rollback of {by} ended on the way: it goes on here"), false);
    go_on_rolling_back(model)
}

fn output(model: &mut Model, batch: OutputBatch) {
    let output = model.view.outputs.entry((batch.command, batch.attempt)).or_default();
    for line in batch.lines {
        output.push(line);
    }
    output.cut = output.cut.max(batch.cut);
}

/// What waited for its record and now stays here: the release must not believe that it runs.
fn never_left(model: &mut Model, waited: Vec<(u64, Effect)>, why: &str) -> Vec<Ask> {
    let fact = |effect| match effect {
        Effect::Run(Run { command, attempt, .. }) => {
            Some(Fact::CommandEnded { command, attempt, exit: Exit::NotStarted(why.to_owned()), took_ms: 0 })
        }
        Effect::Order(ordered) => {
            let failure = Failure { kind: FailureKind::Refused, summary: format!("not sent: {why}") };
            let result = StepResult::Failed(failure);
            Some(Fact::RolloutOrderEnded { attempt: ordered.attempt, result })
        }
        // Only what changes the outside waits; the way back is sent again.
        _ => None,
    };
    waited.into_iter().filter_map(|(_, effect)| fact(effect)).flat_map(|fact| found(model, fact)).collect()
}

/// Leaves: for a person's key, a signal, or a terminal that went away.
fn leave(model: &mut Model, why: &str) -> Vec<Ask> {
    if model.leaving.is_some() {
        return Vec::new();
    }
    let exit_code = match model.state().phase {
        _ if model.watching().is_some() => 0,
        Phase::Completed => 0,
        Phase::Aborted => 10,
        Phase::RolledBack => 11,
        Phase::RollbackFailed => 12,
        Phase::Preparing | Phase::Running | Phase::Held | Phase::RollingBack => LEFT_OPEN,
    };
    // A patch of the way back is sent again when the release is taken up.
    let waiting = std::mem::take(&mut model.journal.withheld);
    let mut asks = never_left(model, waiting, "gonogo was leaving");
    asks.extend(policy::leave(model));
    asks.retain(|ask| matches!(ask, Ask::Append { .. }));
    if model.mode == Mode::Driving && exit_code == LEFT_OPEN {
        asks.extend(found(model, Fact::Left { why: why.to_owned() }));
    }
    if model.watching().is_none() {
        model.view.panel = Some(Panel::Quit);
    }
    model.leaving = Some(Leaving { why: why.to_owned(), exit_code });
    asks.push(Ask::Drain);
    asks
}

#[cfg(test)]
mod tests;
