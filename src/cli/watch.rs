//! `gonogo watch`: rollout, logs and signals on the screen, without a workflow.

use clap::Args;
use color_eyre::eyre::WrapErr as _;
use jiff::tz::TimeZone;

use super::cluster::{ClusterFlags, targets_of};
use super::{assemble, release};
use crate::adapters::clock::Clock;
use crate::adapters::{World, WorldSettings, store};
use crate::app::model::{JournalState, Mode, Model, Observed, Pane, Settings, View, Watching, no_release};
use crate::app::screen::Screen;
use crate::app::{self, Cockpit};
use crate::config::Config;
use crate::logging;
use crate::release::{Moment, Operator};
use crate::watch::metrics::MetricsView;
use crate::workflow::Secrets;

pub(super) const AFTER_HELP: &str = "Without a target the namespace's workloads are watched, or offered in a list when they are \
many. Nothing is released here: it writes no journal, changes nothing, and q leaves at once.";

#[derive(Debug, Args)]
pub(super) struct Watch {
    /// What to watch: deployment/app, statefulset/db, daemonset/agent, rollout/web
    #[arg(value_name = "KIND/NAME")]
    targets: Vec<String>,
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// Base address of Prometheus [default: the settings']
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// Address of the health endpoint [default: the settings']
    #[arg(long, value_name = "URL")]
    health: Option<String>,
}

impl Watch {
    /// One workload, with the signals of the settings.
    pub(super) fn of(target: String, cluster: ClusterFlags) -> Self {
        Self { targets: vec![target], cluster, prometheus: None, health: None }
    }
}

/// - Errors: what can be known without asking the cluster, and a terminal that is none.
pub(super) fn watch(flags: Watch, config: &Config) -> color_eyre::Result<u8> {
    release::needs_a_terminal("gonogo status KIND/NAME prints how it stands")?;
    let mut options = flags.cluster.options(config);
    let pinned = options.settle()?;
    let targets = targets_of(&flags.targets, &pinned)?;
    let watching = Watching {
        context: pinned.context,
        namespace: pinned.namespace,
        targets: targets.clone(),
        offered: Vec::new(),
    };
    let prometheus = flags.prometheus.or_else(|| config.prometheus.url.clone());
    let health = flags.health.or_else(|| config.health.clone());
    let directory = std::env::current_dir().wrap_err("cannot tell the current directory")?;
    let state_dir = store::state_dir()?;
    logging::start(&state_dir.join("gonogo.log")).wrap_err("cannot write the log file")?;
    release::runtime()?.block_on(async {
        // Once the screen is taken no plugin may ask for a password any more.
        options.sign_in().await?;
        let clock = Clock::real();
        let world = WorldSettings {
            clock: clock.clone(),
            speed: 1.0,
            targets,
            cluster: Some(options),
            prometheus: prometheus.clone().map(|url| assemble::prometheus(config, url)),
            health: health.clone(),
            directory,
        };
        let (sender, news) = World::news();
        let world = World::watched(world, sender);
        let settings = Settings {
            shell: Vec::new(),
            command_env: Vec::new(),
            known_tags: Default::default(),
            prometheus,
            health,
            settle_s: config.settle_s,
            read_only: true,
            ascii: assemble::is_ascii(config),
            zone: TimeZone::system(),
        };
        let theme = assemble::theme(config)?;
        let mut model = model(config, clock.now(), watching, settings);
        let screen = Screen::take().wrap_err("the terminal cannot be taken")?;
        if let Ok(size) = screen.size() {
            model.view.size = size;
        }
        let cockpit = Cockpit { model, world, clock, news, followed: None, asks: Vec::new(), theme, screen };
        let (code, _) = app::run(cockpit).await;
        Ok(code)
    })
}

fn model(config: &Config, now: Moment, watching: Watching, settings: Settings) -> Model {
    Model {
        now,
        release: no_release(now),
        mode: Mode::Watching(watching),
        me: Operator { name: String::new(), host: String::new(), identity: None },
        secrets: Secrets::default(),
        observed: Observed::new(MetricsView::new(&[], assemble::judging(config))),
        view: View { focus: Pane::Rollout, ..View::default() },
        journal: JournalState::default(),
        preflight: Vec::new(),
        keymap: config.keymap().unwrap_or_default(),
        settings,
        speed: 1.0,
        leaving: None,
        watch_next: None,
    }
}
