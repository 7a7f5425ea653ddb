//! The script's hands in a world: the Kubernetes API, as kubectl would use it, and nothing else.

use gonogo::workflow::Kind;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::manifests::{NAME, image};

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

    pub async fn make_namespace(&self) -> kube::Result<()> {
        let namespace =
            object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}));
        self.everywhere("Namespace").create(&PostParams::default(), &namespace).await?;
        // No pod may be made before its service account is.
        let account = kube::runtime::wait::await_condition(
            self.api("ServiceAccount"),
            "default",
            |account: Option<&DynamicObject>| account.is_some(),
        );
        account.await.map_err(|error| kube::Error::Service(Box::new(error)))?;
        Ok(())
    }

    pub async fn remove_namespace(&self) {
        // Whatever stays behind goes with the cluster.
        let _ = self.everywhere("Namespace").delete(&self.namespace, &DeleteParams::background()).await;
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
        _ => ("", "v1"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}
