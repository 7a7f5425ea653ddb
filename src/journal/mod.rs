//! The record: what happened to a release, one JSON line each, and the way from those lines back to
//! the release. Pure: bytes in, records out; `adapters::store` owns the files.
//!
//! A folder holds one release. `journal.jsonl` is written by one process; a side file such as
//! `rollback-<time>-<pid>.jsonl` holds records of the same shape, numbered from 1 on its own, so a process
//! that never waits for the journal's lock can leave a record too.

pub mod past;
mod read;
mod record;
mod replay;

pub use read::{ReadJournal, Reader, TornTail, read};
pub use record::{Record, VERSION, encode};
pub use replay::{merged, replay};

use crate::release::Refusal;

/// Why a journal cannot be used as it is. Every variant names the byte and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error(
        "nothing was recorded: the release never got as far as its opening; remove its folder and start it again"
    )]
    Empty,
    #[error(
        "written by a newer gonogo: byte {offset} holds a record of version {version}, this one reads up to {VERSION}; resume it with that gonogo"
    )]
    Newer { offset: u64, version: u64 },
    #[error("byte {offset} is the first of {n_nul} NUL bytes, which no record holds; {}", .whole.way_out())]
    NulBlock { offset: u64, n_nul: usize, whole: Whole },
    #[error("byte {offset} cannot be understood: {why}; {}", .whole.way_out())]
    Damaged { offset: u64, why: String, whole: Whole },
    #[error("byte {offset} holds record {found}, but record {expected} is missing before it; {}", .whole.way_out())]
    Gap { offset: u64, expected: u64, found: u64, whole: Whole },
    #[error("byte {offset} holds record {found} a second time; {}", .whole.way_out())]
    Repeated { offset: u64, found: u64, whole: Whole },
    #[error(
        "record {seq} does not follow from those before it ({refusal}); the journal or its workflow.md was edited, or another version of gonogo wrote it: use that version, or the untouched files"
    )]
    Refused { seq: u64, refusal: Refusal },
}

/// What can still be trusted before a damaged place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    pub n_records: u64,
    /// Where the first record that cannot be trusted begins. Units: bytes.
    pub until: u64,
}

impl Whole {
    fn way_out(self) -> String {
        match self.n_records {
            0 => "no record before it is whole: restore the journal from a backup".to_owned(),
            n => format!(
                "the first {n} are whole: keep a copy of the journal, cut it with `truncate -s {}`, and resume \
                 from there",
                self.until
            ),
        }
    }
}

#[cfg(test)]
mod tests;
