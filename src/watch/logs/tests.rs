use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use regex::Regex;

use super::*;

fn at(ms: i64) -> Timestamp {
    "2026-11-22T14:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_millis(ms)
}

fn source(pod: &str, revision: &str) -> Arc<LogSource> {
    Arc::new(LogSource { pod: pod.into(), container: "app".into(), revision: Some(revision.into()) })
}

fn batch(pod: &str, lines: &[&str]) -> LogBatch {
    let revision = if pod.starts_with("old") { "rs-old" } else { "rs-new" };
    let lines = lines.iter().map(|text| (Some(at(0)), *text)).collect();
    LogBatch { source: source(pod, revision), lines, mark: None }
}

fn marked(pod: &str, mark: LogMark) -> LogBatch {
    LogBatch { mark: Some(mark), ..batch(pod, &[]) }
}

fn store_of(lines: &[&str]) -> LogStore {
    let mut store = LogStore::default();
    store.push(&batch("new-1", lines), at(0));
    store
}

fn texts(view: &LogView, store: &LogStore, height: usize) -> Vec<String> {
    view.rows(store, height).map(|row| row.text.into_owned()).collect()
}

fn regex(pattern: &str) -> Option<Regex> {
    Some(Regex::new(pattern).unwrap())
}

#[test]
fn a_line_costs_less_than_64_bytes_over_its_text() {
    let mut store = LogStore::default();
    let line = "x".repeat(108);
    let n: usize = 100_000;
    for _ in 0..n / 100 {
        store.push(&batch("new-1", &vec![line.as_str(); 100]), at(0));
    }
    let overhead = (store.bytes() - n * 108) / n;
    assert!(overhead < 64, "{overhead} bytes");
    assert_eq!(size_of::<Line>(), 24);
}

#[test]
fn the_budget_holds_and_what_it_dropped_is_counted() {
    let budget = 2 << 20;
    let mut store = LogStore::new(budget);
    for n in 0..60_000u64 {
        store.push(&batch("new-1", &[&format!("line {n} {}", "y".repeat(90))]), at(0));
        assert!(store.bytes() <= budget, "{}", store.bytes());
    }
    assert!(store.n_dropped() > 0);
    assert_eq!(store.n_dropped() + store.n_lines(), 60_000);
    let (first, next) = store.bounds();
    assert!(store.row(first).unwrap().text.starts_with(&format!("line {first} ")));
    assert!(store.row(next - 1).unwrap().text.starts_with("line 59999 "));
    assert_eq!(store.row(first - 1), None);
    assert_eq!(store.row(next), None);
}

#[test]
fn empty_lines_do_not_grow_without_bound() {
    let mut store = LogStore::new(1);
    for _ in 0..3_000 {
        store.push(&batch("new-1", &[""; 100]), at(0));
    }
    assert!(store.bytes() < 4 * SEGMENT_BYTES, "{}", store.bytes());
    assert_eq!(store.n_dropped() + store.n_lines(), 300_000);
}

#[test]
fn what_happened_to_a_stream_stands_between_its_lines() {
    let mut store = store_of(&["one"]);
    store.push(&marked("new-1", LogMark::Retrying { why: "connection broken".into() }), at(0));
    assert_eq!(store.streams()[0].state, StreamState::Retrying("connection broken".into()));
    store.push(&marked("new-1", LogMark::Lost { lines: 7, why: "rotated".into() }), at(0));
    store.push(&marked("new-1", LogMark::Restarted { exit_code: Some(1), reason: "Error".into() }), at(0));
    store.note("step 5", None);
    let view = LogView::default();
    assert_eq!(
        texts(&view, &store, 9),
        [
            "one",
            "stream broke off (connection broken), trying again",
            "7 lines lost: rotated",
            "container restarted: Error exit 1",
            "step 5"
        ]
    );
    assert_eq!(store.n_lost(), 7);
    let marks: Vec<_> = view.rows(&store, 9).map(|row| row.mark).collect();
    assert_eq!(marks[0], None);
    assert_eq!(marks[2], Some(RowMark::Lost));
    assert_eq!(marks[4], Some(RowMark::Note));
}

#[test]
fn a_stream_remembers_its_first_error() {
    let store = store_of(&["fine", "ERROR one", "ERROR two"]);
    let stream = &store.streams()[0];
    assert_eq!((stream.n_lines, stream.n_errors, stream.first_error), (3, 2, Some(1)));
}

#[test]
fn a_filter_looks_at_the_whole_buffer_and_new_lines_pass_it_too() {
    let mut store = store_of(&["a ok", "b ERROR", "c ok", "d ERROR"]);
    let mut view = LogView::default();
    view.set_query(LogQuery { include: regex("ERROR"), ..LogQuery::default() });
    assert!(view.update(&store));
    assert_eq!(texts(&view, &store, 9), ["b ERROR", "d ERROR"]);
    store.push(&batch("new-1", &["e ok", "f ERROR"]), at(0));
    view.update(&store);
    assert_eq!(texts(&view, &store, 9), ["b ERROR", "d ERROR", "f ERROR"]);
    view.set_query(LogQuery { exclude: regex("ERROR"), ..LogQuery::default() });
    view.update(&store);
    assert_eq!(texts(&view, &store, 9), ["a ok", "c ok", "e ok"]);
    view.set_query(LogQuery::default());
    assert_eq!(view.n_rows(&store), 6);
}

#[test]
fn colour_codes_do_not_hide_a_word_from_the_filter() {
    let store = store_of(&["\u{1b}[31mER\u{1b}[0mROR db"]);
    let mut view = LogView::default();
    view.set_query(LogQuery { include: regex("^ERROR db$"), ..LogQuery::default() });
    view.update(&store);
    assert_eq!(view.n_rows(&store), 1);
}

#[test]
fn new_pods_can_be_told_from_old_ones() {
    let mut store = LogStore::default();
    store.push(&batch("old-1", &["old"]), at(0));
    store.push(&batch("new-1", &["new"]), at(0));
    let mut view = LogView::default();
    view.set_query(LogQuery { only_revision: Some("rs-new".into()), ..LogQuery::default() });
    view.update(&store);
    assert_eq!(texts(&view, &store, 9), ["new"]);
    let quiet = LogQuery { min_level: Some(Level::Warn), ..LogQuery::default() };
    store.push(&batch("new-1", &["INFO x", "WARN y", "ERROR z"]), at(0));
    view.set_query(quiet);
    view.update(&store);
    assert_eq!(texts(&view, &store, 9), ["WARN y", "ERROR z"]);
}

#[test]
fn a_frozen_view_stays_while_lines_come_in() {
    let mut store = store_of(&["1", "2", "3", "4"]);
    let mut view = LogView::default();
    assert_eq!(texts(&view, &store, 2), ["3", "4"]);
    view.scroll(&store, 2, -1);
    assert_eq!(texts(&view, &store, 2), ["2", "3"]);
    assert!(!view.is_following());
    store.push(&batch("new-1", &["5", "6", "7"]), at(0));
    view.update(&store);
    assert_eq!(texts(&view, &store, 2), ["2", "3"]);
    assert_eq!(view.n_new(&store), 3);
    view.scroll(&store, 2, 100);
    assert!(view.is_following());
    assert_eq!(texts(&view, &store, 2), ["6", "7"]);
    assert_eq!(view.n_new(&store), 0);
    view.to_top(&store);
    assert_eq!(texts(&view, &store, 2), ["1", "2"]);
}

#[test]
fn a_frozen_line_that_was_dropped_gives_way_to_the_oldest_kept() {
    let mut store = LogStore::new(1);
    store.push(&batch("new-1", &["first"]), at(0));
    let mut view = LogView::default();
    view.freeze(&store, 1);
    let long = "z".repeat(1000);
    for _ in 0..2_000 {
        store.push(&batch("new-1", &[&long]), at(0));
    }
    view.update(&store);
    let row = view.rows(&store, 1).next().unwrap();
    assert_eq!(row.number, store.bounds().0);
}

#[test]
fn a_search_goes_both_ways_and_stays_within_the_filter() {
    let store = store_of(&["x ok", "y hit", "z ok", "y hit hidden", "y hit"]);
    let mut view = LogView::default();
    view.set_query(LogQuery { exclude: regex("hidden"), ..LogQuery::default() });
    view.update(&store);
    let hit = Regex::new("hit").unwrap();
    assert_eq!(view.find(&store, &hit, 0, true), Some(1));
    assert_eq!(view.find(&store, &hit, 1, true), Some(4));
    assert_eq!(view.find(&store, &hit, 4, true), None);
    assert_eq!(view.find(&store, &hit, 4, false), Some(1));
    view.show(&store, 3, 1);
    assert_eq!(texts(&view, &store, 3), ["x ok", "y hit", "z ok"]);
}

#[test]
fn the_last_lines_of_a_pod_leave_out_marks_and_other_pods() {
    let mut store = store_of(&["1", "2", "3"]);
    store.push(&batch("old-1", &["other"]), at(0));
    store.push(&marked("new-1", LogMark::Ended { why: "exit 1".into() }), at(0));
    let last: Vec<_> = store.last_of("new-1", Some("app"), 2).into_iter().map(|row| row.text).collect();
    assert_eq!(last, ["2", "3"]);
    assert!(store.last_of("unknown", None, 2).is_empty());
}

#[test]
fn the_last_words_of_a_life_stay_when_the_next_one_has_begun() {
    let texts = |store: &LogStore| -> Vec<String> {
        store.last_words("new-1", Some("app"), 2).into_iter().map(|row| row.text.into_owned()).collect()
    };
    let mut store = store_of(&["1", "2", "FATAL"]);
    assert_eq!(texts(&store), ["2", "FATAL"], "so far");
    store.push(&marked("new-1", LogMark::Ended { why: "exit 1".into() }), at(0));
    store.push(&batch("old-1", &["other"]), at(0));
    let reason = LogMark::Restarted { exit_code: Some(1), reason: "Error".into() };
    store.push(&marked("new-1", reason), at(0));
    // More than one segment of the next life.
    for _ in 0..100 {
        store.push(&batch("new-1", &["starting"; 100]), at(0));
    }
    assert_eq!(texts(&store), ["2", "FATAL"]);
    assert_eq!(store.last_of("new-1", Some("app"), 1)[0].text, "starting");
}

#[test]
fn the_rate_is_that_of_the_last_whole_seconds() {
    let mut store = LogStore::default();
    for second in 0..5 {
        store.push(&batch("new-1", &["x"; 30]), at(second * 1000));
    }
    assert_eq!(store.rate(at(4_500)), 30);
    assert_eq!(store.rate(at(5_500)), 30);
    assert_eq!(store.rate(at(6_500)), 20, "it falls when the lines stop");
    assert_eq!(store.rate(at(60_000)), 0);
}

#[test]
fn a_filter_over_a_large_buffer_is_worked_off_in_parts() {
    let mut store = LogStore::default();
    for _ in 0..1_200 {
        store.push(&batch("new-1", &["x"; 100]), at(0));
    }
    let mut view = LogView::default();
    view.set_query(LogQuery { include: regex("x"), ..LogQuery::default() });
    let mut n_parts = 1;
    while !view.update(&store) {
        n_parts += 1;
    }
    assert_eq!(n_parts, 3);
    assert_eq!(view.n_rows(&store), 120_000);
}

#[test]
fn what_belongs_to_a_line_is_kept_with_it_whichever_of_them_matches() {
    let lines = ["INFO a", "ERROR order", "\tat shop.Order", "\tat shop.Stock", "INFO b"];
    let trace =
        ["ERROR order", "\tat shop.Order", "\tat shop.Stock"].map(|line| line.replace('\t', "        "));
    for pattern in ["order", "Stock", "Order"] {
        let mut store = store_of(&lines);
        let mut view = LogView::default();
        view.set_query(LogQuery { include: regex(&format!("{pattern}$")), ..LogQuery::default() });
        view.update(&store);
        assert_eq!(texts(&view, &store, 9), trace, "{pattern}");
        view.set_query(LogQuery { exclude: regex("order"), ..LogQuery::default() });
        view.update(&store);
        assert_eq!(texts(&view, &store, 9), ["INFO a", "INFO b"]);
        view.set_query(LogQuery { min_level: Some(Level::Error), ..LogQuery::default() });
        view.update(&store);
        assert_eq!(texts(&view, &store, 9), trace);
        store.push(&batch("new-1", &["next"]), at(0));
    }
}

#[test]
fn lines_of_another_pod_in_between_do_not_tear_a_trace_apart() {
    let mut store = store_of(&["ERROR order"]);
    store.push(&batch("old-1", &["INFO other", "hit too"]), at(0));
    store.push(&batch("new-1", &["\tat hit"]), at(0));
    let mut view = LogView::default();
    view.set_query(LogQuery { include: regex("hit"), ..LogQuery::default() });
    view.update(&store);
    assert_eq!(texts(&view, &store, 9), ["ERROR order", "hit too", "        at hit"]);
    assert_eq!(store.streams()[0].n_errors, 1);
}

proptest! {
    #[test]
    fn a_filtered_view_equals_a_plain_search_whatever_happens_before(
        pushes in prop::collection::vec(prop::collection::vec("[ab]{0,3}", 0..20), 1..30),
        height in 0usize..50,
        moves in prop::collection::vec(-30isize..30, 0..10),
    ) {
        let mut store = LogStore::default();
        let mut view = LogView::default();
        view.set_query(LogQuery { include: regex("a"), ..LogQuery::default() });
        let mut expected = Vec::new();
        for lines in &pushes {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            store.push(&batch("new-1", &lines), at(0));
            view.update(&store);
            expected.extend(lines.iter().filter(|line| line.contains('a')).map(|line| (*line).to_owned()));
        }
        prop_assert_eq!(texts(&view, &store, expected.len() + 1), expected.clone());
        for by in moves {
            view.scroll(&store, height, by);
            let n = view.rows(&store, height).count();
            prop_assert_eq!(n, height.min(expected.len()), "a full page wherever one scrolls");
        }
    }
}
