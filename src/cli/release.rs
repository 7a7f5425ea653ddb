//! `run` and `resume`: a release on the screen.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use color_eyre::eyre::{WrapErr as _, bail};
use tokio::sync::mpsc;

use super::assemble::{self, Parts, Place, PlaceFlags};
use super::cluster::ClusterFlags;
use super::document::{self, Document};
use super::{Run, Setup, print};
use crate::adapters::clock::Clock;
use crate::adapters::store::{self, Beside, ReadOnly, Store, StoreError, Writer};
use crate::adapters::{News, World};
use crate::app;
use crate::app::model::{Mode, Model, WatchNext};
use crate::app::msg::JournalNews;
use crate::app::update::Ask;
use crate::config::Config;
use crate::journal::{self, ReadJournal};
use crate::logging;
use crate::rehearsal::Practice;
use crate::release::{
    Event, Fact, LockStanding, Moment, Operator, Phase, PracticeWorld, Release, ReleaseId, SignalSources,
    version_of,
};
use crate::workflow::{self, Workflow};

pub fn run(flags: Run, setup: &Setup) -> color_eyre::Result<u8> {
    needs_a_terminal("gonogo plan FILE prints what would be done; gonogo lint FILE checks it")?;
    let config = setup.settings()?;
    let document = document::read_as_settled(&flags.file)?;
    let params = checked_params(&document.workflow, flags.params)?;
    let cluster = flags.cluster.clone();
    let place = PlaceFlags {
        cluster: flags.cluster,
        targets: flags.targets,
        prometheus: flags.prometheus,
        health: flags.health,
    };
    let place = Place::settle(&aimed(&document.workflow, &params), place, &config)?;
    if let (Some(context), None, Some(why)) = (&place.context, &place.cluster, place.left_out.last()) {
        // Without it the commands would go to whatever context is the current one.
        bail!("the release is meant for context {context}, which cannot be used: {why}");
    }
    let me = assemble::operator(flags.operator, &config, &place);
    let elsewhere = ClusterFlags { context: place.context.clone(), ..cluster };
    let opening = Opening { config: config.clone(), document, params, place, me, practice: None };
    let (code, next) = runtime()?.block_on(open(opening))?;
    match next {
        Some(next) => watch_instead(next, elsewhere, config),
        None => Ok(code),
    }
}

/// Shows the release that holds the lock: live from its journal when this machine has it, else what
/// the cluster shows of its workload.
fn watch_instead(next: WatchNext, cluster: ClusterFlags, config: Config) -> color_eyre::Result<u8> {
    let state_dir = store::state_dir()?;
    let is_here = |id: &ReleaseId| ReadOnly::open(&state_dir, id).is_ok_and(|(journal, _)| journal.is_held());
    match next.release.filter(is_here) {
        Some(id) => runtime()?.block_on(watch(config, cluster, &state_dir, &id)),
        None => {
            let cluster = ClusterFlags { namespace: Some(next.target.namespace.clone()), ..cluster };
            super::watch::watch(super::watch::Watch::of(next.target.to_string(), cluster), &config)
        }
    }
}

pub(super) struct Opening {
    pub config: Config,
    pub document: Document,
    pub params: BTreeMap<String, String>,
    pub place: Place,
    pub me: Operator,
    /// With the directory that keeps it.
    pub practice: Option<(Practice, PathBuf)>,
}

/// - Shape: the exit code, and what is to be watched next.
pub(super) async fn open(opening: Opening) -> color_eyre::Result<(u8, Option<WatchNext>)> {
    let Opening { config, document, params, place, me, practice } = opening;
    if document.workflow.steps.is_empty() {
        bail!("{} has no step to walk through; see gonogo lint {0}", document.path.display());
    }
    let state_dir = store::state_dir()?;
    let clock = practice.as_ref().map_or_else(Clock::real, |(practice, _)| practice_clock(practice));
    let at = clock.now();
    let id = id_of(at, &document.workflow, &params);
    let opened = Event {
        at,
        by: Some(me.clone()),
        fact: Fact::Opened {
            id: id.clone(),
            file: absolute(&document.path),
            sha256: document.workflow.sha256.clone(),
            title: document.workflow.title.clone(),
            targets: place.targets.clone(),
            context: place.context.clone(),
            directory: place.directory.to_string_lossy().into_owned(),
            // A practice world has its own, at other addresses each time.
            signals: match &practice {
                Some(_) => SignalSources::default(),
                None => SignalSources::new(place.prometheus.clone(), place.health.clone()),
            },
            practice: practice.as_ref().map(|(practice, directory)| PracticeWorld {
                directory: directory.to_string_lossy().into_owned(),
                scenario: practice.scenario().to_string(),
                speed: practice.clock().speed,
            }),
            called: document.workflow.called.as_deref().cloned(),
            settled: document.workflow.settled.clone(),
        },
    };
    let (release, effects) = Release::open(Arc::new(document.workflow.clone()), &opened)?;
    let store = Store::create(&state_dir, &id, &document.bytes)?;
    logging::start(&state_dir.join("gonogo.log")).wrap_err("cannot write the log file")?;
    let folder = store.folder().clone();
    let news = World::news();
    let others = store.others();
    let writer = start(store, &news.0)?;
    let mut asks = vec![Ask::Append { seq: 1, event: Box::new(opened), essential: false }];
    asks.extend(effects.into_iter().map(Ask::Do));
    let parts = Parts {
        config: &config,
        place,
        document: &document,
        me,
        clock,
        release,
        mode: Mode::Driving,
        folder,
        writer: Some(writer),
        news,
        followed: None,
        n_records: 1,
        asks,
        params,
    };
    play_beside(others, parts, practice.map(|(practice, _)| practice)).await
}

/// Takes up a release, or watches it while another process drives it.
pub fn resume(id: Option<&str>, cluster: ClusterFlags, setup: &Setup) -> color_eyre::Result<u8> {
    needs_a_terminal("gonogo report ID prints what has happened so far")?;
    let config = setup.settings()?;
    let state_dir = store::state_dir()?;
    let id = store::resolve(&state_dir, id)?;
    logging::start(&state_dir.join("gonogo.log")).wrap_err("cannot write the log file")?;
    runtime()?.block_on(async {
        match Store::open_for_writing(&state_dir, &id) {
            Ok((store, read)) => take_up(config, cluster, store, read).await,
            Err(StoreError::Held { .. }) => watch(config, cluster, &state_dir, &id).await,
            Err(error) => Err(error.into()),
        }
    })
}

async fn take_up(
    config: Config,
    cluster: ClusterFlags,
    store: Store,
    read: ReadJournal,
) -> color_eyre::Result<u8> {
    let Kept { document, mut release, last, opened } = kept(store.folder().document()?, &read)?;
    if release.state().phase.is_over() {
        print(&format!("{} is over; gonogo report {0} tells it\n", release.state().id))?;
        return Ok(exit_code(release.state().phase));
    }
    let practice = match &release.state().practice {
        Some(world) => {
            let exe = std::env::current_exe().wrap_err("cannot tell where this program is")?;
            Some(Practice::reopen(&world.directory, exe).await.wrap_err("the practice world is lost")?)
        }
        None => None,
    };
    let clock = practice.as_ref().map_or_else(Clock::real, practice_clock).not_before(last);
    let place = match &practice {
        Some(practice) => Place::practice(&at_targets_of(&release), practice),
        None => place_of(&release, &opened, cluster, &config)?,
    };
    let operator = practice.is_some().then(|| opened.by.map(|by| by.name)).flatten();
    let me = assemble::operator(operator, &config, &place);
    let n_records = store.last_seq() + 1;
    let event = Event { at: clock.now(), by: Some(me.clone()), fact: Fact::Reopened };
    let effects = release.handle(&event)?;
    let folder = store.folder().clone();
    let news = World::news();
    let others = store.others();
    let writer = start(store, &news.0)?;
    let mut asks = vec![Ask::Append { seq: n_records, event: Box::new(event), essential: false }];
    // The record of the reopening goes to disk first; what it asks for is idempotent.
    asks.extend(effects.into_iter().map(Ask::Do));
    let parts = Parts {
        config: &config,
        place,
        document: &document,
        me,
        clock,
        params: release.state().params.clone(),
        release,
        mode: Mode::Driving,
        folder,
        writer: Some(writer),
        news,
        followed: None,
        n_records,
        asks,
    };
    play_beside(others, parts, practice).await.map(|(code, _)| code)
}

async fn watch(
    config: Config,
    cluster: ClusterFlags,
    state_dir: &Path,
    id: &ReleaseId,
) -> color_eyre::Result<u8> {
    let (mut journal, read) = ReadOnly::open(state_dir, id)?;
    let Kept { document, release, last, opened } = kept(journal.folder().document()?, &read)?;
    let place = match &release.state().practice {
        Some(world) => place_of_practice(&release, world),
        None => place_of(&release, &opened, cluster, &config)?,
    };
    let clock = clock_beside(&release, last);
    let me = assemble::operator(None, &config, &place);
    let holder = read.records.iter().rev().find_map(|record| record.event.by.clone());
    let holder = holder.map_or_else(|| "another process".to_owned(), |by| by.name);
    let folder = journal.folder().clone();
    let (told, followed) = mpsc::channel(64);
    let following = async move {
        loop {
            let news = match journal.next().await {
                Ok(Some(records)) => {
                    JournalNews::Followed(records.into_iter().map(|record| record.event).collect())
                }
                Ok(None) => JournalNews::HolderGone,
                Err(error) => {
                    tracing::warn!(%error, "the journal cannot be followed any more");
                    JournalNews::HolderGone
                }
            };
            let is_last = news == JournalNews::HolderGone;
            if told.send(news).await.is_err() || is_last {
                return;
            }
        }
    };
    let parts = Parts {
        config: &config,
        place,
        document: &document,
        me,
        clock,
        params: release.state().params.clone(),
        release,
        mode: Mode::Following { holder },
        folder,
        writer: None,
        news: World::news(),
        followed: Some(followed),
        n_records: read.records.len() as u64,
        asks: Vec::new(),
    };
    tokio::select! {
        played = play(parts, None) => played.map(|(code, _)| code),
        () = async { following.await; std::future::pending().await } => Ok(super::FAILED),
    }
}

/// How soon the cockpit sees a rollback from another terminal. Units: wall time.
const LOOK_BESIDE: Duration = Duration::from_millis(500);

/// Plays a release, and tells it what other processes record of it, and when they are gone.
async fn play_beside(
    mut others: Beside,
    mut parts: Parts<'_>,
    practice: Option<Practice>,
) -> color_eyre::Result<(u8, Option<WatchNext>)> {
    let (told, followed) = mpsc::channel(64);
    parts.followed = Some(followed);
    let following = async move {
        let mut was_held = false;
        loop {
            // Asked first: what a process leaves just before it goes is still read.
            let is_held = others.is_held();
            match others.poll() {
                Ok(records) if records.is_empty() => {}
                Ok(records) => {
                    let events = records.into_iter().map(|record| record.event).collect();
                    let _ = told.send(JournalNews::Followed(events)).await;
                }
                Err(error) => tracing::warn!(%error, "what is recorded beside the journal cannot be read"),
            }
            if std::mem::replace(&mut was_held, is_held) && !is_held {
                let _ = told.send(JournalNews::HolderGone).await;
            }
            tokio::time::sleep(LOOK_BESIDE).await;
        }
    };
    tokio::select! {
        played = play(parts, practice) => played,
        () = following => Ok((super::FAILED, None)),
    }
}

/// A release as its journal tells it.
pub(super) struct Kept {
    pub document: Document,
    pub release: Release,
    /// The moment of the last record.
    pub last: Moment,
    pub opened: Event,
}

pub(super) fn kept(bytes: Vec<u8>, read: &ReadJournal) -> color_eyre::Result<Kept> {
    let Some((opened, last)) = read.records.first().zip(read.records.last()) else {
        bail!("its journal is empty: the process ended before anything was recorded; start it anew");
    };
    let Fact::Opened { file, .. } = &opened.event.fact else {
        bail!("its journal does not start with the opening of a release");
    };
    let document = document::understood(Path::new(file), bytes);
    let release = journal::replay(Arc::new(document.workflow.clone()), &read.records)?;
    Ok(Kept { document, release, last: last.event.at, opened: opened.event.clone() })
}

/// The practice world of the process that plays the release.
pub(super) fn place_of_practice(release: &Release, world: &PracticeWorld) -> Place {
    Place::practice_of_another(&at_targets_of(release), Path::new(&world.directory), world.speed)
}

/// The clock of a release that another process may play.
pub(super) fn clock_beside(release: &Release, last: Moment) -> Clock {
    match &release.state().practice {
        // The other process tells its world's time with each record; that is as near as we get.
        Some(world) => Clock::practice(last.wall, last.world, world.speed),
        None => Clock::real(),
    }
}

/// The document with the workloads that these values lead it to, for settling its place.
pub(super) fn aimed(workflow: &Workflow, params: &BTreeMap<String, String>) -> Workflow {
    Workflow { targets: workflow.targets_with(params), ..workflow.clone() }
}

/// The document with the workloads that its release was opened for.
fn at_targets_of(release: &Release) -> Workflow {
    let target = |target: &crate::watch::TargetRef| workflow::Target {
        kind: target.kind,
        name: target.name.clone(),
        namespace: Some(target.namespace.clone()),
        context: None,
        container: target.container.clone(),
    };
    let targets = release.state().targets.iter().map(target).collect();
    Workflow { targets, ..(**release.document()).clone() }
}

/// The place that a release was opened at, reached anew.
pub(super) fn place_of(
    release: &Release,
    opened: &Event,
    cluster: ClusterFlags,
    config: &Config,
) -> color_eyre::Result<Place> {
    let state = release.state();
    let document = at_targets_of(release);
    let signals = match &opened.fact {
        Fact::Opened { signals, .. } => signals.clone(),
        _ => SignalSources::default(),
    };
    let flags = PlaceFlags {
        cluster: ClusterFlags { context: state.context.clone(), ..cluster },
        prometheus: signals.prometheus,
        health: signals.health,
        ..PlaceFlags::default()
    };
    let config = Config { targets: Vec::new(), ..config.clone() };
    let mut place = Place::settle(&document, flags, &config)?;
    place.directory = PathBuf::from(&state.directory);
    Ok(place)
}

/// Plays a release to the end of this process, and says how it stands.
async fn play(
    mut parts: Parts<'_>,
    practice: Option<Practice>,
) -> color_eyre::Result<(u8, Option<WatchNext>)> {
    // Once the screen is taken no plugin may ask for a password any more.
    if let Some(options) = &mut parts.place.cluster
        && let Err(error) = options.sign_in().await
    {
        parts.place.left_out.push(error.to_string());
    }
    let cockpit = assemble::cockpit(parts)?;
    let (code, model) = app::run(cockpit).await;
    if let Some(practice) = practice {
        practice.shutdown().await;
    }
    // The practice world is kept for a resume; its release is told by the journal alone.
    if let Some(world) = model.state().practice.as_ref().filter(|_| model.mode == Mode::Driving)
        && model.state().phase.is_over()
        && let Err(error) = std::fs::remove_dir_all(&world.directory)
    {
        tracing::warn!(%error, directory = world.directory, "the practice world cannot be removed");
    }
    // A terminal that went away takes no farewell, and that is no failure of the release.
    let _ = print(&farewell(&model));
    Ok((code, model.watch_next))
}

fn farewell(model: &Model) -> String {
    let state = model.state();
    let id = &state.id;
    let told = format!("report: gonogo report {id}\n");
    match state.phase {
        _ if model.mode != Mode::Driving => String::new(),
        Phase::Completed => format!("completed {id}\n{told}"),
        Phase::Aborted => format!("aborted {id}\n{told}"),
        Phase::RolledBack => {
            let safe = state.rollback.as_ref().and_then(crate::release::RollbackState::time_to_safe);
            let clock = if state.practice.is_some() { " on the practice clock" } else { "" };
            let safe = safe.map(|(fired, _)| format!(", safe {fired:#} after Y{clock}")).unwrap_or_default();
            let is_locked = state.lock.standing.as_ref().is_some_and(LockStanding::is_ours);
            let kept = match is_locked && state.practice.is_none() {
                true => format!("its lock stays until others may release: gonogo unlock {id} --reason …\n"),
                false => String::new(),
            };
            format!("rolled back {id}{safe}\n{kept}{told}")
        }
        Phase::RollbackFailed => format!("ROLLBACK FAILED {id}\ngo on with: gonogo resume {id}\n{told}"),
        Phase::Preparing | Phase::Running | Phase::Held | Phase::RollingBack => {
            format!("left open {id}\ngo on with: gonogo resume {id}\n")
        }
    }
}

fn exit_code(phase: Phase) -> u8 {
    match phase {
        Phase::Completed => 0,
        Phase::Aborted => 10,
        Phase::RolledBack => 11,
        Phase::RollbackFailed => 12,
        Phase::Preparing | Phase::Running | Phase::Held | Phase::RollingBack => 75,
    }
}

pub(super) fn start(store: Store, news: &mpsc::Sender<News>) -> color_eyre::Result<Writer> {
    // Called on the journal's own thread, which ends only after the loop has: waiting for a place in
    // the channel would keep it from ending.
    let (sender, handle) = (news.clone(), tokio::runtime::Handle::current());
    Ok(store.start(move |written| {
        let sender = sender.clone();
        handle.spawn(async move {
            let _ = sender.send(News::Written(written)).await;
        });
    })?)
}

fn practice_clock(practice: &Practice) -> Clock {
    let clock = practice.clock();
    Clock::practice(clock.wall_origin, clock.world_origin, clock.speed)
}

fn id_of(at: Moment, workflow: &Workflow, params: &BTreeMap<String, String>) -> ReleaseId {
    let stamp = at.wall.strftime("%Y%m%d-%H%M%S");
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' })
            .take(40)
            .collect()
    };
    let version = version_of(params).map(|version| format!("-{}", plain(version))).unwrap_or_default();
    ReleaseId(format!("{stamp}-{}{version}-{}", plain(&workflow.name), std::process::id()))
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

pub(super) fn checked_params(
    workflow: &Workflow,
    given: Vec<(String, String)>,
) -> color_eyre::Result<BTreeMap<String, String>> {
    let mut params = BTreeMap::new();
    for (name, value) in given {
        let Some(param) = workflow.params.iter().find(|param| param.name == name) else {
            let known: Vec<&str> = workflow.params.iter().map(|param| param.name.as_str()).collect();
            match known.as_slice() {
                [] => bail!("the workflow has no parameter {name}, nor any other"),
                known => bail!("the workflow has no parameter {name}; it has {}", known.join(", ")),
            }
        };
        if param.is_secret() {
            bail!(
                "{name} is a secret, and a command line is read by everybody on this machine: set it in the \
                 environment, or type it on the start panel"
            );
        }
        if let Err(why) = param.check(&value) {
            bail!("{why}");
        }
        params.insert(name, value);
    }
    Ok(params)
}

pub(super) fn needs_a_terminal(instead: &str) -> color_eyre::Result<()> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    bail!("this needs a terminal, and standard input or output is none; {instead}")
}

pub(super) fn runtime() -> color_eyre::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    // Beside the loop's own thread one for whatever answers: a second would be woken for every piece
    // that one task hands to the next.
    builder.worker_threads(1).enable_all().build().wrap_err("cannot start the runtime")
}
