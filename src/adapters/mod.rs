//! How the world is touched: async, fallible, one file or folder per outside system.

mod child;
pub mod clock;
pub mod git;
pub mod health;
mod http;
pub mod kube;
mod link;
pub mod nginx;
pub mod out;
mod preflight;
pub mod prometheus;
pub mod prompt;
mod save;
pub mod shell;
pub mod store;
mod world;

pub use http::HttpError;
pub use world::{Acting, DocumentSource, News, World, WorldSettings};
