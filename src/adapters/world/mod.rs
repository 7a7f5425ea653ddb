//! Effects to tasks, tasks to news.
#![expect(clippy::disallowed_methods, reason = "this is where the tasks of a release are started")]

mod effects;
mod lock;
#[cfg(test)]
mod tests;
mod traffic;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::Clock;
use super::health::Health;
use super::kube::{ConnectOptions, KubeWorld};
use super::prometheus::PrometheusSettings;
use super::shell::{self, Shell, Stopper, Terminal};
use super::store::{self, Folder, Locks, ReadOnly, Writer, Written};
use super::{preflight, save};
use crate::journal::past::WorkloadPast;
use crate::journal::{ReadJournal, Record};
use crate::release::{
    Effect, Event, Exit, Fact, Failure, FailureKind, LockSight, LockStanding, Operator, Pin, ReleaseId, Run,
    StepResult, Template,
};
use crate::watch::{Need, Observation, OutputBatch, Preflight, System, TargetRef, TerminalScreen};
use crate::workflow::{BlockPrint, CommandId, Edition, Probe, Ruling, Secrets};
use lock::{Keeper, Keeping};

/// News that may wait for the loop. Log readers are held back when it is full, facts wait for a place.
const NEWS: usize = 1024;
/// Health is asked this often. Units: world time.
const HEALTH_EVERY: Duration = Duration::from_secs(10);
/// One answer of the health endpoint may take this long. Units: wall time.
const HEALTH_PATIENCE: Duration = Duration::from_secs(3);

/// What the world tells the loop.
#[derive(Debug)]
pub enum News {
    Fact(Box<Event>),
    Observed(Observation),
    /// The workloads of the namespace, to choose from.
    Offered(Vec<TargetRef>),
    Output(OutputBatch),
    /// What the terminal of a running command shows now.
    Screen {
        command: CommandId,
        attempt: u32,
        screen: TerminalScreen,
    },
    Probed {
        probe: Probe,
        pass: bool,
        value: String,
    },
    /// Whether this machine has what was looked for.
    Looked(Vec<(Need, bool)>),
    Preflight(Preflight),
    /// What past releases tell of the targets.
    Past(BTreeMap<TargetRef, WorkloadPast>),
    /// Who else holds the lock, before it is wanted.
    Lock(Box<LockSight>),
    Identity(String),
    /// The process was stopped and goes on: the terminal is no longer as it was left.
    Continued,
    /// What the rollback would change, from the latest test of the way back.
    Diff(Vec<String>),
    Written(Written),
    /// All that the journal of the release tells, as it was asked for.
    JournalRead(Box<ReadJournal>),
    /// What became of a file that was asked for.
    Told {
        text: String,
        is_refusal: bool,
    },
    DocumentChanged(Box<Edition>),
    Leave {
        why: String,
    },
    Drained,
}

/// What a world is made of.
#[derive(Debug)]
pub struct WorldSettings {
    pub clock: Clock,
    /// World seconds per wall second.
    pub speed: f64,
    pub targets: Vec<TargetRef>,
    /// `None`: no cluster is touched.
    pub cluster: Option<ConnectOptions>,
    pub prometheus: Option<PrometheusSettings>,
    pub health: Option<String>,
    /// Where files are written to.
    pub directory: PathBuf,
}

/// What a release needs beyond looking.
#[derive(Debug)]
pub struct Acting {
    pub shell: Shell,
    /// On top of gonogo's own environment, for git.
    pub child_env: Vec<(OsString, OsString)>,
    pub folder: Folder,
    /// Who acts here, and in which release: the lock is held in their name.
    pub me: Operator,
    pub release: ReleaseId,
    /// The document's own way back: no lock keeps it waiting.
    pub way_back: BTreeSet<CommandId>,
    /// The document where it lies on disk, and what of it the release runs.
    pub document: (Arc<dyn DocumentSource>, Edition),
    /// Programs that the workflow's commands call.
    pub tools: Vec<String>,
    /// Why part of the world is not reached at all, for the preflight.
    pub left_out: Vec<String>,
    /// How long running commands may take to end when the process leaves.
    pub patience: Duration,
    /// Nothing outside is changed, whatever the release asks for.
    pub read_only: bool,
}

/// A document on disk with everything that it calls.
pub trait DocumentSource: Send + Sync + std::fmt::Debug {
    /// Reads it anew; `None` while it cannot be read, and when it is still as it was.
    fn changed_since(&self, last: &Edition) -> Option<Edition>;
}

/// A document that lies nowhere does not change.
impl DocumentSource for () {
    fn changed_since(&self, _: &Edition) -> Option<Edition> {
        None
    }
}

/// The way to everything outside: takes effects, tells news.
#[derive(Debug)]
pub struct World {
    settings: Arc<WorldSettings>,
    acting: Option<Arc<Acting>>,
    keeper: Option<Arc<Keeper>>,
    writer: Option<Writer>,
    news: mpsc::Sender<News>,
    kube: watch::Sender<Option<KubeWorld>>,
    /// What is watched; without a release the operator may choose anew.
    chosen: watch::Sender<Vec<TargetRef>>,
    /// By target; read at the start, or back from the folder.
    templates: Arc<Mutex<BTreeMap<TargetRef, Template>>>,
    running: Arc<Mutex<BTreeMap<(CommandId, u32), Stopper>>>,
    /// The way in, of those that have a terminal.
    terminals: Arc<Mutex<BTreeMap<(CommandId, u32), Terminal>>>,
    reads: CancellationToken,
    tasks: TaskTracker,
}

impl World {
    /// Makes the channel of news; its sending end also belongs to the journal's thread.
    pub fn news() -> (mpsc::Sender<News>, mpsc::Receiver<News>) {
        mpsc::channel(NEWS)
    }

    /// A world in which a release acts.
    ///
    /// - `writer`: `None` for a view that changes nothing.
    /// - `pins`: known already when a release is resumed; their templates lie in its folder.
    pub fn new(
        settings: WorldSettings,
        acting: Acting,
        writer: Option<Writer>,
        news: mpsc::Sender<News>,
        pins: &[Pin],
    ) -> Self {
        let mut templates = BTreeMap::new();
        for (n, pin) in pins.iter().enumerate() {
            match acting.folder.template(n) {
                Ok(Some(template)) => {
                    templates.insert(pin.target.clone(), template);
                }
                Ok(None) => tracing::warn!(target = %pin.target, "the pinned template is not in the folder"),
                Err(error) => tracing::warn!(%error, "the pinned template cannot be read"),
            }
        }
        let watched = Self::watched(settings, news);
        let keeper = writer.is_some().then(|| Arc::new(watched.keeper(&acting)));
        let templates = Arc::new(Mutex::new(templates));
        Self { acting: Some(Arc::new(acting)), keeper, writer, templates, ..watched }
    }

    fn keeper(&self, acting: &Acting) -> Keeper {
        let cluster = self.settings.cluster.as_ref().and_then(|options| options.settle().ok());
        let cluster = cluster.map(|pinned| pinned.host).unwrap_or_default();
        Keeper::new(Keeping {
            clock: self.settings.clock.clone(),
            me: acting.me.clone(),
            release: acting.release.clone(),
            targets: self.settings.targets.clone(),
            kube: self.kube.subscribe(),
            files: Locks::new(acting.folder.state_dir(), &cluster),
            news: self.news.clone(),
        })
    }

    /// A world that is only looked at: nothing can be started in it. Without targets the namespace's
    /// workloads are told as [`News::Offered`].
    pub fn watched(settings: WorldSettings, news: mpsc::Sender<News>) -> Self {
        Self {
            chosen: watch::channel(settings.targets.clone()).0,
            settings: Arc::new(settings),
            acting: None,
            keeper: None,
            writer: None,
            news,
            kube: watch::channel(None).0,
            templates: Arc::new(Mutex::new(BTreeMap::new())),
            running: Arc::new(Mutex::new(BTreeMap::new())),
            terminals: Arc::new(Mutex::new(BTreeMap::new())),
            reads: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Starts all that is watched. Called after the first frame: nothing on the way to it waits.
    pub fn start(&self) {
        let settings = Arc::clone(&self.settings);
        let connecting = watching::connect(
            settings,
            self.kube.clone(),
            self.news.clone(),
            self.reads.clone(),
            self.chosen.subscribe(),
        );
        self.reading(connecting);
        if let Some(acting) = &self.acting {
            let (settings, settings_of_past) = (Arc::clone(&self.settings), Arc::clone(&self.settings));
            self.reading(preflight::run(settings, Arc::clone(acting), self.news.clone()));
            self.reading(watching::watch_document(Arc::clone(acting), self.news.clone()));
            self.reading(watching::remember(settings_of_past, Arc::clone(acting), self.news.clone()));
        }
        if let Some(keeper) = self.keeper.clone().filter(|_| !self.settings.targets.is_empty()) {
            self.reading(async move { keeper.run().await });
        }
        self.reading(watching::signals(self.news.clone()));
        let (observations, mut observed) = mpsc::channel(256);
        let news = self.news.clone();
        self.reading(async move {
            while let Some(observation) = observed.recv().await {
                tell(&news, News::Observed(observation)).await;
            }
        });
        let settings = Arc::clone(&self.settings);
        let metrics = watching::watch_metrics(
            settings,
            self.chosen.subscribe(),
            observations.clone(),
            self.reads.clone(),
        );
        self.reading(metrics);
        self.watch_health(&observations);
    }

    /// Watches these workloads instead of those before.
    pub fn watch(&self, targets: Vec<TargetRef>) {
        self.chosen.send_replace(targets);
    }

    fn watch_health(&self, out: &mpsc::Sender<Observation>) {
        let Some(url) = &self.settings.health else { return };
        match Health::new(url, HEALTH_EVERY, HEALTH_PATIENCE) {
            Ok(health) => {
                let (clock, speed) = (self.settings.clock.clone(), self.settings.speed);
                // A rehearsal asks no faster than four times a second: health is for people.
                let pause = move |world: Duration| world.div_f64(speed).max(Duration::from_millis(250));
                let watching = health.watch(move || clock.now(), pause, out.clone(), self.reads.clone());
                self.tasks.spawn(watching);
            }
            Err(error) => self.link_is_down(System::Health, error.to_string()),
        }
    }

    fn link_is_down(&self, system: System, cause: String) {
        let (news, link) = (self.news.clone(), watching::down(&self.settings, system, cause));
        self.tasks.spawn(async move { tell(&news, News::Observed(link)).await });
    }

    /// Hands a record to the journal's thread; answered by [`News::Written`].
    pub fn append(&self, seq: u64, event: Event, essential: bool) {
        if let Some(writer) = &self.writer {
            writer.append(vec![Record::new(seq, event)], essential);
        }
    }

    /// Starts what an effect asks for. Its answer comes as news.
    pub fn act(&self, effect: Effect, params: &BTreeMap<String, String>) {
        if effect.changes_outside()
            && let Some(why) = self.refusal()
        {
            return self.refuse(effect, why);
        }
        match effect {
            Effect::Run(run) => self.run(run, params.clone()),
            Effect::Stop { command, attempt } => {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(stopper) = running.get(&(command, attempt)) {
                    stopper.stop();
                }
            }
            Effect::Pin { targets, nginx } => self.pin(targets, nginx.map(|site| *site)),
            Effect::Arm { pins, routes } => self.arm(pins, routes),
            Effect::RollBack(patch) => self.roll_back(*patch),
            Effect::Reroute(reroute) => self.reroute(*reroute),
            Effect::Order(ordered) => self.order(*ordered),
            Effect::Lock(wanted) => self.lock(*wanted),
            Effect::KeepLock { why } => self.with_lock(|keeper| async move { keeper.keep(&why).await }),
            Effect::GiveLock { why } => self.with_lock(|keeper| async move { keeper.give(&why).await }),
            Effect::Sense { probe: Probe::TagPushed } => self.sense_tag(params),
            Effect::WakeAt { at, timer } => self.wake_at(at, timer),
            Effect::Remember { block, ruling } => self.remember(&block, ruling.as_ref()),
            // These are answered within the loop: from the model, and by the screen.
            Effect::Sense { probe: Probe::RolloutComplete }
            | Effect::PinBaseline { .. }
            | Effect::CountDown { .. }
            | Effect::FireByPolicy { .. }
            | Effect::RunAgain(_)
            | Effect::Ring => {}
        }
    }

    /// Looks for what a command needs, where that command would; answered by [`News::Looked`].
    pub fn look(&self, needs: Vec<Need>) {
        let (Some(acting), news) = (self.acting.clone(), self.news.clone()) else { return };
        self.reading(async move {
            let has = |need: &Need| match need {
                Need::Program(program) => acting.shell.find(program).is_some(),
                Need::File(path) => shell::input(path).is_ok(),
            };
            let found = needs.into_iter().map(|need| (need.clone(), has(&need))).collect();
            tell(&news, News::Looked(found)).await;
        });
    }

    /// Types into the terminal of a running command. What is typed is kept nowhere.
    pub fn type_in(&self, command: CommandId, attempt: u32, bytes: Vec<u8>) {
        let terminals = self.terminals.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = terminals.get(&(command, attempt)).is_none_or(|terminal| terminal.type_in(bytes));
        if !taken {
            let text = "the command reads nothing: what you typed was not taken".to_owned();
            let _ = self.news.try_send(News::Told { text, is_refusal: true });
        }
    }

    /// Tells the terminals of commands how large the pane is. Columns, rows.
    pub fn resize_terminals(&self, columns: u16, rows: u16) {
        if let Some(acting) = &self.acting {
            acting.shell.set_pane(columns, rows);
        }
        let terminals = self.terminals.lock().unwrap_or_else(PoisonError::into_inner);
        terminals.values().for_each(|terminal| terminal.resize(columns, rows));
    }

    /// Keeps what was said of a block for later releases. That it cannot be kept costs a question then.
    fn remember(&self, block: &BlockPrint, ruling: Option<&Ruling>) {
        let Some(acting) = &self.acting else { return };
        if let Err(error) = store::remember(acting.folder.state_dir(), block, ruling) {
            let text = format!("it holds for this release, and will be asked again: {error}");
            let _ = self.news.try_send(News::Told { text, is_refusal: true });
        }
    }

    /// Why nothing outside may be changed, if that is so.
    fn refusal(&self) -> Option<&'static str> {
        match &self.acting {
            None => Some("nothing is released here, only watched"),
            Some(acting) if acting.read_only => Some("read-only"),
            Some(_) => None,
        }
    }

    /// Answers an effect that is not started, so that the release can go on with what it may do.
    fn refuse(&self, effect: Effect, why: &str) {
        let fact = match effect {
            Effect::Run(Run { command, attempt, .. }) => {
                Fact::CommandEnded { command, attempt, exit: Exit::NotStarted(why.to_owned()), took_ms: 0 }
            }
            Effect::RollBack(patch) => not_started(patch.step, patch.attempt, why),
            Effect::Reroute(reroute) => not_started(reroute.step, reroute.attempt, why),
            Effect::Order(ordered) => {
                let failure = Failure { kind: FailureKind::Refused, summary: format!("not sent: {why}") };
                let result = StepResult::Failed(failure);
                Fact::RolloutOrderEnded { attempt: ordered.attempt, result }
            }
            Effect::Lock(_) => Fact::LockChanged { standing: LockStanding::Without { why: why.to_owned() } },
            // These change nothing outside.
            Effect::Stop { .. }
            | Effect::Pin { .. }
            | Effect::Arm { .. }
            | Effect::PinBaseline { .. }
            | Effect::KeepLock { .. }
            | Effect::GiveLock { .. }
            | Effect::Sense { .. }
            | Effect::WakeAt { .. }
            | Effect::CountDown { .. }
            | Effect::FireByPolicy { .. }
            | Effect::Remember { .. }
            | Effect::RunAgain(_)
            | Effect::Ring => return,
        };
        let (news, fact) = (self.news.clone(), fact_of(&self.settings.clock, fact));
        self.tasks.spawn(async move { tell(&news, fact).await });
    }

    /// Writes a new file (0600) into the directory of the release, or where a mere look at a cluster
    /// was started; an older one of that name stays.
    pub fn save(&self, name: String, bytes: Vec<u8>) {
        let (folder, news) = (self.settings.directory.clone(), self.news.clone());
        self.tasks.spawn(async move {
            let written = tokio::task::spawn_blocking(move || save::write_new(&folder, &name, &bytes)).await;
            let message = match written {
                Ok(Ok(path)) => {
                    News::Told { text: format!("written to {}", path.display()), is_refusal: false }
                }
                Ok(Err(error)) => News::Told { text: error.to_string(), is_refusal: true },
                // The panic was told by its hook.
                Err(_) => return,
            };
            tell(&news, message).await;
        });
    }

    /// Reads the journal of the release from its beginning, whoever writes it.
    pub fn read_journal(&self) {
        let Some(acting) = self.acting.clone() else { return };
        let news = self.news.clone();
        self.reading(async move {
            let read = move || ReadOnly::open(acting.folder.state_dir(), &acting.release);
            let message = match tokio::task::spawn_blocking(read).await {
                Ok(Ok((_, read))) => News::JournalRead(Box::new(read)),
                Ok(Err(error)) => News::Told { text: error.to_string(), is_refusal: true },
                // The panic was told by its hook.
                Err(_) => return,
            };
            tell(&news, message).await;
        });
    }

    /// A task that is dropped as soon as the process leaves.
    fn reading(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.reads.clone().run_until_cancelled_owned(task));
    }

    /// Puts secrets into the environment of the commands that start from here on.
    pub fn keep(&self, secrets: Secrets) {
        if let Some(acting) = &self.acting {
            acting.shell.keep(secrets);
        }
    }

    /// Drops all reads, gives running commands their time to end, then tells [`News::Drained`].
    pub fn drain(&self) {
        self.reads.cancel();
        self.tasks.close();
        let (acting, news, tasks) = (self.acting.clone(), self.news.clone(), self.tasks.clone());
        tokio::spawn(async move {
            if let Some(acting) = acting {
                acting.shell.shutdown(acting.patience).await;
                // A rollback patch on its way is not torn off either; its own timeouts bound it.
                let _ = tokio::time::timeout(acting.patience, tasks.wait()).await;
            }
            tell(&news, News::Drained).await;
        });
    }

    /// Waits for what the journal's thread still holds.
    pub fn close(mut self) {
        if let Some(writer) = self.writer.take() {
            writer.close();
        }
    }
}

fn not_started(step: usize, attempt: u32, why: &str) -> Fact {
    let failure = Failure { kind: FailureKind::Refused, summary: format!("not started: {why}") };
    Fact::RollbackStepEnded { step, attempt, result: StepResult::Failed(failure) }
}

pub(super) async fn tell(news: &mpsc::Sender<News>, message: News) {
    // Nobody listens any more once the loop has ended; then there is nobody to tell.
    let _ = news.send(message).await;
}

fn fact_of(clock: &Clock, fact: Fact) -> News {
    News::Fact(Box::new(Event { at: clock.now(), by: None, fact }))
}
