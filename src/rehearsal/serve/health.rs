//! `GET /health` of the application, as a load balancer in front of its pods answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::Shared;
use super::status::json_answer;

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/health", get(health)).with_state(shared)
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let (healthy, body) = shared.look(|world| world.health());
    json_answer(if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}
