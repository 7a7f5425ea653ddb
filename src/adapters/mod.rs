//! How the world is touched: async, fallible, one file or folder per outside system.

pub mod clock;
pub mod git;
pub mod kube;
pub mod shell;
pub mod store;
