//! `GET /api/v1/query` and `/api/v1/query_range`, as Prometheus answers them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, RawForm, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::promql::{Answer, Labels, evaluate, parse};
use super::status::json_answer;
use super::{Shared, promql};
use crate::rehearsal::sim::traffic::Scrape;

/// Prometheus' own limit of points per series.
const MOST_POINTS: i64 = 11_000;

type Parameters = HashMap<String, String>;

pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/v1/query", get(query).post(query_form))
        .route("/api/v1/query_range", get(range).post(range_form))
        .route("/-/healthy", get(|| async { "Prometheus Server is Healthy.\n" }))
        .route("/-/ready", get(|| async { "Prometheus Server is Ready.\n" }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "404 page not found\n").into_response() })
        .with_state(shared)
}

async fn query(State(shared): State<Arc<Shared>>, Query(parameters): Query<Parameters>) -> Response {
    answer(instant(&shared, &parameters))
}

async fn query_form(State(shared): State<Arc<Shared>>, RawForm(form): RawForm) -> Response {
    answer(instant(&shared, &read_form(&form)))
}

async fn range(State(shared): State<Arc<Shared>>, Query(parameters): Query<Parameters>) -> Response {
    answer(over_time(&shared, &parameters))
}

async fn range_form(State(shared): State<Arc<Shared>>, RawForm(form): RawForm) -> Response {
    answer(over_time(&shared, &read_form(&form)))
}

fn answer(result: Result<Value, String>) -> Response {
    match result {
        Ok(data) => json_answer(StatusCode::OK, &json!({"status": "success", "data": data})),
        Err(error) => json_answer(
            StatusCode::BAD_REQUEST,
            &json!({"status": "error", "errorType": "bad_data", "error": error}),
        ),
    }
}

fn instant(shared: &Shared, parameters: &Parameters) -> Result<Value, String> {
    let expression = expression(parameters)?;
    shared.look(|world| {
        let at = match parameters.get("time") {
            Some(text) => time("time", text)?,
            None => world.now(),
        };
        let scrapes: Vec<&Scrape> = world.traffic().scrapes().iter().collect();
        let answer =
            evaluate(&expression, &scrapes, at).map_err(|error| invalid("query", &error.to_string()))?;
        Ok(match answer {
            Answer::Scalar(value) => json!({"resultType": "scalar", "result": point(at, value)}),
            Answer::Vector(vector) => {
                let result: Vec<Value> = vector
                    .into_iter()
                    .map(|(labels, value)| json!({"metric": labels, "value": point(at, value)}))
                    .collect();
                json!({"resultType": "vector", "result": result})
            }
        })
    })
}

fn over_time(shared: &Shared, parameters: &Parameters) -> Result<Value, String> {
    let expression = expression(parameters)?;
    let wanted = |name: &str| parameters.get(name).map_or("", String::as_str);
    let (start, end) = (time("start", wanted("start"))?, time("end", wanted("end"))?);
    let step = step(wanted("step"))?;
    if end < start {
        return Err(invalid("end", "end timestamp must not be before start time"));
    }
    if end.duration_since(start).as_millis() / step.as_millis() > i128::from(MOST_POINTS) {
        return Err("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)".into());
    }
    shared.look(|world| {
        let scrapes: Vec<&Scrape> = world.traffic().scrapes().iter().collect();
        let mut series: BTreeMap<Labels, Vec<Value>> = BTreeMap::new();
        let mut at = start;
        while at <= end {
            let answer =
                evaluate(&expression, &scrapes, at).map_err(|error| invalid("query", &error.to_string()))?;
            match answer {
                Answer::Scalar(value) => series.entry(Labels::new()).or_default().push(point(at, value)),
                Answer::Vector(vector) => {
                    for (labels, value) in vector {
                        series.entry(labels).or_default().push(point(at, value));
                    }
                }
            }
            at += step;
        }
        let result: Vec<Value> =
            series.into_iter().map(|(labels, values)| json!({"metric": labels, "values": values})).collect();
        Ok(json!({"resultType": "matrix", "result": result}))
    })
}

fn expression(parameters: &Parameters) -> Result<promql::Expression, String> {
    let text = parameters.get("query").map_or("", String::as_str);
    parse(text).map_err(|error| invalid("query", &error.to_string()))
}

fn invalid(parameter: &str, why: &str) -> String {
    format!("invalid parameter \"{parameter}\": {why}")
}

/// A time as Prometheus takes it: seconds since 1970 with a fraction, or RFC 3339.
fn time(name: &str, text: &str) -> Result<Timestamp, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    let read = match seconds {
        Some(seconds) => Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok(),
        None => text.parse().ok(),
    };
    read.ok_or_else(|| invalid(name, &format!("cannot parse {text:?} to a valid timestamp")))
}

/// A step: seconds, or a duration such as `15s` or `1m`.
fn step(text: &str) -> Result<SignedDuration, String> {
    let bad = || invalid("step", &format!("cannot parse {text:?} to a valid duration"));
    let step = match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => SignedDuration::from_millis((seconds * 1000.0) as i64),
        _ => text.parse::<SignedDuration>().map_err(|_| bad())?,
    };
    if step.as_millis() <= 0 {
        return Err(invalid(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    Ok(step)
}

/// A point: seconds with milliseconds, and the value as text.
fn point(at: Timestamp, value: f64) -> Value {
    let text = if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
    } else {
        value.to_string()
    };
    json!([at.as_millisecond() as f64 / 1000.0, text])
}

/// `application/x-www-form-urlencoded`, by which long expressions come.
fn read_form(form: &[u8]) -> Parameters {
    let text = String::from_utf8_lossy(form);
    let decode = |part: &str| {
        let mut bytes = Vec::with_capacity(part.len());
        let mut rest = part.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
                (b'%', Some(byte)) => {
                    bytes.push(byte);
                    rest = &after[2..];
                    continue;
                }
                (b'+', _) => bytes.push(b' '),
                (other, _) => bytes.push(other),
            }
            rest = after;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_decoded() {
        let form = read_form(b"query=sum%28up%29+%2B+1&time=5");
        assert_eq!(form["query"], "sum(up) + 1");
        assert_eq!(form["time"], "5");
    }

    #[test]
    fn steps_and_times_are_read_in_both_spellings() {
        assert_eq!(step("15"), Ok(SignedDuration::from_secs(15)));
        assert_eq!(step("1m"), Ok(SignedDuration::from_secs(60)));
        assert!(step("0").is_err());
        assert_eq!(time("time", "1.5").unwrap().as_millisecond(), 1_500);
        assert!(time("time", "noon").is_err());
    }

    #[test]
    fn values_are_text_as_prometheus_writes_them() {
        assert_eq!(point(Timestamp::UNIX_EPOCH, f64::NAN), json!([0.0, "NaN"]));
        assert_eq!(point(Timestamp::UNIX_EPOCH, 0.5), json!([0.0, "0.5"]));
    }
}
