//! A terminal that remembers what it was shown, and a home of its own for what runs in it.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// Ends a test that would wait for ever, even on a machine that does three other things.
const PATIENCE: Duration = Duration::from_secs(300);
/// gonogo takes a key that comes again faster than this for one held down.
const READING: Duration = Duration::from_millis(250);

/// Wide and tall enough for every pane.
pub const LARGE: (u16, u16) = (150, 45);

/// The surroundings of one person: state, settings, home and working directory, all temporary.
pub struct Home {
    dir: TempDir,
    env: Vec<(OsString, OsString)>,
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in ["home", "state", "config/gonogo", "work"] {
            std::fs::create_dir_all(dir.path().join(name)).expect("a directory of our own");
        }
        let path = |name: &str| dir.path().join(name).into_os_string();
        let mut env: Vec<(OsString, OsString)> = vec![
            ("HOME".into(), path("home")),
            ("XDG_STATE_HOME".into(), path("state")),
            ("XDG_CONFIG_HOME".into(), path("config")),
            ("KUBECONFIG".into(), path("no-kubeconfig")),
            ("LANG".into(), "C.UTF-8".into()),
            ("TERM".into(), "xterm-256color".into()),
            ("TZ".into(), "UTC".into()),
            ("USER".into(), "ana".into()),
        ];
        env.extend(std::env::var_os("PATH").map(|path| ("PATH".into(), path)));
        Self { dir, env }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.into()));
    }

    /// Writes a file into the working directory and says where it is.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("work").join(name);
        std::fs::write(&path, text).expect("our own directory takes a file");
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("work").join(name)).unwrap_or_default()
    }

    /// Folders of the releases in this home.
    pub fn releases(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("state/gonogo/releases"));
        entries.map_or_else(
            |_| Vec::new(),
            |entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        )
    }

    /// The records of the only release of this home.
    pub fn records(&self) -> String {
        std::fs::read_to_string(self.journal()).expect("a journal can be read")
    }

    /// Where the only release of this home keeps its journal.
    pub fn journal(&self) -> PathBuf {
        let releases = self.releases();
        assert_eq!(releases.len(), 1, "one release: {releases:?}");
        releases[0].join("journal.jsonl")
    }

    /// Waits until a file in the working directory holds what is wanted.
    #[track_caller]
    pub fn wait_for_file(&self, name: &str, wanted: impl Fn(&str) -> bool) {
        wait_until(&format!("{name} with what is wanted"), || wanted(&self.read(name)));
    }

    /// Waits until the journal on disk has a record of this kind.
    #[track_caller]
    pub fn wait_for_record(&self, fact: &str) {
        self.wait_for_records(fact, 1);
    }

    /// Waits until the journal on disk has so many records of this kind.
    #[track_caller]
    pub fn wait_for_records(&self, fact: &str, n: usize) {
        let record = format!("\"fact\":\"{fact}\"");
        let has_all = |text: String| text.matches(&record).count() >= n;
        wait_until(fact, || std::fs::read_to_string(self.journal()).is_ok_and(has_all));
    }

    /// Runs the program without a terminal, to its end.
    pub fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gonogo"));
        command.args(args).env_clear().envs(self.env.iter().cloned());
        command.current_dir(self.path("work")).stdin(Stdio::null());
        command.output().expect("the program starts")
    }

    /// Starts the program in a terminal of its own.
    pub fn open<A: AsRef<OsStr>>(&self, args: &[A]) -> Terminal {
        self.open_sized(args, LARGE)
    }

    pub fn open_sized<A: AsRef<OsStr>>(&self, args: &[A], (columns, rows): (u16, u16)) -> Terminal {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_gonogo"));
        command.args(args);
        command.env_clear();
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command.cwd(self.path("work"));
        Terminal::start(command, columns, rows)
    }
}

/// Looks again and again at what nothing tells us of, such as a file that another process writes.
#[track_caller]
fn wait_until(what: &str, wanted: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What one program was shown to say.
struct Seen {
    /// Fed with whole frames only: nobody sees half of one.
    parser: vt100::Parser,
    /// The beginning of a frame whose end has not come yet.
    pending: Vec<u8>,
    /// All that came, for what a screen does not hold.
    stream: Vec<u8>,
    bells: usize,
    is_closed: bool,
}

const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

impl Seen {
    fn take(&mut self, bytes: &[u8]) {
        self.bells += bytes.iter().filter(|byte| **byte == 7).count();
        self.stream.extend_from_slice(bytes);
        self.pending.extend_from_slice(bytes);
        let after_frames = self.pending.windows(FRAME_ENDS.len()).rposition(|part| part == FRAME_ENDS);
        let after_frames = after_frames.map_or(0, |at| at + FRAME_ENDS.len());
        let rest = &self.pending[after_frames..];
        // The mark itself may come in two parts.
        let begins =
            |at: &usize| FRAME_BEGINS.starts_with(&rest[*at..]) || rest[*at..].starts_with(FRAME_BEGINS);
        let frame = (0..rest.len()).find(begins).unwrap_or(rest.len());
        let whole: Vec<u8> = self.pending.drain(..after_frames + frame).collect();
        self.parser.process(&whole);
    }
}

fn at_least_one(n: u16) -> NonZero<u16> {
    NonZero::new(n).unwrap_or(NonZero::<u16>::MIN)
}

type Shared = Arc<(Mutex<Seen>, Condvar)>;

fn lock(shared: &Shared) -> MutexGuard<'_, Seen> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program in a pseudo-terminal. Dropping it ends that program, and no other.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn std::io::Write + Send>,
    shared: Shared,
    last_key: Option<(String, Instant)>,
    pub n_keys: usize,
}

impl Terminal {
    fn start(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let child = pair.slave.spawn_command(command).expect("the program starts");
        // While we hold the other end, its closing would not be seen.
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a terminal can be read");
        let keys = pair.master.take_writer().expect("a terminal can be typed into");
        let seen = Seen {
            parser: vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0),
            pending: Vec::new(),
            stream: Vec::new(),
            bells: 0,
            is_closed: false,
        };
        let shared: Shared = Arc::new((Mutex::new(seen), Condvar::new()));
        let told = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut bytes = [0; 16 * 1024];
            loop {
                let n = reader.read(&mut bytes).unwrap_or(0);
                let mut seen = lock(&told);
                seen.take(&bytes[..n]);
                seen.is_closed |= n == 0;
                drop(seen);
                told.1.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Self { child, master: pair.master, keys, shared, last_key: None, n_keys: 0 }
    }

    pub fn screen(&self) -> Screen {
        Screen::of(&lock(&self.shared).parser)
    }

    pub fn bells(&self) -> usize {
        lock(&self.shared).bells
    }

    /// All bytes that the program has sent.
    pub fn stream(&self) -> Vec<u8> {
        lock(&self.shared).stream.clone()
    }

    /// Waits until the screen is as wanted, and gives it back.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Screen) -> bool) -> Screen {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = lock(&self.shared);
        loop {
            let screen = Screen::of(&seen.parser);
            if wanted(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if seen.is_closed || left.is_zero() {
                let why = if seen.is_closed { "the program ended" } else { "nothing more came" };
                drop(seen);
                panic!("waited for {what}, and {why}");
            }
            (seen, _) = self.shared.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the screen says some words.
    #[track_caller]
    pub fn wait(&self, words: &str) -> Screen {
        self.wait_for(&format!("“{words}”"), |screen| screen.says(words))
    }

    /// Presses one key, as a person does: not faster than one reads.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        if self.last_key.as_ref().is_some_and(|(last, _)| last == key) {
            self.read_on();
        }
        let bytes = match key {
            "enter" => "\r",
            "esc" => "\x1b",
            "tab" => "\t",
            "up" => "\x1b[A",
            "down" => "\x1b[B",
            "ctrl-c" => "\x03",
            other => other,
        };
        self.n_keys += 1;
        self.send(bytes.as_bytes());
        self.last_key = Some((key.to_owned(), Instant::now()));
    }

    /// Types a line of text and ends it. Each character counts as a key.
    #[track_caller]
    pub fn type_line(&mut self, text: &str) {
        self.n_keys += text.chars().count() + 1;
        self.send(text.as_bytes());
        self.send(b"\r");
    }

    /// Sends bytes in one go, as a key held down or a paste does.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.keys.write_all(bytes).and_then(|()| self.keys.flush()).expect("the terminal takes keys");
    }

    fn read_on(&self) {
        let Some((_, last)) = &self.last_key else { return };
        let mut seen = lock(&self.shared);
        while let Some(left) = READING.checked_sub(last.elapsed()).filter(|left| !left.is_zero()) {
            (seen, _) = self.shared.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        lock(&self.shared).parser.screen_mut().set_size(at_least_one(rows), at_least_one(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("the terminal can be resized");
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.child.process_id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw).expect("our child has a process id");
        rustix::process::kill_process(pid, signal).expect("our own child can be told");
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.signal(rustix::process::Signal::KILL);
        self.child.wait().expect("a killed child ends");
    }

    /// Waits for the program's own end, and gives its exit code.
    #[track_caller]
    pub fn ended(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = lock(&self.shared);
        while !seen.is_closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(seen);
                panic!("waited for the end of the program");
            }
            (seen, _) = self.shared.1.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner);
        }
        drop(seen);
        self.child.wait().expect("our child has ended").exit_code()
    }
}

impl Drop for Terminal {
    #[expect(clippy::print_stderr, reason = "what a failed test saw last is what one needs to know")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the last screen, after {} keys:\n{}", self.n_keys, self.screen().text());
        }
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the screen said at one moment, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct Screen {
    pub rows: Vec<String>,
}

impl Screen {
    fn of(parser: &vt100::Parser) -> Self {
        let screen = parser.screen();
        Self { rows: screen.rows(0, screen.size().1.get()).collect() }
    }

    pub fn text(&self) -> String {
        self.rows.join("\n")
    }

    pub fn says(&self, words: &str) -> bool {
        self.rows.iter().any(|row| row.contains(words))
    }

    /// The row on top: what is released, and how it stands.
    pub fn status(&self) -> &str {
        self.rows.first().map_or("", String::as_str)
    }

    /// Whether the panel of a command's output tells a good end.
    pub fn has_succeeded(&self) -> bool {
        let told = |row: &String| {
            let panel = row.rsplit_once("│┃").map_or("", |(_, panel)| panel);
            panel.trim_start().starts_with("exit 0 ")
        };
        self.has_panel("Output") && self.rows.iter().any(told)
    }

    /// The state of the way back, the last row but one.
    pub fn rollback_line(&self) -> &str {
        self.rows.len().checked_sub(2).map_or("", |index| &self.rows[index])
    }

    /// The title of the open panel, if one is open.
    pub fn has_panel(&self, title: &str) -> bool {
        self.rows.iter().any(|row| row.contains(&format!("┏ {title}")))
    }

    /// The current item as the checklist marks it: its mark and its words.
    pub fn current(&self) -> Option<&str> {
        let row = self.rows.get(self.current_row()?)?;
        let pane = row.get(Self::pointed(row)?..)?;
        Some(pane.split(['┃', '│']).next().unwrap_or(pane).trim())
    }

    /// The row of the current item.
    pub fn current_row(&self) -> Option<usize> {
        self.rows.iter().position(|row| row.starts_with(['┃', '│']) && Self::pointed(row).is_some())
    }

    /// Where the words behind the pointer of the checklist begin.
    fn pointed(row: &str) -> Option<usize> {
        // The checklist is the left pane; a list in a panel may have a pointer of its own.
        let (pane, _) = row.get(3..)?.split_once(['┃', '│'])?;
        Some(row.len() - row.get(3..)?.len() + pane.find("▶ ")? + "▶ ".len())
    }
}

/// Words of a finished process, both streams.
pub fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The exact seed when it is there; else its twin.
#[expect(clippy::print_stdout, reason = "a test that plays something else says so")]
pub fn seed() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seed = root.join("../shared/seeds/release.md");
    if seed.is_file() {
        return seed;
    }
    println!("skipped: the exact seed is not here, its twin is played instead");
    root.join("tests/fixtures/workflows/livraison.fr.md")
}
