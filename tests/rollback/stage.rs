//! A release that is kept on disk, and its cluster.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use gonogo::adapters::kube::{ConnectOptions, KubeWorld};
use gonogo::adapters::store::{Folder, ReadOnly, Store};
use gonogo::journal::{self, Record};
use gonogo::rehearsal::{Fault, Options, Practice, Scenario};
use gonogo::release::{Event, Fact, Moment, Operator, Release, ReleaseId, SignalSources};
use gonogo::watch::TargetRef;
use gonogo::workflow::{self, Kind, Source, Workflow};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// Generous: only a hang takes this long.
pub const PATIENCE: Duration = Duration::from_secs(300);

const DOCUMENT: &str = "# Release\n\n## Steps\n\n### 1. Deploy\n\n- [ ] Pods ready\n";

pub struct Stage {
    /// `None`: a real cluster.
    practice: Option<Practice>,
    kubeconfig: PathBuf,
    namespace: String,
    dir: TempDir,
}

impl Stage {
    pub async fn new(scenario: Scenario) -> Self {
        let dir = home();
        let exe = PathBuf::from("/bin/true");
        let options = Options { dir: dir.path().join("world"), scenario, speed: 120.0, exe };
        let practice = Practice::start(options).await.unwrap();
        let kubeconfig = practice.kubeconfig.clone();
        Self { practice: Some(practice), kubeconfig, namespace: "shop".to_owned(), dir }
    }

    /// Four pods in a namespace of their own on a real cluster; `None` where none is named.
    pub async fn real() -> Option<Self> {
        let kubeconfig = PathBuf::from(std::env::var_os("GONOGO_TEST_KUBECONFIG")?);
        let namespace = format!("rollback-{}", std::process::id());
        let stage = Self { practice: None, kubeconfig, namespace, dir: home() };
        let namespaces: Api<Namespace> = Api::all(stage.client().await);
        let made = json!({"metadata": {"name": stage.namespace}});
        namespaces.create(&PostParams::default(), &serde_json::from_value(made).unwrap()).await.unwrap();
        let deployment = json!({"metadata": {"name": "app"}, "spec": {"replicas": 4,
            "selector": {"matchLabels": {"app": "app"}}, "template": {"metadata": {"labels": {"app": "app"}},
                "spec": {"terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "app", "image": "myapp:v1.2.0"}]}}}});
        let api = stage.deployments().await;
        api.create(&PostParams::default(), &serde_json::from_value(deployment).unwrap()).await.unwrap();
        stage.until("four are available", |status| status.available_replicas == Some(4)).await;
        Some(stage)
    }

    /// Waits until the deployment's status, read from the API, is as `wanted`.
    pub async fn until(&self, what: &str, wanted: impl Fn(&DeploymentStatus) -> bool) {
        let api = self.deployments().await;
        let looking = async {
            while !api.get("app").await.unwrap().status.as_ref().is_some_and(&wanted) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{what}"));
    }

    pub async fn remove(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client().await);
        namespaces.delete(&self.namespace, &DeleteParams::background()).await.unwrap();
    }

    pub fn inject(&self, fault: Fault) {
        self.practice.as_ref().unwrap().inject(fault);
    }

    pub fn namespace(&self) -> String {
        self.namespace.clone()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state/gonogo")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gonogo"));
        command.args(args).arg("--config").arg(self.dir.path().join("config.yaml"));
        command.env_clear().env("HOME", self.dir.path()).env("XDG_STATE_HOME", self.dir.path().join("state"));
        command.env("KUBECONFIG", &self.kubeconfig).env("PATH", "/usr/bin:/bin");
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
        let kubeconfig = Some(self.kubeconfig.clone().into_os_string());
        let kube =
            KubeWorld::connect(&ConnectOptions { kubeconfig, ..ConnectOptions::default() }).await.unwrap();
        let pinned = kube.pinned();
        let target = TargetRef {
            kind: Kind::Deployment,
            namespace: self.namespace.clone(),
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
                called: None,
                settled: Default::default(),
            },
            Fact::Pinned { pins: vec![pin], routes: vec![] },
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

    /// Waits until the record says that a part of the way back was accepted.
    pub async fn accepted(&self, id: &ReleaseId) {
        let (mut view, _) = ReadOnly::open(&self.state_dir(), id).unwrap();
        let accepted = async {
            loop {
                let records = view.poll().unwrap();
                if records.iter().any(|record| matches!(record.event.fact, Fact::RollbackStepEnded { .. })) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, accepted).await.unwrap();
    }

    /// Files beside the journal in which a rollback was recorded.
    pub fn n_files(&self, name: &str) -> usize {
        let folder = Folder::of(&self.state_dir(), &ReleaseId(name.to_owned())).unwrap();
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("rollback-"))
            .count()
    }

    async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        if self.practice.is_some() {
            config.root_cert = Some(Vec::new());
        }
        Client::try_from(config).unwrap()
    }

    async fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client().await, &self.namespace)
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

fn home() -> TempDir {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.yaml"), "settle_s: 1\noperator: ana\n").unwrap();
    dir
}

fn document() -> Workflow {
    workflow::read(Source { file: "release.md", bytes: DOCUMENT.as_bytes(), siblings: &|_| false })
}
