//! From flags, settings and a document to a cockpit that can be run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use color_eyre::eyre::WrapErr as _;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use super::calls::OnDisk;
use super::cluster::{ClusterFlags, target_of};
use super::document::Document;
use super::form::{self, Known};
use super::variable;
use crate::adapters::clock::Clock;
use crate::adapters::kube::ConnectOptions;
use crate::adapters::prometheus::PrometheusSettings;
use crate::adapters::shell::Shell;
use crate::adapters::store::Folder;
use crate::adapters::{Acting, News, World, WorldSettings, git};
use crate::app::model::{JournalState, Mode, Model, Observed, Panel, Settings, View};
use crate::app::msg::JournalNews;
use crate::app::screen::Screen;
use crate::app::update::Ask;
use crate::app::{Cockpit, Headless};
use crate::config::Config;
use crate::rehearsal::Practice;
use crate::release::{Operator, Phase, Release};
use crate::watch::TargetRef;
use crate::watch::metrics::{Judging, MetricsView};
use crate::workflow::{Metric, Target, Workflow};

/// Where a release meets the outside; settled before anything is drawn.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub targets: Vec<TargetRef>,
    pub context: Option<String>,
    pub cluster: Option<ConnectOptions>,
    /// The context that commands are pinned to, watched or not.
    pub pin: Option<ConnectOptions>,
    pub prometheus: Option<String>,
    pub health: Option<String>,
    pub directory: PathBuf,
    /// On top of our own environment, for whatever we start.
    pub child_env: Vec<(OsString, OsString)>,
    pub speed: f64,
    /// Why a target that the workflow names is left out, or the cluster is not used at all.
    pub left_out: Vec<String>,
}

/// What the command line says about the place.
#[derive(Debug, Clone, Default)]
pub(super) struct PlaceFlags {
    pub cluster: ClusterFlags,
    pub targets: Vec<String>,
    pub prometheus: Option<String>,
    pub health: Option<String>,
}

impl Place {
    /// - Errors: a flag that cannot be meant; a kubeconfig that is missing is not one, the release
    ///   then runs without a cluster and says so.
    pub fn settle(workflow: &Workflow, flags: PlaceFlags, config: &Config) -> color_eyre::Result<Place> {
        let named = [&flags.targets, &config.targets].into_iter().find(|named| !named.is_empty());
        let wanted = match named {
            Some(named) => named.iter().map(|text| target_of(text)).collect::<Result<Vec<_>, _>>()?,
            None => workflow.targets.clone(),
        };
        let of_workflow = wanted.iter().find_map(|target| target.context.clone());
        let context = flags.cluster.context.clone().or(of_workflow).or_else(|| config.context.clone());
        let mut place = Place {
            targets: Vec::new(),
            context: context.clone(),
            cluster: None,
            pin: None,
            prometheus: flags.prometheus.or_else(|| config.prometheus.url.clone()),
            health: flags.health.or_else(|| config.health.clone()),
            directory: std::env::current_dir().wrap_err("cannot tell the current directory")?,
            child_env: Vec::new(),
            speed: 1.0,
            left_out: Vec::new(),
        };
        // The context is pinned for the commands also when nothing in it is watched; without one to
        // find, only a release that needs a cluster has to hear about it.
        let options = ConnectOptions { context, ..flags.cluster.options(config) };
        if !wanted.is_empty() || place.context.is_some() || options.settle().is_ok() {
            place.reach(wanted, options);
        }
        Ok(place)
    }

    /// Settles the context, and the namespace of every target, from the kubeconfig.
    pub fn reach(&mut self, wanted: Vec<Target>, options: ConnectOptions) {
        match options.settle() {
            Ok(pinned) => {
                let of = |target: Target| TargetRef {
                    kind: target.kind,
                    namespace: target.namespace.unwrap_or_else(|| pinned.namespace.clone()),
                    name: target.name,
                    container: target.container,
                };
                self.targets = wanted.into_iter().map(of).collect();
                self.context = Some(pinned.context.clone());
                // Pinned now: what another terminal makes the current context is nothing to us.
                let pin = ConnectOptions { context: Some(pinned.context), ..options };
                self.cluster = (!self.targets.is_empty()).then(|| pin.clone());
                self.pin = Some(pin);
            }
            Err(error) => self.left_out.push(error.to_string()),
        }
    }

    /// The practice world instead of this machine's own surroundings.
    pub fn practice(workflow: &Workflow, practice: &Practice) -> Place {
        let child_env = practice.child_env();
        let mut place = Place {
            targets: Vec::new(),
            context: None,
            cluster: None,
            pin: None,
            prometheus: Some(practice.prometheus_url.clone()),
            health: Some(practice.health_url.clone()),
            directory: practice.repo.clone(),
            child_env: child_env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            speed: practice.clock().speed,
            left_out: Vec::new(),
        };
        place.reach_practice(workflow, practice.kubeconfig.clone());
        place
    }

    /// The practice world of another process, to watch: its cluster can be reached, its metrics are
    /// that process's own.
    pub fn practice_of_another(workflow: &Workflow, directory: &Path, speed: f64) -> Place {
        let mut place = Place {
            targets: Vec::new(),
            context: None,
            cluster: None,
            pin: None,
            prometheus: None,
            health: None,
            directory: directory.join("repo"),
            child_env: Vec::new(),
            speed,
            left_out: Vec::new(),
        };
        place.reach_practice(workflow, directory.join("kubeconfig"));
        place
    }

    fn reach_practice(&mut self, workflow: &Workflow, kubeconfig: PathBuf) {
        let wanted = workflow.targets.clone();
        if !wanted.is_empty() {
            // The practice world has one context; a document's own would lead out of it.
            let wanted = wanted.into_iter().map(|target| Target { context: None, ..target }).collect();
            let kubeconfig = Some(kubeconfig.into_os_string());
            self.reach(wanted, ConnectOptions { kubeconfig, ..ConnectOptions::default() });
        }
    }
}

/// Who sits here: by flag, settings, git, the user of the kubeconfig's context, or the login.
pub(super) fn operator(flag: Option<String>, config: &Config, place: &Place) -> Operator {
    let login = || variable("USER");
    // On a jump host everybody logs in as the same user; the kubeconfig is more often one's own.
    let cluster = || place.cluster.as_ref()?.user();
    let name = flag.or_else(|| config.operator.clone());
    let name = name.or_else(|| git::user_name(&place.directory)).or_else(cluster).or_else(login);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Operator { name: name.unwrap_or_else(|| "operator".to_owned()), host, identity: None }
}

/// Everything but the terminal.
pub(super) struct Parts<'a> {
    pub config: &'a Config,
    pub place: Place,
    pub document: &'a Document,
    pub me: Operator,
    pub clock: Clock,
    pub release: Release,
    pub mode: Mode,
    pub folder: Folder,
    pub writer: Option<crate::adapters::store::Writer>,
    pub news: (mpsc::Sender<News>, mpsc::Receiver<News>),
    pub followed: Option<mpsc::Receiver<JournalNews>>,
    /// Records that the journal has, or that were handed to it.
    pub n_records: u64,
    pub asks: Vec<Ask>,
    /// Given on the command line.
    pub params: BTreeMap<String, String>,
}

/// Joins the parts and takes the terminal, which comes last.
pub(super) fn cockpit(parts: Parts<'_>) -> color_eyre::Result<Cockpit> {
    let (themes, choices) = super::themes::themes(parts.config)?;
    let Headless { mut model, world, clock, news, followed, asks, .. } = headless(parts)?;
    model.view.themes = choices;
    let screen = Screen::take().wrap_err("the terminal cannot be taken")?;
    if let Ok(size) = screen.size() {
        model.view.size = size;
    }
    Ok(Cockpit { model, world, clock, news, followed, asks, themes, screen })
}

/// Joins all parts but the terminal.
pub(super) fn headless(parts: Parts<'_>) -> color_eyre::Result<Headless> {
    let Parts { config, place, document, me, clock, release, mode, .. } = parts;
    let ascii = is_ascii(config);
    let secrets = form::secrets_of(&document.workflow, variable);
    let mut shell = Shell::new(std::env::vars_os())
        .without_variable("GIT_DIR")
        .without_variable("GIT_WORK_TREE")
        .without_variable("GIT_INDEX_FILE")
        .with_grace(Duration::from_secs(u64::from(config.kill_grace_s)));
    shell.keep(secrets.clone());
    for (name, value) in &place.child_env {
        shell = shell.with_variable(name, value);
    }
    if let Some(pinned) = place.pin.as_ref().and_then(|options| options.settle().ok()) {
        let pin = parts.folder.path().join("kubeconfig");
        pinned.write(&pin)?;
        shell = shell.with_variable("KUBECONFIG", pinned.kubeconfig(&pin));
    }
    let workflow = release.document();
    let state = release.state();
    let mut metrics = MetricsView::new(&workflow.rollback.criteria, judging(config));
    if let Some((at, values)) = &state.baseline {
        metrics.set_baseline(at.world, values);
    }
    let settings = Settings {
        shell: Shell::command_line(),
        command_env: shell.variable_names(&BTreeMap::new()),
        known_tags: git::tags(&place.directory).unwrap_or_default(),
        prometheus: place.prometheus.clone(),
        health: place.health.clone(),
        settle_s: config.settle_s,
        read_only: config.read_only,
        ascii,
        zone: TimeZone::system(),
    };
    let mut view = View::default();
    if state.phase == Phase::Preparing {
        let today = clock.now().wall.to_zoned(settings.zone.clone()).strftime("%Y-%m-%d").to_string();
        let next = form::next_semver(&settings.known_tags);
        let known = Known {
            config,
            me: &me,
            params: &parts.params,
            secrets: &secrets,
            today: &today,
            next: next.as_deref(),
        };
        let form = form::start_form(workflow, &known, variable);
        view.start = Some(form.clone());
        view.panel = Some(Panel::Start(form));
    }
    let texts = workflow.commands().map(|command| command.text.as_str());
    let world = WorldSettings {
        clock: clock.clone(),
        speed: place.speed,
        targets: place.targets.clone(),
        cluster: place.cluster,
        prometheus: place.prometheus.map(|url| asked(prometheus(config, url), &workflow.queries)),
        health: place.health,
        directory: place.directory,
    };
    let acting = Acting {
        shell,
        child_env: place.child_env,
        folder: parts.folder,
        me: me.clone(),
        release: state.id.clone(),
        way_back: workflow.rollback.commands.iter().map(|command| command.id.clone()).collect(),
        document: (std::sync::Arc::new(OnDisk::of(&document.path)), release.document().edition()),
        tools: World::tools(texts),
        patience: Duration::from_secs(u64::from(config.kill_grace_s)),
        left_out: place.left_out,
        read_only: config.read_only,
    };
    let (sender, news) = parts.news;
    let world = World::new(world, acting, parts.writer, sender, &state.pins);
    let journal = JournalState { appended: parts.n_records, ..JournalState::default() };
    let keymap = config.keymap().unwrap_or_default();
    let model = Model {
        now: clock.now(),
        release,
        mode,
        me,
        secrets,
        observed: Observed::new(metrics),
        view,
        journal,
        preflight: Vec::new(),
        keymap,
        settings,
        speed: place.speed,
        leaving: None,
        watch_next: None,
    };
    Ok(Headless {
        model,
        world,
        clock,
        news,
        followed: parts.followed,
        asks: parts.asks,
        judge_at: None,
        ended: None,
    })
}

pub(super) fn judging(config: &Config) -> Judging {
    let seconds = |s: u32| SignedDuration::from_secs(i64::from(s));
    Judging {
        interval: seconds(config.prometheus.interval_s),
        window: seconds(config.prometheus.window_s),
        bad_needed: config.prometheus.bad as usize,
        of_last: config.prometheus.of as usize,
        least_requests: config.prometheus.request_floor,
        latency_floor_ms: config.prometheus.latency_floor_ms,
        ..Judging::default()
    }
}

/// The queries of the document, where the settings have none of their own.
fn asked(mut settings: PrometheusSettings, queries: &BTreeMap<Metric, String>) -> PrometheusSettings {
    for (metric, query) in queries {
        settings.expressions.entry(*metric).or_insert_with(|| query.clone());
    }
    settings
}

pub(super) fn prometheus(config: &Config, url: String) -> PrometheusSettings {
    let mut settings = PrometheusSettings::new(url);
    settings.expressions.clone_from(&config.prometheus.expressions);
    settings.interval = Duration::from_secs(u64::from(config.prometheus.interval_s));
    settings.window = Duration::from_secs(u64::from(config.prometheus.window_s));
    settings
}

/// Whether signs are drawn in ASCII: by the settings, else by what the terminal can show.
pub(super) fn is_ascii(config: &Config) -> bool {
    config.ascii.unwrap_or_else(|| !speaks_unicode())
}

/// Whether the locale says UTF-8; a terminal that was told nothing is taken for a modern one.
fn speaks_unicode() -> bool {
    match variable("LC_ALL").or_else(|| variable("LC_CTYPE")).or_else(|| variable("LANG")) {
        Some(locale) => {
            let locale = locale.to_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        None => true,
    }
}
