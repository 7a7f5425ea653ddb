//! Which lines belong to the one before: stack traces, and JSON printed over many lines.
//!
//! A container writes one event after the other, so this looks at one stream at a time, line by line.

use super::Level;

/// A continuation follows its line at once; whatever comes later speaks for itself. Units: microseconds.
const AT_ONCE_US: i64 = 1_000_000;

/// What the lines so far lead one to expect. One per stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Group {
    shape: Shape,
    /// The time of the newest line.
    last_us: Option<i64>,
    /// How bad the line is that the others belong to.
    level: Option<Level>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Shape {
    #[default]
    Plain,
    /// Python says last what went wrong, without indentation.
    Python,
    /// Go writes calls without indentation, and empty lines between routines.
    Go,
}

impl Group {
    /// Takes in a line: whether it belongs to the one before, and how bad it is. What belongs to a
    /// line is as bad as that one.
    ///
    /// - Units: `at_us` in microseconds since the epoch.
    pub fn take(&mut self, line: &[u8], at_us: i64) -> (bool, Option<Level>) {
        let is_at_once =
            self.last_us.is_some_and(|last| (0..=AT_ONCE_US).contains(&at_us.saturating_sub(last)));
        self.last_us = Some(at_us);
        let begins = Beginning::of(line);
        let continues = is_at_once && self.is_part(line, begins);
        self.shape = self.shape_after(line, begins, continues);
        if !continues {
            self.level = if begins.is_trouble() { Some(Level::Error) } else { Level::of(line) };
        }
        (continues, self.level)
    }

    fn is_part(self, line: &[u8], begins: Beginning) -> bool {
        match begins {
            Beginning::Part => true,
            // Of a line that told of trouble; else it tells of the trouble itself.
            Beginning::Exception | Beginning::Traceback => {
                self.shape != Shape::Plain || self.level >= Some(Level::Warn)
            }
            Beginning::GoPanic => false,
            Beginning::Other => match self.shape {
                Shape::Plain => false,
                Shape::Python => true,
                Shape::Go => {
                    let starts = |with: &[u8]| line.starts_with(with);
                    line.is_empty()
                        || starts(b"goroutine ")
                        || starts(b"[signal ")
                        || starts(b"created by ")
                        || starts(b"exit status ")
                        || line.ends_with(b")")
                }
            },
        }
    }

    fn shape_after(self, line: &[u8], begins: Beginning, continues: bool) -> Shape {
        match (begins, self.shape) {
            (Beginning::Traceback, _) => Shape::Python,
            (Beginning::GoPanic, _) => Shape::Go,
            // The line that says what went wrong ends it.
            (_, Shape::Python) if line.first().is_some_and(|first| !b" \t".contains(first)) => Shape::Plain,
            (_, shape) if continues => shape,
            _ => Shape::Plain,
        }
    }
}

/// How a line begins, as far as that tells what it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// Indented, closing, or a part by its words.
    Part,
    /// `java.lang.IllegalStateException: no stock`
    Exception,
    /// Of Python.
    Traceback,
    GoPanic,
    Other,
}

impl Beginning {
    fn of(line: &[u8]) -> Self {
        let starts = |with: &[u8]| line.starts_with(with);
        let Some(first) = line.first() else { return Self::Other };
        match first {
            b' ' | b'\t' if line.iter().any(|byte| !byte.is_ascii_whitespace()) => Self::Part,
            b'}' | b']' | b')' if is_closing(line) => Self::Part,
            b'.' if starts(b"... ") => Self::Part,
            b'C' if starts(b"Caused by: ") => Self::Part,
            b'S' if starts(b"Suppressed: ") => Self::Part,
            b'D' if starts(b"During handling of the above exception") => Self::Part,
            b'T' if starts(b"The above exception was the direct cause") => Self::Part,
            b'T' if starts(b"Traceback (most recent call last)") => Self::Traceback,
            b'p' if starts(b"panic: ") => Self::GoPanic,
            b'f' if starts(b"fatal error: ") => Self::GoPanic,
            b'E' if starts(b"Exception in thread ") => Self::Exception,
            first if first.is_ascii_alphabetic() && is_exception(line) => Self::Exception,
            _ => Self::Other,
        }
    }

    fn is_trouble(self) -> bool {
        matches!(self, Self::Exception | Self::Traceback | Self::GoPanic)
    }
}

/// A dotted name that ends in Exception or Error, alone or before a colon.
fn is_exception(line: &[u8]) -> bool {
    let name = &line[..memchr::memchr(b':', line).unwrap_or(line.len())];
    (name.ends_with(b"Exception") || name.ends_with(b"Error"))
        && name.contains(&b'.')
        && !name.contains(&b' ')
}

/// The end of something that was opened before: brackets and commas alone.
fn is_closing(line: &[u8]) -> bool {
    line.first().is_some_and(|first| b"}])".contains(first))
        && line.len() <= 8
        && line.iter().all(|byte| b"}]),;".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that begin something of their own.
    fn heads<'l>(lines: &[&'l str]) -> Vec<&'l str> {
        let mut group = Group::default();
        lines.iter().copied().filter(|line| !group.take(line.as_bytes(), 0).0).collect()
    }

    #[test]
    fn a_java_trace_belongs_to_the_line_that_told_of_it() {
        let lines = [
            "ERROR cannot order",
            "java.lang.IllegalStateException: no stock",
            "\tat shop.Order.place(Order.java:7)",
            "\t... 12 more",
            "Caused by: java.io.IOException: gone",
            "    at shop.Stock.read(Stock.java:9)",
            "INFO next",
        ];
        assert_eq!(heads(&lines), [lines[0], lines[6]]);
    }

    #[test]
    fn a_python_trace_ends_with_what_went_wrong() {
        let lines = [
            "ERROR cannot order",
            "Traceback (most recent call last):",
            "  File \"shop.py\", line 7, in order",
            "    place()",
            "ValueError: no stock",
            "",
            "ValueError is rare",
        ];
        assert_eq!(heads(&lines), [lines[0], lines[5], lines[6]]);
    }

    #[test]
    fn a_go_panic_holds_its_routines() {
        let lines = [
            "panic: no stock",
            "",
            "goroutine 1 [running]:",
            "main.order(0x1)",
            "\t/src/main.go:7 +0x1d",
            "exit status 2",
            "listening again",
        ];
        assert_eq!(heads(&lines), [lines[0], lines[6]]);
    }

    #[test]
    fn json_over_many_lines_is_one_event() {
        let lines =
            ["{", "  \"level\": \"error\",", "  \"stack\": [", "    1", "  ]", "}", "{", "  \"a\": 1", "}"];
        assert_eq!(heads(&lines), ["{", "{"]);
    }

    #[test]
    fn ordinary_lines_stand_alone() {
        let lines = ["Server up", "", "Total 7", "fetch ok", "panel (a)", "Done (all)", "}{ odd", "[x] y"];
        assert_eq!(heads(&lines), lines);
    }

    #[test]
    fn what_comes_later_speaks_for_itself() {
        let mut group = Group::default();
        assert!(!group.take(b"ERROR x", 0).0);
        assert!(group.take(b"  at once", 900_000).0);
        assert!(!group.take(b"  later", 3_000_000).0);
        assert!(!group.take(b"  before", 0).0, "a clock that went back proves nothing");
    }

    #[test]
    fn trouble_that_nobody_announced_is_told_as_such() {
        for lines in [
            &["INFO fine", "Traceback (most recent call last):", "  File \"a\"", "KeyError: 'a'"][..],
            &["INFO fine", "java.lang.Error", "\tat a.B(B.java:1)"],
            &["INFO fine", "fatal error: all goroutines are asleep", "", "goroutine 1 [select]:"],
        ] {
            assert_eq!(heads(lines), lines[..2]);
            let mut group = Group::default();
            let levels: Vec<_> = lines.iter().map(|line| group.take(line.as_bytes(), 0).1).collect();
            assert!(levels[1..].iter().all(|level| *level == Some(Level::Error)), "{levels:?}");
        }
    }

    #[test]
    fn what_belongs_to_a_line_is_as_bad_as_that_one() {
        let mut group = Group::default();
        assert_eq!(group.take(b"ERROR x", 0).1, Some(Level::Error));
        assert_eq!(group.take(b"  INFO inside", 0), (true, Some(Level::Error)));
        assert_eq!(group.take(b"INFO y", 0), (false, Some(Level::Info)));
    }
}
