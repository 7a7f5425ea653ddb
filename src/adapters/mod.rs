//! See the crate's map.

pub mod health;
mod http;
mod link;
pub mod prometheus;
pub mod shell;

pub use http::HttpError;
