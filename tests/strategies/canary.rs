//! A canary by the weights of a mesh, in a practice world of its own.

use std::ffi::OsString;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gonogo::rehearsal::{CONTEXT, EmptyCluster, Practice};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::gate::{Gate, PATIENCE};
use crate::harness::{Home, Terminal};

const NAMESPACE: &str = "shop";
const DOCUMENT: &str = "---\ntargets: [deployment/app, deployment/app-canary]\n---\n\n# Release\n\n## Steps\n\n### 1. \
                        Production deployment\n\n- [ ] Deployed\n";

/// One at a time: beside another one's worlds and programs its own may be late with every answer.
static TURN: Mutex<()> = Mutex::new(());

pub struct Canary {
    runtime: Runtime,
    _practice: Practice,
    client: Client,
    dir: TempDir,
    pub gate: Gate,
    _turn: MutexGuard<'static, ()>,
}

fn deployment(name: &str, track: &str, replicas: u32) -> Value {
    let labels = json!({"app": "app", "track": track});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "app", "image": "app:v1.2.0"}]}}}})
}

fn to(subset: &str, weight: u32) -> Value {
    json!({"destination": {"host": "app", "subset": subset}, "weight": weight})
}

fn subset(name: &str, more: Value) -> Value {
    let mut labels = json!({"track": name});
    json_patch::merge(&mut labels, &more);
    json!({"name": name, "labels": labels})
}

fn objects() -> Vec<Value> {
    let istio = "networking.istio.io/v1";
    vec![
        deployment("app", "stable", 3),
        deployment("app-canary", "canary", 1),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"},
            "spec": {"selector": {"app": "app"}, "ports": [{"port": 8080}]}}),
        json!({"apiVersion": istio, "kind": "DestinationRule", "metadata": {"name": "app"},
            "spec": {"host": "app", "subsets": [subset("stable", json!({})), subset("canary", json!({}))]}}),
        json!({"apiVersion": istio, "kind": "VirtualService", "metadata": {"name": "app"},
            "spec": {"hosts": ["app"], "http": [{"route": [to("stable", 100), to("canary", 0)]}]}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "app"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
                "minReplicas": 3, "maxReplicas": 6}}),
    ]
}

impl Canary {
    /// The stable side has all the traffic, and its pods are up.
    pub fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let (practice, client) = runtime.block_on(async {
            let cluster = EmptyCluster { dir: dir.path().join("world"), speed: 20.0, nodes: 1 };
            let practice = Practice::start_empty(cluster).await.unwrap();
            let kubeconfig = Kubeconfig::read_from(&practice.kubeconfig).unwrap();
            let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .unwrap();
            config.root_cert = Some(Vec::new());
            (practice, Client::try_from(config).unwrap())
        });
        let written = std::fs::read_to_string(&practice.kubeconfig).unwrap();
        let server = written.split("http://").nth(1).unwrap();
        let server: String = server.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
        let gate = Gate::before(server.parse().unwrap());
        let through = written.replace(&server, &gate.address.to_string());
        std::fs::write(dir.path().join("kubeconfig"), through).unwrap();
        let this = Self { runtime, _practice: practice, client, dir, gate, _turn: turn };
        this.runtime.block_on(this.set_up());
        this
    }

    async fn set_up(&self) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let namespaces: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource("Namespace"));
        let namespace = serde_json::from_value(namespace).unwrap();
        // The world may have begun with it.
        let _ = namespaces.create(&PostParams::default(), &namespace).await;
        for object in objects() {
            let api = self.api(object["kind"].as_str().unwrap());
            api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        }
        let available = async {
            for (name, wanted) in [("app", 3), ("app-canary", 1)] {
                while self.object("Deployment", name).await["status"]["availableReplicas"] != wanted {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, available).await.expect("the pods come up");
    }

    /// Of the world, seen through the gate.
    pub fn kubeconfig(&self) -> OsString {
        self.dir.path().join("kubeconfig").into()
    }

    /// Begins a release on both sides, with the way back proven.
    pub fn release(&self, home: &Home) -> Terminal {
        let document = home.write("release.md", DOCUMENT);
        let mut terminal =
            home.open(&["run", document.to_str().unwrap(), "--namespace", NAMESPACE, "--context", CONTEXT]);
        terminal.wait("begin the release");
        terminal.wait_for("an armed rollback", |screen| screen.rollback_line().contains("ARMED"));
        terminal.press("r");
        terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
        // On the screen before it is on disk, where whoever comes after a kill finds it.
        home.wait_for_record("begun");
        home.wait_for_record("lock-changed");
        terminal
    }

    /// What the release did by other means: both sides on the new version, a quarter of the traffic
    /// on the canary, subsets that name the version, and less room above.
    pub fn break_it(&self) {
        let image = json!({"spec": {"template": {"spec": {
            "containers": [{"name": "app", "image": "app:v1.3.0"}]}}}});
        let subsets = json!([subset("stable", json!({})), subset("canary", json!({"version": "v1.3.0"}))]);
        self.change(vec![
            ("Deployment", "app", image.clone()),
            ("Deployment", "app-canary", image),
            ("DestinationRule", "app", json!({"spec": {"subsets": subsets}})),
            ("HorizontalPodAutoscaler", "app", json!({"spec": {"maxReplicas": 3}})),
        ]);
        self.move_traffic();
    }

    /// A quarter of it goes to the canary; no template is touched.
    pub fn move_traffic(&self) {
        let weights = json!({"spec": {"http": [{"route": [to("stable", 75), to("canary", 25)]}]}});
        self.change(vec![("VirtualService", "app", weights)]);
    }

    fn change(&self, changes: Vec<(&str, &str, Value)>) {
        self.runtime.block_on(async {
            for (kind, name, change) in changes {
                let patch = match kind {
                    "Deployment" => Patch::Strategic(change),
                    _ => Patch::Merge(change),
                };
                self.api(kind).patch(name, &PatchParams::default(), &patch).await.unwrap();
            }
        });
    }

    /// Reads the cluster apart from everything that decided it was safe.
    pub fn assert_is_back(&self) {
        self.runtime.block_on(async {
            for name in ["app", "app-canary"] {
                let deployment = self.object("Deployment", name).await;
                let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
                assert_eq!(image, "app:v1.2.0", "{name}");
                let (wanted, status) = (&deployment["spec"]["replicas"], &deployment["status"]);
                assert_eq!((&status["updatedReplicas"], &status["availableReplicas"]), (wanted, wanted));
            }
            let mesh = self.object("VirtualService", "app").await;
            assert_eq!(mesh["spec"]["http"], json!([{"route": [to("stable", 100), to("canary", 0)]}]));
            let rule = self.object("DestinationRule", "app").await;
            assert_eq!(
                rule["spec"]["subsets"],
                json!([subset("stable", json!({})), subset("canary", json!({}))])
            );
            let scaler = self.object("HorizontalPodAutoscaler", "app").await;
            assert_eq!(scaler["spec"]["maxReplicas"], 6);
        });
    }

    /// Nobody releases over a rollback by accident, though the terminal that took the lock is gone.
    pub fn assert_lock_stays(&self) {
        self.runtime.block_on(async {
            for name in ["gonogo-deployment-app", "gonogo-deployment-app-canary"] {
                let kept = self.object("Lease", name).await["metadata"]["annotations"]["gonogo/kept"].clone();
                assert!(kept.as_str().is_some_and(|kept| kept.starts_with("rolled back")), "{name}: {kept}");
            }
        });
    }

    async fn object(&self, kind: &str, name: &str) -> Value {
        serde_json::to_value(self.api(kind).get(name).await.unwrap()).unwrap()
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource(kind))
    }
}

fn resource(kind: &str) -> ApiResource {
    let (group, version) = match kind {
        "Deployment" => ("apps", "v1"),
        "VirtualService" | "DestinationRule" => ("networking.istio.io", "v1"),
        "HorizontalPodAutoscaler" => ("autoscaling", "v2"),
        "Lease" => ("coordination.k8s.io", "v1"),
        _ => ("", "v1"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}
