//! From what to what a rollback goes, target by target.

use serde::Serialize;

use crate::app::model::Model;
use crate::release::{Held, Pin};
use crate::ui::format;
use crate::watch::{Image, TargetRef};
use crate::workflow::nginx::Colour;

/// One version of a workload, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Version {
    pub revision: Option<u64>,
    /// As the pod template names them.
    pub images: Vec<String>,
    /// Of two copies behind an nginx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ends {
    /// `deployment/app`, or an nginx by its upstream file.
    pub what: String,
    /// `None` for what is no workload.
    pub target: Option<TargetRef>,
    pub from: Version,
    pub to: Version,
    /// Whether the pinned template is what the target carries already.
    pub is_there: bool,
}

impl Version {
    fn new(revision: Option<u64>, images: &[Image]) -> Self {
        let images = images.iter().map(|image| image.image.clone()).collect();
        Self { revision, images, colour: None }
    }

    /// `rev 7 myapp:v1.2.0`.
    pub fn words(&self) -> String {
        let revision = self.revision.map(|revision| format!("rev {revision}"));
        let images = self.images.iter().map(|image| format::image(image).to_owned());
        revision.into_iter().chain(images).chain(self.colour.clone()).collect::<Vec<_>>().join(" ")
    }
}

/// The ends of every pinned target that has been read, in the order in which they are rolled back,
/// and of every nginx.
pub(super) fn ends(model: &Model) -> Vec<Ends> {
    let state = model.state();
    let outside = state.routes.iter().filter_map(|pin| {
        let Held::Colour { colour, site } = &pin.held else { return None };
        let is_there = model.observed.diff.is_empty();
        let on = |colour: Option<&Colour>| Version {
            colour: colour.map(Colour::to_string),
            ..Version::new(None, &[])
        };
        let from = match state.pins.as_slice() {
            _ if is_there => Some(colour),
            // There are two colours, so what it is not on is the other one.
            [] => site.other(colour).map(|side| &side.colour),
            // What differs may be a workload.
            _ => None,
        };
        let (from, to) = (on(from), on(Some(colour)));
        Some(Ends { what: pin.route.to_string(), target: None, from, to, is_there })
    });
    state.pins.iter().rev().filter_map(|pin| ends_of(model, pin)).chain(outside).collect()
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
        what: pin.target.to_string(),
        target: Some(pin.target.clone()),
        from,
        to: Version::new(pin.revision, &pin.images),
        is_there: facts.template_print == pin.template_print,
    })
}
