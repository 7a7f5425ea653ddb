//! A real nginx before two small services, all on loopback and below one folder.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Generous: only a hang takes this long.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How long a slow answer takes: long enough to be under way while nginx reloads.
const SLOW: Duration = Duration::from_millis(150);

pub const COLOURS: [&str; 2] = ["blue", "green"];

/// The nginx of this machine; `None` skips a test, unless nginx is required.
#[expect(clippy::print_stderr, reason = "whoever reads the log shall know what was left out")]
pub fn nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps it where only root looks.
    let beside = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    let found =
        std::env::split_paths(&path).chain(beside).map(|dir| dir.join("nginx")).find(|it| it.is_file());
    let is_required = std::env::var_os("GONOGO_NGINX_REQUIRED").is_some_and(|value| value == "1");
    assert!(found.is_some() || !is_required, "no nginx here; Debian's package is nginx-light");
    if found.is_none() {
        eprintln!("skipped: no nginx here; `apt-get install nginx-light` brings one");
    }
    found
}

/// One colour of the service, in this process.
struct Backend {
    address: SocketAddr,
    is_healthy: Arc<AtomicBool>,
    serving: [JoinHandle<()>; 2],
}

impl Backend {
    /// Serves on a port and on a socket file, which has the colour in its name.
    async fn start(colour: &'static str, dir: &Path) -> Self {
        let is_healthy = Arc::new(AtomicBool::new(true));
        let healthy = is_healthy.clone();
        let health = move || async move {
            match healthy.load(Ordering::SeqCst) {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            }
        };
        let slow = move || async move {
            tokio::time::sleep(SLOW).await;
            ([("X-Colour", colour)], colour)
        };
        let router = axum::Router::new()
            .route("/", get(move || async move { ([("X-Colour", colour)], colour) }))
            .route("/slow", get(slow))
            .route("/health", get(health));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = tokio::net::UnixListener::bind(dir.join(format!("{colour}-app.sock"))).unwrap();
        let (over_port, over_file) = (router.clone(), router);
        let serving = [
            tokio::spawn(async move { axum::serve(listener, over_port).await.unwrap() }),
            tokio::spawn(async move { axum::serve(socket, over_file).await.unwrap() }),
        ];
        Self { address, is_healthy, serving }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

/// nginx, with all its workers in one process group of their own.
struct Server(Child);

impl Server {
    fn group(&self) -> Option<Pid> {
        self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
    }

    /// Quick and clean, as nothing is under way any more; by force where that does not help.
    fn stop(&mut self) {
        let Some(group) = self.group() else { return };
        for signal in [Signal::TERM, Signal::KILL] {
            let _ = kill_process_group(group, signal);
            for _ in 0..200 {
                let has_ended = !matches!(self.0.try_wait(), Ok(None));
                if has_ended && test_kill_process_group(group).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

pub struct Stage {
    // Dropped in this order: nobody serves from a folder that is gone.
    server: Option<Server>,
    backends: BTreeMap<&'static str, Backend>,
    pub dir: TempDir,
    program: PathBuf,
    port: u16,
    by_name: bool,
    misplaced: BTreeMap<&'static str, String>,
}

impl Stage {
    /// Blue serves, by its port.
    pub async fn new(program: PathBuf) -> Self {
        Self::with(program, false).await
    }

    /// Blue serves, by a socket file that has its name, as `server blue-app:8080` would.
    pub async fn by_name(program: PathBuf) -> Self {
        Self::with(program, true).await
    }

    async fn with(program: PathBuf, by_name: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        let mut backends = BTreeMap::new();
        for colour in COLOURS {
            backends.insert(colour, Backend::start(colour, dir.path()).await);
        }
        let mut stage =
            Self { server: None, backends, dir, program, port: 0, by_name, misplaced: BTreeMap::new() };
        fs::write(stage.upstream(), stage.upstream_of("blue")).unwrap();
        fs::write(stage.current(), "blue\n").unwrap();
        fs::write(stage.dir.path().join("run"), WRAPPER).unwrap();
        stage.start().await;
        stage
    }

    pub fn upstream(&self) -> PathBuf {
        self.dir.path().join("conf.d/upstream.conf")
    }

    pub fn current(&self) -> PathBuf {
        self.dir.path().join("current-env")
    }

    pub fn upstream_of(&self, colour: &str) -> String {
        format!("# blue or green\nupstream app {{\n    server {} max_fails=0;\n}}\n", self.address(colour))
    }

    fn address(&self, colour: &str) -> String {
        match self.misplaced.get(colour) {
            Some(address) => address.clone(),
            None if self.by_name => format!("unix:{}/{colour}-app.sock", self.dir.path().display()),
            None => self.backends[colour].address.to_string(),
        }
    }

    /// From now on the command line says that this colour is somewhere else.
    pub fn misplace(&mut self, colour: &'static str, address: &str) {
        self.misplaced.insert(colour, address.to_owned());
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    pub fn proxy(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub fn set_health(&self, colour: &str, is_healthy: bool) {
        self.backends[colour].is_healthy.store(is_healthy, Ordering::SeqCst);
    }

    /// On a port that was free a moment ago; on another one if somebody took it since.
    async fn start(&mut self) {
        for _ in 0..5 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            self.port = free.local_addr().unwrap().port();
            drop(free);
            fs::write(self.dir.path().join("nginx.conf"), self.configuration()).unwrap();
            let dir = self.dir.path();
            let mut command = Command::new(&self.program);
            command.arg("-p").arg(dir).arg("-c").arg(dir.join("nginx.conf")).args(["-g", "daemon off;"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut server = Server(command.process_group(0).spawn().unwrap());
            let up = async {
                while tokio::net::TcpStream::connect(self.proxy()).await.is_err() {
                    if server.0.try_wait().unwrap().is_some() {
                        return false;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                true
            };
            if tokio::time::timeout(PATIENCE, up).await.expect("nginx starts or ends") {
                self.server = Some(server);
                return;
            }
        }
        panic!("nginx does not start: {}", self.error_log());
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    pub fn error_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }

    fn configuration(&self) -> String {
        let dir = self.dir.path().display();
        // The workers must reach the folder of the one who runs the test.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        // The pattern takes in every file, as Debian's for sites-enabled does.
        format!(
            "{user}\nworker_processes 2;\npid {dir}/nginx.pid;\nerror_log {dir}/error.log notice;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n access_log off;\n client_body_temp_path {dir}/body;\n proxy_temp_path {dir}/proxy;\n\
             fastcgi_temp_path {dir}/fastcgi;\n uwsgi_temp_path {dir}/uwsgi;\n scgi_temp_path {dir}/scgi;\n\
             include {dir}/conf.d/*;\n server {{\n  listen 127.0.0.1:{};\n  location / {{\n\
             proxy_pass http://app;\n   proxy_http_version 1.1;\n   proxy_set_header Connection \"\";\n  }}\n }}\n}}\n",
            self.port
        )
    }

    /// A switch, or what else `args` say, of this place.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gonogo"));
        command.args(["traffic", "nginx"]).args(args).args(self.place());
        command.args(["--through", &self.url(), "--says", "X-Colour: {colour}"]);
        self.surround(&mut command);
        command
    }

    /// A block of a document, as bash runs it in this folder, with programs that lead to this place.
    pub async fn block(&self, text: &str) -> (Option<i32>, String) {
        let bin = self.dir.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let place: Vec<String> = self.place().iter().map(|word| format!("'{word}'")).collect();
        let gonogo = format!("exec {} \"$@\" {}", env!("CARGO_BIN_EXE_gonogo"), place.join(" "));
        let docker = format!("echo \"$IMAGE_TAG $*\" >> {}/docker", self.dir.path().display());
        for (name, script) in [("gonogo", gonogo), ("docker", docker)] {
            fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let text = text.replace("http://localhost/", &self.url());
        let text = text.replace("--health 'http://{colour}-app:8080/health'", "");
        let mut command = Command::new("bash");
        command.args(["-e", "-c", &text]).current_dir(self.dir.path());
        self.surround(&mut command);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", bin.display())).env("VERSION", "v1.3.0");
        let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    fn surround(&self, command: &mut Command) {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    }

    /// The flags that say where everything is.
    fn place(&self) -> Vec<String> {
        let dir = self.dir.path().display();
        let mut flags = vec![format!("--upstream={}", self.upstream().display())];
        flags.push(format!("--current={}", self.current().display()));
        for colour in COLOURS {
            let backend = &self.backends[colour];
            flags.push(format!("--health={colour}=http://{}/health", backend.address));
            if !self.by_name {
                flags.push(format!("--colour={colour}={}", self.address(colour)));
            }
        }
        let program = self.program.display();
        flags.push(format!("--nginx=sh {dir}/run {program} -p {dir} -c {dir}/nginx.conf"));
        flags
    }

    /// Runs it to its end: exit code (`None` when it was killed), and all it said.
    pub async fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let running = self.command(args).spawn().unwrap().wait_with_output();
        let output = tokio::time::timeout(PATIENCE, running).await.expect("the program ends").unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    pub async fn json(&self, args: &[&str]) -> (Option<i32>, Value) {
        let command = self.command(&[args, &["--format", "json"]].concat()).spawn().unwrap();
        let output = tokio::time::timeout(PATIENCE, command.wait_with_output()).await.unwrap().unwrap();
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
    }

    /// This place as the head of a document says it.
    pub fn head(&self) -> String {
        let dir = self.dir.path().display();
        let each = |of: &dyn Fn(&str) -> String| {
            COLOURS.map(|colour| format!("{colour}: {}", of(colour))).join(", ")
        };
        let colours = each(&|colour| format!("['{}']", self.address(colour)));
        let health = each(&|colour| format!("'http://{}/health'", self.backends[colour].address));
        format!(
            "nginx:\n  upstream: {}\n  current: {}\n  colours: {{{colours}}}\n  health: {{{health}}}\n  \
             through: {}\n  says: 'X-Colour: {{colour}}'\n  command: sh {dir}/run {} -p {dir} -c {dir}/nginx.conf\n",
            self.upstream().display(),
            self.current().display(),
            self.url(),
            self.program.display(),
        )
    }

    /// The command line of a switch, for a document.
    pub fn switch(&self, to: &str) -> String {
        let place: Vec<String> = self.place().iter().map(|word| format!("'{word}'")).collect();
        let (program, url) = (env!("CARGO_BIN_EXE_gonogo"), self.url());
        format!(
            "{program} traffic nginx {to} {} --through {url} --says 'X-Colour: {{colour}}'",
            place.join(" ")
        )
    }

    /// What both files say, the upstream file compared byte for byte.
    pub fn standing(&self) -> (&'static str, String) {
        let text = fs::read_to_string(self.upstream()).unwrap();
        let named = COLOURS.into_iter().find(|colour| text == self.upstream_of(colour));
        (named.unwrap_or("another text"), fs::read_to_string(self.current()).unwrap())
    }

    pub fn is_at(&self, colour: &str) -> bool {
        self.standing() == (if colour == "blue" { "blue" } else { "green" }, format!("{colour}\n"))
    }

    /// The next run is ended by `kill -9` there: `before-test`, `after-test`, `before-reload`,
    /// `after-reload`; with `no-reload` nginx never hears of it.
    pub fn kill_at(&self, place: &str) {
        fs::write(self.dir.path().join("kill-at"), place).unwrap();
    }

    /// Files that a killed run left beside the two.
    pub fn leftovers(&self) -> usize {
        let folders = [self.dir.path().join("conf.d"), self.dir.path().to_owned()];
        let names = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).count()
    }
}

/// Runs nginx as it is told, and kills its own parent where a test wants it.
const WRAPPER: &str = r#"
here=$(dirname "$0")
at=$(cat "$here/kill-at" 2>/dev/null)
case "$*" in *" -t") what=test ;; *) what=reload ;; esac
if [ "$at" = "before-$what" ]; then rm "$here/kill-at"; kill -9 "$PPID"; exit 1; fi
if [ "$at" = "no-$what" ]; then rm "$here/kill-at"; exit 0; fi
"$@"
code=$?
if [ "$at" = "after-$what" ]; then rm "$here/kill-at"; kill -9 "$PPID"; fi
exit "$code"
"#;
