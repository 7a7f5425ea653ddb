//! `gonogo status`: a rollout status that looks at pods, names the deciding fact, and says so when
//! it does not know.
//!
//! What it sees and how it judges is the cockpit's own; here is only when to stop and what to print.

mod json;
mod outcome;
mod picture;
mod text;

use std::time::Duration;

use clap::Args;
use color_eyre::eyre::WrapErr as _;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::cluster::{ClusterFlags, targets_of};
use super::duration::duration;
use super::{Format, print};
use crate::adapters::clock::Clock;
use crate::adapters::kube::KubeWorld;
use crate::config::Config;
use crate::release::WakeTime;
use crate::watch::{Observation, TargetRef};
use picture::Picture;
use text::Teller;

/// With and without `--wait`. Units: wall time.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// What belongs together arrives together: pods and the warnings about them come by different watches.
const QUIET: Duration = Duration::from_millis(300);
/// The last lines of a container that crashed are asked for once its crash is known.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// News taken in before the picture is looked at again.
const PORTION: usize = 256;

pub(super) const EXIT_CODES: &str = "Exit codes: 0 complete · 3 failed, gone or superseded · 4 stuck · \
5 unobserved, progressing or settling · 6 paused · 7 unknown or stale (wins over the others) · 1 bad input · \
2 usage. Of several targets the worst decides.

With --wait it ends early on 0, 3 and 6 only: stuck is advice, and a pause that ends by itself is waited for. \
A rollout of which every new pod \
is doomed has failed at once. From its first reading on it is about that very rollout: one that begins over it \
meanwhile makes it superseded. An interrupt ends it as if time had run out.

--format json prints one object per target at the end, each on a line of its own, in the order given: \
schema (\"gonogo.status/1\"), target, state, stale, field, pod, container, reason, message, last_lines, \
revision, replicas, age_ms. What is not known is null.";

#[derive(Debug, Args)]
pub(super) struct Status {
    /// What is asked about: deployment/app, statefulset/db, daemonset/agent, rollout/web
    #[arg(required = true, value_name = "KIND/NAME")]
    targets: Vec<String>,
    /// Wait until the rollout is complete, has failed, or is paused
    #[arg(long)]
    wait: bool,
    /// How long to wait at most, or to try to read it [default: 10m with --wait, else 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// How long all pods must be ready without a restart [default: the settings', else 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    settle: Option<Duration>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// Says how the targets stand, and returns the exit code.
///
/// - Errors: what can be known without asking the cluster; all else is an answer.
pub(super) fn status(flags: &Status, config: &Config) -> color_eyre::Result<u8> {
    let mut options = flags.cluster.options(config);
    let targets = targets_of(&flags.targets, &options.settle()?)?;
    let settle_s = match flags.settle {
        Some(settle) => u32::try_from(settle.as_millis().div_ceil(1000)).unwrap_or(u32::MAX),
        None => config.settle_s,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.wrap_err("cannot start the runtime")?.block_on(async {
        options.sign_in().await?;
        let kube = KubeWorld::connect(&options).await?;
        let clock = Clock::real();
        let place = format!("{} (context {})", kube.pinned().host, kube.pinned().context);
        let view = View {
            picture: Picture::new(targets, settle_s, place, clock.now()),
            teller: Teller::new(TimeZone::system()),
            format: flags.format,
            clock,
        };
        let patience = flags.timeout.unwrap_or(if flags.wait { LONGEST_WAIT } else { LONGEST_LOOK });
        view.follow(&kube, flags.wait, patience).await
    })
}

struct View {
    picture: Picture,
    teller: Teller,
    format: Format,
    clock: Clock,
}

/// Why nothing more is waited for.
enum End {
    Decided,
    TimeIsOver,
    Interrupted,
}

impl View {
    async fn follow(mut self, kube: &KubeWorld, wait: bool, patience: Duration) -> color_eyre::Result<u8> {
        let deadline = Instant::now() + patience;
        let cancel = CancellationToken::new();
        let (out, mut observed) = mpsc::channel(PORTION);
        let targets: Vec<TargetRef> =
            self.picture.standings.iter().map(|standing| standing.target.clone()).collect();
        let clock = self.clock.clone();
        let watches = kube.spawn_watches(targets, out, cancel.clone(), move || clock.now());
        let end = self.watch(&mut observed, wait, deadline).await?;
        if !matches!(end, End::Interrupted) {
            self.hear_last_words(&mut observed).await;
        }
        cancel.cancel();
        self.conclude(&end, wait, patience)?;
        // Whoever waits to hand over the last observation is let go.
        drop(observed);
        watches.wait().await;
        Ok(self.picture.outcome().exit_code())
    }

    async fn watch(
        &mut self,
        observed: &mut mpsc::Receiver<Observation>,
        wait: bool,
        deadline: Instant,
    ) -> color_eyre::Result<End> {
        let mut signals = Signals::listen();
        let mut quiet_at: Option<Instant> = None;
        loop {
            let wake_at = self.picture.wake_at();
            let judge = wake_at.map(|at| Instant::now() + self.clock.wall_until(WakeTime::World(at)));
            tokio::select! {
                biased;
                () = signals.next() => return Ok(End::Interrupted),
                Some(first) = observed.recv() => {
                    let now = self.clock.now();
                    let mut is_news = false;
                    let mut next = Some(first);
                    for _ in 0..PORTION {
                        let Some(observation) = next else { break };
                        is_news |= !matches!(observation, Observation::Logs(_));
                        self.picture.take(observation, now);
                        next = observed.try_recv().ok();
                    }
                    if is_news {
                        quiet_at = None;
                    }
                }
                () = sleep_until_some(judge) => self.picture.judge(self.clock.now()),
                () = sleep_until_some(quiet_at) => return Ok(End::Decided),
                () = sleep_until(deadline) => return Ok(End::TimeIsOver),
            }
            if wait {
                self.tell(false)?;
                if self.picture.is_decided() {
                    return Ok(End::Decided);
                }
            } else if self.picture.is_answered() && quiet_at.is_none() {
                quiet_at = Some(Instant::now() + QUIET);
            }
        }
    }

    /// A crash is known before the log of it is read.
    async fn hear_last_words(&mut self, observed: &mut mpsc::Receiver<Observation>) {
        let mut until = Instant::now() + LAST_WORDS;
        let mut is_heard = !self.picture.lacks_last_lines();
        if is_heard {
            until = Instant::now();
        }
        while let Ok(Some(observation)) = timeout_at(until, observed.recv()).await {
            // The verdict stands; only what was said before it is still wanted.
            if matches!(observation, Observation::Logs(_)) {
                self.picture.take(observation, self.clock.now());
            }
            if !is_heard && !self.picture.lacks_last_lines() {
                is_heard = true;
                until = until.min(Instant::now() + QUIET);
            }
        }
    }

    fn tell(&mut self, is_end: bool) -> color_eyre::Result<()> {
        if self.format == Format::Json {
            return Ok(());
        }
        let news = self.teller.news(&self.picture, is_end, self.clock.now());
        if news.is_empty() { Ok(()) } else { print(&news) }
    }

    fn conclude(&mut self, end: &End, wait: bool, patience: Duration) -> color_eyre::Result<()> {
        let now = self.clock.now();
        if self.format == Format::Json {
            return print(&json::lines(&self.picture, now));
        }
        self.tell(true)?;
        let mut text = self.teller.last_lines(&self.picture);
        match end {
            End::Decided => {}
            End::Interrupted => text.push_str(&self.teller.note("interrupted", now)),
            End::TimeIsOver => {
                let patience = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
                let what = if wait { "time ran out" } else { "not known" };
                text.push_str(&self.teller.note(&format!("{what} after {patience:#}"), now));
            }
        }
        if text.is_empty() { Ok(()) } else { print(&text) }
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Either signal that asks a program to end.
struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    fn listen() -> Self {
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    async fn next(&mut self) {
        async fn one(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(&mut self.interrupt) => {}
            () = one(&mut self.terminate) => {}
        }
    }
}
