//! What is asked before traffic goes forward, and what keeps it from going.

use serde_json::{Value, json};

use super::steer::Wish;
use super::*;
use crate::adapters::kube::testing::{Reply, Server};

fn place() -> Place {
    Place { host: "https://api:6443".into(), context: "prod-eu".into() }
}

fn route(kind: RouteKind) -> RouteRef {
    RouteRef { kind, namespace: "shop".into(), name: "app".into() }
}

fn list(kind: &str, items: Vec<Value>) -> Reply {
    Reply::ok(
        json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {}, "items": items})
            .to_string(),
    )
}

fn pod(name: String) -> Value {
    json!({"metadata": {"name": name, "uid": name, "labels": {}}, "spec": {"containers": []},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
}

/// A mesh whose stable side has four ready pods, and a Service of two colours.
async fn mesh(subsets: &'static [&'static str], n_canary: usize, owner: Option<&'static str>) -> Server {
    let to = |subset: &str, weight: u32| json!({"destination": {"host": "app", "subset": subset}, "weight": weight});
    Server::start(move |_, path| {
        let meta = |name: &str| {
            let owners: Vec<Value> =
                owner.iter().map(|kind| json!({"kind": kind, "name": "app", "controller": true})).collect();
            json!({"name": name, "namespace": "shop", "uid": "u", "ownerReferences": owners})
        };
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("app"),
            "spec": {"selector": {"app": "x", "colour": "blue"}}});
        if path.contains("/pods?") {
            let n = if path.contains("canary") || path.contains("green") { n_canary } else { 4 };
            return list("Pod", (0..n).map(|n| pod(format!("p{n}"))).collect());
        }
        match path.split('?').next().unwrap_or_default() {
            path if path.ends_with("/virtualservices/app") => {
                let http = json!([{"route": [to("stable", 95), to("canary", 5)]}]);
                Reply::ok(
                    json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                    "metadata": meta("app"), "spec": {"http": http}})
                    .to_string(),
                )
            }
            path if path.ends_with("/destinationrules") => {
                let subsets = subsets.iter().map(|name| json!({"name": name, "labels": {"track": name}}));
                let spec = json!({"host": "app", "subsets": subsets.collect::<Vec<_>>()});
                list("DestinationRule", vec![json!({"metadata": {"name": "app"}, "spec": spec})])
            }
            path if path.ends_with("/services") => list("Service", vec![service]),
            _ => Reply::ok(service.to_string()),
        }
    })
    .await
}

async fn proven(
    server: &Server,
    kind: RouteKind,
    wish: Wish,
    least: Option<usize>,
) -> Result<String, String> {
    let (client, place) = (server.client(), place());
    let traffic = Traffic { client: &client, place: &place };
    let steering = traffic.prove(&route(kind), &wish, least).await.map_err(|error| error.to_string())?;
    Ok(format!("{} → {}", steering.from, steering.wanted.held))
}

fn weights(stable: u32, canary: u32) -> Wish {
    let weights = vec![("stable".to_owned(), stable), ("canary".to_owned(), canary)];
    Wish::Weights { weights, route: None }
}

const BOTH: &[&str] = &["stable", "canary"];

#[tokio::test]
async fn a_share_grows_only_over_pods_that_are_ready_for_it() {
    let weighed = async |n_canary, wish, least| {
        proven(&mesh(BOTH, n_canary, None).await, RouteKind::VirtualService, wish, least).await
    };
    assert_eq!(weighed(1, weights(75, 25), None).await.unwrap(), "stable 95 canary 5 → stable 75 canary 25");
    let short = weighed(1, weights(50, 50), None).await.unwrap_err();
    assert!(short.contains("canary has 1 of the 2 ready pods that 50 % take"), "{short}");
    assert!(weighed(1, weights(50, 50), Some(1)).await.is_ok(), "a person says that one is enough");
    assert!(weighed(0, weights(95, 5), None).await.is_ok(), "what does not grow needs nothing new");
    assert_eq!(weighed(0, weights(100, 0), None).await.unwrap(), "stable 95 canary 5 → stable 100");
    let sum = weighed(4, weights(50, 40), None).await.unwrap_err();
    assert!(sum.contains("the weights sum to 90"), "{sum}");
}

#[tokio::test]
async fn a_subset_is_named_before_it_is_weighed() {
    let server = mesh(&["stable"], 4, None).await;
    let unnamed = proven(&server, RouteKind::VirtualService, weights(50, 50), None).await.unwrap_err();
    assert!(unnamed.contains("names the subset `canary`; there are stable: apply that first"), "{unnamed}");
}

#[tokio::test]
async fn a_selector_moves_to_as_many_ready_pods_as_it_leaves() {
    let green = |key: &str| Wish::Selector([(key.to_owned(), "green".to_owned())].into());
    let switched = async |n_green, wish, least| {
        proven(&mesh(BOTH, n_green, None).await, RouteKind::Service, wish, least).await
    };
    assert_eq!(switched(4, green("colour"), None).await.unwrap(), "app=x,colour=blue → app=x,colour=green");
    let short = switched(3, green("colour"), None).await.unwrap_err();
    assert!(
        short.contains("of the 4 ready pods that its traffic takes 3 carry app=x,colour=green"),
        "{short}"
    );
    assert!(switched(3, green("colour"), Some(3)).await.is_ok());
    assert!(switched(0, green("colour"), Some(0)).await.is_err(), "never to nobody");
    let unknown = switched(4, green("color"), None).await.unwrap_err();
    assert!(unknown.contains("its selector has no `color`; it has app, colour"), "{unknown}");
}

#[tokio::test]
async fn what_a_controller_moves_is_left_to_it() {
    let server = mesh(BOTH, 4, Some("Canary")).await;
    let refused = proven(&server, RouteKind::VirtualService, weights(50, 50), None).await.unwrap_err();
    assert!(refused.contains("Canary/app moves it, and would move it back"), "{refused}");
}
