//! The script's hands in a world: the Kubernetes API, as kubectl would use it, and nothing else.

use gonogo::workflow::Kind;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Pod};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, EvictParams, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::manifests::{NAME, NODE_LABEL, image};

pub struct Hands {
    client: Client,
    pub namespace: String,
    pub kind: Kind,
}

impl Hands {
    pub fn new(client: Client, namespace: String, workload: &Value) -> Self {
        let kind = match workload["kind"].as_str() {
            Some("StatefulSet") => Kind::StatefulSet,
            Some("DaemonSet") => Kind::DaemonSet,
            Some("Rollout") => Kind::Rollout,
            _ => Kind::Deployment,
        };
        Self { client, namespace, kind }
    }

    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }

    fn everywhere(&self, kind: &str) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(kind))
    }

    fn workload(&self) -> Api<DynamicObject> {
        self.api(match self.kind {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
            Kind::Rollout => "Rollout",
        })
    }

    /// - `with_account`: whether a controller makes the service account without which there are no pods.
    pub async fn make_namespace(&self, with_account: bool) -> kube::Result<()> {
        let namespace =
            object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}));
        self.everywhere("Namespace").create(&PostParams::default(), &namespace).await?;
        if !with_account {
            return Ok(());
        }
        let account = kube::runtime::wait::await_condition(
            self.api("ServiceAccount"),
            "default",
            |account: Option<&DynamicObject>| account.is_some(),
        );
        account.await.map_err(|error| kube::Error::Service(Box::new(error)))?;
        Ok(())
    }

    /// Makes the scenario's own nodes; those that simulate nodes take them over by the annotation.
    pub async fn make_nodes(&self, n_nodes: usize) -> kube::Result<()> {
        for number in 1..=n_nodes {
            let node = object(json!({"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": self.node(number), "labels": {NODE_LABEL: self.namespace},
                    "annotations": {"kwok.x-k8s.io/node": "fake"}},
                "spec": {"unschedulable": number > 1}}));
            self.everywhere("Node").create(&PostParams::default(), &node).await?;
        }
        Ok(())
    }

    fn node(&self, number: usize) -> String {
        format!("{}-{number}", self.namespace)
    }

    pub async fn cordon(&self, number: usize, cordoned: bool) -> kube::Result<()> {
        let patch = Patch::Merge(json!({"spec": {"unschedulable": cordoned}}));
        self.everywhere("Node").patch(&self.node(number), &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Evicts what runs on a node once; says how many pods are still to go, and how many evictions a
    /// budget refused.
    pub async fn evict_all(&self, number: usize) -> kube::Result<(usize, usize)> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let here = ListParams::default().fields(&format!("spec.nodeName={}", self.node(number)));
        let here = pods.list(&here).await?;
        let mut n_refused = 0;
        for pod in here.items.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
            match pods.evict(pod.metadata.name.as_deref().unwrap_or_default(), &EvictParams::default()).await
            {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 429 => n_refused += 1,
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok((here.items.len(), n_refused))
    }

    /// What a kubelet reports when a liveness probe failed: the container of before was killed, the
    /// next one runs and is not ready yet.
    pub async fn report_restart(&self, pod: &str) -> kube::Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut status = pods.get(pod).await?.status.unwrap_or_default();
        for container in status.container_statuses.iter_mut().flatten() {
            let running = container.state.as_ref().and_then(|state| state.running.as_ref());
            let ended = ContainerStateTerminated {
                exit_code: 137,
                reason: Some("Error".to_owned()),
                started_at: running.and_then(|running| running.started_at.clone()),
                ..ContainerStateTerminated::default()
            };
            container.restart_count += 1;
            container.ready = false;
            container.last_state =
                Some(ContainerState { terminated: Some(ended), ..ContainerState::default() });
        }
        for condition in status.conditions.iter_mut().flatten() {
            if matches!(condition.type_.as_str(), "Ready" | "ContainersReady") {
                condition.status = "False".to_owned();
            }
        }
        let patch = Patch::Merge(json!({"status": status}));
        pods.patch_status(pod, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Tells the test application in a real container to fail its liveness probe from now on, and
    /// not to end by itself when it is asked to: it has to be killed.
    pub async fn stop_living(&self, pod: &str) -> kube::Result<()> {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}:8080/proxy/settings", self.namespace);
        let request = axum::http::Request::put(path).body(br#"{"live": false, "shutdown": 60}"#.to_vec());
        let request = request.map_err(|error| kube::Error::Service(Box::new(error)))?;
        self.client.request_text(request).await?;
        Ok(())
    }

    pub async fn delete_pod(&self, name: &str) -> kube::Result<()> {
        self.api("Pod").delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Whatever stays behind goes with the cluster.
    pub async fn clean_up(&self, n_nodes: usize) {
        let _ = self.everywhere("Namespace").delete(&self.namespace, &DeleteParams::background()).await;
        for number in 1..=n_nodes {
            let _ = self.everywhere("Node").delete(&self.node(number), &DeleteParams::default()).await;
        }
    }

    pub async fn create(&self, manifest: &Value) -> kube::Result<()> {
        let kind = manifest["kind"].as_str().unwrap_or_default();
        self.api(kind).create(&PostParams::default(), &object(manifest.clone())).await?;
        Ok(())
    }

    pub async fn patch(&self, patch: &Value) -> kube::Result<()> {
        self.workload().patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    pub async fn patch_status(&self, patch: &Value) -> kube::Result<()> {
        self.workload().patch_status(NAME, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    pub async fn patch_other(&self, kind: &str, name: &str, patch: &Value) -> kube::Result<()> {
        self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// One patch, as `kubectl set image` sends one: two would be two rollouts.
    pub async fn set_image(&self, tag: &str, also: Option<&Value>) -> kube::Result<()> {
        let api = self.workload();
        let mut spec = api.get(NAME).await?.data["spec"]["template"]["spec"].clone();
        spec["containers"][0]["image"] = image(tag).into();
        if let Some(also) = also {
            json_patch::merge(&mut spec, also);
        }
        self.patch(&json!({"spec": {"template": {"spec": spec}}})).await
    }

    pub async fn delete(&self) -> kube::Result<()> {
        self.workload().delete(NAME, &DeleteParams::background()).await?;
        Ok(())
    }
}

fn object(manifest: Value) -> DynamicObject {
    serde_json::from_value(manifest).expect("a manifest has a kind and a name")
}

fn resource(kind: &str) -> ApiResource {
    let (group, version) = match kind {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => ("apps", "v1"),
        "HorizontalPodAutoscaler" => ("autoscaling", "v2"),
        "PodDisruptionBudget" => ("policy", "v1"),
        "Rollout" => ("argoproj.io", "v1alpha1"),
        "VirtualService" | "DestinationRule" => ("networking.istio.io", "v1"),
        _ => ("", "v1"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}
