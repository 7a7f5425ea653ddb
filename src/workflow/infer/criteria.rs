//! Rollback criteria: a threshold, a ratio to the baseline, or something only a person can say.

use std::sync::LazyLock;

use regex::Regex;

use super::Reader;
use crate::workflow::markdown::Inline;
use crate::workflow::model::{Code as Rule, Criterion, CriterionId, CriterionKind, Metric, Operator};
use crate::workflow::vocabulary;

/// `x2`, `× 1,5`, `2x`, perhaps after a comparison.
static RATIO: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:(>=|<=|[<>≥≤])\s*)?(?:[x×]\s?([0-9]{1,6}(?:[.,][0-9]{1,6})?)\b|\b([0-9]{1,6}(?:[.,][0-9]{1,6})?)\s?[x×](?:\s|$))")
        .expect("the pattern is a constant and the tests use it")
});

/// A comparison in signs or words, a number, perhaps a unit; on folded text.
static THRESHOLD: LazyLock<Regex> = LazyLock::new(|| {
    let words = ["at least", "at most", "above", "below"].map(vocabulary::pattern).join("|");
    let seconds = vocabulary::pattern("second");
    let pattern =
        format!(r"(>=|<=|[<>≥≤]|{words})\s*([0-9]{{1,9}}(?:[.,][0-9]{{1,9}})?)\s*(%|ms\b|(?:{seconds})\b)?");
    Regex::new(&pattern).expect("the words are plain and the tests use the pattern")
});

/// `doubles`, or `triples`; on folded text.
static MULTIPLE: LazyLock<Regex> = LazyLock::new(|| {
    let [doubles, triples] = ["doubles", "triples"].map(vocabulary::pattern);
    Regex::new(&format!("({doubles})|({triples})"))
        .expect("the words are plain and the tests use the pattern")
});

/// What the words of a criterion say, and where the words before its number end.
fn understand(folded: &str) -> (CriterionKind, usize, bool) {
    if let Some(found) = RATIO.captures(folded) {
        let start = found.get(0).map_or(0, |whole| whole.start());
        let factor = found.get(2).or(found.get(3)).and_then(|number| parse(number.as_str()));
        let operator = found.get(1).map_or(Operator::Above, |sign| operator(sign.as_str()));
        return ratio(folded, start, operator, factor);
    }
    if let Some(found) = MULTIPLE.captures(folded) {
        let start = found.get(0).map_or(0, |whole| whole.start());
        let factor = if found.get(1).is_some() { 2.0 } else { 3.0 };
        return ratio(folded, start, Operator::Above, Some(factor));
    }
    if let Some(found) = THRESHOLD.captures(folded) {
        let start = found.get(0).map_or(0, |whole| whole.start());
        let metric = vocabulary::metric(&folded[..start]).or_else(|| vocabulary::metric(folded));
        let value = found.get(2).and_then(|number| parse(number.as_str()));
        let unit = found.get(3).map_or("", |unit| unit.as_str());
        let (Some(metric), Some(value), false) = (metric, value, vocabulary::names_other_percentile(folded))
        else {
            return (CriterionKind::Declared, start, true);
        };
        let (value, unit) = match unit {
            "%" | "ms" | "" => (value, unit),
            _ => (value * 1_000.0, "ms"),
        };
        let operator = operator(found.get(1).map_or(">", |sign| sign.as_str()));
        return (CriterionKind::Threshold { metric, operator, value, unit: unit.to_owned() }, start, false);
    }
    (CriterionKind::Declared, folded.len(), false)
}

fn ratio(
    folded: &str,
    start: usize,
    operator: Operator,
    factor: Option<f64>,
) -> (CriterionKind, usize, bool) {
    let metric = vocabulary::metric(&folded[..start]).or_else(|| vocabulary::metric(folded));
    match (metric, factor, vocabulary::names_other_percentile(folded)) {
        (Some(metric), Some(factor), false) => {
            (CriterionKind::Ratio { metric, operator, factor }, start, false)
        }
        _ => (CriterionKind::Declared, start, true),
    }
}

fn operator(sign: &str) -> Operator {
    match sign {
        "≥" | ">=" => Operator::AtLeast,
        "≤" | "<=" => Operator::AtMost,
        "<" => Operator::Below,
        ">" => Operator::Above,
        word => vocabulary::comparison(word),
    }
}

fn parse(number: &str) -> Option<f64> {
    number.replace(',', ".").parse::<f64>().ok().filter(|number| number.is_finite())
}

impl Reader<'_> {
    pub(super) fn criterion(&mut self, inline: &Inline) -> Criterion {
        let text = inline.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let folded = vocabulary::fold(&text);
        let (kind, label_end, unmeasured) = understand(&folded);
        if unmeasured {
            self.findings.note(Rule::CriterionNotMeasured, inline.span.clone(), text.clone());
        }
        if let CriterionKind::Ratio { metric: Metric::LatencyP95, .. } = kind
            && !vocabulary::names_a_percentile(&text)
        {
            self.findings.note(Rule::RatioWithoutPercentile, inline.span.clone(), text.clone());
        }
        let label = folded[..label_end].trim();
        let id = vocabulary::slug(if label.is_empty() { &text } else { label }, "criterion");
        Criterion {
            id: CriterionId(self.criterion_ids.unique(id)),
            place: self.places.at(inline.span.start),
            text,
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> CriterionKind {
        understand(&vocabulary::fold(text)).0
    }

    fn threshold(metric: Metric, operator: Operator, value: f64, unit: &str) -> CriterionKind {
        CriterionKind::Threshold { metric, operator, value, unit: unit.into() }
    }

    #[test]
    fn thresholds_are_read_with_their_units_in_both_languages() {
        use {Metric::*, Operator::*};
        assert_eq!(kind("Taux d’erreur > 1 %"), threshold(ErrorRate, Above, 1.0, "%"));
        assert_eq!(kind("Error rate above 0.5%"), threshold(ErrorRate, Above, 0.5, "%"));
        assert_eq!(kind("Latence p95 ≥ 1,5 s"), threshold(LatencyP95, AtLeast, 1_500.0, "ms"));
        assert_eq!(kind("Latency over 300ms"), threshold(LatencyP95, Above, 300.0, "ms"));
        assert_eq!(kind("Trafic inférieur à 10"), threshold(RequestRate, Below, 10.0, ""));
        assert_eq!(kind("Restarts > 0"), threshold(Restarts, Above, 0.0, ""));
    }

    #[test]
    fn ratios_are_read_in_their_usual_forms() {
        for text in
            ["Latence x2", "Latency × 2", "Latency > 2x baseline", "Latence p95 > x 2", "Latency doubles"]
        {
            let expected =
                CriterionKind::Ratio { metric: Metric::LatencyP95, operator: Operator::Above, factor: 2.0 };
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_measured_is_for_a_person() {
        for text in
            ["Fonctionnalité critique cassée", "Bug sécurité", "CPU > 80%", "p99 latency > 2 s", "5xx errors"]
        {
            assert_eq!(kind(text), CriterionKind::Declared, "{text}");
        }
        assert!(understand("cpu > 80%").2, "a number that is not measured is told");
        assert!(!understand("bug securite").2);
    }
}
