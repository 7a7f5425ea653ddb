//! What the practice world claims about Kubernetes, claim by claim: each is played through the API and
//! what a client sees is written down. The same plays run against a real API server with real
//! controllers and simulated nodes when `GONOGO_TEST_KUBECONFIG` names one (`tests/cluster/run`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use gonogo::rehearsal::{EmptyCluster, Practice};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, EvictParams, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams, WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Generous: only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(300);
/// World seconds per real second in the practice world.
const SPEED: f64 = 20.0;

/// A namespace of one's own in a world of either sort.
struct Stage {
    client: Client,
    namespace: String,
    practice: Option<(Practice, TempDir)>,
}

impl Stage {
    async fn practice(namespace: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let cluster = EmptyCluster { dir: dir.path().to_owned(), speed: SPEED, nodes: 1 };
        let practice = Practice::start_empty(cluster).await.unwrap();
        let client = client(&practice.kubeconfig).await;
        Self::furnish(client, namespace, Some((practice, dir))).await
    }

    async fn real(kubeconfig: &Path, namespace: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self::furnish(client(kubeconfig).await, namespace, None).await
    }

    async fn furnish(client: Client, namespace: &str, practice: Option<(Practice, TempDir)>) -> Self {
        // A namespace of an earlier run may still be going.
        let namespace = format!("{namespace}-{}", std::process::id());
        let stage = Self { client, namespace, practice };
        stage.create(json!({"kind": "Namespace", "metadata": {"name": stage.namespace}})).await;
        stage.until("ServiceAccount", "default", |_| true).await;
        stage
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version) = match kind {
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "ControllerRevision" => {
                ("apps", "v1")
            }
            "HorizontalPodAutoscaler" => ("autoscaling", "v2"),
            "PodDisruptionBudget" => ("policy", "v1"),
            _ => ("", "v1"),
        };
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if kind == "Namespace" || kind == "Node" {
            return Api::all_with(self.client.clone(), &resource);
        }
        if kind == "ControllerRevision" {
            resource.plural = "controllerrevisions".into();
        }
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    async fn create(&self, manifest: Value) -> Value {
        let kind = manifest["kind"].as_str().unwrap().to_owned();
        let api = self.api(&kind);
        let object: DynamicObject = serde_json::from_value(with_version(manifest)).unwrap();
        serde_json::to_value(api.create(&PostParams::default(), &object).await.unwrap()).unwrap()
    }

    async fn merge(&self, kind: &str, name: &str, patch: Value) {
        self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn set_image(&self, kind: &str, name: &str, image: &str) {
        let containers = json!([{"name": "app", "image": image}]);
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        self.api(kind).patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    }

    /// Waits until an object looks as `wanted`.
    async fn until(&self, kind: &str, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.follow(kind, name, async {}, |_| None, wanted).await.1
    }

    /// Lets `change` happen and notes what `told` says of an object from before it on, at each step that the
    /// server shows, repeats left out, until the object looks as `wanted`.
    async fn follow(
        &self,
        kind: &str,
        name: &str,
        change: impl Future<Output = ()>,
        told: impl Fn(&Value) -> Option<String>,
        wanted: impl Fn(&Value) -> bool,
    ) -> (Vec<String>, Value) {
        let (api, field) = (self.api(kind), format!("metadata.name={name}"));
        let before = api.list(&ListParams::default().fields(&field)).await.unwrap();
        change.await;
        let mut seen: Vec<String> = Vec::new();
        let mut last = Value::Null;
        let mut look = |object: &DynamicObject| {
            last = serde_json::to_value(object).unwrap();
            if let Some(text) = told(&last)
                && seen.last() != Some(&text)
            {
                seen.push(text);
            }
            wanted(&last)
        };
        let waiting = async {
            if before.items.iter().any(&mut look) {
                return;
            }
            // From the very version on: a step that a list would have skipped is seen too.
            let version = before.metadata.resource_version.as_deref().unwrap();
            let parameters = WatchParams::default().fields(&field);
            let mut stream = std::pin::pin!(api.watch(&parameters, version).await.unwrap());
            while let Some(event) = stream.try_next().await.unwrap() {
                let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { continue };
                if look(&object) {
                    return;
                }
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("{kind} {name} of {} never got there: {seen:#?}\n{last:#}", self.world());
        }
        (seen, last)
    }

    async fn pods(&self, label: &str) -> Vec<Value> {
        let pods = self.api("Pod").list(&ListParams::default().labels(label)).await.unwrap();
        let mut pods: Vec<Value> = pods.items.iter().map(|pod| serde_json::to_value(pod).unwrap()).collect();
        pods.sort_by_key(|pod| pod["metadata"]["name"].to_string());
        pods
    }

    fn world(&self) -> &'static str {
        if self.practice.is_some() { "the practice world" } else { "the real one" }
    }

    async fn close(self) {
        let _ = self.api("Namespace").delete(&self.namespace, &DeleteParams::default()).await;
        if let Some((practice, _dir)) = self.practice {
            practice.shutdown().await;
        }
    }
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    if config.root_cert.is_none() {
        config.root_cert = Some(Vec::new());
    }
    // A refused eviction is an answer here, nothing to ask again.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn with_version(mut manifest: Value) -> Value {
    manifest["apiVersion"] = match manifest["kind"].as_str().unwrap() {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => "apps/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "PodDisruptionBudget" => "policy/v1",
        _ => "v1",
    }
    .into();
    manifest
}

/// A workload of one container, `patch` merged into its spec.
fn workload(kind: &str, name: &str, image: &str, patch: Value) -> Value {
    let mut spec = json!({
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "app", "image": image}]},
        },
    });
    if kind == "StatefulSet" {
        spec["serviceName"] = name.into();
    }
    json_patch::merge(&mut spec, &patch);
    json!({"kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn count(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or(0)
}

fn is_observed(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// Without what is made up at random: the ends of names.
fn plain(text: &str) -> String {
    let suffix = Regex::new(r"-[bcdfghjklmnpqrstvwxz2456789]{5,10}\b").unwrap();
    suffix.replace_all(text, "-…").into_owned()
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.and_then(|all| all.iter().find(|one| one["type"] == kind)).unwrap_or(&Value::Null)
}

/// How often a claim is played in the real world. Under load a real controller now and then writes a status
/// from a cache that is behind, or two steps at once; a claim that is wrong is wrong each time.
const PLAYS: usize = 3;

/// Plays in the practice world, and in the real one when there is one; what was seen must be `expected`.
macro_rules! claim {
    ($name:ident, $play:ident, $expected:expr) => {
        #[tokio::test]
        async fn $name() {
            let slug = stringify!($play).replace('_', "-");
            let expected: &[&str] = &$expected;
            if let Some(kubeconfig) = std::env::var_os("GONOGO_TEST_KUBECONFIG") {
                for play in 1..=PLAYS {
                    let stage = Stage::real(Path::new(&kubeconfig), &format!("{slug}-{play}")).await;
                    let seen = $play(&stage).await;
                    stage.close().await;
                    if seen == expected {
                        break;
                    }
                    assert_ne!(play, PLAYS, "in the real world\nseen: {seen:#?}\nexpected: {expected:#?}");
                }
            }
            let stage = Stage::practice(&slug).await;
            let seen = $play(&stage).await;
            stage.close().await;
            assert_eq!(seen, expected, "in the practice world");
        }
    };
}

fn members(object: &Value) -> Option<String> {
    let status = &object["status"];
    let same = status["currentRevision"] == status["updateRevision"];
    is_observed(object).then(|| {
        format!(
            "replicas {} ready {} current {} updated {}{}",
            count(object, "replicas"),
            count(object, "readyReplicas"),
            count(object, "currentReplicas"),
            count(object, "updatedReplicas"),
            if same { ", one revision" } else { "" }
        )
    })
}

async fn stateful_set_rolls(stage: &Stage) -> Vec<String> {
    stage.create(workload("StatefulSet", "db", "db:1", json!({"replicas": 2}))).await;
    stage.until("StatefulSet", "db", |it| count(it, "readyReplicas") == 2).await;
    let change = stage.set_image("StatefulSet", "db", "db:2");
    let rolling = stage.follow("StatefulSet", "db", change, members, |it| {
        it["metadata"]["generation"] == 2
            && is_observed(it)
            && it["status"]["currentRevision"] == it["status"]["updateRevision"]
    });
    rolling.await.0
}

claim!(
    a_stateful_set_replaces_its_pods_from_the_last_to_the_first,
    stateful_set_rolls,
    [
        "replicas 2 ready 2 current 2 updated 2, one revision",
        "replicas 2 ready 2 current 1 updated 0",
        "replicas 1 ready 1 current 1 updated 0",
        "replicas 2 ready 1 current 1 updated 1",
        "replicas 2 ready 2 current 0 updated 1",
        "replicas 1 ready 1 current 0 updated 1",
        "replicas 2 ready 1 current 0 updated 2",
        "replicas 2 ready 2 current 2 updated 2, one revision",
    ]
);

/// The pod that never got ready, before and after the template goes back, then after it is deleted.
async fn trap(stage: &Stage, policy: &str) -> Vec<String> {
    let spec = json!({"replicas": 2, "podManagementPolicy": policy});
    stage.create(workload("StatefulSet", "db", "db:1", spec)).await;
    stage.until("StatefulSet", "db", |it| count(it, "readyReplicas") == 2).await;
    stage.set_image("StatefulSet", "db", "db:2-notready").await;
    stage
        .until("StatefulSet", "db", |it| count(it, "updatedReplicas") == 1 && count(it, "replicas") == 2)
        .await;
    stage.set_image("StatefulSet", "db", "db:1").await;
    let reverted = stage
        .until("StatefulSet", "db", |it| {
            is_observed(it) && it["status"]["currentRevision"] == it["status"]["updateRevision"]
        })
        .await;
    let mut seen = vec![members(&reverted).unwrap()];
    if policy == "OrderedReady" {
        let image =
            stage.api("Pod").get("db-1").await.unwrap().data["spec"]["containers"][0]["image"].clone();
        seen.push(format!("db-1 runs {}", image.as_str().unwrap()));
        stage.api("Pod").delete("db-1", &DeleteParams::default()).await.unwrap();
    }
    stage.until("StatefulSet", "db", |it| count(it, "readyReplicas") == 2).await;
    let image = stage.api("Pod").get("db-1").await.unwrap().data["spec"]["containers"][0]["image"].clone();
    seen.push(format!("db-1 runs {}", image.as_str().unwrap()));
    seen
}

async fn ordered_trap(stage: &Stage) -> Vec<String> {
    trap(stage, "OrderedReady").await
}

async fn parallel_trap(stage: &Stage) -> Vec<String> {
    let mut seen = trap(stage, "Parallel").await;
    // How far it is when the revisions are one again depends on who is faster.
    seen.remove(0);
    seen
}

claim!(
    a_reverted_template_does_not_replace_the_pod_that_never_got_ready,
    ordered_trap,
    ["replicas 2 ready 1 current 1 updated 1, one revision", "db-1 runs db:2-notready", "db-1 runs db:1",]
);
claim!(a_parallel_set_replaces_it, parallel_trap, ["db-1 runs db:1"]);

async fn images(stage: &Stage, label: &str) -> String {
    let pods = stage.pods(label).await;
    let each = pods.iter().map(|pod| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{} {}", text(&pod["metadata"]["name"]), text(&pod["spec"]["containers"][0]["image"]))
    });
    each.collect::<Vec<_>>().join(", ")
}

async fn partition(stage: &Stage) -> Vec<String> {
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let spec = json!({"replicas": 2, "updateStrategy": rolling, "ordinals": {"start": 4}});
    stage.create(workload("StatefulSet", "db", "db:1", spec)).await;
    stage.until("StatefulSet", "db", |it| count(it, "readyReplicas") == 2).await;
    stage.set_image("StatefulSet", "db", "db:2").await;
    let done =
        |it: &Value| is_observed(it) && count(it, "updatedReplicas") == 1 && count(it, "readyReplicas") == 2;
    let it = stage.until("StatefulSet", "db", done).await;
    let mut seen = vec![members(&it).unwrap(), images(stage, "app=db").await];
    // Below the partition a lost pod comes back as it was.
    let before = stage.api("Pod").get("db-4").await.unwrap().metadata.uid;
    stage.api("Pod").delete("db-4", &DeleteParams::default()).await.unwrap();
    stage.until("Pod", "db-4", |pod| pod["metadata"]["uid"].as_str() != before.as_deref()).await;
    seen.push(images(stage, "app=db").await);
    seen
}

claim!(
    a_partition_holds_back_the_pods_below_it,
    partition,
    ["replicas 2 ready 2 current 1 updated 1", "db-4 db:1, db-5 db:2", "db-4 db:1, db-5 db:2",]
);

async fn on_delete(stage: &Stage) -> Vec<String> {
    let spec = json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}});
    stage.create(workload("StatefulSet", "db", "db:1", spec)).await;
    stage.until("StatefulSet", "db", |it| count(it, "readyReplicas") == 2).await;
    stage.set_image("StatefulSet", "db", "db:2").await;
    let it =
        stage.until("StatefulSet", "db", |it| it["metadata"]["generation"] == 2 && is_observed(it)).await;
    let mut seen = vec![members(&it).unwrap()];
    for pod in ["db-0", "db-1"] {
        let before = stage.api("Pod").get(pod).await.unwrap().metadata.uid;
        stage.api("Pod").delete(pod, &DeleteParams::default()).await.unwrap();
        stage.until("Pod", pod, |it| it["metadata"]["uid"].as_str() != before.as_deref()).await;
    }
    let done = |it: &Value| count(it, "updatedReplicas") == 2 && count(it, "readyReplicas") == 2;
    let it = stage.until("StatefulSet", "db", done).await;
    seen.extend([members(&it).unwrap(), images(stage, "app=db").await]);
    seen
}

claim!(
    a_set_updated_by_hand_keeps_its_current_revision_to_the_end,
    on_delete,
    [
        "replicas 2 ready 2 current 2 updated 0",
        "replicas 2 ready 2 current 0 updated 2",
        "db-0 db:2, db-1 db:2",
    ]
);

async fn daemon_set(stage: &Stage) -> Vec<String> {
    stage.create(workload("DaemonSet", "agent", "agent:1", json!({}))).await;
    let counts = |it: &Value| {
        is_observed(it).then(|| {
            format!(
                "desired {} current {} updated {} available {}",
                count(it, "desiredNumberScheduled"),
                count(it, "currentNumberScheduled"),
                count(it, "updatedNumberScheduled"),
                count(it, "numberAvailable")
            )
        })
    };
    let ready = |it: &Value| count(it, "numberAvailable") > 0 && count(it, "numberUnavailable") == 0;
    stage.until("DaemonSet", "agent", ready).await;
    let change = stage.set_image("DaemonSet", "agent", "agent:2");
    let rolling = stage.follow("DaemonSet", "agent", change, counts, |it| {
        it["metadata"]["generation"] == 2
            && is_observed(it)
            && count(it, "updatedNumberScheduled") == count(it, "desiredNumberScheduled")
            && ready(it)
    });
    let mut seen = rolling.await.0;
    let mut labels = stage.pods("app=agent").await[0]["metadata"]["labels"].clone();
    labels["controller-revision-hash"] = Value::Null;
    seen.push(labels.to_string());
    seen
}

claim!(
    a_daemon_set_replaces_one_pod_after_the_other,
    daemon_set,
    [
        "desired 1 current 1 updated 1 available 1",
        "desired 1 current 1 updated 0 available 1",
        "desired 1 current 1 updated 1 available 0",
        "desired 1 current 1 updated 1 available 1",
        r#"{"app":"agent","controller-revision-hash":null,"pod-template-generation":"2"}"#,
    ]
);

async fn refusals(stage: &Stage) -> Vec<String> {
    let quota = json!({"kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}});
    stage.create(quota).await;
    stage.until("ResourceQuota", "q", |it| it["status"]["used"]["pods"] == "0").await;
    stage.create(workload("Deployment", "web", "web:1", json!({"replicas": 2}))).await;
    let failed = |it: &Value| condition(it, "ReplicaFailure")["status"] == "True";
    let it = stage.until("Deployment", "web", |it| failed(it) && count(it, "availableReplicas") == 1).await;
    let failure = condition(&it, "ReplicaFailure");
    let mut seen = vec![format!(
        "{}: {}",
        failure["reason"].as_str().unwrap(),
        plain(failure["message"].as_str().unwrap())
    )];
    seen.push(plain(condition(&it, "Progressing")["message"].as_str().unwrap()));
    seen.push(format!("unavailable {}", count(&it, "unavailableReplicas")));
    stage.merge("ResourceQuota", "q", json!({"spec": {"hard": {"pods": "9"}}})).await;
    let it = stage.until("Deployment", "web", |it| count(it, "availableReplicas") == 2 && !failed(it)).await;
    seen.push(plain(condition(&it, "Progressing")["message"].as_str().unwrap()));
    seen
}

claim!(
    a_quota_without_room_is_a_replica_failure_until_it_has_some,
    refusals,
    [
        "FailedCreate: pods \"web-…-…\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
        "ReplicaSet \"web-…\" is progressing.",
        "unavailable 1",
        "ReplicaSet \"web-…\" has successfully progressed.",
    ]
);

async fn rejected(stage: &Stage) -> Vec<String> {
    let limits = json!([{"type": "Container", "default": {"cpu": "500m"}, "max": {"memory": "1Gi"}}]);
    let range = json!({"kind": "LimitRange", "metadata": {"name": "range"}, "spec": {"limits": limits}});
    stage.create(range).await;
    let with = |pod: Value| json!({"replicas": 1, "template": {"spec": pod}});
    let resources = |resources: Value| {
        let container = json!({"name": "app", "image": "web:1", "resources": resources});
        with(json!({"containers": [container]}))
    };
    let cases = [
        ("invalid", resources(json!({"requests": {"cpu": "1"}}))),
        ("large", resources(json!({"limits": {"memory": "2Gi"}}))),
        ("class", with(json!({"priorityClassName": "nope"}))),
        ("account", with(json!({"serviceAccountName": "nope"}))),
    ];
    let mut seen = Vec::new();
    for (name, spec) in cases {
        stage.create(workload("Deployment", name, "web:1", spec)).await;
        let failed = |it: &Value| condition(it, "ReplicaFailure")["status"] == "True";
        let it = stage.until("Deployment", name, failed).await;
        let message = condition(&it, "ReplicaFailure")["message"].as_str().unwrap().to_owned();
        // The namespace first: its own random end may look like a pod's.
        seen.push(plain(&message.replace(&stage.namespace, "NS")));
    }
    seen
}

claim!(
    a_template_may_be_accepted_and_its_pods_refused,
    rejected,
    [
        "Pod \"invalid-…-…\" is invalid: spec.containers[0].resources.requests: Invalid value: \"1\": must be less than or equal to cpu limit of 500m",
        "pods \"large-…-…\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi",
        "pods \"class-…-\" is forbidden: no PriorityClass with name nope was found",
        "pods \"account-…-\" is forbidden: error looking up service account NS/nope: serviceaccount \"nope\" not found",
    ]
);

async fn unfit(stage: &Stage) -> Vec<String> {
    stage.create(workload("Deployment", "web", "web:1", json!({"replicas": 1}))).await;
    let patches = [
        json!([{"op": "test", "path": "/metadata/uid", "value": "another"}]),
        json!([{"op": "test", "path": "/spec/none", "value": 1}]),
        json!([{"op": "replace", "path": "/spec/none/at/all", "value": 1}]),
    ];
    let mut seen = Vec::new();
    for patch in patches {
        let patch = Patch::<()>::Json(serde_json::from_value(patch).unwrap());
        let answer = stage.api("Deployment").patch("web", &PatchParams::default(), &patch).await;
        let kube::Error::Api(status) = answer.unwrap_err() else { panic!("the server answers") };
        seen.push(format!("{} {}: {}", status.code, status.reason, status.message));
    }
    seen
}

claim!(
    a_test_that_does_not_hold_is_told_like_any_patch_that_does_not_fit,
    unfit,
    [
        "422 Invalid: the server rejected our request due to an error in our request",
        "422 Invalid: the server rejected our request due to an error in our request",
        "422 Invalid: the server rejected our request due to an error in our request",
    ]
);

async fn unschedulable(stage: &Stage) -> Vec<String> {
    let mut seen = Vec::new();
    let container =
        json!({"name": "app", "image": "a:1", "resources": {"requests": {"cpu": "4000", "memory": "40Ti"}}});
    let specs = [
        (
            "selector",
            json!({"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "app", "image": "a:1"}]}),
        ),
        ("large", json!({"containers": [container]})),
    ];
    for (name, spec) in specs {
        stage.create(json!({"kind": "Pod", "metadata": {"name": name}, "spec": spec})).await;
        let waiting = |it: &Value| condition(it, "PodScheduled")["status"] == "False";
        let pod = stage.until("Pod", name, waiting).await;
        let scheduled = condition(&pod, "PodScheduled");
        seen.push(format!(
            "{} {}: {}",
            pod["status"]["phase"].as_str().unwrap(),
            scheduled["reason"].as_str().unwrap(),
            scheduled["message"].as_str().unwrap()
        ));
    }
    seen
}

claim!(
    a_pod_that_fits_nowhere_says_why,
    unschedulable,
    [
        "Pending Unschedulable: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        "Pending Unschedulable: 0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    ]
);

async fn eviction(stage: &Stage) -> Vec<String> {
    let selector = json!({"matchLabels": {"app": "web"}});
    let budget = json!({"minAvailable": 2, "selector": selector});
    stage.create(json!({"kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": budget})).await;
    stage.create(workload("Deployment", "web", "web:1", json!({"replicas": 2}))).await;
    let status = |it: &Value| {
        let condition = condition(it, "DisruptionAllowed");
        format!(
            "healthy {} of {}, needs {}, allows {}: {}",
            count(it, "currentHealthy"),
            count(it, "expectedPods"),
            count(it, "desiredHealthy"),
            count(it, "disruptionsAllowed"),
            condition["reason"].as_str().unwrap_or_default()
        )
    };
    let healthy = |it: &Value| count(it, "currentHealthy") == 2;
    let mut seen = vec![status(&stage.until("PodDisruptionBudget", "web", healthy).await)];
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let name = stage.pods("app=web").await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    match pods.evict(&name, &EvictParams::default()).await.unwrap_err() {
        kube::Error::Api(refused) => {
            let causes = refused.details.as_ref().map(|details| details.causes.clone()).unwrap_or_default();
            seen.push(format!("{} {}: {}", refused.code, refused.reason, refused.message));
            seen.extend(causes.iter().map(|cause| format!("{}: {}", cause.reason, cause.message)));
        }
        other => panic!("{other}"),
    }
    stage.merge("PodDisruptionBudget", "web", json!({"spec": {"minAvailable": 1}})).await;
    let allowed = |it: &Value| is_observed(it) && count(it, "disruptionsAllowed") == 1;
    seen.push(status(&stage.until("PodDisruptionBudget", "web", allowed).await));
    pods.evict(&name, &EvictParams::default()).await.unwrap();
    stage.until("Deployment", "web", |it| count(it, "availableReplicas") == 2).await;
    seen
}

claim!(
    a_disruption_budget_refuses_an_eviction_until_it_allows_one,
    eviction,
    [
        "healthy 2 of 2, needs 2, allows 0: InsufficientPods",
        "429 TooManyRequests: Cannot evict pod as it would violate the pod's disruption budget.",
        "DisruptionBudget: The disruption budget web needs 2 healthy pods and has 2 currently",
        "healthy 2 of 2, needs 1, allows 1: SufficientPods",
    ]
);

async fn autoscaling(stage: &Stage) -> Vec<String> {
    stage.create(workload("Deployment", "web", "web:1", json!({"replicas": 1}))).await;
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let utilization = json!({"type": "Utilization", "averageUtilization": 80});
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": utilization}});
    let spec = json!({"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5, "metrics": [metric]});
    stage.create(json!({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec})).await;
    let it = stage.until("Deployment", "web", |it| count(it, "availableReplicas") == 3).await;
    let mut seen = vec![format!("replicas {}", it["spec"]["replicas"])];
    let scaled = |it: &Value| condition(it, "AbleToScale")["reason"] == "SucceededRescale";
    let it = stage.until("HorizontalPodAutoscaler", "web", scaled).await;
    seen.push(condition(&it, "AbleToScale")["message"].as_str().unwrap().to_owned());
    seen.push(format!("desired {}", count(&it, "desiredReplicas")));
    seen
}

claim!(
    an_autoscaler_lifts_its_target_to_its_least_without_metrics,
    autoscaling,
    ["replicas 3", "the HPA controller was able to update the target scale to 3", "desired 3",]
);

async fn orphans(stage: &Stage) -> Vec<String> {
    let web = workload("Deployment", "web", "web:1", json!({"replicas": 1}));
    stage.create(web.clone()).await;
    stage.until("Deployment", "web", |it| count(it, "availableReplicas") == 1).await;
    let sets = async || stage.api("ReplicaSet").list(&ListParams::default()).await.unwrap().items;
    let first = sets().await[0].metadata.clone();
    let orphan = DeleteParams {
        propagation_policy: Some(kube::api::PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    stage.api("Deployment").delete("web", &orphan).await.unwrap();
    let name = first.name.as_deref().unwrap();
    let alone = stage.until("ReplicaSet", name, |it| it["metadata"]["ownerReferences"].is_null()).await;
    let mut seen = vec![format!("{} pod without an owner above", count(&alone, "replicas"))];
    // The deletion ends after the last dependent was let go.
    let gone = async { while stage.api("Deployment").get_opt("web").await.unwrap().is_some() {} };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    stage.create(web).await;
    let it = stage.until("Deployment", "web", |it| count(it, "availableReplicas") == 1).await;
    let after = sets().await;
    let same = after.len() == 1 && after[0].metadata.uid == first.uid;
    seen.push(format!("the same set again: {same}"));
    seen.push(condition(&it, "Progressing")["reason"].as_str().unwrap().to_owned());
    let foreground = DeleteParams::foreground();
    stage.api("Deployment").delete("web", &foreground).await.unwrap();
    let gone = async { while stage.api("Deployment").get_opt("web").await.unwrap().is_some() {} };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    seen.push(format!("sets left: {}, pods left: {}", sets().await.len(), stage.pods("app=web").await.len()));
    seen
}

claim!(
    an_orphaned_set_is_taken_over_by_the_next_deployment_of_its_labels,
    orphans,
    [
        "1 pod without an owner above",
        "the same set again: true",
        "NewReplicaSetAvailable",
        "sets left: 0, pods left: 0",
    ]
);

async fn told_status(stage: &Stage) -> Vec<String> {
    stage.create(workload("Deployment", "web", "web:1", json!({"replicas": 1}))).await;
    stage
        .until("Deployment", "web", |it| condition(it, "Progressing")["reason"] == "NewReplicaSetAvailable")
        .await;
    let name = stage.pods("app=web").await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let killed = json!({"exitCode": 137, "reason": "Error", "startedAt": "2026-11-22T07:00:00Z", "finishedAt": "2026-11-22T07:00:01Z"});
    let container = json!({
        "name": "app", "image": "web:1", "imageID": "", "ready": false, "restartCount": 1,
        "state": {"running": {"startedAt": "2026-11-22T07:00:02Z"}}, "lastState": {"terminated": killed},
    });
    let ready = json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-22T07:00:02Z"}]);
    let patch = json!({"status": {"conditions": ready, "containerStatuses": [container]}});
    stage.api("Pod").patch_status(&name, &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    let fallen =
        |it: &Value| count(it, "availableReplicas") == 0 && condition(it, "Available")["status"] == "False";
    let it = stage.until("Deployment", "web", fallen).await;
    let pod = stage.api("Pod").get(&name).await.unwrap().data;
    vec![
        // A later failure never takes back that the rollout was complete.
        condition(&it, "Progressing")["reason"].as_str().unwrap().to_owned(),
        condition(&it, "Available")["reason"].as_str().unwrap().to_owned(),
        format!("restarts {}", pod["status"]["containerStatuses"][0]["restartCount"]),
        pod["status"]["phase"].as_str().unwrap().to_owned(),
    ]
}

claim!(
    a_pod_that_fails_after_the_end_takes_availability_and_not_completion,
    told_status,
    ["NewReplicaSetAvailable", "MinimumReplicasUnavailable", "restarts 1", "Running"]
);

async fn relabelled(stage: &Stage) -> Vec<String> {
    stage.create(workload("Deployment", "web", "web:1", json!({"replicas": 1}))).await;
    stage.until("Deployment", "web", |it| count(it, "availableReplicas") == 1).await;
    let name = stage.pods("app=web").await[0]["metadata"]["name"].as_str().unwrap().to_owned();
    stage.merge("Pod", &name, json!({"metadata": {"labels": {"app": "quarantine"}}})).await;
    let free = stage.until("Pod", &name, |pod| pod["metadata"]["ownerReferences"].is_null()).await;
    let replaced = async { while stage.pods("app=web").await.is_empty() {} };
    tokio::time::timeout(PATIENCE, replaced).await.unwrap();
    vec![format!(
        "labels {}, others {}",
        free["metadata"]["labels"]["app"],
        stage.pods("app=web").await.len()
    )]
}

claim!(a_pod_with_another_label_is_let_go_and_replaced, relabelled, ["labels \"quarantine\", others 1"]);

async fn deadline(stage: &Stage) -> Vec<String> {
    let spec = json!({"replicas": 1, "progressDeadlineSeconds": 3});
    stage.create(workload("Deployment", "web", "web:1", spec)).await;
    stage
        .until("Deployment", "web", |it| condition(it, "Progressing")["reason"] == "NewReplicaSetAvailable")
        .await;
    let told = |it: &Value| {
        let progressing = condition(it, "Progressing");
        let observed = if is_observed(it) { "" } else { ", not observed" };
        Some(format!("{}{observed}", progressing["reason"].as_str()?))
    };
    let change = stage.set_image("Deployment", "web", "web:2-notready");
    let failing = stage.follow("Deployment", "web", change, told, |it| {
        is_observed(it) && condition(it, "Progressing")["reason"] == "ProgressDeadlineExceeded"
    });
    let mut seen = failing.await.0;
    let change = stage.set_image("Deployment", "web", "web:1");
    let returning = stage.follow("Deployment", "web", change, told, |it| {
        it["metadata"]["generation"] == 3
            && is_observed(it)
            && condition(it, "Progressing")["reason"] == "NewReplicaSetAvailable"
    });
    seen.push("and back".into());
    seen.extend(returning.await.0);
    seen
}

claim!(
    an_exceeded_deadline_is_still_shown_when_the_next_change_is_not_yet_observed,
    deadline,
    [
        "NewReplicaSetAvailable",
        "NewReplicaSetAvailable, not observed",
        "NewReplicaSetCreated, not observed",
        "NewReplicaSetCreated",
        "ReplicaSetUpdated",
        "ProgressDeadlineExceeded",
        "and back",
        "ProgressDeadlineExceeded",
        "ProgressDeadlineExceeded, not observed",
        "ProgressDeadlineExceeded",
        "NewReplicaSetAvailable",
    ]
);
