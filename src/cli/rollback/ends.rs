//! From what to what a rollback goes, target by target.

use serde::Serialize;

use crate::app::model::Model;
use crate::release::Pin;
use crate::ui::format;
use crate::watch::{Image, TargetRef};

/// One version of a workload, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Version {
    pub revision: Option<u64>,
    /// As the pod template names them.
    pub images: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ends {
    pub target: TargetRef,
    pub from: Version,
    pub to: Version,
    /// Whether the pinned template is what the target carries already.
    pub is_there: bool,
}

impl Version {
    fn new(revision: Option<u64>, images: &[Image]) -> Self {
        Self { revision, images: images.iter().map(|image| image.image.clone()).collect() }
    }

    /// `rev 7 myapp:v1.2.0`.
    pub fn words(&self) -> String {
        let revision = self.revision.map(|revision| format!("rev {revision}"));
        let images = self.images.iter().map(|image| format::image(image).to_owned());
        revision.into_iter().chain(images).collect::<Vec<_>>().join(" ")
    }
}

/// The ends of every pinned target that has been read, in the order in which they are rolled back.
pub(super) fn ends(model: &Model) -> Vec<Ends> {
    model.state().pins.iter().rev().filter_map(|pin| ends_of(model, pin)).collect()
}

fn ends_of(model: &Model, pin: &Pin) -> Option<Ends> {
    let facts = &model.observed.workloads.get(&pin.target)?.facts;
    let fired_from = model.rollback().and_then(|rollback| {
        let shown = rollback.shown.iter().find(|shown| shown.target == pin.target)?;
        facts.revisions.iter().find(|known| known.template_print == shown.template_print)
    });
    let from = match fired_from {
        Some(known) => Version::new(known.revision, &known.images),
        None => Version::new(facts.revision, &facts.images),
    };
    Some(Ends {
        target: pin.target.clone(),
        from,
        to: Version::new(pin.revision, &pin.images),
        is_there: facts.template_print == pin.template_print,
    })
}
