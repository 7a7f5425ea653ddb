//! Everything that can wake the loop.

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;

use crate::journal::ReadJournal;
use crate::journal::past::WorkloadPast;
use crate::release::{Event, LockSight};
use crate::watch::{Moment, Need, Observation, Preflight, TargetRef, TerminalScreen};
pub use crate::watch::{OutputBatch, OutputLine};
use crate::workflow::{CommandId, Edition, Probe};

/// One message, and the moment it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Msg {
    pub at: Moment,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Key(KeyEvent),
    /// Bracketed paste: text, never keys.
    Paste(String),
    Resize(u16, u16),
    /// Once a second of wall time: ages and clocks move.
    Tick,
    /// The world answers an effect.
    Fact(Box<Event>),
    Observed(Observation),
    /// The workloads of the namespace, to choose from.
    Offered(Vec<TargetRef>),
    /// A verdict may change now without a new fact, such as when pods have held long enough.
    Judge,
    /// A bound probe was asked.
    Probed {
        probe: Probe,
        pass: bool,
        value: String,
    },
    /// Who else holds the lock, before the release wants it.
    Lock(Box<LockSight>),
    /// What past releases tell of the targets.
    Past(BTreeMap<TargetRef, WorkloadPast>),
    /// Who the cluster says we are.
    Identity(String),
    /// What the rollback would change, `- ` and `+ ` lines.
    Diff(Vec<String>),
    Output(OutputBatch),
    /// What the terminal of a running command shows now.
    Screen {
        command: CommandId,
        attempt: u32,
        screen: TerminalScreen,
    },
    Journal(JournalNews),
    /// All that the journal of the release tells.
    JournalRead(Box<ReadJournal>),
    /// Whether this machine has what was looked for.
    Looked(Vec<(Need, bool)>),
    /// Preflight lines, each told when it is known.
    Preflight(Preflight),
    /// The answer to something that changed nothing but a file of ours.
    Told {
        text: String,
        is_refusal: bool,
    },
    /// The document on disk, or something that it calls, is no longer what it was.
    DocumentChanged(Box<Edition>),
    /// The process was stopped and goes on: the shell has had the terminal meanwhile.
    Continued,
    /// SIGHUP, SIGTERM, or the terminal went away.
    Leave {
        why: String,
    },
    /// Changes under way have ended, or their grace is over: the process may go.
    Drained,
}

#[derive(Debug, Clone, PartialEq)]
pub enum JournalNews {
    Durable {
        seq: u64,
    },
    /// The disk would not take it. `unrecorded` from this record on.
    Failed {
        seq: u64,
        why: String,
    },
    /// Read-only view: records that the other process wrote.
    Followed(Vec<Event>),
    /// The other process let go, or its lock is free again.
    HolderGone,
}
