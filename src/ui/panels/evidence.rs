//! What stands under an item: the live facts that speak for or against it, each with its age.

use jiff::SignedDuration;

use crate::release::Evidence;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::workflow::CheckId;

/// One line of text per fact, and how to show it.
pub fn of_check(paint: &Paint, id: &CheckId) -> Vec<(String, Role)> {
    paint.model.evidence_for(id).iter().map(line).collect()
}

pub fn line(seen: &Evidence) -> (String, Role) {
    let age = format::age(SignedDuration::from_secs(i64::try_from(seen.age_s).unwrap_or(i64::MAX)));
    if seen.stale {
        (format!("{}: {} · STALE, {age} old", seen.what, seen.value), Role::Stale)
    } else {
        (format!("{}: {} · {age} ago", seen.what, seen.value), Role::Info)
    }
}
