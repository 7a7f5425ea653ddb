//! Pane 3: the readings with their limits and ages, health, and what the criteria make of them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::model::units;
use crate::release::Verdict;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::{bar, text};
use crate::watch::{Link, System};
use crate::workflow::{Criterion, CriterionKind, Metric, Operator};

/// In the order in which an eye asks: is it broken, is it slow, is anybody there, does it stay up.
const ORDER: [Metric; 4] = [Metric::ErrorRate, Metric::LatencyP95, Metric::RequestRate, Metric::Restarts];

pub fn title<'a>(paint: &Paint<'a>, long: bool) -> Line<'a> {
    let mut line = paint.line("Signals", Role::Title);
    let metrics = &paint.model.observed.metrics;
    let window = u64::try_from(metrics.judging().window.as_secs()).unwrap_or(0);
    if paint.model.settings.prometheus.is_some() {
        let words = if long { "── window " } else { "" };
        line.spans.push(paint.span(format!(" {words}{}", format::planned(window)), Role::Text));
    }
    if let Some((at, values)) = paint.model.state().baseline.as_ref().filter(|_| long) {
        let words = if values.is_empty() {
            " · no baseline: nothing was measured before the change".to_owned()
        } else {
            format!(" · baseline before {}", paint.wall(at.wall))
        };
        line.spans.push(paint.span(words, Role::Text));
    }
    line
}

/// Rows that all of it takes at this width.
pub fn height(paint: &Paint, width: usize) -> usize {
    lines(paint, width).len()
}

pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect) {
    let mut lines = lines(paint, usize::from(area.width));
    if lines.len() > usize::from(area.height) {
        lines.retain(|line| line.width() > 0);
    }
    for (row, line) in lines.iter().enumerate() {
        text::put(buffer, area, row, line);
    }
}

fn lines<'a>(paint: &Paint<'a>, width: usize) -> Vec<Line<'a>> {
    let model = paint.model;
    let mut lines: Vec<Line> = Vec::new();
    if model.settings.prometheus.is_none() {
        lines.push(paint.line("no Prometheus configured: nothing is measured", Role::Dim));
    } else {
        if let Some(Link::Down { since, cause, .. }) = model.observed.links.get(&System::Metrics) {
            let words = format!("? Prometheus silent {} ({cause})", paint.age(*since));
            lines.push(paint.line(words, Role::Warning));
        }
        lines.extend(ORDER.map(|metric| reading(paint, metric, width)));
    }
    lines.extend(health(paint, width));
    let criteria = criteria(paint, width);
    if !criteria.is_empty() {
        lines.push(Line::default());
        lines.extend(criteria);
    }
    lines.into_iter().map(|line| text::fit(line, width)).collect()
}

/// What a measured criterion looks at, in a word or two; `None` for one that a person declares.
pub fn subject(criterion: &Criterion) -> Option<&'static str> {
    match &criterion.kind {
        CriterionKind::Threshold { metric, .. } | CriterionKind::Ratio { metric, .. } => {
            Some(name(*metric, true))
        }
        CriterionKind::Declared => None,
    }
}

fn name(metric: Metric, long: bool) -> &'static str {
    match (metric, long) {
        (Metric::ErrorRate, true) => "error rate",
        (Metric::ErrorRate, false) => "errors",
        (Metric::LatencyP95, true) => "latency p95",
        (Metric::LatencyP95, false) => "p95",
        (Metric::RequestRate, _) => "requests",
        (Metric::Restarts, _) => "restarts",
    }
}

/// `error rate    0.42 %   ▁▁▂▁▁▂   max 1 %   pass   4s`
fn reading<'a>(paint: &Paint<'a>, metric: Metric, width: usize) -> Line<'a> {
    let model = paint.model;
    let metrics = &model.observed.metrics;
    let long = width >= 70;
    let name = name(metric, long);
    let name = if long { format!("{name:<12}") } else { format!("{name:<8} ") };
    let mut line = paint.line(name, Role::Text);
    let Some(series) = metrics.series(metric) else {
        line.spans.push(paint.span("no answer yet", Role::Dim));
        return line;
    };
    let stale = metrics.is_stale(metric, model.now);
    let criterion = criterion_of(paint, metric);
    let verdict = criterion.and_then(|criterion| metrics.reading(&criterion.id)).map(|read| read.verdict);
    let role = match (stale, verdict) {
        (true, _) => Role::Stale,
        (_, Some(Verdict::Fail)) => Role::Bad,
        _ => Role::Text,
    };
    let value = match (series.latest_number(), series.trouble()) {
        (Some((_, value)), _) => units::metric(metric, value),
        (None, Some(_)) => "error".to_owned(),
        (None, None) => "no data".to_owned(),
    };
    let value = if long { format!("{value:>9}  ") } else { format!("{:>6} ", value.replacen(' ', "", 1)) };
    line.spans.push(paint.span(value, role));

    let limit = limit(paint, metric, criterion, long);
    let word = match verdict {
        Some(Verdict::Pass) => ("pass", Role::Ok),
        Some(Verdict::Fail) => ("BREACH", Role::Bad),
        Some(Verdict::NoData) => ("no data", Role::Warning),
        Some(Verdict::Error) => ("error", Role::Warning),
        None => ("–", Role::Dim),
    };
    let word = if stale { ("stale", Role::Stale) } else { word };
    let age = metrics.age(metric, model.now).map(format::age).unwrap_or_default();
    let mut right = Line::default();
    let limit_room = if long { 16 } else { 7 };
    right.spans.push(paint.span(format!("{limit:<limit_room$}"), Role::Dim));
    right.spans.push(paint.span(format!(" {:<7}", word.0), word.1));
    let age = if long { format!(" age {age:>4}") } else { format!(" {age:>3}") };
    right.spans.push(paint.span(age, Role::Dim));

    let spark_room = width.saturating_sub(line.width() + right.width() + 1).min(40);
    let columns = metrics.columns(metric, spark_room.max(1), model.now);
    let bound = fixed_bound(paint, metric, criterion);
    for (bar, is_over) in bar::sparkline(&columns, spark_room, bound) {
        let role = match (stale, is_over) {
            (true, _) => Role::Stale,
            (_, true) => Role::Bad,
            _ => Role::Info,
        };
        line.spans.push(paint.span(bar.to_string(), role));
    }
    if let Some(trouble) = series.trouble() {
        // What the server says against the query is worth more than an old curve.
        let mut line = paint.line(format!("{:<12}", self::name(metric, true)), Role::Text);
        line.spans.push(paint.span(format!("error  {trouble}"), Role::Warning));
        return text::fit(line, width);
    }
    text::ends(line, right, width, 18)
}

/// The first criterion of the document that looks at this metric.
fn criterion_of<'a>(paint: &Paint<'a>, metric: Metric) -> Option<&'a Criterion> {
    let mut criteria = paint.model.release.workflow().rollback.criteria.iter();
    criteria.find(|criterion| match &criterion.kind {
        CriterionKind::Threshold { metric: known, .. } | CriterionKind::Ratio { metric: known, .. } => {
            *known == metric
        }
        CriterionKind::Declared => false,
    })
}

/// The limit as a number in the metric's unit, for the sparkline; of a ratio only with a baseline.
fn fixed_bound(paint: &Paint, metric: Metric, criterion: Option<&Criterion>) -> Option<f64> {
    match &criterion?.kind {
        CriterionKind::Threshold { value, unit, .. } => {
            let in_seconds = metric == Metric::LatencyP95 && unit == "s";
            Some(if in_seconds { value * 1000.0 } else { *value })
        }
        CriterionKind::Ratio { factor, .. } => {
            let baseline = paint.model.observed.metrics.baseline()?.values.get(&metric)?;
            Some(factor * baseline)
        }
        CriterionKind::Declared => None,
    }
}

/// `max 1 %`, `1.1× of max 2×`; empty without a criterion.
fn limit(paint: &Paint, metric: Metric, criterion: Option<&Criterion>, long: bool) -> String {
    let most = |operator: &Operator| match operator {
        Operator::Above | Operator::AtLeast => ("max", "<"),
        Operator::Below | Operator::AtMost => ("min", ">"),
    };
    match criterion.map(|criterion| &criterion.kind) {
        Some(CriterionKind::Threshold { operator, value, unit, .. }) => {
            let (word, sign) = most(operator);
            let gap = if long && !unit.is_empty() { " " } else { "" };
            if long { format!("{word} {value}{gap}{unit}") } else { format!("{sign}{value}{unit}") }
        }
        Some(CriterionKind::Ratio { operator, factor, .. }) => {
            let (word, sign) = most(operator);
            let metrics = &paint.model.observed.metrics;
            let baseline = metrics.baseline().and_then(|baseline| baseline.values.get(&metric).copied());
            let now = metrics.series(metric).and_then(|series| series.latest_number());
            match (baseline.filter(|baseline| *baseline > 0.0), now) {
                (Some(baseline), Some((_, now))) => {
                    let times = now / baseline;
                    if long {
                        format!("{times:.1}× of {word} {factor}×")
                    } else {
                        format!("{times:.1}×{sign}{factor}×")
                    }
                }
                _ if long => format!("{word} {factor}×, no base"),
                _ => format!("{sign}{factor}×"),
            }
        }
        _ => String::new(),
    }
}

fn health<'a>(paint: &Paint<'a>, width: usize) -> Vec<Line<'a>> {
    let model = paint.model;
    let long = width >= 70;
    let label = if long { format!("{:<12}", "health") } else { format!("{:<9}", "health") };
    if let Some(Link::Down { since, cause, .. }) = model.observed.links.get(&System::Health) {
        let words = format!("? silent {} ({cause})", paint.age(*since));
        return vec![Line::from_iter([paint.span(label, Role::Text), paint.span(words, Role::Warning)])];
    }
    let Some(reading) = &model.observed.health else {
        if model.settings.health.is_none() {
            return Vec::new();
        }
        return vec![Line::from_iter([
            paint.span(label, Role::Text),
            paint.span("no answer yet", Role::Dim),
        ])];
    };
    let age = paint.since(reading.at);
    let stale = age.as_secs() > 30;
    let state = match (stale, reading.healthy) {
        (true, _) => Role::Stale,
        (_, true) => Role::Ok,
        _ => Role::Bad,
    };
    let word = if reading.healthy { "ok" } else { "DOWN" };
    let mut line = paint.line(label, Role::Text);
    line.spans.push(paint.span(format!("{word} {}", reading.http_status), state));
    // What is down comes first: a narrow row must not cut off exactly that.
    let (mut down, mut fine) = (Vec::new(), Vec::new());
    for part in &reading.parts {
        let detail = part.detail.as_ref().map(|detail| format!(" {detail}")).unwrap_or_default();
        let sign = if part.ok { "✔" } else { "✘" };
        let words = format!("{} {sign}{}", part.name, format::clean(&detail));
        let role = match (stale, part.ok) {
            (true, _) => Role::Stale,
            (_, true) => Role::Text,
            _ => Role::Bad,
        };
        if part.ok { &mut fine } else { &mut down }.push(paint.line(words, role));
    }
    let version = reading.version.as_ref().map(|version| paint.line(format!("version {version}"), Role::Dim));
    let age_words =
        if long { format!("age {:>4}", format::age(age)) } else { format!("{:>4}", format::age(age)) };
    let right = paint.line(age_words, Role::Dim);
    let parts: Vec<Line> = down.into_iter().chain(fine).chain(version).collect();
    if !parts.is_empty() {
        line.spans.push(Span::raw("  "));
        let room = width.saturating_sub(line.width() + right.width() + 1);
        line.spans.extend(text::joined(parts, "  ", room).spans);
    }
    vec![text::ends(line, right, width, 18)]
}

/// Each criterion with a sign; those that only a person can see name the key to say so.
fn criteria<'a>(paint: &Paint<'a>, width: usize) -> Vec<Line<'a>> {
    let model = paint.model;
    let mut rows: Vec<Line> = Vec::new();
    let mut row = paint.line("criteria  ", Role::Dim);
    let key = paint.key_anywhere(crate::app::action::Action::Declare);
    for criterion in &model.release.workflow().rollback.criteria {
        let state = model.state().criteria.get(&criterion.id);
        let reading = model.observed.metrics.reading(&criterion.id);
        let (sign, role) = match (state, reading) {
            (Some(state), _) if state.is_breached() => ("✘ MET".to_owned(), Role::Bad),
            (Some(state), _) if state.overridden.is_some() => ("◆ overridden".to_owned(), Role::Overridden),
            (_, Some(reading)) => match reading.verdict {
                Verdict::Pass => ("✔".to_owned(), Role::Ok),
                Verdict::Fail => ("✘ bad".to_owned(), Role::Bad),
                Verdict::NoData | Verdict::Error => ("?".to_owned(), Role::Warning),
            },
            (Some(state), None) if criterion.kind == CriterionKind::Declared => {
                let who = state.declared_by.as_deref().unwrap_or_default();
                (format!("✔ says {who}"), Role::Text)
            }
            (None, None) if criterion.kind == CriterionKind::Declared => match &key {
                Some(key) => (format!(": you say ({key})"), Role::Dim),
                None => (": you say".to_owned(), Role::Dim),
            },
            _ => ("?".to_owned(), Role::Dim),
        };
        let gap = if sign.starts_with(':') { "" } else { " " };
        let words = text::elide(&criterion.text, width.saturating_sub(14).max(8));
        let part = Line::from_iter([paint.span(format!("{words}{gap}"), Role::Text), paint.span(sign, role)]);
        let starts = rows.is_empty() && row.spans.len() == 1;
        let needed = part.width() + if starts { 0 } else { 3 };
        if row.width() + needed > width && row.spans.len() > 1 {
            rows.push(std::mem::take(&mut row));
            row = Line::from("          ");
        } else if row.spans.len() > 1 {
            row.spans.push(Span::raw("   "));
        }
        row.spans.extend(part.spans);
    }
    if row.spans.len() > 1 {
        rows.push(row);
    }
    rows
}
