//! The practice world: a cluster, its metrics, logs and health, a repository and a CI, simulated and
//! served on loopback to the very same adapters that meet the real ones.
//!
//! ```text
//! scenario ──> sim::World (pure, saved as JSON)        repository (real git)
//!                  │ step(world time)                        │ pushed tags
//!                  v                                         v
//!              serve: Kubernetes API · Prometheus · /health · practice CI
//!                  ^                                         ^
//!           adapters, a real kubectl                  shim: kubectl and gh under gonogo's own roof
//! ```

mod clock;
mod practice;
mod repository;
pub mod scenario;
mod serve;
pub mod shim;
pub mod sim;
mod stage;

pub use clock::PracticeClock;
pub use practice::{CONTEXT, EmptyCluster, Fault, Options, Practice, RehearsalError};
pub use scenario::{Scenario, UnknownScenario};
pub use sim::flags::FLAG;
pub use stage::Stage;
