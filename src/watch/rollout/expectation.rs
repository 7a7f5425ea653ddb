//! What the release entitles us to expect of a workload, and whose template it carries.

use jiff::Timestamp;

use super::history::RolloutHistory;
use crate::watch::facts::WorkloadFacts;
use crate::workflow::Kind;

/// Which pod template the workload may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedTemplate {
    /// Watching only: every template is as good as another.
    Any,
    /// None of our outside commands has run: it stays what it was at the start.
    Unchanged { print: String },
    /// One of our commands ran: the first template other than `from` that carries `version` is ours.
    Version { from: String, version: String },
    /// Exactly this one, as after a rollback.
    Print(String),
}

/// What the release knows beforehand and the judgement measures against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The object's UID at the start of the release.
    pub uid: Option<String>,
    /// When our change was made, in world time. `None` while we only watch.
    pub started_at: Option<Timestamp>,
    pub template: ExpectedTemplate,
    /// Units: seconds of ready and restart-free pods; never below the workload's minReadySeconds.
    pub settle_s: u32,
    /// Units: seconds without progress after which a rollout is called stuck.
    pub stuck_after_s: u32,
    /// Units: seconds without progress after which a workload that has no deadline of its own has
    /// failed. `None`: the default of its kind.
    pub timeout_s: Option<u32>,
}

impl Expectation {
    pub const SETTLE_S: u32 = 10;
    /// Services that take a minute and a half to warm up are common; "stuck" is advice for what takes longer.
    pub const STUCK_AFTER_S: u32 = 120;
    /// After krane's hard limits. Counted from the last progress, as Kubernetes counts a
    /// deployment's: from the start they would fail a large workload that advances steadily.
    pub const STATEFULSET_TIMEOUT_S: u32 = 600;
    pub const DAEMONSET_TIMEOUT_S: u32 = 300;

    /// Watches a workload of which nothing is expected.
    pub fn watching() -> Self {
        Self {
            uid: None,
            started_at: None,
            template: ExpectedTemplate::Any,
            settle_s: Self::SETTLE_S,
            stuck_after_s: Self::STUCK_AFTER_S,
            timeout_s: None,
        }
    }

    /// Our own timeout; `None` for the kinds that bring a deadline.
    pub(super) fn timeout_s(&self, kind: Kind) -> Option<u32> {
        match kind {
            Kind::StatefulSet => Some(self.timeout_s.unwrap_or(Self::STATEFULSET_TIMEOUT_S)),
            Kind::DaemonSet => Some(self.timeout_s.unwrap_or(Self::DAEMONSET_TIMEOUT_S)),
            Kind::Deployment | Kind::Rollout => None,
        }
    }
}

pub(super) enum Ownership {
    Ours,
    NotYet(String),
    SomebodyElse(String),
}

pub(super) fn ownership(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
) -> Ownership {
    let images = image_list(facts);
    match &expect.template {
        ExpectedTemplate::Any => Ownership::Ours,
        ExpectedTemplate::Unchanged { print } | ExpectedTemplate::Print(print) => {
            if facts.template_print == *print {
                Ownership::Ours
            } else {
                Ownership::SomebodyElse(format!("template is somebody else's: {images}"))
            }
        }
        ExpectedTemplate::Version { from, version } => {
            // A further command of ours is a new expectation, and may bring a new template.
            if history.adopted.as_ref().is_some_and(|(under, _)| *under != expect.template) {
                history.adopted = None;
            }
            match &history.adopted {
                Some((_, adopted)) if *adopted == facts.template_print => Ownership::Ours,
                Some(_) => {
                    Ownership::SomebodyElse(format!("template changed again after {version}: {images}"))
                }
                None if facts.template_print == *from && carries(facts, version) => Ownership::Ours,
                None if facts.template_print == *from => {
                    Ownership::NotYet(format!("template still carries {images}, not {version}"))
                }
                None if carries(facts, version) => {
                    history.adopted = Some((expect.template.clone(), facts.template_print.clone()));
                    Ownership::Ours
                }
                None => Ownership::SomebodyElse(format!("template carries {images}, not {version}")),
            }
        }
    }
}

fn image_list(facts: &WorkloadFacts) -> String {
    let mut images: Vec<&str> = facts.images.iter().map(|image| image.image.as_str()).collect();
    if let Some(name) = &facts.target.container {
        let own: Vec<&str> =
            facts.images.iter().filter(|i| i.container == *name).map(|i| i.image.as_str()).collect();
        if !own.is_empty() {
            images = own;
        }
    }
    if images.is_empty() { "no image".to_owned() } else { images.join(", ") }
}

/// Whether the template's image is of this version: of the container that the release changes, or
/// of any container when none is named.
pub fn carries(facts: &WorkloadFacts, version: &str) -> bool {
    let named = facts.target.container.as_deref();
    let known = named.is_some_and(|name| facts.images.iter().any(|image| image.container == name));
    facts
        .images
        .iter()
        .filter(|image| !known || named == Some(image.container.as_str()))
        .any(|image| tag_is(&image.image, version))
}

/// `app:1.3.0`, `app:v1.3.0@sha256:…` and `app:v1.3.0-arm64` are `v1.3.0`; `app:v1.3.0-rc.1` is not.
pub(super) fn tag_is(image: &str, version: &str) -> bool {
    const PRE_RELEASE: [&str; 6] = ["rc", "alpha", "beta", "pre", "dev", "snapshot"];
    let without_digest = image.split('@').next().unwrap_or(image);
    let Some((_, tag)) = without_digest.rsplit_once(':') else { return false };
    if tag.contains('/') {
        return false; // the colon belonged to a registry's port
    }
    let (tag, version) = (bare(tag), bare(version));
    let Some(rest) = tag.strip_prefix(version) else { return false };
    match rest.strip_prefix(['-', '_', '+']) {
        _ if version.is_empty() => false,
        None => rest.is_empty(),
        Some(suffix) => {
            let suffix = suffix.to_ascii_lowercase();
            !PRE_RELEASE.iter().any(|word| suffix.starts_with(word))
        }
    }
}

fn bare(version: &str) -> &str {
    match version.strip_prefix('v') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => version,
    }
}
