//! ControllerRevisions: the templates that StatefulSets and DaemonSets had, by number.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Deserialize, Serialize};

use super::deployment::template_hash;
use super::dice::Dice;
use super::kind::Kind;
use super::meta::Meta;

/// The label by which a pod names its revision.
pub const REVISION_LABEL: &str = "controller-revision-hash";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revision {
    pub meta: Meta,
    pub template: PodTemplateSpec,
    pub number: i64,
}

/// Gives the revision of `template` the highest number, and makes it when it is missing.
///
/// - Shape: its name, and whether something changed.
pub fn of_template(
    revisions: &mut Vec<Revision>,
    owner: &Meta,
    kind: Kind,
    template: &PodTemplateSpec,
    dice: &mut Dice,
    now: Timestamp,
) -> (String, bool) {
    let own = |one: &Revision| one.meta.is_controlled_by(&owner.uid);
    let highest = revisions.iter().filter(|one| own(one)).map(|one| one.number).max().unwrap_or(0);
    if let Some(known) = revisions.iter_mut().find(|one| own(one) && one.template == *template) {
        // Going back to an old template makes it the newest again.
        let moved = known.number < highest;
        if moved {
            known.number = highest + 1;
        }
        return (known.meta.name.clone(), moved);
    }
    let hash = template_hash(template, 0);
    let name = format!("{}-{hash}", owner.name);
    let mut meta = Meta::new(&owner.namespace, &name, dice.uid(), now);
    meta.labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let label = if kind == Kind::StatefulSet { "controller.kubernetes.io/hash" } else { REVISION_LABEL };
    meta.labels.insert(label.into(), hash);
    meta.annotations = owner.annotations.clone();
    meta.owners = vec![owner.as_controller(kind)];
    revisions.push(Revision { meta, template: template.clone(), number: highest + 1 });
    (name, true)
}

/// Drops the oldest revisions beyond the history limit, those in use aside; true when one went.
pub fn truncate(revisions: &mut Vec<Revision>, owner: &Meta, limit: usize, in_use: &[String]) -> bool {
    let mut idle: Vec<(i64, String)> = revisions
        .iter()
        .filter(|one| one.meta.is_controlled_by(&owner.uid) && !in_use.contains(&one.meta.name))
        .map(|one| (one.number, one.meta.uid.clone()))
        .collect();
    idle.sort();
    let surplus = idle.len().saturating_sub(limit);
    let gone: Vec<String> = idle.into_iter().take(surplus).map(|(_, uid)| uid).collect();
    revisions.retain(|one| !gone.contains(&one.meta.uid));
    surplus > 0
}
