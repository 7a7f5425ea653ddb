//! `-o jsonpath=…`, the part of it that documents use: fields, indexes, `[*]`, a filter for equality,
//! and text in between.

use serde_json::Value;

use super::super::ShimError;

/// Prints a template over an object, as kubectl does: values of one expression with a space between
/// them, a field that is not there as nothing, objects as JSON.
///
/// - Errors: what the template holds that the practice kubectl cannot read.
pub fn print(template: &str, object: &Value) -> Result<String, ShimError> {
    let mut text = String::new();
    let mut rest = template;
    while let Some(begin) = rest.find('{') {
        text.push_str(&rest[..begin]);
        let inner = &rest[begin + 1..];
        let end = closing(inner).ok_or_else(|| unreadable(template, "unclosed action"))?;
        let expression = inner[..end].trim();
        match expression.strip_prefix(['"', '\'']) {
            Some(quoted) => text.push_str(&unescaped(quoted.trim_end_matches(['"', '\'']))),
            None => {
                let values: Vec<String> = select(expression, object)?.into_iter().map(shown).collect();
                text.push_str(&values.join(" "));
            }
        }
        rest = &inner[end + 1..];
    }
    text.push_str(rest);
    Ok(text)
}

/// The end of an action: the brace that no quote holds.
fn closing(inner: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in inner.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn select<'v>(expression: &str, object: &'v Value) -> Result<Vec<&'v Value>, ShimError> {
    let mut found = vec![object];
    let mut rest = expression.strip_prefix('$').unwrap_or(expression);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let end = after.find(']').ok_or_else(|| unreadable(expression, "unterminated array"))?;
            found =
                within(&after[..end], &found).ok_or_else(|| unreadable(expression, "invalid array index"))?;
            rest = &after[end + 1..];
        } else if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = field(after);
            if name.is_empty() {
                return Err(unreadable(expression, "a field has no name"));
            }
            let every = name == "*";
            found = found
                .into_iter()
                .flat_map(|value| match every {
                    true => elements(value),
                    false => value.get(&name).into_iter().collect(),
                })
                .collect();
            rest = after;
        } else {
            return Err(unreadable(expression, "unrecognized identifier"));
        }
    }
    Ok(found)
}

/// A field's name and what stands behind it; a dot of the name itself is written `\.`.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (name, &text[at..]),
            c => name.push(c),
        }
    }
    (name, "")
}

fn elements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// What brackets choose: a number, `*`, `'name'` or `?(@.name=="value")`.
fn within<'v>(what: &str, values: &[&'v Value]) -> Option<Vec<&'v Value>> {
    let all = values.iter().copied();
    if what == "*" {
        return Some(all.flat_map(elements).collect());
    }
    if let Some(name) = what.strip_prefix(['\'', '"']) {
        let name = name.trim_end_matches(['\'', '"']);
        return Some(all.filter_map(|value| value.get(name)).collect());
    }
    if let Some(condition) = what.strip_prefix("?(@.").and_then(|rest| rest.strip_suffix(')')) {
        let (name, wanted) = condition.split_once("==")?;
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        let (name, _) = field(name.trim());
        let is_it = |value: &&Value| value.get(&name).is_some_and(|value| shown(value) == wanted);
        return Some(all.flat_map(elements).filter(is_it).collect());
    }
    let index: i64 = what.parse().ok()?;
    let at = |value: &'v Value| {
        let list = value.as_array()?;
        let index = if index < 0 { list.len() as i64 + index } else { index };
        list.get(usize::try_from(index).ok()?)
    };
    Some(all.filter_map(at).collect())
}

fn unreadable(what: &str, why: &str) -> ShimError {
    ShimError::Usage(format!("error parsing jsonpath {what}, {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(template: &str) -> String {
        let object = json!({
            "spec": {"strategy": {"type": "Recreate"}, "replicas": 4, "subsets": [
                {"name": "stable", "weight": 95}, {"name": "canary", "weight": 5},
            ]},
            "metadata": {"annotations": {"a.b/c": "d"}},
        });
        print(template, &object).unwrap()
    }

    #[test]
    fn fields_indexes_and_filters_are_read_as_kubectl_reads_them() {
        for (template, expected) in [
            ("{.spec.strategy.type}", "Recreate"),
            ("{.spec.replicas}{\"\\n\"}", "4\n"),
            ("{.spec.subsets[*].weight}", "95 5"),
            ("{.spec.subsets[1].name}", "canary"),
            ("{.spec.subsets[-1].name}", "canary"),
            ("{.spec.subsets[?(@.name==\"canary\")].weight}%", "5%"),
            ("{.metadata.annotations.a\\.b/c}", "d"),
            ("{.metadata.annotations['a.b/c']}", "d"),
            ("{.spec.missing.field}", ""),
            ("{.spec.strategy}", "{\"type\":\"Recreate\"}"),
            ("", ""),
        ] {
            assert_eq!(printed(template), expected, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_told() {
        for template in ["{.spec", "{spec}", "{.spec.subsets[x]}", "{range .items[*]}{end}"] {
            assert!(print(template, &json!({})).is_err(), "{template}");
        }
    }
}
