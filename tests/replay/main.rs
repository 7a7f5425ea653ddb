//! Journals against live releases: replay, crashes, full disks, and the report that is left behind.
#![allow(clippy::unwrap_used, reason = "in a test that is the message")]

mod crash;
mod fixture;
mod history;
mod report;
