//! A line of JSON as a person would have written it.

use serde_json::{Map, Value};

/// Names under which loggers write the message, the level and the time.
const MESSAGE: [&str; 4] = ["msg", "message", "event", "short_message"];
const LEVEL: [&str; 5] = ["level", "severity", "lvl", "log.level", "levelname"];
const TIME: [&str; 6] = ["time", "ts", "timestamp", "@timestamp", "t", "asctime"];

/// The parts of a JSON line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonLine {
    pub level: Option<String>,
    pub message: String,
    /// All else but the time, which the server tells: `key=value key=value`.
    pub rest: String,
}

/// Reads a line that is one JSON object with a message. Any other line is best shown as it is.
pub fn read(line: &str) -> Option<JsonLine> {
    let line = line.trim();
    if !(line.starts_with('{') && line.ends_with('}')) {
        return None;
    }
    let mut object: Map<String, Value> = serde_json::from_str(line).ok()?;
    let mut take = |names: &[&str]| names.iter().find_map(|name| object.remove(*name));
    let message = words(&take(&MESSAGE)?);
    let level = take(&LEVEL).map(|level| words(&level));
    take(&TIME);
    let rest: Vec<String> = object.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    Some(JsonLine { level, message, rest: rest.join(" ") })
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Without quotes where nothing can be mistaken.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_comes_first_and_the_rest_as_pairs() {
        let line =
            r#"{"ts":1,"level":"error","msg":"db pool exhausted","pool":{"max":20},"user":"a b","id":"x7"}"#;
        let read = read(line).unwrap();
        assert_eq!(read.level.as_deref(), Some("error"));
        assert_eq!(read.message, "db pool exhausted");
        assert_eq!(read.rest, r#"id=x7 pool={"max":20} user="a b""#);
    }

    #[test]
    fn what_is_no_object_with_a_message_is_left_as_it_is() {
        for line in ["GET /cart 200", "{", r#"{"a":1}"#, r#"{"msg":"x""#, "[1]", "{} x", ""] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
