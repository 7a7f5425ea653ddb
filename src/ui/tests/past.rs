//! What past releases add to the rollback panel, and what is left out without them.

use super::*;
use crate::app::msg::What;
use crate::journal::past::{Life, WorkloadPast};
use jiff::SignedDuration;

fn panel(past: Option<WorkloadPast>) -> String {
    let mut script = Script::rolling_out();
    if let Some(past) = past {
        script.send(What::Past([(target(), past)].into()));
    }
    drawn(&pressed(script, &["R"]).model, 200, 48)
}

fn life(script: &Script, days: i64) -> Life {
    let pin = &script.model.state().pins[0];
    Life {
        template_print: pin.template_print.clone(),
        revision: pin.revision,
        since: pin.at - SignedDuration::from_hours(24 * days + 3),
        breached: false,
    }
}

#[test]
fn the_panel_says_how_long_it_took_last_time_and_how_well_the_pinned_version_did() {
    let life = life(&Script::rolling_out(), 6);
    let way_back = Some(SignedDuration::from_secs(38));
    let rollout = Some(SignedDuration::from_secs(41));
    let seen = panel(Some(WorkloadPast { way_back, rollout, life: Some(life.clone()) }));
    assert!(seen.contains("last time 38s"), "{seen}");
    assert!(seen.contains("ran 6 days without a breach"), "{seen}");
    let seen = panel(Some(WorkloadPast { way_back: None, rollout, life: Some(life) }));
    assert!(seen.contains("its last rollout took 41s") && !seen.contains("last time"), "{seen}");
}

#[test]
fn what_is_not_known_of_the_past_is_left_out() {
    let known = life(&Script::rolling_out(), 6);
    let lives = [
        Life { breached: true, ..known.clone() },
        Life { template_print: "another".to_owned(), ..known.clone() },
        Life { revision: known.revision.map(|revision| revision - 2), ..known.clone() },
        Life { since: known.since + SignedDuration::from_hours(6 * 24 + 3), ..known },
    ];
    let unknown = std::iter::once(None)
        .chain(lives.map(|life| Some(WorkloadPast { way_back: None, rollout: None, life: Some(life) })));
    for past in unknown {
        let seen = panel(past.clone());
        for words in ["last time", "rollout took", "without a breach"] {
            assert!(!seen.contains(words), "{past:?}: {seen}");
        }
    }
}
