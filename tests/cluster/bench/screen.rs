//! A terminal that answers questions: what a program shows, when it came, and what showing it cost.
//!
//! `screen COMMAND...` runs the command in a pseudo-terminal of 160×48 and reads one question a line
//! from standard input; it answers each with one line. `tests/cluster/bench/run` asks.
//!
//! | question | answer |
//! | --- | --- |
//! | `keys TEXT` | `ok`; `\r`, `\e` and `\t` in the text are those keys |
//! | `wait SECONDS TEXT` | `at=UNIX_NS` when the screen showed the text, or `never` |
//! | `settle SECONDS` | `ok` after that time |
//! | `usage` | `at=UNIX_NS pid=N cpu=SECONDS rss=KIB peak=KIB bytes=N frames=N` since the start |
//! | `press N THERE BACK TEXT` | `median=MS p99=MS worst=MS n=N`: N keys, THERE shows the text, BACK hides it |
//! | `dump` | the screen, then `end` |
//! | `quit` | nothing; the program is ended |
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark starts programs, measures with the clock and prints what it measured"
)]

use std::io::{BufRead as _, Read as _, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Ends a synchronized update; programs that do not use them have none.
const END_OF_FRAME: &[u8] = b"\x1b[?2026l";
/// For the answer to one key.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let command: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    assert!(!command.is_empty(), "usage: screen COMMAND...");
    let mut screen = Screen::start(&command);
    for question in std::io::stdin().lock().lines() {
        let question = question.expect("questions are text");
        let (verb, rest) = question.split_once(' ').unwrap_or((&question, ""));
        let answer = match verb {
            "keys" => screen.keys(rest),
            "wait" => screen.wait(rest),
            "settle" => screen.settle(seconds(rest)),
            "usage" => screen.usage(),
            "press" => screen.press(rest),
            "dump" => format!("{}\nend", screen.contents()),
            "quit" => return,
            _ => format!("no such question: {verb}"),
        };
        println!("{answer}");
    }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.trim().parse().expect("a number of seconds"))
}

struct Chunk {
    read: Instant,
    wall: SystemTime,
    bytes: Vec<u8>,
}

struct Screen {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    chunks: Receiver<Chunk>,
    parser: vt100::Parser,
    n_bytes: usize,
    n_frames: usize,
    _master: Box<dyn MasterPty + Send>,
}

impl Screen {
    fn start(command: &[String]) -> Self {
        let size = PtySize { rows: 48, cols: 160, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("the system has pseudo-terminals");
        let mut builder = CommandBuilder::new(&command[0]);
        builder.args(&command[1..]);
        builder.cwd(std::env::current_dir().expect("it stands somewhere"));
        builder.env("TERM", "xterm-256color");
        builder.env("LC_ALL", "C.UTF-8");
        let mut reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let writer = pair.master.take_writer().expect("the terminal can be written");
        let (told, chunks) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                let bytes = buffer[..n].to_vec();
                if told.send(Chunk { read: Instant::now(), wall: SystemTime::now(), bytes }).is_err() {
                    return;
                }
            }
        });
        let child = pair.slave.spawn_command(builder).expect("the program starts");
        let (rows, columns) = (48_u16.try_into().expect("not zero"), 160_u16.try_into().expect("not zero"));
        let parser = vt100::Parser::new(rows, columns, 0);
        Self { child, writer, chunks, parser, n_bytes: 0, n_frames: 0, _master: pair.master }
    }

    /// Takes in what the program writes next; false when the time is over, or the program.
    fn take_in(&mut self, until: Instant) -> Option<Chunk> {
        match self.chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(chunk) => {
                self.n_bytes += chunk.bytes.len();
                self.n_frames += memchr::memmem::find_iter(&chunk.bytes, END_OF_FRAME).count();
                self.parser.process(&chunk.bytes);
                Some(chunk)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the program is gone:\n{}", self.contents()),
        }
    }

    fn contents(&self) -> String {
        self.parser.screen().contents()
    }

    fn keys(&mut self, text: &str) -> String {
        let keys = text.replace("\\r", "\r").replace("\\e", "\x1b").replace("\\t", "\t");
        let sent = self.writer.write_all(keys.as_bytes()).and_then(|()| self.writer.flush());
        sent.expect("the program reads its keys");
        "ok".to_owned()
    }

    fn wait(&mut self, rest: &str) -> String {
        let (patience, text) = rest.split_once(' ').expect("wait SECONDS TEXT");
        let until = Instant::now() + seconds(patience);
        let mut at = SystemTime::now();
        while !self.contents().contains(text) {
            let Some(chunk) = self.take_in(until) else { return "never".to_owned() };
            at = chunk.wall;
        }
        format!("at={}", unix_ns(at))
    }

    fn settle(&mut self, time: Duration) -> String {
        let until = Instant::now() + time;
        while self.take_in(until).is_some() {}
        "ok".to_owned()
    }

    /// Keys fall anywhere between two frames, not in step with them.
    fn press(&mut self, rest: &str) -> String {
        let parts: Vec<&str> = rest.splitn(4, ' ').collect();
        let [n, there, back, text] = parts[..] else { panic!("press N THERE BACK TEXT") };
        let n: usize = n.parse().expect("a number of keys");
        let mut took = Vec::with_capacity(n);
        let mut chance = 0x2545_f491_u32;
        for nth in 0..n {
            let showing = nth.is_multiple_of(2);
            let sent = Instant::now();
            self.keys(if showing { there } else { back });
            let until = sent + PATIENCE;
            let mut answered = sent;
            while self.contents().contains(text) != showing {
                let Some(chunk) = self.take_in(until) else {
                    return format!("no answer to key {nth} within {} s", PATIENCE.as_secs());
                };
                answered = chunk.read;
            }
            took.push(answered.saturating_duration_since(sent).as_secs_f64() * 1000.0);
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.settle(Duration::from_millis(50 + u64::from(chance >> 24)));
        }
        took.sort_by(f64::total_cmp);
        let at = |share: usize| took[(n * share / 100).min(n - 1)];
        format!("median={:.1} p99={:.1} worst={:.1} n={n}", at(50), at(99), at(100))
    }

    fn usage(&mut self) -> String {
        // What has arrived meanwhile counts.
        while self.take_in(Instant::now()).is_some() {}
        let pid = self.child.process_id().expect("it has not been waited for");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()).unwrap_or("0").to_owned()
        };
        format!(
            "at={} pid={pid} cpu={:.2} rss={} peak={} bytes={} frames={}",
            unix_ns(SystemTime::now()),
            cpu_seconds(pid),
            kib("VmRSS:"),
            kib("VmHWM:"),
            self.n_bytes,
            self.n_frames,
        )
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unix_ns(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos()
}

/// User and system time of all threads so far, also of those that have ended.
///
/// - Source: `/proc/PID/stat`, hundredths of a second on every Linux.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the program may hold spaces; what follows its parenthesis does not.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2).collect();
    fields.iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
