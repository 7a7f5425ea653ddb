//! Bytes to records: whole lines in unbroken order, or the byte where trust ends.

use serde::Deserialize;

use super::{JournalError, Record, VERSION, Whole};

/// All that a journal's bytes gave.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadJournal {
    pub records: Vec<Record>,
    /// A last line that never got its line end. Nothing waited for it: it was not durable.
    pub torn: Option<TornTail>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// Where the torn line begins. Units: bytes.
    pub offset: u64,
    pub bytes: Vec<u8>,
}

/// Reads a whole journal.
///
/// - Shape: a torn last line is tolerated and reported.
/// - Errors: any other damage, and records of a newer version, with byte offset and way out.
pub fn read(bytes: &[u8]) -> Result<ReadJournal, JournalError> {
    let mut reader = Reader::default();
    let records = reader.read(bytes)?;
    let tail = usize::try_from(reader.offset()).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
    let torn = (!tail.is_empty()).then(|| TornTail { offset: reader.offset(), bytes: tail.to_vec() });
    Ok(ReadJournal { records, torn })
}

/// Reads a journal that is still being written, piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    offset: u64,
    last_seq: u64,
}

impl Reader {
    /// Where the next record begins. Units: bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of the last record read; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Takes the whole lines of `bytes`, which begin at [`Reader::offset`], and leaves a line without
    /// its end for the next time.
    ///
    /// - Errors: as [`read()`]; the reader then stands before the record that is to blame.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        let mut from = 0;
        while let Some(length) = memchr::memchr(b'\n', &bytes[from..]) {
            let line = &bytes[from..from + length];
            let record = self.line(line)?;
            self.last_seq = record.seq;
            self.offset += length as u64 + 1;
            from += length + 1;
            records.push(record);
        }
        // A torn line is the beginning of a record, and no record holds NUL: such a tail is a block
        // that the file system promised and never wrote, and what follows it in time is unknown.
        self.refuse_nul(&bytes[from..])?;
        Ok(records)
    }

    fn line(&self, line: &[u8]) -> Result<Record, JournalError> {
        self.refuse_nul(line)?;
        let record: Record = match serde_json::from_slice(line) {
            Ok(record) => record,
            Err(error) => return Err(self.not_understood(line, &error)),
        };
        if record.v > VERSION {
            return Err(JournalError::Newer { offset: self.offset, version: record.v.into() });
        }
        let (offset, found, expected) = (self.offset, record.seq, self.last_seq + 1);
        match found.cmp(&expected) {
            std::cmp::Ordering::Equal => Ok(record),
            std::cmp::Ordering::Less => Err(JournalError::Repeated { offset, found, whole: self.whole() }),
            std::cmp::Ordering::Greater => {
                Err(JournalError::Gap { offset, expected, found, whole: self.whole() })
            }
        }
    }

    fn refuse_nul(&self, line: &[u8]) -> Result<(), JournalError> {
        let Some(first) = memchr::memchr(0, line) else { return Ok(()) };
        let n_nul = line[first..].iter().take_while(|byte| **byte == 0).count();
        Err(JournalError::NulBlock { offset: self.offset + first as u64, n_nul, whole: self.whole() })
    }

    /// A record that we cannot read may simply be newer than we are: its version says so.
    fn not_understood(&self, line: &[u8], error: &serde_json::Error) -> JournalError {
        #[derive(Deserialize)]
        struct Header {
            v: u64,
        }
        match serde_json::from_slice::<Header>(line) {
            Ok(Header { v }) if v > u64::from(VERSION) => {
                JournalError::Newer { offset: self.offset, version: v }
            }
            _ => {
                // A whole line of JSON that is no record of ours is to blame from its beginning.
                let within = if error.is_data() { 0 } else { error.column().saturating_sub(1) };
                let text = error.to_string();
                let why = text.split(" at line ").next().unwrap_or(&text).to_owned();
                JournalError::Damaged { offset: self.offset + within as u64, why, whole: self.whole() }
            }
        }
    }

    fn whole(&self) -> Whole {
        Whole { n_records: self.last_seq, until: self.offset }
    }
}
