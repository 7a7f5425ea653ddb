//! What the world shows: kept in the model, judged, and told to the release when a verdict changes.

use jiff::Timestamp;

use super::{Ask, found};
use crate::app::model::{Mode, Model, Pane, Seen};
use crate::release::{Effect, Fact, Phase, Pin, RolloutSeen};
use crate::watch::metrics::CriterionReading;
use crate::watch::rollout::{
    Expectation, ExpectedTemplate, RolloutHistory, RolloutState, RolloutVerdict, judge,
};
use crate::watch::{Link, Moment, Observation, System, TargetRef, WorkloadFacts};
use crate::workflow::Probe;

/// Probes that decide an open item are asked this often. Units: seconds of wall time.
const PROBE_EVERY_S: i64 = 5;

pub(super) fn observed(model: &mut Model, observation: Observation) -> Vec<Ask> {
    match observation {
        Observation::Workload(facts) => {
            answered(model, System::Cluster);
            workload(model, *facts)
        }
        Observation::Limit(line) => {
            super::preflight(model, line);
            Vec::new()
        }
        Observation::Logs(batches) => {
            for batch in &batches {
                model.observed.logs.push(batch, model.now.wall);
            }
            model.view.log.view.update(&model.observed.logs);
            news(model, Pane::Rollout);
            Vec::new()
        }
        Observation::Metric { metric, reading } => {
            answered(model, System::Metrics);
            model.observed.metrics.observe(model.now, metric, &reading);
            judge_criteria(model)
        }
        Observation::Health(reading) => {
            answered(model, System::Health);
            let changed = model.observed.health.as_ref().is_none_or(|known| known.healthy != reading.healthy);
            let summary = summary_of(&reading);
            let fact = Fact::HealthChanged { healthy: reading.healthy, summary };
            model.observed.health = Some(reading);
            let watched = model.state().begun_at.is_some();
            if changed && watched { found(model, fact) } else { Vec::new() }
        }
        Observation::Link { system, link } => {
            let was_silent = model.cluster_silence().is_some();
            if link == Link::Live {
                answered(model, system);
            }
            let is_live = system == System::Cluster && link == Link::Live;
            let was_live = model.observed.links.insert(system, link) == Some(Link::Live);
            let mut asks = match model.cluster_silence() {
                Some((since, _)) if !was_silent => fell_silent(model, since),
                // What was to be judged again meanwhile was not.
                None if was_silent => judge_all(model),
                _ => Vec::new(),
            };
            if is_live && !was_live && model.mode == Mode::Driving {
                // A test of the way back before the cluster could answer was none.
                asks.extend(super::arm(model));
            }
            if is_live && was_silent {
                asks.extend(super::policy::propose_again(model));
            }
            asks
        }
    }
}

fn answered(model: &mut Model, system: System) {
    model.observed.last_ok.insert(system, model.now);
}

fn news(model: &mut Model, pane: Pane) {
    if model.view.focus != pane {
        model.view.news.insert(pane);
    }
}

fn summary_of(reading: &crate::watch::HealthReading) -> String {
    let bad: Vec<&str> =
        reading.parts.iter().filter(|part| !part.ok).map(|part| part.name.as_str()).collect();
    match (reading.healthy, bad.is_empty()) {
        (true, _) => "healthy".to_owned(),
        (false, true) => format!("HTTP {}", reading.http_status),
        (false, false) => format!("HTTP {}: {}", reading.http_status, bad.join(", ")),
    }
}

fn workload(model: &mut Model, facts: WorkloadFacts) -> Vec<Ask> {
    let target = facts.target.clone();
    if model.watching().is_some_and(|watching| !watching.targets.contains(&target)) {
        return Vec::new(); // told before another choice was made
    }
    let now = model.now;
    let (history, first_uid) = match model.observed.workloads.remove(&target) {
        Some(seen) => (seen.history, seen.first_uid),
        None => (RolloutHistory::default(), None),
    };
    let exists = facts.unread.is_none() && !facts.gone && !facts.uid.is_empty();
    let first_uid = first_uid.or_else(|| exists.then(|| facts.uid.clone()));
    let verdict = RolloutVerdict::unknown("not judged yet", now.world);
    model.observed.workloads.insert(target.clone(), Seen { facts, at: now, verdict, history, first_uid });
    news(model, Pane::Rollout);
    let mut asks = judge_one(model, &target);
    // The known-good state is read as soon as there is something to read; the tick asks again.
    let can_pin = model.mode == Mode::Driving && model.observed.pin_asked_at.is_none();
    if let Some(pin) = model.release.pin().filter(|_| can_pin) {
        model.observed.pin_asked_at = Some(now);
        asks.push(Ask::Do(pin));
    }
    asks
}

/// Judges every workload again: some verdicts change by time alone.
pub(super) fn judge_all(model: &mut Model) -> Vec<Ask> {
    // What is silent is stale: time must not turn it green or red.
    if model.cluster_silence().is_some() {
        return Vec::new();
    }
    let targets: Vec<TargetRef> = model.observed.workloads.keys().cloned().collect();
    targets.iter().flat_map(|target| judge_one(model, target)).collect()
}

/// Silence is noticed seconds after it began: what time alone decided since then is taken back.
fn fell_silent(model: &mut Model, since: Moment) -> Vec<Ask> {
    let seen = model.observed.workloads.iter();
    let seen: Vec<(TargetRef, Timestamp)> =
        seen.map(|(target, seen)| (target.clone(), seen.at.world.max(since.world))).collect();
    seen.into_iter().flat_map(|(target, last)| judge_at(model, &target, last)).collect()
}

fn judge_one(model: &mut Model, target: &TargetRef) -> Vec<Ask> {
    judge_at(model, target, model.now.world)
}

fn judge_at(model: &mut Model, target: &TargetRef, at: Timestamp) -> Vec<Ask> {
    let expect = expectation(model, target);
    let is_silent = model.cluster_silence().is_some();
    let echo_ends = echo_ends(model, target);
    let Some(seen) = model.observed.workloads.get_mut(target) else { return Vec::new() };
    seen.verdict = judge(&seen.facts, &expect, &mut seen.history, at);
    if is_silent {
        seen.history.lose_sight(at);
    }
    let mut asks: Vec<Ask> = seen.verdict.wake_at.into_iter().chain(echo_ends).map(Ask::JudgeAt).collect();
    let told = RolloutSeen {
        target: target.clone(),
        state: seen.verdict.state,
        why: seen.verdict.field.clone(),
        revision: seen.facts.revision,
        replicas: Some(seen.facts.spec_replicas),
        template_print: seen.facts.template_print.clone(),
        image: image_of(&seen.facts),
        blocker: seen.verdict.blocker.clone(),
    };
    let known = model.state().rollouts.get(target);
    let same = known.is_some_and(|known| {
        known.state == told.state
            && known.template_print == told.template_print
            && known.replicas == told.replicas
            && known.blocker == told.blocker
    });
    if !same && told.state != RolloutState::Unknown {
        asks.extend(found(model, Fact::RolloutChanged(told)));
    }
    asks
}

/// The image of the container that the release changes.
fn image_of(facts: &WorkloadFacts) -> String {
    let container = facts.target.container.as_deref();
    let named = facts.images.iter().find(|image| Some(image.container.as_str()) == container);
    named.or(facts.images.first()).map(|image| image.image.clone()).unwrap_or_default()
}

/// What the release entitles us to expect of a workload.
fn expectation(model: &Model, target: &TargetRef) -> Expectation {
    let state = model.state();
    let mut expect = Expectation { settle_s: model.settings.settle_s, ..Expectation::watching() };
    let pin = state.pins.iter().find(|pin| &pin.target == target);
    let seen = model.observed.workloads.get(target);
    let Some(known_good) = state.known_good(target) else { return expect };
    expect.uid = pin.map(|pin| pin.uid.clone()).or_else(|| seen.and_then(|seen| seen.first_uid.clone()));
    if let Some(rollback) = &state.rollback {
        // What the plan leaves alone may be brought back by hand, or stay.
        let Some(pin) = pin else { return expect };
        let patched_at = rollback.patched_at(target);
        expect.started_at = Some(patched_at.unwrap_or(rollback.fired_at).world);
        // Until its patch is in, and the watch has told of it, the bad version is no surprise.
        expect.template = match patched_at {
            Some(at) if !is_told(model, pin, at) => ExpectedTemplate::Any,
            Some(_) => ExpectedTemplate::Print(pin.template_print.clone()),
            None => ExpectedTemplate::Any,
        };
        return expect;
    }
    let Some(seen) = seen else { return expect };
    let Some(first) = state.attempts().map(|attempt| attempt.started).min() else {
        expect.template = ExpectedTemplate::Unchanged { print: known_good.to_owned() };
        return expect;
    };
    let production = model.release.production_started();
    // A tag or a pipeline may roll out without a command of the production step, so any new template
    // with our version is ours; but until one is there, nothing is waited for.
    if production.is_none() && seen.facts.template_print == known_good {
        expect.template = ExpectedTemplate::Unchanged { print: known_good.to_owned() };
        return expect;
    }
    expect.started_at = Some(production.unwrap_or(first).world);
    let version = state.version();
    expect.template = match version {
        Some(version) => ExpectedTemplate::Version { from: known_good.to_owned(), version: version.clone() },
        None => ExpectedTemplate::Any,
    };
    expect
}

/// When a target has to be judged again although nothing was told of it. Units: world time.
fn echo_ends(model: &Model, target: &TargetRef) -> Option<Timestamp> {
    let state = model.state();
    let patched_at = state.rollback.as_ref()?.patched_at(target)?;
    let pin = state.pins.iter().find(|pin| &pin.target == target)?;
    let after = (ECHO + jiff::SignedDuration::from_millis(100)).mul_f64(model.speed);
    (!is_told(model, pin, patched_at)).then(|| patched_at.world + after)
}

/// A watch tells of a change within moments; what it tells later is no echo of before.
const ECHO: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// Whether what is seen of a target is from after its patch, as far as can be told: the version that
/// was replaced may be an echo, or somebody put it back.
fn is_told(model: &Model, pin: &Pin, patched_at: Moment) -> bool {
    let state = model.state();
    let seen = model.observed.workloads.get(&pin.target).map(|seen| &seen.facts.template_print);
    let shown = state.rollback.iter().flat_map(|rollback| &rollback.shown);
    let is_replaced =
        shown.clone().any(|shown| shown.target == pin.target && Some(&shown.template_print) == seen);
    let was_back =
        state.rollouts.get(&pin.target).is_some_and(|seen| seen.template_print == pin.template_print);
    !is_replaced || was_back || model.now.wall.duration_since(patched_at.wall) > ECHO
}

/// Judges every measured criterion and tells the release what changed.
pub(super) fn judge_criteria(model: &mut Model) -> Vec<Ask> {
    model.observed.metrics.judge(model.now);
    // Before the first change there is nothing to roll back from: shown, not yet armed.
    if model.state().baseline.is_none() || model.state().phase == Phase::Preparing {
        return Vec::new();
    }
    let readings: Vec<CriterionReading> = model.observed.metrics.readings().cloned().collect();
    let mut asks = Vec::new();
    for reading in readings {
        let known = model.state().criteria.get(&reading.criterion);
        // What a person declared is theirs to withdraw: telling the reading each second changes nothing.
        let is_theirs =
            model.rollback().is_none() && known.is_some_and(crate::release::CriterionState::is_declared_met);
        if is_theirs || known.map(|state| state.verdict) == Some(reading.verdict) {
            continue;
        }
        let CriterionReading { criterion, verdict, why, since, .. } = reading;
        asks.extend(found(model, Fact::CriterionRead { criterion, verdict, why, since }));
    }
    asks
}

/// Keeps what the metrics say now as "before the change".
pub(super) fn pin_baseline(model: &mut Model, until: Timestamp) -> Vec<Ask> {
    let values = model.observed.metrics.baseline_at(until);
    model.observed.metrics.set_baseline(until, &values);
    found(model, Fact::BaselinePinned { values })
}

/// Asks the probes of checks that are still open, now and then.
pub(super) fn ask_probes(model: &mut Model) -> Vec<Ask> {
    let due = model
        .observed
        .probes_asked_at
        .is_none_or(|at| model.now.wall.duration_since(at.wall).as_secs() >= PROBE_EVERY_S);
    if !due || model.state().phase != Phase::Running {
        return Vec::new();
    }
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let open = workflow.checks().filter(|check| check.probe.is_some() && !model.release.is_closed(&check.id));
    if open.count() == 0 || !model.state().changed_anything() {
        return Vec::new();
    }
    model.observed.probes_asked_at = Some(model.now);
    let mut asks = Vec::new();
    for probe in workflow.probes() {
        match probe {
            // What was complete when it was last seen closes no item today.
            Probe::RolloutComplete if model.cluster_silence().is_some() => {}
            Probe::RolloutComplete => {
                let (pass, value) = rollout_complete(model);
                asks.extend(probed(model, probe, pass, &value));
            }
            Probe::TagPushed => asks.push(Ask::Do(Effect::Sense { probe })),
        }
    }
    asks
}

fn rollout_complete(model: &Model) -> (bool, String) {
    complete(model, &model.state().targets)
}

/// Whether the rollouts of these targets are complete and of this release, and what says so.
pub(super) fn complete<'t>(
    model: &Model,
    targets: impl IntoIterator<Item = &'t TargetRef>,
) -> (bool, String) {
    let state = model.state();
    let mut images = Vec::new();
    for target in targets {
        let Some(seen) = state.rollouts.get(target) else {
            return (false, format!("{target} was not seen yet"));
        };
        if seen.state != RolloutState::Complete {
            return (false, format!("{target}: {}", seen.why));
        }
        match state.known_good(target) {
            Some(known) if known == seen.template_print => {
                return (false, format!("{target} still runs {}", seen.image));
            }
            Some(_) => {}
            None => {
                let words = format!("{target} is complete; what it ran before the release is not known");
                return (false, words);
            }
        }
        images.push(seen.image.as_str());
    }
    (!images.is_empty(), format!("{} complete", images.join(", ")))
}

/// A probe answered: every check that is bound to it hears it, if it is news.
pub(super) fn probed(model: &mut Model, probe: Probe, pass: bool, value: &str) -> Vec<Ask> {
    use crate::release::Answer;
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let mut asks = Vec::new();
    for check in workflow.checks().filter(|check| check.probe == Some(probe)) {
        let known = model.state().checks.get(&check.id).map(|mark| &mark.answer);
        let same = match known {
            Some(Answer::Sensed { .. }) => pass,
            Some(Answer::SensedFailing { value: known }) => !pass && known == value,
            Some(_) => true,
            None => false,
        };
        if !same {
            let fact = Fact::Sensed { check: check.id.clone(), pass, value: value.to_owned() };
            asks.extend(found(model, fact));
        }
    }
    asks
}
