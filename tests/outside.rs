//! Outside a release: `gonogo status` as a pipeline runs it, against the practice world.
//!
//! The world runs many times faster than the wall clock, and the tests wait for what the program
//! says or for its end, never for time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "these tests start the program")]

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use gonogo::rehearsal::{Fault, Options, Practice, Scenario};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Generous: only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(300);

struct Stage {
    practice: Practice,
    dir: TempDir,
}

impl Stage {
    async fn new(scenario: Scenario) -> Self {
        Self::at(120.0, scenario).await
    }

    /// A world in which a rollout takes seconds of wall time, so that its middle is seen.
    async fn unhurried() -> Self {
        Self::at(12.0, Scenario::Good).await
    }

    async fn at(speed: f64, scenario: Scenario) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let exe = PathBuf::from("/bin/true");
        let options = Options { dir: dir.path().join("world"), scenario, speed, exe };
        Self { practice: Practice::start(options).await.unwrap(), dir }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gonogo"));
        command.args(args).env_clear().env("HOME", self.dir.path());
        command.env("KUBECONFIG", &self.practice.kubeconfig);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn run(&self, args: &[&str]) -> Output {
        let running = self.command(args).spawn().unwrap().wait_with_output();
        tokio::time::timeout(PATIENCE, running).await.expect("the program ends").unwrap()
    }

    /// Runs `status … --format json` and gives its exit code and its objects.
    async fn json(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let output = self.run(&[&["status", "--format", "json"], args].concat()).await;
        let text = String::from_utf8(output.stdout).unwrap();
        let objects = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.code().unwrap(), objects)
    }

    async fn deployments(&self) -> Api<Deployment> {
        let kubeconfig = Kubeconfig::read_from(&self.practice.kubeconfig).unwrap();
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        config.root_cert = Some(Vec::new());
        Api::default_namespaced(Client::try_from(config).unwrap())
    }

    async fn patch(&self, patch: Value) {
        let patch = Patch::Strategic(patch);
        self.deployments().await.patch("app", &PatchParams::default(), &patch).await.unwrap();
    }

    async fn set_image(&self, version: &str) {
        let containers = json!([{"name": "app", "image": format!("myapp:{version}")}]);
        self.patch(json!({"spec": {"template": {"spec": {"containers": containers}}}})).await;
    }
}

/// The program while it runs, line by line.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(stage: &Stage, args: &[&str]) -> Self {
        let mut child = stage.command(args).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads on to a line that holds these words.
    async fn until(&mut self, words: &str) -> String {
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(words) {
                    return line;
                }
            }
            panic!("it ended without saying “{words}”");
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("waited for “{words}”"))
    }

    async fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        let ending = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                rest.push_str(&line);
                rest.push('\n');
            }
            self.child.wait().await.unwrap().code().unwrap()
        };
        let code = tokio::time::timeout(PATIENCE, ending).await.expect("the program ends");
        (code, rest)
    }
}

#[tokio::test]
async fn what_is_up_long_since_is_complete_at_once() {
    let stage = Stage::new(Scenario::Good).await;
    let (code, told) = stage.json(&["deployment/app"]).await;
    assert_eq!((code, told.len()), (0, 1));
    assert_eq!(told[0]["schema"], "gonogo.status/1");
    assert_eq!(told[0]["state"], "complete");
    let replicas = json!({"desired": 4, "updated": 4, "ready": 4, "available": 4, "old": 0});
    assert_eq!(told[0]["replicas"], replicas);
    assert_eq!(told[0]["stale"], false);
}

#[tokio::test]
async fn a_good_rollout_is_waited_for_and_told_in_calm_lines() {
    let stage = Stage::unhurried().await;
    stage.set_image("v1.3.0").await;
    let output = stage.run(&["status", "deploy/app", "--wait", "--settle", "1s"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let state = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
    let mut states: Vec<String> = text.lines().filter_map(state).collect();
    // How long the controller takes to see the change, and the server to answer, is the machine's affair.
    states.retain(|state| !["unobserved", "stale,"].contains(&state.as_str()));
    states.dedup();
    // Until the controller has seen the change, which takes as long as the machine lets it.
    states.retain(|state| state != "unobserved");
    assert_eq!(states, ["progressing", "settling", "complete"], "{text}");
    assert!(text.lines().count() <= 8, "calm:\n{text}");
    assert!(!text.contains('\u{1b}'), "no terminal tricks");
}

#[tokio::test]
async fn a_crash_loop_has_failed_at_once_and_tells_the_last_words() {
    let stage = Stage::new(Scenario::CrashLoop).await;
    stage.set_image("v1.3.0").await;
    let (code, told) = stage.json(&["deployment/app", "--wait"]).await;
    let told = &told[0];
    assert_eq!((code, &told["state"]), (3, &json!("failed")), "{told}");
    assert_eq!((&told["container"], &told["reason"]), (&json!("app"), &json!("CrashLoopBackOff")));
    assert!(told["pod"].as_str().unwrap().starts_with("app-"));
    let lines = told["last_lines"].as_array().unwrap();
    let said = |words: &str| lines.iter().any(|line| line.as_str().unwrap().contains(words));
    assert!(said("PAYMENT_API_URL is not set") && said("exiting with code 1"), "{lines:?}");

    let output = stage.run(&["status", "deployment/app", "--wait"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("app CrashLoopBackOff exit 1"), "{text}");
    assert!(text.contains("last lines of app-") && text.contains("| "), "{text}");
}

#[tokio::test]
async fn a_missing_image_names_its_reason() {
    let stage = Stage::new(Scenario::Good).await;
    stage.set_image("v1.3.0-badimage").await;
    let (code, told) = stage.json(&["deployment/app", "--wait"]).await;
    assert_eq!((code, &told[0]["state"]), (3, &json!("failed")), "{}", told[0]);
    let reason = told[0]["reason"].as_str().unwrap();
    assert!(["ErrImagePull", "ImagePullBackOff"].contains(&reason), "{reason}");
    assert!(told[0]["message"].as_str().unwrap().contains("not found"), "{}", told[0]);
}

#[tokio::test]
async fn a_paused_rollout_ends_the_wait_because_only_a_person_can_go_on() {
    let stage = Stage::new(Scenario::Good).await;
    stage.patch(json!({"spec": {"paused": true}})).await;
    let (code, told) = stage.json(&["deployment/app", "--wait"]).await;
    assert_eq!((code, &told[0]["state"]), (6, &json!("paused")));
}

#[tokio::test]
async fn what_does_not_exist_is_gone_and_the_worst_of_several_decides() {
    let stage = Stage::new(Scenario::Good).await;
    let (code, told) = stage.json(&["deployment/app", "deployment/none"]).await;
    assert_eq!((code, told.len()), (3, 2));
    assert_eq!((&told[0]["target"], &told[0]["state"]), (&json!("deployment/app"), &json!("complete")));
    assert_eq!((&told[1]["target"], &told[1]["state"]), (&json!("deployment/none"), &json!("gone")));
}

#[tokio::test]
async fn somebody_elses_rollout_ends_the_wait_for_ours() {
    let stage = Stage::unhurried().await;
    stage.set_image("v1.3.0").await;
    let mut watching = Watching::start(&stage, &["status", "deployment/app", "--wait", "--settle", "1000s"]);
    watching.until("progressing").await;
    stage.set_image("v1.4.0").await;
    watching.until("superseded").await;
    let (code, _) = watching.end().await;
    assert_eq!(code, 3);
}

#[tokio::test]
async fn a_workload_that_is_deleted_meanwhile_is_gone() {
    let stage = Stage::unhurried().await;
    stage.set_image("v1.3.0").await;
    let mut watching = Watching::start(&stage, &["status", "deployment/app", "--wait", "--settle", "1000s"]);
    watching.until("progressing").await;
    stage.deployments().await.delete("app", &DeleteParams::default()).await.unwrap();
    watching.until("gone").await;
    assert_eq!(watching.end().await.0, 3);
}

#[tokio::test]
async fn a_silent_cluster_makes_what_was_known_stale_and_turns_nothing_green() {
    let stage = Stage::unhurried().await;
    stage.set_image("v1.3.0").await;
    let args = ["status", "deployment/app", "--wait", "--settle", "1000s", "--timeout", "30s"];
    let mut watching = Watching::start(&stage, &args);
    watching.until("progressing").await;
    stage.practice.inject(Fault::ApiDown { lasting: PATIENCE });
    let stale = watching.until("stale, was ").await;
    assert!(stale.contains("no answer since"), "{stale}");
    let (code, rest) = watching.end().await;
    assert_eq!(code, 7, "{rest}");
    assert!(rest.contains("time ran out after 30s"), "{rest}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_unknown_with_its_name_and_the_cause() {
    let stage = Stage::new(Scenario::Good).await;
    let text = std::fs::read_to_string(&stage.practice.kubeconfig).unwrap();
    let at = text.find("http://127.0.0.1:").unwrap();
    let end = at + text[at..].find(|c: char| c.is_whitespace() || ",}\"'".contains(c)).unwrap();
    let dead = stage.dir.path().join("dead");
    std::fs::write(&dead, text.replace(&text[at..end], "http://127.0.0.1:1")).unwrap();
    let dead = dead.to_str().unwrap();
    let output = stage.run(&["status", "deploy/app", "--kubeconfig", dead, "--timeout", "1s"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7), "{text}");
    assert!(text.contains("unknown") && text.contains("connection refused"), "{text}");
    assert!(text.contains("no answer from http://127.0.0.1:1 (context practice)"), "{text}");
    assert!(text.contains("not known after 1s"), "{text}");
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_with_how_things_stand() {
    let stage = Stage::unhurried().await;
    stage.set_image("v1.3.0").await;
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let args = ["status", "deployment/app", "--wait", "--settle", "100000s"];
        let mut watching = Watching::start(&stage, &args);
        let first = watching.until("deployment/app").await;
        let pid = rustix::process::Pid::from_raw(watching.child.id().unwrap().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let (code, rest) = watching.end().await;
        // A cluster that answers late is stale meanwhile, and the end says so.
        let last = rest.lines().rfind(|line| line.contains("deployment/app")).unwrap_or(&first);
        let known = if last.contains("stale, was") { 7 } else { 5 };
        assert_eq!((code, rest.contains("interrupted")), (known, true), "{signal:?}: {first}\n{rest}");
    }
}

#[tokio::test]
async fn bad_input_is_refused_with_what_to_write() {
    let stage = Stage::new(Scenario::Good).await;
    for (args, code, words) in [
        (&["status"][..], 2, "required arguments were not provided"),
        (&["status", "deploy/app", "--timeout", "5x"], 2, "write 90s, 10m or 1h30m"),
        (&["status", "app"], 1, "`app` is not a target; write KIND/NAME"),
        (&["status", "cronjob/app"], 1, "`cronjob` is not a kind of workload"),
        (&["status", "deploy/app", "--context", "practise"], 1, "did you mean practice?"),
        (&["status", "deploy/app", "--kubeconfig", "/nowhere"], 1, "no kubeconfig found; looked at /nowhere"),
    ] {
        let mut child = stage.command(args).spawn().unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).await.unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(words), "{args:?}: {told}");
    }
}
