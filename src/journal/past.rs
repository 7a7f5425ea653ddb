//! What past releases tell those who come later: how long a way back took, for how long it was not
//! proven, what has run since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{JournalError, Record};
use crate::release::{
    ArmingState, Event, Fact, Moment, Outcome, Phase, PlanAction, PlanState, Release, ReleaseId,
    RollbackState, Verdict,
};
use crate::watch::TargetRef;
use crate::watch::rollout::RolloutState;
use crate::workflow::Workflow;

/// The facts that a past is made of, as journals name them: the rest of a journal need not be read.
pub const TOLD: [&str; 17] = [
    "opened",
    "begun",
    "reopened",
    "left",
    "held",
    "released",
    "aborted",
    "completed",
    "armed",
    "arming-changed",
    "rollout-changed",
    "criterion-read",
    "criterion-declared",
    "criterion-overridden",
    "rollback-fired",
    "rollback-cancelled",
    "rollback-step-ended",
];

/// One release, as far as later ones want to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub id: ReleaseId,
    pub opened: Moment,
    pub practice: bool,
    pub context: Option<String>,
    pub targets: Vec<TargetRef>,
    pub phase: Phase,
    pub rollbacks: Vec<PastRollback>,
    /// `None` when nothing was ever told of the way back.
    pub proof: Option<Proof>,
    pub sightings: Vec<Sighting>,
    /// World time of each breach.
    pub breaches: Vec<Timestamp>,
}

/// A rollback that was fired. Units: world time.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRollback {
    pub fired: Moment,
    /// From `Y` until it was safe; `None` when it was not seen to become so.
    pub to_safe: Option<SignedDuration>,
    /// From the first bad signal until it was safe.
    pub since_bad: Option<SignedDuration>,
    /// From `Y` until each target was back and had held.
    pub settled: Vec<(TargetRef, SignedDuration)>,
}

/// How long a release ran, and for how much of it the way back would not have worked, or was not
/// known to. Units: world time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    pub ran: SignedDuration,
    pub not_proven: SignedDuration,
    pub disarmed: SignedDuration,
}

/// What a target was seen to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    pub target: TargetRef,
    /// World time.
    pub at: Timestamp,
    pub template_print: String,
    pub revision: Option<u64>,
    pub state: RolloutState,
}

impl Past {
    /// Reads a past from the records that [`TOLD`] names.
    ///
    /// - Shape: `None` when the first of them opens no release. Of a rollback only that it was fired
    ///   is known from these: [`Past::with_rollbacks`] has the rest.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Past> {
        let mut events = events.into_iter();
        let opened = events.next()?;
        let Fact::Opened { id, targets, context, practice, .. } = &opened.fact else { return None };
        let mut past = Past {
            id: id.clone(),
            opened: opened.at,
            practice: practice.is_some(),
            context: context.clone(),
            targets: targets.clone(),
            phase: Phase::Preparing,
            rollbacks: Vec::new(),
            proof: None,
            sightings: Vec::new(),
            breaches: Vec::new(),
        };
        let mut counting = Counting::default();
        for event in events {
            counting.take(event);
            past.take(event);
        }
        past.proof = counting.was_told.then_some(counting.proof);
        Some(past)
    }

    fn take(&mut self, event: &Event) {
        match &event.fact {
            Fact::Begun { .. } | Fact::Released => self.phase = Phase::Running,
            Fact::Held { .. } => self.phase = Phase::Held,
            Fact::Aborted { .. } => self.phase = Phase::Aborted,
            Fact::Completed => self.phase = Phase::Completed,
            Fact::RollbackFired { .. } => self.phase = Phase::RollingBack,
            Fact::RolloutChanged(seen) => self.sightings.push(Sighting {
                target: seen.target.clone(),
                at: event.at.world,
                template_print: seen.template_print.clone(),
                revision: seen.revision,
                state: seen.state,
            }),
            Fact::CriterionRead { verdict: Verdict::Fail, since, .. } => {
                self.breaches.push(since.unwrap_or(event.at.world));
            }
            Fact::CriterionDeclared { met: true, .. } => self.breaches.push(event.at.world),
            _ => {}
        }
    }

    /// Whether a rollback was fired: then only the whole story tells how it ended.
    pub fn needs_the_whole_story(&self, events: &[Event]) -> bool {
        events.iter().any(|event| matches!(event.fact, Fact::RollbackFired { .. }))
    }

    /// Tells what became of each rollback, from all records.
    pub fn with_rollbacks(
        mut self,
        document: Arc<Workflow>,
        records: &[Record],
    ) -> Result<Self, JournalError> {
        let (first, rest) = records.split_first().ok_or(JournalError::Empty)?;
        let refused = |record: &Record, refusal| JournalError::Refused { seq: record.seq, refusal };
        let (mut release, _) = Release::open(document, &first.event).map_err(|why| refused(first, why))?;
        let mut last: Option<RollbackState> = None;
        for record in rest {
            release.handle(&record.event).map_err(|why| refused(record, why))?;
            let now = release.state().rollback.as_ref();
            // Another one was fired, after the one before it was done or withdrawn.
            if let Some(before) = &last
                && now.is_none_or(|now| now.fired_at != before.fired_at)
                && now.is_some()
            {
                self.rollbacks.push(PastRollback::of(before));
            }
            last = now.cloned();
        }
        self.rollbacks.extend(last.as_ref().map(PastRollback::of));
        self.phase = release.state().phase;
        Ok(self)
    }
}

impl PastRollback {
    fn of(rollback: &RollbackState) -> Self {
        let (to_safe, since_bad) = match rollback.time_to_safe() {
            Some((to_safe, since_bad)) => (Some(to_safe), since_bad),
            None => (None, None),
        };
        let settled = rollback.plan.iter().filter_map(|step| match (&step.action, &step.state) {
            (PlanAction::Settle(target), PlanState::Done { at, .. }) => {
                Some((target.clone(), at.world.duration_since(rollback.fired_at.world)))
            }
            _ => None,
        });
        Self { fired: rollback.fired_at, to_safe, since_bad, settled: settled.collect() }
    }
}

/// Counts how long the way back was what.
#[derive(Default)]
struct Counting {
    proof: Proof,
    was_told: bool,
    has_begun: bool,
    /// Since when the release has run without a break, and the state of its way back.
    running: Option<Timestamp>,
    state: Option<ArmingState>,
    last: Option<Timestamp>,
}

impl Counting {
    fn take(&mut self, event: &Event) {
        let now = event.at.world;
        // A process that was killed said nothing: what it saw last is the end of what was seen.
        let until = if matches!(event.fact, Fact::Reopened) { self.last.unwrap_or(now) } else { now };
        self.count(until);
        self.last = Some(now);
        match &event.fact {
            Fact::Begun { .. } => {
                self.has_begun = true;
                self.running = Some(now);
            }
            Fact::Reopened => {
                self.running = self.has_begun.then_some(now);
                self.state = None;
            }
            Fact::RollbackCancelled => self.running = Some(now),
            Fact::Left { .. } | Fact::Aborted { .. } | Fact::Completed | Fact::RollbackFired { .. } => {
                self.running = None;
            }
            Fact::Armed { findings } => {
                self.was_told = true;
                let is_broken = findings.iter().any(|found| matches!(found.outcome, Outcome::Broken(_)));
                self.state = Some(if is_broken { ArmingState::Disarmed } else { ArmingState::Armed });
            }
            Fact::ArmingChanged { state } => {
                self.was_told = true;
                self.state = Some(*state);
            }
            _ => {}
        }
    }

    fn count(&mut self, until: Timestamp) {
        let Some(since) = self.running else { return };
        let passed = until.duration_since(since).max(SignedDuration::ZERO);
        self.proof.ran += passed;
        match self.state {
            Some(ArmingState::Disarmed) => self.proof.disarmed += passed,
            Some(ArmingState::NotProven) | None => self.proof.not_proven += passed,
            Some(ArmingState::Armed | ArmingState::Degraded) => {}
        }
        self.running = Some(until.max(since));
    }
}

/// What the past says of one workload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadPast {
    /// How long its last rollback took until it was back and had held.
    pub way_back: Option<SignedDuration>,
    /// How long its last rollout took.
    pub rollout: Option<SignedDuration>,
    pub life: Option<Life>,
}

/// How long a template has been all that was seen of a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    pub template_print: String,
    /// The workload's own count: where it went on, somebody else had a hand in it meanwhile.
    pub revision: Option<u64>,
    /// World time.
    pub since: Timestamp,
    /// Whether a criterion was breached in that time.
    pub breached: bool,
}

/// Says what these releases tell of each target.
///
/// - Shape: `context` keeps equal names in two clusters apart; what is not known is missing.
pub fn of_workloads(
    pasts: &[Past],
    context: Option<&str>,
    targets: &[TargetRef],
) -> BTreeMap<TargetRef, WorkloadPast> {
    let mut pasts: Vec<&Past> =
        pasts.iter().filter(|past| !past.practice && past.context.as_deref() == context).collect();
    pasts.sort_by_key(|past| past.opened.world);
    let of = |target: &TargetRef| (target.clone(), of_workload(&pasts, target));
    targets.iter().map(of).collect()
}

pub fn is_same(one: &TargetRef, other: &TargetRef) -> bool {
    (one.kind, &one.namespace, &one.name) == (other.kind, &other.namespace, &other.name)
}

fn of_workload(pasts: &[&Past], target: &TargetRef) -> WorkloadPast {
    let mut past = WorkloadPast::default();
    for release in pasts {
        for rollback in &release.rollbacks {
            let settled = rollback.settled.iter().find(|(known, _)| is_same(known, target));
            past.way_back = settled.map(|(_, took)| *took).or(past.way_back);
        }
        past.rollout = rollout(release, target).or(past.rollout);
        for seen in release.sightings.iter().filter(|seen| is_same(&seen.target, target)) {
            past.life = next_life(past.life.take(), seen);
        }
    }
    if let Some(life) = &mut past.life {
        let of_target = pasts.iter().filter(|past| past.targets.iter().any(|known| is_same(known, target)));
        life.breached = of_target.flat_map(|past| &past.breaches).any(|at| *at >= life.since);
    }
    past
}

fn next_life(life: Option<Life>, seen: &Sighting) -> Option<Life> {
    if seen.template_print.is_empty() {
        return life;
    }
    let is_complete = seen.state == RolloutState::Complete;
    match life {
        Some(life)
            if life.template_print == seen.template_print
                && (life.revision.is_none() || life.revision == seen.revision || !is_complete) =>
        {
            // While a rollout is under way its number may still be the one before.
            let revision = if is_complete { seen.revision } else { life.revision };
            Some(Life { revision, ..life })
        }
        _ => Some(Life {
            template_print: seen.template_print.clone(),
            revision: seen.revision.filter(|_| is_complete),
            since: seen.at,
            breached: false,
        }),
    }
}

/// From the first sight of another template to its completion.
fn rollout(release: &Past, target: &TargetRef) -> Option<SignedDuration> {
    let mut seen = release.sightings.iter().filter(|seen| is_same(&seen.target, target));
    let first = seen.next()?;
    let mut began: Option<&Sighting> = None;
    let mut took = None;
    for seen in seen {
        let is_new = seen.template_print != first.template_print;
        match began {
            Some(start) if start.template_print == seen.template_print => {
                if seen.state == RolloutState::Complete && took.is_none() {
                    took = Some(seen.at.duration_since(start.at));
                }
            }
            _ if is_new => (began, took) = (Some(seen), None),
            _ => began = None,
        }
    }
    took
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Finding, RolloutSeen};
    use crate::workflow::Kind;

    fn at(seconds: i64) -> Moment {
        Moment::real(Timestamp::from_second(1_795_356_127 + seconds).unwrap())
    }

    fn target(name: &str) -> TargetRef {
        TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: name.into(), container: None }
    }

    fn event(seconds: i64, fact: Fact) -> Event {
        Event { at: at(seconds), by: None, fact }
    }

    fn opened(seconds: i64, context: &str) -> Event {
        let fact = Fact::Opened {
            id: ReleaseId(format!("release-{seconds}")),
            file: "release.md".into(),
            sha256: String::new(),
            title: String::new(),
            targets: vec![target("app")],
            context: Some(context.into()),
            directory: "/".into(),
            practice: None,
            signals: crate::release::SignalSources::default(),
            called: None,
            settled: Default::default(),
        };
        event(seconds, fact)
    }

    fn begun(seconds: i64) -> Event {
        event(seconds, Fact::Begun { params: BTreeMap::new(), roster: BTreeMap::new() })
    }

    fn armed(seconds: i64, outcome: Outcome) -> Event {
        let finding = Finding { target: Some(target("app")), what: "dry run".into(), outcome };
        event(seconds, Fact::Armed { findings: vec![finding] })
    }

    fn seen(seconds: i64, print: &str, state: RolloutState) -> Event {
        let seen = RolloutSeen {
            target: target("app"),
            state,
            why: String::new(),
            revision: None,
            replicas: None,
            template_print: print.into(),
            image: String::new(),
            blocker: None,
        };
        event(seconds, Fact::RolloutChanged(seen))
    }

    fn past(events: Vec<Event>) -> Past {
        Past::of(&events).unwrap()
    }

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn the_time_in_which_the_way_back_was_not_proven_is_counted_while_the_release_ran() {
        let why = || Outcome::Broken("it was deleted".into());
        let past = past(vec![
            opened(0, "prod"),
            begun(100),
            armed(110, Outcome::Fine),
            armed(200, why()),
            armed(260, Outcome::Fine),
            event(300, Fact::ArmingChanged { state: ArmingState::NotProven }),
            event(330, Fact::ArmingChanged { state: ArmingState::Armed }),
            event(400, Fact::Completed),
        ]);
        let proof = past.proof.unwrap();
        assert_eq!((proof.ran, proof.not_proven, proof.disarmed), (seconds(300), seconds(40), seconds(60)));
        assert_eq!(past.phase, Phase::Completed);
    }

    #[test]
    fn time_in_which_no_process_was_there_is_no_gap() {
        let past = past(vec![
            opened(0, "prod"),
            begun(100),
            armed(100, Outcome::Fine),
            event(200, Fact::Left { why: "lunch".into() }),
            event(5_000, Fact::Reopened),
            armed(5_003, Outcome::Fine),
            event(5_100, Fact::Held { reason: "x".into() }),
            // Killed: nothing was said.
            event(9_000, Fact::Reopened),
            armed(9_002, Outcome::Fine),
        ]);
        let proof = past.proof.unwrap();
        assert_eq!((proof.ran, proof.not_proven), (seconds(100 + 100 + 2), seconds(3 + 2)));
    }

    #[test]
    fn a_journal_that_says_nothing_of_the_way_back_has_no_gap_to_tell() {
        assert_eq!(past(vec![opened(0, "prod"), begun(1), event(9, Fact::Completed)]).proof, None);
    }

    #[test]
    fn a_rollout_took_from_the_first_sight_of_the_new_template_to_its_completion() {
        let release = past(vec![
            opened(0, "prod"),
            seen(1, "old", RolloutState::Complete),
            seen(100, "new", RolloutState::Progressing),
            seen(130, "new", RolloutState::Settling),
            seen(141, "new", RolloutState::Complete),
            seen(900, "new", RolloutState::Complete),
        ]);
        let known = of_workloads(&[release], Some("prod"), &[target("app")]);
        assert_eq!(known[&target("app")].rollout, Some(seconds(41)));
    }

    #[test]
    fn a_template_has_run_since_it_was_first_seen_without_another_between() {
        let first = past(vec![
            opened(0, "prod"),
            seen(1, "v1", RolloutState::Complete),
            seen(10, "v2", RolloutState::Progressing),
            seen(50, "v2", RolloutState::Complete),
        ]);
        let elsewhere = past(vec![opened(60, "staging"), seen(61, "v9", RolloutState::Complete)]);
        let second = past(vec![opened(1_000, "prod"), seen(1_001, "v2", RolloutState::Complete)]);
        let all = [second, elsewhere, first];
        let life = of_workloads(&all, Some("prod"), &[target("app")])[&target("app")].life.clone().unwrap();
        assert_eq!((life.template_print.as_str(), life.since, life.breached), ("v2", at(10).world, false));
        assert_eq!(of_workloads(&all, Some("prod"), &[target("db")])[&target("db")].life, None);
    }

    #[test]
    fn a_template_that_came_back_under_another_number_has_a_new_life() {
        let with = |seconds: i64, revision: u64| {
            let mut event = seen(seconds, "v2", RolloutState::Complete);
            if let Fact::RolloutChanged(seen) = &mut event.fact {
                seen.revision = Some(revision);
            }
            event
        };
        let first = past(vec![opened(0, "prod"), with(10, 7)]);
        // From another machine: v3, and the way back from it.
        let second = past(vec![opened(1_000, "prod"), with(1_001, 9)]);
        let known = of_workloads(&[first, second], Some("prod"), &[target("app")]);
        let life = known[&target("app")].life.clone().unwrap();
        assert_eq!((life.since, life.revision), (at(1_001).world, Some(9)));
    }

    #[test]
    fn a_breach_since_then_is_not_forgotten() {
        let fact = Fact::CriterionRead {
            criterion: "error-rate".into(),
            verdict: Verdict::Fail,
            why: String::new(),
            since: None,
        };
        let release = past(vec![opened(0, "prod"), seen(10, "v2", RolloutState::Complete), event(20, fact)]);
        let known = of_workloads(&[release], Some("prod"), &[target("app")]);
        assert!(known[&target("app")].life.as_ref().unwrap().breached);
    }
}
