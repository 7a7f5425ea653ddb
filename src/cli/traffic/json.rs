//! `--format json`: one object at the end, on a line of its own.

use serde::Serialize;

/// Raised when a field changes its meaning or goes away; new fields may come at any time.
const SCHEMA: &str = "gonogo.traffic/1";

/// What a switch came to.
///
/// - Shape: a value that is not known is `null`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Told {
    pub(super) schema: Schema,
    /// What divides the requests: `nginx`, `service`, `virtualservice`.
    pub(super) by: &'static str,
    /// What the current-env file said when it was read, or the object; and what the upstream file said.
    pub(super) current: Option<String>,
    pub(super) upstream: Option<String>,
    /// Where requests go, or shall go; without a switch the colour that is idle.
    pub(super) to: Option<String>,
    pub(super) inactive: Option<String>,
    /// Answered through nginx when it was asked, without a switch.
    pub(super) serving: Option<String>,
    pub(super) actions: Vec<Action>,
    pub(super) dry_run: bool,
    /// It was there before, and nothing was done.
    pub(super) was_there: bool,
    /// Answers in a row said so, through nginx.
    pub(super) verified: bool,
    pub(super) limits: Vec<String>,
    pub(super) error: Option<String>,
}

/// A step that was taken.
#[derive(Debug, Serialize)]
pub(super) struct Action {
    /// `look`, `confirm`, `ask`, `prepare`, `place`, `test`, `reload`, `patch`, `read-back`, `record`.
    pub(super) what: &'static str,
    pub(super) words: String,
    /// Units: milliseconds since the beginning.
    pub(super) at_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Schema;

impl Serialize for Schema {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SCHEMA)
    }
}

impl Told {
    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers only, all of which JSON has") + "\n"
    }
}
