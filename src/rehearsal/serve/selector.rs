//! Label and field selectors of list and watch requests.

use serde_json::Value;

use crate::rehearsal::sim::change::Refusal;
use crate::rehearsal::sim::store::Kind;

/// What a request asked to see.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

impl Selector {
    pub fn parse(kind: Kind, labels: &str, fields: &str) -> Result<Self, Refusal> {
        let labels = split_outside_parentheses(labels).map(requirement).collect::<Result<_, _>>()?;
        let mut parsed = Vec::new();
        for field in fields.split(',').filter(|field| !field.trim().is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = field.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = field.split_once('=') {
                (path, value.trim_start_matches('='), true)
            } else {
                return Err(Refusal::BadRequest(format!(
                    "invalid selector: '{field}'; can't understand '{field}'"
                )));
            };
            if !is_supported(kind, path) {
                return Err(Refusal::BadRequest(format!("field label not supported: {path}")));
            }
            parsed.push((path.to_owned(), value.to_owned(), equal));
        }
        Ok(Self { labels, fields: parsed })
    }

    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |name: &str| labels[name].as_str();
        let labels_match = self.labels.iter().all(|requirement| match requirement {
            Requirement::In(name, values) => {
                label(name).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Requirement::NotIn(name, values) => {
                label(name).is_none_or(|value| values.iter().all(|one| one != value))
            }
            Requirement::Exists(name) => label(name).is_some(),
            Requirement::Missing(name) => label(name).is_none(),
        });
        labels_match
            && self.fields.iter().all(|(path, wanted, equal)| {
                let found = path.split('.').fold(object, |value, part| &value[part]);
                (found.as_str().unwrap_or_default() == wanted) == *equal
            })
    }
}

fn is_supported(kind: Kind, path: &str) -> bool {
    match path {
        "metadata.name" | "metadata.namespace" => true,
        "reason" | "type" | "reportingComponent" => kind == Kind::Event,
        "status.phase" | "spec.nodeName" | "status.podIP" | "spec.restartPolicy" => kind == Kind::Pod,
        _ => kind == Kind::Event && path.starts_with("involvedObject."),
    }
}

fn requirement(text: &str) -> Result<Requirement, Refusal> {
    let text = text.trim();
    let list = |values: &str| {
        values.trim().trim_matches(['(', ')']).split(',').map(|value| value.trim().to_owned()).collect()
    };
    let name = |name: &str| name.trim().to_owned();
    let parsed = if let Some((key, values)) = text.split_once(" notin ") {
        Requirement::NotIn(name(key), list(values))
    } else if let Some((key, values)) = text.split_once(" in ") {
        Requirement::In(name(key), list(values))
    } else if let Some((key, value)) = text.split_once("!=") {
        Requirement::NotIn(name(key), vec![name(value)])
    } else if let Some((key, value)) = text.split_once('=') {
        Requirement::In(name(key), vec![name(value.trim_start_matches('='))])
    } else if let Some(key) = text.strip_prefix('!') {
        Requirement::Missing(name(key))
    } else if text.contains(char::is_whitespace) {
        return Err(Refusal::BadRequest(format!(
            "unable to parse requirement: {text:?} is no label requirement"
        )));
    } else {
        Requirement::Exists(name(text))
    };
    Ok(parsed)
}

fn split_outside_parentheses(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selects(labels: &str, fields: &str) -> bool {
        let pod = json!({
            "metadata": {"name": "app-1", "labels": {"app": "app", "tier": "web"}},
            "status": {"phase": "Running"},
        });
        Selector::parse(Kind::Pod, labels, fields).unwrap().matches(&pod)
    }

    #[test]
    fn labels_are_selected_by_value_by_set_and_by_presence() {
        assert!(selects("app=app,tier==web", ""));
        assert!(selects("tier in (web, db),app", ""));
        assert!(!selects("tier notin (web,db)", ""));
        assert!(!selects("!app", ""));
        assert!(selects("stage!=blue", ""));
    }

    #[test]
    fn fields_are_selected_by_value() {
        assert!(selects("", "metadata.name=app-1,status.phase!=Pending"));
        assert!(!selects("", "metadata.name=app-2"));
    }

    #[test]
    fn an_unknown_field_is_refused_as_the_api_server_does() {
        let refused = Selector::parse(Kind::Pod, "", "spec.colour=red").unwrap_err();
        assert_eq!(refused.to_string(), "field label not supported: spec.colour");
    }
}
