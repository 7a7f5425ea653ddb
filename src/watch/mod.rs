//! What we see: pure judgement over observations. Facts come in, conclusions come out; nothing here
//! asks the world for anything.

pub mod facts;
#[cfg(test)]
pub(crate) mod fixture;
mod lines;
pub mod logs;
pub mod metrics;
mod need;
pub mod rollout;
mod shared;
pub mod template;
mod terminal;
mod verdict;

pub use facts::*;
pub use lines::{LogLine, LogLines};
pub use need::Need;
pub use shared::Shared;
pub use terminal::{TerminalInk, TerminalLook, TerminalRun, TerminalScreen};
pub use verdict::Verdict;
