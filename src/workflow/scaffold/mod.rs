//! A document of the library, written for the repository at hand: which names there are, and where
//! each stands in the text. Pure: the repository comes as a description.

mod image;
mod look;
mod manifest;
mod written;

use std::collections::{BTreeMap, BTreeSet};

pub use look::look;
pub use written::written;

/// What is known of a repository without running anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// The name of its folder.
    pub name: String,
    /// The address of its remote.
    pub remote: Option<String>,
    /// The branch that releases are cut from.
    pub branch: Option<String>,
    pub tags: BTreeSet<String>,
    /// Context and namespace that the kubeconfig has as its current ones.
    pub cluster: Option<(String, String)>,
    /// Files by their path from the root, with what they hold.
    pub files: BTreeMap<String, String>,
}

/// The names that a document needs; what is `None` stays open in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub branch: Option<String>,
    /// Without a tag: `ghcr.io/acme/shop`.
    pub image: Option<String>,
    pub deployment: Option<String>,
    pub container: Option<String>,
    /// The value of the label `app` by which the Deployment selects its pods.
    pub label: Option<String>,
    /// As the manifests write it.
    pub namespace: Option<String>,
    /// The command that runs the tests.
    pub tests: Option<String>,
    /// The GitHub workflow that a tag starts: `build.yml`.
    pub pipeline: Option<String>,
    /// Name and folder of the Helm chart.
    pub chart: Option<(String, String)>,
    pub cluster: Option<(String, String)>,
}

/// One thing that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub what: &'static str,
    /// `None` when there was nothing to find.
    pub value: Option<String>,
    /// Where it was found; for what was not, what stands in the document instead.
    pub place: String,
}
