//! The keys of one check that together say what answers it.

use super::apply::{ItemIds, Taken};
use crate::workflow::annotated::{CheckGate, MetricGate, RolloutGate};
use crate::workflow::infer::{duration, programs};
use crate::workflow::model::{CriterionKind, Metric, Operator};

/// The keys that say what answers a check.
pub(super) const KEYS: &[&str] =
    &["cmd", "metric", "max", "min", "ratio", "for", "every", "nodata", "rollout", "ready", "restarts"];

/// Prometheus scrapes hardly more often. Units: seconds.
const SHORTEST_EVERY: u64 = 5;

/// What the tokens of one check make of it; `None` when none of them is about a gate.
///
/// - Errors: why the gate cannot be kept, as a sentence fragment.
pub(super) fn gate(taken: &Taken<'_>, ids: &ItemIds) -> Option<Result<CheckGate, String>> {
    if !KEYS.iter().any(|key| taken.has(key)) {
        return None;
    }
    Some(match (taken.has("cmd"), taken.has("metric"), taken.has("rollout")) {
        (true, false, false) => command(taken, ids),
        (false, true, false) => metric(taken),
        (false, false, true) => rollout(taken),
        (false, false, false) => Err("it says how to measure, but not what: `metric=` is missing".into()),
        _ => Err("it names two things that answer it".into()),
    })
}

/// Keys of another gate say that its author meant something that this one does not do.
fn only(taken: &Taken<'_>, allowed: &[&str]) -> Result<(), String> {
    match KEYS.iter().find(|key| taken.has(key) && !allowed.contains(key)) {
        Some(key) => Err(format!("`{key}` says nothing here")),
        None => Ok(()),
    }
}

fn command(taken: &Taken<'_>, ids: &ItemIds) -> Result<CheckGate, String> {
    only(taken, &["cmd"])?;
    let id = taken.word("cmd")?;
    match ids.command(id) {
        Some(command) => Ok(CheckGate::Command(command.clone())),
        None => Err(format!("no command has the id `{id}`")),
    }
}

/// The metric of a name as documents write it.
pub(super) fn metric_named(name: &str) -> Option<Metric> {
    Some(match name.replace('_', "-").as_str() {
        "error-rate" => Metric::ErrorRate,
        "latency-p95" | "latency" => Metric::LatencyP95,
        "request-rate" | "rps" => Metric::RequestRate,
        "restarts" => Metric::Restarts,
        _ => return None,
    })
}

/// The units of a metric's own numbers, as written behind them.
pub(super) fn unit_of(metric: Metric) -> &'static str {
    match metric {
        Metric::ErrorRate => "%",
        Metric::LatencyP95 => "ms",
        Metric::RequestRate | Metric::Restarts => "",
    }
}

fn metric(taken: &Taken<'_>) -> Result<CheckGate, String> {
    only(taken, &["metric", "max", "min", "ratio", "for", "every", "nodata"])?;
    let name = taken.word("metric")?;
    let Some(metric) = metric_named(name) else {
        return Err(format!(
            "gonogo does not measure `{name}`; it knows error-rate, latency-p95, request-rate and restarts"
        ));
    };
    let mut limits = Vec::new();
    for (key, operator) in [("max", Operator::Above), ("min", Operator::Below)] {
        if taken.has(key) {
            let value = quantity(taken.word(key)?, metric).map_err(|why| format!("`{key}` {why}"))?;
            let unit = unit_of(metric).to_owned();
            limits.push(CriterionKind::Threshold { metric, operator, value, unit });
        }
    }
    if taken.has("ratio") {
        let word = taken.word("ratio")?;
        let number = word.trim_start_matches('x').trim_end_matches('x');
        let factor = number.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor > 0.0);
        let factor = factor.ok_or_else(|| format!("`ratio={word}` is no number; write 1.5"))?;
        limits.push(CriterionKind::Ratio { metric, operator: Operator::Above, factor });
    }
    if limits.is_empty() {
        return Err(format!("`metric={name}` has no limit: `max`, `min` or `ratio` is missing"));
    }
    if let Some(word) = taken.value("nodata")
        && !matches!(word, "fail" | "hold")
    {
        return Err(format!("`nodata={word}` would let silence pass; it takes fail or hold"));
    }
    if taken.has("nodata") {
        taken.word("nodata")?;
    }
    let for_s = match taken.has("for") {
        true => seconds(taken.word("for")?)?,
        false => 0,
    };
    let every_s = match taken.has("every") {
        true => Some(seconds(taken.word("every")?)?),
        false => None,
    };
    if let Some(seconds) = every_s.filter(|seconds| *seconds < SHORTEST_EVERY) {
        return Err(format!(
            "`every={seconds}s` is too often: no metric says more than every {SHORTEST_EVERY} s"
        ));
    }
    Ok(CheckGate::Metric(MetricGate { limits, for_s, every_s }))
}

/// A number with the unit of its metric, in the metric's own unit.
fn quantity(word: &str, metric: Metric) -> Result<f64, String> {
    let number = word.trim_end_matches(|c: char| c.is_alphabetic() || c == '%');
    let unit = &word[number.len()..];
    let value =
        number.replace(',', ".").parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
    let Some(value) = value else { return Err(format!("`{word}` is no number")) };
    match (metric, unit) {
        (Metric::LatencyP95, "s") => Ok(value * 1_000.0),
        (_, unit) if unit == unit_of(metric) => Ok(value),
        (Metric::ErrorRate, _) => Err(format!("`{word}` is no share; write it in %, as 1%")),
        (Metric::LatencyP95, _) => Err(format!("`{word}` is no latency; write it in ms or s, as 300ms")),
        _ => Err(format!("`{word}` has a unit that this metric does not have")),
    }
}

/// The seconds of `90s`, `10m` or `1h30m`, or of a duration as prose has it.
pub(super) fn seconds(word: &str) -> Result<u64, String> {
    parts(word)
        .or_else(|| duration::exactly(word))
        .ok_or_else(|| format!("`{word}` is no duration; write 90s, 10m or 1h30m"))
}

fn parts(word: &str) -> Option<u64> {
    let (mut rest, mut total, mut last) = (word, 0_u64, u64::MAX);
    while !rest.is_empty() {
        let n = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = match rest[n..].chars().next()? {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        // From the largest unit to the smallest, each once: `30m1h` was probably meant otherwise.
        if unit >= last {
            return None;
        }
        total = total.checked_add(rest[..n].parse::<u64>().ok()?.checked_mul(unit)?)?;
        (rest, last) = (&rest[n + 1..], unit);
    }
    (last < u64::MAX).then_some(total)
}

fn rollout(taken: &Taken<'_>) -> Result<CheckGate, String> {
    only(taken, &["rollout", "ready", "restarts"])?;
    let word = taken.word("rollout")?;
    let Some(target) = programs::target(word) else {
        return Err(format!("`{word}` is no kind/name; write deployment/app"));
    };
    if taken.has("ready") && taken.word("ready")? != "100%" {
        return Err("`ready` takes 100%: a rollout is complete with all of its pods".into());
    }
    let max_restarts = match taken.has("restarts") {
        true => {
            let word = taken.word("restarts")?;
            Some(word.parse().map_err(|_| format!("`restarts={word}` is no count"))?)
        }
        false => None,
    };
    let timeout_s = taken.value("timeout").and_then(|word| seconds(word).ok());
    Ok(CheckGate::Rollout(RolloutGate {
        kind: target.kind,
        name: target.name,
        namespace: taken.value("ns").map(str::to_owned),
        context: taken.value("context").map(str::to_owned),
        max_restarts,
        timeout_s,
    }))
}
