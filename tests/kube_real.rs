//! The cluster adapter against a real API server with simulated nodes.
//!
//! Runs only when `GONOGO_TEST_KUBECONFIG` names a kubeconfig of a cluster that may be changed; its
//! nodes decide by image tag what a pod does (`crash`, `slow`, `badimage`, `notready`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![expect(clippy::print_stderr, reason = "what a real cluster did is worth reading in the test's output")]

use std::time::Duration;

use gonogo::adapters::kube::{ConnectOptions, Fired, KubeError, KubeWorld};
use gonogo::release::Replicas;
use gonogo::release::pin::{Finding, Outcome};
use gonogo::watch::rollout::{
    Expectation, ExpectedTemplate, RolloutHistory, RolloutState, RolloutVerdict, judge,
};
use gonogo::watch::{
    Link, Moment, NodeTrouble, Observation, Preflight, PreflightOutcome, System, TargetRef, UpdateStrategy,
    WorkloadFacts,
};
use gonogo::workflow::Kind;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(300);
const REPLICAS: Replicas = Replicas::Left(0);

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

    async fn image(&self) -> String {
        let deployment = self.api.get(self.name).await.unwrap();
        let spec = deployment.spec.unwrap().template.spec.unwrap();
        spec.containers[0].image.clone().unwrap()
    }

    async fn merge(&self, patch: serde_json::Value) {
        self.api.patch(self.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
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
        Self::of(options, target(name)).await
    }

    async fn of(options: &ConnectOptions, target: TargetRef) -> Self {
        let world = KubeWorld::connect(options).await.unwrap();
        let (out, facts) = channel(64);
        let cancel = CancellationToken::new();
        world.spawn_watches(vec![target], out, cancel.clone(), clock);
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

impl Watching {
    /// Waits for facts that are as wanted, and gives them with all limits that were told meanwhile.
    async fn facts(&mut self, wanted: impl Fn(&WorkloadFacts) -> bool) -> (WorkloadFacts, Vec<Preflight>) {
        let mut limits = Vec::new();
        let reached = timeout(PATIENCE, async {
            loop {
                match self.facts.recv().await.expect("the watches never end") {
                    Observation::Workload(facts) => {
                        let is_wanted = wanted(&facts);
                        self.last = Some((*facts).clone());
                        if is_wanted {
                            return *facts;
                        }
                    }
                    Observation::Limit(line) => limits.push(line),
                    _ => {}
                }
            }
        });
        match reached.await {
            Ok(facts) => (facts, limits),
            Err(_) => panic!("never as wanted: {limits:#?}, {:#?}", self.last),
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
    assert_eq!(from.current_revision().unwrap().revision, Some(1), "the prints of both agree");

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
async fn a_missing_image_has_failed_and_a_readiness_that_never_comes_is_stuck() {
    let Some(options) = kubeconfig() else { return };
    for (name, tag, state, reason) in [
        ("pulling", "v1-badimage", RolloutState::Failed, "ErrImagePull"),
        ("unready", "v1-notready", RolloutState::Stuck, "NotReady"),
    ] {
        let hands = Hands::new(&options, name).await;
        hands.create(&format!("myapp:{tag}")).await;
        let mut watching = Watching::new(&options, name).await;
        watching.expect.stuck_after_s = 4;
        let verdict = watching.until(state).await;
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
    assert_eq!(link(&mut watching, true).await, Link::Live);
    watching.until(RolloutState::Gone).await;
}

fn outcome<'f>(findings: &'f [Finding], what: &str) -> &'f Outcome {
    let finding = findings.iter().find(|finding| finding.what == what);
    &finding.unwrap_or_else(|| panic!("no finding {what} in {findings:#?}")).outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_is_rolled_back_to_the_pinned_template() {
    let Some(options) = kubeconfig() else { return };
    let hands = Hands::new(&options, "undone").await;
    hands.create("myapp:v1.2.0").await;
    let mut watching = Watching::new(&options, "undone").await;
    watching.until(RolloutState::Complete).await;
    let world = watching.world.clone();
    let (pin, template) = world.pin(&target("undone"), clock().world).await.unwrap();
    assert_eq!((pin.image(), pin.replicas, pin.revision), ("myapp:v1.2.0", 3, Some(1)));
    assert!(!pin.digests.is_empty() && pin.kept_in.ends_with(&pin.template_hash));
    let findings = world.arm(&pin, &template).await.unwrap().findings;
    assert!(findings.iter().all(|finding| finding.outcome == Outcome::Fine), "{findings:#?}");
    assert_eq!(world.fire(&pin, &template, None, REPLICAS).await.unwrap(), Fired::AlreadyThere);

    hands.set_image("myapp:v1.3.0-crash").await;
    watching.until(RolloutState::Failed).await;
    let shown = watching.last.as_ref().unwrap().template_print.clone();
    // An autoscaler moves the generation; that alone is no obstacle.
    hands.merge(json!({"spec": {"replicas": 4}})).await;
    let findings = world.arm(&pin, &template).await.unwrap().findings;
    assert!(findings.iter().all(|finding| finding.outcome == Outcome::Fine), "{findings:#?}");
    let fired = world.fire(&pin, &template, Some(&shown), REPLICAS).await.unwrap();
    eprintln!("fired: {fired:?}");
    assert!(matches!(fired, Fired::Accepted { .. }));
    watching.expect.template = ExpectedTemplate::Print(pin.template_print.clone());
    watching.expect.started_at = Some(clock().world);
    watching.until(RolloutState::Complete).await;
    assert_eq!(hands.image().await, "myapp:v1.2.0");
    let last = watching.last.clone().unwrap();
    assert_eq!((last.revision, last.spec_replicas), (Some(3), 4), "a new number, the old template");
    assert_eq!(last.current_revision().unwrap().name, pin.kept_in);
    assert_eq!(
        world.fire(&pin, &template, Some(&shown), REPLICAS).await.unwrap(),
        Fired::AlreadyThere,
        "undo twice"
    );
    hands.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_stops_when_somebody_else_deployed_meanwhile() {
    let Some(options) = kubeconfig() else { return };
    let hands = Hands::new(&options, "contested").await;
    hands.create("myapp:v1.2.0").await;
    let world = KubeWorld::connect(&options).await.unwrap();
    let (pin, template) = world.pin(&target("contested"), clock().world).await.unwrap();
    hands.set_image("myapp:v1.3.0").await;
    let (shown, _) = world.pin(&target("contested"), clock().world).await.unwrap();
    hands.set_image("myapp:v1.4.0-hotfix").await;
    let error = world.fire(&pin, &template, Some(&shown.template_print), REPLICAS).await.unwrap_err();
    assert!(matches!(error, KubeError::Changed { .. }), "{error}");
    assert!(error.to_string().contains("v1.4.0-hotfix"), "{error}");
    assert_eq!(hands.image().await, "myapp:v1.4.0-hotfix");

    hands.remove().await;
    let hands = Hands::new(&options, "contested").await;
    hands.create("myapp:v1.3.0").await;
    let findings = world.arm(&pin, &template).await.unwrap().findings;
    assert!(matches!(outcome(&findings, "same object"), Outcome::Broken(_)), "{findings:#?}");
    assert!(matches!(world.fire(&pin, &template, None, REPLICAS).await, Err(KubeError::Changed { .. })));
    hands.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_limits_the_way_back_is_named() {
    let Some(options) = kubeconfig() else { return };
    let hands = Hands::new(&options, "limited").await;
    hands.create("myapp:v1.2.0").await;
    let mut watching = Watching::new(&options, "limited").await;
    watching.until(RolloutState::Complete).await;
    let world = watching.world.clone();
    let (pin, template) = world.pin(&target("limited"), clock().world).await.unwrap();
    hands
        .merge(json!({"metadata": {"labels": {"argocd.argoproj.io/instance": "shop"}},
            "spec": {"paused": true, "revisionHistoryLimit": 0}}))
        .await;
    hands.set_image("myapp:v1.3.0").await;
    hands.merge(json!({"spec": {"paused": false}})).await;
    watching.until(RolloutState::Progressing).await;
    watching.until(RolloutState::Complete).await;
    hands.merge(json!({"spec": {"paused": true}})).await;
    watching.until(RolloutState::Paused).await;
    let findings = timeout(PATIENCE, async {
        loop {
            let findings = world.arm(&pin, &template).await.unwrap().findings;
            if *outcome(&findings, "ReplicaSet kept") != Outcome::Fine {
                return findings;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let findings = findings.await.expect("the old ReplicaSet is cleaned up");
    eprintln!("limits: {findings:#?}");
    for what in ["ReplicaSet kept", "paused", "GitOps owner"] {
        assert!(matches!(outcome(&findings, what), Outcome::Limited(_)), "{what}: {findings:#?}");
    }
    assert_eq!(*outcome(&findings, "dry run"), Outcome::Fine);
    world.fire(&pin, &template, None, REPLICAS).await.unwrap();
    watching.until(RolloutState::Complete).await;
    assert_eq!(hands.image().await, "myapp:v1.2.0", "the pinned template works without its ReplicaSet");
    hands.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_without_the_right_to_patch_is_told_before() {
    let Some(options) = kubeconfig() else { return };
    let hands = Hands::new(&options, "readonly").await;
    hands.create("myapp:v1.2.0").await;
    let world = KubeWorld::connect(&options).await.unwrap();
    let (pin, template) = world.pin(&target("readonly"), clock().world).await.unwrap();
    let limited = limited_user(&options, &hands).await;
    let world = KubeWorld::connect(&limited.0).await.unwrap();
    assert_eq!(world.identity().await.unwrap(), "viewer");
    hands.set_image("myapp:v1.3.0").await;
    let findings = world.arm(&pin, &template).await.unwrap().findings;
    eprintln!("without rights: {findings:#?}");
    assert!(matches!(outcome(&findings, "may patch deployments"), Outcome::Broken(_)));
    assert!(matches!(outcome(&findings, "dry run"), Outcome::Broken(_)));
    assert!(matches!(outcome(&findings, "may list pods"), Outcome::Limited(_)));
    assert!(matches!(outcome(&findings, "ReplicaSet kept"), Outcome::Unknown(_)));
    let error = world.fire(&pin, &template, None, REPLICAS).await.unwrap_err();
    assert!(error.to_string().contains("forbidden"), "{error}");
    assert_eq!(hands.image().await, "myapp:v1.3.0");
    hands.remove().await;
}

/// A kubeconfig of somebody who may read deployments and nothing else.
async fn limited_user(options: &ConnectOptions, hands: &Hands) -> (ConnectOptions, tempfile::TempDir) {
    use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
    let client = hands.api.clone().into_client();
    let params = PatchParams::apply("gonogo-test").force();
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "viewer"},
        "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]}]});
    let roles: Api<Role> = Api::namespaced(client.clone(), "default");
    roles.patch("viewer", &params, &Patch::Apply(role)).await.unwrap();
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "viewer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "viewer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer"}]});
    let bindings: Api<RoleBinding> = Api::namespaced(client, "default");
    bindings.patch("viewer", &params, &Patch::Apply(binding)).await.unwrap();

    let path = options.kubeconfig.clone().unwrap();
    let mut config = kube::config::Kubeconfig::read_from(path).unwrap();
    for named in &mut config.auth_infos {
        let user = named.auth_info.get_or_insert_default();
        user.impersonate = Some("viewer".to_owned());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, serde_json::to_string(&config).unwrap()).unwrap();
    let options = ConnectOptions { kubeconfig: Some(file.into()), ..ConnectOptions::default() };
    (options, folder)
}

/// The simulated nodes give every container the same log: the file that `GONOGO_TEST_APP_LOG` names.
#[tokio::test(flavor = "multi_thread")]
async fn lines_written_while_following_arrive_once_and_in_order() {
    use std::io::Write;
    let Some(options) = kubeconfig() else { return };
    let Some(path) = std::env::var_os("GONOGO_TEST_APP_LOG") else {
        eprintln!("skipped: GONOGO_TEST_APP_LOG is not set");
        return;
    };
    let hands = Hands::new(&options, "talking").await;
    hands.create("myapp:v1.2.0").await;
    let mut watching = Watching::new(&options, "talking").await;
    let mut opened = std::collections::BTreeSet::new();
    let mut lines: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    let mut n_written = 0;
    let marker = clock().wall.as_nanosecond();
    let gathered = timeout(PATIENCE, async {
        loop {
            let Some(Observation::Logs(batches)) = watching.facts.recv().await else { continue };
            for batch in batches {
                if batch.mark.is_some() {
                    eprintln!("{}: {:?}", batch.source.pod, batch.mark);
                }
                if batch.mark == Some(gonogo::watch::LogMark::Opened) {
                    opened.insert(batch.source.pod.clone());
                }
                let ours = batch.lines.iter().filter(|line| line.text().contains(&marker.to_string()));
                lines
                    .entry(batch.source.pod.clone())
                    .or_default()
                    .extend(ours.map(|line| line.text().into_owned()));
            }
            if opened.len() == 3 && n_written < 5000 {
                let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                let mut text = String::new();
                for n in n_written..n_written + 1000 {
                    text += &format!("{} stdout F {marker} line {n}\n", clock().wall);
                }
                file.write_all(text.as_bytes()).unwrap();
                n_written += 1000;
            }
            if lines.values().filter(|lines| lines.len() >= 5000).count() == 3 {
                return;
            }
        }
    });
    let done = gathered.await;
    let counts: Vec<usize> = lines.values().map(Vec::len).collect();
    done.unwrap_or_else(|_| panic!("only {counts:?} of {n_written}, opened {opened:?}"));
    let expected: Vec<String> = (0..5000).map(|n| format!("{marker} line {n}")).collect();
    for lines in lines.values() {
        assert_eq!(*lines, expected);
    }
    hands.remove().await;
}

/// The process of the API server; another test may have started it again.
fn apiserver() -> Option<rustix::process::Pid> {
    let folder = std::env::var_os("GONOGO_TEST_CLUSTER").map(std::path::PathBuf::from)?;
    let pids = std::fs::read_to_string(folder.join("pids")).unwrap();
    let line = pids.lines().rfind(|line| line.split(' ').nth(1) == Some("kube-apiserver"))?;
    rustix::process::Pid::from_raw(line.split(' ').next()?.parse().ok()?)
}

/// Runs alone: it stops the API server of the cluster in `GONOGO_TEST_CLUSTER`, and lets it go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_api_server_is_noticed_within_five_seconds_and_its_return_too() {
    use rustix::process::{Signal, kill_process};
    let Some(options) = kubeconfig() else { return };
    let Some(pid) = apiserver() else {
        eprintln!("skipped: GONOGO_TEST_CLUSTER is not set");
        return;
    };
    let hands = Hands::new(&options, "silent").await;
    hands.create("myapp:v1.2.0").await;
    let mut watching = Watching::new(&options, "silent").await;
    watching.until(RolloutState::Complete).await;
    kill_process(pid, Signal::STOP).unwrap();
    let stopped = clock();
    let down = link(&mut watching, false).await;
    let noticed = clock().wall.duration_since(stopped.wall);
    kill_process(pid, Signal::CONT).unwrap();
    let went_on = clock();
    let back = link(&mut watching, true).await;
    eprintln!(
        "silent after {noticed:#}: {down:?}; back after {:#}",
        clock().wall.duration_since(went_on.wall)
    );
    assert!(matches!(&down, Link::Down { since, .. } if since.wall <= stopped.wall), "{down:?}");
    assert!(noticed.as_secs() < 5);
    assert_eq!(back, Link::Live);
    hands.set_image("myapp:v1.3.0").await;
    watching.until(RolloutState::Progressing).await;
    watching.until(RolloutState::Complete).await;
    hands.remove().await;
}

/// The next link that is live, or is not.
async fn link(watching: &mut Watching, live: bool) -> Link {
    let next = async {
        loop {
            match watching.facts.recv().await {
                Some(Observation::Link { system: System::Cluster, link }) if (link == Link::Live) == live => {
                    return link;
                }
                Some(Observation::Workload(facts)) => watching.last = Some(*facts),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, next).await.expect("the link changes")
}

/// An object of any kind, in the test's own hands.
struct Thing {
    api: Api<DynamicObject>,
    name: &'static str,
}

impl Thing {
    /// Makes `kind/name` anew as `object` says.
    async fn made(options: &ConnectOptions, gvk: (&str, &str, &str), object: serde_json::Value) -> Self {
        let client = Hands::new(options, "nobody-of-this-name").await.api.into_client();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(gvk.0, gvk.1, gvk.2));
        let name: &'static str = object["metadata"]["name"].as_str().unwrap().to_owned().leak();
        let api: Api<DynamicObject> = match gvk.2 {
            "Node" => Api::all_with(client, &resource),
            _ => Api::namespaced_with(client, "default", &resource),
        };
        let _ = api.delete(name, &DeleteParams::foreground()).await;
        while api.get_opt(name).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut object = object;
        object["apiVersion"] = resource.api_version.clone().into();
        object["kind"] = resource.kind.clone().into();
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        Self { api, name }
    }

    async fn merge(&self, patch: serde_json::Value) {
        self.api.patch(self.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn set_image(&self, image: &str) {
        let container = json!({"name": "app", "image": image});
        let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [container]}}}}));
        self.api.patch(self.name, &PatchParams::default(), &patch).await.unwrap();
    }

    async fn remove(&self) {
        let _ = self.api.delete(self.name, &DeleteParams::background()).await;
    }
}

fn workload(name: &str, image: &str) -> serde_json::Value {
    json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": image,
                "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 5}}]}}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_goes_from_its_stable_revision_to_the_new_one() {
    let Some(options) = kubeconfig() else { return };
    let mut object = workload("ordered", "myapp:v1.2.0");
    object["spec"]["replicas"] = 3.into();
    object["spec"]["serviceName"] = "ordered".into();
    let set = Thing::made(&options, ("apps", "v1", "StatefulSet"), object).await;
    let target = TargetRef { kind: Kind::StatefulSet, ..target("ordered") };
    let mut watching = Watching::of(&options, target.clone()).await;
    let is_settled = |facts: &WorkloadFacts| {
        facts.ready == 3 && facts.target_revision.is_some() && facts.target_revision == facts.stable_revision
    };
    let (before, _) = watching.facts(is_settled).await;
    assert!(matches!(before.strategy, UpdateStrategy::Ordinals { start: 0, partition: 0, in_order: true }));
    assert_eq!(before.revision, Some(1));
    let probe = before.pods[0].containers[0].readiness.clone().expect("the pod's own spec names a probe");
    assert_eq!((probe.what.as_str(), probe.period_s, probe.failure_threshold), ("GET :8080/health", 5, 3));

    set.set_image("myapp:v1.3.0").await;
    let old = before.target_revision.clone();
    let (between, _) = watching.facts(|facts| facts.target_revision != old && facts.updated > 0).await;
    assert_eq!(between.stable_revision, old);
    assert_eq!(
        between.current_revision().unwrap().template_print,
        between.template_print,
        "the prints agree"
    );
    let (after, _) = watching.facts(|facts| is_settled(facts) && facts.updated == 3).await;
    assert!(after.pods.iter().all(|pod| after.is_new(pod)), "{:#?}", after.pods);
    assert_eq!((after.revision, after.revisions.len()), (Some(2), 2));
    set.remove().await;
    watching.facts(|facts| facts.gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_set_knows_its_new_pods_also_after_it_went_back() {
    let Some(options) = kubeconfig() else { return };
    let set = Thing::made(&options, ("apps", "v1", "DaemonSet"), workload("agent", "myapp:v1.2.0")).await;
    let mut watching = Watching::of(&options, TargetRef { kind: Kind::DaemonSet, ..target("agent") }).await;
    let is_done = |facts: &WorkloadFacts| {
        facts.observed_generation == Some(facts.generation)
            && facts.spec_replicas > 0
            && facts.available == facts.spec_replicas
            && facts.updated == facts.spec_replicas
            && facts.pods.iter().all(|pod| facts.is_new(pod) && !pod.ending)
    };
    let (first, _) = watching.facts(is_done).await;
    assert_eq!(first.revision, Some(1));
    set.set_image("myapp:v1.3.0").await;
    let (second, _) =
        watching.facts(|facts| is_done(facts) && facts.template_print != first.template_print).await;
    assert_ne!(second.target_revision, first.target_revision);
    set.set_image("myapp:v1.2.0").await;
    let (back, _) =
        watching.facts(|facts| is_done(facts) && facts.template_print == first.template_print).await;
    assert_eq!(back.target_revision, first.target_revision, "the old revision, under a new number");
    assert_eq!((back.revision, back.revisions.len()), (Some(3), 2));
    set.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_not_installed_is_said_to_be_so() {
    let Some(options) = kubeconfig() else { return };
    if std::env::var("GONOGO_TEST_WORLD").is_ok_and(|world| world == "argo") {
        eprintln!("skipped: this cluster has Argo Rollouts");
        return;
    }
    let mut watching = Watching::of(&options, TargetRef { kind: Kind::Rollout, ..target("web") }).await;
    let (facts, _) = watching.facts(|facts| facts.unread.is_some()).await;
    let why = "this cluster knows no rollouts: argoproj.io/v1alpha1 is not installed";
    assert_eq!((facts.unread.as_deref(), facts.gone), (Some(why), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cordoned_and_a_vanished_node_are_the_trouble_of_their_pods() {
    let Some(options) = kubeconfig() else { return };
    let node = json!({"metadata": {"name": "fake-trouble", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"taints": [{"key": "only", "effect": "NoSchedule"}]}});
    let node = Thing::made(&options, ("", "v1", "Node"), node).await;
    let mut object = workload("troubled", "myapp:v1-notready");
    object["spec"]["template"]["spec"]["nodeName"] = "fake-trouble".into();
    let pinned = Thing::made(&options, ("apps", "v1", "Deployment"), object).await;
    let mut watching = Watching::new(&options, "troubled").await;
    let trouble = |facts: &WorkloadFacts, trouble| {
        !facts.pods.is_empty() && facts.pods.iter().all(|pod| pod.node_trouble == trouble)
    };
    watching.facts(|facts| trouble(facts, None) && facts.pods[0].phase == "Running").await;
    node.merge(json!({"spec": {"unschedulable": true}})).await;
    watching.facts(|facts| trouble(facts, Some(NodeTrouble::Cordoned))).await;
    node.remove().await;
    watching.facts(|facts| trouble(facts, Some(NodeTrouble::Gone))).await;
    pinned.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_known_at_the_start_and_told_once() {
    let Some(options) = kubeconfig() else { return };
    let hands = Hands::new(&options, "guarded").await;
    hands.create("myapp:v1-notready").await;
    let (limited, _folder) = limited_user(&options, &hands).await;
    let mut watching = Watching::new(&limited, "guarded").await;
    let lines = watching.world.access(&[target("guarded")]).await;
    eprintln!("what viewer may not: {lines:#?}");
    let told: Vec<&str> = lines.iter().map(|line| line.what.as_str()).collect();
    let expected = [
        "replicasets in default",
        "pods in default",
        "pods/log in default",
        "events in default",
        "rollback of deployment/guarded",
        "nodes",
    ];
    assert_eq!(told, expected);
    let (facts, limits) = watching.facts(|facts| facts.unread.is_none()).await;
    assert!(facts.pods.is_empty() && facts.target_revision.is_none() && facts.spec_replicas == 3);
    assert!(limits.iter().all(|line| line.outcome == PreflightOutcome::Limited), "{limits:#?}");
    let mut limits: Vec<String> = limits.into_iter().map(|line| line.what).collect();
    limits.sort_unstable();
    assert!(limits.iter().all(|what| told.contains(&what.as_str())), "the same names: {limits:?}");
    assert!(limits.contains(&"pods in default".to_owned()), "{limits:?}");

    let nobody = ConnectOptions { as_user: Some("nobody".into()), ..options.clone() };
    let mut watching = Watching::new(&nobody, "guarded").await;
    assert_eq!(watching.world.identity().await.unwrap(), "nobody");
    let (facts, _) = watching.facts(|facts| facts.unread.is_some()).await;
    assert_eq!(facts.unread.as_deref(), Some("may not list deployments in default"));
    let all = watching.world.access(&[target("guarded")]).await;
    assert!(
        all.iter().any(|line| line.detail == "may not list nor watch deployments: its rollout stays unknown"),
        "{all:#?}"
    );
    let admin = Watching::new(&options, "guarded").await;
    assert_eq!(admin.world.access(&[target("guarded")]).await[0].outcome, PreflightOutcome::Fine);
    hands.remove().await;
}

/// Runs where the real controller of Argo Rollouts does.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_rests_at_its_step_and_the_adapter_names_both_revisions() {
    let Some(options) = kubeconfig() else { return };
    let mut watching = Watching::of(&options, TargetRef { kind: Kind::Rollout, ..target("canary") }).await;
    let (first, _) =
        watching.facts(|facts| facts.unread.is_some() || facts.gone || !facts.uid.is_empty()).await;
    if let Some(why) = first.unread {
        eprintln!("skipped: {why}");
        return;
    }
    let mut object = workload("canary", "myapp:v1.2.0");
    object["spec"]["replicas"] = 4.into();
    let steps = json!([{"setWeight": 25}, {"pause": {}}, {"pause": {"duration": "1s"}}]);
    object["spec"]["strategy"] = json!({"canary": {"steps": steps}});
    let rollout = Thing::made(&options, ("argoproj.io", "v1alpha1", "Rollout"), object.clone()).await;
    let phase = |facts: &WorkloadFacts, phase: &str| {
        facts.observed_generation == Some(facts.generation)
            && facts.argo.as_ref().is_some_and(|argo| argo.phase == phase)
    };
    let (healthy, _) = watching.facts(|facts| phase(facts, "Healthy") && facts.available == 4).await;
    assert_eq!((healthy.strategy.clone(), healthy.pods.len()), (UpdateStrategy::Canary, 4));
    assert!(healthy.target_revision.is_some() && healthy.target_revision == healthy.stable_revision);
    // Its ReplicaSet has the server's defaults filled in, the object itself has not: no prints agree.
    assert_eq!(healthy.current_revision().unwrap().images, healthy.images);

    object["spec"]["template"]["spec"]["containers"][0]["image"] = "myapp:v1.3.0".into();
    rollout.merge(json!({"spec": {"template": object["spec"]["template"]}})).await;
    let (paused, _) = watching.facts(|facts| phase(facts, "Paused")).await;
    let argo = paused.argo.as_ref().unwrap();
    eprintln!("at its step: {argo:#?}");
    assert_eq!((argo.step, argo.pauses[0].reason.as_str()), (Some(1), "CanaryPauseStep"));
    assert_eq!(paused.stable_revision, healthy.stable_revision);
    assert_ne!(paused.target_revision, paused.stable_revision);
    assert_eq!(paused.pods.iter().filter(|pod| paused.is_new(pod)).count(), 1);
    assert_eq!(paused.revision, Some(2));
    rollout.remove().await;
}

/// Runs alone: the API server is silent, the history in etcd is compacted, and a new API server
/// comes up that knows nothing of the old watches.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_api_server_with_a_compacted_history_turns_nothing_green_or_red() {
    use rustix::process::{Signal, kill_process};
    let Some(options) = kubeconfig() else { return };
    let Some(folder) = std::env::var_os("GONOGO_TEST_CLUSTER").map(std::path::PathBuf::from) else {
        eprintln!("skipped: GONOGO_TEST_CLUSTER is not set");
        return;
    };
    let hands = Hands::new(&options, "compacted").await;
    hands.create("myapp:v1.2.0").await;
    let mut watching = Watching::new(&options, "compacted").await;
    watching.until(RolloutState::Complete).await;
    let pid = apiserver().unwrap();
    watching.seen.clear();
    kill_process(pid, Signal::STOP).unwrap();
    let down = link(&mut watching, false).await;
    compact(&folder).await;
    restart_api_server(&folder).await;
    assert_eq!(link(&mut watching, true).await, Link::Live);
    eprintln!("down as {down:?}");
    hands.set_image("myapp:v1.3.0").await;
    watching.until(RolloutState::Progressing).await;
    watching.until(RolloutState::Complete).await;
    eprintln!("through a compacted history: {:?}", watching.seen);
    assert!(!watching.seen.iter().any(|state| state.is_failure()), "{:?}", watching.seen);
    assert_eq!(watching.last.as_ref().unwrap().revision, Some(2));
    hands.remove().await;
}

/// Throws away all history that etcd keeps.
async fn compact(folder: &std::path::Path) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let command = std::fs::read_to_string(folder.join("kube-apiserver.command")).unwrap();
    let server = command.split("--etcd-servers=").nth(1).unwrap();
    let server = server.split("://").nth(1).unwrap();
    let address: String =
        server.chars().take_while(|c| c.is_ascii_alphanumeric() || ".:".contains(*c)).collect();
    let ask = async |path: &str, body: String| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!("POST {path} HTTP/1.0\r\nHost: etcd\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let range = ask("/v3/kv/range", json!({"key": "AA==", "limit": "1"}).to_string()).await;
    let revision = range.split("\"revision\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let done = ask("/v3/kv/compaction", json!({"revision": revision, "physical": true}).to_string()).await;
    assert!(done.contains("200 OK"), "{done}");
    eprintln!("compacted to revision {revision}");
}

#[expect(clippy::disallowed_methods, reason = "the cluster's own script")]
async fn restart_api_server(folder: &std::path::Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/restart");
    let mut restart = tokio::process::Command::new(script);
    let ended =
        restart.arg(folder).arg("kube-apiserver").stdout(std::process::Stdio::null()).status().await.unwrap();
    assert!(ended.success(), "{ended}");
}
