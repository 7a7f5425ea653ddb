//! The ConfigMaps and Secrets that the pods of a target are given: a rollback of templates leaves them
//! as they are, so those that changed are named.

use std::collections::BTreeMap;

use kube::Client;
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::error::{Cause, KubeError, Place};
use crate::release::pin::{Finding, Mounted, MountedKind, Outcome, Pin, Template};

/// All ConfigMaps and Secrets that a pod template names, each once and in order.
fn named_by(template: &Value) -> Vec<(MountedKind, String)> {
    let mut found = Vec::new();
    let mut add = |kind, name: Option<&Value>| {
        if let Some(name) = name.and_then(Value::as_str) {
            found.push((kind, name.to_owned()));
        }
    };
    let list = |of: &Value, key: &str| of.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let spec = template.get("spec").unwrap_or(&Value::Null);
    for volume in list(spec, "volumes") {
        add(MountedKind::ConfigMap, volume.pointer("/configMap/name"));
        add(MountedKind::Secret, volume.pointer("/secret/secretName"));
        for source in volume.get("projected").map(|of| list(of, "sources")).unwrap_or_default() {
            add(MountedKind::ConfigMap, source.pointer("/configMap/name"));
            add(MountedKind::Secret, source.pointer("/secret/name"));
        }
    }
    for container in list(spec, "initContainers").into_iter().chain(list(spec, "containers")) {
        for source in list(&container, "envFrom") {
            add(MountedKind::ConfigMap, source.pointer("/configMapRef/name"));
            add(MountedKind::Secret, source.pointer("/secretRef/name"));
        }
        for variable in list(&container, "env") {
            add(MountedKind::ConfigMap, variable.pointer("/valueFrom/configMapKeyRef/name"));
            add(MountedKind::Secret, variable.pointer("/valueFrom/secretKeyRef/name"));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

type Versions = BTreeMap<String, String>;

pub(super) struct MountedBy<'a> {
    pub client: &'a Client,
    pub place: &'a Place,
}

impl MountedBy<'_> {
    /// What a template names, in the versions of now.
    ///
    /// - Shape: no version where it could not be read; what does not exist is left out.
    /// - Source: at most two lists of metadata.
    pub async fn pin(&self, namespace: &str, template: &Template) -> Vec<Mounted> {
        let named = named_by(&template.0);
        let now = self.versions(namespace, named.iter().map(|(kind, _)| *kind)).await.unwrap_or_default();
        let version = |kind: MountedKind, name: &str| match now.get(&kind) {
            Some(Some(versions)) => versions.get(name).map(|version| Some(version.clone())),
            _ => Some(None),
        };
        let mounted = named.into_iter().filter_map(|(kind, name)| {
            let version = version(kind, &name)?;
            Some(Mounted { kind, name, version })
        });
        mounted.collect()
    }

    /// What of these changed since it was pinned, or cannot be known.
    ///
    /// - Source: at most two lists of metadata for each namespace.
    pub async fn changes(&self, pins: &[Pin]) -> Result<Vec<Finding>, KubeError> {
        let mut findings: Vec<Finding> = Vec::new();
        let mut known: BTreeMap<&str, BTreeMap<MountedKind, Option<Versions>>> = BTreeMap::new();
        for pin in pins.iter().filter(|pin| !pin.mounted.is_empty()) {
            let namespace = pin.target.namespace.as_str();
            if !known.contains_key(namespace) {
                let here = pins.iter().filter(|pin| pin.target.namespace == namespace);
                let kinds = here.flat_map(|pin| &pin.mounted).map(|mounted| mounted.kind);
                known.insert(namespace, self.versions(namespace, kinds).await?);
            }
            let Some(now) = known.get(namespace) else { continue };
            for mounted in &pin.mounted {
                let what = mounted.to_string();
                let is_told = |known: &Finding| known.what == what && known.target.namespace == namespace;
                if let Some(why) = change(mounted, now.get(&mounted.kind).and_then(Option::as_ref))
                    && !findings.iter().any(is_told)
                {
                    findings.push(Finding { target: pin.target.clone(), what, outcome: Outcome::Stays(why) });
                }
            }
        }
        Ok(findings)
    }

    /// - Shape: nothing for a kind that may not be listed.
    async fn versions(
        &self,
        namespace: &str,
        kinds: impl Iterator<Item = MountedKind>,
    ) -> Result<BTreeMap<MountedKind, Option<Versions>>, KubeError> {
        let mut found = BTreeMap::new();
        for kind in kinds {
            if found.contains_key(&kind) {
                continue;
            }
            let (name, plural) = match kind {
                MountedKind::ConfigMap => ("ConfigMap", "configmaps"),
                MountedKind::Secret => ("Secret", "secrets"),
            };
            let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", name), plural);
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
            let listing = ListParams::default();
            let versions = match self.place.call(&format!("list {plural}"), api.list_metadata(&listing)).await
            {
                Ok(all) => {
                    let versions = all.items.into_iter().map(|object| object.metadata);
                    let named = versions.filter_map(|meta| Some((meta.name?, meta.resource_version?)));
                    Some(named.collect())
                }
                Err(error) if error.cause() == Some(Cause::Forbidden) => None,
                Err(error) => return Err(error),
            };
            found.insert(kind, versions);
        }
        Ok(found)
    }
}

/// What became of one since it was pinned, in words; `None` when it is the same.
fn change(mounted: &Mounted, now: Option<&Versions>) -> Option<String> {
    match (&mounted.version, now) {
        (Some(was), Some(now)) => match now.get(&mounted.name) {
            Some(is) if is == was => None,
            Some(_) => Some("changed since it was pinned, and stays so".to_owned()),
            None => Some("was deleted since it was pinned, and stays so".to_owned()),
        },
        _ => Some("unknown whether it changed: it may not be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_to_name_one_is_known() {
        let template = json!({"spec": {
            "volumes": [
                {"configMap": {"name": "files"}}, {"secret": {"secretName": "tls"}}, {"emptyDir": {}},
                {"projected": {"sources": [{"configMap": {"name": "more"}}, {"secret": {"name": "token"}}]}},
            ],
            "initContainers": [{"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "env"}}}]}],
            "containers": [{
                "envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "db"}}],
                "env": [{"name": "B", "value": "b"}, {"name": "C", "valueFrom": {"secretKeyRef": {"name": "db"}}}],
            }],
        }});
        let named: Vec<String> = named_by(&template)
            .into_iter()
            .map(|(kind, name)| Mounted { kind, name, version: None }.to_string())
            .collect();
        assert_eq!(
            named,
            ["configmap/env", "configmap/files", "configmap/more", "secret/db", "secret/tls", "secret/token"]
        );
        assert_eq!(named_by(&json!({"spec": {"containers": []}})), []);
    }

    #[test]
    fn only_what_changed_or_may_not_be_read_is_told() {
        let mounted = |version: Option<&str>| Mounted {
            kind: MountedKind::Secret,
            name: "db".to_owned(),
            version: version.map(str::to_owned),
        };
        let now = Versions::from([("db".to_owned(), "7".to_owned())]);
        assert_eq!(change(&mounted(Some("7")), Some(&now)), None);
        assert!(change(&mounted(Some("6")), Some(&now)).unwrap().starts_with("changed"));
        assert!(change(&mounted(Some("7")), Some(&Versions::new())).unwrap().starts_with("was deleted"));
        assert!(change(&mounted(Some("7")), None).unwrap().starts_with("unknown"));
        assert!(change(&mounted(None), Some(&now)).unwrap().starts_with("unknown"));
    }
}
