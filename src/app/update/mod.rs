//! One message in, the model moved on, and what should be done about it.
//!
//! This is where the write-ahead is kept: an effect that changes the outside leaves only after the
//! record that asked for it is on disk.

mod keys;
mod lock;
mod logs;
mod observations;
mod panels;
mod prompts;
mod watching;

use super::model::{Flash, Leaving, Mode, Model, Panel};
use super::msg::{JournalNews, Msg, OutputBatch, What};
use crate::release::{
    ARMING_INTERVAL, Effect, Event, Exit, Fact, Failure, FailureKind, Phase, Refusal, RolloutOrdered, Run,
    StepResult, has_way_back,
};
use crate::watch::{Preflight, TargetRef};

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
    /// Put this on the clipboard of whoever sits at the terminal.
    Copy(String),
    /// Write a file of this name into the directory of the release, answered by [`What::Told`].
    Save {
        name: String,
        bytes: Vec<u8>,
    },
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
        What::Journal(news) => journal(model, news),
        What::Preflight(line) => {
            preflight(model, line);
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
        What::DocumentChanged { differs } => {
            model.view.document_differs = differs;
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

/// Hands an event to the release and, if it is taken, to the journal.
fn record(model: &mut Model, event: Event) -> Result<Vec<Ask>, Refusal> {
    let effects = model.release.handle(&event)?;
    model.journal.appended += 1;
    let seq = model.journal.appended;
    let phase = model.state().phase;
    let essential = matches!(phase, Phase::RollingBack | Phase::RolledBack | Phase::RollbackFailed);
    let mut asks = vec![Ask::Append { seq, event: Box::new(event), essential }];
    for effect in effects {
        if let Effect::PinBaseline { until } = effect {
            asks.extend(observations::pin_baseline(model, until));
        } else if !effect.changes_outside() || (effect.goes_unrecorded() && model.journal.failed.is_some()) {
            asks.push(Ask::Do(effect));
        } else {
            model.journal.withheld.push((seq, effect));
        }
    }
    Ok(asks)
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
    if let Some(text) = only_seen {
        flash(model, text, true);
        return Vec::new();
    }
    let is_way_back =
        matches!(fact, Fact::RollbackFired { .. } | Fact::RollbackReason { .. } | Fact::Left { .. });
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
    if state.pins.is_empty() {
        let due = since(model.observed.pin_asked_at).is_none_or(|age| age.as_secs() >= 5);
        if due && state.targets.iter().any(has_way_back) && !state.phase.is_over() {
            asks.push(Ask::Do(Effect::Pin { targets: state.targets.clone() }));
            model.observed.pin_asked_at = Some(model.now);
        }
    } else {
        let due = since(model.observed.arm_asked_at).is_none_or(|age| age >= ARMING_INTERVAL);
        if due {
            asks.extend(arm(model));
        }
    }
    asks.extend(tell_arming(model));
    asks.extend(observations::ask_probes(model));
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
            let mut asks = Vec::new();
            for (_, effect) in std::mem::take(&mut model.journal.withheld) {
                match effect {
                    effect if effect.goes_unrecorded() => asks.push(Ask::Do(effect)),
                    // It never left, and the release must not believe that it runs.
                    Effect::Run(run) => {
                        let exit = Exit::NotStarted(format!("the journal cannot be written: {why}"));
                        let fact = Fact::CommandEnded {
                            command: run.command,
                            attempt: run.attempt,
                            exit,
                            took_ms: 0,
                        };
                        asks.extend(found(model, fact));
                    }
                    Effect::Order(ordered) => {
                        let why = format!("the journal cannot be written: {why}");
                        asks.extend(found(model, not_sent(&ordered, why)));
                    }
                    effect => asks.push(Ask::Do(effect)),
                }
            }
            asks
        }
        JournalNews::Followed(events) => {
            for event in events {
                if let Err(refusal) = model.release.handle(&event) {
                    tracing::warn!(%refusal, "a followed record does not fit");
                }
                if let Some(by) = &event.by
                    && let Mode::Following { holder } = &mut model.mode
                {
                    holder.clone_from(&by.name);
                }
            }
            Vec::new()
        }
        JournalNews::HolderGone => {
            flash(model, "the process that held this release is gone: `gonogo resume` takes it up", false);
            Vec::new()
        }
    }
}

fn output(model: &mut Model, batch: OutputBatch) {
    let output = model.view.outputs.entry((batch.command, batch.attempt)).or_default();
    for line in batch.lines {
        output.push(line);
    }
    output.cut = output.cut.max(batch.cut);
}

/// The answer to an order that never left.
fn not_sent(ordered: &RolloutOrdered, why: String) -> Fact {
    let failure = Failure { kind: FailureKind::Refused, summary: format!("not sent: {why}") };
    Fact::RolloutOrderEnded { attempt: ordered.attempt, result: StepResult::Failed(failure) }
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
    let mut asks = Vec::new();
    let waiting = std::mem::take(&mut model.journal.withheld);
    for (_, effect) in waiting {
        // It never left, and must not be in doubt when the release is taken up again. A patch of the
        // way back is sent again then.
        let fact = match effect {
            Effect::Run(Run { command, attempt, .. }) => {
                let exit = Exit::NotStarted("gonogo was leaving".to_owned());
                Fact::CommandEnded { command, attempt, exit, took_ms: 0 }
            }
            Effect::Order(ordered) => not_sent(&ordered, "gonogo was leaving".to_owned()),
            _ => continue,
        };
        let told = found(model, fact);
        asks.extend(told.into_iter().filter(|ask| matches!(ask, Ask::Append { .. })));
    }
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
