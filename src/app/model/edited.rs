//! The document as somebody edited it meanwhile, understood once and not with every frame.

use std::sync::Arc;

use crate::workflow::{Edition, LineChange, Workflow};

/// What lies on disk, when that is no longer what the release runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    pub edition: Edition,
    /// What it means, called workflows in their places.
    pub document: Arc<Workflow>,
    /// File by file, how it differs from what the release runs.
    pub changes: Vec<(String, Vec<LineChange>)>,
}

impl Edited {
    /// - Shape: `None` for what the release runs already.
    pub fn of(runs: &Workflow, edition: Edition) -> Option<Self> {
        if edition.is_of(runs) {
            return None;
        }
        let document = Arc::new(edition.workflow(&runs.file, &runs.settled));
        Some(Self { document, changes: runs.differences(&edition), edition })
    }
}
