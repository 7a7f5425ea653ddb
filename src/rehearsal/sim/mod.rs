//! The practice world as data: no I/O, no clock. Time is an argument, chance comes from a seed.
//!
//! [`World::step`] lets everything happen that is due until a moment; the API's changes go through
//! the methods of [`change`]. What clients may see is published to [`store::Store`] after each single
//! change, so that a watcher sees the same intermediate states as on a real cluster.

mod admission;
mod autoscaler;
mod beginning;
pub mod change;
mod claim;
mod container;
mod daemonset;
mod defaults;
pub mod deployment;
mod dice;
mod disruption;
mod event;
pub mod flags;
mod hands;
mod health;
mod kind;
pub mod logs;
mod meta;
mod node;
mod pace;
pub mod pipeline;
mod pod;
mod progress;
mod publish;
mod quantity;
mod quota;
mod refusal;
pub mod removal;
mod render;
mod replica_set;
mod retry;
mod revision;
mod routes;
mod schedule;
mod statefulset;
pub mod store;
pub mod traffic;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::beginning::{FIRST_IMAGE, START_IMAGE};
use self::daemonset::DaemonSet;
use self::deployment::{Deployment, Pass, Step};
use self::dice::Dice;
use self::event::{Event, News};
use self::hands::Hands;
use self::pipeline::Run;
use self::pod::{Pod, Surroundings};
use self::replica_set::ReplicaSet;
use self::revision::Revision;
use self::statefulset::StatefulSet;
use self::store::{Key, Kind, Store};
use self::traffic::Traffic;
use super::scenario::{Fare, Scenario, behind_flag};

pub const NAMESPACE: &str = "shop";
pub const APPLICATION: &str = "app";
/// Rounds of "one changed, look again" before we call it a bug; a rollout needs a handful.
const MAX_ROUNDS: usize = 200;

/// Everything there is, in a form that is saved as it stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct World {
    now: Timestamp,
    scenario: Scenario,
    dice: Dice,
    deployments: Vec<Deployment>,
    replica_sets: Vec<ReplicaSet>,
    stateful_sets: Vec<StatefulSet>,
    daemon_sets: Vec<DaemonSet>,
    revisions: Vec<Revision>,
    pods: Vec<Pod>,
    /// Nodes that went, and when their pods will be missed.
    missed_nodes: BTreeMap<String, Timestamp>,
    /// When the autoscalers were looked at last.
    autoscaled: Timestamp,
    events: Vec<Event>,
    /// Node and image pairs that need no pulling.
    pulled: BTreeSet<String>,
    traffic: Traffic,
    runs: Vec<Run>,
    #[serde(default)]
    flag: flags::Flag,
    /// The outage of its scenario was played.
    outage_played: bool,
    store: Store,
}

/// A condition of a Deployment or a pod, as the API spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub kind: String,
    pub status: String,
    pub reason: String,
    pub message: String,
    pub updated: Timestamp,
    pub transitioned: Timestamp,
}

impl Condition {
    fn new(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Self {
        Self {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            updated: now,
            transitioned: now,
        }
    }
}

impl World {
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn scenario(&self) -> Scenario {
        self.scenario
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The shop's feature flag.
    pub fn flag(&mut self) -> &mut flags::Flag {
        &mut self.flag
    }

    /// The share of requests that the flag shows its feature, and how those fare.
    fn flagged(&self) -> (f64, Fare) {
        (self.flag.share(), behind_flag(self.scenario))
    }

    /// Namespace and name of the Deployment that pipelines deploy.
    pub fn first_deployment(&self) -> (String, String) {
        let first = self.deployments.first().map(|app| (app.meta.namespace.clone(), app.meta.name.clone()));
        first.unwrap_or_default()
    }

    /// After loading: watchers of the former process are gone, the new ones list anew.
    pub fn wake_up(&mut self) {
        self.store.forget_history();
    }

    /// Whether the API server is to go away now: once, in the middle of the first rollout.
    pub fn outage_is_due(&self) -> bool {
        let in_the_middle = |app: &Deployment| {
            let status = &app.status;
            let new_is_ready = app.new_set(&self.replica_sets).is_some_and(|set| set.status.ready > 0);
            new_is_ready && status.replicas > status.updated && status.observed_generation > 2
        };
        self.scenario == Scenario::Outage
            && !self.outage_played
            && self.deployments.first().is_some_and(in_the_middle)
    }

    pub fn note_outage(&mut self) {
        self.outage_played = true;
    }

    /// Watchers from before must list anew, as after a restart of the API server.
    pub fn forget_history(&mut self) {
        self.store.forget_history();
    }

    /// Lets all happen that is due until `to`. A moment in the past changes nothing.
    pub fn step(&mut self, to: Timestamp) {
        loop {
            // Asked before time goes on: some dues are over once their moment is the present.
            let (due, scrape) = (self.next_move(), self.traffic.next_scrape());
            let at = due.map_or(scrape, |due| due.min(scrape));
            if at > to {
                break;
            }
            self.now = self.now.max(at);
            self.fire(due.is_some_and(|due| due <= at));
        }
        self.now = self.now.max(to);
    }

    /// When something will happen by itself: a move in the cluster or a scrape.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.next_move().into_iter().chain([self.traffic.next_scrape()]).min()
    }

    fn next_move(&self) -> Option<Timestamp> {
        let pods = self.pods.iter().filter_map(Pod::next_due);
        let sets = self.replica_sets.iter().filter_map(|set| set.next_due(&self.pods, self.now));
        let stateful = self.stateful_sets.iter().filter_map(|set| set.next_due(&self.pods, self.now));
        let daemons = self.daemon_sets.iter().filter_map(|set| set.next_due(&self.pods, self.now));
        let deployments = self.deployments.iter().flat_map(|deployment| {
            // The deadline is exceeded after its second, not in it.
            let deadline = deployment.times_out_at().map(|at| after(at, 1.0));
            [deployment.look_at, deadline.filter(|at| *at > self.now)]
        });
        let runs = self.runs.iter().filter_map(Run::next_due);
        let rare = [removal::next_missed(&self.missed_nodes), self.next_autoscaling()];
        let owners = sets.chain(stateful).chain(daemons).chain(deployments.flatten());
        pods.chain(owners).chain(runs).chain(rare.into_iter().flatten()).min()
    }

    /// Lets happen what is due now: a scrape, and moves in the cluster when there are any.
    fn fire(&mut self, moves: bool) {
        if self.traffic.next_scrape() <= self.now {
            let shares = routes::shares(&self.store, &self.pods);
            let flagged = self.flagged();
            self.traffic.scrape(self.scenario, &self.pods, shares.as_ref(), flagged, self.now);
            for gone in event::expire(&mut self.events, self.now) {
                self.store.remove(&key(Kind::Event, &gone.namespace, &gone.name));
            }
        }
        if !moves {
            return;
        }
        self.finish_runs();
        self.miss_nodes();
        self.autoscale();
        self.schedule();
        let mut news = Vec::new();
        let mut around = Surroundings {
            scenario: self.scenario,
            now: self.now,
            pulled: &mut self.pulled,
            news: &mut news,
        };
        for pod in &mut self.pods {
            if pod.next_due().is_some_and(|due| due <= around.now) {
                pod.advance(&mut around);
            }
        }
        self.tell(news);
        self.remove_gone_pods();
        self.settle();
    }

    /// Runs the controllers until none has anything to do, publishing after each change.
    fn settle(&mut self) {
        self.publish();
        for _ in 0..MAX_ROUNDS {
            if !self.run_controllers() {
                return;
            }
            self.publish();
        }
        tracing::error!("the practice controllers did not settle; the world goes on");
    }

    fn run_controllers(&mut self) -> bool {
        let mut changed = self.taint_nodes();
        changed |= self.collect_garbage() | self.claim();
        changed |= self.schedule() | self.keep_pods();
        if !changed {
            changed = self.roll_out();
        }
        changed | quota::refresh(&mut self.store, &self.pods) | self.refresh_budgets()
    }

    /// What makes pods: ReplicaSets, StatefulSets and DaemonSets.
    fn keep_pods(&mut self) -> bool {
        let mut news = Vec::new();
        let mut changed = false;
        let mut hands = Hands {
            now: self.now,
            scenario: self.scenario,
            store: &mut self.store,
            pods: &mut self.pods,
            dice: &mut self.dice,
            news: &mut news,
            pulled: &mut self.pulled,
        };
        for set in &mut self.replica_sets {
            changed |= set.keep_replicas(&mut hands);
            changed |= set.count(hands.pods, hands.now);
        }
        for set in &mut self.stateful_sets {
            changed |= set.sync(&mut self.revisions, &mut hands);
        }
        for set in &mut self.daemon_sets {
            changed |= set.sync(&mut self.revisions, &mut hands);
        }
        self.tell(news);
        changed
    }

    /// What moves ReplicaSets: Deployments, one step of one of them.
    fn roll_out(&mut self) -> bool {
        for index in 0..self.deployments.len() {
            if self.deployments[index].look_at.is_some_and(|at| at > self.now) {
                continue;
            }
            self.deployments[index].look_at = None;
            match self.pass(index, Deployment::sync) {
                Step::Settled => {}
                Step::Changed => return true,
                Step::Made => {
                    self.publish();
                    self.pass(index, Deployment::sync_status);
                    return true;
                }
            }
        }
        false
    }

    fn pass(&mut self, index: usize, work: fn(&mut Deployment, &mut Pass<'_>) -> Step) -> Step {
        let mut news = Vec::new();
        let mut pass =
            Pass { now: self.now, sets: &mut self.replica_sets, news: &mut news, dice: &mut self.dice };
        let step = work(&mut self.deployments[index], &mut pass);
        self.tell(news);
        step
    }

    fn taint_nodes(&mut self) -> bool {
        let before = self.store.version();
        let nodes: Vec<_> =
            self.store.list(Kind::Node, "").map(|(key, node)| (key.clone(), node::tainted(node))).collect();
        for (key, node) in nodes {
            self.store.publish(key, node);
        }
        self.store.version() != before
    }

    fn tell(&mut self, news: Vec<News>) {
        for one in news {
            let uid = self.dice.uid();
            event::record(&mut self.events, one, self.now, uid);
        }
    }
}

pub fn key(kind: Kind, namespace: &str, name: &str) -> Key {
    Key { kind, namespace: namespace.into(), name: name.into() }
}

/// `seconds` behind `at`. The practice world never gets near the ends of time.
fn after(at: Timestamp, seconds: f64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs_f64(seconds)).unwrap_or(at)
}

/// A time as Kubernetes objects carry it: whole seconds.
fn seconds(at: Timestamp) -> String {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    whole.to_string()
}
