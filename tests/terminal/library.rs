//! Every workflow of the library, played by its name in the practice world to its end, by keys alone.

use gonogo::workflow::{LIBRARY, Language};

use crate::harness::{Home, words};
use crate::pilot::{begin_as_it_stands, walk};

/// Plays the document that a name finds from `home`; a soak of an hour passes in three seconds.
///
/// - Shape: the report of its release.
#[track_caller]
pub fn is_played_to_its_end(home: &Home, name: &str, language: Language) -> String {
    let lang = if language == Language::French { "fr" } else { "en" };
    let line = ["demo", "--workflow", name, "--lang", lang, "--scenario", "good", "--speed", "1200"];
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
    report
}

macro_rules! played {
    ($($test:ident: $name:literal),* $(,)?) => {
        const PLAYED: &[&str] = &[$($name),*];
        $(mod $test {
            use super::*;

            #[test]
            fn is_played_to_its_end_in_english() {
                is_played_to_its_end(&Home::new(), $name, Language::English);
            }

            #[test]
            fn is_played_to_its_end_in_french() {
                is_played_to_its_end(&Home::new(), $name, Language::French);
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
