//! The practice nginx, and the two colours behind it: what it serves is the file that it loaded last.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Path as Part, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::status::json_answer;

pub fn router(site: PathBuf) -> Router {
    Router::new()
        .route("/", get(through))
        .route("/health", get(through))
        .route("/{colour}/health", get(health))
        .with_state(site)
}

async fn health(State(site): State<PathBuf>, Part(colour): Part<String>) -> Response {
    if !["blue", "green"].contains(&colour.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    json_answer(StatusCode::OK, &told(&site, &colour))
}

async fn through(State(site): State<PathBuf>) -> Response {
    let loaded = std::fs::read_to_string(site.join("loaded.conf")).unwrap_or_default();
    let Some(colour) = serving(&loaded) else {
        return (StatusCode::BAD_GATEWAY, "502 Bad Gateway\n").into_response();
    };
    ([("x-colour", colour)], json_answer(StatusCode::OK, &told(&site, colour))).into_response()
}

fn told(site: &Path, colour: &str) -> serde_json::Value {
    let version = std::fs::read_to_string(site.join(format!("{colour}.version"))).unwrap_or_default();
    json!({"status": "healthy", "version": version.trim(), "checks": {"database": {"status": "ok"}}})
}

/// The colour whose server the loaded file names.
fn serving(loaded: &str) -> Option<&'static str> {
    let mut servers = loaded.lines().map(str::trim).filter_map(|line| line.strip_prefix("server "));
    servers.find_map(|server| ["blue", "green"].into_iter().find(|colour| server.contains(colour)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serves_is_the_colour_of_the_first_server() {
        assert_eq!(serving("upstream shop {\n    server green-app:8080;\n}\n"), Some("green"));
        assert_eq!(serving("# server blue-app\n"), None);
    }
}
