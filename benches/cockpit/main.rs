//! What the person at the keyboard waits for: `cargo bench --bench cockpit` prints the figures.
//!
//! The program runs as its users run it, in a pseudo-terminal, against an API server in another
//! process. Nothing is asserted on the wall clock: figures of a busy machine prove nothing, so read
//! them beside the load that is printed with them.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark starts programs, measures with the clock and prints what it measured"
)]

mod server;
mod terminal;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use terminal::Terminal;

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/workflow.md");
/// As many as one busy service writes, and as many as a whole namespace may.
const LINES_A_SECOND: [u32; 2] = [20_000, 100_000];
const N_STARTS: usize = 20;
const N_KEYS: usize = 200;
const IDLE_FOR: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, mode, rate] = args.as_slice()
        && mode == "serve"
    {
        return server::serve(rate.parse().expect("lines a second"));
    }
    println!("{}", machine());
    let wanted = |name: &str| {
        !args.iter().any(|arg| NAMES.contains(&arg.as_str())) || args.iter().any(|arg| arg == name)
    };
    if wanted("start") {
        first_frame();
    }
    if wanted("keys") {
        // The first is the machine's own share, without which the second says little.
        keys_at(0);
        LINES_A_SECOND.into_iter().for_each(keys_at);
    }
    if wanted("idle") {
        idle();
    }
}

/// What can be asked for alone: `cargo bench --bench cockpit -- keys`.
const NAMES: [&str; 3] = ["start", "keys", "idle"];

/// From exec to the end of the first frame, with an API server that takes calls and never answers.
fn first_frame() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = silent.local_addr().expect("it is bound");
    let mut took: Vec<Duration> = (0..N_STARTS)
        .map(|_| {
            let home = home(address);
            let (mut terminal, started) = Terminal::start(home.path(), &arguments());
            let frame = terminal.next_frame(PATIENCE).expect("the first frame comes");
            assert!(terminal.screen().contains("PREPARING"), "{}", terminal.screen());
            frame.end - started
        })
        .collect();
    took.sort_unstable();
    println!("first frame after exec, {N_STARTS} starts, API server silent      target 50 ms");
    println!(
        "  min {:.1} ms   median {:.1} ms   max {:.1} ms",
        ms(took[0]),
        ms(took[took.len() / 2]),
        ms(took[took.len() - 1])
    );
}

/// From a key to the end of the frame that shows what it did, while logs pour in at `rate` lines a second.
fn keys_at(rate: u32) {
    let server = Server::start(rate);
    let home = home(server.address);
    let mut terminal = begun(home.path());
    terminal.wait_for("the flood", PATIENCE, |screen| lines_a_second(screen) >= f64::from(rate) * 0.9);
    // The log is full and lets go of old lines, as it does for the rest of a long release.
    terminal.settle(Duration::from_secs(if rate > 0 { 10 } else { 1 }));
    let (cpu_before, began) = (cpu(terminal.pid()), Instant::now());
    let bytes_before = terminal.n_bytes();
    let frames_before = terminal.n_frames();
    let mut took = Vec::with_capacity(N_KEYS);
    let mut chance = 0x2545_f491_u32;
    for n in 0..N_KEYS {
        let sent = Instant::now();
        terminal.send(if n.is_multiple_of(2) { "j" } else { "k" });
        // Away from the current item a cursor of its own stands; back on it, none.
        while sent.elapsed() < PATIENCE {
            let Some(frame) = terminal.next_frame(PATIENCE) else { break };
            if terminal.screen().contains('›') == n.is_multiple_of(2) {
                took.push(frame.end - sent);
                break;
            }
        }
        assert_eq!(took.len(), n + 1, "a key is answered; instead:\n{}", terminal.screen());
        // Keys fall anywhere between two frames of the flood, not in step with them.
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        terminal.settle(Duration::from_millis(20 + u64::from(chance >> 24) / 4));
    }
    let seconds = began.elapsed().as_secs_f64();
    let screen = terminal.screen();
    took.sort_unstable();
    println!(
        "key to painted frame, {N_KEYS} keys, {rate} lines/s from another process      target p99 16 ms"
    );
    println!(
        "  p50 {:.1} ms   p99 {:.1} ms   max {:.1} ms",
        ms(took[N_KEYS / 2]),
        ms(took[N_KEYS * 99 / 100]),
        ms(took[N_KEYS - 1])
    );
    println!(
        "  to the terminal {:.1} kB/s in {:.1} frames/s   cpu {}   the screen says: {}",
        (terminal.n_bytes() - bytes_before) as f64 / 1000.0 / seconds,
        (terminal.n_frames() - frames_before) as f64 / seconds,
        share(cpu_before, cpu(terminal.pid()), seconds),
        screen
            .lines()
            .find_map(|line| line.split("── logs").nth(1))
            .unwrap_or("nothing")
            .trim_matches(['─', ' ', '│']),
    );
    println!("  memory {}", memory(terminal.pid()));
}

/// A held release beside a cluster where nothing happens.
fn idle() {
    let server = Server::start(0);
    let home = home(server.address);
    let mut terminal = begun(home.path());
    terminal.send("h");
    terminal.wait_for("a question for the reason", PATIENCE, |screen| screen.contains("old"));
    terminal.send("lunch\r");
    terminal.wait_for("HELD", PATIENCE, |screen| screen.contains("HELD"));
    terminal.settle(Duration::from_secs(3));
    let (cpu_before, began) = (cpu(terminal.pid()), Instant::now());
    let (frames_before, bytes_before) = (terminal.n_frames(), terminal.n_bytes());
    terminal.settle(IDLE_FOR);
    let seconds = began.elapsed().as_secs_f64();
    println!("held, nothing arriving, {seconds:.0} s      target 0.5 % of a core");
    println!(
        "  cpu {}   {} frames   {:.2} kB/s to the terminal   memory {}",
        share(cpu_before, cpu(terminal.pid()), seconds),
        terminal.n_frames() - frames_before,
        (terminal.n_bytes() - bytes_before) as f64 / 1000.0 / seconds,
        memory(terminal.pid()),
    );
}

fn arguments() -> Vec<&'static str> {
    vec!["run", WORKFLOW, "--param", "VERSION=v1.3.0", "--operator", "ana"]
}

/// A release that was begun, with all it needs of the cluster.
fn begun(home: &Path) -> Terminal {
    let (mut terminal, _) = Terminal::start(home, &arguments());
    terminal.wait_for("ARMED", PATIENCE, |screen| screen.contains("ARMED →"));
    terminal.send("r");
    terminal.wait_for("RUNNING", PATIENCE, |screen| screen.contains("RUNNING"));
    terminal
}

/// A home of its own: a kubeconfig, and room for state.
fn home(server: SocketAddr) -> TempDir {
    let home = TempDir::new().expect("a benchmark has somewhere to write");
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: bench\n\
         clusters: [{{name: bench, cluster: {{server: 'http://{server}'}}}}]\n\
         contexts: [{{name: bench, context: {{cluster: bench, namespace: shop}}}}]\n"
    );
    std::fs::write(home.path().join("kubeconfig"), kubeconfig).expect("there is room");
    home
}

/// The API server, in a process of its own; ends with this value.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(rate: u32) -> Server {
        let me = std::env::current_exe().expect("a program knows where it is");
        let mut child = Command::new(me)
            .args(["serve", &rate.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this very program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        Server { child, address: line.trim().parse().expect("an address") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the log's head says: `4 pods · follow · 19 874 lines/s · 0 lost`.
fn lines_a_second(screen: &str) -> f64 {
    let Some((before, _)) = screen.split_once(" lines/s") else { return 0.0 };
    let digits: String =
        before.rsplit('·').next().unwrap_or("").chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0.0)
}

/// Processor time of a process so far; `None` where there is no /proc.
///
/// - Source: `/proc/PID/task/*/schedstat`, nanoseconds on a processor, finer than the 10 ms of `stat`.
fn cpu(pid: u32) -> Option<Duration> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let spent = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(spent.sum()))
}

fn share(before: Option<Duration>, after: Option<Duration>, seconds: f64) -> String {
    match before.zip(after) {
        Some((before, after)) => {
            format!("{:.2} % of a core", after.saturating_sub(before).as_secs_f64() / seconds * 100.0)
        }
        None => "unknown: no /proc here".to_owned(),
    }
}

fn memory(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .map_or("unknown".to_owned(), |kib| format!("{:.0} MB", kib / 1024.0))
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("unknown");
    let load = read("/proc/loadavg");
    format!(
        "gonogo {}, {} {}, {} × {model}, load {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(0, usize::from),
        load.split(' ').next().unwrap_or("unknown"),
    )
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Tells whoever started this process where it listens.
fn tell(address: SocketAddr) {
    let mut out = std::io::stdout();
    let told = writeln!(out, "{address}").and_then(|()| out.flush());
    told.expect("somebody waits for the address");
}
