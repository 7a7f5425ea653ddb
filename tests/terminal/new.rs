//! `gonogo new` and `gonogo workflows`, from a fresh repository to the end of a rehearsal.

use std::path::Path;

use git2::{Repository, RepositoryInitOptions};

use gonogo::workflow::Language;

use crate::harness::{Home, words};
use crate::plays::is_played_to_its_end;

const PIPELINE: &str = "name: build\non:\n  push:\n    tags: ['v*']\njobs:\n  image:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: docker/build-push-action@v6\n        with:\n          push: true\n          tags: ghcr.io/${{ github.repository }}:${{ github.ref_name }}\n";

/// The working directory as a fresh repository with a Dockerfile and a GitHub workflow.
pub fn fresh_repository(home: &Home) {
    let work = home.path("work");
    let repository = Repository::init_opts(&work, RepositoryInitOptions::new().initial_head("trunk"))
        .expect("a repository");
    repository.remote("origin", "https://ana:secret@github.com/acme/shop.git").expect("a remote");
    let write = |file: &str, text: &str| {
        let path = work.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("Dockerfile", "FROM scratch\nCOPY shop /shop\n");
    write(".github/workflows/build.yml", PIPELINE);
}

#[test]
fn a_release_for_a_fresh_repository_lints_clean_and_is_played_to_its_end() {
    let home = Home::new();
    fresh_repository(&home);
    let told = home.run(&["new", "release"]);
    assert!(told.status.success(), "{}", words(&told));
    let told = words(&told);
    for found in [
        "https://github.com/acme/shop.git",
        "trunk",
        "ghcr.io/acme/shop",
        ".github/workflows/build.yml",
        "deployment      not found: stands as <deployment>",
        "wrote workflows/release.md   lint: 0 errors, 0 warnings",
    ] {
        assert!(told.contains(found), "{found} is missing in\n{told}");
    }
    let text = home.read("workflows/release.md");
    assert!(
        text.contains("git checkout trunk") && text.contains("=ghcr.io/acme/shop:${VERSION:?}"),
        "{text}"
    );
    assert!(!told.contains("secret") && !text.contains("secret"), "a token in an address is a secret");
    let clean = home.run(&["lint", "--deny", "warnings", "workflows/release.md"]);
    assert!(clean.status.success(), "{}", words(&clean));

    // The name finds the new one, and the list says what it hides.
    let listed = words(&home.run(&["workflows"]));
    assert!(listed.contains("hidden by") && listed.contains("workflows/release.md"), "{listed}");

    let report = is_played_to_its_end(&home, "release", Language::English);
    assert!(
        report.contains("ghcr.io/acme/shop:v1.3.0") || report.contains("ghcr.io/acme/shop:${VERSION:?}"),
        "{report}"
    );
}

#[test]
fn what_is_there_is_never_overwritten_and_a_dry_run_writes_nothing() {
    let home = Home::new();
    fresh_repository(&home);
    let printed = home.run(&["new", "hotfix", "--dry-run", "--lang", "fr"]);
    assert!(printed.status.success());
    assert!(printed.stdout.starts_with("---\nname: hotfix\n".as_bytes()), "{}", words(&printed));
    assert!(!home.path("work/workflows").exists());

    std::fs::create_dir(home.path("work/workflows")).expect("a folder");
    std::fs::write(home.path("work/workflows/release.md"), "mine").expect("a file");
    let refused = home.run(&["new", "release"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(words(&refused).contains("--output FILE writes elsewhere"), "{}", words(&refused));
    assert_eq!(home.read("workflows/release.md"), "mine");
    assert!(home.run(&["new", "release", "--output", "docs/ours.md"]).status.success());
    assert!(home.read("docs/ours.md").contains("ghcr.io/acme/shop"));

    let unknown = words(&home.run(&["new", "nothing"]));
    assert!(unknown.contains("the library has no nothing; it has release, rolling-update"), "{unknown}");
}

#[test]
fn a_document_of_the_library_can_be_taken_along() {
    let home = Home::new();
    let shown = home.run(&["workflows", "show", "canary-istio"]);
    let shipped = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows/canary-istio.en.md"));
    assert_eq!(shown.stdout, shipped.expect("a shipped document"));
    let listed: serde_json::Value =
        serde_json::from_slice(&home.run(&["workflows", "--format", "json"]).stdout).expect("JSON");
    assert_eq!(listed["schema"], "gonogo.workflows/1");
    let unknown = home.run(&["workflows", "show", "../etc/passwd"]);
    assert_eq!(unknown.status.code(), Some(1));
}
