//! Every workflow of the library, played by its name in the practice world to its end, by keys alone.

use gonogo::workflow::{LIBRARY, Language};

use crate::harness::{Home, words};
use crate::pilot::{begin_as_it_stands, walk};

/// Plays one document; a soak of an hour passes in twelve seconds. What happens in the practice world
/// meanwhile is computed, so a quicker one leaves a slow machine no time for the screen.
fn is_played_to_its_end(name: &str, language: Language) {
    let lang = if language == Language::French { "fr" } else { "en" };
    let home = Home::new();
    let line = ["demo", "--workflow", name, "--lang", lang, "--scenario", "good", "--speed", "300"];
    let mut terminal = home.open(&line);
    begin_as_it_stands(&mut terminal);
    walk(&mut terminal, "1", |screen| screen.status().contains("COMPLETED"));
    terminal.wait("■ COMPLETED");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0, "{name} in {lang}");
    let report = words(&home.run(&["report"]));
    assert!(report.contains("| Outcome | **completed** |"), "{name} in {lang}: {report}");
    let failed = report.lines().find(|line| line.contains("**exit ") && !line.contains("**exit 0**"));
    assert_eq!(failed, None, "{name} in {lang}: {report}");
}

macro_rules! played {
    ($($test:ident: $name:literal),* $(,)?) => {
        const PLAYED: &[&str] = &[$($name),*];
        $(mod $test {
            use super::*;

            #[test]
            fn is_played_to_its_end_in_english() {
                is_played_to_its_end($name, Language::English);
            }

            #[test]
            fn is_played_to_its_end_in_french() {
                is_played_to_its_end($name, Language::French);
            }
        })*
    };
}

played! {
    release: "release",
    rolling_update: "rolling-update",
    recreate: "recreate",
    blue_green: "blue-green",
    blue_green_nginx: "blue-green-nginx",
    canary_istio: "canary-istio",
    feature_flag: "feature-flag",
    deploy_script: "deploy-script",
    hotfix: "hotfix",
    rollback: "rollback",
    production_checklist: "production-checklist",
    incident_communication: "incident-communication",
}

#[test]
fn no_workflow_of_the_library_is_left_out() {
    let shipped: Vec<&str> =
        LIBRARY.iter().filter(|it| it.language == Language::English).map(|it| it.name).collect();
    assert_eq!(PLAYED, shipped);
}
