//! Why the API refuses, worded as the real one words it.

use serde_json::Value;

use super::kind::Kind;
use super::store::Key;

/// Why the API refuses. Each has its status code and reason in `serve::status`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{resource} \"{name}\" not found", resource = kind.qualified())]
    NotFound { kind: Kind, name: String },
    #[error("{resource} \"{name}\" already exists", resource = kind.qualified())]
    AlreadyExists { kind: Kind, name: String },
    #[error("Operation cannot be fulfilled on {resource} \"{name}\": {why}", resource = kind.qualified())]
    Conflict { kind: Kind, name: String, why: String },
    #[error("{subject} \"{name}\" is invalid: {causes}", subject = kind.subject(), causes = Cause::list(causes))]
    Invalid { kind: Kind, name: String, causes: Vec<Cause> },
    #[error("{resource} \"{name}\" is forbidden: {why}", resource = kind.qualified())]
    Forbidden { kind: Kind, name: String, why: String },
    /// A disruption budget does not allow an eviction now.
    #[error("Cannot evict pod as it would violate the pod's disruption budget.")]
    Disruption { why: String },
    /// A patch whose result is not an object of its kind.
    #[error(" \"\" is invalid: patch: Invalid value: {document:?}: {why}")]
    BadResult { document: String, why: String },
    /// A JSON Patch whose operations do not fit the object, a failed `test` among them.
    #[error("the server rejected our request due to an error in our request")]
    PatchDoesNotApply,
    #[error("{0}")]
    BadRequest(String),
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    #[error("415: Unsupported Media Type")]
    UnsupportedMediaType,
}

/// One reason of an invalid object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: &'static str,
    pub message: String,
    pub field: String,
}

impl Refusal {
    /// A patch of a field that never changes.
    pub fn immutable(key: &Key, field: &str, value: &Value) -> Self {
        let causes = vec![Cause::invalid(field, &value.to_string(), "field is immutable")];
        Self::Invalid { kind: key.kind, name: key.name.clone(), causes }
    }

    pub fn not_found(key: &Key) -> Self {
        Self::NotFound { kind: key.kind, name: key.name.clone() }
    }
}

impl Cause {
    fn list(causes: &[Self]) -> String {
        let texts: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        match texts.as_slice() {
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        }
    }

    pub fn required(field: String) -> Self {
        Self { reason: "FieldValueRequired", message: "Required value".into(), field }
    }

    pub fn invalid(field: &str, value: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value}: {why}"),
            field: field.into(),
        }
    }

    pub fn duplicate(field: String, value: &str) -> Self {
        Self { reason: "FieldValueDuplicate", message: format!("Duplicate value: {value:?}"), field }
    }
}
