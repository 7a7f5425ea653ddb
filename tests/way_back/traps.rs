//! Where `kubectl rollout undo` goes wrong, one test each, and what may come between.

use gonogo::adapters::kube::{ConnectOptions, Fired, KubeWorld};
use gonogo::release::{ArmingState, Phase, PlanState, Replicas};
use gonogo::watch::rollout::RolloutState as State;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::everywhere;
use crate::manifests::{OLD, deployment, image};
use crate::operator::{Operator, PATIENCE, restarted};
use crate::world::Which::{Practice, Simulated};

#[tokio::test(flavor = "multi_thread")]
async fn undone_twice_it_stays_on_the_good_version() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "twice", &deployment()).await;
        operator.release("v1.3.0-crash", State::Failed).await;
        let shown = operator.last.as_ref().unwrap().template_print.clone();
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "undo twice").await;
        for shown in [Some(shown.as_str()), None] {
            let again = operator
                .kube
                .fire(&operator.pin(), &operator.template, shown, Replicas::AtLeast(3))
                .await
                .unwrap();
            assert_eq!(again, Fired::AlreadyThere);
        }
        operator.assert_is_back().await;
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_two_bad_versions_it_goes_back_to_the_good_one_and_not_to_the_first_bad_one() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "bad-then-bad", &deployment()).await;
        operator.release("v1.3.0", State::Complete).await;
        operator.release("v1.3.1-crash", State::Failed).await;
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "bad then bad").await;
        operator.end().await;
    })
    .await;
}

/// A restart is a revision too: the one before it has the same bad image.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_bad_version_it_goes_back_to_the_good_one() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "restarted", &deployment()).await;
        operator.release("v1.3.0", State::Complete).await;
        let before = operator.last.as_ref().unwrap().template_print.clone();
        operator.merge(restarted()).await;
        operator
            .see("restarted", |operator| {
                operator.last.as_ref().unwrap().template_print != before
                    && operator.verdict.as_ref().unwrap().state == State::Complete
            })
            .await;
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "after a restart").await;
        let object = operator.object().await;
        let annotations = &object["spec"]["template"]["metadata"]["annotations"];
        assert!(annotations["kubectl.kubernetes.io/restartedAt"].is_null(), "{annotations}");
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_and_replicas_that_came_since_are_kept() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "annotated", &deployment()).await;
        operator.release("v1.3.0-crash", State::Failed).await;
        operator
            .merge(json!({"metadata": {"annotations": {"team": "payments"}}, "spec": {"replicas": 4}}))
            .await;
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "annotations").await;
        let object = operator.object().await;
        assert_eq!(object["metadata"]["annotations"]["team"], "payments");
        assert_eq!(object["spec"]["replicas"], 4);
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_numbers_that_cannot_be_read_are_not_needed() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "numbers", &deployment()).await;
        operator.release("v1.3.0-crash", State::Failed).await;
        let number = "deployment.kubernetes.io/revision";
        let (kept, new) = (operator.pin().kept_in, operator.last.as_ref().unwrap().target_revision.clone());
        for (name, value) in [(kept, json!("many")), (new.unwrap(), json!(null))] {
            let patch = json!({"metadata": {"annotations": {number: value}}});
            operator.hands.patch_other("ReplicaSet", &name, &patch).await.unwrap();
        }
        assert_eq!(operator.arm().await.state, ArmingState::Armed);
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "unreadable numbers").await;
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equal_template_is_nothing_to_undo_and_a_success() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "equal", &deployment()).await;
        let before = operator.object().await["metadata"]["generation"].clone();
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "equal template").await;
        assert_eq!(operator.sent, []);
        let plan = &operator.release.state().rollback.as_ref().unwrap().plan;
        assert!(matches!(plan[0].state, PlanState::Done { took_ms: None, .. }), "{plan:?}");
        assert_eq!(operator.object().await["metadata"]["generation"], before);
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_replica_set_the_way_back_is_degraded_and_works() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "no-set", &deployment()).await;
        operator.merge(json!({"spec": {"revisionHistoryLimit": 0}})).await;
        operator.release("v1.3.0", State::Complete).await;
        let kept = operator.pin().kept_in;
        let gone = async {
            while operator.hands.api("ReplicaSet").get_opt(&kept).await.unwrap().is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.unwrap();
        let arming = operator.arm().await;
        assert_eq!(arming.state, ArmingState::Degraded);
        assert!(arming.why[0].contains(&format!("{kept} is gone")), "{:?}", arming.why);
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "no replicaset").await;
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_deployment_is_resumed_on_the_way_back() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "paused", &deployment()).await;
        operator.release("v1.3.0-crash", State::Failed).await;
        operator.merge(json!({"spec": {"paused": true}})).await;
        operator.until(State::Paused).await;
        let arming = operator.arm().await;
        assert_eq!(arming.state, ArmingState::Degraded);
        assert!(arming.why[0].contains("the way back resumes it"), "{:?}", arming.why);
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "paused").await;
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_deploy_in_between_is_not_undone() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "hotfix", &deployment()).await;
        operator.release("v1.3.0-crash", State::Failed).await;
        // The panel still shows the version before.
        operator.hands.set_image("v1.3.1", None).await.unwrap();
        operator.fire().await.unwrap();
        assert_eq!(operator.phase(), Phase::RollbackFailed);
        let failure = operator.release.state().rollback.as_ref().unwrap().failure.clone().unwrap();
        assert!(failure.contains("somebody deployed myapp:v1.3.1 meanwhile"), "{failure}");
        assert_eq!(operator.image().await, image("v1.3.1"));
        // Looked at again, it is the operator's to decide.
        operator.until(State::Complete).await;
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "after somebody else's deploy").await;
        operator.end().await;
    })
    .await;
}

/// Somebody who may do what a rollback needs, and nothing else.
pub async fn somebody(operator: &Operator, options: &ConnectOptions) -> (KubeWorld, tempfile::TempDir) {
    let client = operator.hands.api("Pod").into_client();
    let namespace = operator.hands.namespace.as_str();
    let role = json!({"metadata": {"name": "releaser"}, "rules": [
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"],
            "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]});
    let roles: Api<Role> = Api::namespaced(client.clone(), namespace);
    roles.create(&PostParams::default(), &serde_json::from_value(role).unwrap()).await.unwrap();
    let binding = json!({"metadata": {"name": "releaser"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "releaser"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "releaser"}]});
    let bindings: Api<RoleBinding> = Api::namespaced(client, namespace);
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    let mut config = kube::config::Kubeconfig::read_from(options.kubeconfig.clone().unwrap()).unwrap();
    for named in &mut config.auth_infos {
        named.auth_info.get_or_insert_default().impersonate = Some("releaser".to_owned());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, serde_json::to_string(&config).unwrap()).unwrap();
    let options = ConnectOptions { kubeconfig: Some(file.into()), ..ConnectOptions::default() };
    (KubeWorld::connect(&options).await.unwrap(), folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_withdrawn_in_the_middle_are_told_and_the_rest_goes_on_with_them() {
    // In the practice world everything is allowed.
    everywhere(&[Simulated], async |world| {
        let mut operator = Operator::at(&world, "withdrawn", &deployment()).await;
        let (kube, _folder) = somebody(&operator, &world.options).await;
        let admin = std::mem::replace(&mut operator.kube, kube);
        operator.release("v1.3.0-crash", State::Failed).await;
        operator.see_armed(ArmingState::Armed).await;
        let roles: Api<Role> =
            Api::namespaced(operator.hands.api("Pod").into_client(), &operator.hands.namespace);
        let rights = |verbs: serde_json::Value| {
            Patch::Merge(
                json!({"rules": [{"apiGroups": ["apps"], "resources": ["deployments", "replicasets"],
                "verbs": verbs}]}),
            )
        };
        roles.patch("releaser", &PatchParams::default(), &rights(json!(["get"]))).await.unwrap();
        // The authorizer learns of it a moment later; what was tested before is what is fired on.
        let probe = operator.kube.clone();
        let (pin, template) = (operator.pin(), operator.template.clone());
        let withdrawn = async {
            loop {
                let findings = probe.arm(&pin, &template).await.unwrap().findings;
                let broken = |finding: &gonogo::release::Finding| {
                    matches!(finding.outcome, gonogo::release::Outcome::Broken(_))
                };
                if findings.iter().any(broken) {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, withdrawn).await.unwrap();
        operator.fire().await.unwrap();
        assert_eq!(operator.phase(), Phase::RollbackFailed);
        let failure = operator.release.state().rollback.as_ref().unwrap().failure.clone().unwrap();
        assert!(failure.contains("forbidden"), "{failure}");
        assert_eq!(operator.image().await, image("v1.3.0-crash"));
        operator.kube = admin;
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "rights given back").await;
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_admission_rejects_is_known_before_and_is_not_fired() {
    // The practice world has no admission of its own.
    everywhere(&[Simulated], async |world| {
        let mut operator = Operator::at(&world, "frozen", &deployment()).await;
        operator.release("v1.3.0-crash", State::Failed).await;
        let name = operator.hands.namespace.clone();
        let client = operator.hands.api("Pod").into_client();
        let policies = |kind: &str| -> Api<DynamicObject> {
            let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
            let plural = if kind.ends_with('y') { "validatingadmissionpolicies" } else { "validatingadmissionpolicybindings" };
            Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&gvk, plural))
        };
        let make = async |kind: &str, spec: serde_json::Value| {
            let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": {"name": name}, "spec": spec});
            policies(kind).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        };
        let rule = json!({"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
            "resources": ["deployments"]});
        let space = json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
        make("ValidatingAdmissionPolicy", json!({"failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": space},
            "validations": [{"expression": format!("object.spec.template.spec.containers[0].image != '{}'", image(OLD)),
                "message": "this image is frozen"}]}))
        .await;
        make("ValidatingAdmissionPolicyBinding", json!({"policyName": name, "validationActions": ["Deny"]})).await;
        let arming = operator.see_armed(ArmingState::Disarmed).await;
        assert!(arming.why.iter().any(|why| why.contains("this image is frozen")), "{:?}", arming.why);
        let refused = operator.fire().await.unwrap_err();
        assert!(refused.why.contains("this image is frozen"), "{refused}");
        assert_eq!(operator.sent, []);
        for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
            policies(kind).delete(&name, &DeleteParams::default()).await.unwrap();
        }
        operator.see_armed(ArmingState::Armed).await;
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "admission").await;
        operator.end().await;
    })
    .await;
}
