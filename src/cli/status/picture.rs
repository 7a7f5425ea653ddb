//! What is known of the targets at one moment, and what it means: observations in, verdicts out.

use jiff::{SignedDuration, Timestamp};

use super::outcome::{Outcome, is_decided, worst};
use crate::watch::logs::LogStore;
use crate::watch::rollout::{Expectation, ExpectedTemplate, RolloutHistory, RolloutVerdict, Trouble, judge};
use crate::watch::{
    ContainerFacts, ContainerState, Link, Moment, Observation, Preflight, PreflightOutcome, System,
    TargetRef, WorkloadFacts,
};

/// Lines are kept for the one pod that failed; more than this is never shown.
const LOG_BUDGET: usize = 4 << 20;
/// Last lines of a container in trouble: a stack trace and what led to it.
pub(super) const LAST_LINES: usize = 20;
/// The answer is still on its way.
const UNREAD: &str = "not read yet";
/// The heartbeat asks every two seconds and waits as long for the answer: while it says nothing, what
/// is known is at most this old.
const HEARTBEAT: SignedDuration = SignedDuration::from_secs(4);

/// One target, as far as it is known.
#[derive(Debug)]
pub(super) struct Standing {
    pub target: TargetRef,
    pub facts: Option<Box<WorkloadFacts>>,
    read_at: Option<Moment>,
    pub verdict: RolloutVerdict,
    expect: Expectation,
    history: RolloutHistory,
}

#[derive(Debug)]
pub(super) struct Picture {
    pub standings: Vec<Standing>,
    /// Server and context, for words.
    place: String,
    logs: LogStore,
    /// What is out of reach beside the targets, such as their pods.
    pub limits: Vec<Preflight>,
    link: Option<Link>,
    /// When the cluster last said anything.
    heard_at: Option<Moment>,
    began_at: Moment,
}

impl Picture {
    /// - `settle_s`: seconds that pods must hold before a rollout counts as complete.
    /// - `place`: what the server is called in a message.
    pub fn new(targets: Vec<TargetRef>, settle_s: u32, place: String, now: Moment) -> Self {
        let expect = Expectation { settle_s, ..Expectation::watching() };
        let standing = |target| Standing {
            target,
            facts: None,
            read_at: None,
            verdict: RolloutVerdict::unknown(UNREAD, now.world),
            expect: expect.clone(),
            history: RolloutHistory::default(),
        };
        Self {
            standings: targets.into_iter().map(standing).collect(),
            place,
            logs: LogStore::new(LOG_BUDGET),
            limits: Vec::new(),
            link: None,
            heard_at: None,
            began_at: now,
        }
    }

    pub fn take(&mut self, observation: Observation, now: Moment) {
        match observation {
            Observation::Workload(facts) => {
                self.heard_at = Some(now);
                let is_silent = self.silence().is_some();
                let known = self.standings.iter_mut().find(|standing| standing.target == facts.target);
                if let Some(standing) = known {
                    standing.read(facts, now);
                    standing.judge(now.world);
                    if is_silent {
                        standing.history.lose_sight(now.world);
                    }
                }
            }
            Observation::Logs(batches) => {
                for batch in &batches {
                    self.logs.push(batch, now.wall);
                }
            }
            Observation::Link { system: System::Cluster, link } => {
                if link == Link::Live {
                    self.heard_at = Some(now);
                }
                let was_silent = self.silence().is_some();
                self.link = Some(link);
                self.name_silence(now);
                match self.silence() {
                    Some((since, _)) if !was_silent => self.fall_silent(since),
                    _ => self.judge(now),
                }
            }
            Observation::Link { .. } | Observation::Metric { .. } | Observation::Health(_) => {}
            Observation::Limit(line) => {
                self.limits.retain(|known| known.what != line.what);
                if line.outcome != PreflightOutcome::Fine {
                    self.limits.push(line);
                }
            }
        }
    }

    /// Says of what was never read why it was not.
    fn name_silence(&mut self, now: Moment) {
        let why = match self.silence() {
            Some((_, cause)) => format!("no answer from {}: {cause}", self.place),
            None => UNREAD.to_owned(),
        };
        for standing in self.standings.iter_mut().filter(|standing| standing.facts.is_none()) {
            if standing.verdict.field != why {
                standing.verdict = RolloutVerdict::unknown(why.clone(), now.world);
            }
        }
    }

    /// Judges again, because time has passed. What is silent is stale: time alone turns it neither
    /// green nor red.
    pub fn judge(&mut self, now: Moment) {
        if self.silence().is_none() {
            for standing in &mut self.standings {
                standing.judge(now.world);
            }
        }
    }

    /// Silence is noticed seconds after it began: what time alone decided since then is taken back.
    fn fall_silent(&mut self, since: Moment) {
        for standing in &mut self.standings {
            let last = standing.read_at.map_or(since.world, |at| at.world.max(since.world));
            standing.judge(last);
            standing.history.lose_sight(last);
        }
    }

    /// When a verdict may change without news.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.silence().is_some() {
            return None;
        }
        self.standings.iter().filter_map(|standing| standing.verdict.wake_at).min()
    }

    /// Since when the cluster says nothing, and why; `None` while it answers.
    pub fn silence(&self) -> Option<(Moment, &str)> {
        match self.link.as_ref()? {
            Link::Down { since, cause, .. } => Some((*since, cause)),
            Link::Live => None,
        }
    }

    /// Whether something was read of each target, if only that it may not be read.
    pub fn is_answered(&self) -> bool {
        self.standings.iter().all(|standing| standing.facts.is_some())
    }

    /// Whether what is said of a target was true once and may be no longer.
    pub fn is_stale(&self, standing: &Standing) -> bool {
        standing.facts.is_some() && self.silence().is_some()
    }

    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> + Clone {
        self.standings.iter().map(|standing| Outcome::of(standing.verdict.state, self.is_stale(standing)))
    }

    pub fn outcome(&self) -> Outcome {
        worst(self.outcomes())
    }

    pub fn is_decided(&self) -> bool {
        let resumes = self.standings.iter().map(|standing| standing.verdict.resumes_at.is_some());
        is_decided(self.outcomes().zip(resumes))
    }

    /// How old what is known of a target is, at most.
    pub fn age(&self, standing: &Standing, now: Moment) -> SignedDuration {
        let since = |at: Moment| now.wall.duration_since(at.wall).max(SignedDuration::ZERO);
        match (self.silence(), self.heard_at) {
            _ if standing.facts.is_none() => since(self.began_at),
            (Some((down, _)), _) => since(down),
            (None, Some(heard)) => since(heard).min(HEARTBEAT),
            (None, None) => since(self.began_at),
        }
    }

    /// The last words of the container in trouble, oldest first.
    pub fn last_lines(&self, standing: &Standing) -> Vec<String> {
        let Some(voice) = voice(standing) else { return Vec::new() };
        let rows = self.logs.last_words(voice.pod, voice.container, LAST_LINES);
        rows.into_iter().map(|row| row.text.into_owned()).collect()
    }

    /// Whether a container in trouble may have said something that has not come yet: all, or, as its
    /// death is known before its log is read, the words that tell why.
    pub fn lacks_last_lines(&self) -> bool {
        self.standings.iter().filter_map(voice).any(|Voice { pod, container, has_ended }| match has_ended {
            true => !self.logs.has_heard_end(pod, container),
            false => self.logs.last_of(pod, container, 1).is_empty(),
        })
    }
}

/// A container in trouble that has ever run.
struct Voice<'a> {
    pod: &'a str,
    /// None: any of the pod.
    container: Option<&'a str>,
    /// A life of it is over.
    has_ended: bool,
}

fn voice(standing: &Standing) -> Option<Voice<'_>> {
    let Trouble { pod: Some(pod), container, .. } = standing.verdict.trouble.as_ref()? else { return None };
    let facts = standing.facts.as_ref()?.pods.iter().find(|facts| facts.name == *pod)?;
    let meant = |facts: &&ContainerFacts| container.as_ref().is_none_or(|container| facts.name == *container);
    let has_ended = |facts: &ContainerFacts| {
        facts.last_end.is_some() || matches!(facts.state, ContainerState::Terminated(_))
    };
    let mut spoke = facts
        .containers
        .iter()
        .filter(meant)
        .filter(|facts| has_ended(facts) || !matches!(facts.state, ContainerState::Waiting { .. }));
    let first = spoke.next()?;
    let has_ended = has_ended(first) || spoke.any(has_ended);
    Some(Voice { pod, container: container.as_deref(), has_ended })
}

impl Standing {
    fn read(&mut self, facts: Box<WorkloadFacts>, now: Moment) {
        if self.expect.uid.is_none() && facts.unread.is_none() && !facts.gone {
            // From here on it is this very rollout of this very object that is asked about.
            self.expect.uid = Some(facts.uid.clone());
            self.expect.template = ExpectedTemplate::Unchanged { print: facts.template_print.clone() };
        }
        self.facts = Some(facts);
        self.read_at = Some(now);
    }

    fn judge(&mut self, at: Timestamp) {
        if let Some(facts) = &self.facts {
            self.verdict = judge(facts, &self.expect, &mut self.history, at);
        }
    }

    /// Whether the object was seen, so that its numbers are readings.
    pub fn is_there(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| !facts.gone && facts.unread.is_none())
    }

    /// Whether nothing is known yet, not even why.
    pub fn is_awaited(&self) -> bool {
        self.facts.is_none() && self.verdict.field == UNREAD
    }

    /// What a person reads first: Kubernetes' own words about the trouble, or else the deciding fact.
    pub fn message(&self) -> &str {
        let said = self.verdict.trouble.as_ref().map(|trouble| trouble.message.as_str());
        let said = said.filter(|said| !said.is_empty());
        said.or(self.verdict.warning.as_deref()).unwrap_or(&self.verdict.field)
    }
}

#[cfg(test)]
pub mod tests;
