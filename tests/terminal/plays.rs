//! Every workflow of the library, played by its name in the practice world to its end, by keys alone.

use gonogo::workflow::{LIBRARY, Language};

use crate::harness::{Home, words};
use crate::pilot::{BRISK, begin_as_it_stands, walk};

/// Plays one document; a soak of an hour passes in a minute.
fn is_played_to_its_end(name: &str, language: Language) {
    let lang = if language == Language::French { "fr" } else { "en" };
    let home = Home::new();
    let line = ["demo", "--workflow", name, "--lang", lang, "--scenario", "good", "--speed", BRISK];
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
    ($($test:ident: $name:literal in $language:ident),* $(,)?) => {
        const PLAYED: &[&str] = &[$($name),*];
        $(
            #[test]
            fn $test() {
                is_played_to_its_end($name, Language::$language);
            }
        )*
    };
}

// The twins of a workflow agree in plan and commands, which `workflows.rs` holds; those of `release`
// differ in their commands, so both are played.
played! {
    release: "release" in English,
    release_in_french: "release" in French,
    rolling_update: "rolling-update" in French,
    recreate: "recreate" in English,
    blue_green: "blue-green" in French,
    blue_green_nginx: "blue-green-nginx" in English,
    canary_istio: "canary-istio" in French,
    feature_flag: "feature-flag" in English,
    deploy_script: "deploy-script" in French,
    hotfix: "hotfix" in English,
    rollback: "rollback" in French,
    production_checklist: "production-checklist" in English,
    incident_communication: "incident-communication" in French,
}

#[test]
fn no_workflow_of_the_library_is_left_out() {
    let shipped: Vec<&str> =
        LIBRARY.iter().filter(|it| it.language == Language::English).map(|it| it.name).collect();
    let mut played = PLAYED.to_vec();
    played.dedup();
    assert_eq!(played, shipped);
}
