//! The whole program in a pseudo-terminal: keys in, what the screen says out.
//!
//! Every test waits for what the screen says. A deadline only ends a test that would never end; it
//! proves nothing about speed.
#![expect(clippy::disallowed_methods, reason = "these tests start the program and listen to it in a thread")]

mod harness;
mod pilot;

mod bad_input;
mod calls;
mod crash;
mod demo;
mod leaving;
mod logs;
mod new;
mod plays;
mod policy;
mod read_only;
mod reload;
mod surroundings;
mod terminals;
mod unclear;
mod watching;
mod without_release;
