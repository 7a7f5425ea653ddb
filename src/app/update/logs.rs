//! The keys of the log pane.

use jiff::Timestamp;

use super::prompts;
use super::{Ask, flash};
use crate::app::action::Action;
use crate::app::model::{Model, Purpose, Selection};
use crate::watch::logs::{Bytes, Extract, RowMark};

/// What is put on the clipboard at most: beyond it terminals ignore the whole request. It grows by a
/// third on its way, and xterm takes 100 000 bytes. Units: bytes.
const MOST_COPIED: usize = 74_994;

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Ask> {
    use Action as A;
    let store = &model.observed.logs;
    let pane = &mut model.view.log;
    let height = usize::from(pane.height.max(1));
    let page = isize::from(i16::try_from(height).unwrap_or(i16::MAX)).max(2) - 1;
    match action {
        A::Search => prompts::open(model, Purpose::Search, ""),
        A::Filter => {
            let current = pane.filter.clone().unwrap_or_default();
            prompts::open(model, Purpose::Filter, &current);
        }
        A::SearchNext => search(model, true),
        A::SearchPrevious => search(model, false),
        A::Follow if pane.view.is_following() => pane.view.freeze(store, height),
        A::Follow => {
            pane.selection = None;
            pane.view.follow();
        }
        A::Wrap => pane.wrap = !pane.wrap,
        A::Timestamps => pane.timestamps = !pane.timestamps,
        A::RawJson => pane.raw_json = !pane.raw_json,
        A::PreviousContainer => last_end(model),
        A::Down => moved(model, height, 1),
        A::Up => moved(model, height, -1),
        A::PageDown => moved(model, height, page),
        A::PageUp => moved(model, height, -page),
        A::Top if pane.selection.is_some() => moved(model, height, isize::MIN / 2),
        A::Top => pane.view.to_top(store),
        A::Bottom if pane.selection.is_some() => moved(model, height, isize::MAX / 2),
        A::Bottom => pane.view.follow(),
        A::Left => pane.column = pane.column.saturating_sub(8),
        A::Right => pane.column = pane.column.saturating_add(8),
        A::Select => select(model, height),
        A::Copy => return copy(model, height),
        A::Save => return save(model),
        _ => {}
    }
    Vec::new()
}

/// Scrolls, or moves the free end of a selection.
fn moved(model: &mut Model, height: usize, by: isize) {
    let store = &model.observed.logs;
    let pane = &mut model.view.log;
    match &mut pane.selection {
        Some(selection) => {
            selection.cursor = pane.view.step(store, selection.cursor, by);
            pane.view.reveal(store, height, selection.cursor);
        }
        None => pane.view.scroll(store, height, by),
    }
}

/// Begins a selection at the match of a search, else at the newest line in sight; or ends it.
fn select(model: &mut Model, height: usize) {
    let store = &model.observed.logs;
    let pane = &mut model.view.log;
    if pane.selection.take().is_some() {
        return;
    }
    let Some((first, last)) = pane.view.visible(store, height) else {
        flash(model, "there is no line to mark", true);
        return;
    };
    let at = pane.match_at.filter(|at| (first..=last).contains(at)).unwrap_or(last);
    // New lines would push what is being marked out of sight.
    pane.view.freeze(store, height);
    pane.selection = Some(Selection { anchor: at, cursor: at });
}

fn copy(model: &mut Model, height: usize) -> Vec<Ask> {
    let store = &model.observed.logs;
    let pane = &mut model.view.log;
    let marked = pane.selection.map(Selection::range).or_else(|| pane.view.visible(store, height));
    let Some((first, last)) = marked else {
        flash(model, "there is no line to copy", true);
        return Vec::new();
    };
    let numbers = pane.view.between(store, first, last);
    let Extract { text, n_lines, n_left, .. } = store.extract(&numbers, MOST_COPIED, Bytes::Clean);
    pane.selection = None;
    let told = match n_left {
        0 => format!("{n_lines} lines sent to the terminal's clipboard"),
        _ => format!(
            "the last {n_lines} lines sent to the terminal's clipboard; {n_left} before them found no room in \
             75 kB: S writes them to a file"
        ),
    };
    flash(model, told, n_left > 0);
    vec![Ask::Copy(String::from_utf8_lossy(&text).into_owned())]
}

/// Writes what is marked, else everything kept that the filter shows.
fn save(model: &mut Model) -> Vec<Ask> {
    let store = &model.observed.logs;
    let pane = &mut model.view.log;
    let (first, next) = store.bounds();
    let (from, to) = pane.selection.map_or((first, next), Selection::range);
    let numbers = pane.view.between(store, from, to);
    if numbers.is_empty() {
        flash(model, "there is no line to write", true);
        return Vec::new();
    }
    let extract = store.extract(&numbers, usize::MAX, Bytes::Raw);
    pane.selection = None;
    let mut bytes = heading(model, &extract).into_bytes();
    bytes.extend_from_slice(&extract.text);
    let target = model.targets().first().map_or("release", |target| target.name.as_str());
    let name = format!("gonogo-{target}-{}.log", compact(model.now.wall));
    vec![Ask::Save { name, bytes }]
}

/// Says where the lines start and what is not among them.
fn heading(model: &Model, extract: &Extract) -> String {
    let (store, pane) = (&model.observed.logs, &model.view.log);
    let targets: Vec<String> =
        model.targets().iter().map(|target| format!("{target} in {}", target.namespace)).collect();
    let starts = extract.starts.map_or_else(|| "an unknown time".to_owned(), |at| at.to_string());
    let filter = pane.filter.as_ref().map_or(String::new(), |filter| format!(", only those with /{filter}/"));
    format!(
        "# {} lines of the pods of {}, written by gonogo at {:.0}\n\
         # they start at {starts}{filter}\n\
         # not here: {} older lines that were let go, {} lines known to be lost, {} pods that were not followed\n",
        extract.n_lines,
        targets.join(", "),
        model.now.wall,
        store.n_dropped(),
        store.n_lost(),
        store.n_unfollowed(),
    )
}

/// A time that may stand in a file's name: `20261122T140346Z`.
fn compact(at: Timestamp) -> String {
    format!("{at:.0}").replace(['-', ':'], "")
}

/// Goes to the next match, or says that there is none.
pub(super) fn search(model: &mut Model, forward: bool) {
    let pane = &mut model.view.log;
    let Some(pattern) = &pane.search else {
        flash(model, "nothing is searched for: press / first", true);
        return;
    };
    let (first, next) = model.observed.logs.bounds();
    let from = pane.match_at.unwrap_or(if forward { first } else { next });
    match pane.view.find(&model.observed.logs, pattern, from, forward) {
        Some(number) => {
            pane.match_at = Some(number);
            pane.view.show(&model.observed.logs, usize::from(pane.height.max(1)), number);
        }
        None => {
            let way = if forward { "below" } else { "above" };
            let text = format!("no match for /{pattern}/ {way}");
            flash(model, text, true);
        }
    }
}

/// Shows the latest end or restart of a container, with the last lines of its life above it.
fn last_end(model: &mut Model) {
    let store = &model.observed.logs;
    let (first, next) = store.bounds();
    let ended = |number: &u64| {
        store.row(*number).is_some_and(|row| matches!(row.mark, Some(RowMark::Ended | RowMark::Restarted)))
    };
    match (first..next).rev().find(ended) {
        Some(number) => model.view.log.view.show(store, usize::from(model.view.log.height.max(1)), number),
        None => flash(model, "no followed container has ended yet", true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::model::Pane;
    use crate::app::model::fixture::Script;

    /// Twelve lines in the pane, of which it shows ten.
    fn reading() -> Script {
        let mut script = Script::rolling_out();
        script.model.view.focus = Pane::Rollout;
        script.model.view.log.height = 10;
        script.asked.clear();
        script
    }

    fn copied(script: &Script) -> Vec<String> {
        let copied = script.asked.iter().rev().find_map(|ask| match ask {
            Ask::Copy(text) => Some(text.lines().map(str::to_owned).collect()),
            _ => None,
        });
        copied.unwrap_or_default()
    }

    fn told(script: &Script) -> &str {
        script.model.view.flash.as_ref().map_or("", |flash| flash.text.as_str())
    }

    #[test]
    fn without_a_mark_what_is_in_sight_is_copied() {
        let mut script = reading();
        script.key("y");
        let lines = copied(&script);
        assert_eq!(lines.len(), 10, "{lines:?}");
        assert!(lines[9].contains("app-7c9f4-qqabc app WARN health: database error"), "{lines:?}");
        assert_eq!(told(&script), "10 lines sent to the terminal's clipboard");
    }

    #[test]
    fn a_range_is_marked_with_the_keys_that_move() {
        let mut script = reading();
        for key in ["v", "k", "k", "j", "y"] {
            script.key(key);
        }
        let lines = copied(&script);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(!script.model.view.log.view.is_following(), "new lines do not push away what was marked");
        assert_eq!(script.model.view.log.selection, None);
        for key in ["v", "home", "y"] {
            script.key(key);
        }
        assert_eq!(copied(&script).len(), 12);
        script.key("v");
        script.key("v");
        assert_eq!(script.model.view.log.selection, None);
    }

    #[test]
    fn what_no_terminal_would_take_is_named() {
        let mut script = reading();
        script.logs(2_000);
        for key in ["v", "home", "y"] {
            script.key(key);
        }
        let text = copied(&script).join("\n");
        assert!(text.len() <= MOST_COPIED && text.len() > MOST_COPIED - 200);
        assert!(told(&script).contains("before them found no room in 75 kB: S writes them to a file"));
    }

    #[test]
    fn a_file_says_where_it_starts_and_what_is_not_in_it() {
        let mut script = reading();
        for key in ["&", "E", "R", "R", "O", "R", "enter", "S"] {
            script.key(key);
        }
        let Some(Ask::Save { name, bytes }) = script.asked.last() else { panic!("{:?}", script.asked) };
        assert!(name.starts_with("gonogo-app-2026") && name.ends_with("Z.log"), "{name}");
        let text = String::from_utf8(bytes.clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0]
                .starts_with("# 3 lines of the pods of deployment/app in shop, written by gonogo at 2026")
        );
        assert!(
            lines[1].starts_with("# they start at 2026") && lines[1].ends_with(", only those with /ERROR/")
        );
        assert_eq!(
            lines[2],
            "# not here: 0 older lines that were let go, 0 lines known to be lost, 0 pods that were not followed"
        );
        assert_eq!(lines[3..].len(), 3);
        assert!(lines[3..].iter().all(|line| line.contains("ERROR db pool exhausted")));
    }

    #[test]
    fn a_filter_can_be_turned_round_and_a_broken_one_stays_to_be_mended() {
        let mut script = reading();
        for key in ["&", "!", "G", "E", "T", "enter"] {
            script.key(key);
        }
        let pane = &script.model.view.log;
        assert_eq!(pane.view.n_rows(&script.model.observed.logs), 6);
        assert_eq!(pane.filter.as_deref(), Some("!GET"));
        for key in ["(", "enter"] {
            if key == "(" {
                script.key("&");
            }
            script.key(key);
        }
        let prompt = script.model.view.prompt.as_ref().unwrap();
        assert_eq!(prompt.input.value(), "!GET(");
        assert_eq!(
            script.model.view.log.filter.as_deref(),
            Some("!GET"),
            "the one that works stays in force"
        );
    }
}
