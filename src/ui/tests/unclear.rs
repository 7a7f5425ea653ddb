//! A block that may be commands or not, on the start panel and in its own.

use super::*;

const DOCUMENT: &str = "---\nname: release\nroles: [ops]\n---\n# Release\n\n## Steps\n\n### 1. Tag\n\n```\ngit tag <tag>\ngit push origin <tag>\nerror: failed to push\n```\n\n### 2. Tell\n\n```text\n$ git log --oneline\n```\n\n- [ ] All know\n";

const SIZES_THAT_MUST: [(u16, u16); 3] = [(150, 30), (80, 24), (60, 20)];

fn script() -> Script {
    let mut script = Script::opened_with(DOCUMENT, Vec::new());
    script.model.preflight.clear();
    script
}

/// Words as they stand on the screen, however its rows are broken.
fn shows(script: &Script, size: (u16, u16), words: &str) -> bool {
    let screen = drawn(&script.model, size.0, size.1);
    let of_panel = screen.lines().filter_map(|line| line.split_once('┃'));
    let rows = of_panel.map(|(_, row)| row.trim_end_matches('┃').trim()).collect::<Vec<_>>();
    rows.join(" ").contains(words)
}

#[test]
fn the_start_panel_shows_each_with_what_it_would_run() {
    let mut script = script();
    script.key("down");
    script.key("down");
    for size in SIZES_THAT_MUST {
        assert!(shows(&script, size, "“git tag <tag>”: a question, so it is not run"), "{size:?}");
        assert!(
            shows(&script, size, "as commands it would run git tag <tag> git push origin <tag>"),
            "{size:?}"
        );
        assert!(!shows(&script, size, "error: failed to push"), "{size:?}");
        assert!(shows(&script, size, "space commands, text, or a question again"), "{size:?}");
    }
    script.key("space");
    script.key("down");
    for size in SIZES_THAT_MUST {
        assert!(shows(&script, size, "“git tag <tag>”: commands, said ana on 2026-11-22"), "{size:?}");
        assert!(shows(&script, size, "as commands it would run git log --oneline"), "{size:?}");
    }
}

#[test]
fn on_the_way_its_panel_says_what_stands_there_and_what_would_run() {
    let mut script = script();
    script.key("r");
    script.key("up");
    script.key("enter");
    for size in SIZES_THAT_MUST {
        assert!(shows(&script, size, "as it stands in the document git tag v1.3.0"), "{size:?}");
        assert!(shows(&script, size, "error: failed to push"), "{size:?}");
    }
    assert!(shows(&script, (150, 30), "as commands it would run git tag v1.3.0 git push origin v1.3.0"));
    assert!(shows(&script, (150, 30), "space commands, text, or a question again   q back"));
}
