//! The print of a pod template: equal templates have equal prints, whoever holds them.

use serde_json::Value;

/// The label by which a ReplicaSet tells its pods from those of its siblings.
pub const HASH_LABEL: &str = "pod-template-hash";

/// A hash over a pod template as the API server gives it, without what the deployment controller
/// adds for its own use.
///
/// - Shape: 64 hexadecimal digits. Order of keys, nulls and an empty metadata make no difference,
///   because a Deployment and its ReplicaSet may differ in them for one and the same template.
pub fn print(template: &Value) -> String {
    let mut bytes = Vec::with_capacity(1024);
    write_sorted(&plain(template), &mut bytes);
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The template as a person wrote it: without the controller's label, and without nulls.
pub fn plain(template: &Value) -> Value {
    let mut template = without_nulls(template);
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(HASH_LABEL);
        }
        // Within the pod's spec an empty map means something (`emptyDir: {}`), here it does not.
        metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    }
    if let Some(map) = template.as_object_mut()
        && map.get("metadata").and_then(Value::as_object).is_some_and(|metadata| metadata.is_empty())
    {
        map.remove("metadata");
    }
    template
}

/// What changes between two templates, for a person: `- path: before` and `+ path: after`.
///
/// - Shape: one pair per value that differs, in the order of their paths; a value whose name sounds
///   like a secret is not shown.
pub fn diff(from: &Value, to: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", &plain(from), &plain(to), &mut lines);
    lines
}

fn compare(path: &str, from: &Value, to: &Value, lines: &mut Vec<String>) {
    match (from, to) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = format!("{path}/{key}");
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                compare(&path, &of(before), &of(after), lines);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for index in 0..before.len().max(after.len()) {
                let of = |items: &[Value]| items.get(index).cloned().unwrap_or(Value::Null);
                // Containers and variables are known by name, and a name says more than a number.
                let name = [before, after].iter().find_map(|items| items.get(index)?.get("name")?.as_str());
                let step = name.map_or_else(|| index.to_string(), str::to_owned);
                compare(&format!("{path}/{step}"), &of(before), &of(after), lines);
            }
        }
        (from, to) if from == to => {}
        (from, to) => {
            let shown =
                |value: &Value| if is_secret(path) { "(not shown)".to_owned() } else { value.to_string() };
            if !from.is_null() {
                lines.push(format!("- {path}: {}", shown(from)));
            }
            if !to.is_null() {
                lines.push(format!("+ {path}: {}", shown(to)));
            }
        }
    }
}

fn is_secret(path: &str) -> bool {
    let path = path.to_uppercase();
    ["SECRET", "TOKEN", "PASSW", "CREDENTIAL", "API_KEY", "APIKEY", "PRIVATE"]
        .iter()
        .any(|word| path.contains(word))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

fn write_sorted(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            out.push(b'{');
            for (key, value) in entries {
                out.extend(Value::from(key.as_str()).to_string().bytes());
                out.push(b':');
                write_sorted(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                write_sorted(item, out);
                out.push(b',');
            }
            out.push(b']');
        }
        other => out.extend(other.to_string().bytes()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_diff_names_what_changes_and_hides_what_sounds_secret() {
        let template = |image: &str, password: &str| {
            serde_json::json!({
                "metadata": {"labels": {"app": "app", "pod-template-hash": image}},
                "spec": {"containers": [{
                    "name": "app",
                    "image": image,
                    "env": [{"name": "DB_PASSWORD", "value": password}],
                }]},
            })
        };
        assert_eq!(
            diff(&template("myapp:v1.3.0", "new"), &template("myapp:v1.2.0", "old")),
            [
                "- /spec/containers/app/env/DB_PASSWORD/value: (not shown)",
                "+ /spec/containers/app/env/DB_PASSWORD/value: (not shown)",
                "- /spec/containers/app/image: \"myapp:v1.3.0\"",
                "+ /spec/containers/app/image: \"myapp:v1.2.0\"",
            ]
        );
        assert!(diff(&template("a", "b"), &template("a", "b")).is_empty());
    }

    #[test]
    fn a_deployment_and_its_replica_set_have_one_print() {
        let deployment = json!({"metadata": {"creationTimestamp": null, "labels": {"app": "x"}},
            "spec": {"containers": [{"name": "app", "image": "x:1"}]}});
        let set = json!({"spec": {"containers": [{"image": "x:1", "name": "app"}]},
            "metadata": {"labels": {"pod-template-hash": "5d4", "app": "x"}}});
        assert_eq!(print(&deployment), print(&set));
        assert_eq!(print(&deployment).len(), 64);
    }

    #[test]
    fn every_other_difference_changes_the_print() {
        let base = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"image": "x:1"}]}});
        let image = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"image": "x:2"}]}});
        let restarted = json!({"metadata": {"labels": {"app": "x"}, "annotations": {"restartedAt": "now"}},
            "spec": {"containers": [{"image": "x:1"}]}});
        assert_ne!(print(&base), print(&image));
        assert_ne!(print(&base), print(&restarted));
    }

    #[test]
    fn an_empty_map_in_the_pod_spec_means_something() {
        let volume = json!({"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}]}});
        let broken = json!({"spec": {"volumes": [{"name": "tmp"}]}});
        assert_ne!(print(&volume), print(&broken));
    }

    #[test]
    fn a_template_with_no_label_but_the_hash_equals_one_with_none() {
        let set = json!({"metadata": {"labels": {"pod-template-hash": "5d4"}}, "spec": {}});
        assert_eq!(print(&set), print(&json!({"spec": {}})));
    }
}
