//! The task beside each command: it reads what comes, stops what must stop, tells the end.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::captured::Capturing;
use super::file::OutputFile;
use super::output::{Kept, Lines, Pending, Stream};
use super::process::Family;
use super::terminal::View;
use super::{Ended, News, OutputBatch, OutputLine, terminal};
use crate::release::event::Exit;
use crate::workflow::{CommandId, Secrets};

/// Between two batches: 30 frames a second show no more.
const BATCH_EVERY: Duration = Duration::from_millis(33);

/// Between two pictures of a terminal: an answer to a key must not wait for a batch.
const SCREEN_EVERY: Duration = Duration::from_millis(10);

/// A line without its end is told once its stream was silent for this long.
const QUIET: Duration = Duration::from_millis(100);

/// How long a finished command's pipes may stay open in the hands of a background child before
/// the end is told without them. What the command itself printed is in the pipe by then.
const LINGER: Duration = Duration::from_millis(300);

/// Between two looks at processes that are on their way out.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// After KILL, processes go as soon as the kernel lets them; one stuck in a system call is reported.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// A crash loses at most this much of the output file.
const WRITE_EVERY: Duration = Duration::from_millis(250);

/// While leaving, news wait this long for the loop to take them.
const LAST_WORD: Duration = Duration::from_secs(2);

const CHUNK: usize = 32 * 1024;

pub(super) struct Pump {
    pub(super) command: CommandId,
    pub(super) attempt: u32,
    pub(super) source: Source,
    pub(super) pid: u32,
    pub(super) began: Instant,
    pub(super) grace: Duration,
    /// The document stops it after that long.
    pub(super) timeout: Option<Duration>,
    pub(super) keep: usize,
    /// Hidden in everything that the command prints.
    pub(super) secrets: Secrets,
    /// Its standard output, kept as it comes.
    pub(super) capture: Option<Capturing>,
    pub(super) file: Option<PathBuf>,
    pub(super) news: mpsc::Sender<News>,
    /// The operator asked this command to stop.
    pub(super) stop: CancellationToken,
    /// gonogo leaves.
    pub(super) leaving: CancellationToken,
}

impl Pump {
    pub(super) async fn run(mut self) {
        let family = Family::new(self.pid);
        let mut out = Pipe::new(self.source.out.take(), Lines::new(Stream::Out, self.secrets.clone()));
        let mut err = Pipe::new(self.source.err.take(), Lines::new(Stream::Err, self.secrets.clone()));
        let mut view = self.source.view.take();
        let mut record = Record::new(self.keep, self.file.take());
        let mut exit: Option<(ExitStatus, Instant)> = None;
        let mut killing = Killing::NotAsked;
        let mut late = false;
        let mut too_late = self.timeout.map(|timeout| self.began + timeout);

        while exit.is_none() || out.is_open() || err.is_open() {
            let linger_over = exit.map(|(_, at)| at + LINGER);
            tokio::select! {
                () = asked_to_end(&self.stop, &self.leaving), if killing == Killing::NotAsked => {
                    terminate(family);
                    killing = Killing::Asked { kill_at: Instant::now() + self.grace };
                }
                () = until(too_late), if killing == Killing::NotAsked => {
                    too_late = None;
                    terminate(family);
                    killing = Killing::Asked { kill_at: Instant::now() + self.grace };
                    let seconds = self.timeout.unwrap_or_default().as_secs();
                    let text = format!("gonogo: stopped after {seconds} s, as the document says");
                    record.push(OutputLine { stream: Stream::Err, text: text.into(), continues: false });
                    late = true;
                }
                () = until(killing.kill_at()) => {
                    family.signal(Signal::KILL);
                    killing = Killing::Killed;
                }
                status = self.source.child.wait(), if exit.is_none() => {
                    exit = Some((status, Instant::now()));
                }
                () = until(linger_over) => break,
                () = out.read() => {
                    if let Some(capture) = &mut self.capture {
                        capture.take(out.bytes());
                    }
                    if let Some(view) = &mut view {
                        view.read(out.bytes());
                        record.hurry();
                    }
                    record.take_in(&mut out);
                }
                () = err.read() => record.take_in(&mut err),
                () = resized(&mut view) => record.hurry(),
                () = until(record.due) => record.tell(&self, (&mut out, &mut err), &mut view),
            }
        }
        let (status, ended_at) = exit.expect("the loop ends no sooner than the command");
        let took = ended_at.duration_since(self.began);

        let left_behind = match killing {
            Killing::NotAsked => left_after(family, LINGER).await,
            _ => end_family(family, killing.kill_at().unwrap_or_else(Instant::now)).await,
        };
        out.lines.finish(|line| record.push(line));
        err.lines.finish(|line| record.push(line));
        let (lines, dropped) = record.pending.take();
        if !lines.is_empty() || dropped > 0 {
            self.deliver(News::Output(self.batch(lines, dropped))).await;
        }
        let (kept, file_problem) = record.close().await;
        // Whoever ends neatly when told to stop has not done what it was started for.
        let exit = match exit_of(status) {
            exit if late && exit.succeeded() => Exit::Signal(Signal::TERM.as_raw()),
            exit => exit,
        };
        let captured = self.capture.take().filter(|_| exit.succeeded());
        let ended = Ended {
            command: self.command.clone(),
            attempt: self.attempt,
            exit,
            captured: captured.map(|captured| captured.end(&self.secrets)),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            left_behind,
            output: kept,
            file_problem,
        };
        if let Some(screen) = view.as_mut().and_then(|view| view.news(&self.secrets)) {
            self.deliver(News::Screen(screen)).await;
        }
        self.deliver(News::Ended(Box::new(ended))).await;

        if out.is_open() || err.is_open() {
            drain(out, err, family, self.grace, self.stop, self.leaving);
        }
    }

    /// Waits for room, since an end must not be lost; but leaving does not wait for a loop that
    /// takes nothing any more: the command is in doubt then.
    async fn deliver(&self, news: News) {
        tokio::select! {
            _ = self.news.send(news) => {}
            () = async { self.leaving.cancelled().await; tokio::time::sleep(LAST_WORD).await } => {}
        }
    }

    fn batch(&self, lines: Vec<super::OutputLine>, dropped: u64) -> OutputBatch {
        OutputBatch { command: self.command.clone(), attempt: self.attempt, lines, dropped }
    }
}

/// What a pump reads from and waits for: pipes, or a terminal.
pub(super) struct Source {
    child: Waited,
    out: Option<Box<dyn AsyncRead + Unpin + Send + Sync>>,
    err: Option<Box<dyn AsyncRead + Unpin + Send + Sync>>,
    view: Option<View>,
}

impl Source {
    pub(super) fn piped(mut child: Child) -> Self {
        let out = child.stdout.take().map(|out| Box::new(out) as _);
        let err = child.stderr.take().map(|err| Box::new(err) as _);
        Self { child: Waited::Piped(child), out, err, view: None }
    }

    /// A terminal has one stream: what a command says on either comes as its output.
    pub(super) fn in_terminal(spawned: terminal::Spawned) -> Self {
        let terminal::Spawned { ended, output, view, .. } = spawned;
        Self { child: Waited::InTerminal(ended), out: Some(Box::new(output)), err: None, view: Some(view) }
    }
}

enum Waited {
    Piped(Child),
    InTerminal(oneshot::Receiver<ExitStatus>),
}

impl Waited {
    async fn wait(&mut self) -> ExitStatus {
        // Waiting fails only for a child that somebody else collected: nobody does.
        match self {
            Waited::Piped(child) => child.wait().await.unwrap_or_else(|_| ExitStatus::from_raw(-1)),
            Waited::InTerminal(ended) => ended.await.unwrap_or_else(|_| ExitStatus::from_raw(-1)),
        }
    }
}

async fn resized(view: &mut Option<View>) {
    match view {
        Some(view) => view.resized().await,
        None => std::future::pending().await,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killing {
    NotAsked,
    Asked { kill_at: Instant },
    Killed,
}

impl Killing {
    fn kill_at(self) -> Option<Instant> {
        match self {
            Killing::Asked { kill_at } => Some(kill_at),
            Killing::NotAsked | Killing::Killed => None,
        }
    }
}

/// One end of a pipe, until the other end closes.
struct Pipe<R> {
    reader: Option<R>,
    lines: Lines,
    buffer: Vec<u8>,
    filled: usize,
    last_read: Instant,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(reader: Option<R>, lines: Lines) -> Self {
        Self { reader, lines, buffer: vec![0; CHUNK], filled: 0, last_read: Instant::now() }
    }

    fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// What the last read brought.
    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Never ends once the pipe is closed.
    async fn read(&mut self) {
        let Some(reader) = &mut self.reader else { return std::future::pending().await };
        match reader.read(&mut self.buffer).await {
            Ok(0) | Err(_) => self.reader = None,
            Ok(read) => self.filled = read,
        }
        self.last_read = Instant::now();
    }
}

/// Where lines go: into what is kept, toward the screen, into the file.
struct Record {
    kept: Kept,
    pending: Pending,
    /// When something is to be told or written next.
    due: Option<Instant>,
    file: Option<OutputFile>,
    write_at: Option<Instant>,
}

impl Record {
    fn new(keep: usize, file: Option<PathBuf>) -> Self {
        let file = file.map(OutputFile::open);
        Self { kept: Kept::new(keep), pending: Pending::default(), due: None, file, write_at: None }
    }

    fn push(&mut self, line: super::OutputLine) {
        self.pending.push(line.clone());
        self.kept.push(line);
    }

    fn take_in<R>(&mut self, pipe: &mut Pipe<R>) {
        let bytes = &pipe.buffer[..std::mem::take(&mut pipe.filled)];
        pipe.lines.push(bytes, |line| self.push(line));
        let now = Instant::now();
        self.due = self.due.or(Some(now + BATCH_EVERY));
        self.write_at = self.write_at.or(Some(now + WRITE_EVERY));
    }

    /// Somebody types and looks at it: what it shows is told sooner than lines are.
    fn hurry(&mut self) {
        let soon = Instant::now() + SCREEN_EVERY;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// Sends a batch if there is room for one, and the file what it has missed.
    fn tell<R: AsyncRead + Unpin, S: AsyncRead + Unpin>(
        &mut self,
        pump: &Pump,
        pipes: (&mut Pipe<R>, &mut Pipe<S>),
        view: &mut Option<View>,
    ) {
        let now = Instant::now();
        let (out, err) = pipes;
        let rest_due = [self.quiet_rest(out, now), self.quiet_rest(err, now)];
        let mut due = rest_due.into_iter().flatten().min();
        if !self.pending.is_empty() {
            // A screen that is busy costs lines of the live view, never the command's time.
            match pump.news.try_reserve() {
                Ok(room) => {
                    let (lines, dropped) = self.pending.take();
                    room.send(News::Output(pump.batch(lines, dropped)));
                }
                Err(_) => due = Some(now + BATCH_EVERY),
            }
        }
        if let Some(view) = view {
            match pump.news.try_reserve() {
                Ok(room) => {
                    if let Some(screen) = view.news(&pump.secrets) {
                        room.send(News::Screen(screen));
                    }
                }
                Err(_) => due = Some(now + SCREEN_EVERY),
            }
        }
        if self.write_at.is_some_and(|at| at <= now) {
            self.write_at = None;
            if let Some(file) = &mut self.file {
                file.offer(&self.kept);
            }
        }
        self.due = [due, self.write_at].into_iter().flatten().min();
    }

    /// Tells a line without its end after a silence; answers when to look again.
    fn quiet_rest<R>(&mut self, pipe: &mut Pipe<R>, now: Instant) -> Option<Instant> {
        if !pipe.lines.has_rest() {
            return None;
        }
        let at = pipe.last_read + QUIET;
        if at > now {
            return Some(at);
        }
        pipe.lines.tell_rest(|line| self.push(line));
        self.write_at = self.write_at.or(Some(now + WRITE_EVERY));
        None
    }

    async fn close(mut self) -> (Kept, Option<String>) {
        let problem = match self.file.take() {
            Some(mut file) => {
                file.offer(&self.kept);
                file.close().await
            }
            None => None,
        };
        (self.kept, problem)
    }
}

async fn asked_to_end(stop: &CancellationToken, leaving: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = leaving.cancelled() => {}
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// A stopped process takes no TERM before it is continued.
fn terminate(family: Family) {
    family.signal(Signal::TERM);
    family.signal(Signal::CONT);
}

/// Who still runs although the command is over; children on their way out get a moment.
async fn left_after(family: Family, patience: Duration) -> Vec<u32> {
    let give_up = Instant::now() + patience;
    loop {
        let left = family.left();
        if left.is_empty() || Instant::now() >= give_up {
            return left;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Sees a family out that got TERM: KILL at `kill_at` for whoever is left by then.
async fn end_family(family: Family, kill_at: Instant) -> Vec<u32> {
    let left = left_after(family, kill_at.saturating_duration_since(Instant::now())).await;
    if left.is_empty() {
        return left;
    }
    family.signal(Signal::KILL);
    left_after(family, AFTER_KILL).await
}

/// Reads on for a background child, so that it is not ended by its next line of output.
fn drain<R, S>(
    mut out: Pipe<R>,
    mut err: Pipe<S>,
    family: Family,
    grace: Duration,
    stop: CancellationToken,
    leaving: CancellationToken,
) where
    R: AsyncRead + Unpin + Send + 'static,
    S: AsyncRead + Unpin + Send + 'static,
{
    // Not among the tracked tasks: leaving does not wait for what a finished command left behind.
    tokio::spawn(async move {
        while out.is_open() || err.is_open() {
            tokio::select! {
                () = out.read() => {}
                () = err.read() => {}
                () = leaving.cancelled() => return,
                () = stop.cancelled() => {
                    terminate(family);
                    end_family(family, Instant::now() + grace).await;
                    return;
                }
            }
        }
    });
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Signal(0),
    }
}
