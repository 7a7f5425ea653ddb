//! The thread that writes: records in, "durable" or "failed" out.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::medium::{self, Medium};
use crate::journal::{Record, encode};

/// Records that could not be written are tried again this often. Units: wall time.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// What became of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Every record up to this one outlives a crash and a power cut.
    Durable { seq: u64 },
    /// The records from `seq` on are not on disk. They are kept and tried again each second, and
    /// with the next record; [`Written::Durable`] says when that worked.
    Failed { seq: u64, why: String },
}

/// The sending end of the thread that writes.
#[derive(Debug)]
pub struct Writer {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Request {
    records: Vec<Record>,
    essential: bool,
}

impl Writer {
    pub(super) fn start(
        medium: impl Medium + 'static,
        length: u64,
        last_seq: u64,
        retry: Duration,
        answer: impl FnMut(Written) + Send + 'static,
    ) -> io::Result<Self> {
        // Not bounded: a record must not be lost and the loop must not wait. What could fill it is
        // held back until it is durable, or told by the world only when it changes.
        let (requests, inbox) = mpsc::channel();
        let log = Log::new(medium, length, last_seq);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || run(log, &inbox, retry, answer))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Hands records over; returns at once. What is pending together is written and synced once.
    ///
    /// `essential` records belong to a rollback: the reserved room is freed for them.
    pub fn append(&self, records: Vec<Record>, essential: bool) {
        if let Some(requests) = &self.requests {
            // The thread outlives its sender, so the other end is there.
            let _ = requests.send(Request { records, essential });
        }
    }

    /// Waits until everything handed over was written, or was tried once more in vain.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic in `answer` has been reported where it happened.
            let _ = thread.join();
        }
    }
}

fn run<M: Medium>(
    mut log: Log<M>,
    inbox: &Receiver<Request>,
    retry: Duration,
    mut answer: impl FnMut(Written),
) {
    loop {
        let received = if log.is_behind() {
            inbox.recv_timeout(retry)
        } else {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        let (first, over) = match received {
            Ok(request) => (Some(request), false),
            Err(RecvTimeoutError::Timeout) => (None, false),
            Err(RecvTimeoutError::Disconnected) => (None, true),
        };
        let is_news = first.is_some();
        for request in first.into_iter().chain(inbox.try_iter()) {
            for record in request.records {
                if let Err(refused) = log.push(&record, request.essential) {
                    answer(refused);
                }
            }
        }
        match log.write() {
            Some(Written::Failed { .. }) if !is_news => {}
            Some(written) => answer(written),
            None => {}
        }
        if over {
            return;
        }
        log.restore_reserve();
    }
}

/// The journal as the thread knows it.
pub(super) struct Log<M> {
    medium: M,
    /// Everything before is records on disk. Units: bytes.
    length: u64,
    /// Part of a record may lie beyond `length`.
    untidy: bool,
    last_seq: u64,
    /// Lines that are not on disk yet, oldest first.
    pending: VecDeque<(u64, String)>,
    essential: bool,
}

impl<M: Medium> Log<M> {
    pub(super) fn new(medium: M, length: u64, last_seq: u64) -> Self {
        Self { medium, length, untidy: false, last_seq, pending: VecDeque::new(), essential: false }
    }

    fn is_behind(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes a record in. One out of order would make the whole journal unreadable: it is refused.
    pub(super) fn push(&mut self, record: &Record, essential: bool) -> Result<(), Written> {
        let expected = self.last_seq + 1;
        if record.seq != expected {
            let why = format!(
                "record {} came when {expected} was due, and was left out; this is a fault in gonogo",
                record.seq
            );
            return Err(Written::Failed { seq: record.seq, why });
        }
        self.last_seq = record.seq;
        self.pending.push_back((record.seq, encode(record)));
        self.essential |= essential;
        Ok(())
    }

    /// Writes everything pending in one go. `None` when there is nothing.
    pub(super) fn write(&mut self) -> Option<Written> {
        let (first, _) = self.pending.front()?;
        let first = *first;
        let bytes: String = self.pending.iter().map(|(_, line)| line.as_str()).collect();
        let mut result = self.try_write(bytes.as_bytes());
        if self.essential
            && self.medium.has_reserve()
            && result.as_ref().is_err_and(medium::is_full)
            && self.medium.give_reserve().is_ok()
        {
            result = self.try_write(bytes.as_bytes());
        }
        Some(match result {
            Ok(()) => {
                self.length += bytes.len() as u64;
                self.pending.clear();
                self.essential = false;
                Written::Durable { seq: self.last_seq }
            }
            Err(error) => Written::Failed { seq: first, why: words(&error) },
        })
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tidy()?;
        self.untidy = true;
        let result = self.write_all(bytes).and_then(|()| self.medium.sync());
        match result {
            Ok(()) => self.untidy = false,
            // After a failed sync nobody knows what is on disk: all of it is written anew. That this
            // cut may fail too is why the next attempt begins with it.
            Err(_) => drop(self.tidy()),
        }
        result
    }

    fn tidy(&mut self) -> io::Result<()> {
        if self.untidy {
            self.medium.cut(self.length)?;
            self.untidy = false;
        }
        Ok(())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut offset = self.length;
        while !bytes.is_empty() {
            match self.medium.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    offset += n as u64;
                    bytes = &bytes[n..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Once there is room again, keeps some for the next rollback.
    fn restore_reserve(&mut self) {
        if !self.is_behind() && !self.medium.has_reserve() {
            // Without it the next rollback may go unrecorded, and still fires.
            let _ = self.medium.fill_reserve();
        }
    }
}

fn words(error: &io::Error) -> String {
    if medium::is_full(error) {
        format!("the disk is full ({error}); make room and it is written within a second")
    } else {
        error.to_string()
    }
}
