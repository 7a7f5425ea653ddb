//! Journals against live releases: replay, crashes, full disks, and the report that is left behind.

mod crash;
mod fixture;
mod history;
mod report;
