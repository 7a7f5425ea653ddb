//! Our own engine in that world: watches, facts, judgement, as the cockpit runs them.

use std::time::Duration;

use gonogo::adapters::clock::Clock;
use gonogo::adapters::kube::KubeWorld;
use gonogo::release::WakeTime;
use gonogo::watch::rollout::{
    Expectation, ExpectedTemplate, RolloutHistory, RolloutState, RolloutVerdict, judge,
};
use gonogo::watch::{Observation, TargetRef, WorkloadFacts};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// What a person would wait for at most; only something that never comes takes this long.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// Units: world seconds.
const SETTLE_S: u32 = 2;

pub struct Watching {
    facts: Receiver<Observation>,
    cancel: CancellationToken,
    clock: Clock,
    expect: Expectation,
    history: RolloutHistory,
    last: Option<WorkloadFacts>,
    verdict: Option<RolloutVerdict>,
    /// States since our release began, repeats collapsed.
    path: Option<Vec<RolloutState>>,
    /// Each of them with its words, for a person who must find out why.
    words: Vec<String>,
}

impl Watching {
    pub async fn start(world: &World, target: TargetRef, stuck_after_s: u32) -> Self {
        let kube = KubeWorld::connect(&world.options).await.unwrap();
        let (out, facts) = channel(64);
        let cancel = CancellationToken::new();
        let clock = world.clock.clone();
        let told = clock.clone();
        kube.spawn_watches(vec![target], out, cancel.clone(), move || told.now());
        let expect = Expectation { settle_s: SETTLE_S, stuck_after_s, ..Expectation::watching() };
        let history = RolloutHistory::default();
        Self { facts, cancel, clock, expect, history, last: None, verdict: None, path: None, words: vec![] }
    }

    /// Our release changes the target now: what the cockpit expects from its first command on.
    pub fn release(&mut self, version: &str) {
        let facts = self.last.as_ref().expect("a release begins when its target is known");
        self.expect.uid = Some(facts.uid.clone());
        self.expect.started_at = Some(self.clock.now().world);
        let from = facts.template_print.clone();
        self.expect.template = ExpectedTemplate::Version { from, version: version.to_owned() };
        self.path = Some(Vec::new());
        self.words.clear();
        // What was said before the change answers no question about it.
        self.verdict = None;
    }

    pub async fn until(&mut self, wanted: RolloutState) -> Result<(), String> {
        let reached = timeout(PATIENCE, async {
            while self.verdict.as_ref().is_none_or(|verdict| verdict.state != wanted) {
                self.next().await;
            }
        });
        reached.await.map_err(|_| format!("never {}; {}", wanted.name(), self.told()))
    }

    pub async fn see(&mut self, what: &str, is_so: fn(&WorkloadFacts) -> bool) -> Result<(), String> {
        let reached = timeout(PATIENCE, async {
            while !self.last.as_ref().is_some_and(is_so) {
                self.next().await;
            }
        });
        reached.await.map_err(|_| format!("never saw {what}; {}", self.told()))
    }

    pub async fn hold(&mut self, lasting: Duration) {
        let end = Instant::now() + lasting;
        while timeout_at(end, self.next()).await.is_ok() {}
    }

    /// Waits for new facts, or for the moment at which the last verdict said that it may change, and
    /// for nothing else: a verdict that forgets to say so is found out here.
    pub async fn next(&mut self) {
        let wake = self.verdict.as_ref().and_then(|verdict| verdict.wake_at);
        let rest = wake.map_or(PATIENCE, |at| self.clock.wall_until(WakeTime::World(at)));
        if let Ok(news) = timeout(rest, self.facts.recv()).await {
            match news.expect("the watches end with their test, not before") {
                Observation::Workload(facts) => self.last = Some(*facts),
                _ => return,
            }
        }
        let Some(facts) = &self.last else { return };
        let verdict = judge(facts, &self.expect, &mut self.history, self.clock.now().world);
        if let Some(path) = &mut self.path
            && path.last() != Some(&verdict.state)
        {
            path.push(verdict.state);
            self.words.push(words(&verdict));
        }
        self.verdict = Some(verdict);
    }

    pub fn path(&self) -> &[RolloutState] {
        self.path.as_deref().unwrap_or_default()
    }

    pub fn facts(&self) -> Option<&WorkloadFacts> {
        self.last.as_ref()
    }

    pub fn verdict(&self) -> Option<&RolloutVerdict> {
        self.verdict.as_ref()
    }

    /// What went before, state by state.
    pub fn told(&self) -> String {
        let last = self.verdict.as_ref().map_or("nothing was judged".to_owned(), words);
        format!("{}; at last {last}", self.words.join("; "))
    }
}

fn words(verdict: &RolloutVerdict) -> String {
    let trouble = verdict.trouble.as_ref().map(|trouble| trouble.line()).unwrap_or_default();
    format!("{} ({} · {} · {trouble})", verdict.state.name(), verdict.decider, verdict.field)
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
