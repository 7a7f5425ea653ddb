//! `gonogo logs`: the lines of a pod, or of all pods of a workload, to standard output.
//!
//! Standard output holds lines and nothing else; what happened to the streams goes to standard error.

mod lines;

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use clap::{Args, ValueEnum};
use color_eyre::eyre::WrapErr as _;
use tokio::sync::mpsc;

use super::cluster::ClusterFlags;
use super::duration::seconds;
use super::{DONE, FAILED};
use crate::adapters::clock::Clock;
use crate::adapters::kube::{KubeWorld, LogRequest, LogTarget};
use crate::adapters::out::{Out, ReaderGone};
use crate::config::Config;
use crate::watch::logs::{Level, clean, words};
use crate::watch::{Link, LogBatch, LogMark, Observation};
use lines::{Dress, Printer, Sieve};

/// For a screen: nobody reads more of one line.
const LINE_ON_SCREEN: usize = 64 << 10;
/// For a file or a pipe; a line has to be whole in memory before it is told.
const LINE_IN_FILE: usize = 16 << 20;
/// Batches between the streams and the output.
const WAITING: usize = 4;

pub(super) const EXIT_CODES: &str = "Exit codes: 0 told what was asked for · 1 the target does not exist, may not be \
read, or a log could not be read to its end · 2 usage.

Lines of several containers come in the order of the server's times and begin with pod and container. On a terminal \
they are made harmless: escape sequences vanish, control characters become a dot. Into a file or a pipe they go byte \
by byte as they were written; --raw does so on a terminal too. What happened to the streams (breaks, restarts, lines \
that may be missing, pods that are not followed) goes to standard error.";

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Whose logs: deployment/app, statefulset/db, job/migrate, pod/app-1; a bare name is a pod's
    #[arg(value_name = "TARGET")]
    target: LogTarget,
    /// Go on with what comes, in new pods and restarted containers too
    #[arg(long, short)]
    follow: bool,
    /// Only what is newer than this: 90s, 5m, 2h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    since: Option<u32>,
    /// Only so many of the last lines of each container
    #[arg(long, value_name = "N")]
    tail: Option<u32>,
    /// This container alone; may be repeated [default: all, init containers included]
    #[arg(long = "container", short, value_name = "NAME")]
    containers: Vec<String>,
    /// The life before the present one of each container, such as the one that crashed
    #[arg(long, short, conflicts_with = "follow")]
    previous: bool,
    /// Begin each line with the server's time
    #[arg(long)]
    timestamps: bool,
    /// Only lines that match; `!REGEX` hides those that do. May be repeated: one match is enough, and
    /// one hides. Without a capital letter either case matches
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    grep: Vec<String>,
    /// Only lines that read as this bad, or worse, with the stack traces that belong to them
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Option<LevelName>,
    /// Begin each line with pod and container [default: when there may be more than one]
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto, num_args = 0..=1,
        default_missing_value = "always", require_equals = true)]
    prefix: When,
    /// Bytes as they were written, on a terminal too
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelName {
    Error,
    Warn,
    Info,
    Debug,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Error => Level::Error,
            LevelName::Warn => Level::Warn,
            LevelName::Info => Level::Info,
            LevelName::Debug => Level::Debug,
        }
    }
}

/// Tells the lines, and returns the exit code.
///
/// - Errors: a target that cannot be read, and whatever can be known without asking the cluster.
pub(super) fn logs(flags: &Logs, config: &Config) -> color_eyre::Result<u8> {
    let sieve = Sieve::new(&flags.grep, flags.level.map(Level::from))?;
    let mut options = flags.cluster.options(config);
    let is_screen = std::io::stdout().is_terminal();
    let is_cleaned = is_screen && !flags.raw;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.wrap_err("cannot start the runtime")?.block_on(async {
        options.sign_in().await?;
        let world = KubeWorld::connect(&options).await?;
        let request = LogRequest {
            target: flags.target.clone(),
            namespace: world.pinned().namespace.clone(),
            containers: flags.containers.clone(),
            follow: flags.follow,
            tail: flags.tail,
            since_s: flags.since,
            previous: flags.previous,
            line_limit: if is_cleaned { LINE_ON_SCREEN } else { LINE_IN_FILE },
        };
        let tail = world.logs(request).await?;
        if !flags.previous {
            for silent in tail.silent() {
                say(&format!("{silent}: nothing to read yet"));
            }
        }
        let has_many = tail.n_containers() > 1 || flags.follow && !flags.target.is_pod();
        let dress = Dress {
            prefix: match flags.prefix {
                When::Auto => has_many,
                When::Always => true,
                When::Never => false,
            },
            timestamps: flags.timestamps,
            cleaned: is_cleaned,
            coloured: is_cleaned && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        };
        let stdout =
            std::io::stdout().as_fd().try_clone_to_owned().wrap_err("cannot write to standard output")?;
        let out = Out::new(std::fs::File::from(stdout));
        let (sender, told) = mpsc::channel(WAITING);
        let clock = Clock::real();
        let telling = tell(told, &out, Printer::new(dress, sieve));
        let (_, code) = tokio::join!(tail.run(sender, move || clock.now()), telling);
        out.finish().wrap_err("cannot write to standard output")?;
        Ok(code)
    })
}

/// Prints what comes until nothing more can come or nobody reads; returns the exit code.
async fn tell(mut told: mpsc::Receiver<Observation>, out: &Out, mut printer: Printer) -> u8 {
    let mut code = DONE;
    while let Some(observation) = told.recv().await {
        match observation {
            Observation::Logs(batches) => {
                for batch in batches {
                    if printer.print(&batch, out).await == Err(ReaderGone) {
                        return code;
                    }
                    if matches!(batch.mark, Some(LogMark::Unreadable { .. })) {
                        code = FAILED;
                    }
                    say_mark(&batch);
                }
                if printer.flush(out).await == Err(ReaderGone) {
                    return code;
                }
            }
            Observation::Link { link: Link::Down { cause, .. }, .. } if !printer.is_silent => {
                printer.is_silent = true;
                say(&format!("the API server does not answer ({cause}); going on when it does"));
            }
            Observation::Link { link: Link::Live, .. } if std::mem::take(&mut printer.is_silent) => {
                say("the API server answers again");
            }
            _ => {}
        }
    }
    code
}

fn say_mark(batch: &LogBatch) {
    let Some(mark) = &batch.mark else { return };
    match mark {
        LogMark::Opened => {}
        LogMark::Unfollowed { .. } => say(&words(mark)),
        _ => say(&format!("{} {}: {}", batch.source.pod, batch.source.container, words(mark))),
    }
}

/// Says a word of our own. A server's message may hold anything, so it is made harmless.
fn say(text: &str) {
    // Nowhere is left to tell it when even this fails.
    let _ = writeln!(std::io::stderr(), "gonogo: {}", clean(text));
}
