//! The lock of a workload as a Lease beside it: every machine sees it, and `kubectl get lease` too.

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::access::{Answer, Right};
use super::error::{KubeError, Place};
use crate::release::{LockHolder, LockRecord, ReleaseId, Takeover};
use crate::watch::TargetRef;

/// A Lease as it was read: who holds it, if anybody, and the version that a change must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSeen {
    pub record: Option<LockRecord>,
    pub version: String,
}

pub(super) struct Leases<'a> {
    pub client: &'a Client,
    pub place: &'a Place,
}

/// The longest name that the API server takes.
const LONGEST_NAME: usize = 253;

/// `gonogo-deployment-app`.
fn name_of(target: &TargetRef) -> String {
    let name = format!("gonogo-{}-{}", target.kind.as_str(), target.name);
    if name.len() <= LONGEST_NAME {
        return name;
    }
    // Two long names that were cut may be the same then: their prints are not.
    let print = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let start: String = name.chars().take(LONGEST_NAME - 17).collect();
    format!("{start}-{print:016x}")
}

/// As the API server writes such times itself.
fn micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

impl Leases<'_> {
    fn api(&self, target: &TargetRef) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("coordination.k8s.io", "v1", "Lease");
        let resource = ApiResource::from_gvk_with_plural(&kind, "leases");
        Api::namespaced_with(self.client.clone(), &target.namespace, &resource)
    }

    /// - Shape: `None` when there is no Lease at all.
    pub async fn read(&self, target: &TargetRef) -> Result<Option<LeaseSeen>, KubeError> {
        let what = format!("read the lock of {target}");
        let read = self.place.call(&what, async { self.api(target).get_opt(&name_of(target)).await }).await?;
        let Some(object) = read.and_then(|object| serde_json::to_value(object).ok()) else { return Ok(None) };
        Ok(Some(LeaseSeen { record: record(&object), version: version(&object) }))
    }

    /// Writes who holds it, over the version that was read, or as the first.
    ///
    /// - Shape: the new version.
    /// - Errors: a conflict when somebody else was quicker.
    pub async fn write(
        &self,
        target: &TargetRef,
        record: &LockRecord,
        over: Option<&str>,
    ) -> Result<String, KubeError> {
        let mut object = object(target, record);
        match over {
            Some(over) => self.patch(target, object, over).await,
            None => {
                object["apiVersion"] = "coordination.k8s.io/v1".into();
                object["kind"] = "Lease".into();
                object["metadata"]["name"] = name_of(target).into();
                without_nulls(&mut object);
                let lease: DynamicObject = serde_json::from_value(object).map_err(|error| {
                    KubeError::NotNow { target: target.to_string(), why: error.to_string() }
                })?;
                let what = format!("take the lock of {target}");
                let params = PostParams { field_manager: Some("gonogo".into()), ..PostParams::default() };
                let made =
                    self.place.call(&what, async { self.api(target).create(&params, &lease).await }).await?;
                Ok(made.metadata.resource_version.unwrap_or_default())
            }
        }
    }

    /// Leaves the Lease without a holder: a name that stays costs nothing, and tells who had it last.
    pub async fn clear(&self, target: &TargetRef, why: &str, over: &str) -> Result<(), KubeError> {
        let annotations = NOTES.iter().map(|note| ((*note).to_owned(), Value::Null));
        let mut annotations: serde_json::Map<String, Value> = annotations.collect();
        annotations.insert("gonogo/released".to_owned(), why.into());
        let object = json!({
            "metadata": {"annotations": annotations},
            "spec": {"holderIdentity": null, "acquireTime": null, "renewTime": null}
        });
        self.patch(target, object, over).await.map(|_| ())
    }

    async fn patch(&self, target: &TargetRef, mut object: Value, over: &str) -> Result<String, KubeError> {
        // For no other version than the one that was decided on.
        object["metadata"]["resourceVersion"] = over.into();
        let what = format!("renew the lock of {target}");
        let params = PatchParams { field_manager: Some("gonogo".into()), ..PatchParams::default() };
        let patch = Patch::Merge(object);
        let api = self.api(target);
        let name = name_of(target);
        let after = self.place.call(&what, api.patch(&name, &params, &patch)).await?;
        Ok(after.metadata.resource_version.unwrap_or_default())
    }

    /// Why locks cannot be kept here, as far as the API server says so.
    pub async fn may_not(&self, namespace: &str) -> Option<String> {
        for verb in ["get", "create", "patch"] {
            let right = Right {
                verb,
                group: "coordination.k8s.io",
                resource: "leases",
                namespace: namespace.to_owned(),
                name: None,
            };
            if let Ok(Answer::Denied(_)) = right.ask(self.client).await {
                return Some(format!("may not {verb} leases in {namespace}"));
            }
        }
        None
    }
}

/// What a holder notes on the Lease, and takes off again.
const NOTES: [&str; 10] = [
    "gonogo/operator",
    "gonogo/host",
    "gonogo/release",
    "gonogo/reason",
    "gonogo/version",
    "gonogo/kept",
    "gonogo/taken-from",
    "gonogo/taken-from-release",
    "gonogo/taken-at",
    "gonogo/taken-because",
];

fn object(target: &TargetRef, record: &LockRecord) -> Value {
    let holder = &record.holder;
    let takeover = holder.takeover.as_ref();
    let identity = match &holder.release {
        Some(release) => format!("{}@{} {release}", holder.who, holder.host),
        None => holder.who.clone(),
    };
    json!({
        "metadata": {
            "labels": {
                "app.kubernetes.io/managed-by": "gonogo",
                "gonogo/kind": target.kind.as_str(),
            },
            "annotations": {
                "gonogo/target": target.to_string(),
                "gonogo/operator": holder.who,
                "gonogo/host": holder.host,
                "gonogo/release": holder.release,
                "gonogo/reason": holder.reason,
                "gonogo/version": holder.version,
                "gonogo/kept": holder.kept,
                "gonogo/taken-from": takeover.map(|takeover| &takeover.from),
                "gonogo/taken-from-release": takeover.and_then(|takeover| takeover.from_release.as_ref()),
                "gonogo/taken-at": takeover.map(|takeover| takeover.at),
                "gonogo/taken-because": takeover.map(|takeover| &takeover.because),
                "gonogo/released": null,
            },
        },
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": record.ttl_s,
            "acquireTime": holder.since.map(micro),
            "renewTime": record.renewed,
            "leaseTransitions": record.transitions,
        },
    })
}

/// A patch says `null` for "take it off"; a new object leaves it out.
fn without_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(without_nulls);
    }
}

fn version(object: &Value) -> String {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Who holds it; a Lease that others made is read as far as it says anything.
fn record(object: &Value) -> Option<LockRecord> {
    let spec = |name: &str| object.get("spec").and_then(|spec| spec.get(name));
    let text = |name: &str| spec(name).and_then(Value::as_str);
    let number = |name: &str| spec(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let note = |name: &str| {
        let notes = object.pointer("/metadata/annotations")?;
        let value = notes.get(format!("gonogo/{name}"))?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let identity = text("holderIdentity").filter(|identity| !identity.is_empty())?;
    let time = |value: Option<&str>| value.and_then(|value| value.parse::<Timestamp>().ok());
    let takeover = note("taken-from").map(|from| Takeover {
        from,
        from_release: note("taken-from-release").map(ReleaseId),
        at: time(note("taken-at").as_deref()).unwrap_or_default(),
        because: note("taken-because").unwrap_or_default(),
    });
    Some(LockRecord {
        holder: LockHolder {
            who: note("operator").unwrap_or_else(|| identity.to_owned()),
            host: note("host").unwrap_or_default(),
            release: note("release").map(ReleaseId),
            reason: note("reason").unwrap_or_else(|| "no reason given".to_owned()),
            version: note("version"),
            since: time(text("acquireTime")),
            kept: note("kept"),
            takeover,
        },
        renewed: text("renewTime").unwrap_or_default().to_owned(),
        ttl_s: number("leaseDurationSeconds").unwrap_or(crate::release::lock::TTL_S),
        transitions: number("leaseTransitions").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::Kind;

    fn target(name: &str) -> TargetRef {
        TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: name.into(), container: None }
    }

    fn held() -> LockRecord {
        LockRecord {
            holder: LockHolder {
                who: "ana".into(),
                host: "kestrel".into(),
                release: Some(ReleaseId("20261122-release".into())),
                reason: "release v1.3.0".into(),
                version: Some("v1.3.0".into()),
                since: Some("2026-11-22T13:49:00.25Z".parse().unwrap()),
                kept: None,
                takeover: Some(Takeover {
                    from: "bo at merlin".into(),
                    from_release: None,
                    at: "2026-11-22T13:49:00Z".parse().unwrap(),
                    because: "bo is ill".into(),
                }),
            },
            renewed: "2026-11-22T13:49:15.000000Z".into(),
            ttl_s: 60,
            transitions: 3,
        }
    }

    #[test]
    fn what_is_written_on_a_lease_is_read_from_it() {
        let mut lease = object(&target("app"), &held());
        without_nulls(&mut lease);
        assert_eq!(lease.pointer("/metadata/annotations/gonogo~1kept"), None);
        assert_eq!(record(&lease), Some(held()));
    }

    #[test]
    fn a_lease_without_a_holder_is_free() {
        assert_eq!(record(&json!({"spec": {"leaseTransitions": 4}})), None);
        assert_eq!(record(&json!({"spec": {"holderIdentity": ""}})), None);
    }

    #[test]
    fn a_lease_that_somebody_else_made_has_a_holder_without_a_release() {
        let lease = json!({"spec": {"holderIdentity": "argo-7f", "leaseDurationSeconds": 15}});
        let record = record(&lease).unwrap();
        assert_eq!((record.holder.who.as_str(), record.holder.release), ("argo-7f", None));
        assert_eq!(record.ttl_s, 15);
    }

    #[test]
    fn the_name_fits_whatever_the_workload_is_called() {
        assert_eq!(name_of(&target("app")), "gonogo-deployment-app");
        let (long, other) = (name_of(&target(&"a".repeat(253))), name_of(&target(&("a".repeat(252) + "b"))));
        assert_eq!(long.len(), LONGEST_NAME);
        assert_ne!(long, other);
    }
}
