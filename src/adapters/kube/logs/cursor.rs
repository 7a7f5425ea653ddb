//! How far a log was read, and which of its lines are known when it is opened again.

use jiff::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineTime {
    /// Units: seconds since the epoch.
    pub second: i64,
    pub nanos: i64,
}

impl LineTime {
    pub fn ns(self) -> i64 {
        self.second.saturating_mul(1_000_000_000).saturating_add(self.nanos)
    }
}

/// How far the log of one life of a container was read.
///
/// The server resumes by whole seconds, so the lines of the last second are counted and passed
/// over: text alone would take equal lines for the same. It serves a log by the container's name,
/// and does not say whose life or which file it is: the first line of that second, repeated, does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor(Option<Place>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    second: i64,
    /// Lines taken in whose time lies in that second.
    n_in_second: u32,
    /// The time of the first of them.
    head_ns: i64,
    /// The latest time taken in, and the first.
    last_ns: i64,
    origin_ns: i64,
}

impl Cursor {
    pub fn advance(&mut self, at: LineTime) {
        let ns = at.ns();
        match &mut self.0 {
            Some(place) if place.second == at.second => {
                place.n_in_second += 1;
                place.last_ns = place.last_ns.max(ns);
            }
            // Two writers of one container can overtake each other around the full second.
            Some(place) if at.second < place.second => {}
            place => {
                let origin_ns = place.map_or(ns, |place| place.origin_ns);
                let second = at.second;
                *place = Some(Place { second, n_in_second: 1, head_ns: ns, last_ns: ns, origin_ns });
            }
        }
    }

    pub fn has_read(&self) -> bool {
        self.0.is_some()
    }

    /// Where to ask again from, floored: the client library would round, and lose lines.
    pub fn since(&self) -> Option<Timestamp> {
        self.0.and_then(|place| Timestamp::from_second(place.second).ok())
    }

    /// Whether nothing was taken in that is later than this second.
    pub fn ends_by(&self, second: i64) -> bool {
        self.0.is_none_or(|place| place.second <= second)
    }

    /// From the first line taken in to the last.
    pub fn span(&self) -> Option<Span> {
        self.0.map(|place| Span { from_ns: place.origin_ns, to_ns: place.last_ns })
    }
}

/// A stretch of time, both ends included. Units: nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub from_ns: i64,
    pub to_ns: i64,
}

/// Which lines of a log were told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    /// Those of this time: they were read in the belief that they belonged to the life before.
    Span(Span),
    /// Those up to the cursor, as far as this is the log in which it stands.
    UpTo(Cursor),
    /// The same, and what comes when it is another log is taken: it was rotated.
    UpToWherever(Cursor),
}

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// It was read before.
    Known,
    New,
    /// It is new, and of those before it that must have been there some are not: the log was rotated.
    NewAfterGap,
    /// It belongs to another log than the cursor, and so does all that follows.
    Stray,
}

/// Judges the lines of one stream, in their order.
#[derive(Debug)]
pub(super) struct Judge {
    stage: Stage,
    /// The cursor's own line was met again: this is the log in which it stands.
    pub met: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    AllNew,
    Span(Span),
    /// No line of the cursor's second came yet.
    Looking {
        place: Place,
        takes_others: bool,
    },
    /// Lines of the cursor's second that are still to come again.
    Counting {
        second: i64,
        left: u32,
    },
    Stray,
}

impl Judge {
    pub fn new(known: Known) -> Self {
        let looking = |cursor: Cursor, takes_others| {
            cursor.0.map_or(Stage::AllNew, |place| Stage::Looking { place, takes_others })
        };
        let stage = match known {
            Known::Nothing => Stage::AllNew,
            Known::Span(span) => Stage::Span(span),
            Known::UpTo(cursor) => looking(cursor, false),
            Known::UpToWherever(cursor) => looking(cursor, true),
        };
        Self { stage, met: false }
    }

    pub fn judge(&mut self, at: LineTime) -> Judged {
        match self.stage {
            Stage::AllNew => Judged::New,
            Stage::Span(span) if span.from_ns <= at.ns() && at.ns() <= span.to_ns => Judged::Known,
            Stage::Span(_) => Judged::New,
            Stage::Looking { place, .. } if at.second < place.second => Judged::Known,
            Stage::Looking { place, .. } if at.ns() == place.head_ns => {
                self.met = true;
                self.stage = Stage::Counting { second: place.second, left: place.n_in_second - 1 };
                Judged::Known
            }
            Stage::Looking { takes_others: false, .. } => {
                self.stage = Stage::Stray;
                Judged::Stray
            }
            Stage::Looking { place, .. } => {
                // What was read of this file before is no longer counted, only timed.
                self.stage = Stage::Span(Span { from_ns: i64::MIN, to_ns: place.last_ns });
                if at.ns() <= place.last_ns { Judged::Known } else { Judged::NewAfterGap }
            }
            Stage::Counting { second, .. } if at.second < second => Judged::Known,
            Stage::Counting { second, left } if at.second == second && left > 0 => {
                self.stage = Stage::Counting { second, left: left - 1 };
                Judged::Known
            }
            Stage::Counting { left, .. } => {
                self.stage = Stage::AllNew;
                // Fewer than were counted: what was passed over may have been new.
                if left == 0 { Judged::New } else { Judged::NewAfterGap }
            }
            Stage::Stray => Judged::Stray,
        }
    }

    /// Whether this turned out to be another log than the cursor's.
    pub fn is_stray(&self) -> bool {
        matches!(self.stage, Stage::Stray)
    }

    /// Whether what comes may begin in the middle of a line, because it is asked for from a time on.
    pub fn is_resuming(&self) -> bool {
        matches!(self.stage, Stage::Looking { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> LineTime {
        LineTime { second: ms.div_euclid(1000), nanos: ms.rem_euclid(1000) * 1_000_000 }
    }

    fn cursor(ms: &[i64]) -> Cursor {
        let mut cursor = Cursor::default();
        ms.iter().for_each(|ms| cursor.advance(at(*ms)));
        cursor
    }

    fn judged(known: Known, ms: &[i64]) -> Vec<Judged> {
        let mut judge = Judge::new(known);
        ms.iter().map(|ms| judge.judge(at(*ms))).collect()
    }

    #[test]
    fn a_log_that_does_not_repeat_the_cursors_second_is_another_one() {
        let cursor = cursor(&[1100, 1200]);
        // The same number of lines in the same second, but not the same lines.
        assert_eq!(judged(Known::UpTo(cursor), &[1300, 1400, 1500]), [Judged::Stray; 3]);
        assert_eq!(
            judged(Known::UpTo(cursor), &[1100, 1200, 1500]),
            [Judged::Known, Judged::Known, Judged::New]
        );
    }

    #[test]
    fn of_a_rotated_log_all_is_taken_that_is_later_and_the_gap_told_where_there_may_be_one() {
        let cursor = cursor(&[1100, 1200, 1300]);
        let known = Known::UpToWherever(cursor);
        assert_eq!(judged(known, &[1400, 1500]), [Judged::NewAfterGap, Judged::New]);
        // Its first line was read before the stream broke: nothing is missing between.
        assert_eq!(judged(known, &[1300, 1400]), [Judged::Known, Judged::New]);
    }

    #[test]
    fn a_second_with_fewer_lines_than_were_read_shows_a_gap() {
        let cursor = cursor(&[1100, 1200, 1300]);
        assert_eq!(judged(Known::UpTo(cursor), &[1100, 7000]), [Judged::Known, Judged::NewAfterGap]);
    }

    #[test]
    fn what_was_read_by_mistake_is_passed_over_and_what_lies_around_it_is_not() {
        let known = Known::Span(cursor(&[2100, 3200]).span().unwrap());
        assert_eq!(
            judged(known, &[2000, 2100, 3200, 3201]),
            [Judged::New, Judged::Known, Judged::Known, Judged::New]
        );
    }
}
