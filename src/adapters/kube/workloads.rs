//! Which workloads there are.

use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Client, core::PartialObjectMeta};

use super::error::{Cause, KubeError, Place};
use crate::watch::TargetRef;
use crate::workflow::Kind;

/// In the order in which a list offers them.
const KINDS: [Kind; 4] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Rollout];

pub(super) fn resource(kind: Kind) -> ApiResource {
    let (group, version, kind, plural) = match kind {
        Kind::Deployment => ("apps", "v1", "Deployment", "deployments"),
        Kind::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
        Kind::DaemonSet => ("apps", "v1", "DaemonSet", "daemonsets"),
        Kind::Rollout => ("argoproj.io", "v1alpha1", "Rollout", "rollouts"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// All workloads of a namespace, by kind and then by name.
pub(super) async fn list(
    client: &Client,
    place: &Place,
    namespace: &str,
) -> Result<Vec<TargetRef>, KubeError> {
    let mut found = Vec::new();
    for kind in KINDS {
        let resource = resource(kind);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        match api.list_metadata(&ListParams::default()).await {
            Ok(list) => {
                let name = |object: PartialObjectMeta<DynamicObject>| object.metadata.name;
                let target =
                    |name| TargetRef { kind, namespace: namespace.to_owned(), name, container: None };
                let mut names: Vec<String> = list.items.into_iter().filter_map(name).collect();
                names.sort_unstable();
                found.extend(names.into_iter().map(target));
            }
            Err(error) => {
                let what = format!("list the {} of {namespace}", resource.plural);
                let error = place.call_failed(&what, &error);
                // Argo's kind is there only where Argo is; whoever may not see one kind may see others.
                match error.cause() {
                    Some(Cause::NotFound) => {}
                    Some(Cause::Forbidden) if kind != Kind::Deployment => {}
                    _ => return Err(error),
                }
            }
        }
    }
    Ok(found)
}
