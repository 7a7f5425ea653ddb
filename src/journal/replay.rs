//! Records back to the release that they tell of.

use std::sync::Arc;

use super::{JournalError, Record};
use crate::release::Release;
use crate::workflow::Workflow;

/// Rebuilds the release by telling it again what happened. Its effects are dropped: they have had
/// their time, and [`crate::release::Fact::Reopened`] asks anew for what a new process must do.
///
/// - Errors: [`JournalError::Empty`] without records; [`JournalError::Refused`] when a record does not
///   follow from those before it, or `document` is not the one that the release was opened with.
pub fn replay(document: Arc<Workflow>, records: &[Record]) -> Result<Release, JournalError> {
    let (first, rest) = records.split_first().ok_or(JournalError::Empty)?;
    let refused = |record: &Record, refusal| JournalError::Refused { seq: record.seq, refusal };
    let (mut release, _) = Release::open(document, &first.event).map_err(|why| refused(first, why))?;
    for record in rest {
        release.handle(&record.event).map_err(|why| refused(record, why))?;
    }
    Ok(release)
}
