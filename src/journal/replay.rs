//! Records back to the release that they tell of.

use std::sync::Arc;

use super::{JournalError, Record};
use crate::release::Release;
use crate::workflow::Workflow;

/// Rebuilds the release by telling it again what happened. Its effects are dropped: they have had
/// their time, and [`crate::release::Fact::Reopened`] asks anew for what a new process must do.
///
/// - Shape: where several processes recorded, one may have gone on before it saw what the other did:
///   from there on a record that does not follow is passed over.
/// - Errors: [`JournalError::Empty`] without records; [`JournalError::Refused`] when a record does not
///   follow from those before it, or `document` is not the one that the release was opened with.
pub fn replay(document: Arc<Workflow>, records: &[Record]) -> Result<Release, JournalError> {
    let (first, rest) = records.split_first().ok_or(JournalError::Empty)?;
    let refused = |record: &Record, refusal| JournalError::Refused { seq: record.seq, refusal };
    let (mut release, _) = Release::open(document, &first.event).map_err(|why| refused(first, why))?;
    let (mut before, mut is_shared) = (first.seq, false);
    for record in rest {
        is_shared |= record.seq != before + 1;
        before = record.seq;
        match release.handle(&record.event) {
            Err(why) if !is_shared => return Err(refused(record, why)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(release)
}

/// The records of several files as one story, by their moments; each file keeps its own order, and at
/// one moment the earlier file comes first.
pub fn merged(files: Vec<Vec<Record>>) -> Vec<Record> {
    let mut files: Vec<_> = files.into_iter().map(|file| file.into_iter().peekable()).collect();
    let mut story = Vec::with_capacity(files.iter().map(ExactSizeIterator::len).sum());
    loop {
        let heads = files.iter_mut().enumerate();
        let heads = heads.filter_map(|(n, file)| Some((file.peek()?.event.at.wall, n)));
        let Some((_, n)) = heads.min() else { return story };
        story.extend(files[n].next());
    }
}
