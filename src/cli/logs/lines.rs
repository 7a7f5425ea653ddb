//! Lines as they are printed: which ones, and what stands before them.

use std::collections::HashMap;
use std::sync::Arc;

use color_eyre::eyre::bail;
use jiff::fmt::temporal::DateTimePrinter;
use regex::bytes::{Regex, RegexBuilder};

use crate::adapters::out::{Out, ReaderGone};
use crate::watch::logs::{Group, Level, clean};
use crate::watch::{LogBatch, LogLine, LogSource};

/// A piece for the output holds about this much.
const PIECE: usize = 256 << 10;
/// Six colours that can be read on dark and on light ground: cyan, green, yellow, blue, magenta, and
/// their bright cyan.
const COLOURS: [&str; 6] = ["36", "32", "33", "34", "35", "96"];

/// Which lines are printed.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// One of them has to match; all lines pass without any.
    include: Vec<Regex>,
    exclude: Vec<Regex>,
    least: Option<Level>,
}

impl Sieve {
    /// - Errors: a pattern that is none, with what is wrong about it.
    pub fn new(patterns: &[String], least: Option<Level>) -> color_eyre::Result<Self> {
        let mut sieve = Self { least, ..Self::default() };
        for pattern in patterns {
            let (text, list) = match pattern.strip_prefix('!') {
                Some(text) => (text, &mut sieve.exclude),
                None => (pattern.as_str(), &mut sieve.include),
            };
            let any_case = !text.chars().any(char::is_uppercase);
            match RegexBuilder::new(text).case_insensitive(any_case).build() {
                Ok(regex) => list.push(regex),
                Err(error) => bail!("--grep `{pattern}` is not a pattern: {error}"),
            }
        }
        Ok(sieve)
    }

    /// - `group`: what the lines of this stream so far say about the next: a line of a stack trace is
    ///   as bad as the one that it belongs to.
    fn passes(&self, line: &LogLine<'_>, group: &mut Group) -> bool {
        let is_bad_enough = self.least.is_none_or(|least| {
            let at_us = line.at_ns().map_or(i64::MIN, |ns| ns.div_euclid(1000));
            let (_, level) = group.take(line.bytes, at_us);
            level.is_some_and(|level| level >= least)
        });
        let line = line.bytes;
        is_bad_enough
            && (self.include.is_empty() || self.include.iter().any(|pattern| pattern.is_match(line)))
            && !self.exclude.iter().any(|pattern| pattern.is_match(line))
    }

    fn passes_all(&self) -> bool {
        self.least.is_none() && self.include.is_empty() && self.exclude.is_empty()
    }
}

/// What a printed line looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dress {
    pub prefix: bool,
    pub timestamps: bool,
    /// Made harmless for a terminal.
    pub cleaned: bool,
    pub coloured: bool,
}

#[derive(Debug)]
pub(super) struct Printer {
    dress: Dress,
    sieve: Sieve,
    /// Where each stream is, if levels matter: the lines of a stack trace name none.
    groups: HashMap<Arc<LogSource>, Group>,
    piece: Vec<u8>,
    head: Vec<u8>,
    /// Whether it was said that the API server does not answer.
    pub is_silent: bool,
}

impl Printer {
    pub fn new(dress: Dress, sieve: Sieve) -> Self {
        Self { dress, sieve, groups: HashMap::new(), piece: Vec::new(), head: Vec::new(), is_silent: false }
    }

    /// Takes in the lines of a batch and hands on what makes a piece.
    pub async fn print(&mut self, batch: &LogBatch, out: &Out) -> Result<(), ReaderGone> {
        if batch.lines.is_empty() {
            return Ok(());
        }
        self.head = if self.dress.prefix { head(&batch.source, self.dress.coloured) } else { Vec::new() };
        let passes_all = self.sieve.passes_all();
        self.piece.reserve(batch.lines.n_bytes() + batch.lines.len() * (self.head.len() + 1));
        let mut group = self.groups.get(&batch.source).copied().unwrap_or_default();
        for line in batch.lines.iter() {
            if passes_all || self.sieve.passes(&line, &mut group) {
                self.line(&line);
            }
        }
        if self.sieve.least.is_some() {
            self.groups.insert(Arc::clone(&batch.source), group);
        }
        if self.piece.len() >= PIECE { self.flush(out).await } else { Ok(()) }
    }

    /// Hands on what is there.
    pub async fn flush(&mut self, out: &Out) -> Result<(), ReaderGone> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(self.piece.len());
        out.write(std::mem::replace(&mut self.piece, next)).await
    }

    fn line(&mut self, line: &LogLine<'_>) {
        self.piece.extend_from_slice(&self.head);
        if self.dress.timestamps
            && let Some(at) = line.at()
        {
            const TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(9));
            // Writing into memory cannot fail.
            let _ = TIMES.print_timestamp(&at, &mut self.piece);
            self.piece.push(b' ');
        }
        if self.dress.cleaned {
            self.piece.extend_from_slice(clean(&line.text()).as_bytes());
        } else {
            self.piece.extend_from_slice(line.bytes);
        }
        self.piece.push(b'\n');
    }
}

/// What stands before each line of a container; a pod keeps its colour.
fn head(source: &LogSource, coloured: bool) -> Vec<u8> {
    let LogSource { pod, container, .. } = source;
    if !coloured {
        return format!("{pod} {container} ").into_bytes();
    }
    let sum = pod.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let colour = COLOURS[sum % COLOURS.len()];
    format!("\u{1b}[{colour}m{pod} {container}\u{1b}[0m ").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const PLAIN: Dress = Dress { prefix: false, timestamps: false, cleaned: false, coloured: false };

    /// Lines of one pod, all of the same moment.
    fn batch(pod: &str, lines: &[&[u8]]) -> LogBatch {
        let source = LogSource { pod: pod.into(), container: "app".into(), revision: None };
        let mut batch = LogBatch { source: Arc::new(source), lines: Default::default(), mark: None };
        for line in lines {
            batch.lines.push(Some(1_795_356_000_044_000_000), line);
        }
        batch
    }

    fn printed(dress: Dress, sieve: Sieve, lines: &[&[u8]]) -> Vec<u8> {
        all_printed(dress, sieve, &[batch("app-1", lines)])
    }

    fn all_printed(dress: Dress, sieve: Sieve, batches: &[LogBatch]) -> Vec<u8> {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut printer = Printer::new(dress, sieve);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let out = Out::new(writer);
            for batch in batches {
                printer.print(batch, &out).await.unwrap();
            }
            printer.flush(&out).await.unwrap();
            out.finish().unwrap();
        });
        std::io::Read::bytes(reader).map(Result::unwrap).collect()
    }

    fn sieve(patterns: &[&str]) -> Sieve {
        Sieve::new(&patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), None).unwrap()
    }

    #[test]
    fn a_file_gets_the_bytes_as_they_were_written() {
        let hostile: &[u8] = b"a\xff\x1b]52;c;x\x07\0b";
        assert_eq!(printed(PLAIN, Sieve::default(), &[hostile, b""]), [hostile, b"\n\n"].concat());
    }

    #[test]
    fn a_terminal_gets_what_is_harmless() {
        let dress = Dress { cleaned: true, prefix: true, ..PLAIN };
        let text = printed(dress, Sieve::default(), &[b"a\xff\x1b]52;c;x\x07\0b"]);
        assert_eq!(String::from_utf8(text).unwrap(), "app-1 app a\u{fffd}·b\n");
        let dress = Dress { coloured: true, ..dress };
        let text = String::from_utf8(printed(dress, Sieve::default(), &[b"x"])).unwrap();
        assert!(text.starts_with("\u{1b}[") && text.ends_with("mapp-1 app\u{1b}[0m x\n"), "{text:?}");
    }

    #[test]
    fn the_time_is_the_servers_own() {
        let text = printed(Dress { timestamps: true, ..PLAIN }, Sieve::default(), &[b"x"]);
        assert_eq!(String::from_utf8(text).unwrap(), "2026-11-22T14:00:00.044000000Z x\n");
    }

    #[test]
    fn one_match_is_enough_and_one_hides() {
        let lines: [&[u8]; 4] = [b"GET /cart", b"get /login", b"GET /health", b"POST /x"];
        let text = printed(PLAIN, sieve(&["get", "POST", "!health"]), &lines);
        assert_eq!(text, b"GET /cart\nget /login\nPOST /x\n");
        assert_eq!(printed(PLAIN, sieve(&["GET", "!health"]), &lines), b"GET /cart\n");
    }

    #[test]
    fn a_level_lets_through_what_is_worse() {
        let sieve = Sieve::new(&[], Some(Level::Warn)).unwrap();
        let text = printed(PLAIN, sieve, &[b"INFO a", b"WARN b", b"ERROR c", b"d"]);
        assert_eq!(text, b"WARN b\nERROR c\n");
    }

    #[test]
    fn a_stack_trace_is_as_bad_as_the_line_that_it_belongs_to() {
        let at_least = |level| Sieve::new(&[], Some(level)).unwrap();
        let trace: [&[u8]; 6] = [
            b"INFO before",
            b"ERROR order 7 failed",
            b"java.lang.IllegalStateException: no stock",
            b"\tat shop.Cart.add(Cart.java:12)",
            b"Caused by: java.io.IOException: closed",
            b"INFO after",
        ];
        let text = printed(PLAIN, at_least(Level::Error), &trace);
        assert_eq!(text, [trace[1], trace[2], trace[3], trace[4], b""].join(&b'\n'));
        let debug: [&[u8]; 3] = [b"DEBUG request", b"  header: x", b"WARN slow"];
        assert_eq!(printed(PLAIN, at_least(Level::Warn), &debug), b"WARN slow\n", "nor better than it");
        let twice = Sieve::new(&["order|Cart".to_owned()], Some(Level::Error)).unwrap();
        let text = printed(PLAIN, twice, &trace);
        assert_eq!(text, [trace[1], trace[3], b""].join(&b'\n'), "a pattern is asked of each line");
    }

    #[test]
    fn a_trace_goes_on_in_its_own_stream_whatever_others_write_between() {
        let batches = [
            batch("app-1", &[b"ERROR order 7 failed"]),
            batch("app-2", &[b"INFO fine", b"\tindented and fine"]),
            batch("app-1", &[b"\tat shop.Cart.add(Cart.java:12)"]),
        ];
        let text = all_printed(PLAIN, Sieve::new(&[], Some(Level::Error)).unwrap(), &batches);
        assert_eq!(text, b"ERROR order 7 failed\n\tat shop.Cart.add(Cart.java:12)\n");
    }

    #[test]
    fn a_pattern_that_is_none_says_what_is_wrong() {
        let error = Sieve::new(&["a(".to_owned()], None).unwrap_err().to_string();
        assert!(error.contains("--grep `a(`") && error.contains("unclosed group"), "{error}");
    }
}
