//! See the crate's map.

mod http;
pub mod prometheus;
pub mod shell;

pub use http::HttpError;
