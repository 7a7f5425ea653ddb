//! See the crate map.

pub mod pin;
