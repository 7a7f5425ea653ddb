//! The cluster adapter against a real API server with simulated nodes.
//!
//! Runs only when `GONOGO_TEST_KUBECONFIG` names a kubeconfig of a cluster that may be changed; its
//! nodes decide by image tag what a pod does (`crash`, `slow`, `badimage`, `notready`).

use std::time::Duration;

use gonogo::adapters::kube::{ConnectOptions, KubeWorld};
use gonogo::watch::rollout::{
    Expectation, ExpectedTemplate, RolloutHistory, RolloutState, RolloutVerdict, judge,
};
use gonogo::watch::{Link, Moment, Observation, System, TargetRef, WorkloadFacts};
use gonogo::workflow::Kind;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

fn kubeconfig() -> Option<ConnectOptions> {
    let Some(path) = std::env::var_os("GONOGO_TEST_KUBECONFIG") else {
        eprintln!("skipped: GONOGO_TEST_KUBECONFIG is not set");
        return None;
    };
    Some(ConnectOptions { kubeconfig: Some(path), ..ConnectOptions::default() })
}

fn target(name: &str) -> TargetRef {
    TargetRef { kind: Kind::Deployment, namespace: "default".into(), name: name.into(), container: None }
}

#[expect(clippy::disallowed_methods, reason = "the tests stand where adapters::clock stands")]
fn clock() -> Moment {
    Moment::real(Timestamp::now())
}

/// The test's own hands in the cluster: what an operator's kubectl would do.
struct Hands {
    api: Api<Deployment>,
    name: &'static str,
}

impl Hands {
    async fn new(options: &ConnectOptions, name: &'static str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let path = options.kubeconfig.clone().unwrap();
        let config = kube::config::Kubeconfig::read_from(path).unwrap();
        let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
        let client = kube::Client::try_from(config).unwrap();
        let api: Api<Deployment> = Api::namespaced(client, "default");
        let _ = api.delete(name, &DeleteParams::foreground()).await;
        while api.get_opt(name).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Self { api, name }
    }

    async fn create(&self, image: &str) {
        let deployment = serde_json::from_value(json!({
            "metadata": {"name": self.name},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": self.name}},
                "template": {"metadata": {"labels": {"app": self.name}},
                    "spec": {"containers": [{"name": "app", "image": image}]}}}
        }));
        self.api.create(&PostParams::default(), &deployment.unwrap()).await.unwrap();
    }

    async fn set_image(&self, image: &str) {
        let patch =
            json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}});
        self.api.patch(self.name, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    }

    async fn remove(&self) {
        let _ = self.api.delete(self.name, &DeleteParams::background()).await;
    }
}

/// Watches one target and judges it, as the release does.
struct Watching {
    world: KubeWorld,
    facts: Receiver<Observation>,
    cancel: CancellationToken,
    expect: Expectation,
    history: RolloutHistory,
    last: Option<WorkloadFacts>,
    seen: Vec<RolloutState>,
}

impl Watching {
    async fn new(options: &ConnectOptions, name: &str) -> Self {
        let world = KubeWorld::connect(options).await.unwrap();
        let (out, facts) = channel(64);
        let cancel = CancellationToken::new();
        world.spawn_watches(vec![target(name)], out, cancel.clone(), clock);
        let expect = Expectation { settle_s: 2, ..Expectation::watching() };
        Self { world, facts, cancel, expect, history: RolloutHistory::default(), last: None, seen: vec![] }
    }

    /// Judges until `wanted` is the verdict.
    async fn until(&mut self, wanted: RolloutState) -> RolloutVerdict {
        let reached = timeout(PATIENCE, async {
            loop {
                let next = timeout(Duration::from_millis(200), self.facts.recv()).await;
                if let Ok(Some(Observation::Workload(facts))) = next {
                    self.last = Some(*facts);
                }
                let Some(facts) = &self.last else { continue };
                let verdict = judge(facts, &self.expect, &mut self.history, clock().world);
                if self.seen.last() != Some(&verdict.state) {
                    self.seen.push(verdict.state);
                }
                if verdict.state == wanted {
                    return verdict;
                }
            }
        });
        match reached.await {
            Ok(verdict) => verdict,
            Err(_) => panic!("never {wanted:?}; seen {:?}, last {:#?}", self.seen, self.last),
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_rollout_goes_from_waiting_to_complete() {
    let Some(options) = kubeconfig() else { return };
    let hands = Hands::new(&options, "good").await;
    hands.create("myapp:v1.2.0").await;
    let mut watching = Watching::new(&options, "good").await;
    watching.until(RolloutState::Complete).await;
    let from = watching.last.clone().unwrap();
    assert_eq!(from.pods.len(), 3);
    assert_eq!(from.current_replica_set().unwrap().revision, Some(1), "the prints of both agree");

    let version = "v1.3.0".to_owned();
    watching.expect.template = ExpectedTemplate::Version { from: from.template_print.clone(), version };
    watching.until(RolloutState::Unobserved).await;
    hands.set_image("myapp:v1.3.0").await;
    watching.until(RolloutState::Complete).await;
    eprintln!("good rollout: {:?}", watching.seen);
    assert!(watching.seen.ends_with(&[RolloutState::Settling, RolloutState::Complete]));
    assert_eq!(watching.last.as_ref().unwrap().revision, Some(2));

    hands.set_image("myapp:v6.6.6").await;
    let verdict = watching.until(RolloutState::Superseded).await;
    assert!(verdict.field.contains("v6.6.6"), "{}", verdict.field);
    hands.remove().await;
    watching.until(RolloutState::Gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_is_failed_and_names_pod_reason_and_exit_code() {
    let Some(options) = kubeconfig() else { return };
    let hands = Hands::new(&options, "crashing").await;
    hands.create("myapp:v1.2.0").await;
    let mut watching = Watching::new(&options, "crashing").await;
    watching.until(RolloutState::Complete).await;
    hands.set_image("myapp:v1.3.0-crash").await;
    let verdict = watching.until(RolloutState::Failed).await;
    let trouble = verdict.trouble.unwrap();
    eprintln!("crash loop: {} · {}", verdict.field, trouble.line());
    assert_eq!((trouble.reason.as_str(), trouble.exit_code), ("CrashLoopBackOff", Some(1)));
    assert!(trouble.pod.unwrap().starts_with("crashing-"));
    hands.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_and_a_readiness_that_never_comes_are_stuck() {
    let Some(options) = kubeconfig() else { return };
    for (name, tag, reason) in
        [("pulling", "v1-badimage", "ImagePullBackOff"), ("unready", "v1-notready", "NotReady")]
    {
        let hands = Hands::new(&options, name).await;
        hands.create(&format!("myapp:{tag}")).await;
        let mut watching = Watching::new(&options, name).await;
        watching.expect.stuck_after_s = 4;
        let verdict = watching.until(RolloutState::Stuck).await;
        eprintln!("{tag}: {} · {:?}", verdict.field, verdict.trouble.as_ref().map(|t| t.line()));
        assert_eq!(verdict.trouble.unwrap().reason, reason);
        hands.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_is_live_and_the_identity_known() {
    let Some(options) = kubeconfig() else { return };
    let mut watching = Watching::new(&options, "nobody-of-this-name").await;
    assert_eq!(watching.world.identity().await.unwrap(), "admin");
    let first = timeout(PATIENCE, async {
        loop {
            if let Some(Observation::Link { system: System::Cluster, link }) = watching.facts.recv().await {
                return link;
            }
        }
    });
    assert_eq!(first.await.unwrap(), Link::Live);
    watching.until(RolloutState::Gone).await;
}
