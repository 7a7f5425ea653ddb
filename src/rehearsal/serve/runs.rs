//! The practice world's own small API, which the shims speak: the CI's runs, and the world's time.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Shared;
use super::kube::Parameters;
use super::status::{json_answer, refusal};
use super::web;
use crate::rehearsal::sim::change::Refusal;
use crate::rehearsal::sim::pipeline::Run;

/// `GET clock` tells the world's time; `GET runs` lists, newest first; `POST runs` with
/// `{workflow, reference}` dispatches; `POST web` is a request of curl, `POST deploy` one of helm.
pub fn answer(shared: &Arc<Shared>, method: &Method, path: &str, _: &Parameters, body: &[u8]) -> Response {
    match (method, path) {
        (&Method::GET, "clock") => {
            let now = shared.look(crate::rehearsal::sim::World::now);
            json_answer(StatusCode::OK, &json!({"now": now}))
        }
        (&Method::GET, "runs") => {
            let runs: Vec<Value> =
                shared.look(|world| world.runs().iter().rev().map(|run| shown(run, world.now())).collect());
            json_answer(StatusCode::OK, &json!({"runs": runs}))
        }
        (&Method::POST, "web") => web::answer(shared, body),
        (&Method::POST, "deploy") => web::deploy(shared, body),
        (&Method::POST, "runs") => {
            let wish: Value = match serde_json::from_slice(body) {
                Ok(wish) => wish,
                Err(error) => return refusal(&Refusal::BadRequest(error.to_string())),
            };
            let text = |name: &str| wish[name].as_str().unwrap_or_default().to_owned();
            let (workflow, reference) = (text("workflow"), text("reference"));
            if workflow.is_empty() || reference.is_empty() {
                return refusal(&Refusal::BadRequest("a run needs a workflow and a reference".into()));
            }
            let id = shared.change(|world| world.dispatch(&workflow, &reference));
            json_answer(StatusCode::CREATED, &json!({"id": id}))
        }
        _ => refusal(&Refusal::MethodNotAllowed),
    }
}

fn shown(run: &Run, now: Timestamp) -> Value {
    json!({
        "id": run.id,
        "workflow": run.workflow,
        "title": run.title,
        "reference": run.reference,
        "event": run.event.as_str(),
        "status": run.status(now),
        "conclusion": run.conclusion(),
        "failure": run.failure,
        "created": run.created,
        "started": run.started,
        "ends": run.ends,
        "now": now,
    })
}
