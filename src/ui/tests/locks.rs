//! The lock on the screen: ours, somebody else's, taken from us, kept after a rollback.

use super::*;
use crate::app::model::Panel;
use crate::app::msg::What;
use crate::release::{LockHolder, LockSight, LockStanding, ReleaseId, Takeover};

fn holder() -> LockHolder {
    LockHolder {
        who: "cy".to_owned(),
        host: "merlin".to_owned(),
        release: Some(ReleaseId("20261122-133000-release-v1.2.9".to_owned())),
        reason: "release v1.2.9".to_owned(),
        version: Some("v1.2.9".to_owned()),
        since: Some("2026-11-22T13:30:00Z".parse().unwrap()),
        kept: None,
        takeover: None,
    }
}

fn ours(script: &mut Script) {
    let since = script.model.now.wall;
    let standing = LockStanding::Ours { since, local_only: None, takeovers: Vec::new() };
    script.event(None, Fact::LockChanged { standing });
}

/// The same moment where the lock has to show, at three sizes.
fn at_some_sizes(script: &Script) -> String {
    let draw = |(width, height)| format!("── {width}×{height}\n{}", drawn(&script.model, width, height));
    [(150, 26), (80, 24), (60, 20)].map(draw).join("\n")
}

#[test]
fn a_lock_that_is_ours() {
    let mut script = Script::begun();
    ours(&mut script);
    assert_snapshot!(at_some_sizes(&pressed(script, &["o"])));
}

#[test]
fn a_lock_that_somebody_holds_before_the_release_begins() {
    let mut script = Script::start();
    script.model.preflight.clear();
    script.send(What::Lock(Box::new(LockSight { held: Some((target(), holder())), local_only: None })));
    assert_snapshot!(at_some_sizes(&pressed(script, &["r"])));
}

#[test]
fn a_lock_that_was_taken_from_us() {
    let mut script = Script::rolling_out();
    ours(&mut script);
    let takeover = Takeover {
        from: "ana at kestrel".to_owned(),
        from_release: None,
        at: script.model.now.wall,
        because: "hotfix, ana does not answer".to_owned(),
    };
    let holder = LockHolder { takeover: Some(takeover), since: Some(script.model.now.wall), ..holder() };
    script.event(None, Fact::LockChanged { standing: LockStanding::Lost { target: target(), holder } });
    let seen = at_some_sizes(&script);
    script.model.view.panel = Some(Panel::Lock);
    assert_snapshot!(format!("{seen}\n{}", at_some_sizes(&script)));
}

#[test]
fn a_lock_that_stays_after_a_rollback_and_is_local_only() {
    let mut script = Script::rolling_back();
    let since = script.model.now.wall;
    let local_only = Some("may not create leases in shop".to_owned());
    let standing = LockStanding::Ours { since, local_only, takeovers: Vec::new() };
    script.event(None, Fact::LockChanged { standing });
    script.at(850);
    script.see(workload(&[Pods { tag: "v1.2.0", revision: 9, ready: 4, starting: 0 }]));
    for second in [851, 866, 881, 900] {
        script.at(second);
        script.signals(0.3, 201.0);
        script.health(true);
    }
    let seen = at_some_sizes(&script);
    script.model.view.panel = Some(Panel::Lock);
    assert_snapshot!(format!("{seen}\n{}", at_some_sizes(&script)));
}
