//! The real node: pods on it, the application in them, and the parts that a test stops.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gonogo::adapters::kube::{ConnectOptions, KubeWorld};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, LogParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// Generous: only a hang takes this long.
pub const PATIENCE: Duration = Duration::from_secs(300);
const AGAIN: Duration = Duration::from_millis(100);

/// A cluster whose one node runs containers.
pub struct Node {
    client: Client,
    pub options: ConnectOptions,
    dir: PathBuf,
    /// Nothing is left out for the sake of time.
    pub is_whole: bool,
}

impl Node {
    /// `None` where there is no such cluster.
    pub async fn from_env() -> Option<Self> {
        if std::env::var("GONOGO_TEST_WORLD").as_deref() != Ok("node") {
            eprintln!("skipped: GONOGO_TEST_WORLD is not node");
            return None;
        }
        let Some(path) = std::env::var_os("GONOGO_TEST_KUBECONFIG") else {
            eprintln!("skipped: GONOGO_TEST_KUBECONFIG is not set");
            return None;
        };
        let dir = PathBuf::from(std::env::var_os("GONOGO_TEST_CLUSTER").expect("the cluster's folder"));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = Kubeconfig::read_from(&path).unwrap();
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.unwrap()).unwrap();
        let options = ConnectOptions { kubeconfig: Some(path), ..ConnectOptions::default() };
        let is_whole = std::env::var("GONOGO_TEST_SUBSET").as_deref() != Ok("ci");
        Some(Self { client, options, dir, is_whole })
    }

    pub async fn world(&self) -> KubeWorld {
        KubeWorld::connect(&self.options).await.unwrap()
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    /// Runs a Deployment of this name in place of one that an earlier test left.
    pub async fn deploy(&self, name: &'static str, replicas: u32, pod: Value) -> Workload<'_> {
        let api: Api<Deployment> = Api::default_namespaced(self.client.clone());
        let workload = Workload { node: self, name };
        workload.remove().await;
        let mut spec = json!({"terminationGracePeriodSeconds": 0});
        spec.as_object_mut().unwrap().extend(pod.as_object().unwrap().clone());
        let deployment = json!({"metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec}}});
        api.create(&PostParams::default(), &serde_json::from_value(deployment).unwrap()).await.unwrap();
        workload
    }

    /// What the server itself has of the life before of one container.
    pub async fn previous(&self, pod: &str, container: &str) -> String {
        let container = Some(container.to_owned());
        let params = LogParams { container, previous: true, ..LogParams::default() };
        let asking = async {
            loop {
                match self.pods().logs(pod, &params).await {
                    // For a moment it names a container that it has removed already, in place of a log.
                    Ok(log) if !log.starts_with("unable to retrieve container logs") => return log,
                    _ => sleep(AGAIN).await,
                }
            }
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{pod} has no life before"))
    }

    /// Logs that the kubelet moved away, of all lives of one container.
    pub fn n_rotated(&self, pod: &str, container: &str) -> usize {
        let pods = std::fs::read_dir(self.dir.join("pod-logs")).unwrap();
        let of_pod = pods
            .map(|entry| entry.unwrap())
            .find(|entry| entry.file_name().to_string_lossy().starts_with(&format!("default_{pod}_")));
        let logs = std::fs::read_dir(of_pod.expect("the pod's logs").path().join(container)).unwrap();
        // The one that is written to is `0.log`, the others carry the time of their rotation.
        logs.filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".log")).count()
    }

    /// Starts a part of the control plane again, after killing it.
    pub fn restart(&self, part: &str) {
        self.signal(self.pid_of(part), "KILL");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/restart");
        let done = Command::new(script).arg(&self.dir).arg(part).status().unwrap();
        assert!(done.success(), "{part} started again");
    }

    /// Kills the kubelet, which the node starts again.
    pub fn kill_kubelet(&self) {
        let is_ours = |pid: &u32| {
            let process = PathBuf::from(format!("/proc/{pid}"));
            // Another node on this machine stands in a folder of its own.
            std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == "kubelet")
                && std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == self.dir)
        };
        let processes = std::fs::read_dir("/proc").unwrap();
        let pids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        self.signal(pids.into_iter().find(is_ours).expect("the kubelet runs"), "KILL");
    }

    pub fn pid_of(&self, part: &str) -> u32 {
        let pids = std::fs::read_to_string(self.dir.join("pids")).unwrap();
        let line = pids.lines().find(|line| line.split(' ').nth(1) == Some(part));
        line.expect("a part of the cluster").split(' ').next().unwrap().parse().unwrap()
    }

    pub fn signal(&self, pid: u32, signal: &str) {
        let done = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().unwrap();
        assert!(done.success(), "{signal} to {pid}");
    }
}

/// A Deployment on the node.
pub struct Workload<'n> {
    node: &'n Node,
    pub name: &'static str,
}

impl Workload<'_> {
    /// Waits until so many pods are ready, and gives them by name.
    pub async fn ready(&self, n_pods: usize) -> Vec<App> {
        let looking = async {
            loop {
                let mut apps = self.apps().await;
                if apps.len() == n_pods {
                    apps.sort_by(|a, b| a.pod.cmp(&b.pod));
                    return apps;
                }
                sleep(AGAIN).await;
            }
        };
        timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{} is never ready", self.name))
    }

    async fn apps(&self) -> Vec<App> {
        let params = ListParams::default().labels(&format!("app={}", self.name));
        // The server may be the one that a test has just stopped.
        let Ok(listed) = self.node.pods().list(&params).await else { return Vec::new() };
        let ready = |pod: &Pod| {
            let status = pod.status.as_ref()?;
            let is_ready =
                status.conditions.as_ref()?.iter().any(|c| c.type_ == "Ready" && c.status == "True");
            let address = status.pod_ip.clone()?;
            let app = App { pod: pod.metadata.name.clone()?, url: format!("http://{address}:8080") };
            is_ready.then_some(app)
        };
        listed.items.iter().filter_map(ready).collect()
    }

    /// Waits until nothing of it is left.
    pub async fn remove(&self) {
        let api: Api<Deployment> = Api::default_namespaced(self.node.client.clone());
        let _ = api.delete(self.name, &DeleteParams::background()).await;
        let params = ListParams::default().labels(&format!("app={}", self.name));
        let going = async {
            while api.get_opt(self.name).await.unwrap().is_some()
                || !self.node.pods().list(&params).await.unwrap().items.is_empty()
            {
                sleep(AGAIN).await;
            }
        };
        timeout(PATIENCE, going).await.unwrap_or_else(|_| panic!("{} never goes", self.name));
    }
}

/// The application in one pod.
#[derive(Debug, Clone)]
pub struct App {
    pub pod: String,
    url: String,
}

impl App {
    pub async fn set(&self, settings: Value) {
        let asked = client().put(format!("{}/settings", self.url)).json(&settings).send().await;
        assert!(asked.unwrap().status().is_success(), "{settings}");
    }

    /// Writes numbered lines of 108 bytes.
    pub async fn burst(&self, lines: u32, rate: u32) {
        self.set(json!({"burst": {"lines": lines, "bytes": 108, "rate": rate}})).await;
    }

    /// Ends the container, which takes the answer with it.
    pub async fn exit(&self, code: u8) {
        let settings = json!({"exit": code});
        let _ = client().put(format!("{}/settings", self.url)).json(&settings).send().await;
    }

    /// Writes these bytes to the log; without any, those that a log reader must survive.
    pub async fn log(&self, bytes: impl Into<Vec<u8>>) {
        let asked = client().post(format!("{}/log", self.url)).body(bytes.into()).send().await;
        assert!(asked.unwrap().status().is_success());
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}
