//! Argo Rollouts under their real controller: back from the middle of a canary, and after promotion.

use gonogo::release::{ArmingState, Measure};
use gonogo::watch::rollout::RolloutState as State;
use serde_json::{Value, json};

use crate::everywhere;
use crate::hands::Hands;
use crate::manifests::{NAME, OLD, but, deployment, image, rollout};
use crate::operator::Operator;
use crate::world::Which::Argo;

/// A canary that only a person lets go on.
fn canary() -> Value {
    let steps = json!([{"setWeight": 34}, {"pause": {}}, {"setWeight": 67}, {"pause": {}}]);
    but(rollout(), json!({"spec": {"strategy": {"canary": {"steps": steps}}}}))
}

/// What a person sees with kubectl when all is as it was.
async fn assert_healthy(operator: &Operator) {
    let status = operator.object().await["status"].clone();
    assert_eq!(status["phase"], "Healthy", "{status:#}");
    assert_eq!(status["stableRS"], status["currentPodHash"], "{status:#}");
    assert_eq!(status["stableRS"], operator.pin().template_hash.as_str(), "{status:#}");
    assert!(status["abort"].is_null() || status["abort"] == false, "{status:#}");
}

/// Everything goes to the new version, and that is stable then.
async fn promote_in_full(operator: &mut Operator) {
    operator.hands.patch_status(&json!({"status": {"promoteFull": true}})).await.unwrap();
    operator.until(State::Complete).await;
    let status = operator.object().await["status"].clone();
    assert_eq!(status["stableRS"], status["currentPodHash"]);
    assert_ne!(status["stableRS"], operator.pin().template_hash.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_in_its_pause_goes_back_by_an_abort_and_its_template() {
    everywhere(&[Argo], async |world| {
        let mut operator = Operator::at(&world, "canary", &canary()).await;
        operator.release("v1.3.0", State::Paused).await;
        assert_eq!(operator.arm().await.state, ArmingState::Armed);
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "canary in its pause").await;
        assert_eq!(operator.sent, [Measure::Abort, Measure::Template], "no step is left to leave out");
        assert_healthy(&operator).await;
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_was_promoted_goes_back_without_walking_its_steps() {
    everywhere(&[Argo], async |world| {
        let mut operator = Operator::at(&world, "promoted", &canary()).await;
        operator.release("v1.3.0", State::Paused).await;
        promote_in_full(&mut operator).await;
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "canary after promotion").await;
        assert_eq!(operator.sent, [Measure::Template, Measure::Promote], "nothing was under way to abort");
        assert_healthy(&operator).await;
        operator.end().await;
    })
    .await;
}

/// The abort of another hand left the bad version in the spec.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_was_aborted_by_hand_goes_back_by_its_template() {
    everywhere(&[Argo], async |world| {
        let mut operator = Operator::at(&world, "aborted", &canary()).await;
        operator.release("v1.3.0", State::Paused).await;
        operator.hands.patch_status(&json!({"status": {"abort": true}})).await.unwrap();
        operator.until(State::Failed).await;
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "aborted by hand").await;
        assert_eq!(operator.sent, [Measure::Template]);
        assert_healthy(&operator).await;
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blue_green_rollout_goes_back_before_and_after_its_switch() {
    everywhere(&[Argo], async |world| {
        let strategy = json!({"canary": null,
            "blueGreen": {"activeService": NAME, "autoPromotionEnabled": false}});
        let blue_green = but(rollout(), json!({"spec": {"strategy": strategy}}));
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": 8080}]}});
        for after_the_switch in [false, true] {
            let play = if after_the_switch { "switched" } else { "blue-green" };
            let namespace = format!("way-back-{play}-{}", std::process::id());
            let hands = Hands::new(world.client.clone(), namespace, &blue_green);
            hands.make_namespace(true).await.unwrap();
            hands.create(&service).await.unwrap();
            hands.create(&blue_green).await.unwrap();
            let mut operator = Operator::of(&world, hands).await;
            operator.release("v1.3.0", State::Paused).await;
            if after_the_switch {
                promote_in_full(&mut operator).await;
            }
            operator.fire().await.unwrap();
            operator.see("safe", |operator| operator.release.is_finished()).await;
            // While the old pods are still up, its controller switches back without being told to.
            match after_the_switch {
                true => assert!(
                    matches!(
                        operator.sent.as_slice(),
                        [Measure::Template] | [Measure::Template, Measure::Promote]
                    ),
                    "{:?}",
                    operator.sent
                ),
                false => assert_eq!(operator.sent, [Measure::Abort, Measure::Template]),
            }
            assert_healthy(&operator).await;
            let service = operator.hands.api("Service").get(NAME).await.unwrap();
            let selected = &service.data["spec"]["selector"]["rollouts-pod-template-hash"];
            assert_eq!(*selected, operator.pin().template_hash.as_str(), "traffic is on the pinned version");
            operator.end().await;
        }
    })
    .await;
}

/// The share of the stable and of the canary service, as the mesh is told.
async fn weights(operator: &Operator) -> [Option<u64>; 2] {
    let mesh = operator.hands.api("VirtualService").get(NAME).await.unwrap();
    [0, 1].map(|at| mesh.data["spec"]["http"][0]["route"][at]["weight"].as_u64())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_weighted_traffic_it_is_safe_only_once_the_weights_are_back() {
    everywhere(&[Argo], async |world| {
        let service = |name: &str| {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"selector": {"app": NAME}, "ports": [{"port": 8080}]}})
        };
        let route = |host: &str, weight: u32| json!({"destination": {"host": host}, "weight": weight});
        let mesh = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": NAME}, "spec": {"hosts": [NAME],
                "http": [{"name": "primary", "route": [route("stable", 100), route("canary", 0)]}]}});
        let routing = json!({"istio": {"virtualService": {"name": NAME, "routes": ["primary"]}}});
        let canary_of =
            json!({"stableService": "stable", "canaryService": "canary", "trafficRouting": routing});
        let weighted = but(canary(), json!({"spec": {"strategy": {"canary": canary_of}}}));
        for after_promotion in [false, true] {
            let play = if after_promotion { "weighted-promoted" } else { "weighted" };
            let namespace = format!("way-back-{play}-{}", std::process::id());
            let hands = Hands::new(world.client.clone(), namespace, &weighted);
            hands.make_namespace(true).await.unwrap();
            for object in [&service("stable"), &service("canary"), &mesh, &weighted] {
                hands.create(object).await.unwrap();
            }
            let mut operator = Operator::of(&world, hands).await;
            operator.release("v1.3.0", State::Paused).await;
            assert_eq!(weights(&operator).await, [Some(66), Some(34)]);
            if after_promotion {
                promote_in_full(&mut operator).await;
            }
            operator.fire().await.unwrap();
            operator.see("safe", |operator| operator.release.is_finished()).await;
            assert_eq!(weights(&operator).await, [Some(100), Some(0)], "{play}");
            assert_healthy(&operator).await;
            operator.end().await;
        }
    })
    .await;
}

/// The template is written in a Deployment that runs no pods of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_with_a_borrowed_template_goes_back_where_it_is_written() {
    everywhere(&[Argo], async |world| {
        let lender = but(deployment(), json!({"metadata": {"name": "lender"}, "spec": {"replicas": 0}}));
        let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "lender"});
        let borrower = but(
            canary(),
            json!({"spec": {"template": null, "selector": {"matchLabels": {"app": NAME}},
                "workloadRef": reference}}),
        );
        let namespace = format!("way-back-borrowed-{}", std::process::id());
        let hands = Hands::new(world.client.clone(), namespace, &borrower);
        hands.make_namespace(true).await.unwrap();
        hands.create(&lender).await.unwrap();
        hands.create(&borrower).await.unwrap();
        let mut operator = Operator::of(&world, hands).await;
        let set_image = |tag: &str| {
            json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image(tag)}])
        };
        let patch: kube::api::Patch<()> =
            kube::api::Patch::Json(serde_json::from_value(set_image("v1.3.0")).unwrap());
        let lenders = operator.hands.api("Deployment");
        lenders.patch("lender", &kube::api::PatchParams::default(), &patch).await.unwrap();
        operator.until(State::Paused).await;
        assert_eq!(operator.arm().await.state, ArmingState::Armed);
        operator.fire().await.unwrap();
        operator.see("safe", |operator| operator.release.is_finished()).await;
        assert_eq!(operator.sent, [Measure::Abort, Measure::Template]);
        assert_healthy(&operator).await;
        let back = lenders.get("lender").await.unwrap().data["spec"]["template"]["spec"]["containers"][0]["image"].clone();
        assert_eq!(back, image(OLD).as_str());
        operator.end().await;
    })
    .await;
}
