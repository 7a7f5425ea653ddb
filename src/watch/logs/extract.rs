//! Lines taken out of the store: for the clipboard, or for a file.

use std::io::Write as _;

use jiff::Timestamp;

use super::{LogStore, NO_SOURCE, NO_TIME, shown};

/// Some lines as text, each with its time, pod and container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extract {
    pub text: Vec<u8>,
    pub n_lines: usize,
    /// Older lines that were asked for and found no room.
    pub n_left: usize,
    /// The time of its first line.
    pub starts: Option<Timestamp>,
}

/// What becomes of bytes that act on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// Made harmless: for text that is pasted.
    Clean,
    /// Kept as the container wrote them: for a file.
    Raw,
}

impl LogStore {
    /// Takes out lines by their numbers, oldest first; the newest that fit into `limit` bytes.
    pub fn extract(&self, numbers: &[u64], limit: usize, bytes: Bytes) -> Extract {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut room = limit;
        for number in numbers.iter().rev() {
            let Some(line) = self.as_text(*number, bytes) else { continue };
            let Some(left) = room.checked_sub(line.len()) else { break };
            room = left;
            lines.push(line);
        }
        let n_lines = lines.len();
        let n_left = numbers.len() - n_lines;
        let starts = numbers.iter().skip(n_left).find_map(|number| self.time_of(*number));
        lines.reverse();
        Extract { text: lines.concat(), n_lines, n_left, starts }
    }

    fn time_of(&self, number: u64) -> Option<Timestamp> {
        let line = self.line(number).filter(|line| line.at_us != NO_TIME)?;
        Timestamp::from_microsecond(line.at_us).ok()
    }

    fn as_text(&self, number: u64, bytes: Bytes) -> Option<Vec<u8>> {
        let (segment, index) = self.locate(number)?;
        let segment = self.segments.get(segment)?;
        let line = segment.lines.get(index)?;
        let text = segment.text_of(line);
        let mut out = Vec::with_capacity(text.len() + 80);
        // Writing into memory cannot fail.
        if let Some(at) = self.time_of(number) {
            let _ = write!(out, "{at:.6} ");
        }
        if line.source != NO_SOURCE
            && let Some(stream) = self.streams.get(usize::from(line.source))
        {
            let _ = write!(out, "{} {} ", stream.source.pod, stream.source.container);
        }
        if line.mark.is_some() {
            out.extend_from_slice(b"-- ");
        }
        match bytes {
            Bytes::Clean => out.extend_from_slice(shown(text).as_bytes()),
            Bytes::Raw => out.extend_from_slice(text),
        }
        out.push(b'\n');
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::watch::{LogBatch, LogMark, LogSource};

    fn store() -> LogStore {
        let source = Arc::new(LogSource { pod: "app-1".into(), container: "app".into(), revision: None });
        let at: Option<Timestamp> = "2026-11-22T14:00:00.031Z".parse().ok();
        let lines = [(at, "one"), (at, "t\u{1b}]52;c;x\u{7}wo"), (at, "three")].into_iter().collect();
        let mark = Some(LogMark::Lost { lines: 7, why: "rotated".into() });
        let mut store = LogStore::default();
        store.push(&LogBatch { source, lines, mark }, Timestamp::UNIX_EPOCH);
        store
    }

    #[test]
    fn every_line_carries_its_time_and_pod() {
        let extract = store().extract(&[0, 3], usize::MAX, Bytes::Clean);
        assert_eq!(
            String::from_utf8(extract.text).unwrap(),
            "2026-11-22T14:00:00.031000Z app-1 app one\n\
             2026-11-22T14:00:00.031000Z app-1 app -- 7 lines lost: rotated\n"
        );
        assert_eq!((extract.n_lines, extract.n_left), (2, 0));
    }

    #[test]
    fn what_is_pasted_is_harmless_and_a_file_keeps_the_bytes() {
        let store = store();
        let text = |bytes| String::from_utf8(store.extract(&[1], usize::MAX, bytes).text).unwrap();
        assert!(text(Bytes::Clean).ends_with("app two\n"));
        assert!(text(Bytes::Raw).ends_with("app t\u{1b}]52;c;x\u{7}wo\n"));
    }

    #[test]
    fn the_newest_lines_find_room_and_the_others_are_counted() {
        let extract = store().extract(&[0, 1, 2], 60, Bytes::Clean);
        assert_eq!((extract.n_lines, extract.n_left), (1, 2));
        assert!(extract.text.ends_with(b"three\n"));
        assert!(extract.starts.is_some());
    }
}
