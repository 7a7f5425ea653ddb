//! What the journals on this machine tell of past releases: each is read once, and of most of its
//! lines only the name.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{Beside, Folder, StoreError, list};
use crate::journal::past::{Past, TOLD};
use crate::journal::{self, Record};
use crate::release::{Event, Fact, ReleaseId};
use crate::workflow::{self, Source};

/// All releases, oldest first, and those that cannot be read, with their problem.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pasts {
    pub known: Vec<Past>,
    pub unread: Vec<(ReleaseId, String)>,
}

/// Reads the past of all releases that `wanted` takes, by their opening.
pub fn pasts(state_dir: &Path, wanted: impl Fn(&Fact) -> bool) -> Result<Pasts, StoreError> {
    let mut pasts = Pasts::default();
    for id in list::ids(state_dir)? {
        match past(state_dir, &id, &wanted) {
            Ok(past) => pasts.known.extend(past),
            Err(error) => pasts.unread.push((id, error.to_string())),
        }
    }
    pasts.known.sort_by(|a, b| (a.opened.wall, &a.id).cmp(&(b.opened.wall, &b.id)));
    Ok(pasts)
}

fn past(
    state_dir: &Path,
    id: &ReleaseId,
    wanted: impl Fn(&Fact) -> bool,
) -> Result<Option<Past>, StoreError> {
    let folder = Folder::of(state_dir, id)?;
    let path = folder.journal_path();
    let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
    let refused = |source| StoreError::Journal { path: path.clone(), source };
    // What stands behind the last line end is torn, or on its way.
    let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
    let mut lines = bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let first = lines.next().ok_or_else(|| refused(journal::JournalError::Empty))?;
    let first = list::record(first).map_err(refused)?.event;
    if !wanted(&first.fact) {
        return Ok(None);
    }
    let beside = Beside::of(folder.clone()).poll()?;
    let mut events: Vec<Event> = vec![first];
    for line in lines.filter(|line| list::names(line, &TOLD)) {
        events.push(list::record(line).map_err(refused)?.event);
    }
    // By the moments, as the records themselves are put together below.
    events.extend(beside.iter().map(|record| record.event.clone()));
    events.sort_by_key(|event| event.at.wall);
    let Some(past) = Past::of(&events) else { return Ok(None) };
    if !past.needs_the_whole_story(&events) {
        return Ok(Some(past));
    }
    let records: Vec<Record> = journal::merged(vec![journal::read(&bytes).map_err(refused)?.records, beside]);
    let file = match records.first().map(|record| &record.event.fact) {
        Some(Fact::Opened { file, .. }) => file.as_str(),
        _ => "",
    };
    // Which other workflows lie beside the document is no matter here.
    let document = folder.document()?;
    let workflow = workflow::read(Source { file, bytes: &document, siblings: &|_| false });
    past.with_rollbacks(Arc::new(workflow), &records).map(Some).map_err(refused)
}
