//! The kinds of PATCH that Kubernetes knows, on plain JSON.

use serde_json::{Map, Value};

use crate::rehearsal::sim::change::Refusal;

/// Applies a patch of the kind that `content_type` names.
///
/// - Errors: [`Refusal::UnsupportedMediaType`] for other kinds, [`Refusal::BadRequest`] for text that
///   is no patch, [`Refusal::PatchDoesNotApply`] for a JSON Patch that does not fit.
pub fn apply(content_type: &str, current: &Value, body: &[u8]) -> Result<Value, Refusal> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let mut patched = current.clone();
    match kind {
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_slice(body)
                .map_err(|error| Refusal::BadRequest(format!("error decoding patch: {error}")))?;
            json_patch::patch(&mut patched, &patch).map_err(|_| Refusal::PatchDoesNotApply)?;
        }
        "application/merge-patch+json" => json_patch::merge(&mut patched, &object(body)?),
        // Who applies names every field that matters; whose field it was before does not matter here.
        kind if is_apply(kind) => strategic_merge(&mut patched, applied(body)?),
        "application/strategic-merge-patch+json" => strategic_merge(&mut patched, object(body)?),
        _ => return Err(Refusal::UnsupportedMediaType),
    }
    Ok(patched)
}

/// Whether this is a server-side apply.
pub fn is_apply(content_type: &str) -> bool {
    content_type.starts_with("application/apply-patch")
}

/// The object that is applied, written in YAML or in JSON, which is YAML too.
pub fn applied(body: &[u8]) -> Result<Value, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    serde_yaml::from_str(text).map_err(|error| Refusal::BadRequest(format!("error decoding YAML: {error}")))
}

fn object(body: &[u8]) -> Result<Value, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::BadRequest(format!("error decoding patch: {error}")))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Refusal::BadRequest("error decoding patch: a patch is an object".into()))
    }
}

/// The field by which the elements of a list are told apart; lists that are not here are replaced.
/// Source: `x-kubernetes-patch-merge-key` of the API's own description.
fn merge_key(list: &str) -> Option<&'static str> {
    Some(match list {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => {
            "name"
        }
        "ports" => "containerPort",
        "volumeMounts" => "mountPath",
        "conditions" => "type",
        "ownerReferences" => "uid",
        "hostAliases" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        _ => return None,
    })
}

/// Merges objects field by field and named lists element by element.
fn strategic_merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        *target = Value::Object(without_directives(patch));
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    if let Some(kept) = patch.get("$retainKeys").and_then(Value::as_array) {
        fields.retain(|name, _| kept.iter().any(|key| key == name));
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(present) = fields.get_mut(list).and_then(Value::as_array_mut) {
                let gone = value.as_array().cloned().unwrap_or_default();
                present.retain(|one| !gone.contains(one));
            }
        } else if name.starts_with('$') {
            // The other directives order what is already in order, or were used above.
        } else if value.is_null() {
            fields.remove(&name);
        } else if let (Value::Array(elements), Some(key)) = (&value, merge_key(&name)) {
            merge_list(fields.entry(name).or_insert_with(|| Value::Array(Vec::new())), elements.clone(), key);
        } else if value.is_object() {
            strategic_merge(fields.entry(name).or_insert(Value::Null), value);
        } else {
            fields.insert(name, value);
        }
    }
}

fn merge_list(target: &mut Value, patch: Vec<Value>, key: &str) {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let Some(present) = target.as_array_mut() else { return };
    if patch.iter().any(|element| element["$patch"] == "replace") {
        present.clear();
    }
    for element in patch {
        let place = present.iter().position(|one| one[key] == element[key]);
        match (element["$patch"].as_str(), place) {
            (Some("delete"), Some(place)) => {
                present.remove(place);
            }
            (Some("delete" | "replace"), None) => {}
            (_, Some(place)) => strategic_merge(&mut present[place], element),
            (_, None) => {
                let mut new = Value::Null;
                strategic_merge(&mut new, element);
                present.push(new);
            }
        }
    }
}

fn without_directives(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.retain(|name, _| !name.starts_with('$'));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STRATEGIC: &str = "application/strategic-merge-patch+json";

    fn strategic(current: Value, patch: Value) -> Value {
        apply(STRATEGIC, &current, patch.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn containers_are_merged_by_name() {
        let current = json!({"containers": [{"name": "app", "image": "a", "tty": true}, {"name": "log"}]});
        let patch = json!({"containers": [{"name": "app", "image": "b"}, {"name": "new"}],
            "$setElementOrder/containers": [{"name": "app"}]});
        let merged = json!({"containers": [{"name": "app", "image": "b", "tty": true}, {"name": "log"}, {"name": "new"}]});
        assert_eq!(strategic(current, patch), merged);
    }

    #[test]
    fn directives_delete_and_replace() {
        let current = json!({"template": {"old": 1}, "env": [{"name": "A"}, {"name": "B"}]});
        let patch =
            json!({"template": {"$patch": "replace", "new": 2}, "env": [{"name": "A", "$patch": "delete"}]});
        assert_eq!(strategic(current, patch), json!({"template": {"new": 2}, "env": [{"name": "B"}]}));
    }

    #[test]
    fn a_change_of_strategy_retains_its_keys_only() {
        let current = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}});
        let patch = json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}});
        assert_eq!(strategic(current, patch), json!({"strategy": {"type": "Recreate"}}));
    }

    #[test]
    fn a_failed_test_operation_is_refused() {
        let patch = br#"[{"op": "test", "path": "/metadata/uid", "value": "x"}]"#;
        let refused = apply("application/json-patch+json", &json!({"metadata": {"uid": "y"}}), patch);
        assert_eq!(refused, Err(Refusal::PatchDoesNotApply));
    }

    #[test]
    fn null_removes_a_field_in_a_merge_patch() {
        let merged =
            apply("application/merge-patch+json; charset=utf-8", &json!({"a": 1, "b": 2}), br#"{"a": null}"#);
        assert_eq!(merged, Ok(json!({"b": 2})));
    }

    #[test]
    fn other_media_types_are_refused() {
        assert_eq!(apply("application/foo", &json!({}), b"{}"), Err(Refusal::UnsupportedMediaType));
    }
}
