//! Pieces that several panels share.

pub mod bar;
pub mod text;
