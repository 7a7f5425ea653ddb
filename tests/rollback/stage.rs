//! A release that is kept on disk, and its cluster.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use gonogo::adapters::kube::{ConnectOptions, KubeWorld};
use gonogo::adapters::store::{Folder, ReadOnly, Store};
use gonogo::journal::{self, Record};
use gonogo::rehearsal::{Options, Practice, Scenario};
use gonogo::release::{Event, Fact, Moment, Operator, Release, ReleaseId, SignalSources};
use gonogo::watch::TargetRef;
use gonogo::workflow::{self, Kind, Source, Workflow};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// Generous: only a hang takes this long.
pub const PATIENCE: Duration = Duration::from_secs(90);

const DOCUMENT: &str = "# Release\n\n## Steps\n\n### 1. Deploy\n\n- [ ] Pods ready\n";

pub struct Stage {
    pub practice: Practice,
    dir: TempDir,
}

impl Stage {
    pub async fn new(scenario: Scenario) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.yaml"), "settle_s: 1\noperator: ana\n").unwrap();
        let exe = PathBuf::from("/bin/true");
        let options = Options { dir: dir.path().join("world"), scenario, speed: 120.0, exe };
        Self { practice: Practice::start(options).await.unwrap(), dir }
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state/gonogo")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gonogo"));
        command.args(args).arg("--config").arg(self.dir.path().join("config.yaml"));
        command.env_clear().env("HOME", self.dir.path()).env("XDG_STATE_HOME", self.dir.path().join("state"));
        command.env("KUBECONFIG", &self.practice.kubeconfig).env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs the program: its exit code, and what it said to either side.
    pub async fn text(&self, args: &[&str]) -> (i32, String, String) {
        let running = self.command(args).spawn().unwrap().wait_with_output();
        let output = tokio::time::timeout(PATIENCE, running).await.expect("the program ends").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The same with `--format json`: its objects.
    pub async fn json(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let (code, out, _) = self.text(&[args, &["--format", "json"]].concat()).await;
        (code, out.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// A release that has begun, with what runs now pinned as known good.
    pub async fn release(&self, name: &str) -> ReleaseId {
        let kubeconfig = Some(self.practice.kubeconfig.clone().into_os_string());
        let kube =
            KubeWorld::connect(&ConnectOptions { kubeconfig, ..ConnectOptions::default() }).await.unwrap();
        let pinned = kube.pinned();
        let target = TargetRef {
            kind: Kind::Deployment,
            namespace: pinned.namespace.clone(),
            name: "app".into(),
            container: None,
        };
        let (pin, template) = kube.pin(&target, Timestamp::now()).await.unwrap();
        let id = ReleaseId(name.to_owned());
        let facts = [
            Fact::Opened {
                id: id.clone(),
                file: "release.md".into(),
                sha256: document().sha256,
                title: "Release".into(),
                targets: vec![target],
                context: Some(pinned.context.clone()),
                directory: self.dir.path().to_string_lossy().into_owned(),
                practice: None,
                signals: SignalSources::default(),
            },
            Fact::Pinned { pins: vec![pin] },
            Fact::Begun { params: [].into(), roster: [].into() },
        ];
        let by = Operator { name: "ana".into(), host: "laptop".into(), identity: None };
        let record = |(seq, fact)| {
            Record::new(seq, Event { at: Moment::real(Timestamp::now()), by: Some(by.clone()), fact })
        };
        let store = Store::create(&self.state_dir(), &id, DOCUMENT.as_bytes()).unwrap();
        store.folder().save_template(0, &template).unwrap();
        let writer = store.start(|_| {}).unwrap();
        writer.append((1..).zip(facts).map(record).collect(), false);
        writer.close();
        id
    }

    /// The release as its files tell it.
    pub fn replayed(&self, id: &ReleaseId) -> Release {
        let (_, read) = ReadOnly::open(&self.state_dir(), id).unwrap();
        journal::replay(Arc::new(document()), &read.records).unwrap()
    }

    /// Files beside the journal in which a rollback was recorded.
    pub fn n_files(&self, name: &str) -> usize {
        let folder = Folder::of(&self.state_dir(), &ReleaseId(name.to_owned())).unwrap();
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("rollback-"))
            .count()
    }

    async fn deployments(&self) -> Api<Deployment> {
        let kubeconfig = Kubeconfig::read_from(&self.practice.kubeconfig).unwrap();
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        config.root_cert = Some(Vec::new());
        Api::default_namespaced(Client::try_from(config).unwrap())
    }

    pub async fn set_image(&self, version: &str) {
        let containers = json!([{"name": "app", "image": format!("myapp:{version}")}]);
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let patch = Patch::Strategic(patch);
        self.deployments().await.patch("app", &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn image(&self) -> String {
        let template = self.deployments().await.get("app").await.unwrap().spec.unwrap().template;
        template.spec.unwrap().containers[0].image.clone().unwrap()
    }

    pub async fn generation(&self) -> i64 {
        self.deployments().await.get("app").await.unwrap().metadata.generation.unwrap()
    }

    /// Deletes the deployment and makes one of the same name.
    pub async fn make_anew(&self) {
        let api = self.deployments().await;
        let mut deployment = api.get("app").await.unwrap();
        api.delete("app", &DeleteParams::default()).await.unwrap();
        let gone = async { while api.get_opt("app").await.unwrap().is_some() {} };
        tokio::time::timeout(PATIENCE, gone).await.expect("it goes");
        deployment.metadata = kube::core::ObjectMeta {
            name: Some("app".into()),
            labels: deployment.metadata.labels,
            ..Default::default()
        };
        deployment.status = None;
        api.create(&PostParams::default(), &deployment).await.unwrap();
    }
}

fn document() -> Workflow {
    workflow::read(Source { file: "release.md", bytes: DOCUMENT.as_bytes(), siblings: &|_| false })
}
