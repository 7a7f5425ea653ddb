//! Progress as a bar, and a series as a sparkline.

/// A bar of `width` columns, filled by `part` of 1; `▒` instead of `█` when the fact behind it is stale.
pub fn progress(part: f64, width: usize, stale: bool) -> String {
    let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
    let filled = ((part * width as f64).round() as usize).min(width);
    // Full means complete, and nothing short of it.
    let filled = if part < 1.0 && width > 0 { filled.min(width - 1) } else { filled };
    let fill = if stale { "▒" } else { "█" };
    format!("{}{}", fill.repeat(filled), "░".repeat(width - filled))
}

/// One sign for each of the newest `width` values; a missing value is a gap, never a low bar.
///
/// - Shape: scaled from zero (or the lowest value, if that is negative) to the highest value or
///   `limit`, whichever is higher, so that a row below its limit looks low.
pub fn sparkline(values: &[Option<f64>], width: usize, limit: Option<f64>) -> Vec<(char, bool)> {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(width)..];
    let finite = |value: &Option<f64>| value.filter(|value| value.is_finite());
    let top =
        shown.iter().filter_map(finite).chain(limit.filter(|limit| limit.is_finite())).fold(0.0, f64::max);
    let bottom = shown.iter().filter_map(finite).fold(0.0, f64::min);
    let range = top - bottom;
    let bar = |value: f64| {
        let part = if range > 0.0 { (value - bottom) / range } else { 0.0 };
        let index = (part * 7.0).round().clamp(0.0, 7.0) as usize;
        (BARS[index], limit.is_some_and(|limit| value > limit))
    };
    shown.iter().map(|value| finite(value).map_or((' ', false), bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_only_when_all_is_done() {
        assert_eq!(progress(0.5, 6, false), "███░░░");
        assert_eq!(progress(0.999, 6, false), "█████░");
        assert_eq!(progress(1.0, 6, false), "██████");
        assert_eq!(progress(1.0, 4, true), "▒▒▒▒");
        assert_eq!(progress(f64::NAN, 3, false), "░░░");
        assert_eq!(progress(1.0, 0, false), "");
    }

    #[test]
    fn a_missing_reading_is_a_gap_and_a_crossing_is_told() {
        let series = [Some(0.0), None, Some(0.5), Some(2.0)];
        let spark = sparkline(&series, 10, Some(1.0));
        assert_eq!(spark, [('▁', false), (' ', false), ('▃', false), ('█', true)]);
        assert_eq!(sparkline(&series, 2, None).len(), 2);
        assert_eq!(sparkline(&[Some(0.0); 3], 3, None), [('▁', false); 3]);
    }
}
