//! gonogo, a release cockpit for the terminal.
//!
//! It reads a release workflow written as Markdown, walks the operator through it, shows the live
//! rollout, pod logs and metrics beside it, and keeps a rollback key that was proven to work
//! before anyone needs it.
//!
//! # The layers
//!
//! Deciding is plain, synchronous and repeatable; acting is async and may fail. One loop owns the
//! model; the world answers with facts.
//!
//! ```text
//! keys, resizes, ticks ───┐                     ┌──> draw(&Model) ──> screen
//!                         ├──> Msg ──> update() ┤
//! facts from the world ───┘        owns Model   └──> Effect ──> World: kube, prometheus, shell, …
//!           ^                                                     │
//!           └────────────────── Event { at, fact } <──────────────┘
//! ```
//!
//! | layer | what it is | may import |
//! | --- | --- | --- |
//! | [`workflow`] | what a release is: a Markdown file as plain data | nothing of ours |
//! | [`watch`] | what we see: pure judgement over observations | workflow |
//! | [`release`] | what happens next: the state machine | workflow, watch |
//! | [`journal`] | the record: versioned events, kept apart from the types of `release` | release and below |
//! | [`report`] | what is left behind | journal and below |
//! | [`ui`] | what it looks like: state to frame | report and below, `app::{model, action, keymap}` |
//! | [`app`] | the loop | the pure layers; `app/mod.rs` and, without a screen, `app/headless.rs` join everything |
//! | [`adapters`] | how the world is touched | the pure layers, journal |
//! | [`rehearsal`] | the practice world, served on loopback to the same adapters | the pure layers |
//!
//! `workflow`, `watch`, `release`, `report` and `ui` do no I/O, read no clock and know no runtime;
//! `tests/tidy.rs` holds the table, `.clippy.toml` the bans.

pub mod adapters;
pub mod app;
pub mod cli;
pub mod config;
pub mod journal;
pub mod logging;
pub mod rehearsal;
pub mod release;
pub mod report;
pub mod ui;
pub mod watch;
pub mod workflow;
