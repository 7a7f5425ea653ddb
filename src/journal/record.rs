//! The shape on disk.

use serde::{Deserialize, Serialize};

use crate::release::Event;

/// The newest shape this program writes and reads.
pub const VERSION: u32 = 1;

/// One line of a journal: `{"v":1,"seq":7,"at":{…},"by":{…},"fact":"confirmed",…}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Raised when an older gonogo could misread what is written.
    pub v: u32,
    /// From 1, without a gap: what is missing shows.
    pub seq: u64,
    #[serde(flatten)]
    pub event: Event,
}

impl Record {
    pub fn new(seq: u64, event: Event) -> Self {
        Self { v: VERSION, seq, event }
    }
}

/// Writes a record as the line that goes to disk, its line end included.
///
/// The line end is what makes a record count: a line without it was torn.
pub fn encode(record: &Record) -> String {
    let mut line =
        serde_json::to_string(record).expect("a record holds strings, numbers and maps keyed by strings");
    line.push('\n');
    line
}
