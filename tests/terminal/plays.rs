//! Every workflow of the library, played by its name in the practice world to its end, by keys alone.

use gonogo::workflow::{LIBRARY, Language};

use crate::harness::{Home, words};
use crate::new::fresh_repository;
use crate::pilot::{BRISK, begin_as_it_stands, walk};

/// Plays the document that a name finds from `home`; a soak of an hour passes in a minute.
///
/// - Shape: the report of its release.
#[track_caller]
pub fn is_played_to_its_end(home: &Home, name: &str, language: Language) -> String {
    let lang = if language == Language::French { "fr" } else { "en" };
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
    report
}

macro_rules! played {
    ($($test:ident: $name:literal in $language:ident),* $(,)?) => {
        const PLAYED: &[&str] = &[$($name),*];
        $(
            #[test]
            fn $test() {
                is_played_to_its_end(&Home::new(), $name, Language::$language);
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

/// Names of which none is that of a shipped workflow.
const MANIFEST: &str = "kind: Deployment\nmetadata:\n  name: checkout\n  namespace: acme\nspec:\n  selector:\n    matchLabels:\n      app: checkout-web\n  template:\n    spec:\n      containers:\n        - name: server\n          image: ghcr.io/acme/checkout:v1\n";

macro_rules! played_elsewhere {
    ($($test:ident: $name:literal in $language:ident, $manifest:expr, $says:literal;)*) => {
        $(#[test]
        fn $test() {
            let home = Home::new();
            fresh_repository(&home);
            if let Some(manifest) = $manifest {
                home.write("deployment.yaml", manifest);
            }
            let lang = if Language::$language == Language::French { "fr" } else { "en" };
            let told = home.run(&["new", $name, "--lang", lang]);
            assert!(words(&told).contains("lint: 0 errors, 0 warnings"), "{}", words(&told));
            let report = is_played_to_its_end(&home, $name, Language::$language);
            assert!(report.contains($says), "{report}");
        })*
    };
}

// What sends requests has the names of the repository, not those of the library.
played_elsewhere! {
    colours_of_another_repository_are_switched_in_practice:
        "blue-green" in English, Some(MANIFEST), "checkout-green";
    a_canary_of_another_repository_gets_its_share_in_practice:
        "canary-istio" in French, Some(MANIFEST), "checkout-canary";
    colours_behind_the_nginx_of_another_repository_are_switched_in_practice:
        "blue-green-nginx" in English, Some(MANIFEST), "completed";
    a_canary_without_a_name_gets_its_share_in_practice:
        "canary-istio" in English, None::<&str>, "app-canary";
}
