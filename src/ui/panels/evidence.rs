//! What stands under an item: the live facts that speak for or against it, each with its age.

use jiff::SignedDuration;

use crate::release::Evidence;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::workflow::CheckId;

/// A fact, how old it is, and how to show it.
pub struct Line {
    pub words: String,
    pub age: String,
    pub role: Role,
}

impl Line {
    pub fn joined(&self) -> String {
        format!("{} · {}", self.words, self.age)
    }
}

pub fn of_check(paint: &Paint, id: &CheckId) -> Vec<Line> {
    paint.model.evidence_for(id).iter().map(line).collect()
}

pub fn line(seen: &Evidence) -> Line {
    let age = format::age(SignedDuration::from_secs(i64::try_from(seen.age_s).unwrap_or(i64::MAX)));
    let words = format::clean(&format!("{}: {}", seen.what, seen.value)).into_owned();
    if seen.stale {
        Line { words, age: format!("STALE, {age} old"), role: Role::Stale }
    } else {
        Line { words, age: format!("{age} ago"), role: Role::Info }
    }
}
