//! The history of releases, read from the few lines that tell it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Beside, Folder, StoreError, folder, is_held};
use crate::journal::{self, Record};
use crate::release::{Fact, Phase, ReleaseId};
use crate::watch::TargetRef;
use crate::workflow::{self, Source};

/// One line of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub id: ReleaseId,
    /// Empty when the journal cannot be read.
    pub title: String,
    /// `None`: the journal cannot say; see `problem`.
    pub phase: Option<Phase>,
    /// Wall time.
    pub started: Option<Timestamp>,
    pub params: BTreeMap<String, String>,
    pub targets: Vec<TargetRef>,
    /// Who opened it.
    pub by: Option<String>,
    /// Whether some process writes it now.
    pub held_by_other: bool,
    pub practice: bool,
    /// What keeps it from being read, with the way out.
    pub problem: Option<String>,
}

impl Summary {
    /// Whether it can still be gone on with.
    pub fn is_open(&self) -> bool {
        self.phase.is_some_and(|phase| !phase.is_over())
    }
}

/// Lists all releases, newest first. A release that cannot be read is listed with its problem.
///
/// Only the first and last lines of a journal are read, but for a release whose rollback was fired:
/// no single record says whether it has become safe, so that one is replayed.
pub fn list(state_dir: &Path) -> Result<Vec<Summary>, StoreError> {
    let ids = ids(state_dir)?;
    let mut all: Vec<Summary> = ids.iter().map(|id| summary(state_dir, id)).collect();
    all.sort_by(|a, b| (b.started, &b.id).cmp(&(a.started, &a.id)));
    Ok(all)
}

/// Finds the release that is meant: by its name or the beginning of it, or, without one, the newest
/// that is open.
pub fn resolve(state_dir: &Path, wanted: Option<&str>) -> Result<ReleaseId, StoreError> {
    let Some(wanted) = wanted else {
        let all = list(state_dir)?;
        if let Some(newest) = all.iter().find(|release| release.is_open()) {
            return Ok(newest.id.clone());
        }
        // One that cannot be read may be the one that is meant: "none" would hide it.
        let unreadable = all.into_iter().find_map(|release| Some((release.id, release.problem?)));
        return Err(match unreadable {
            Some((id, problem)) => StoreError::NoneReadable { id, problem },
            None => StoreError::NoneOpen,
        });
    };
    let mut found: Vec<ReleaseId> = ids(state_dir)?;
    if let Some(exact) = found.iter().position(|id| id.0 == wanted) {
        return Ok(found.swap_remove(exact));
    }
    found.retain(|id| id.0.starts_with(wanted));
    match found.len() {
        0 => Err(StoreError::Unknown { wanted: wanted.to_owned() }),
        1 => Ok(found.swap_remove(0)),
        _ => Err(StoreError::Ambiguous {
            wanted: wanted.to_owned(),
            candidates: found.into_iter().map(|id| id.0).collect(),
        }),
    }
}

/// In the order of their names. What is no release's folder is left out.
pub(super) fn ids(state_dir: &Path) -> Result<Vec<ReleaseId>, StoreError> {
    let path = folder::releases(state_dir);
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::io("read", &path))?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("read", &path))?;
        let id = ReleaseId(entry.file_name().to_string_lossy().into_owned());
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && Folder::of(state_dir, &id).is_ok() {
            ids.push(id);
        }
    }
    ids.sort();
    Ok(ids)
}

fn summary(state_dir: &Path, id: &ReleaseId) -> Summary {
    let mut summary = Summary {
        id: id.clone(),
        title: String::new(),
        phase: None,
        started: None,
        params: BTreeMap::new(),
        targets: Vec::new(),
        by: None,
        held_by_other: false,
        practice: false,
        problem: None,
    };
    if let Err(error) = fill(&mut summary, state_dir) {
        summary.problem = Some(error.to_string());
    }
    summary
}

fn fill(summary: &mut Summary, state_dir: &Path) -> Result<(), StoreError> {
    let folder = Folder::of(state_dir, &summary.id)?;
    let path = folder.journal_path();
    let journal = File::open(&path).map_err(StoreError::io("open", &path))?;
    let mut beside = Beside::of(folder.clone());
    summary.held_by_other = is_held(&journal) || beside.is_held();
    let refused = |source| StoreError::Journal { path: path.clone(), source };

    let mut head = Head::new(&journal);
    let opened = head.next().map_err(StoreError::io("read", &path))?;
    let opened = opened.ok_or_else(|| refused(journal::JournalError::Empty))?;
    let opened = record(&opened).map_err(refused)?;
    if let Fact::Opened { title, targets, practice, .. } = opened.event.fact {
        summary.title = title;
        summary.targets = targets;
        summary.practice = practice.is_some();
    }
    summary.started = Some(opened.event.at.wall);
    summary.by = opened.event.by.map(|by| by.name);

    let deciding = Tail::new(&journal).and_then(|mut tail| tail.find(says_phase));
    let deciding = deciding.map_err(StoreError::io("read", &path))?;
    let phase = match deciding.map(|line| record(&line)).transpose().map_err(refused)? {
        _ if beside.exists() => None,
        Some(record) => phase_after(&record.event.fact),
        None => Some(Phase::Preparing),
    };
    summary.phase = match phase {
        Some(phase) => Some(phase),
        None => Some(replayed_phase(&folder, &mut beside)?),
    };
    while let Some(line) = head.next().map_err(StoreError::io("read", &path))? {
        if memchr::memmem::find(&line, b"\"fact\":\"begun\"").is_some() {
            if let Fact::Begun { params, .. } = record(&line).map_err(refused)?.event.fact {
                summary.params = params;
            }
            break;
        }
    }
    Ok(())
}

/// A line's record. Its place in the journal is not known here, so only its own shape is judged.
pub(super) fn record(line: &[u8]) -> Result<Record, journal::JournalError> {
    let record: Result<Record, _> = serde_json::from_slice(line);
    match record {
        Ok(record) if record.v <= journal::VERSION => Ok(record),
        // The strict reader has the words for what is wrong with it.
        _ => {
            let mut whole = line.to_vec();
            whole.push(b'\n');
            let read = journal::read(&whole)?;
            read.records.into_iter().next().ok_or(journal::JournalError::Empty)
        }
    }
}

/// Whether a line may hold a record that sets the phase. Inside a JSON text its quotes would be
/// escaped, so nobody's words can look like this.
fn says_phase(line: &[u8]) -> bool {
    const DECIDING: [&str; 7] =
        ["begun", "held", "released", "aborted", "completed", "rollback-fired", "rollback-cancelled"];
    names(line, &DECIDING)
}

/// Whether a line may hold one of these facts.
pub(super) fn names(line: &[u8], facts: &[&str]) -> bool {
    let name = b"\"fact\":\"";
    memchr::memmem::find(line, name).is_some_and(|at| {
        let fact = &line[at + name.len()..];
        let is_whole = |known: &str| fact.get(known.len()) == Some(&b'"');
        facts.iter().any(|known| fact.starts_with(known.as_bytes()) && is_whole(known))
    })
}

/// `None` where only the whole story tells.
fn phase_after(fact: &Fact) -> Option<Phase> {
    match fact {
        Fact::Begun { .. } | Fact::Released => Some(Phase::Running),
        Fact::Held { .. } => Some(Phase::Held),
        Fact::Aborted { .. } => Some(Phase::Aborted),
        Fact::Completed => Some(Phase::Completed),
        _ => None,
    }
}

fn replayed_phase(folder: &Folder, beside: &mut Beside) -> Result<Phase, StoreError> {
    let path = folder.journal_path();
    let refused = |source| StoreError::Journal { path: path.clone(), source };
    let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
    let read = journal::read(&bytes).map_err(refused)?;
    let file = match read.records.first().map(|record| &record.event.fact) {
        Some(Fact::Opened { file, .. }) => file.as_str(),
        _ => "",
    };
    // Which other workflows lie beside the document is no matter of phases.
    let bytes = folder.document()?;
    let workflow = workflow::read(Source { file, bytes: &bytes, siblings: &|_| false });
    let records = journal::merged(vec![read.records, beside.poll()?]);
    let release = journal::replay(Arc::new(workflow), &records).map_err(refused)?;
    Ok(release.state().phase)
}

/// The whole lines of a journal from its beginning.
struct Head<'a>(BufReader<&'a File>);

impl<'a> Head<'a> {
    fn new(journal: &'a File) -> Self {
        Self(BufReader::new(journal))
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line)?;
        Ok((line.pop() == Some(b'\n')).then_some(line))
    }
}

/// The whole lines of a journal from its end.
struct Tail<'a> {
    journal: &'a File,
    /// Everything from here on was read. Units: bytes.
    from: u64,
    /// What was read and not given out yet; begins in the middle of a line unless `from` is 0.
    held: Vec<u8>,
}

/// Most journals say how they stand within their last few records. Units: bytes.
const BLOCK: u64 = 16 * 1024;

impl<'a> Tail<'a> {
    fn new(journal: &'a File) -> io::Result<Self> {
        let mut tail = Self { journal, from: journal.metadata()?.len(), held: Vec::new() };
        // What stands behind the last line end is torn or on its way.
        loop {
            if let Some(end) = memchr::memrchr(b'\n', &tail.held) {
                tail.held.truncate(end);
                return Ok(tail);
            }
            if !tail.read_more()? {
                tail.held.clear();
                return Ok(tail);
            }
        }
    }

    fn read_more(&mut self) -> io::Result<bool> {
        if self.from == 0 {
            return Ok(false);
        }
        let n = self.from.min(BLOCK);
        let mut block = vec![0; usize::try_from(n).unwrap_or_default()];
        self.journal.read_exact_at(&mut block, self.from - n)?;
        self.from -= n;
        block.append(&mut self.held);
        self.held = block;
        Ok(true)
    }

    fn find(&mut self, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Option<Vec<u8>>> {
        while let Some(line) = self.next()? {
            if wanted(&line) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(before) = memchr::memrchr(b'\n', &self.held) {
                let line = self.held.split_off(before + 1);
                self.held.truncate(before);
                return Ok(Some(line));
            }
            if !self.read_more()? {
                let first = std::mem::take(&mut self.held);
                return Ok((!first.is_empty()).then_some(first));
            }
        }
    }
}
