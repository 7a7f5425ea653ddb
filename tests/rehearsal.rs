//! The practice world from outside: by the clients that a release uses, on loopback.
//!
//! The worlds run hundreds of times faster than the wall clock, and tests wait for what the world
//! shows, never for time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;
use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use gonogo::rehearsal::{EmptyCluster, Fault, Options, Practice, RehearsalError, Scenario, shim};
use gonogo::watch::metrics::default_expression;
use gonogo::workflow::Metric;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ListParams, LogParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Generous: only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(300);

struct Stage {
    practice: Practice,
    dir: TempDir,
}

async fn stage(scenario: Scenario, speed: f64) -> Stage {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let practice = Practice::start(options(&dir, scenario, speed)).await.unwrap();
    Stage { practice, dir }
}

fn options(dir: &TempDir, scenario: Scenario, speed: f64) -> Options {
    Options { dir: dir.path().join("world"), scenario, speed, exe: PathBuf::from("/bin/true") }
}

async fn client(practice: &Practice) -> Client {
    let kubeconfig = Kubeconfig::read_from(&practice.kubeconfig).unwrap();
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.root_cert = Some(Vec::new());
    Client::try_from(config).unwrap()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap()
}

async fn deployments(practice: &Practice) -> Api<Deployment> {
    Api::default_namespaced(client(practice).await)
}

fn image(version: &str) -> Patch<Value> {
    let containers = json!([{"name": "app", "image": format!("myapp:{version}")}]);
    Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": containers}}}}))
}

async fn set_image(practice: &Practice, version: &str) -> Deployment {
    deployments(practice).await.patch("app", &PatchParams::default(), &image(version)).await.unwrap()
}

fn reason(deployment: &Deployment) -> Option<String> {
    let status = deployment.status.as_ref()?;
    let progressing =
        status.conditions.iter().flatten().find(|condition| condition.type_ == "Progressing")?;
    (status.observed_generation == deployment.metadata.generation).then(|| progressing.reason.clone())?
}

/// Watches the application until a version of it satisfies `wanted`.
async fn wait_for(practice: &Practice, wanted: impl Fn(&Deployment) -> bool) -> Deployment {
    let stream = watcher(deployments(practice).await, watcher::Config::default());
    let waiting = async {
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.try_next().await.unwrap() {
            match event {
                watcher::Event::Apply(app) | watcher::Event::InitApply(app) if wanted(&app) => return app,
                _ => {}
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the application never got there")
}

async fn query(practice: &Practice, expression: &str) -> (u16, Value) {
    let url = reqwest::Url::parse_with_params(
        &format!("{}/api/v1/query", practice.prometheus_url),
        [("query", expression)],
    );
    let answer = http().get(url.unwrap()).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

fn filled(metric: Metric) -> String {
    default_expression(metric).replace("$namespace", "shop").replace("$name", "app")
}

#[tokio::test]
async fn a_kube_client_rolls_out_a_version_and_watches_it_finish() {
    let stage = stage(Scenario::Good, 600.0).await;
    let patched = set_image(&stage.practice, "v1.3.0").await;
    assert_eq!(patched.metadata.generation, Some(3));
    let done = wait_for(&stage.practice, |app| {
        app.metadata.generation == Some(3) && reason(app).as_deref() == Some("NewReplicaSetAvailable")
    })
    .await;
    assert_eq!(done.status.unwrap().updated_replicas, Some(4));
    let client = client(&stage.practice).await;
    let sets: Api<ReplicaSet> = Api::default_namespaced(client.clone());
    assert_eq!(sets.list(&ListParams::default()).await.unwrap().items.len(), 3);
    let pods: Api<Pod> = Api::default_namespaced(client);
    let new = ListParams::default().labels("app=app").fields("status.phase=Running");
    assert_eq!(pods.list(&new).await.unwrap().items.len(), 4);
}

#[tokio::test]
async fn a_dry_run_answers_with_the_change_and_changes_nothing() {
    let stage = stage(Scenario::Good, 1.0).await;
    let api = deployments(&stage.practice).await;
    let before = api.get("app").await.unwrap();
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let shown = api.patch("app", &dry, &image("v1.3.0")).await.unwrap();
    assert_eq!(shown.metadata.generation, Some(3));
    assert_eq!(shown.metadata.resource_version, before.metadata.resource_version);
    assert_eq!(api.get("app").await.unwrap().spec, before.spec);
}

#[tokio::test]
async fn refusals_are_status_objects_of_the_real_kind() {
    let stage = stage(Scenario::Good, 1.0).await;
    let api = deployments(&stage.practice).await;
    let status = |error: kube::Error| match error {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("{other}"),
    };
    let missing = status(api.get("nope").await.unwrap_err());
    assert_eq!(missing, (404, "NotFound".into(), "deployments.apps \"nope\" not found".into()));

    let test = json!([{"op": "test", "path": "/metadata/uid", "value": "another"}]);
    let patch = Patch::<()>::Json(serde_json::from_value(test).unwrap());
    let failed = status(api.patch("app", &PatchParams::default(), &patch).await.unwrap_err());
    assert_eq!((failed.0, failed.1.as_str()), (422, "Invalid"));

    let negative = Patch::Merge(json!({"spec": {"replicas": -1}}));
    let invalid = status(api.patch("app", &PatchParams::default(), &negative).await.unwrap_err());
    let message = "Deployment.apps \"app\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!(invalid, (422, "Invalid".into(), message.into()));

    let renamed = Patch::Merge(json!({"metadata": {"uid": "x"}}));
    let immutable = status(api.patch("app", &PatchParams::default(), &renamed).await.unwrap_err());
    let message =
        "Deployment.apps \"app\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable";
    assert_eq!(immutable, (422, "Invalid".into(), message.into()));

    let stale = Patch::Merge(json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 3}}));
    let conflict = status(api.patch("app", &PatchParams::default(), &stale).await.unwrap_err());
    assert_eq!((conflict.0, conflict.1.as_str()), (409, "Conflict"));
}

#[tokio::test]
async fn a_watch_from_a_forgotten_version_is_told_that_it_is_gone() {
    let stage = stage(Scenario::Good, 1.0).await;
    let api = deployments(&stage.practice).await;
    let mut stream = std::pin::pin!(api.watch(&WatchParams::default(), "7").await.unwrap());
    match stream.try_next().await.unwrap() {
        Some(WatchEvent::Error(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (410, "Expired"))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn initial_events_end_with_a_marked_bookmark() {
    let stage = stage(Scenario::Good, 1.0).await;
    let pods: Api<Pod> = Api::default_namespaced(client(&stage.practice).await);
    let mut stream = std::pin::pin!(pods.watch(&WatchParams::default().initial_events(), "").await.unwrap());
    for _ in 0..4 {
        assert!(matches!(stream.try_next().await.unwrap(), Some(WatchEvent::Added(_))));
    }
    match stream.try_next().await.unwrap() {
        Some(WatchEvent::Bookmark(bookmark)) => {
            assert_eq!(bookmark.metadata.annotations["k8s.io/initial-events-end"], "true");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everything_is_allowed_and_a_lease_has_one_holder() {
    let stage = stage(Scenario::Good, 1.0).await;
    let client = client(&stage.practice).await;
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = reviews.create(&PostParams::default(), &SelfSubjectAccessReview::default()).await.unwrap();
    assert!(review.status.unwrap().allowed);

    let leases: Api<Lease> = Api::default_namespaced(client);
    let mut lease = Lease::default();
    lease.metadata.name = Some("gonogo".into());
    let mine = leases.create(&PostParams::default(), &lease).await.unwrap();
    assert!(leases.create(&PostParams::default(), &lease).await.is_err());
    let mut taken = mine.clone();
    taken.spec.get_or_insert_default().holder_identity = Some("bo".into());
    leases.replace("gonogo", &PostParams::default(), &taken).await.unwrap();
    let mut late = mine;
    late.spec.get_or_insert_default().holder_identity = Some("ana".into());
    let refused = leases.replace("gonogo", &PostParams::default(), &late).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.is_conflict()));
}

#[tokio::test]
async fn a_followed_log_carries_times_and_ends_with_its_container() {
    let stage = stage(Scenario::CrashLoop, 60.0).await;
    set_image(&stage.practice, "v1.3.0").await;
    let pods: Api<Pod> = Api::default_namespaced(client(&stage.practice).await);
    let running = |pod: &Pod| {
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        let status = statuses.and_then(|statuses| statuses.first());
        status.is_some_and(|status| {
            status.image.ends_with("v1.3.0")
                && status.state.as_ref().is_some_and(|state| state.running.is_some())
        })
    };
    let finding = async {
        let mut stream = std::pin::pin!(watcher(pods.clone(), watcher::Config::default()));
        while let Some(event) = stream.try_next().await.unwrap() {
            match event {
                watcher::Event::Apply(pod) | watcher::Event::InitApply(pod) if running(&pod) => return pod,
                _ => {}
            }
        }
        panic!("the watch ended");
    };
    let pod = tokio::time::timeout(PATIENCE, finding).await.unwrap();
    let follow = LogParams { follow: true, timestamps: true, ..LogParams::default() };
    let lines = pods.log_stream(pod.metadata.name.as_deref().unwrap(), &follow).await.unwrap().lines();
    let lines: Vec<String> = tokio::time::timeout(PATIENCE, lines.try_collect()).await.unwrap().unwrap();
    let (time, last) = lines.last().unwrap().split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert!(last.starts_with("FATAL"), "{last}");
    assert!(lines.iter().filter(|line| line.contains("starting myapp")).count() == 1, "one life, one stream");
}

#[tokio::test]
async fn the_default_expressions_have_values_and_a_window_of_the_past() {
    let stage = stage(Scenario::Good, 1.0).await;
    for metric in [Metric::ErrorRate, Metric::LatencyP95, Metric::RequestRate, Metric::Restarts] {
        let (status, body) = query(&stage.practice, &filled(metric)).await;
        assert_eq!(status, 200);
        let result = body["data"]["result"].as_array().unwrap();
        assert_eq!(result.len(), 1, "{metric:?}: {body}");
        assert!(result[0]["value"][1].as_str().unwrap().parse::<f64>().unwrap().is_finite(), "{body}");
    }
    let now = stage.practice.clock().now();
    let start = (now.as_second() - 1_200).to_string();
    let end = now.as_second().to_string();
    let url = reqwest::Url::parse_with_params(
        &format!("{}/api/v1/query_range", stage.practice.prometheus_url),
        [("query", filled(Metric::RequestRate).as_str()), ("start", &start), ("end", &end), ("step", "15")],
    );
    let body: Value = http().get(url.unwrap()).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["data"]["resultType"], "matrix");
    assert_eq!(body["data"]["result"][0]["values"].as_array().unwrap().len(), 81);
}

#[tokio::test]
async fn an_expression_that_is_not_understood_is_bad_data() {
    let stage = stage(Scenario::Good, 1.0).await;
    let (status, body) = query(&stage.practice, "topk(3, up)").await;
    assert_eq!((status, &body["errorType"]), (400, &json!("bad_data")));
    assert!(body["error"].as_str().unwrap().contains("understands"), "{body}");
    let (status, body) = query(&stage.practice, "http_requests_total{app=\"other\"}").await;
    assert_eq!((status, &body["data"]["result"]), (200, &json!([])));
}

#[tokio::test]
async fn the_health_endpoint_tells_version_and_parts() {
    let stage = stage(Scenario::Good, 1.0).await;
    let answer = http().get(&stage.practice.health_url).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["status"], &body["version"]), (&json!("healthy"), &json!("v1.2.0")));
    for part in ["database", "redis", "externalApi"] {
        assert_eq!(body["checks"][part]["status"], "ok");
    }
    let scale = Patch::Merge(json!({"spec": {"replicas": 0}}));
    deployments(&stage.practice).await.patch("app", &PatchParams::default(), &scale).await.unwrap();
    wait_for(&stage.practice, |app| {
        app.status.as_ref().is_some_and(|status| status.ready_replicas.is_none())
    })
    .await;
    let answer = http().get(&stage.practice.health_url).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
}

#[tokio::test]
async fn the_practice_kubectl_plays_a_release_and_its_rollback() {
    let stage = stage(Scenario::Good, 600.0).await;
    let kubeconfig = &stage.practice.kubeconfig;
    let kubectl = async |line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        shim::caught("kubectl", &args, kubeconfig).await
    };
    let (code, out, _) = kubectl("set image deployment/app app=myapp:v1.3.0").await;
    assert_eq!((code, out.as_str()), (0, "deployment.apps/app image updated\n"));
    let (code, out, _) = kubectl("rollout status deployment/app").await;
    assert_eq!(code, 0);
    assert!(out.ends_with("deployment \"app\" successfully rolled out\n"), "{out}");
    let (_, out, _) = kubectl("rollout history deployment/app").await;
    assert_eq!(
        out,
        "deployment.apps/app \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n3         <none>\n\n"
    );
    let (code, out, _) = kubectl("rollout undo deployment/app").await;
    assert_eq!((code, out.as_str()), (0, "deployment.apps/app rolled back\n"));
    let back = wait_for(&stage.practice, |app| {
        app.metadata.generation == Some(4) && reason(app).as_deref() == Some("NewReplicaSetAvailable")
    })
    .await;
    let annotations = back.metadata.annotations.unwrap();
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "4");
    let (_, out, _) = kubectl("get deploy,rs -o name").await;
    assert_eq!(out.lines().count(), 4);
    assert!(out.starts_with("deployment.apps/app\nreplicaset.apps/app-"), "{out}");
}

#[tokio::test]
async fn the_practice_kubectl_fails_with_the_words_and_code_of_the_real_one() {
    let stage = stage(Scenario::Good, 1.0).await;
    let cases = [
        ("get deploy nope", "Error from server (NotFound): deployments.apps \"nope\" not found\n"),
        ("get nope", "error: the server doesn't have a resource type \"nope\"\n"),
        ("set image deployment/app web=x:1", "error: unable to find container named \"web\"\n"),
        (
            "rollout undo deployment/app --to-revision=9",
            "error: unable to find specified revision 9 in history\n",
        ),
        (
            "get pods --context prod",
            "Error in configuration: context was not found for specified context: prod\n",
        ),
    ];
    for (line, words) in cases {
        let args: Vec<&str> = line.split(' ').collect();
        let (code, _, err) = shim::caught("kubectl", &args, &stage.practice.kubeconfig).await;
        assert_eq!((code, err.as_str()), (1, words), "{line}");
    }
    let (code, _, err) = shim::caught("kubectl", &["drain", "node"], &stage.practice.kubeconfig).await;
    assert_eq!(code, 1);
    assert!(err.contains("it knows: apply"), "{err}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the other server is a task of the test")]
async fn the_shims_refuse_a_server_that_is_no_practice_world() {
    let stage = stage(Scenario::Good, 1.0).await;
    let real =
        axum::Router::new().route("/version", axum::routing::get(async || "{\"gitVersion\":\"v1.33.1\"}"));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, real).into_future());
    let practice = std::fs::read_to_string(&stage.practice.kubeconfig).unwrap();
    let line = practice.lines().find(|line| line.contains("server:")).unwrap();
    let other = stage.dir.path().join("other");
    std::fs::write(&other, practice.replace(line, &format!("    server: {server}"))).unwrap();
    for (program, args) in [("kubectl", &["get", "pods"][..]), ("gh", &["run", "list"][..])] {
        let (code, out, err) = shim::caught(program, args, &other).await;
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.contains(&format!("the practice {program} speaks to a practice world only")), "{err}");
    }
    serving.abort();
}

#[tokio::test]
async fn a_dispatched_production_pipeline_changes_the_image() {
    let stage = stage(Scenario::Good, 300.0).await;
    let gh = async |args: &[&str]| shim::caught("gh", args, &stage.practice.kubeconfig).await;
    let (code, out, _) = gh(&["workflow", "run", "deploy-prod.yml", "--ref", "v1.3.0"]).await;
    assert_eq!(code, 0);
    assert!(out.starts_with("✓ Created workflow_dispatch event for deploy-prod.yml at v1.3.0\n"), "{out}");
    let (code, out, _) = gh(&["run", "watch", "--exit-status"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("completed with 'success'"), "{out}");
    let app = deployments(&stage.practice).await.get("app").await.unwrap();
    let image = app.spec.unwrap().template.spec.unwrap().containers[0].image.clone();
    assert_eq!(image.as_deref(), Some("myapp:v1.3.0"));
}

#[tokio::test]
async fn a_pushed_version_tag_starts_a_build() {
    let stage = stage(Scenario::Good, 60.0).await;
    let repository = git2::Repository::open(&stage.practice.repo).unwrap();
    let tags = repository.tag_names(None).unwrap();
    let tags: Vec<&str> = tags.iter().filter_map(|tag| tag.unwrap()).collect();
    assert_eq!(tags, ["v1.1.0", "v1.2.0"]);
    let head = repository.head().unwrap().peel(git2::ObjectType::Commit).unwrap();
    assert_eq!(repository.head().unwrap().shorthand().unwrap(), "main");
    let tagger = git2::Signature::now("Test", "test@practice.invalid").unwrap();
    repository.tag("v1.3.0", &head, &tagger, "Release v1.3.0", false).unwrap();
    repository.find_remote("origin").unwrap().push(&["refs/tags/v1.3.0:refs/tags/v1.3.0"], None).unwrap();
    let waiting = async {
        loop {
            let (_, out, _) = shim::caught("gh", &["run", "list"], &stage.practice.kubeconfig).await;
            if out.contains("Build v1.3.0") {
                return out;
            }
            tokio::task::yield_now().await;
        }
    };
    let out = tokio::time::timeout(PATIENCE, waiting).await.expect("the CI never saw the tag");
    assert!(out.contains("push"), "{out}");
}

#[tokio::test]
async fn a_change_is_on_disk_before_it_is_answered_and_a_new_process_goes_on() {
    let stage = stage(Scenario::ErrorSpike, 30.0).await;
    let world = stage.dir.path().join("world");
    let first_port = stage.practice.prometheus_url.clone();
    let patched = set_image(&stage.practice, "v1.3.0").await;
    let saved = std::fs::read_to_string(world.join("world.json")).unwrap();
    assert!(saved.contains("myapp:v1.3.0"));
    stage.practice.shutdown().await;
    // What `kill -9` would have left: the file as it was when the change was answered.
    std::fs::write(world.join("world.json"), &saved).unwrap();
    let saved: Value = serde_json::from_str(&saved).unwrap();
    let stood_still_at: jiff::Timestamp = saved["world"]["now"].as_str().unwrap().parse().unwrap();

    let practice = Practice::reopen(&world, "/bin/true").await.unwrap();
    assert_eq!(practice.clock().world_origin, stood_still_at);
    assert_eq!(practice.scenario(), Scenario::ErrorSpike);
    assert_ne!(practice.prometheus_url, first_port);
    let app = deployments(&practice).await.get("app").await.unwrap();
    assert_eq!(app.spec, patched.spec);
    wait_for(&practice, |app| app.status.as_ref().is_some_and(|status| status.updated_replicas == Some(2)))
        .await;
    practice.shutdown().await;
}

#[tokio::test]
async fn a_folder_without_a_world_cannot_be_reopened() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Practice::reopen(dir.path(), "/bin/true").await.unwrap_err();
    assert!(matches!(missing, RehearsalError::Io { what: "read", .. }), "{missing}");
    std::fs::write(dir.path().join("world.json"), "{}").unwrap();
    let broken = Practice::reopen(dir.path(), "/bin/true").await.unwrap_err();
    assert!(matches!(broken, RehearsalError::Saved { .. }), "{broken}");
    let speed = Practice::start(options(&dir, Scenario::Good, 0.0)).await.unwrap_err();
    assert!(matches!(speed, RehearsalError::Speed(_)), "{speed}");
}

#[tokio::test]
async fn an_outage_breaks_what_is_open_and_ends() {
    let stage = stage(Scenario::Good, 1.0).await;
    let api = deployments(&stage.practice).await;
    let mut watch = std::pin::pin!(api.watch(&WatchParams::default(), "0").await.unwrap());
    assert!(watch.next().await.unwrap().is_ok());
    stage.practice.inject(Fault::ApiDown { lasting: PATIENCE });
    let broken = tokio::time::timeout(PATIENCE, async { while let Some(Ok(_)) = watch.next().await {} });
    broken.await.expect("the open watch breaks");
    assert!(api.get("app").await.is_err());
    assert_eq!(query(&stage.practice, "up").await.0, 200);
    stage.practice.inject(Fault::Over);
    assert!(api.get("app").await.is_ok());
    stage.practice.inject(Fault::MetricsDown { lasting: PATIENCE });
    assert!(http().get(format!("{}/-/ready", stage.practice.prometheus_url)).send().await.is_err());
}

#[tokio::test]
async fn children_see_the_practice_world_only() {
    let stage = stage(Scenario::Good, 1.0).await;
    let world = stage.dir.path().join("world");
    let env = stage.practice.child_env();
    let value = |name: &str| env.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert!(value("PATH").starts_with(world.join("bin").to_str().unwrap()));
    assert_eq!(value("KUBECONFIG"), world.join("kubeconfig").to_str().unwrap());
    assert_eq!(value("GIT_CONFIG_NOSYSTEM"), "1");
    for name in ["kubectl", "gh"] {
        assert_eq!(std::fs::read_link(world.join("bin").join(name)).unwrap(), PathBuf::from("/bin/true"));
    }
    for file in ["HOME", "GIT_CONFIG_GLOBAL"] {
        assert!(PathBuf::from(value(file)).exists(), "{file}");
    }
}

async fn empty(dir: &TempDir, speed: f64) -> Practice {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cluster = EmptyCluster { dir: dir.path().join("cluster"), speed, nodes: 2 };
    Practice::start_empty(cluster).await.unwrap()
}

#[tokio::test]
async fn an_empty_cluster_takes_a_namespace_and_a_deployment_through_its_api() {
    let dir = tempfile::tempdir().unwrap();
    let practice = empty(&dir, 60.0).await;
    let client = client(&practice).await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = json!({"metadata": {"name": "trial"}});
    namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
    let api: Api<Deployment> = Api::namespaced(client, "trial");
    let labels = json!({"app": "web"});
    let web = json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "web:1"}]},
            },
        },
    });
    let web = api.create(&PostParams::default(), &serde_json::from_value(web).unwrap()).await.unwrap();
    assert_eq!(web.spec.unwrap().progress_deadline_seconds, Some(600));
    let available = async {
        let mut stream = std::pin::pin!(watcher(api.clone(), watcher::Config::default()));
        while let Some(event) = stream.try_next().await.unwrap() {
            if let watcher::Event::Apply(web) | watcher::Event::InitApply(web) = event
                && web.status.and_then(|status| status.available_replicas) == Some(2)
            {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, available).await.expect("both pods become available");
    practice.shutdown().await;
}

/// Asks again and again until the answer is `wanted`; the world runs on meanwhile.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never seen: {what}"))
}

async fn value(practice: &Practice, metric: Metric) -> Option<f64> {
    let (_, body) = query(practice, &filled(metric)).await;
    body["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

fn is_complete(app: &Deployment) -> bool {
    app.metadata.generation == Some(3) && reason(app).as_deref() == Some("NewReplicaSetAvailable")
}

#[tokio::test]
async fn in_the_latency_lesson_requests_take_twice_as_long_after_the_rollout_and_fail_no_more() {
    let stage = stage(Scenario::Latency, 300.0).await;
    let before = value(&stage.practice, Metric::LatencyP95).await.unwrap();
    set_image(&stage.practice, "v1.3.0").await;
    wait_for(&stage.practice, is_complete).await;
    until("a doubled latency", async || {
        value(&stage.practice, Metric::LatencyP95).await.filter(|now| *now > 2.0 * before)
    })
    .await;
    let errors = value(&stage.practice, Metric::ErrorRate).await.unwrap();
    assert!(errors < 1.0, "{errors} %");
}

#[tokio::test]
async fn in_the_bad_image_lesson_two_reasons_alternate_with_the_words_of_the_registry() {
    let stage = stage(Scenario::BadImage, 120.0).await;
    let pods: Api<Pod> = Api::default_namespaced(client(&stage.practice).await);
    let before = pods.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    set_image(&stage.practice, "v1.3.0").await;
    let watching = async {
        let (mut seen, mut messages) = (Vec::<String>::new(), Vec::<String>::new());
        let mut name = None;
        // From before the change on, however late the watch begins.
        let mut stream = std::pin::pin!(pods.watch(&WatchParams::default(), &before).await.unwrap());
        while let Some(event) = stream.try_next().await.unwrap() {
            let (WatchEvent::Added(pod) | WatchEvent::Modified(pod)) = event else { continue };
            let statuses = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
            let Some(waiting) = statuses.into_iter().find_map(|status| status.state?.waiting) else {
                continue;
            };
            // One pod's story: several at once would mix.
            let reason = waiting.reason.unwrap_or_default();
            if reason.contains("Pull") && *name.get_or_insert(pod.metadata.name.clone()) == pod.metadata.name
            {
                if seen.last() != Some(&reason) {
                    seen.push(reason);
                    messages.push(waiting.message.unwrap_or_default());
                }
                if seen.len() == 4 {
                    return (seen, messages);
                }
            }
        }
        panic!("the watch ended");
    };
    let (seen, messages) = tokio::time::timeout(PATIENCE, watching).await.unwrap();
    assert_eq!(seen, ["ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"]);
    let cause = "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/myapp:v1.3.0\": \
                 failed to resolve reference \"docker.io/library/myapp:v1.3.0\": docker.io/library/myapp:v1.3.0: not found";
    assert_eq!(messages[0], cause);
    assert_eq!(messages[1], format!("Back-off pulling image \"myapp:v1.3.0\": ErrImagePull: {cause}"));
}

#[tokio::test]
async fn in_the_slow_lesson_each_pod_needs_minutes_and_the_rollout_completes_in_time() {
    let stage = stage(Scenario::Slow, 300.0).await;
    let begun = stage.practice.clock().now();
    set_image(&stage.practice, "v1.3.0").await;
    let app = wait_for(&stage.practice, |app| {
        assert_ne!(reason(app).as_deref(), Some("ProgressDeadlineExceeded"), "nothing is wrong");
        is_complete(app)
    })
    .await;
    let progressing =
        app.status.unwrap().conditions.unwrap().into_iter().find(|one| one.type_ == "Progressing");
    let done = progressing.unwrap().last_update_time.unwrap().0;
    let took = done.duration_since(begun).as_secs();
    assert!((300..600).contains(&took), "two waves of pods took {took} s of world time");
}

#[tokio::test]
async fn in_the_outage_lesson_the_api_goes_away_once_and_comes_back_without_its_history() {
    let stage = stage(Scenario::Outage, 60.0).await;
    let api = deployments(&stage.practice).await;
    let before = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut watch = std::pin::pin!(api.watch(&WatchParams::default(), &before).await.unwrap());
    set_image(&stage.practice, "v1.3.0").await;
    let mut last = None;
    let broken = async {
        while let Some(Ok(event)) = watch.next().await {
            if let WatchEvent::Modified(app) = event {
                last = app.status;
            }
        }
    };
    tokio::time::timeout(PATIENCE, broken).await.expect("the open watch breaks");
    let status = last.expect("the rollout began before");
    assert!(status.updated_replicas > Some(0) && status.updated_replicas < status.replicas, "{status:?}");
    assert!(api.get("app").await.is_err(), "the server is away");

    stage.practice.inject(Fault::Over);
    until("the server again", async || api.get("app").await.ok()).await;
    let mut late = std::pin::pin!(api.watch(&WatchParams::default(), &before).await.unwrap());
    match late.try_next().await.unwrap() {
        Some(WatchEvent::Error(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (410, "Expired"))
        }
        other => panic!("{other:?}"),
    }
    wait_for(&stage.practice, is_complete).await;
    assert!(!stage.practice.look(gonogo::rehearsal::sim::World::outage_is_due), "one lesson has one outage");
}
