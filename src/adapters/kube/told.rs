//! What a watch says, whatever it watches.

use super::error::Cause;

/// One step of a watch.
///
/// `Restart`, any number of `Listed`, then `Synced`: everything there is. Objects that vanished
/// during a break are missing from it, and no removal is ever told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told<V> {
    Restart,
    Listed(V),
    Synced,
    Changed(V),
    Removed(V),
    /// The server will not tell, and will not soon.
    Refused(Refusal),
    /// It could not be asked, and is asked again.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub cause: Cause,
    /// The server's own sentence.
    pub detail: String,
}

impl<V> Told<V> {
    pub fn map<W>(self, change: impl FnOnce(V) -> W) -> Told<W> {
        match self {
            Self::Restart => Told::Restart,
            Self::Listed(value) => Told::Listed(change(value)),
            Self::Synced => Told::Synced,
            Self::Changed(value) => Told::Changed(change(value)),
            Self::Removed(value) => Told::Removed(change(value)),
            Self::Refused(refusal) => Told::Refused(refusal),
            Self::Failed => Told::Failed,
        }
    }
}
