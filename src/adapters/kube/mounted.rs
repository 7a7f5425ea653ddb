//! The ConfigMaps and Secrets that the pods of a target are given: a rollback of templates leaves them
//! as they are, so those that changed are named.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::error::{Cause, KubeError, Place};
use crate::release::pin::{Finding, Mounted, MountedKind, Outcome, Pin, Template};
use crate::watch::TargetRef;

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

/// Name and version of each object of one kind.
type Versions = BTreeMap<String, String>;

type InNamespace = (String, MountedKind);

/// Nothing for a kind that may not be listed.
type Known = BTreeMap<InNamespace, Option<Versions>>;

pub(super) struct MountedBy<'a> {
    pub client: &'a Client,
    pub place: &'a Place,
}

impl MountedBy<'_> {
    /// What the templates name, in the versions of now.
    ///
    /// - Shape: no version where it could not be read; what does not exist is left out.
    /// - Source: at most two lists of metadata for each namespace.
    pub async fn pin(&self, targets: &[(TargetRef, Template)]) -> BTreeMap<TargetRef, Vec<Mounted>> {
        let named: Vec<_> =
            targets.iter().map(|(target, template)| (target, named_by(&template.0))).collect();
        let mut wanted = BTreeSet::new();
        for (target, all) in &named {
            wanted.extend(all.iter().map(|(kind, _)| (target.namespace.clone(), *kind)));
        }
        let now = self.versions(wanted).await.unwrap_or_default();
        let pinned = |target: &TargetRef, (kind, name): (MountedKind, String)| {
            let version = match now.get(&(target.namespace.clone(), kind)) {
                Some(Some(versions)) => Some(versions.get(&name)?.clone()),
                _ => None,
            };
            Some(Mounted { kind, name, version })
        };
        let of = |(target, all): (&TargetRef, Vec<_>)| {
            (target.clone(), all.into_iter().filter_map(|one| pinned(target, one)).collect())
        };
        named.into_iter().map(of).collect()
    }

    /// What of these changed since it was pinned, or cannot be known.
    ///
    /// - Source: at most two lists of metadata for each namespace.
    pub async fn changes(&self, pins: &[Pin]) -> Result<Vec<Finding>, KubeError> {
        let mut all: Vec<(&TargetRef, &Mounted)> = Vec::new();
        for pin in pins {
            all.extend(pin.mounted.iter().map(|mounted| (&pin.target, mounted)));
        }
        let wanted = all.iter().map(|(target, mounted)| (target.namespace.clone(), mounted.kind)).collect();
        let now = self.versions(wanted).await?;
        let mut findings: Vec<Finding> = Vec::new();
        for (target, mounted) in all {
            let now = now.get(&(target.namespace.clone(), mounted.kind)).and_then(Option::as_ref);
            let Some(why) = change(mounted, now) else { continue };
            let what = mounted.to_string();
            let is_told = |known: &Finding| {
                known.what == what
                    && known.target.as_ref().map(|known| &known.namespace) == Some(&target.namespace)
            };
            if !findings.iter().any(is_told) {
                findings.push(Finding { target: Some(target.clone()), what, outcome: Outcome::Stays(why) });
            }
        }
        Ok(findings)
    }

    async fn versions(&self, wanted: BTreeSet<InNamespace>) -> Result<Known, KubeError> {
        let mut known = Known::new();
        for (namespace, kind) in wanted {
            let (name, plural) = match kind {
                MountedKind::ConfigMap => ("ConfigMap", "configmaps"),
                MountedKind::Secret => ("Secret", "secrets"),
            };
            let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", name), plural);
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource);
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
            known.insert((namespace, kind), versions);
        }
        Ok(known)
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
