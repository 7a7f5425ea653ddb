//! Flags, commands and exit codes.

mod assemble;
mod calls;
mod cluster;
mod demo;
mod document;
mod duration;
mod form;
mod history;
mod lint;
mod logs;
mod new;
mod plan;
mod release;
mod rollback;
mod search_path;
mod stats;
mod status;
mod themes;
mod traffic;
mod unlock;
mod watch;
mod workflows;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use color_eyre::eyre::bail;

use crate::config::Config;
use crate::rehearsal::Scenario;
use cluster::ClusterFlags;

/// Completed, or done.
pub const DONE: u8 = 0;
/// Failed, or something given to us is not usable.
pub const FAILED: u8 = 1;

const EXIT_CODES: &str = "Exit codes: 0 completed · 1 failed or bad input · 2 usage · 10 aborted · \
11 rolled back · 12 rollback failed · 75 left while still open (resume it).";

/// Walks a release workflow written in Markdown, beside the live rollout, with a rollback key that
/// is proven before it is needed.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    setup: Setup,
    /// Before the command, where kubectl takes its own; not shown there.
    #[command(flatten)]
    cluster: ClusterFlags,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
struct Setup {
    /// Settings file [default: $XDG_CONFIG_HOME/gonogo/config.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change nothing outside: no command is run and no rollback is sent
    #[arg(long, global = true)]
    read_only: bool,
}

/// The name under which the program was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    Gonogo,
    /// As `kubectl-gonogo`, which kubectl runs for `kubectl gonogo`.
    KubectlPlugin,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a release in the embedded practice world: no cluster needed, none touched
    Demo(Demo),
    /// Release: walk through a workflow
    Run(Run),
    /// Say how a rollout stands, or wait for it: looks at pods, names the deciding fact
    #[command(after_help = status::EXIT_CODES)]
    Status(status::Status),
    /// Watch rollouts, logs and signals without a workflow
    #[command(after_help = watch::AFTER_HELP)]
    Watch(watch::Watch),
    /// Print the log lines of a pod, or of all pods of a workload
    #[command(after_help = logs::EXIT_CODES)]
    Logs(logs::Logs),
    /// Take an open release up again; while another process drives it, watch it live
    Resume {
        /// The release, or the beginning of its id [default: the newest that is open]
        id: Option<String>,
        #[command(flatten)]
        cluster: ClusterFlags,
    },
    /// Roll a release back without its screen: proven before, verified after
    #[command(after_help = rollback::EXIT_CODES)]
    Rollback(rollback::Rollback),
    /// Send requests elsewhere: checked before, read back after
    #[command(subcommand)]
    Traffic(traffic::Traffic),
    /// List the releases kept on this machine, newest first
    List,
    /// Sum the past releases up: rollbacks, time to safe, gaps of the way back
    #[command(after_help = stats::AFTER_HELP)]
    Stats(stats::Flags),
    /// Print the report of a release as Markdown
    Report {
        /// The release, or the beginning of its id [default: the newest]
        id: Option<String>,
    },
    /// Give back the lock that a release left behind, such as after a rollback
    #[command(after_help = unlock::AFTER_HELP)]
    Unlock(unlock::Flags),
    /// Write a workflow of the library for the repository at hand
    #[command(after_help = new::AFTER_HELP)]
    New(new::Flags),
    /// List the workflows that can be run by name, or print one
    #[command(after_help = workflows::AFTER_HELP)]
    Workflows(workflows::Flags),
    /// Print what a workflow would do
    Plan {
        file: PathBuf,
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print what a workflow's reader should know before running it
    #[command(after_help = lint::EXIT_CODES)]
    Lint(lint::Lint),
    /// Print where each attribute of a workflow came from: the line, and the rule that read it
    Explain {
        /// The workflow, and perhaps the line that is meant
        #[arg(value_name = "FILE[:LINE]")]
        place: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
struct Run {
    /// The workflow, a Markdown file
    file: PathBuf,
    /// A parameter's value; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = name_value)]
    params: Vec<(String, String)>,
    #[command(flatten)]
    cluster: ClusterFlags,
    /// What is released, in this order, instead of what the workflow names; may be repeated
    #[arg(long = "target", value_name = "KIND/NAME")]
    targets: Vec<String>,
    /// Base address of Prometheus
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// Address of the health endpoint
    #[arg(long, value_name = "URL")]
    health: Option<String>,
    /// Your name in the record [default: the settings', git's, or the login name]
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
}

#[derive(Debug, Args)]
struct Demo {
    /// What happens to the new version
    #[arg(long, value_name = "NAME", default_value_t = Scenario::ErrorSpike)]
    scenario: Scenario,
    /// How many practice seconds pass in one second
    #[arg(long, value_name = "N", default_value_t = 30.0)]
    speed: f64,
    /// Play this workflow instead of the built-in release: a file, or a name that `gonogo workflows` lists
    #[arg(long, value_name = "FILE|NAME")]
    workflow: Option<PathBuf>,
    /// Language of a workflow that is taken by its name
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// A parameter's value; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = name_value)]
    params: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    En,
    Fr,
}

impl From<Lang> for crate::workflow::Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Fr => Self::French,
        }
    }
}

fn name_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

impl Setup {
    /// The settings: defaults, then the file, then the flags that every command takes.
    fn settings(&self) -> color_eyre::Result<Config> {
        let config = match &self.config {
            Some(path) if !path.exists() => bail!("the settings file {} does not exist", path.display()),
            Some(path) => Config::load(path)?,
            None => {
                Config::default_path().map_or_else(|| Ok(Config::default()), |path| Config::load(&path))?
            }
        };
        Ok(Config { read_only: config.read_only || self.read_only, ..config })
    }
}

impl Command {
    /// The flags that say which cluster is meant; `None` for a command that needs none, or knows.
    fn cluster(&mut self) -> Option<&mut ClusterFlags> {
        match self {
            Command::Run(flags) => Some(&mut flags.cluster),
            Command::Status(flags) => Some(&mut flags.cluster),
            Command::Watch(flags) => Some(&mut flags.cluster),
            Command::Logs(flags) => Some(&mut flags.cluster),
            Command::Resume { cluster, .. } => Some(cluster),
            Command::Rollback(flags) => Some(&mut flags.cluster),
            Command::Unlock(flags) => Some(&mut flags.cluster),
            Command::Traffic(what) => what.cluster(),
            Command::Demo(_)
            | Command::List
            | Command::Stats(_)
            | Command::Report { .. }
            | Command::New(_)
            | Command::Workflows(_)
            | Command::Plan { .. }
            | Command::Lint(_)
            | Command::Explain { .. } => None,
        }
    }
}

/// Reads a command line, its program's name included.
fn parse(called: Called, args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command().mut_args(|arg| {
        let is_hidden = ClusterFlags::IDS.contains(&arg.get_id().as_str());
        arg.hide(is_hidden)
    });
    if called == Called::KubectlPlugin {
        command = command.bin_name("kubectl gonogo");
    }
    let matches = command.try_get_matches_from_mut(args)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let before = std::mem::take(&mut cli.cluster);
    match cli.command.cluster() {
        Some(flags) => *flags = std::mem::take(flags).or(before),
        None if before != ClusterFlags::default() => {
            let name = matches.subcommand_name().unwrap_or_default();
            let words = format!("`{name}` reaches no cluster of its own, so it takes no flags for one");
            return Err(command.error(ErrorKind::ArgumentConflict, words));
        }
        None => {}
    }
    let refused = match cli.command.cluster() {
        Some(flags) if flags.as_user.is_none() && !flags.as_groups.is_empty() => {
            Some("--as-group says more about whom --as names: give both")
        }
        _ => None,
    };
    let of_release = match &cli.command {
        Command::Resume { cluster, .. } | Command::Unlock(unlock::Flags { cluster, .. })
            if cluster.context.is_some() || cluster.namespace.is_some() =>
        {
            Some("the release knows its context and namespace: it was opened there")
        }
        Command::Rollback(flags) if flags.cluster.context.is_some() && flags.to.is_none() => {
            Some("the release knows its context; it is rolled back where it was opened")
        }
        _ => None,
    };
    match refused.or(of_release) {
        Some(words) => Err(command.error(ErrorKind::ArgumentConflict, words)),
        None => Ok(cli),
    }
}

/// Does what the command line asks for and returns the exit code.
pub fn run(called: Called) -> u8 {
    let cli = match parse(called, std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Clap's own words and its own exit code: 2 for usage, 0 for help.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let setup = &cli.setup;
    let done = match cli.command {
        Command::Plan { file, format } => plan::plan(&file, format == Format::Json),
        Command::New(flags) => new::new(&flags),
        Command::Workflows(flags) => workflows::workflows(&flags),
        Command::Lint(flags) => lint::lint(&flags),
        Command::Explain { place } => lint::explain(&place),
        Command::List => history::list(),
        Command::Unlock(flags) => unlock::unlock(flags, setup),
        Command::Stats(flags) => stats::stats(&flags),
        Command::Report { id } => history::report(id.as_deref()),
        Command::Status(flags) => setup.settings().and_then(|config| status::status(&flags, &config)),
        Command::Watch(flags) => setup.settings().and_then(|config| watch::watch(flags, &config)),
        Command::Logs(flags) => setup.settings().and_then(|config| logs::logs(&flags, &config)),
        Command::Run(run) => release::run(run, setup),
        Command::Resume { id, cluster } => release::resume(id.as_deref(), cluster, setup),
        Command::Rollback(flags) => rollback::rollback(flags, setup),
        Command::Traffic(what) => traffic::traffic(what, setup),
        Command::Demo(demo) => demo::demo(demo, setup),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

/// Prints an error and what led to it, for people.
fn complain(error: &color_eyre::Report) {
    let mut lines = error.chain().map(ToString::to_string);
    let first = lines.next().unwrap_or_default();
    let mut text = format!("gonogo: {first}\n");
    for cause in lines {
        text.push_str(&format!("  because {cause}\n"));
    }
    // Nowhere is left to tell it when even this fails.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Prints to standard output; a reader that has gone away, such as `head`, is no error.
fn print(text: &str) -> color_eyre::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    fn read(called: Called, line: &str) -> Result<Cli, clap::Error> {
        parse(called, line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_plugin_takes_kubectls_flags_where_kubectl_does() {
        for line in [
            "kubectl-gonogo -n shop --context prod --kubeconfig k status deploy/app",
            "kubectl-gonogo status deploy/app -n shop --context=prod --kubeconfig k",
            "kubectl-gonogo --context dev -n shop status --context prod deploy/app --kubeconfig k",
        ] {
            let mut cli = read(Called::KubectlPlugin, line).unwrap();
            let flags = cli.command.cluster().unwrap();
            assert_eq!(flags.namespace.as_deref(), Some("shop"), "{line}");
            assert_eq!(flags.context.as_deref(), Some("prod"), "the nearer one wins: {line}");
            assert_eq!(flags.kubeconfig.as_deref(), Some(std::path::Path::new("k")), "{line}");
        }
    }

    #[test]
    fn a_plugin_is_called_by_the_name_that_people_type() {
        let usage = |called, line: &str| read(called, line).unwrap_err().to_string();
        let told = usage(Called::KubectlPlugin, "/usr/bin/kubectl-gonogo status");
        assert!(told.contains("Usage: kubectl gonogo status"), "{told}");
        let told = usage(Called::Gonogo, "/usr/bin/gonogo status");
        assert!(told.contains("Usage: gonogo status"), "{told}");
        assert!(usage(Called::KubectlPlugin, "kubectl-gonogo --help").contains("Usage: kubectl gonogo"));
    }

    #[test]
    fn a_command_without_a_cluster_takes_no_flags_for_one() {
        let told = read(Called::Gonogo, "gonogo -n shop list").unwrap_err();
        assert_eq!(told.kind(), ErrorKind::ArgumentConflict);
        assert!(told.to_string().contains("`list` reaches no cluster"), "{told}");
        assert!(read(Called::Gonogo, "gonogo list").is_ok());
    }

    #[test]
    fn whom_requests_are_made_for_is_told_as_kubectl_tells_it() {
        let mut cli = read(
            Called::KubectlPlugin,
            "kubectl-gonogo --as ana status deploy/app --as-group dev --as-group ops",
        )
        .unwrap();
        let flags = cli.command.cluster().unwrap();
        assert_eq!((flags.as_user.as_deref(), flags.as_groups.len()), (Some("ana"), 2));
        let told = read(Called::Gonogo, "gonogo status deploy/app --as-group dev").unwrap_err();
        assert!(told.to_string().contains("give both"), "{told}");
    }

    #[test]
    fn a_release_is_taken_up_where_it_was_opened() {
        assert!(read(Called::Gonogo, "gonogo resume --as ana").is_ok());
        let told = read(Called::Gonogo, "gonogo resume --context other").unwrap_err();
        assert!(told.to_string().contains("the release knows its context"), "{told}");
    }

    #[test]
    fn a_release_is_rolled_back_where_it_was_opened_and_a_revision_wherever_it_is() {
        let told = read(Called::Gonogo, "gonogo rollback r1 --context other").unwrap_err();
        assert!(told.to_string().contains("the release knows its context"), "{told}");
        assert!(read(Called::Gonogo, "gonogo rollback deploy/app --to 7 --context other -n shop").is_ok());
        assert!(read(Called::Gonogo, "gonogo rollback deploy/app --to first").is_err());
    }

    #[test]
    fn read_only_may_stand_anywhere() {
        for line in ["gonogo --read-only run release.md", "gonogo run release.md --read-only"] {
            assert!(read(Called::Gonogo, line).unwrap().setup.settings().unwrap().read_only, "{line}");
        }
    }

    #[test]
    fn a_parameter_without_a_name_is_a_usage_error() {
        assert_eq!(name_value("VERSION=v1.3.0"), Ok(("VERSION".into(), "v1.3.0".into())));
        assert_eq!(name_value("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(name_value("=x").is_err());
        assert!(name_value("VERSION").is_err());
    }
}
