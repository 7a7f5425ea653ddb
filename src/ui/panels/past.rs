//! What past releases on this machine say of the way back. What they do not say is left out.

use crate::release::Pin;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::watch::TargetRef;

/// A shorter life says nothing of how good a version is. Units: seconds.
const WORTH_TELLING: i64 = 3_600;

/// `ran 6 days without a breach`, of the pinned version.
pub fn ran(paint: &Paint, pin: &Pin) -> Option<String> {
    let life = paint.model.observed.past.get(&pin.target)?.life.as_ref()?;
    let lasted = pin.at.duration_since(life.since).as_secs();
    let is_the_same = life.template_print == pin.template_print && life.revision == pin.revision;
    if !is_the_same || life.breached || lasted < WORTH_TELLING {
        return None;
    }
    let (n, unit) = match lasted / 3_600 {
        hours @ 0..48 => (hours, "hour"),
        hours => (hours / 24, "day"),
    };
    Some(format!("ran {n} {unit}{} without a breach", if n == 1 { "" } else { "s" }))
}

/// `   last time 38s`, from the workload's own rollbacks, else from its rollouts, else from its probes.
pub fn last_time(paint: &Paint, target: &TargetRef) -> String {
    let past = paint.model.observed.past.get(target);
    match past.map_or((None, None), |past| (past.way_back, past.rollout)) {
        (Some(took), _) => format!("   last time {}", format::span(took)),
        (None, Some(took)) => format!("   its last rollout took {}", format::span(took)),
        (None, None) => {
            let seen = paint.model.observed.workloads.get(target);
            let least = seen.and_then(|seen| crate::watch::rollout::least(&seen.facts));
            least.map_or(String::new(), |least| format!("   at least {} by its probes", format::span(least)))
        }
    }
}
