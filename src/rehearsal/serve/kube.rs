//! The Kubernetes API, as far as a release touches it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::selector::Selector;
use super::status::{json_answer, refusal};
use super::{Shared, discovery, log, patch, runs, table, watch};
use crate::rehearsal::sim::change::{Part, Refusal};
use crate::rehearsal::sim::removal::{self, Farewell};
use crate::rehearsal::sim::store::{Key, Kind};

pub type Parameters = HashMap<String, String>;

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

/// What a path below `/api` or `/apis` means.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    kind: Kind,
    /// Empty for all namespaces.
    namespace: &'a str,
    name: Option<&'a str>,
    sub: Option<&'a str>,
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_end_matches('/');
    if let Some(rest) = path.strip_prefix("/practice/") {
        return runs::answer(&shared, &method, rest, &parameters, &body);
    }
    match path {
        "/livez" | "/readyz" | "/healthz" => return "ok".into_response(),
        "/version" => return json_answer(StatusCode::OK, &discovery::version()),
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => return review(&method, &body),
        _ => {}
    }
    if let Some(known) = discovery::answer(path) {
        return json_answer(StatusCode::OK, &known);
    }
    let Some(target) = parse(path) else {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    };
    let request = Request { shared: &shared, parameters: &parameters, headers: &headers, body: &body };
    let answered = match method {
        Method::GET => request.get(&target),
        Method::POST => request.create(&target),
        Method::PUT => request.replace(&target),
        Method::PATCH => request.patch(&target),
        Method::DELETE => request.delete(&target),
        _ => Err(Refusal::MethodNotAllowed),
    };
    answered.unwrap_or_else(|problem| refusal(&problem))
}

fn parse(path: &str) -> Option<Target<'_>> {
    let mut parts = path.split('/').skip(1);
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let version = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let (namespace, rest) = match rest.as_slice() {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let (resource, name, sub) = match rest {
        [resource] => (*resource, None, None),
        [resource, name] => (*resource, Some(*name), None),
        [resource, name, sub] => (*resource, Some(*name), Some(*sub)),
        _ => return None,
    };
    let kind = Kind::from_api(group, version, resource)?;
    Some(Target { kind, namespace, name, sub })
}

struct Request<'a> {
    shared: &'a Arc<Shared>,
    parameters: &'a Parameters,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl Request<'_> {
    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.parameter(name), "true" | "1")
    }

    fn dry_run(&self) -> bool {
        self.parameter("dryRun") == "All"
    }

    fn key(&self, target: &Target<'_>) -> Result<Key, Refusal> {
        let name = target.name.ok_or(Refusal::MethodNotAllowed)?;
        Ok(Key { kind: target.kind, namespace: target.namespace.into(), name: name.into() })
    }

    fn wants_table(&self) -> bool {
        let accept =
            self.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        accept.split(',').next().is_some_and(|first| first.contains("as=Table"))
    }

    fn get(&self, target: &Target<'_>) -> Result<Response, Refusal> {
        match (target.name, target.sub) {
            (None, _) => self.list(target),
            (Some(name), Some("log")) if target.kind == Kind::Pod => {
                log::answer(self.shared, target.namespace, name, self.parameters)
            }
            (Some(_), Some("scale")) if target.kind.has_scale() => {
                let key = self.key(target)?;
                let scale = self.shared.look(|world| world.scale(&key))?;
                Ok(json_answer(StatusCode::OK, &scale))
            }
            (Some(_), None | Some("status")) => {
                let key = self.key(target)?;
                let (object, version, now) = self.shared.look(|world| {
                    world.object(&key).map(|object| (object, world.store().version(), world.now()))
                })?;
                if self.wants_table() {
                    let include = self.parameter("includeObject");
                    let shown = table::table(key.kind, &[&object], version, now, include, true);
                    return Ok(json_answer(StatusCode::OK, &shown));
                }
                Ok(json_answer(StatusCode::OK, &object))
            }
            _ => Err(self.unknown(target)),
        }
    }

    fn list(&self, target: &Target<'_>) -> Result<Response, Refusal> {
        let kind = target.kind;
        let selector =
            Selector::parse(kind, self.parameter("labelSelector"), self.parameter("fieldSelector"))?;
        if self.flag("watch") {
            let table = self.wants_table().then(|| self.parameter("includeObject").to_owned());
            let wish = watch::Wish::read(self.parameters, kind, target.namespace, selector, table)?;
            return Ok(watch::answer(self.shared, wish));
        }
        let (objects, version, now) = self.shared.look(|world| {
            let objects: Vec<Arc<Value>> = world
                .store()
                .list(kind, target.namespace)
                .filter(|(_, object)| selector.matches(object))
                .map(|(_, object)| object.clone())
                .collect();
            (objects, world.store().version(), world.now())
        });
        let items: Vec<&Value> = objects.iter().map(Arc::as_ref).collect();
        if self.wants_table() {
            let include = self.parameter("includeObject");
            return Ok(json_answer(StatusCode::OK, &table::table(kind, &items, version, now, include, true)));
        }
        let list = json!({
            "kind": format!("{}List", kind.as_str()),
            "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": version.to_string()},
            "items": items,
        });
        Ok(json_answer(StatusCode::OK, &list))
    }

    fn create(&self, target: &Target<'_>) -> Result<Response, Refusal> {
        if let (Kind::Pod, Some(name), Some("eviction")) = (target.kind, target.name, target.sub) {
            let wish = self.object()?;
            self.shared.change(|world| world.evict(target.namespace, name, &wish))?;
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
            return Ok(json_answer(StatusCode::CREATED, &status));
        }
        if target.name.is_some() {
            return Err(Refusal::MethodNotAllowed);
        }
        let object = self.object()?;
        let dry_run = self.dry_run();
        let create = |world: &mut crate::rehearsal::sim::World| {
            world.create(target.kind, target.namespace, object, dry_run)
        };
        let created = self.shared.change(create)?;
        Ok(json_answer(StatusCode::CREATED, &created))
    }

    fn replace(&self, target: &Target<'_>) -> Result<Response, Refusal> {
        let object = self.object()?;
        if target.sub == Some("scale") {
            return self.scale(target, |_| Ok(object));
        }
        let part = self.part(target)?;
        let key = self.key(target)?;
        let replaced = self.shared.change(|world| world.replace(&key, object, part, self.dry_run()))?;
        Ok(json_answer(StatusCode::OK, &replaced))
    }

    fn patch(&self, target: &Target<'_>) -> Result<Response, Refusal> {
        let kind =
            self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if target.sub == Some("scale") {
            return self.scale(target, |scale| patch::apply(kind, scale, self.body));
        }
        let part = self.part(target)?;
        let key = self.key(target)?;
        let (code, patched) = self.shared.change(|world| {
            let current = match world.object(&key) {
                // Applying makes what is missing.
                Err(Refusal::NotFound { .. }) if patch::is_apply(kind) && part == Part::Main => {
                    let mut new = patch::applied(self.body)?;
                    new["metadata"]["name"] = key.name.clone().into();
                    let made = world.create(key.kind, &key.namespace, new, self.dry_run())?;
                    return Ok((StatusCode::CREATED, made));
                }
                current => current?,
            };
            let new = patch::apply(kind, &current, self.body)?;
            let uid = &new["metadata"]["uid"];
            if *uid != current["metadata"]["uid"] {
                // In a PUT another uid is a lost race; in a patch it is a mistake.
                return Err(Refusal::immutable(&key, "metadata.uid", uid));
            }
            world.replace(&key, new, part, self.dry_run()).map(|patched| (StatusCode::OK, patched))
        })?;
        Ok(json_answer(code, &patched))
    }

    fn scale(
        &self,
        target: &Target<'_>,
        edit: impl FnOnce(&Value) -> Result<Value, Refusal>,
    ) -> Result<Response, Refusal> {
        if !target.kind.has_scale() {
            return Err(self.unknown(target));
        }
        let key = self.key(target)?;
        let scaled = self.shared.change(|world| {
            let scale = edit(&world.scale(&key)?)?;
            let mut object = world.object(&key)?;
            object["spec"]["replicas"] = scale["spec"]["replicas"].clone();
            if scale["metadata"]["resourceVersion"].is_string() {
                object["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
            }
            world.replace(&key, object, Part::Main, self.dry_run())?;
            world.scale(&key)
        })?;
        Ok(json_answer(StatusCode::OK, &scaled))
    }

    fn delete(&self, target: &Target<'_>) -> Result<Response, Refusal> {
        if target.sub.is_some() {
            return Err(Refusal::MethodNotAllowed);
        }
        let body = if self.body.is_empty() { Value::Null } else { self.object()? };
        let farewell = removal::farewell(|name| self.parameters.get(name).cloned(), &body);
        if target.name.is_none() {
            return self.delete_all(target, &farewell);
        }
        let key = self.key(target)?;
        let deleted = self.shared.change(|world| world.delete(&key, &farewell))?;
        if target.kind == Kind::Pod {
            // A pod is still there for its grace period, so the answer is the pod.
            return Ok(json_answer(StatusCode::OK, &deleted));
        }
        let details = json!({
            "name": key.name,
            "group": target.kind.group(),
            "kind": target.kind.plural(),
            "uid": deleted["metadata"]["uid"],
        });
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok(json_answer(StatusCode::OK, &status))
    }

    /// Deletes every object of a kind that the selectors choose, and answers with the list of them.
    fn delete_all(&self, target: &Target<'_>, farewell: &Farewell) -> Result<Response, Refusal> {
        let kind = target.kind;
        let selector =
            Selector::parse(kind, self.parameter("labelSelector"), self.parameter("fieldSelector"))?;
        let deleted = self.shared.change(|world| {
            let chosen: Vec<Key> = world
                .store()
                .list(kind, target.namespace)
                .filter(|(_, object)| selector.matches(object))
                .map(|(key, _)| key.clone())
                .collect();
            // One that went meanwhile, with another that owned it, needs no deleting.
            chosen.iter().filter_map(|key| world.delete(key, farewell).ok()).collect::<Vec<Value>>()
        });
        let list = json!({
            "kind": format!("{}List", kind.as_str()),
            "apiVersion": kind.api_version(),
            "metadata": {},
            "items": deleted,
        });
        Ok(json_answer(StatusCode::OK, &list))
    }

    fn part(&self, target: &Target<'_>) -> Result<Part, Refusal> {
        match target.sub {
            None => Ok(Part::Main),
            Some("status") => Ok(Part::Status),
            Some(_) => Err(self.unknown(target)),
        }
    }

    fn unknown(&self, target: &Target<'_>) -> Refusal {
        let name = format!("{}/{}", target.name.unwrap_or_default(), target.sub.unwrap_or_default());
        Refusal::NotFound { kind: target.kind, name }
    }

    fn object(&self) -> Result<Value, Refusal> {
        let kind =
            self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.contains("protobuf") {
            return Err(Refusal::UnsupportedMediaType);
        }
        serde_json::from_slice(self.body).map_err(|error| {
            Refusal::BadRequest(format!("the object provided is unrecognized (must be JSON): {error}"))
        })
    }
}

/// In the practice world everything is allowed.
fn review(method: &Method, body: &[u8]) -> Response {
    if *method != Method::POST {
        return refusal(&Refusal::MethodNotAllowed);
    }
    // A real kubectl asks in protobuf and takes an answer in JSON; whatever was asked, it is allowed.
    let mut review = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object).unwrap_or_else(
        || json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {}}),
    );
    review["status"] = json!({"allowed": true});
    json_answer(StatusCode::CREATED, &review)
}

/// A streamed answer of unknown length.
pub fn stream_answer(content_type: &'static str, body: Body) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_resources_with_and_without_a_namespace() {
        let all = Target { kind: Kind::Pod, namespace: "", name: None, sub: None };
        assert_eq!(parse("/api/v1/pods"), Some(all));
        let scale =
            Target { kind: Kind::Deployment, namespace: "shop", name: Some("app"), sub: Some("scale") };
        assert_eq!(parse("/apis/apps/v1/namespaces/shop/deployments/app/scale"), Some(scale));
        let namespace = Target { kind: Kind::Namespace, namespace: "", name: Some("shop"), sub: None };
        assert_eq!(parse("/api/v1/namespaces/shop"), Some(namespace));
        assert_eq!(parse("/api/v1/query"), None);
        assert_eq!(parse("/apis/apps/v2/deployments"), None);
    }
}
