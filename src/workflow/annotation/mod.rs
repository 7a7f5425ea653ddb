//! Annotations, `<!-- gonogo: key=value -->`: what an author tightens beside the prose.
//!
//! They override the frontmatter and what was inferred, and they fail closed: nobody sees a comment
//! on a rendered page, so one that cannot be read, or not be kept, never leaves a gate open. The
//! item that it was about becomes a manual hold, which only an override with a reason closes.

mod apply;
mod attach;
mod gates;
mod grammar;
mod keys;
mod reference;
mod sign_off;
#[cfg(test)]
mod tests;
mod values;

pub use reference::annotation_reference;

pub(super) use apply::apply;
