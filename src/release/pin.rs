//! The known-good state that a rollback returns to, and what is known about the way back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::watch::{Image, TargetRef};
use crate::workflow::Kind;

/// A pod template as the API server gave it. Opaque: the core compares prints, never contents.
///
/// May hold literal secrets in its environment, so it lives in a 0600 file beside the journal,
/// never in a record and never in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(pub serde_json::Value);

/// Whether gonogo's own plan can bring a workload of this kind back. For the others the document's
/// own commands are all there is, and they are unproven.
pub fn has_way_back(target: &TargetRef) -> bool {
    target.kind == Kind::Deployment
}

/// One workload as it was when the release started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub target: TargetRef,
    pub uid: String,
    /// World time of the reading.
    pub at: Timestamp,
    pub revision: Option<u64>,
    /// The ReplicaSet that runs it, by name and template hash; empty when there is none to find.
    pub replica_set: String,
    pub template_hash: String,
    /// See [`crate::watch::WorkloadFacts::template_print`].
    pub template_print: String,
    pub images: Vec<Image>,
    /// Image ids with digest that its pods were running; empty when none had pulled one.
    pub digests: Vec<String>,
    pub replicas: u32,
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
    pub target: TargetRef,
    /// What was tested, in a few words: `may patch deployments`, `dry run`, `ReplicaSet kept`.
    pub what: String,
    pub outcome: Outcome,
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
}
