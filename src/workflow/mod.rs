//! What a release is: a Markdown file as plain data. Pure: text in, [`Workflow`] out.

pub mod model;

pub use model::*;
