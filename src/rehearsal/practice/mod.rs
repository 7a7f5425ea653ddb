//! The life of a practice world: start, resume after a crash, shut down.
#![expect(clippy::disallowed_methods, reason = "the world is driven, saved and watched by tasks of its own")]

mod disk;
mod nginx;
mod tasks;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::clock::PracticeClock;
use super::repository;
use super::scenario::Scenario;
use super::serve::{Servers, Shared, serve_nginx};
use super::sim::{NAMESPACE, World};
use super::stage::Stage;
use disk::{Disk, kubeconfig_text, lay_out, load, make_dir, write};
use tasks::{drive, keep_saving, play_outage, watch_tags};

/// The context that every practice world has.
pub const CONTEXT: &str = "practice";

/// One seed for all: a rehearsal is the same each time it is played.
const SEED: u64 = 20_261_122;
/// Why a practice world could not be made or found again.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot prepare the practice repository in {path}: {message}", path = path.display(), message = source.message())]
    Repository { path: PathBuf, source: git2::Error },
    #[error("{path} is no saved practice world: {why}", path = path.display())]
    Saved { path: PathBuf, why: String },
    #[error("cannot serve the practice world on loopback: {0}")]
    Serve(io::Error),
    #[error("the speed must be a number from 0.1 to 10000, not {0}")]
    Speed(f64),
}

/// How a practice world begins.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where all of it is kept; made when missing.
    pub dir: PathBuf,
    pub scenario: Scenario,
    /// World seconds per real second.
    pub speed: f64,
    /// The program that answers as `kubectl` and `gh`: gonogo itself.
    pub exe: PathBuf,
}

/// How a cluster without any workload begins: for tests that act on it as on a real one.
#[derive(Debug, Clone)]
pub struct EmptyCluster {
    /// Where its kubeconfig and its state are kept; made when missing.
    pub dir: PathBuf,
    /// World seconds per real second.
    pub speed: f64,
    /// Ready nodes, `practice-node-1` and so on; more can be created through the API.
    pub nodes: u32,
}

/// Something that breaks around the application. Durations are real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Connections to the API server break, and new ones are dropped.
    ApiDown {
        lasting: Duration,
    },
    MetricsDown {
        lasting: Duration,
    },
    HealthDown {
        lasting: Duration,
    },
    /// Ends all of the above.
    Over,
}

/// A running practice world. Dropping it stops it; [`Practice::reopen`] goes on from there.
#[derive(Debug)]
pub struct Practice {
    pub kubeconfig: PathBuf,
    /// Without a slash at its end: `http://127.0.0.1:40123`.
    pub prometheus_url: String,
    /// The whole address: `http://127.0.0.1:40124/health`.
    pub health_url: String,
    /// The practice repository, a clone of a bare remote beside it.
    pub repo: PathBuf,
    dir: PathBuf,
    /// Where the practice nginx answers; a world that was never asked for one has none.
    nginx: Option<u16>,
    shared: Arc<Shared>,
    servers: Servers,
    tasks: Vec<JoinHandle<()>>,
}

impl Practice {
    /// Makes a new practice world in `options.dir` and serves it.
    pub async fn start(options: Options) -> Result<Self, RehearsalError> {
        Self::start_on(options, Stage::default()).await
    }

    /// The same with the workloads that a document speaks of.
    pub async fn start_on(options: Options, stage: Stage) -> Result<Self, RehearsalError> {
        check_speed(options.speed)?;
        let clock = PracticeClock::starting_now(options.speed);
        let (dir, exe) = (options.dir.clone(), options.exe.clone());
        let make = move || {
            make_dir(&dir)?;
            repository::make(&dir, clock.world_origin, &stage.branch)?;
            lay_out(&dir, &exe)?;
            Ok(World::staged(options.scenario, clock.world_origin, SEED, &stage))
        };
        let world = off_the_loop(make).await?;
        Self::serve(options.dir, world, clock).await
    }

    /// Serves a cluster in which nothing was deployed yet, and where the tag of an image decides what
    /// its containers do, as on the simulated nodes of `tests/cluster`.
    ///
    /// - Shape: only [`Practice::kubeconfig`] means something; there is no repository and no application.
    pub async fn start_empty(cluster: EmptyCluster) -> Result<Self, RehearsalError> {
        check_speed(cluster.speed)?;
        let clock = PracticeClock::starting_now(cluster.speed);
        let dir = cluster.dir.clone();
        let make = move || {
            make_dir(&dir)?;
            Ok(World::empty(clock.world_origin, SEED, cluster.nodes))
        };
        let world = off_the_loop(make).await?;
        Self::serve(cluster.dir, world, clock).await
    }

    /// Goes on with the world saved in `dir`, from the moment at which it stood still.
    pub async fn reopen(dir: impl Into<PathBuf>, exe: impl Into<PathBuf>) -> Result<Self, RehearsalError> {
        let (dir, exe) = (dir.into(), exe.into());
        let place = dir.clone();
        let load = move || {
            let saved = load(&place)?;
            lay_out(&place, &exe)?;
            Ok(saved)
        };
        let saved = off_the_loop(load).await?;
        check_speed(saved.speed)?;
        let mut world = saved.world;
        world.wake_up();
        let clock = PracticeClock::starting_at(world.now(), saved.speed);
        Self::serve(dir, world, clock).await
    }

    async fn serve(dir: PathBuf, world: World, clock: PracticeClock) -> Result<Self, RehearsalError> {
        let disk = Disk::new(&dir, clock.speed);
        let shared = Shared::new(world, clock, Box::new(disk));
        let servers = Servers::start(&shared).await.map_err(RehearsalError::Serve)?;
        let nginx = match disk::nginx_port(&dir) {
            // Whoever resumes has these addresses in the document as it was started.
            Some(port) => Some(
                serve_nginx(nginx::site(&dir), Some(port), &shared)
                    .await
                    .map_err(RehearsalError::Serve)?
                    .port(),
            ),
            None => None,
        };
        let namespace = if shared.look(World::scenario) == Scenario::ByTag { "default" } else { NAMESPACE };
        let kubeconfig = dir.join("kubeconfig");
        write(&kubeconfig, &kubeconfig_text(&format!("http://{}", servers.kube), namespace))?;
        shared.save();
        let tasks = vec![
            tokio::spawn(drive(shared.clone())),
            tokio::spawn(keep_saving(shared.clone())),
            tokio::spawn(watch_tags(shared.clone(), repository::remote(&dir))),
            tokio::spawn(play_outage(shared.clone(), servers.kube_switch.clone())),
        ];
        Ok(Self {
            kubeconfig,
            prometheus_url: format!("http://{}", servers.prometheus),
            health_url: format!("http://{}/health", servers.health),
            repo: repository::clone_of(&dir),
            dir,
            nginx,
            shared,
            servers,
            tasks,
        })
    }

    pub fn clock(&self) -> PracticeClock {
        self.shared.clock
    }

    pub fn scenario(&self) -> Scenario {
        self.shared.look(World::scenario)
    }

    /// Puts the practice nginx in front of two colours, and gives `text` with its site led to it.
    ///
    /// - `through`: the address at which the document asks through nginx.
    pub async fn behind_nginx(
        &mut self,
        text: &str,
        through: Option<&str>,
    ) -> Result<String, RehearsalError> {
        let port = match self.nginx {
            Some(port) => port,
            None => {
                nginx::lay_out(&self.dir)?;
                let served = serve_nginx(nginx::site(&self.dir), None, &self.shared).await;
                let port = served.map_err(RehearsalError::Serve)?.port();
                disk::keep_nginx_port(&self.dir, port)?;
                self.nginx = Some(port);
                port
            }
        };
        Ok(nginx::led_to(text, through, &self.dir, port))
    }

    /// The newest fix on main that no tag has: what a hotfix would take.
    pub fn newest_fix(&self) -> Option<String> {
        repository::newest_fix(&self.repo)
    }

    /// What a child's environment must hold so that it sees the practice world and nothing else.
    ///
    /// - Shape: names and values to set over the inherited environment; an empty value is one that a
    ///   program takes as unset.
    pub fn child_env(&self) -> Vec<(String, String)> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.dir.join("bin")).chain(std::env::split_paths(&inherited));
        // A folder whose name holds a colon cannot be on a PATH at all.
        let path = std::env::join_paths(paths).unwrap_or(inherited);
        let home = self.dir.join("home");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("PATH", path.to_string_lossy().into_owned()),
            ("HOME", text(&home)),
            ("XDG_CONFIG_HOME", text(&home.join(".config"))),
            ("KUBECONFIG", text(&self.kubeconfig)),
            ("GIT_CONFIG_GLOBAL", text(&self.dir.join("gitconfig"))),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GH_CONFIG_DIR", text(&home.join(".config/gh"))),
            ("GONOGO_PRACTICE", text(&self.dir)),
            ("GH_TOKEN", String::new()),
            ("GITHUB_TOKEN", String::new()),
            ("GH_HOST", String::new()),
            ("GH_REPO", String::new()),
            ("GH_PROMPT_DISABLED", "1".into()),
            ("GH_NO_UPDATE_NOTIFIER", "1".into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// Lets something break, beside what the scenario does.
    pub fn inject(&self, fault: Fault) {
        let servers = &self.servers;
        match fault {
            Fault::ApiDown { lasting } => servers.kube_switch.cut(lasting),
            Fault::MetricsDown { lasting } => servers.prometheus_switch.cut(lasting),
            Fault::HealthDown { lasting } => servers.health_switch.cut(lasting),
            Fault::Over => {
                for switch in [&servers.kube_switch, &servers.prometheus_switch, &servers.health_switch] {
                    switch.restore();
                }
            }
        }
    }

    /// Looks at the simulated world itself; for tests that ask what happened behind the API.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.shared.look(look)
    }

    /// Saves the world and stops serving it.
    pub async fn shutdown(mut self) {
        self.shared.closing.cancel();
        for task in std::mem::take(&mut self.tasks) {
            task.await.ok();
        }
        // Dropping saves.
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        self.shared.closing.cancel();
        self.shared.save();
    }
}

/// Files, git and the half hour of history are too much for the loop of a screen.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RehearsalError> + Send + 'static,
) -> Result<T, RehearsalError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

fn check_speed(speed: f64) -> Result<(), RehearsalError> {
    if (0.1..=10_000.0).contains(&speed) { Ok(()) } else { Err(RehearsalError::Speed(speed)) }
}
