//! Effects to tasks, tasks to news.
#![expect(clippy::disallowed_methods, reason = "this is where the tasks of a release are started")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::Clock;
use super::health::Health;
use super::kube::{Cause, ConnectOptions, Fired, KubeError, KubeWorld};
use super::prometheus::{Prometheus, PrometheusSettings};
use super::shell::{self, Shell, Stopper};
use super::store::{Folder, Writer, Written};
use super::{git, preflight, save};
use crate::journal::Record;
use crate::release::{
    Effect, Event, Exit, Fact, Failure, FailureKind, PatchBack, Pin, RolloutOrdered, Run, StepResult,
    Template, Timer, WakeTime, has_way_back,
};
use crate::watch::{Link, Moment, Observation, OutputBatch, OutputLine, Preflight, System, TargetRef};
use crate::workflow::{CommandId, Probe};

/// News that may wait for the loop. Log readers are held back when it is full, facts wait for a place.
const NEWS: usize = 1024;
/// A cluster that could not be connected to is tried again after this long. Units: wall time.
const RECONNECT: Duration = Duration::from_secs(5);
/// The document on disk is looked at this often: editors rename on saving, so it is read anew each time.
const DOCUMENT: Duration = Duration::from_secs(1);
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
    Probed {
        probe: Probe,
        pass: bool,
        value: String,
    },
    Preflight(Preflight),
    Identity(String),
    /// The process was stopped and goes on: the terminal is no longer as it was left.
    Continued,
    /// What the rollback would change, from the latest test of the way back.
    Diff(Vec<String>),
    Written(Written),
    /// What became of a file that was asked for.
    Told {
        text: String,
        is_refusal: bool,
    },
    DocumentChanged {
        differs: bool,
    },
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
    /// The document as it lies on disk, and what its bytes were at the start.
    pub document: (PathBuf, Vec<u8>),
    /// Programs that the workflow's commands call.
    pub tools: Vec<String>,
    /// Why part of the world is not reached at all, for the preflight.
    pub left_out: Vec<String>,
    /// How long running commands may take to end when the process leaves.
    pub patience: Duration,
    /// Nothing outside is changed, whatever the release asks for.
    pub read_only: bool,
}

/// The way to everything outside: takes effects, tells news.
#[derive(Debug)]
pub struct World {
    settings: Arc<WorldSettings>,
    acting: Option<Arc<Acting>>,
    writer: Option<Writer>,
    news: mpsc::Sender<News>,
    kube: watch::Sender<Option<KubeWorld>>,
    /// What is watched; without a release the operator may choose anew.
    chosen: watch::Sender<Vec<TargetRef>>,
    /// By target; read at the start, or back from the folder.
    templates: Arc<Mutex<BTreeMap<TargetRef, Template>>>,
    running: Arc<Mutex<BTreeMap<(CommandId, u32), Stopper>>>,
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
        let acting = Some(Arc::new(acting));
        Self { acting, writer, templates: Arc::new(Mutex::new(templates)), ..Self::watched(settings, news) }
    }

    /// A world that is only looked at: nothing can be started in it. Without targets the namespace's
    /// workloads are told as [`News::Offered`].
    pub fn watched(settings: WorldSettings, news: mpsc::Sender<News>) -> Self {
        Self {
            chosen: watch::channel(settings.targets.clone()).0,
            settings: Arc::new(settings),
            acting: None,
            writer: None,
            news,
            kube: watch::channel(None).0,
            templates: Arc::new(Mutex::new(BTreeMap::new())),
            running: Arc::new(Mutex::new(BTreeMap::new())),
            reads: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Starts all that is watched. Called after the first frame: nothing on the way to it waits.
    pub fn start(&self) {
        let settings = Arc::clone(&self.settings);
        let connecting = connect(
            settings,
            self.kube.clone(),
            self.news.clone(),
            self.reads.clone(),
            self.chosen.subscribe(),
        );
        self.reading(connecting);
        if let Some(acting) = &self.acting {
            let settings = Arc::clone(&self.settings);
            self.reading(preflight::run(settings, Arc::clone(acting), self.news.clone()));
            self.reading(watch_document(Arc::clone(acting), self.news.clone()));
        }
        self.reading(signals(self.news.clone()));
        let (observations, mut observed) = mpsc::channel(256);
        let news = self.news.clone();
        self.reading(async move {
            while let Some(observation) = observed.recv().await {
                tell(&news, News::Observed(observation)).await;
            }
        });
        let settings = Arc::clone(&self.settings);
        let metrics =
            watch_metrics(settings, self.chosen.subscribe(), observations.clone(), self.reads.clone());
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
        let (news, link) = (self.news.clone(), down(&self.settings, system, cause));
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
            Effect::Pin { targets } => self.pin(targets),
            Effect::Arm { pins } => self.arm(pins),
            Effect::RollBack(patch) => self.roll_back(*patch),
            Effect::Order(ordered) => self.order(*ordered),
            Effect::Sense { probe: Probe::TagPushed } => self.sense_tag(params),
            Effect::WakeAt { at, timer } => self.wake_at(at, timer),
            // Both are answered within the loop: from the model, and by the screen.
            Effect::Sense { probe: Probe::RolloutComplete } | Effect::PinBaseline { .. } | Effect::Ring => {}
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
            Effect::RollBack(patch) => {
                let failure = Failure { kind: FailureKind::Refused, summary: format!("not started: {why}") };
                let PatchBack { step, attempt, .. } = *patch;
                Fact::RollbackStepEnded { step, attempt, result: StepResult::Failed(failure) }
            }
            Effect::Order(ordered) => {
                let failure = Failure { kind: FailureKind::Refused, summary: format!("not sent: {why}") };
                let result = StepResult::Failed(failure);
                Fact::RolloutOrderEnded { attempt: ordered.attempt, result }
            }
            // These change nothing outside.
            Effect::Stop { .. }
            | Effect::Pin { .. }
            | Effect::Arm { .. }
            | Effect::PinBaseline { .. }
            | Effect::Sense { .. }
            | Effect::WakeAt { .. }
            | Effect::Ring => return,
        };
        let (news, fact) = (self.news.clone(), fact_of(&self.settings.clock, fact));
        self.tasks.spawn(async move { tell(&news, fact).await });
    }

    fn run(&self, run: Run, params: BTreeMap<String, String>) {
        let Some(acting) = self.acting.clone() else { return };
        let settings = Arc::clone(&self.settings);
        let (news, running) = (self.news.clone(), Arc::clone(&self.running));
        self.tasks.spawn(async move {
            let clock = &settings.clock;
            let (command, attempt) = (run.command.clone(), run.attempt);
            let output = acting.folder.output_path(&command, attempt);
            let mut started = match acting.shell.start(&run, &params, Some(&output)).await {
                Ok(started) => started,
                Err(error) => {
                    let exit = Exit::NotStarted(error.to_string());
                    let fact = Fact::CommandEnded { command, attempt, exit, took_ms: 0 };
                    return tell(&news, fact_of(clock, fact)).await;
                }
            };
            let key = (command.clone(), attempt);
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key.clone(), started.stopper.clone());
            let shell::Spawned { pid, start_time } = started.spawned;
            tell(&news, fact_of(clock, Fact::CommandSpawned { command, attempt, pid, start_time })).await;
            while let Some(message) = started.news.recv().await {
                match message {
                    shell::News::Output(batch) => tell(&news, News::Output(output_of(batch))).await,
                    shell::News::Ended(ended) => {
                        if let Some(problem) = &ended.file_problem {
                            tracing::warn!(%problem, "the output file is not whole");
                        }
                        let shell::Ended { command, attempt, exit, took_ms, .. } = *ended;
                        let fact = Fact::CommandEnded { command, attempt, exit, took_ms };
                        tell(&news, fact_of(clock, fact)).await;
                    }
                }
            }
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        });
    }

    fn pin(&self, targets: Vec<TargetRef>) {
        let (Some(kube), Some(acting)) = (self.kube.borrow().clone(), self.acting.clone()) else { return };
        let (settings, news, templates) =
            (Arc::clone(&self.settings), self.news.clone(), Arc::clone(&self.templates));
        self.reading(async move {
            let mut pins = Vec::new();
            let mut unpinned = Vec::new();
            for target in targets.iter().filter(|target| has_way_back(target)) {
                match kube.pin(target, settings.clock.now().world).await {
                    Ok((pin, template)) => {
                        // By the place among the pins: so it is found again when a release is resumed.
                        if let Err(error) = acting.folder.save_template(pins.len(), &template) {
                            tracing::warn!(%error, "the pinned template cannot be kept beside the journal");
                        }
                        templates
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .insert(target.clone(), template);
                        pins.push(pin);
                    }
                    // One that cannot be had keeps no other from being covered.
                    Err(error) if matches!(error.cause(), Some(Cause::NotFound | Cause::Forbidden)) => {
                        unpinned.push(format!("{target} is not covered: {error}"));
                    }
                    Err(error) => {
                        let line = Preflight::limited("rollback", error.to_string());
                        return tell(&news, News::Preflight(line)).await;
                    }
                }
            }
            if pins.is_empty() {
                let line = Preflight::limited("rollback", unpinned.join("; "));
                return tell(&news, News::Preflight(line)).await;
            }
            let images: Vec<&str> = pins.iter().map(Pin::image).collect();
            let pinned = format!("pinned {} as known good", images.join(", "));
            let line = match unpinned.is_empty() {
                true => Preflight::fine("rollback", pinned),
                false => Preflight::limited("rollback", format!("{pinned}; {}", unpinned.join("; "))),
            };
            tell(&news, News::Preflight(line)).await;
            tell(&news, fact_of(&settings.clock, Fact::Pinned { pins })).await;
        });
    }

    fn arm(&self, pins: Vec<Pin>) {
        let Some(kube) = self.kube.borrow().clone() else { return };
        let (clock, news, templates) =
            (self.settings.clock.clone(), self.news.clone(), Arc::clone(&self.templates));
        self.reading(async move {
            let (mut findings, mut diff) = (Vec::new(), Vec::new());
            for pin in &pins {
                let Some(template) = template_of(&templates, &pin.target) else {
                    tracing::warn!(target = %pin.target, "no template to test the way back with");
                    return;
                };
                match kube.arm(pin, &template).await {
                    Ok(tested) => {
                        findings.extend(tested.findings);
                        diff.extend(tested.diff);
                    }
                    // Nothing is concluded from silence: the age of the last test says it.
                    Err(error) => {
                        tracing::warn!(%error, "the way back could not be tested");
                        return;
                    }
                }
            }
            tell(&news, News::Diff(diff)).await;
            tell(&news, fact_of(&clock, Fact::Armed { findings })).await;
        });
    }

    fn order(&self, ordered: RolloutOrdered) {
        let kube = self.kube.borrow().clone();
        let (clock, news) = (self.settings.clock.clone(), self.news.clone());
        self.tasks.spawn(async move {
            let result = match kube {
                Some(kube) => match kube.order(&ordered).await {
                    Ok(Some(took_ms)) => StepResult::Accepted { took_ms },
                    Ok(None) => StepResult::AlreadyThere,
                    Err(error) => StepResult::Failed(failure_of(&error)),
                },
                None => StepResult::Failed(Failure {
                    kind: FailureKind::Unreachable,
                    summary: "the cluster was never reached".to_owned(),
                }),
            };
            let attempt = ordered.attempt;
            tell(&news, fact_of(&clock, Fact::RolloutOrderEnded { attempt, result })).await;
        });
    }

    fn roll_back(&self, patch: PatchBack) {
        let kube = self.kube.borrow().clone();
        let (clock, news, templates) =
            (self.settings.clock.clone(), self.news.clone(), Arc::clone(&self.templates));
        self.tasks.spawn(async move {
            let PatchBack { step, attempt, pin, shown } = patch;
            let result = match (kube, template_of(&templates, &pin.target)) {
                (Some(kube), Some(template)) => {
                    let shown = shown.as_ref().map(|shown| shown.template_print.as_str());
                    match kube.fire(&pin, &template, shown).await {
                        Ok(Fired::Accepted { took_ms, .. }) => StepResult::Accepted { took_ms },
                        Ok(Fired::AlreadyThere) => StepResult::AlreadyThere,
                        Err(error) => StepResult::Failed(failure_of(&error)),
                    }
                }
                (None, _) => StepResult::Failed(Failure {
                    kind: FailureKind::Unreachable,
                    summary: "the cluster has not been reached yet".to_owned(),
                }),
                (_, None) => StepResult::Failed(Failure {
                    kind: FailureKind::Rejected,
                    summary: format!("the pinned template of {} is lost", pin.target),
                }),
            };
            tell(&news, fact_of(&clock, Fact::RollbackStepEnded { step, attempt, result })).await;
        });
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

    fn sense_tag(&self, params: &BTreeMap<String, String>) {
        let Some(tag) = params.get("VERSION").cloned() else { return };
        let Some(acting) = self.acting.clone() else { return };
        let (settings, news) = (Arc::clone(&self.settings), self.news.clone());
        self.reading(async move {
            let (pass, value) = match git::remote_has_tag(&settings.directory, &tag, &acting.child_env).await
            {
                Ok(true) => (true, format!("{tag} is on the remote")),
                Ok(false) => (false, format!("{tag} is not on the remote")),
                Err(error) => (false, error.to_string()),
            };
            tell(&news, News::Probed { probe: Probe::TagPushed, pass, value }).await;
        });
    }

    fn wake_at(&self, at: WakeTime, timer: Timer) {
        let (clock, news) = (self.settings.clock.clone(), self.news.clone());
        self.reading(async move {
            loop {
                let wait = clock.wall_until(at);
                if wait.is_zero() {
                    break;
                }
                tokio::time::sleep(wait).await;
            }
            tell(&news, fact_of(&clock, Fact::Woke { timer })).await;
        });
    }

    /// A task that is dropped as soon as the process leaves.
    fn reading(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.reads.clone().run_until_cancelled_owned(task));
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

pub(super) async fn tell(news: &mpsc::Sender<News>, message: News) {
    // Nobody listens any more once the loop has ended; then there is nobody to tell.
    let _ = news.send(message).await;
}

fn fact_of(clock: &Clock, fact: Fact) -> News {
    News::Fact(Box::new(Event { at: clock.now(), by: None, fact }))
}

fn template_of(templates: &Mutex<BTreeMap<TargetRef, Template>>, target: &TargetRef) -> Option<Template> {
    templates.lock().unwrap_or_else(PoisonError::into_inner).get(target).cloned()
}

fn output_of(batch: shell::OutputBatch) -> OutputBatch {
    let line = |line: shell::OutputLine| OutputLine {
        is_stderr: line.stream == shell::Stream::Err,
        text: line.text.into_string(),
    };
    OutputBatch {
        command: batch.command,
        attempt: batch.attempt,
        lines: batch.lines.into_iter().map(line).collect(),
        cut: batch.dropped,
    }
}

fn failure_of(error: &KubeError) -> Failure {
    let kind = match error {
        KubeError::Changed { .. } => FailureKind::Changed,
        KubeError::NotNow { .. } => FailureKind::Refused,
        _ => match error.cause() {
            Some(cause) if cause.is_unreachable() => FailureKind::Unreachable,
            // Whether it arrived is not known; sending it again is harmless.
            Some(Cause::TimedOut | Cause::Broken | Cause::Busy | Cause::Server) => FailureKind::TimedOut,
            Some(Cause::Unauthorized | Cause::Forbidden) => FailureKind::Refused,
            _ => FailureKind::Rejected,
        },
    };
    Failure { kind, summary: error.to_string() }
}

/// Connects, and goes on trying: a cluster that is away at the start may come.
async fn connect(
    settings: Arc<WorldSettings>,
    slot: watch::Sender<Option<KubeWorld>>,
    news: mpsc::Sender<News>,
    reads: CancellationToken,
    chosen: watch::Receiver<Vec<TargetRef>>,
) {
    let Some(options) = &settings.cluster else { return };
    let kube = loop {
        match KubeWorld::connect(options).await {
            Ok(kube) => break kube,
            Err(error) => {
                tell_silence(&settings, &news, &error).await;
                tokio::time::sleep(RECONNECT).await;
            }
        }
    };
    slot.send_replace(Some(kube.clone()));
    let (observations, mut observed) = mpsc::channel(256);
    let watching = follow(Arc::clone(&settings), kube.clone(), chosen, observations, reads);
    let forward = news.clone();
    let forwarding = async move {
        while let Some(observation) = observed.recv().await {
            tell(&forward, News::Observed(observation)).await;
        }
    };
    let asking = async {
        match kube.identity().await {
            Ok(identity) if !identity.is_empty() => tell(&news, News::Identity(identity)).await,
            Ok(_) => {}
            Err(error) => tracing::info!(%error, "the cluster does not say who we are"),
        }
    };
    let offering = async {
        if settings.targets.is_empty() {
            offer(&settings, &kube, &news).await;
        }
    };
    let permissions = async {
        for line in kube.access(&settings.targets).await {
            tell(&news, News::Preflight(line)).await;
        }
    };
    tokio::join!(watching, forwarding, asking, offering, permissions);
}

fn down(settings: &WorldSettings, system: System, cause: String) -> Observation {
    let link = Link::Down { since: settings.clock.now(), cause, retry_at: None };
    Observation::Link { system, link }
}

async fn tell_silence(settings: &WorldSettings, news: &mpsc::Sender<News>, error: &KubeError) {
    tell(news, News::Observed(down(settings, System::Cluster, error.to_string()))).await;
}

/// Watches what is chosen, and begins anew with each choice.
async fn follow(
    settings: Arc<WorldSettings>,
    kube: KubeWorld,
    mut chosen: watch::Receiver<Vec<TargetRef>>,
    out: mpsc::Sender<Observation>,
    reads: CancellationToken,
) {
    loop {
        let targets = chosen.borrow_and_update().clone();
        let (cancel, clock) = (reads.child_token(), settings.clock.clone());
        let watching = (!targets.is_empty()).then(|| {
            kube.spawn_watches(targets, out.clone(), cancel.clone(), move || -> Moment { clock.now() })
        });
        if chosen.changed().await.is_err() {
            return;
        }
        cancel.cancel();
        if let Some(watching) = watching {
            watching.wait().await;
        }
    }
}

/// Tells the workloads of the namespace, once they can be listed.
async fn offer(settings: &WorldSettings, kube: &KubeWorld, news: &mpsc::Sender<News>) {
    loop {
        match kube.workloads(&kube.pinned().namespace).await {
            Ok(workloads) => {
                let link = Observation::Link { system: System::Cluster, link: Link::Live };
                tell(news, News::Observed(link)).await;
                return tell(news, News::Offered(workloads)).await;
            }
            Err(error) => tell_silence(settings, news, &error).await,
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Reads the metrics of the first workload that is watched.
async fn watch_metrics(
    settings: Arc<WorldSettings>,
    mut chosen: watch::Receiver<Vec<TargetRef>>,
    out: mpsc::Sender<Observation>,
    reads: CancellationToken,
) {
    let Some(prometheus) = &settings.prometheus else { return };
    loop {
        let cancel = reads.child_token();
        let first = chosen.borrow_and_update().first().cloned();
        let reading = async {
            let Some(target) = first else { return };
            match Prometheus::new(prometheus, &target.namespace, &target.name) {
                Ok(prometheus) => {
                    let (clock, speed) = (settings.clock.clone(), settings.speed);
                    let pause = move |world: Duration| world.div_f64(speed);
                    prometheus.watch(move || clock.now(), pause, out.clone(), cancel.clone()).await;
                }
                Err(error) => {
                    // Nobody listens any more once the loop has ended.
                    let _ = out.send(down(&settings, System::Metrics, error.to_string())).await;
                }
            }
        };
        let choosing = async {
            reading.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = choosing => {}
            changed = chosen.changed() => {
                cancel.cancel();
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Notices that the document was edited while its release runs.
async fn watch_document(acting: Arc<Acting>, news: mpsc::Sender<News>) {
    let (path, started_with) = &acting.document;
    let mut differed = false;
    loop {
        tokio::time::sleep(DOCUMENT).await;
        // While an editor saves, the file may be missing for a moment: that is no difference yet.
        let Ok(bytes) = tokio::fs::read(path).await else { continue };
        let differs = bytes != *started_with;
        if differs != differed {
            differed = differs;
            tell(&news, News::DocumentChanged { differs }).await;
        }
    }
}

async fn signals(news: mpsc::Sender<News>) {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).ok();
    let (mut hangup, mut terminate, mut interrupt) =
        (listen(SignalKind::hangup()), listen(SignalKind::terminate()), listen(SignalKind::interrupt()));
    let mut resumed = listen(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()));
    async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
        match signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
    loop {
        let why = tokio::select! {
            () = next(&mut hangup) => "the terminal hung up",
            () = next(&mut terminate) => "asked to terminate",
            () = next(&mut interrupt) => "interrupted",
            () = next(&mut resumed) => {
                tell(&news, News::Continued).await;
                continue;
            }
        };
        return tell(&news, News::Leave { why: why.to_owned() }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::Store;
    use crate::release::ReleaseId;
    use crate::workflow::Kind;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn settings() -> WorldSettings {
        WorldSettings {
            clock: Clock::real(),
            speed: 1.0,
            targets: Vec::new(),
            cluster: None,
            prometheus: None,
            health: None,
            directory: std::env::temp_dir(),
        }
    }

    /// A world in which a release acts, and what it tells.
    fn acting(home: &std::path::Path, read_only: bool) -> (World, mpsc::Receiver<News>) {
        let store = Store::create(home, &ReleaseId("r".to_owned()), b"").unwrap();
        let acting = Acting {
            shell: Shell::new(std::env::vars_os()),
            child_env: Vec::new(),
            folder: store.folder().clone(),
            document: (home.join("release.md"), Vec::new()),
            tools: Vec::new(),
            left_out: Vec::new(),
            patience: Duration::from_secs(1),
            read_only,
        };
        let (sender, news) = World::news();
        (World::new(settings(), acting, None, sender, &[]), news)
    }

    fn touching(mark: &std::path::Path) -> Effect {
        Effect::Run(Run {
            command: CommandId::from("step/command-1"),
            attempt: 3,
            text: format!("touch '{}'", mark.display()),
            choice: None,
            edited: false,
            shell: Shell::command_line(),
            directory: std::env::temp_dir().display().to_string(),
            env: Vec::new(),
            context: None,
            namespace: None,
        })
    }

    fn patch_back() -> Effect {
        let target = TargetRef {
            kind: Kind::Deployment,
            namespace: "shop".into(),
            name: "app".into(),
            container: None,
        };
        let pin = Pin {
            target,
            uid: "uid".into(),
            at: Clock::real().now().world,
            revision: Some(7),
            replica_set: "app-7".into(),
            template_hash: "7".into(),
            template_print: "print".into(),
            images: Vec::new(),
            digests: Vec::new(),
            replicas: 4,
        };
        Effect::RollBack(Box::new(PatchBack { step: 1, attempt: 2, pin, shown: None }))
    }

    async fn told(news: &mut mpsc::Receiver<News>) -> Fact {
        let fact = async {
            loop {
                if let Some(News::Fact(event)) = news.recv().await {
                    return event.fact;
                }
            }
        };
        tokio::time::timeout(PATIENCE, fact).await.expect("every effect is answered")
    }

    #[tokio::test]
    async fn a_read_only_world_starts_no_command_and_says_so_of_that_very_attempt() {
        let home = tempfile::tempdir().unwrap();
        let (world, mut news) = acting(home.path(), true);
        let mark = home.path().join("mark");
        world.act(touching(&mark), &BTreeMap::new());
        let Fact::CommandEnded { command, attempt, exit, .. } = told(&mut news).await else {
            panic!("a command is answered by its end")
        };
        assert_eq!((command, attempt), (CommandId::from("step/command-1"), 3));
        assert_eq!(exit.to_string(), "not started: read-only");
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn a_read_only_world_sends_no_rollback() {
        let home = tempfile::tempdir().unwrap();
        let (world, mut news) = acting(home.path(), true);
        world.act(patch_back(), &BTreeMap::new());
        let Fact::RollbackStepEnded { step, attempt, result: StepResult::Failed(failure) } =
            told(&mut news).await
        else {
            panic!("a step of the rollback is answered by its end")
        };
        assert_eq!((step, attempt), (1, 2));
        assert_eq!(
            (failure.kind, failure.summary.as_str()),
            (FailureKind::Refused, "not started: read-only")
        );
    }

    #[tokio::test]
    async fn what_is_only_watched_has_nothing_to_start_anything_with() {
        let home = tempfile::tempdir().unwrap();
        let (sender, mut news) = World::news();
        let world = World::watched(settings(), sender);
        let mark = home.path().join("mark");
        world.act(touching(&mark), &BTreeMap::new());
        let Fact::CommandEnded { exit, .. } = told(&mut news).await else { panic!("it is answered") };
        assert_eq!(exit.to_string(), "not started: nothing is released here, only watched");
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn without_the_flag_the_same_command_runs() {
        let home = tempfile::tempdir().unwrap();
        let (world, mut news) = acting(home.path(), false);
        let mark = home.path().join("mark");
        world.act(touching(&mark), &BTreeMap::new());
        assert!(matches!(told(&mut news).await, Fact::CommandSpawned { attempt: 3, .. }));
        assert!(matches!(told(&mut news).await, Fact::CommandEnded { exit: Exit::Code(0), .. }));
        assert!(mark.exists());
    }
}
