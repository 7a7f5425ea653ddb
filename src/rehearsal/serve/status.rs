//! Answers that are no object: `Status`, as the API server words it.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::rehearsal::sim::change::Refusal;

/// JSON with its content type.
pub fn json_answer(code: StatusCode, body: &Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

pub fn refusal(refusal: &Refusal) -> Response {
    let body = refusal_body(refusal);
    let code = body["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code =
        code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json_answer(code, &body)
}

pub fn refusal_body(refusal: &Refusal) -> Value {
    let (code, reason, details) = match refusal {
        Refusal::NotFound { kind, name } => {
            (404, "NotFound", Some(details(name, kind.group(), kind.plural())))
        }
        Refusal::AlreadyExists { kind, name } => {
            (409, "AlreadyExists", Some(details(name, kind.group(), kind.plural())))
        }
        Refusal::Conflict { kind, name, .. } => {
            (409, "Conflict", Some(details(name, kind.group(), kind.plural())))
        }
        Refusal::Invalid { kind, name, causes } => {
            let mut details = details(name, kind.group(), kind.as_str());
            details["causes"] = causes
                .iter()
                .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
                .collect();
            (422, "Invalid", Some(details))
        }
        Refusal::Forbidden { kind, name, .. } => {
            (403, "Forbidden", Some(details(name, kind.group(), kind.plural())))
        }
        Refusal::Disruption { why } => {
            let causes = json!([{"reason": "DisruptionBudget", "message": why}]);
            (429, "TooManyRequests", Some(json!({"causes": causes})))
        }
        Refusal::BadResult { document, why } => {
            let message = format!("Invalid value: {document:?}: {why}");
            let cause = json!({"reason": "FieldValueInvalid", "message": message, "field": "patch"});
            (422, "Invalid", Some(json!({"causes": [cause]})))
        }
        Refusal::PatchDoesNotApply => (422, "Invalid", Some(json!({}))),
        Refusal::BadRequest(_) => (400, "BadRequest", None),
        Refusal::MethodNotAllowed => (405, "MethodNotAllowed", Some(json!({}))),
        Refusal::UnsupportedMediaType => (415, "UnsupportedMediaType", Some(json!({}))),
    };
    failure(code, reason, &refusal.to_string(), details)
}

/// A watch that starts before the kept history.
pub fn expired(asked: u64, oldest: u64) -> Value {
    failure(410, "Expired", &format!("too old resource version: {asked} ({oldest})"), None)
}

pub fn failure(code: u16, reason: &str, message: &str, details: Option<Value>) -> Value {
    let mut body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    });
    if let Some(details) = details {
        body["details"] = details;
    }
    body
}

fn details(name: &str, group: &str, kind: &str) -> Value {
    let mut details = json!({"name": name, "kind": kind});
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}
