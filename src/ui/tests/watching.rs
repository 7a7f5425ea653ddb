//! Screens without a release.

use super::*;
use crate::app::model::Panel;
use crate::watch::{Link, System};

/// The sizes that the layout is made for, and the one below which panes are tabs.
const WATCHED: [(u16, u16); 3] = [(160, 48), (80, 24), (60, 20)];

fn at_watched_sizes(script: &Script) -> String {
    let draw = |(width, height)| format!("── {width}×{height}\n{}", drawn(&script.model, width, height));
    WATCHED.map(draw).join("\n")
}

fn rolling_out() -> Script {
    let mut script = Script::watching();
    script.see(workload(&[Pods { tag: "v1.2.0", revision: 7, ready: 4, starting: 0 }]));
    script.at(20);
    script.see(workload(&[
        Pods { tag: "v1.3.0", revision: 8, ready: 2, starting: 1 },
        Pods { tag: "v1.2.0", revision: 7, ready: 2, starting: 0 },
    ]));
    script.logs(12);
    script.at(31);
    script
}

const SHOP: [&str; 7] = ["app", "basket", "catalog", "mail", "pay", "search", "stock"];

#[test]
fn a_rollout_is_watched() {
    assert_snapshot!(at_watched_sizes(&rolling_out()));
}

#[test]
fn signals_are_watched_beside_it() {
    let mut script = rolling_out();
    script.signals(0.4, 212.0);
    script.health(true);
    assert_snapshot!(at_watched_sizes(&script));
}

#[test]
fn the_workloads_of_a_namespace_to_choose_from() {
    let script = pressed(Script::choosing(&SHOP), &["space", "down", "space"]);
    assert_snapshot!(at_watched_sizes(&script));
}

#[test]
fn nothing_of_a_release_is_on_a_watched_screen() {
    let mut scripts = [rolling_out(), Script::choosing(&SHOP), Script::choosing(&[])];
    let of_a_release = [
        "Checklist",
        "rollback",
        "ARMED",
        "PREPARING",
        "journal",
        "confirm",
        "step ",
        "T+",
        "note",
        "release",
        "hold",
    ];
    for script in &mut scripts {
        for keys in [&[][..], &["?"], &[":"], &["3"], &["z"], &["L"], &["R"], &["T"], &["tab", "tab"]] {
            for key in keys {
                script.key(key);
            }
            // The answer to a key that does nothing here names what it would have done.
            script.model.view.flash = None;
            for (width, height) in SIZES {
                let screen = drawn(&script.model, width, height);
                for word in of_a_release {
                    assert!(!screen.contains(word), "“{word}” after {keys:?} at {width}×{height}:\n{screen}");
                }
            }
            script.model.view.prompt = None;
            script.model.view.panel = None;
        }
    }
}

#[test]
fn the_worst_of_several_workloads_is_in_the_status_line() {
    let mut script = Script::choosing(&["app", "basket"]);
    let mut basket = workload(&[Pods { tag: "v1.2.0", revision: 7, ready: 4, starting: 0 }]);
    script.see(basket.clone());
    assert!(row(&buffer(&script.model, 100, 24), 0).contains("UNKNOWN"), "one was not read yet");
    basket.target.name = "basket".to_owned();
    basket.paused = true;
    script.see(basket);
    let status = row(&buffer(&script.model, 100, 24), 0);
    assert!(status.contains("PAUSED") && status.contains("deployment/app +1"), "{status}");
    let since = script.model.now;
    script.link(System::Cluster, Link::Down { since, cause: "connection refused".into(), retry_at: None });
    assert!(row(&buffer(&script.model, 100, 24), 0).contains("STALE"));
}

#[test]
fn a_namespace_that_cannot_be_listed_says_why() {
    let mut script = Script::choosing(&[]);
    assert!(drawn(&script.model, 100, 24).contains("asking for the workloads of shop in prod-eu"));
    let since = script.model.now;
    script.link(System::Cluster, Link::Down { since, cause: "forbidden".into(), retry_at: None });
    assert!(drawn(&script.model, 100, 24).contains("the workloads of shop are not known: forbidden"));
    script.link(System::Cluster, Link::Live);
    script.send(crate::app::msg::What::Offered(Vec::new()));
    assert!(drawn(&script.model, 100, 24).contains("shop in prod-eu has no workload"));
    assert!(!matches!(script.model.view.panel, Some(Panel::Workloads { .. })));
}

proptest! {
    #[test]
    fn a_watched_screen_is_drawn_at_any_size(width in 1u16..200, height in 1u16..60, panel in 0..4usize) {
        let mut script = pressed(Script::choosing(&SHOP), &["enter"]);
        script.key(["tab", "T", "?", ":"][panel]);
        drawn(&script.model, width, height);
    }
}
