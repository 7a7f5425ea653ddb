//! The log engine against a real kubelet and real containers.
//!
//! Runs only when `GONOGO_TEST_WORLD` is `node`; `tests/cluster/run --node` sets that, and starts the
//! cluster. Containers write numbered lines, so that a lost or doubled one shows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![expect(clippy::print_stderr, reason = "what a real node did is worth reading in the test's output")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests stop and start parts of a cluster, and wait for them"
)]

mod breaks;
mod bytes;
mod lives;
mod node;
mod order;
mod told;
