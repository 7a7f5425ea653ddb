//! Just enough of the Kubernetes API for one quiet deployment with four loud pods.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use jiff::Timestamp;
use serde_json::{Value, json};

const N_PODS: u32 = 4;
const HASH: &str = "5d40c9f7b6";

/// Serves until this process is killed.
///
/// - Units: `rate` is lines a second of all pods together.
pub fn serve(rate: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        super::tell(listener.local_addr().expect("it is bound"));
        let app = Router::new().fallback(move |method, uri, query| answer(rate, method, uri, query));
        let served = axum::serve(listener, app).await;
        served.expect("nothing stops it but a signal");
    });
}

async fn answer(
    rate: u32,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let path = uri.path();
    let is_watch = query.get("watch").is_some_and(|watch| watch != "false");
    if path == "/livez" {
        return "ok".into_response();
    }
    if path.ends_with("/selfsubjectaccessreviews") {
        return object(json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {}, "status": {"allowed": true}}));
    }
    if path.ends_with("/selfsubjectreviews") {
        return object(json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
            "status": {"userInfo": {"username": "ana"}}}));
    }
    let Some((_, below)) = path.split_once("/namespaces/shop/") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let parts: Vec<&str> = below.split('/').collect();
    match parts.as_slice() {
        ["pods", pod, "log"] if rate > 0 => log((*pod).to_owned(), rate / N_PODS),
        // A log without a line, and a watch without an event: open, and silent.
        ["pods", _, "log"] => Body::from_stream(silence()).into_response(),
        // As a server does that cannot list by watching.
        [_] if query.contains_key("sendInitialEvents") => (
            StatusCode::UNPROCESSABLE_ENTITY,
            object(json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Invalid",
                "code": 422, "message": "sendInitialEvents is forbidden for watch"})),
        )
            .into_response(),
        [_] if is_watch => Body::from_stream(silence()).into_response(),
        ["deployments"] => list("Deployment", "apps/v1", vec![deployment()]),
        ["replicasets"] => list("ReplicaSet", "apps/v1", vec![replica_set()]),
        ["pods"] => list("Pod", "v1", (0..N_PODS).map(pod).collect()),
        [_] => list("Event", "v1", vec![]),
        ["deployments", _] if method == Method::GET || method == Method::PATCH => object(deployment()),
        ["replicasets", _] => object(replica_set()),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn silence() -> stream::Pending<Result<Bytes, std::io::Error>> {
    stream::pending()
}

/// Lines a second of a pod over which those of one tick share a chunk: else it would be this server's
/// own work that is measured.
const ONE_BY_ONE: u32 = 10_000;

/// Different lines, each flushed as a chunk of its own, as the API server does while following.
fn log(pod: String, rate: u32) -> Response {
    let began = Instant::now();
    let lines = stream::unfold((VecDeque::<String>::new(), 0_u64), move |(mut ready, mut n_made)| {
        let pod = pod.clone();
        async move {
            while ready.is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
                let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
                let now = Timestamp::now();
                while n_made < due {
                    n_made += 1;
                    let level = if n_made % 500 == 0 { "ERROR db pool exhausted" } else { "GET /cart 200" };
                    let line = format!(
                        "{now:.9} {level} {}ms request={n_made} customer={:08x} node=fake-1 pod={pod}\n",
                        n_made % 97,
                        n_made.wrapping_mul(0x9e37_79b9) as u32,
                    );
                    match ready.back_mut().filter(|_| rate > ONE_BY_ONE) {
                        Some(piece) => piece.push_str(&line),
                        None => ready.push_back(line),
                    }
                }
            }
            let piece = ready.pop_front().map(|piece| Ok::<Bytes, std::io::Error>(piece.into()))?;
            Some((piece, (ready, n_made)))
        }
    });
    Body::from_stream(lines).into_response()
}

fn object(value: Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn list(kind: &str, version: &str, items: Vec<Value>) -> Response {
    object(json!({"apiVersion": version, "kind": format!("{kind}List"),
        "metadata": {"resourceVersion": "100"}, "items": items}))
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "app"}},
        "spec": {"containers": [{"name": "app", "image": "myapp:v1.2.0"}]}})
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "shop", "uid": "d-1", "generation": 1, "resourceVersion": "10",
            "creationTimestamp": "2026-11-01T00:00:00Z", "annotations": {"deployment.kubernetes.io/revision": "7"}},
        "spec": {"replicas": N_PODS, "selector": {"matchLabels": {"app": "app"}}, "template": template(),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10},
        "status": {"observedGeneration": 1, "replicas": N_PODS, "updatedReplicas": N_PODS,
            "readyReplicas": N_PODS, "availableReplicas": N_PODS, "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]}})
}

fn replica_set() -> Value {
    let mut template = template();
    template["metadata"]["labels"]["pod-template-hash"] = HASH.into();
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": format!("app-{HASH}"), "namespace": "shop", "uid": "rs-1", "resourceVersion": "11",
            "creationTimestamp": "2026-11-01T00:00:00Z", "labels": {"app": "app", "pod-template-hash": HASH},
            "annotations": {"deployment.kubernetes.io/revision": "7"}, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app", "uid": "d-1", "controller": true}]},
        "spec": {"replicas": N_PODS, "selector": {"matchLabels": {"app": "app", "pod-template-hash": HASH}},
            "template": template},
        "status": {"replicas": N_PODS, "readyReplicas": N_PODS, "availableReplicas": N_PODS}})
}

fn pod(n: u32) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("app-{HASH}-{n:05}"), "namespace": "shop", "uid": format!("p-{n}"),
            "resourceVersion": format!("{}", 20 + n), "creationTimestamp": "2026-11-01T00:00:00Z",
            "labels": {"app": "app", "pod-template-hash": HASH}, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("app-{HASH}"), "uid": "rs-1",
                    "controller": true}]},
        "spec": {"nodeName": "fake-1", "containers": [{"name": "app", "image": "myapp:v1.2.0"}]},
        "status": {"phase": "Running", "startTime": "2026-11-01T00:00:00Z", "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-01T00:00:01Z"}],
            "containerStatuses": [{"name": "app", "image": "myapp:v1.2.0", "imageID": "myapp@sha256:00",
                "ready": true, "started": true, "restartCount": 0,
                "state": {"running": {"startedAt": "2026-11-01T00:00:01Z"}}}]}})
}
