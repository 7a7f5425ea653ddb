//! Orders to the real controller of Argo Rollouts: what each does, and which are refused.
//!
//! Runs only when `GONOGO_TEST_WORLD` is `argo` and `GONOGO_TEST_KUBECONFIG` names a kubeconfig of a
//! cluster that may be changed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::time::Duration;

use gonogo::adapters::kube::{ConnectOptions, KubeError, KubeWorld};
use gonogo::release::{Order, RolloutOrdered};
use gonogo::watch::rollout::{Expectation, RolloutHistory, RolloutState, RolloutVerdict, judge};
use gonogo::watch::{Moment, Observation, TargetRef, WorkloadFacts};
use gonogo::workflow::Kind;
use jiff::Timestamp;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const NAME: &str = "orders";
const PATIENCE: Duration = Duration::from_secs(300);

#[expect(clippy::disallowed_methods, reason = "the tests stand where adapters::clock stands")]
fn clock() -> Moment {
    Moment::real(Timestamp::now())
}

fn target() -> TargetRef {
    TargetRef { kind: Kind::Rollout, namespace: "default".into(), name: NAME.into(), container: None }
}

fn rollout() -> Value {
    let steps = json!([{"setWeight": 34}, {"pause": {}}, {"setWeight": 67}, {"pause": {}}]);
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": NAME},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": NAME}},
            "strategy": {"canary": {"steps": steps, "maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [{"name": "app", "image": "myapp:v1.2.0"}]}}}
    })
}

async fn api(options: &ConnectOptions) -> Api<DynamicObject> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = kube::config::Kubeconfig::read_from(options.kubeconfig.clone().unwrap()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
    let kind = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout");
    let resource = ApiResource::from_gvk_with_plural(&kind, "rollouts");
    let api: Api<DynamicObject> =
        Api::namespaced_with(kube::Client::try_from(config).unwrap(), "default", &resource);
    let _ = api.delete(NAME, &DeleteParams::background()).await;
    while api.get_opt(NAME).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    api
}

struct Watching {
    world: KubeWorld,
    facts: Receiver<Observation>,
    history: RolloutHistory,
    last: Option<WorkloadFacts>,
    n_orders: u32,
}

impl Watching {
    /// Judges until the verdict is `wanted` at canary step `step`, or at any.
    async fn until(&mut self, wanted: RolloutState, step: Option<u32>) -> RolloutVerdict {
        let expect = Expectation { settle_s: 2, ..Expectation::watching() };
        let mut seen = Vec::new();
        let reached = timeout(PATIENCE, async {
            loop {
                let next = timeout(Duration::from_millis(200), self.facts.recv()).await;
                if let Ok(Some(Observation::Workload(facts))) = next {
                    self.last = Some(*facts);
                }
                let Some(facts) = &self.last else { continue };
                let verdict = judge(facts, &expect, &mut self.history, clock().world);
                let at = facts.argo.as_ref().and_then(|argo| argo.step);
                if seen.last() != Some(&(verdict.state, verdict.field.clone())) {
                    seen.push((verdict.state, verdict.field.clone()));
                }
                if verdict.state == wanted && (step.is_none() || at == step) {
                    return verdict;
                }
            }
        });
        let reached = reached.await;
        reached.unwrap_or_else(|_| panic!("never {wanted:?} at step {step:?}, but {seen:?}"))
    }

    async fn order(&mut self, order: Order, step: Option<u32>) -> Result<Option<u64>, KubeError> {
        self.n_orders += 1;
        let uid = self.last.as_ref().unwrap().uid.clone();
        let ordered = RolloutOrdered { target: target(), order, attempt: self.n_orders, uid, step };
        self.world.order(&ordered).await
    }
}

#[tokio::test]
async fn a_real_rollout_takes_the_orders_that_make_sense_and_no_others() {
    if std::env::var("GONOGO_TEST_WORLD").as_deref() != Ok("argo") {
        eprintln!("skipped: GONOGO_TEST_WORLD is not argo");
        return;
    }
    let options = ConnectOptions {
        kubeconfig: Some(std::env::var_os("GONOGO_TEST_KUBECONFIG").unwrap()),
        ..ConnectOptions::default()
    };
    let hands = api(&options).await;
    hands.create(&PostParams::default(), &serde_json::from_value(rollout()).unwrap()).await.unwrap();
    let world = KubeWorld::connect(&options).await.unwrap();
    let (out, facts) = channel(64);
    let cancel = CancellationToken::new();
    world.spawn_watches(vec![target()], out, cancel.clone(), clock);
    let mut watching = Watching { world, facts, history: RolloutHistory::default(), last: None, n_orders: 0 };
    watching.until(RolloutState::Complete, None).await;
    let nothing = watching.order(Order::Abort, None).await.unwrap_err();
    assert!(matches!(nothing, KubeError::NotNow { .. }), "{nothing}");

    let image =
        json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "myapp:v1.3.0"}]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(image).unwrap());
    hands.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    watching.until(RolloutState::Paused, Some(1)).await;
    let elsewhere = watching.order(Order::Promote, Some(3)).await.unwrap_err();
    assert!(matches!(elsewhere, KubeError::Changed { .. }), "{elsewhere}");
    assert!(watching.order(Order::Promote, Some(1)).await.unwrap().is_some());
    watching.until(RolloutState::Paused, Some(3)).await;

    assert!(watching.order(Order::Abort, None).await.unwrap().is_some());
    let aborted = watching.until(RolloutState::Failed, None).await;
    assert_eq!((aborted.decider, aborted.reason()), ("status.abort", Some("RolloutAborted")));
    assert_eq!(watching.order(Order::Abort, None).await.unwrap(), None, "it was so already");
    // The controller goes back to the first step a moment after it took the order.
    watching.until(RolloutState::Failed, Some(0)).await;
    let promoted = watching.order(Order::Promote, Some(0)).await.unwrap_err();
    assert!(matches!(promoted, KubeError::NotNow { .. }), "{promoted}");

    assert!(watching.order(Order::Retry, None).await.unwrap().is_some());
    watching.until(RolloutState::Paused, Some(1)).await;
    assert!(watching.order(Order::PromoteFull, None).await.unwrap().is_some());
    watching.until(RolloutState::Complete, None).await;
    let done = watching.order(Order::Abort, None).await.unwrap_err();
    assert!(matches!(done, KubeError::NotNow { .. }), "{done}");
    cancel.cancel();
    let _ = hands.delete(NAME, &DeleteParams::background()).await;
}
