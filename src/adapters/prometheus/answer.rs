//! The JSON of Prometheus' HTTP API, down to one number or one row of them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::MetricsError;
use crate::adapters::http::Answer;
use crate::watch::Sample;

#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

/// `1700000000.123`: seconds since 1970, as the API takes them.
pub(super) fn seconds(at: Timestamp) -> String {
    let milliseconds = at.as_millisecond();
    format!("{}.{:03}", milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000))
}

/// The one value of an instant query; `None` when there is no series or no finite number.
pub(super) fn value(answer: &Answer, url: &str, expression: &str) -> Result<Option<f64>, MetricsError> {
    let data = data(answer, url)?;
    let point = match data.kind.as_str() {
        "vector" => match only(series(&data, url)?, expression)? {
            Some(series) => series.get("value").cloned(),
            None => return Ok(None),
        },
        "scalar" => Some(data.result),
        _ => return Err(MetricsError::NotAValue { kind: data.kind }),
    };
    let (_, value) = point.as_ref().and_then(point_of).ok_or_else(|| odd(url, "a value is missing"))?;
    Ok(value)
}

/// A range laid on the grid that was asked for: the server leaves gaps out, we keep them.
pub(super) fn on_grid(
    answer: &Answer,
    url: &str,
    expression: &str,
    grid: &[Timestamp],
) -> Result<Vec<Sample>, MetricsError> {
    let data = data(answer, url)?;
    if data.kind != "matrix" {
        return Err(MetricsError::NotAValue { kind: data.kind });
    }
    let mut samples: Vec<Sample> = grid.iter().map(|at| Sample { at: *at, value: None }).collect();
    let Some(series) = only(series(&data, url)?, expression)? else { return Ok(samples) };
    let points = series.get("values").and_then(Value::as_array).ok_or_else(|| odd(url, "no values"))?;
    for point in points {
        let (at, value) = point_of(point).ok_or_else(|| odd(url, "a value is missing"))?;
        let milliseconds = (at * 1000.0).round();
        // The API keeps milliseconds; what lies beside the grid was not asked for.
        let slot =
            samples.binary_search_by(|sample| (sample.at.as_millisecond() as f64).total_cmp(&milliseconds));
        if let Ok(slot) = slot {
            samples[slot].value = value;
        }
    }
    Ok(samples)
}

fn data(answer: &Answer, url: &str) -> Result<Data, MetricsError> {
    let envelope: Envelope = match serde_json::from_slice(&answer.body) {
        Ok(envelope) => envelope,
        Err(error) => return Err(unreadable(answer, url, &error)),
    };
    match (envelope.status.as_str(), envelope.data) {
        ("success", Some(data)) => Ok(data),
        ("success", None) => Err(odd(url, "it holds no data")),
        _ => Err(MetricsError::Refused { kind: envelope.error_type, message: envelope.error }),
    }
}

fn unreadable(answer: &Answer, url: &str, error: &serde_json::Error) -> MetricsError {
    let url = url.to_owned();
    let status = answer.status;
    // A gateway in front, or a login: no query of ours is at fault.
    let is_down = status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 407 | 429);
    if is_down || status.is_redirection() {
        let detail = match &answer.location {
            Some(location) if status.is_redirection() => format!(" to {location}, which is not followed"),
            _ => String::new(),
        };
        return MetricsError::Status { url, status: status.to_string(), detail, is_down };
    }
    if answer.cut {
        return MetricsError::NotUnderstood { url, why: "it is larger than 4 MiB".to_owned() };
    }
    if answer.is_html() {
        return MetricsError::Html { url, words: answer.first_words() };
    }
    if !status.is_success() {
        let detail = Some(answer.first_words()).filter(|words| !words.is_empty());
        let detail = detail.map(|words| format!(": {words}")).unwrap_or_default();
        return MetricsError::Status { url, status: status.to_string(), detail, is_down: false };
    }
    MetricsError::NotUnderstood { url, why: error.to_string() }
}

fn odd(url: &str, why: &str) -> MetricsError {
    MetricsError::NotUnderstood { url: url.to_owned(), why: why.to_owned() }
}

fn series<'a>(data: &'a Data, url: &str) -> Result<&'a [Value], MetricsError> {
    data.result.as_array().map(Vec::as_slice).ok_or_else(|| odd(url, "the result is no list"))
}

/// One series, or none; several cannot stand for one metric.
fn only<'a>(series: &'a [Value], expression: &str) -> Result<Option<&'a Value>, MetricsError> {
    match series {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        many => {
            let expression = expression.to_owned();
            Err(MetricsError::ManySeries { n: many.len(), expression })
        }
    }
}

/// `[1700000000.123, "0.42"]`; a value that is no finite number is no value.
fn point_of(point: &Value) -> Option<(f64, Option<f64>)> {
    let [at, value] = point.as_array()?.as_slice() else { return None };
    let value: f64 = value.as_str()?.parse().ok()?;
    Some((at.as_f64()?, Some(value).filter(|value| value.is_finite())))
}
