//! `gonogo watch` in a terminal, on a practice world of another process's making.

use std::path::PathBuf;

use gonogo::rehearsal::{Options, Practice, Scenario};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};

use crate::harness::Home;

/// A practice world of our own, with a runtime that serves it.
struct World {
    runtime: tokio::runtime::Runtime,
    practice: Practice,
}

impl World {
    fn new(home: &Home, scenario: Scenario) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let exe = PathBuf::from("/bin/true");
        let options = Options { dir: home.path("world"), scenario, speed: 120.0, exe };
        let practice = runtime.block_on(Practice::start(options)).expect("a practice world");
        Self { runtime, practice }
    }

    fn set_image(&self, version: &str) {
        self.runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(&self.practice.kubeconfig).expect("a kubeconfig");
            let options = KubeConfigOptions::default();
            let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("sound");
            config.root_cert = Some(Vec::new());
            let api: Api<Deployment> =
                Api::default_namespaced(Client::try_from(config).expect("a client of plain HTTP"));
            let containers = serde_json::json!([{"name": "app", "image": format!("myapp:{version}")}]);
            let patch = serde_json::json!({"spec": {"template": {"spec": {"containers": containers}}}});
            api.patch("app", &PatchParams::default(), &Patch::Strategic(patch)).await.expect("a patch");
        });
    }
}

#[test]
fn a_rollout_is_watched_to_its_failure_and_left_by_one_key() {
    let mut home = Home::new();
    let world = World::new(&home, Scenario::CrashLoop);
    home.set("KUBECONFIG", world.practice.kubeconfig.clone());
    let (prometheus, health) = (world.practice.prometheus_url.clone(), world.practice.health_url.clone());
    let mut terminal =
        home.open(&["watch", "deployment/app", "--prometheus", &prometheus, "--health", &health]);
    terminal.wait_for("the rollout as it is", |screen| screen.status().contains("COMPLETE"));
    let screen = terminal.wait("error rate");
    assert!(!screen.says("Checklist") && !screen.says("rollback"), "{}", screen.text());
    terminal.wait("health");

    world.set_image("v1.3.0");
    terminal.wait_for("the failure", |screen| screen.status().contains("FAILED"));
    terminal.wait("CrashLoopBackOff");
    terminal.wait("PAYMENT_API_URL is not set");

    terminal.press("R");
    terminal.wait("nothing is released here, only watched");
    terminal.resize(60, 20);
    terminal.wait("[2 Rollout]  3 Signals");
    terminal.press("tab");
    terminal.wait("[3 Signals]");
    terminal.resize(80, 24);
    terminal.wait("┌ 2 Rollout");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    assert!(home.releases().is_empty(), "no release was made");
}

#[test]
fn without_a_target_the_workloads_of_the_namespace_are_watched() {
    let mut home = Home::new();
    let world = World::new(&home, Scenario::Good);
    home.set("KUBECONFIG", world.practice.kubeconfig.clone());
    let mut terminal = home.open(&["watch"]);
    terminal.wait_for("its only workload", |screen| {
        screen.status().contains("deployment/app") && screen.status().contains("COMPLETE")
    });
    terminal.press("T");
    terminal.wait_for("the list", |screen| screen.has_panel("Workloads ── 1 in shop"));
    terminal.press("esc");
    terminal.wait_for("the list closed", |screen| !screen.has_panel("Workloads"));
    terminal.press("ctrl-c");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_signal_ends_it_cleanly() {
    let mut home = Home::new();
    let world = World::new(&home, Scenario::Good);
    home.set("KUBECONFIG", world.practice.kubeconfig.clone());
    let mut terminal = home.open(&["watch", "deploy/app"]);
    terminal.wait_for("the rollout", |screen| screen.status().contains("COMPLETE"));
    terminal.signal(rustix::process::Signal::TERM);
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn what_cannot_be_watched_is_refused_before_the_screen_is_taken() {
    let mut home = Home::new();
    let mut terminal = home.open(&["watch"]);
    terminal.wait("no kubeconfig found");
    assert_eq!(terminal.ended(), 1);
    let world = World::new(&home, Scenario::Good);
    home.set("KUBECONFIG", world.practice.kubeconfig.clone());
    let mut terminal = home.open(&["watch", "job/app"]);
    terminal.wait("`job` is not a kind of workload");
    assert_eq!(terminal.ended(), 1);
    assert!(crate::harness::words(&home.run(&["watch"])).contains("this needs a terminal"));
}
