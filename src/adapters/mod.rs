//! See the crate's map.

pub mod store;
