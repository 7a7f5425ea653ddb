//! The nine states of a rollout, each with the field that decided it.
//!
//! `kubectl rollout status` never looks at pods, trusts a deadline condition that may belong to the
//! rollout before, and calls a rollout done that broke a second later. This judgement looks at all
//! of it, in one fixed order of precedence, and keeps judging after "complete". The order is the same
//! for every kind of workload; what is counted, and what a person has to do, differs by kind.

pub mod argo;
mod counts;
mod daemonset;
mod doom;
mod estimate;
mod expectation;
mod history;
mod readiness;
mod state;
pub mod statefulset;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::facts::{PodFacts, UpdateStrategy, WorkloadFacts};
use crate::workflow::Kind;
pub use counts::Counts;
use counts::Fact;
pub use doom::Trouble;
use doom::{Look, Sight};
pub use estimate::least;
pub use expectation::{Expectation, ExpectedTemplate, carries};
use expectation::{Ownership, ownership};
pub use history::RolloutHistory;
use history::{Break, Settle};
pub use readiness::ignore_window;
pub use state::{Aggregate, Blocker, RolloutState, RolloutVerdict};

/// Judges one workload by its newest facts.
///
/// - Shape: facts of an older moment than the last ones given are a caller's mistake; time that
///   stands still or jumps back is harmless. Time in which nothing was seen is the caller's to tell:
///   [`RolloutHistory::lose_sight`].
/// - Source: the precedence of the nine states follows the field notes on rollouts, section 1.
pub fn judge(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
) -> RolloutVerdict {
    history.regain_sight(now);
    let finding = find(facts, expect, history, now);
    let since = match history.state {
        Some((state, since)) if state == finding.state => since,
        _ => now,
    };
    history.state = Some((finding.state, since));
    RolloutVerdict {
        state: finding.state,
        field: finding.fact.words,
        decider: finding.fact.decider,
        trouble: finding.trouble,
        blocker: finding.blocker,
        warning: finding.warning,
        ours: finding.ours,
        counts: Counts::of(facts),
        revision: facts.revision,
        since: finding.since.map_or(since, |known| known.min(now)),
        wake_at: finding.wake_at.filter(|at| *at > now),
        resumes_at: finding.resumes_at,
    }
}

struct Finding {
    state: RolloutState,
    fact: Fact,
    trouble: Option<Trouble>,
    blocker: Option<Blocker>,
    warning: Option<String>,
    ours: bool,
    wake_at: Option<Timestamp>,
    since: Option<Timestamp>,
    resumes_at: Option<Timestamp>,
}

impl Finding {
    fn new(state: RolloutState, fact: Fact) -> Self {
        Self {
            state,
            fact,
            trouble: None,
            blocker: None,
            warning: None,
            ours: true,
            wake_at: None,
            since: None,
            resumes_at: None,
        }
    }

    fn not_ours(self) -> Self {
        Self { ours: false, ..self }
    }

    fn about(self, trouble: Option<Trouble>) -> Self {
        Self { trouble, ..self }
    }

    fn held_by(self, blocker: Option<Blocker>) -> Self {
        Self { blocker, ..self }
    }

    fn waking(self, at: Option<Timestamp>) -> Self {
        Self { wake_at: at, ..self }
    }
}

/// Each kind comes by a watch of its own, and that of the workload may run ahead of its revisions by
/// a moment. Units: seconds.
const REVISION_LATE_S: u32 = 3;

fn find(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
) -> Finding {
    use RolloutState as State;
    let target = &facts.target;
    let found = |state, decider, words: String| Finding::new(state, Fact::new(decider, words));
    if let Some(why) = &facts.unread {
        return found(State::Unknown, "object", why.clone());
    }
    if facts.gone {
        return found(State::Gone, "metadata.uid", format!("{target} does not exist"));
    }
    if expect.uid.as_ref().is_some_and(|uid| *uid != facts.uid) {
        let words = format!("{target} was deleted and made anew (its uid changed)");
        return found(State::Gone, "metadata.uid", words);
    }
    history.note_template(facts, now);

    match facts.observed_generation {
        Some(observed) if observed > 0 && observed >= facts.generation => {}
        observed => {
            let observed = observed.unwrap_or(0);
            let words = format!("observed generation {observed} < {}", facts.generation);
            return found(State::Unobserved, "status.observedGeneration", words).not_ours();
        }
    }
    // Also the template may be what could not be read: whose it is cannot be told then.
    if let Some(why) = &facts.unclear {
        return found(State::Unknown, "object", why.clone());
    }
    match ownership(facts, expect, history) {
        Ownership::Ours => {}
        Ownership::NotYet(words) => return found(State::Unobserved, "spec.template", words).not_ours(),
        Ownership::SomebodyElse(words) => {
            return found(State::Superseded, "spec.template", words).not_ours();
        }
    }
    if let Some(fact) = counts::unclear(facts) {
        return Finding::new(State::Unknown, fact);
    }
    if let Some(fact) = counts::revision_missing(facts) {
        let until = plus(*history.revision_missed_at.get_or_insert(now), REVISION_LATE_S);
        // A StatefulSet names its revision in its own status, which nothing can overtake.
        if target.kind != Kind::StatefulSet && now < until {
            return Finding::new(State::Unobserved, fact).not_ours().waking(Some(until));
        }
        return Finding::new(State::Unknown, fact);
    }
    history.revision_missed_at = None;
    history.note_pods(facts, now);
    let pods: Vec<&PodFacts> = counts::target_pods(facts).collect();
    let finding = held(facts, expect, history, now, &pods).unwrap_or_else(|| {
        history.note_progress(facts, now);
        match counts::missing(facts, &pods) {
            Some(missing) => unfinished(facts, expect, history, now, &pods, missing),
            None => finished(facts, expect, history, now, &pods),
        }
    });
    let ignored_until = due(facts, expect, history).filter(|due| target.kind == Kind::Rollout && now < *due);
    let wake_at = [finding.wake_at, ignored_until].into_iter().flatten().min();
    finding.waking(wake_at)
}

/// What a person or the workload's own controller decided, before anything is counted.
fn held(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
    pods: &[&PodFacts],
) -> Option<Finding> {
    use RolloutState as State;
    let worst = |history: &RolloutHistory| Look { facts, history, now }.worst(pods.iter().copied());
    let paused = |history: &mut RolloutHistory, fact| {
        history.stop_the_clocks();
        // A pause hides no crash loop.
        let Sight { trouble, changes_at } = worst(history);
        Finding::new(State::Paused, fact).about(trouble).waking(changes_at)
    };
    let argo = match facts.target.kind {
        Kind::Rollout => facts.argo.as_deref(),
        _ => None,
    };
    let Some(argo) = argo else {
        if facts.paused {
            return Some(paused(history, Fact::new("spec.paused", "spec.paused")));
        }
        let fact = by_hand(facts)?;
        return Some(paused(history, fact));
    };
    let ripe = due(facts, expect, history).is_none_or(|due| now >= due);
    let finding = match argo::said(facts, argo, ripe) {
        Some(argo::Said::Failed { fact, trouble }) => {
            let pod = worst(history).trouble;
            Finding::new(State::Failed, fact).about(pod.or(Some(trouble)))
        }
        Some(argo::Said::Paused { fact, since, resumes_at }) => {
            Finding { since, resumes_at, ..paused(history, fact) }
        }
        Some(argo::Said::Waiting(fact)) => Finding { state: State::Progressing, ..paused(history, fact) },
        None => {
            if argo::is_waiting(facts, argo) {
                history.progress = None;
            }
            return None;
        }
    };
    Some(finding)
}

/// Under `OnDelete` the update goes on when a person deletes a pod, and only then.
fn by_hand(facts: &WorkloadFacts) -> Option<Fact> {
    let is_told = facts.target_revision.is_some() && facts.spec_replicas > 0;
    if facts.strategy != UpdateStrategy::OnDelete || !is_told {
        return None;
    }
    let old: Vec<&PodFacts> = counts::old_pods(facts).collect();
    if old.is_empty() {
        return None;
    }
    let run = if old.len() == 1 { "still runs" } else { "still run" };
    let them = if old.len() == 1 { "it" } else { "them" };
    let words =
        format!("OnDelete: {} {run} the old revision: delete {them} to go on", statefulset::some_of(&old));
    Some(Fact::new("spec.updateStrategy.type", words))
}

/// When this rollout began, by our own clock; `None` when it was found under way.
fn began(expect: &Expectation, history: &RolloutHistory) -> Option<Timestamp> {
    match (expect.started_at, history.changed_at) {
        (Some(ours), Some(seen)) => Some(ours.max(seen)),
        (ours, seen) => ours.or(seen),
    }
}

/// Until when a deadline that passed may be that of the rollout before; only our own clock says
/// that this one had its time. `None` when it was found under way, or has no deadline.
fn due(facts: &WorkloadFacts, expect: &Expectation, history: &RolloutHistory) -> Option<Timestamp> {
    Some(plus(began(expect, history)?, facts.progress_deadline_s?))
}

fn unfinished(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
    pods: &[&PodFacts],
    missing: Fact,
) -> Finding {
    use RolloutState as State;
    let Fact { decider, words: field } = missing;
    let unstable = history.note_break(facts, pods, now);
    // A node in trouble says nothing about the version.
    let n_judged = pods.iter().filter(|pod| pod.node_trouble.is_none()).count();
    let doomed: Vec<&Trouble> = pods.iter().filter_map(|pod| history.doomed.get(&pod.uid)).collect();
    let n_doomed = doomed.len();
    let first_doomed = doomed.first().map(|trouble| (*trouble).clone());
    let look = Look { facts, history, now };
    let worst = of_all(&look, pods);
    let trap = statefulset::trap(&look);
    let progressed_at = history.progress.map_or(now, |progress| progress.at);
    let stuck_at = plus(progressed_at, expect.stuck_after_s);
    let (passed, passes_at) = deadline(facts, expect, history, now, progressed_at);
    let trapped_at = match &trap {
        Some(statefulset::Trapped::At(at)) => Some(*at),
        _ => None,
    };
    let trap = match trap {
        Some(statefulset::Trapped::Now(trap)) => Some(*trap),
        _ => None,
    };
    // Whatever may change by time alone is looked at again when it may.
    let wake_at = [Some(stuck_at), passes_at, trapped_at, worst.changes_at]
        .into_iter()
        .flatten()
        .filter(|at| *at > now)
        .min();
    let new = |state, decider, words: String| Finding::new(state, Fact::new(decider, words)).waking(wake_at);

    if let Some(trouble) = first_doomed.clone().filter(|_| n_doomed == n_judged) {
        let words = if n_doomed == 1 { "the only new pod is" } else { "all new pods are" };
        let words = format!("{words} doomed, {field}");
        return new(State::Failed, trouble.decider, words).about(Some(trouble));
    }
    let failure = doom::replica_failure(facts);
    if let Some((trouble, true)) = &failure {
        return new(State::Failed, trouble.decider, trouble.reason.clone()).about(Some(trouble.clone()));
    }
    if let Some(Passed { decider, words, trouble }) = passed {
        let (field, of_pod, blocker) = match trap {
            Some(trap) => (trap.fact.words, Some(trap.trouble), Some(trap.blocker)),
            None => (field, first_doomed.or(worst.trouble), None),
        };
        let failed = new(State::Failed, decider, format!("{words}, {field}"));
        return failed.about(of_pod.or(Some(trouble))).held_by(blocker);
    }
    if let Some(Break { decider, words, trouble }) = unstable {
        return new(State::Failed, decider, words).about(Some(trouble));
    }
    if let Some((trouble, _)) = failure {
        return new(State::Stuck, trouble.decider, trouble.reason.clone()).about(Some(trouble));
    }
    if let Some(trap) = trap {
        let stuck = Finding::new(State::Stuck, trap.fact).waking(wake_at);
        return stuck.about(Some(trap.trouble)).held_by(Some(trap.blocker));
    }
    if let Some(trouble) = first_doomed {
        let words = format!("{n_doomed} of {} new pods doomed, {field}", pods.len());
        return new(State::Stuck, trouble.decider, words).about(Some(trouble));
    }
    if let Some(trouble) = worst.trouble.clone().filter(|trouble| trouble.blocks) {
        return new(State::Stuck, trouble.decider, field).about(Some(trouble));
    }
    if now >= stuck_at {
        let silent = now.duration_since(progressed_at).as_secs();
        if pods.is_empty() && facts.pods.is_empty() && facts.available > 0 {
            let words = format!("{} available, but no pod can be read", facts.available);
            return new(State::Unknown, counts::PODS_READY, words);
        }
        let words = format!("{field}, no progress for {silent} s");
        return new(State::Stuck, decider, words).about(worst.trouble);
    }
    new(State::Progressing, decider, field).about(worst.trouble)
}

/// The pod most in need of a look: among the new ones, and where each old one holds the next, among
/// the old ones too.
fn of_all(look: &Look<'_>, pods: &[&PodFacts]) -> Sight {
    let worst = look.worst(pods.iter().copied());
    if worst.trouble.is_some() || look.facts.target.kind != Kind::StatefulSet {
        return worst;
    }
    let Sight { trouble, changes_at } = look.worst(counts::old_pods(look.facts));
    // What an old pod lacks is not what the update lacks; the trap says when it is.
    let trouble = trouble.map(|trouble| Trouble { blocks: false, ..trouble });
    Sight { trouble, changes_at: [worst.changes_at, changes_at].into_iter().flatten().min() }
}

fn finished(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
    pods: &[&PodFacts],
) -> Finding {
    use RolloutState as State;
    let found = |state, decider, words: String| Finding::new(state, Fact::new(decider, words));
    // Should a pod get lost later, the time without progress counts from that moment.
    history.progress = None;
    if facts.spec_replicas == 0 {
        let (decider, words) = match facts.target.kind {
            Kind::DaemonSet => ("status.desiredNumberScheduled", "no node is wanted"),
            _ => ("spec.replicas", "0 replicas wanted"),
        };
        let warning = match facts.target.kind {
            Kind::DaemonSet => "no node matches: no pod runs, so nothing proves the new version",
            _ => "scaled to zero: no pod runs, so nothing proves the new version",
        };
        let finding = found(State::Complete, decider, words.to_owned());
        return Finding { warning: Some(warning.to_owned()), ..finding };
    }
    let settle_s = expect.settle_s.max(facts.min_ready_s);
    let unstable = history.note_break(facts, pods, now);
    let held_before = history.state.is_none() && held_for_long(pods, now, settle_s);
    let settle = history.settle.get_or_insert_with(|| Settle {
        since: if held_before { minus(now, settle_s) } else { now },
        restarts: BTreeMap::new(),
        held: false,
    });
    // Only a pod that was up can break.
    for pod in pods.iter().filter(|pod| pod.ready) {
        settle.restarts.entry(pod.uid.clone()).or_insert_with(|| pod.restarts());
    }
    let until = plus(settle.since, settle_s);
    // Up again after a loss, it has to hold again.
    settle.held &= now >= until;
    let kept_back = match facts.target.kind {
        Kind::StatefulSet => statefulset::kept_back(facts),
        Kind::DaemonSet => daemonset::kept_back(facts),
        Kind::Deployment | Kind::Rollout => None,
    };
    if now >= until {
        settle.held = true;
        history.unstable = None;
        let n = facts.spec_replicas;
        let decider = match facts.target.kind {
            Kind::DaemonSet => "status.numberAvailable",
            _ => "status.availableReplicas",
        };
        let finding = found(State::Complete, decider, format!("{} of {n} available", facts.available));
        return Finding { warning: kept_back, ..finding };
    }
    if let Some(Break { decider, words, trouble }) = unstable {
        return found(State::Failed, decider, words).about(Some(trouble)).waking(Some(until));
    }
    let held = now.duration_since(settle.since).as_secs().max(0);
    let finding = found(State::Settling, "settle", format!("ready for {held} of {settle_s} s"));
    Finding { warning: kept_back, ..finding.waking(Some(until)) }
}

/// Whether all pods were up long before we came. A minute more than needed, because the server's
/// clock may not be ours.
fn held_for_long(pods: &[&PodFacts], now: Timestamp, settle_s: u32) -> bool {
    let since = minus(now, settle_s.saturating_add(60));
    pods.iter().all(|pod| pod.ready_since.is_some_and(|ready| ready <= since))
}

/// A deadline that this rollout did not meet.
struct Passed {
    decider: &'static str,
    words: String,
    trouble: Trouble,
}

/// Whether this rollout's time is up, or else when it will be.
fn deadline(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &RolloutHistory,
    now: Timestamp,
    progressed_at: Timestamp,
) -> (Option<Passed>, Option<Timestamp>) {
    let began = began(expect, history);
    if let Some(timeout_s) = expect.timeout_s(facts.target.kind) {
        // Nobody but us measures it, so nothing fails that we did not see begin.
        let Some(began) = began else { return (None, None) };
        let due = plus(began.max(progressed_at), timeout_s);
        if now < due {
            return (None, Some(due));
        }
        let silent = now.duration_since(began.max(progressed_at)).as_secs();
        let words = format!("no progress for {silent} s (our own limit: {timeout_s} s)");
        let trouble = Trouble::of_workload("timeout", "TimedOut", "");
        return (Some(Passed { decider: "timeout", words, trouble }), None);
    }
    if facts.progress_deadline_s.is_none() {
        return (None, None);
    }
    let condition = facts
        .conditions
        .iter()
        .find(|condition| condition.kind == "Progressing" && condition.reason == argo::DEADLINE);
    let Some(condition) = condition else { return (None, None) };
    let due = due(facts, expect, history);
    if due.is_some_and(|due| now < due) {
        return (None, due);
    }
    let trouble = Trouble::of_workload("Progressing.reason", argo::DEADLINE, &condition.message);
    let words = "progress deadline exceeded".to_owned();
    (Some(Passed { decider: "Progressing.reason", words, trouble }), None)
}

fn plus(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(at)
}

fn minus(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_sub(SignedDuration::from_secs(seconds.into())).unwrap_or(at)
}
