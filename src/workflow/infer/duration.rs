//! Durations as people write them: `5 min`, `1-2 heures`, `30 to 60 minutes`, `1h30`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::workflow::vocabulary;

/// A duration or a range of them. Units: seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workflow) struct Duration {
    pub(in crate::workflow) min_s: u64,
    pub(in crate::workflow) max_s: u64,
    /// Where it stands in the text it was found in.
    pub(in crate::workflow) range: Range<usize>,
}

/// A number, then perhaps a unit and a second number, then a unit and perhaps minutes after hours.
static DURATION: LazyLock<Regex> = LazyLock::new(|| {
    let units: Vec<String> = ["second", "minute", "hour", "day"].map(vocabulary::pattern).into();
    let mut units: Vec<&str> = units.iter().flat_map(|unit| unit.split('|')).collect();
    units.sort_by_key(|unit| std::cmp::Reverse(unit.len()));
    let unit = format!("({})", units.join("|").replace("dia", "d[ií]a"));
    let range = vocabulary::pattern("range").replace("ate", "at[eé]");
    let pattern = format!(
        r"(?i)\b([0-9]{{1,6}}(?:[.,][0-9]{{1,3}})?)(?:(?:\s*{unit})?\s*(?:\.\.|-|–|—|à|{range})\s*([0-9]{{1,6}}(?:[.,][0-9]{{1,3}})?))?\s*{unit}(?:([0-9]{{2}})\b|\b)"
    );
    Regex::new(&pattern).expect("the pattern is a constant and the tests use it")
});

/// The first duration in a text.
pub(in crate::workflow) fn find(text: &str) -> Option<Duration> {
    DURATION.captures_iter(text).find_map(|found| {
        let number =
            |group: usize| found.get(group).and_then(|m| m.as_str().replace(',', ".").parse::<f64>().ok());
        let unit = seconds_in(found.get(4)?.as_str())?;
        let first = number(1)?;
        let (min, max) = match (number(3), found.get(2).map(|m| seconds_in(m.as_str()))) {
            (Some(second), first_unit) => (first * first_unit.flatten().unwrap_or(unit), second * unit),
            (None, _) => {
                let minutes = number(5).map_or(0.0, |minutes| minutes * 60.0);
                // Minutes may follow hours only: `1h30`, not `5s30`.
                if minutes > 0.0 && unit != 3_600.0 {
                    return None;
                }
                (first * unit + minutes, first * unit + minutes)
            }
        };
        let whole = |seconds: f64| seconds.round() as u64;
        let range = found.get(0)?.range();
        Some(Duration { min_s: whole(min.min(max)), max_s: whole(min.max(max)), range })
    })
}

/// The seconds of a text that is a single duration and nothing else.
pub(in crate::workflow) fn exactly(text: &str) -> Option<u64> {
    let found = find(text)?;
    (found.range == (0..text.len()) && found.min_s == found.max_s).then_some(found.min_s)
}

/// A number with a word after it that should have been a unit, as in `5 minuts`.
pub(in crate::workflow) fn misspelt(text: &str) -> Option<Range<usize>> {
    static NUMBER_AND_WORD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b[0-9]{1,6}\s*(\p{L}{2,})").expect("the pattern is a constant"));
    const UNITS: &[&str] =
        &["minutes", "minute", "heures", "heure", "hours", "hour", "secondes", "seconds", "jours", "days"];
    NUMBER_AND_WORD.captures_iter(text).find_map(|found| {
        let word = found.get(1)?.as_str().to_lowercase();
        let close = UNITS.iter().any(|unit| (1..=2).contains(&strsim::levenshtein(unit, &word)));
        close.then(|| found.get(0).map(|whole| whole.range())).flatten()
    })
}

fn seconds_in(unit: &str) -> Option<f64> {
    let units = [("second", 1.0), ("minute", 60.0), ("hour", 3_600.0), ("day", 86_400.0)];
    units.into_iter().find(|(name, _)| vocabulary::is_unit(unit, name)).map(|(_, seconds)| seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<(u64, u64)> {
        find(text).map(|found| (found.min_s, found.max_s))
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, min_s, max_s) in [
            ("(5 min)", 300, 300),
            ("(30\u{a0}min)", 1_800, 1_800),
            ("30\u{202f}minutes", 1_800, 1_800),
            ("pendant 1-2 heures :", 3_600, 7_200),
            ("for 1–2 hours", 3_600, 7_200),
            ("30 to 60 minutes", 1_800, 3_600),
            ("de 30 min à 1 h", 1_800, 3_600),
            ("1h..2h", 3_600, 7_200),
            ("1h30", 5_400, 5_400),
            ("1,5 heure", 5_400, 5_400),
            ("2 jours", 172_800, 172_800),
            ("90s", 90, 90),
            ("30 Minuten lang", 1_800, 1_800),
            ("1 bis 2 Stunden", 3_600, 7_200),
            ("durante 2 días", 172_800, 172_800),
            ("de 10 a 15 minutos", 600, 900),
        ] {
            assert_eq!(seconds(text), Some((min_s, max_s)), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_no_durations() {
        for text in ["v1.2.0", "5xx", "3 pods", "x2", "30 000 users", "42", "100%", "5 metrics", "2 semaines"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_countdown_is_one_duration_and_nothing_else() {
        assert_eq!(exactly("30s"), Some(30));
        assert_eq!(exactly("2 min"), Some(120));
        assert_eq!(exactly("about 30s"), None);
        assert_eq!(exactly("1-2 min"), None);
    }

    #[test]
    fn a_misspelt_unit_is_found() {
        assert_eq!(misspelt("soak 5 minuts please").map(|range| range.start), Some(5));
        assert_eq!(misspelt("watch 3 pods"), None);
    }
}
