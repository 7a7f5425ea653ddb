//! The known-good state that a rollback returns to, and what is known about the way back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::watch::{Image, TargetRef};

/// A pod template as the API server gave it. Opaque: the core compares prints, never contents.
///
/// May hold literal secrets in its environment, so it lives in a 0600 file beside the journal,
/// never in a record and never in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub serde_json::Value);

/// A revision as a person names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// The newest whose template is another one than the workload's own. After a rollback that is
    /// the bad one: it is told and confirmed like any other.
    Previous,
    Revision(u64),
}

impl std::fmt::Display for To {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            To::Previous => f.write_str("previous"),
            To::Revision(number) => write!(f, "revision {number}"),
        }
    }
}

impl std::str::FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "previous" => Ok(To::Previous),
            Ok(number) if number > 0 => Ok(To::Revision(number)),
            _ => Err("write the number of a revision, or `previous`".to_owned()),
        }
    }
}

/// One workload as it was when the release started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub target: TargetRef,
    pub uid: String,
    /// World time of the reading.
    pub at: Timestamp,
    pub revision: Option<u64>,
    /// The ReplicaSet or ControllerRevision that holds this very template, by name and hash; empty
    /// when there was none to find.
    #[serde(alias = "replica_set")]
    pub kept_in: String,
    pub template_hash: String,
    /// See [`crate::watch::WorkloadFacts::template_print`].
    pub template_print: String,
    pub images: Vec<Image>,
    /// Image ids with digest that its pods were running; empty when none had pulled one.
    pub digests: Vec<String>,
    pub replicas: u32,
    /// The configuration that its pods are given, which no rollback of templates brings back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounted: Vec<Mounted>,
    /// What kept it from being a proven good state when it was read, such as an update in the middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// A ConfigMap or Secret that a pod template names, and its version when it was pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    pub kind: MountedKind,
    pub name: String,
    /// Its resource version; `None` when it may not be read.
    pub version: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountedKind {
    ConfigMap,
    Secret,
}

impl std::fmt::Display for Mounted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            MountedKind::ConfigMap => "configmap",
            MountedKind::Secret => "secret",
        };
        write!(f, "{kind}/{}", self.name)
    }
}

impl Pin {
    /// The image that the release changes, for a line of text: `myapp:v1.2.0`.
    pub fn image(&self) -> &str {
        let named = |image: &&Image| self.target.container.as_ref() == Some(&image.container);
        self.images.iter().find(named).or(self.images.first()).map_or("", |image| &image.image)
    }
}

/// One thing that was tested about the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `None` for what is no workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetRef>,
    /// What was tested, in a few words: `may patch deployments`, `dry run`, `ReplicaSet kept`.
    pub what: String,
    pub outcome: Outcome,
}

impl Finding {
    /// What is not undone, in words, if that is what was found.
    pub fn stays(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Stays(why) => Some(format!("{} {why}", self.what)),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is", content = "why")]
pub enum Outcome {
    Fine,
    /// The way back works, with this limit.
    Limited(String),
    /// The way back cannot work, because of this.
    Broken(String),
    /// Could not be found out.
    Unknown(String),
    /// Stays as it is whatever the way back does: no limit of it, but worth knowing.
    Stays(String),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pin_that_was_kept_before_there_were_other_kinds_is_still_read() {
        let kept = json!({"target": {"kind": "deployment", "namespace": "shop", "name": "app",
                "container": null}, "uid": "u", "at": "2026-11-22T14:00:00Z", "revision": 7,
            "replica_set": "app-5d4", "template_hash": "5d4", "template_print": "p", "images": [],
            "digests": [], "replicas": 4});
        let pin: Pin = serde_json::from_value(kept).unwrap();
        assert_eq!((pin.kept_in.as_str(), pin.limit), ("app-5d4", None));
    }
}
