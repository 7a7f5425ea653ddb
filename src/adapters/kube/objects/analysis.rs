//! `argoproj.io/v1alpha1` AnalysisRuns.

use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use super::resource;
use crate::watch::Analysis;

/// Read from whatever the object holds: a CRD promises no field.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Value")]
pub(crate) struct AnalysisRun {
    meta: ObjectMeta,
    pub run: Run,
}

resource!(AnalysisRun, "AnalysisRun", "argoproj.io", "v1alpha1", "analysisruns", NamespaceResourceScope);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub uid: String,
    /// UID of the controlling object.
    pub owner: Option<String>,
    pub created: Option<Timestamp>,
    pub facts: Analysis,
}

impl From<Value> for AnalysisRun {
    fn from(object: Value) -> Self {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let owner = owners
            .into_iter()
            .flatten()
            .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
            .and_then(|owner| owner.get("uid")?.as_str());
        Self {
            meta: ObjectMeta {
                name: Some(text("/metadata/name")),
                resource_version: Some(text("/metadata/resourceVersion")),
                ..ObjectMeta::default()
            },
            run: Run {
                uid: text("/metadata/uid"),
                owner: owner.map(str::to_owned),
                created: text("/metadata/creationTimestamp").parse().ok(),
                facts: Analysis {
                    name: text("/metadata/name"),
                    phase: text("/status/phase"),
                    message: text("/status/message"),
                },
            },
        }
    }
}
