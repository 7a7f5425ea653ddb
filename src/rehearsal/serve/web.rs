//! What the practice curl asks: the shop by any name, and its flag service.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::Shared;
use super::status::{json_answer, refusal};
use crate::rehearsal::sim::change::Refusal;

/// Answers `{method, url, headers, body}` with `{status, body}`.
pub fn answer(shared: &Arc<Shared>, body: &[u8]) -> Response {
    let wish: Value = match serde_json::from_slice(body) {
        Ok(wish) => wish,
        Err(error) => return refusal(&Refusal::BadRequest(error.to_string())),
    };
    let text = |name: &str| wish[name].as_str().unwrap_or_default();
    let url = text("url");
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    // A team's own Unleash has any name; its addresses are always the same.
    let (status, body) = if host.starts_with("unleash") || path.starts_with("api/admin/projects/") {
        let token = wish["headers"]["authorization"].as_str().unwrap_or_default();
        shared.change(|world| world.flag().answer(text("method"), path, token, text("body")))
    } else {
        shop(shared, path)
    };
    json_answer(StatusCode::OK, &json!({"status": status, "body": body}))
}

fn shop(shared: &Arc<Shared>, path: &str) -> (u16, String) {
    let (is_healthy, told) = shared.look(|world| world.health());
    let status = if is_healthy { 200 } else { 503 };
    match path.trim_end_matches('/') {
        "" => (status, "The practice shop.\n".to_owned()),
        "health" | "healthz" | "health/live" | "health/ready" | "api/health" | "livez" | "readyz" => {
            (status, format!("{told}\n"))
        }
        _ => (404, "The practice shop has no such page.\n".to_owned()),
    }
}

/// Gives the first Deployment the version that `{version}` names.
pub fn deploy(shared: &Arc<Shared>, body: &[u8]) -> Response {
    let wish: Value = serde_json::from_slice(body).unwrap_or_default();
    let version = wish["version"].as_str().unwrap_or_default();
    match shared.change(|world| world.deploy(version)) {
        Ok(()) => {
            let (namespace, name) = shared.look(|world| world.first_deployment());
            json_answer(StatusCode::OK, &json!({"namespace": namespace, "name": name}))
        }
        Err(problem) => refusal(&problem),
    }
}
