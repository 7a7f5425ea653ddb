//! Runs the workflow's own commands, exactly as they were shown.
//!
//! A command is read by `bash -e -c TEXT`: a single argument keeps here-documents, quotes over
//! several lines and `$0` (`bash`) as they are in a person's own shell, and leaves no script file
//! behind. It gets a session of its own, so that no `ssh`, `sudo` or `read` can reach for the
//! terminal that the screen is drawn on, and so that a stop reaches whatever it started.
//!
//! Output never slows a command down: what the screen does not take in time is dropped from the
//! live view and counted, and head and tail are kept within a budget.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that starts commands, and their durations are wall time"
)]

mod captured;
mod file;
mod output;
mod process;
mod pump;
mod terminal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use portable_pty::CommandBuilder;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::release::event::{Captured, Exit, Run, SET_WITHOUT_TERMINAL};
use crate::watch::TerminalScreen;
use crate::workflow::{CommandId, Secrets};

use captured::Capturing;
pub use output::{Kept, OutputBatch, OutputLine, Stream};
pub use process::{Alive, is_still_running};
pub use terminal::Terminal;

/// What would change how bash reads the text that the operator was shown: start-up files, options
/// such as `nounset`, and where `cd` and globs lead.
const LEFT_OUT: [&str; 7] =
    ["BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "POSIXLY_CORRECT", "CDPATH", "GLOBIGNORE"];

/// Functions that bash takes from its environment: one named `kubectl` would run in place of the
/// program, past the pinned context or out of a practice world.
const FUNCTION: &str = "BASH_FUNC_";

/// Nobody can type into an editor here. Accepting its default text silently (`true`) would write a
/// commit nobody worded, so git is told to give up and says how to go on.
const NO_EDITOR: &str =
    "echo 'gonogo: no editor can open here; give the text with -m or -F, or use --no-edit' >&2; false";

/// What every command gets beside the inherited environment.
/// The values of [`SET_WITHOUT_TERMINAL`], in its order.
const NON_INTERACTIVE: [&str; 5] = ["cat", "cat", "0", NO_EDITOR, NO_EDITOR];

/// Takes the terminal away where no `setsid` exists: reading it then fails instead of stopping the
/// command for ever, because ignored signals stay ignored across `exec`.
const WITHOUT_TERMINAL: &str = "trap '' TTIN TTOU; exec \"$@\"";

/// News waiting for the loop; each is at most one batch.
const CHANNEL: usize = 64;

/// Why a command could not be started. Nothing of it ran.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error("gonogo is leaving: nothing new starts")]
    Leaving,
    #[error("the directory {path} is not there")]
    Directory { path: String },
    #[error("its input {path} cannot be read: {source}")]
    Input { path: String, source: std::io::Error },
    #[error("the command names no shell to read it")]
    NoShellNamed,
    #[error("{program} is not on the PATH ({path})")]
    NoShell { program: String, path: String },
    #[error("{program} could not be started: {source}")]
    Spawn { program: String, source: std::io::Error },
}

/// Starts commands and knows those that still run.
#[derive(Debug, Clone)]
pub struct Shell {
    inherited: BTreeMap<OsString, OsString>,
    ours: BTreeMap<OsString, OsString>,
    /// They may come while commands run, and every clone has them then.
    secrets: Arc<RwLock<Secrets>>,
    grace: Duration,
    keep: usize,
    /// The `setsid` program, when the machine has one.
    setsid: Option<PathBuf>,
    leaving: CancellationToken,
    tasks: TaskTracker,
    /// Of the pane that shows a command's terminal. Columns, rows.
    pane: Arc<Mutex<(u16, u16)>>,
}

impl Shell {
    /// A shell whose commands inherit `environment`, usually gonogo's own.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let inherited: BTreeMap<_, _> = environment.into_iter().collect();
        let ours = SET_WITHOUT_TERMINAL.iter().zip(NON_INTERACTIVE);
        let ours = ours.map(|(name, value)| (name.into(), value.into())).collect();
        let setsid = find_program(OsStr::new("setsid"), inherited.get(OsStr::new("PATH")));
        Self {
            inherited,
            ours,
            secrets: Arc::default(),
            grace: Duration::from_secs(10),
            keep: output::KEEP,
            setsid,
            leaving: CancellationToken::new(),
            tasks: TaskTracker::new(),
            pane: Arc::new(Mutex::new(terminal::FIRST_SIZE)),
        }
    }

    /// How large the next command's terminal is from its first moment on. Columns, rows.
    pub fn set_pane(&self, columns: u16, rows: u16) {
        *self.pane.lock().unwrap_or_else(PoisonError::into_inner) = (columns.max(1), rows.max(1));
    }

    /// Sets a variable for every command: `KUBECONFIG`, or what leads into a practice world.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.ours.insert(name.into(), value.into());
        self
    }

    /// Keeps an inherited variable from every command, such as a `GIT_DIR` that would lead out of a
    /// practice world.
    #[must_use]
    pub fn without_variable(mut self, name: &str) -> Self {
        self.inherited.remove(OsStr::new(name));
        self
    }

    /// Sets these for the commands that start from here on, and hides them in what they print.
    pub fn keep(&self, secrets: Secrets) {
        // A writer that panicked has left a whole set behind: sets are only ever replaced.
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    fn secrets(&self) -> Secrets {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long a command may take between TERM and KILL; 10 s unless told.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Units: bytes kept of the head, and as many of the tail; 256 KiB unless told.
    #[must_use]
    pub fn with_output_budget(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// The names that a command finds set by us, for its record and the run panel.
    pub fn variable_names(&self, params: &BTreeMap<String, String>) -> Vec<String> {
        let ours = self.ours.keys().map(|name| name.to_string_lossy().into_owned());
        let mut names: Vec<String> = params.keys().cloned().chain(ours).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Where a command would find `program`, if it finds it.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        let path = OsStr::new("PATH");
        find_program(OsStr::new(program), self.ours.get(path).or_else(|| self.inherited.get(path)))
    }

    /// Starts `run`, whose record must be durable by now.
    ///
    /// - Shape: news come in order and end with [`News::Ended`].
    /// - `output`: the file (0600) that gets head and tail of the output. A file that cannot be
    ///   written does not keep a command from running; [`Ended::file_problem`] tells.
    /// - Errors: the command did not start; nothing of it ran.
    pub async fn start(
        &self,
        run: &Run,
        params: &BTreeMap<String, String>,
        output: Option<&Path>,
    ) -> Result<Running, ShellError> {
        self.launch(run, params, output, self.keep).await
    }

    /// Starts a command that follows something without end, such as `kubectl logs -f`.
    ///
    /// Its lines feed a pane; only the last 4 KiB are kept, to say why it ended.
    pub async fn stream(&self, run: &Run, params: &BTreeMap<String, String>) -> Result<Running, ShellError> {
        self.launch(run, params, None, 4 * 1024).await
    }

    /// Leaves: what runs may finish within `patience`, then gets TERM, the grace period, KILL.
    ///
    /// Every running command still reports its end. What a command left in the background stays.
    pub async fn shutdown(&self, patience: Duration) {
        self.tasks.close();
        let finished = tokio::time::timeout(patience, self.tasks.wait()).await.is_ok();
        self.leaving.cancel();
        if !finished {
            self.tasks.wait().await;
        }
    }

    async fn launch(
        &self,
        run: &Run,
        params: &BTreeMap<String, String>,
        output: Option<&Path>,
        keep: usize,
    ) -> Result<Running, ShellError> {
        if self.tasks.is_closed() {
            return Err(ShellError::Leaving);
        }
        if !Path::new(&run.directory).is_dir() {
            return Err(ShellError::Directory { path: run.directory.clone() });
        }
        let Some((program, flags)) = run.shell.split_first() else {
            return Err(ShellError::NoShellNamed);
        };
        let secrets = self.secrets();
        let environment = self.environment(run, params, &secrets);
        let path = environment.get(OsStr::new("PATH"));
        if find_program(OsStr::new(program), path).is_none() {
            let path = path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
            return Err(ShellError::NoShell { program: program.clone(), path });
        }

        let stdin = match &run.terms.stdin {
            Some(path) => {
                input(path).map_err(|source| ShellError::Input { path: path.clone(), source })?.into()
            }
            None => Stdio::null(),
        };
        if run.terms.tty {
            return self.launch_in_terminal(run, (program, flags), environment, output).await;
        }
        let mut command = match &self.setsid {
            Some(setsid) => Command::new(setsid),
            None => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", WITHOUT_TERMINAL, "sh"]).process_group(0);
                command
            }
        };
        command
            .arg(program)
            .args(flags)
            .arg("-c")
            .arg(&run.text)
            .current_dir(&run.directory)
            .env_clear()
            .envs(&environment)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let began = std::time::Instant::now();
        let child =
            command.spawn().map_err(|source| ShellError::Spawn { program: program.clone(), source })?;
        let pid = child.id().expect("a child has an id until it was waited for");
        let spawned = Spawned { pid, start_time: process::start_time(pid).await };
        let (pump, news, stopper) = self.pump(run, pump::Source::piped(child), pid, began, keep, output);
        self.tasks.spawn(pump.run());
        Ok(Running { spawned, news, stopper, terminal: None })
    }

    /// The same with a terminal in place of the pipes: only the spawn differs.
    async fn launch_in_terminal(
        &self,
        run: &Run,
        (program, flags): (&String, &[String]),
        environment: BTreeMap<OsString, OsString>,
        output: Option<&Path>,
    ) -> Result<Running, ShellError> {
        let mut command = CommandBuilder::new(program);
        command.args(flags.iter());
        command.args(["-c", &run.text]);
        command.cwd(&run.directory);
        command.env_clear();
        for (name, value) in &environment {
            command.env(name, value);
        }
        let size = *self.pane.lock().unwrap_or_else(PoisonError::into_inner);
        let began = std::time::Instant::now();
        let child = terminal::spawn(command, size)
            .map_err(|source| ShellError::Spawn { program: program.clone(), source })?;
        let pid = child.pid;
        let terminal = Some(child.terminal.clone());
        let spawned = Spawned { pid, start_time: process::start_time(pid).await };
        let source = pump::Source::in_terminal(child);
        let (pump, news, stopper) = self.pump(run, source, pid, began, self.keep, output);
        self.tasks.spawn(pump.run());
        Ok(Running { spawned, news, stopper, terminal })
    }

    fn pump(
        &self,
        run: &Run,
        source: pump::Source,
        pid: u32,
        began: std::time::Instant,
        keep: usize,
        output: Option<&Path>,
    ) -> (pump::Pump, mpsc::Receiver<News>, Stopper) {
        let (sender, news) = mpsc::channel(CHANNEL);
        let stop = CancellationToken::new();
        let pump = pump::Pump {
            command: run.command.clone(),
            attempt: run.attempt,
            source,
            pid,
            began,
            grace: run.terms.grace_s.map_or(self.grace, Duration::from_secs),
            timeout: run.terms.timeout_s.map(Duration::from_secs),
            keep,
            secrets: self.secrets(),
            capture: run.terms.capture.is_some().then(Capturing::default),
            file: output.map(Path::to_owned),
            news: sender,
            stop: stop.clone(),
            leaving: self.leaving.clone(),
        };
        (pump, news, Stopper(stop))
    }

    /// Parameters come below our own settings: none can lead a command to another cluster.
    fn environment(
        &self,
        run: &Run,
        params: &BTreeMap<String, String>,
        secrets: &Secrets,
    ) -> BTreeMap<OsString, OsString> {
        let mut environment = self.inherited.clone();
        environment.extend(run.terms.set.iter().map(|(name, value)| (name.into(), value.into())));
        let given = params.iter().chain(secrets.variables());
        environment.extend(given.map(|(name, value)| (name.into(), value.into())));
        environment.extend(self.ours.clone());
        if run.terms.tty {
            // There is somebody to ask, and a screen for a pager and an editor.
            for (name, value) in SET_WITHOUT_TERMINAL.into_iter().zip(NON_INTERACTIVE) {
                if environment.get(OsStr::new(name)).is_some_and(|set| set == value) {
                    environment.remove(OsStr::new(name));
                    let own = self.inherited.get(OsStr::new(name)).map(|own| (name.into(), own.clone()));
                    environment.extend(own);
                }
            }
            environment.insert("TERM".into(), terminal::TERM.into());
            // The size of another terminal, and what another one can do.
            ["LINES", "COLUMNS", "COLORTERM", "TERMCAP"].iter().for_each(|name| {
                environment.remove(OsStr::new(name));
            });
        }
        environment.retain(|name, _| {
            let is_function = name.as_encoded_bytes().starts_with(FUNCTION.as_bytes());
            !is_function && !LEFT_OUT.iter().any(|left_out| name == left_out)
        });
        environment
    }

    #[cfg(test)]
    fn without_setsid(mut self) -> Self {
        self.setsid = None;
        self
    }
}

/// A command that was started.
#[derive(Debug)]
pub struct Running {
    pub spawned: Spawned,
    /// Ends after [`News::Ended`].
    pub news: mpsc::Receiver<News>,
    pub stopper: Stopper,
    /// The way in, for a command that has a terminal.
    pub terminal: Option<Terminal>,
}

/// What recognises the process after a crash of gonogo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spawned {
    pub pid: u32,
    /// The kernel's own start time, in the kernel's own unit: only good for comparing.
    pub start_time: Option<u64>,
}

/// Stops one command; may be kept, cloned and used after its end.
#[derive(Debug, Clone)]
pub struct Stopper(CancellationToken);

impl Stopper {
    /// TERM to everything the command started, a grace period, then KILL. Asking twice is asking once.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

/// What a running command tells.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Output(OutputBatch),
    /// What the command's own terminal shows now; the newest counts.
    Screen(TerminalScreen),
    Ended(Box<Ended>),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    pub command: CommandId,
    pub attempt: u32,
    pub exit: Exit,
    /// Units: milliseconds of wall time until the shell itself ended.
    pub took_ms: u64,
    /// Processes that the command started and that still ran when it was over.
    pub left_behind: Vec<u32>,
    pub output: Kept,
    /// What it printed for a variable, if it succeeded and was asked to.
    pub captured: Option<Captured>,
    /// Why the output file is missing or short.
    pub file_problem: Option<String>,
}

/// Opens what a command reads: a file and nothing else, since opening a pipe waits for its other end.
pub(super) fn input(path: &str) -> std::io::Result<std::fs::File> {
    match std::fs::metadata(path)?.is_file() {
        true => std::fs::File::open(path),
        false => Err(std::io::Error::other("it is no file")),
    }
}

/// Looks `program` up as a shell would: by name in `path`, or where it points when it has a slash.
fn find_program(program: &OsStr, path: Option<&OsString>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;

    let runs = |file: &Path| {
        std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let as_given = PathBuf::from(program);
    if as_given.components().count() > 1 {
        return Some(as_given).filter(|file| runs(file));
    }
    // What execvp uses when the environment has no PATH.
    let fallback = OsString::from("/usr/bin:/bin");
    std::env::split_paths(path.unwrap_or(&fallback))
        .map(|directory| directory.join(&as_given))
        .find(|file| runs(file))
}
