//! What stands around a workload: how many pods it has, what they are given, and who sends them traffic.

use futures::stream::{self, StreamExt as _};
use gonogo::adapters::kube::{Cause, KubeError, Tested};
use gonogo::release::{Finding, Outcome, RoutePin};
use gonogo::watch::TargetRef;
use gonogo::watch::rollout::RolloutState as State;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::everywhere;
use crate::manifests::{NAME, but, deployment};
use crate::operator::{Operator, PATIENCE};
use crate::traps::somebody;
use crate::world::Which::{Argo, Practice, Simulated};

async fn change(operator: &Operator, kind: &str, change: Value) {
    let patch = Patch::Merge(change);
    operator.hands.api(kind).patch(NAME, &PatchParams::default(), &patch).await.unwrap();
}

async fn object(operator: &Operator, kind: &str) -> Value {
    serde_json::to_value(operator.hands.api(kind).get(NAME).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_were_taken_away_come_back_with_the_template_and_more_are_kept() {
    everywhere(&[Practice, Simulated], async |world| {
        for (play, replicas, after) in [("fewer", 0, 3), ("more", 5, 5)] {
            let mut operator = Operator::at(&world, play, &deployment()).await;
            operator.release("v1.3.0", State::Complete).await;
            operator.merge(json!({"spec": {"replicas": replicas}})).await;
            operator.until(State::Complete).await;
            operator.fire().await.unwrap();
            operator.until_safe(world.which, play).await;
            let status = operator.object().await["status"].clone();
            assert_eq!((&status["replicas"], &status["availableReplicas"]), (&json!(after), &json!(after)));
            operator.end().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_that_changed_is_named_and_what_may_not_be_made_is_known_before() {
    everywhere(&[Practice, Simulated], async |world| {
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME},
            "data": {"a": "1"}});
        let source = json!([{"configMapRef": {"name": NAME}}]);
        let mut with_config = deployment();
        with_config["spec"]["template"]["spec"]["containers"][0]["envFrom"] = source;
        let namespace = format!("way-back-config-{}", std::process::id());
        let hands = crate::hands::Hands::new(world.client.clone(), namespace, &with_config);
        hands.make_namespace(world.which != Practice).await.unwrap();
        hands.create(&config).await.unwrap();
        hands.create(&with_config).await.unwrap();
        let operator = Operator::of(&world, hands).await;
        let left = async |operator: &Operator| operator.kube.left_alone(&[operator.pin()]).await.unwrap();
        assert_eq!(left(&operator).await, []);
        change(&operator, "ConfigMap", json!({"data": {"a": "2"}})).await;
        let told: Vec<String> = left(&operator).await.iter().filter_map(Finding::stays).collect();
        assert_eq!(told, ["configmap/app changed since it was pinned, and stays so"]);

        let room = async |operator: &Operator| {
            let tested = operator.kube.arm(&operator.pin(), &operator.template).await.unwrap();
            let room = tested.findings.into_iter().find(|finding| finding.what == "room for a pod");
            room.expect("a rolling update needs some").outcome
        };
        assert_eq!(room(&operator).await, Outcome::Fine);
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": NAME},
            "spec": {"hard": {"pods": "3"}}});
        operator.hands.create(&quota).await.unwrap();
        let refused = async {
            loop {
                match room(&operator).await {
                    Outcome::Limited(why) => return why,
                    // The quota counts what there is before it refuses anything.
                    _ => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                }
            }
        };
        let why = tokio::time::timeout(PATIENCE, refused).await.expect("a full quota refuses");
        assert!(why.contains("exceeded quota: app"), "{why}");
        operator.end().await;
    })
    .await;
}

async fn routes(operator: &Operator) -> Vec<RoutePin> {
    let pins = [(operator.pin().target, operator.template.clone())];
    let routes = operator.kube.pin_routes(&pins).await;
    assert_eq!(routes.unknown, Vec::<String>::new());
    routes.pins
}

/// Somebody pointed the Service at pods that are not there: what sends traffic is not sent to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_selector_goes_back_once_a_ready_pod_answers_it() {
    everywhere(&[Practice, Simulated], async |world| {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": 8080}]}});
        let mut operator = Operator::at(&world, "selector", &deployment()).await;
        operator.hands.create(&service).await.unwrap();
        let pins = routes(&operator).await;
        assert_eq!(pins.len(), 1, "{pins:#?}");
        assert_eq!(pins[0].to, [operator.pin().target]);
        assert_eq!(operator.kube.put_back(&pins[0]).await.unwrap(), None, "it is so already");
        operator.kube.read_back(&pins).await.unwrap();

        change(&operator, "Service", json!({"spec": {"selector": {"app": "nobody"}}})).await;
        let moved = operator.kube.read_back(&pins).await.unwrap_err();
        assert!(matches!(moved, KubeError::Changed { .. }), "{moved}");
        assert!(moved.to_string().ends_with("service/app is app=nobody, app=app was pinned"), "{moved}");
        let tested = operator.kube.arm_route(&pins[0]).await.unwrap();
        assert_eq!(tested.outcome, Outcome::Fine);
        assert_eq!(tested.diff, ["- service/app: app=nobody", "+ service/app: app=app"]);

        operator.merge(json!({"spec": {"replicas": 0}})).await;
        operator
            .see("no pods", |operator| operator.last.as_ref().is_some_and(|facts| facts.pods.is_empty()))
            .await;
        let error = operator.kube.put_back(&pins[0]).await.unwrap_err();
        assert!(matches!(error, KubeError::NotYet { .. }), "{error}");
        assert_eq!(object(&operator, "Service").await["spec"]["selector"], json!({"app": "nobody"}));
        operator.merge(json!({"spec": {"replicas": 3}})).await;
        operator.until(State::Complete).await;
        assert!(operator.kube.put_back(&pins[0]).await.unwrap().is_some());
        assert_eq!(object(&operator, "Service").await["spec"]["selector"], json!({"app": NAME}));
        operator.kube.read_back(&pins).await.unwrap();

        operator.hands.api("Service").delete(NAME, &DeleteParams::default()).await.unwrap();
        let gone = operator.kube.arm_route(&pins[0]).await.unwrap().outcome;
        assert!(matches!(&gone, Outcome::Limited(why) if why.starts_with("it was deleted")), "{gone:?}");
        operator.hands.create(&service).await.unwrap();
        let anew = operator.kube.put_back(&pins[0]).await.unwrap_err();
        assert!(anew.to_string().contains("made anew since it was pinned"), "{anew}");
        operator.end().await;
    })
    .await;
}

/// Most people who may release may not touch a Service: that limits only a release that moved one.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_may_not_be_written_is_a_limit_only_once_it_was_moved() {
    // In the practice world everything is allowed.
    everywhere(&[Simulated], async |world| {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": 8080}]}});
        let operator = Operator::at(&world, "unwritable", &deployment()).await;
        operator.hands.create(&service).await.unwrap();
        let pins = routes(&operator).await;
        let (kube, _folder) = somebody(&operator, &world.options).await;
        // Of a mesh nothing may be read: it is named, and no error.
        let target = [(operator.pin().target, operator.template.clone())];
        let found = kube.pin_routes(&target).await;
        assert_eq!(found.pins, pins);
        let [unknown] = found.unknown.as_slice() else { panic!("{found:#?}") };
        assert!(
            unknown
                .starts_with("what virtualservices, destinationrules, horizontalpodautoscalers steer is not")
        );
        let stays = kube.arm_route(&pins[0]).await.unwrap().outcome;
        assert!(matches!(&stays, Outcome::Stays(why) if why.contains("cannot patch")), "{stays:?}");
        assert_eq!(kube.put_back(&pins[0]).await.unwrap(), None, "nothing has to be written");
        change(&operator, "Service", json!({"spec": {"selector": {"app": NAME, "colour": "green"}}})).await;
        let limited = kube.arm_route(&pins[0]).await.unwrap().outcome;
        assert!(matches!(&limited, Outcome::Limited(why) if why.contains("cannot patch")), "{limited:?}");
        let error = kube.put_back(&pins[0]).await.unwrap_err();
        assert_eq!(error.cause(), Some(Cause::Forbidden), "{error}");
        operator.end().await;
    })
    .await;
}

/// The mesh's own definitions take what we send.
#[tokio::test(flavor = "multi_thread")]
async fn weights_and_subsets_go_back_and_nothing_beside_them() {
    everywhere(&[Practice, Argo], async |world| {
        let istio = "networking.istio.io/v1";
        let to = |subset: &str, weight: u32| {
            json!({"destination": {"host": NAME, "subset": subset}, "weight": weight})
        };
        let subset = |name: &str, track: &str| json!({"name": name, "labels": {"track": track}});
        let labels = json!({"spec": {"template": {"metadata": {"labels": {"track": "stable"}}}}});
        let operator = Operator::at(&world, "mesh", &but(deployment(), labels)).await;
        let objects = [
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME},
                "spec": {"selector": {"app": NAME}, "ports": [{"port": 8080}]}}),
            json!({"apiVersion": istio, "kind": "DestinationRule", "metadata": {"name": NAME},
                "spec": {"host": NAME, "subsets": [subset("stable", "stable")]}}),
            json!({"apiVersion": istio, "kind": "VirtualService", "metadata": {"name": NAME},
                "spec": {"hosts": [NAME], "http": [{"timeout": "3s", "route": [
                    {"destination": {"host": NAME, "subset": "stable"}}]}]}}),
        ];
        for object in &objects {
            operator.hands.create(object).await.unwrap();
        }
        let pins = routes(&operator).await;
        let told: Vec<String> = pins.iter().map(|pin| format!("{} {}", pin.route, pin.held)).collect();
        assert_eq!(
            told,
            ["destinationrule/app stable is track=stable", "virtualservice/app stable 100", "service/app app=app"]
        );
        let subsets = json!([subset("stable", "other"), subset("canary", "canary")]);
        change(&operator, "DestinationRule", json!({"spec": {"subsets": subsets}})).await;
        let http = json!([{"timeout": "3s", "route": [to("stable", 75), to("canary", 25)]}]);
        change(&operator, "VirtualService", json!({"spec": {"http": http}})).await;
        for pin in &pins {
            assert_eq!(operator.kube.arm_route(pin).await.unwrap().outcome, Outcome::Fine, "{}", pin.route);
            operator.kube.put_back(pin).await.unwrap();
        }
        operator.kube.read_back(&pins).await.unwrap();
        let mesh = object(&operator, "VirtualService").await;
        let http = json!([{"timeout": "3s", "route": [to("stable", 100), to("canary", 0)]}]);
        // The server may leave out a weight of nothing.
        let weight = &mesh["spec"]["http"][0]["route"][1]["weight"];
        assert!(weight.is_null() || *weight == 0, "{mesh:#}");
        assert_eq!(mesh["spec"]["http"][0]["route"][0], http[0]["route"][0]);
        assert_eq!(mesh["spec"]["http"][0]["timeout"], "3s");
        let rule = object(&operator, "DestinationRule").await;
        assert_eq!(rule["spec"]["subsets"], json!([subset("stable", "stable"), subset("canary", "canary")]));
        operator.end().await;
    })
    .await;
}

/// Printed, not judged: how long it takes to test the ways back of many workloads at once.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_ways_back_are_tested_together() {
    everywhere(&[Practice, Simulated], async |world| {
        let operator = Operator::at(&world, "twenty", &deployment()).await;
        let mut ways = Vec::new();
        for number in 1..=20 {
            let name = format!("app-{number}");
            let labels = json!({"app": name});
            let own = json!({"metadata": {"name": name}, "spec": {"replicas": 1,
                "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}});
            operator.hands.create(&but(deployment(), own)).await.unwrap();
            let target = TargetRef { name, ..operator.pin().target };
            ways.push(operator.kube.pin(&target, world.clock.now().world).await.unwrap());
        }
        let (mut took, mut unheard) = (Vec::new(), ways.iter().collect::<Vec<_>>());
        for _ in 0..5 {
            let began = world.clock.now().wall;
            let tested = ways.iter().map(|(pin, template)| operator.kube.arm(pin, template));
            let tested: Vec<_> = stream::iter(tested).buffered(8).collect().await;
            took.push(world.clock.now().wall.duration_since(began).as_millis());
            for (way, tested) in ways.iter().zip(tested) {
                if is_sound(tested) {
                    unheard.retain(|unheard| !std::ptr::eq(*unheard, way));
                }
            }
        }
        // A slow machine takes longer over eight at once than a client waits for one.
        for (pin, template) in unheard {
            let heard = async { while !is_sound(operator.kube.arm(pin, template).await) {} };
            tokio::time::timeout(PATIENCE, heard).await.expect("each way back is tested");
        }
        took.sort_unstable();
        eprintln!("20 ways back tested in {}: {} ms, {}–{}", world.which.name(), took[2], took[0], took[4]);
        operator.end().await;
    })
    .await;
}

/// Whether the test was answered in time; what is answered says that nothing is broken.
fn is_sound(tested: Result<Tested, KubeError>) -> bool {
    if matches!(&tested, Err(KubeError::Call { cause: Cause::TimedOut, .. })) {
        return false;
    }
    let findings = tested.unwrap().findings;
    let is_broken = |finding: &&Finding| matches!(finding.outcome, Outcome::Broken(_));
    assert_eq!(findings.iter().find(is_broken), None);
    true
}
