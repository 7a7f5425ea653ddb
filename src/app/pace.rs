//! When to draw: at once for a person, at most 30 times a second for data, and at a calm pace while
//! a log floods, yet whole within a tenth of a second once the stream falls quiet.

use std::time::Duration;

/// What a message made out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// So many lines of logs or of a command.
    Flood {
        lines: usize,
    },
    Data,
    /// A key or a resize.
    Urgent,
}

/// Between two frames that data alone causes: 30 a second.
const DATA: Duration = Duration::from_millis(33);
/// Between two frames of a flooding log: 5 a second are as many as a person can read.
const FLOOD: Duration = Duration::from_millis(200);
/// Between two frames when even so nothing of the one stands in the next: fewer are as legible, and a
/// slow line carries them.
const TORRENT: Duration = Duration::from_millis(500);
/// More lines than any pane has rows.
const SCREENFUL: usize = 100;
/// Without a line for this long a stream counts as quiet, and its last lines are drawn.
const QUIET: Duration = Duration::from_millis(60);

/// Decides when the next frame is due. Units: time since an arbitrary start, never going backwards.
#[derive(Debug, Default)]
pub struct Pace {
    last_frame: Duration,
    pending: Option<Haste>,
    last_flood: Duration,
    /// Lines since the last frame.
    n_lines: usize,
}

/// How soon a change wants to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Haste {
    Flood,
    Data,
    Urgent,
}

impl Pace {
    pub fn changed(&mut self, change: Change, now: Duration) {
        let haste = match change {
            Change::Flood { lines } => {
                self.last_flood = now;
                self.n_lines += lines;
                Haste::Flood
            }
            Change::Data => Haste::Data,
            Change::Urgent => Haste::Urgent,
        };
        self.pending = self.pending.max(Some(haste));
    }

    /// The moment to draw; `None` while nothing has changed since the last frame.
    pub fn due(&self) -> Option<Duration> {
        Some(match self.pending? {
            Haste::Urgent => Duration::ZERO,
            Haste::Data => self.last_frame + DATA,
            Haste::Flood => {
                let quiet = (self.last_flood + QUIET).max(self.last_frame + DATA);
                let pace = if self.n_lines > SCREENFUL { TORRENT } else { FLOOD };
                quiet.min(self.last_frame + pace)
            }
        })
    }

    /// Whether a person waits for the next frame.
    pub fn is_urgent(&self) -> bool {
        self.pending == Some(Haste::Urgent)
    }

    pub fn drawn(&mut self, now: Duration) {
        self.last_frame = now;
        self.pending = None;
        self.n_lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Change = Change::Flood { lines: 1 };

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Feeds changes at their times and returns the times of the frames.
    fn frames(changes: &[(u64, Change)], until: u64) -> Vec<u64> {
        let mut pace = Pace::default();
        pace.drawn(Duration::ZERO);
        let mut frames = Vec::new();
        let mut changes = changes.iter().peekable();
        for at in 0..until {
            while let Some((_, change)) = changes.next_if(|(when, _)| *when == at) {
                pace.changed(*change, ms(at));
            }
            if pace.due().is_some_and(|due| due <= ms(at)) {
                pace.drawn(ms(at));
                frames.push(at);
            }
        }
        frames
    }

    #[test]
    fn nothing_is_drawn_when_nothing_changed() {
        assert_eq!(frames(&[], 5_000), Vec::<u64>::new());
    }

    #[test]
    fn a_key_is_drawn_at_once_even_in_a_flood() {
        let mut changes: Vec<(u64, Change)> = (0..1_000).map(|at| (at, LINE)).collect();
        changes.push((505, Change::Urgent));
        changes.sort_by_key(|(at, _)| *at);
        assert!(frames(&changes, 1_000).contains(&505));
    }

    #[test]
    fn a_person_waits_from_the_key_to_the_frame() {
        let mut pace = Pace::default();
        pace.changed(LINE, ms(1));
        assert!(!pace.is_urgent());
        pace.changed(Change::Urgent, ms(2));
        pace.changed(LINE, ms(3));
        assert!(pace.is_urgent());
        pace.drawn(ms(4));
        assert!(!pace.is_urgent());
    }

    #[test]
    fn data_alone_causes_at_most_thirty_frames_a_second() {
        let changes: Vec<(u64, Change)> = (0..1_000).map(|at| (at, Change::Data)).collect();
        assert!(frames(&changes, 1_000).len() <= 31);
    }

    #[test]
    fn a_flood_is_drawn_five_times_a_second_and_whole_soon_after_its_end() {
        let changes: Vec<(u64, Change)> = (0..1_000).step_by(10).map(|at| (at, LINE)).collect();
        let drawn = frames(&changes, 2_000);
        assert!(drawn.iter().filter(|at| **at < 1_000).count() <= 5, "{drawn:?}");
        let last = *drawn.last().unwrap();
        assert!((990..=1_090).contains(&last), "{drawn:?}");
    }

    #[test]
    fn a_torrent_is_drawn_twice_a_second_and_as_soon_after_its_end() {
        let torrent = Change::Flood { lines: 13 };
        let changes: Vec<(u64, Change)> = (0..2_000).map(|at| (at, torrent)).collect();
        let drawn = frames(&changes, 3_000);
        assert_eq!(drawn.iter().filter(|at| **at < 2_000).count(), 3, "{drawn:?}");
        assert!((1_999..=2_099).contains(drawn.last().unwrap()), "{drawn:?}");
    }

    #[test]
    fn a_single_line_does_not_wait_for_the_flood_pace() {
        assert_eq!(frames(&[(500, LINE)], 1_000), [500]);
    }
}
