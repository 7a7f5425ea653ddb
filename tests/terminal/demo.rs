//! The demo from its first gate to its end: the happy path, and the way back.

use crate::harness::{Home, Screen, seed, words};
use crate::pilot::{BRISK, STEADY, begin, walk};

#[test]
fn the_seed_is_played_to_its_report_by_at_most_seventy_keys() {
    let home = Home::new();
    let seed = seed();
    let seed = seed.to_string_lossy();
    let mut terminal = home.open(&["demo", "--workflow", &seed, "--scenario", "good", "--speed", BRISK]);
    begin(&mut terminal);
    walk(&mut terminal, "2", |screen| screen.status().contains("COMPLETED"));
    terminal.wait("■ COMPLETED");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    println!("{} keys from the start panel to the end", terminal.n_keys);
    assert!(terminal.n_keys <= 70, "{} keys", terminal.n_keys);

    let report = home.run(&["report"]);
    assert!(report.status.success());
    let report = words(&report);
    // The twin says in words of its own what the seed says.
    let (last, deployed) = if report.contains("Équipe notifiée") {
        ("Équipe notifiée du succès", "gh workflow run deploy-prod.yml --ref v1.3.0")
    } else {
        ("L'équipe le sait", "gh workflow run ship-prod.yml --ref v1.3.0")
    };
    let last = format!("| {last} | ☑ confirmed | you |");
    for told in [
        "| Outcome | **completed** |",
        "| Parameter | `VERSION` = `v1.3.0` |",
        "git push origin v1.3.0",
        deployed,
        "**exit 0** · took",
        "| kept |",
        &last,
    ] {
        assert!(report.contains(told), "{told} is missing in\n{report}");
    }
    let n_confirmed = report.matches("| ☑ confirmed | you |").count();
    assert!(n_confirmed >= 20, "{n_confirmed} checks in\n{report}");
    assert!(home.run(&["list"]).stdout.windows(9).any(|part| part == b"COMPLETED"));
}

/// No head, no roles, steps from an English hand; one annotation.
const PLAIN: &str = "# Release of the shop\n\n## Prerequisites\n\n- [ ] CI is green on main (@ana)\n\n## Steps\n\n\
1. Tag it:\n\n   ```console\n   $ git tag <version>\n   ```\n\n\
2. Production deployment\n\n   > [!CAUTION]\n   > Not on a Friday.\n\n   \
<!-- gonogo: confirm=type:target timeout=5m -->\n   ```bash\n   kubectl set image deployment/app app=myapp:<version>\n   ```\n\n   \
- [ ] Rollout finished <!-- gonogo: rollout=deployment/app ready=100% -->\n\n   Wait 2 minutes.\n";

#[test]
fn a_plain_document_is_released_by_whoever_sits_there() {
    let home = Home::new();
    let document = home.write("RELEASE.md", PLAIN);
    let document = document.to_string_lossy();
    let mut terminal = home.open(&["demo", "--workflow", &document, "--scenario", "good", "--speed", BRISK]);
    let start = terminal.wait("begin the release");
    assert!(start.says("operator"), "who answers is asked at the start: {}", start.text());
    begin(&mut terminal);
    let is_deploying = |screen: &Screen| {
        screen.current().is_some_and(|item| item.contains("kubectl set image deployment/app"))
    };
    walk(&mut terminal, "1", is_deploying);
    terminal.press("enter");
    let panel = terminal.wait_for("the run panel", |screen| screen.has_panel("Run"));
    assert!(panel.says("Not on a Friday."), "{}", panel.text());
    terminal.press("r");
    terminal.wait("type the target to run this");
    terminal.type_line("deployment/app");
    terminal.wait_for("the end of the command", Screen::has_succeeded);
    terminal.press("enter");
    terminal.wait_for("the panel closed", |screen| !screen.has_panel("Output"));
    // The rollout answers the check, and the watching time is over, without a key.
    let is_closed =
        |screen: &Screen| screen.current().is_some_and(|item| item.contains("complete the release"));
    terminal.wait_for("nothing left to do", is_closed);
    terminal.press("enter");
    terminal.wait_for("the finish panel", |screen| screen.has_panel("Complete the release"));
    terminal.press("r");
    terminal.wait("⏎ shows the report");
    terminal.press("enter");
    let shown = terminal.wait_for("the report", |screen| screen.has_panel("Report"));
    assert!(shown.says("Outcome      completed"), "{}", shown.text());
    terminal.press("q");
    terminal.wait("⏎ shows the report");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    let report = words(&home.run(&["report"]));
    for told in ["| operator | GO | you |", "| Rollout finished | ◉ sensed |"] {
        assert!(report.contains(told), "{told} is missing in\n{report}");
    }
}

#[test]
fn a_key_held_down_and_an_enter_tick_nothing_that_was_not_read() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", "--lang", "fr"]);
    begin(&mut terminal);
    terminal.wait_for("the gate", |screen| screen.says("0/4"));

    terminal.send(&b" ".repeat(60));
    let held = terminal.wait("too quick to have been read");
    assert!(held.says("1/4"), "sixty spaces at once are one tick");
    let current = held.current().map(str::to_owned);

    terminal.press("enter");
    terminal.wait_for("the check shown", |screen| screen.has_panel("Check"));
    terminal.send(&b"\r".repeat(20));
    terminal.press("Y");
    terminal.press("esc");
    let after = terminal.wait_for("the panel closed", |screen| !screen.has_panel("Check"));
    assert!(after.says("1/4"), "Enter ticks nothing");
    assert_eq!(after.current().map(str::to_owned), current);

    terminal.press("?");
    terminal.wait("Everywhere");
    terminal.press("?");
    terminal.press("ctrl-c");
    terminal.wait("left open, it is taken up again with: gonogo resume");
    terminal.press("l");
    assert_eq!(terminal.ended(), 75);
}

#[test]
fn a_breach_is_proposed_and_only_r_then_y_rolls_back() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", "--speed", STEADY]);
    begin(&mut terminal);
    walk(&mut terminal, "1", |screen| screen.current().is_some_and(|item| item.contains("soak")));
    terminal.press("2");
    terminal.wait_for("the rollout focused", |screen| screen.says("┏ 2 Rollout"));
    let bells = terminal.bells();

    let breached = |screen: &Screen| screen.status().contains("BREACH");
    let screen = terminal.wait_for("the breach", breached);
    assert!(screen.says("proposed: roll back · nothing happens until you press R then Y"));
    assert!(!screen.has_panel("Rollback"), "a breach opens no panel");
    assert!(screen.says("┏ 2 Rollout"), "a breach moves no focus");
    assert!(screen.says("┌ 1 Checklist"));
    assert!(terminal.bells() > bells, "a breach rings");

    // Y is no key before R.
    terminal.press("Y");
    terminal.press("R");
    let panel = terminal.wait_for("the rollback panel", |screen| screen.has_panel("Rollback"));
    assert!(panel.has_panel("Rollback ── ARMED") && breached(&panel));
    for said in ["myapp:v1.3.0", "myapp:v1.2.0", "not undone", "Y roll back now", "dry run accepted"] {
        assert!(panel.says(said), "{said}");
    }

    // Closing it has done nothing.
    terminal.press("esc");
    let closed = terminal.wait_for("the panel closed", |screen| !screen.has_panel("Rollback"));
    assert!(breached(&closed));
    assert!(!home.records().contains("\"fact\":\"rollback-fired\""));

    terminal.press("R");
    terminal.wait_for("the rollback panel", |screen| screen.has_panel("Rollback ── ARMED"));
    terminal.press("Y");
    terminal.wait_for("the rollback under way", |screen| screen.status().contains("ROLLING BACK"));
    let safe = terminal.wait_for("safe", |screen| screen.status().contains("SAFE"));
    assert!(safe.says("■ SAFE  myapp:v1.2.0 on 4 of 4 pods"));
    assert!(safe.says("time to safe"));
    assert!(safe.rollback_line().contains("DONE → rev 2 myapp:v1.2.0   safe"));
    terminal.press("R");
    terminal.wait_for("the panel closed", |screen| !screen.has_panel("Rollback"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 11);

    let report = words(&home.run(&["report"]));
    for told in ["rolled back", "Time to safe", "ROLLBACK"] {
        assert!(report.to_lowercase().contains(&told.to_lowercase()), "{told} is missing in\n{report}");
    }
    let journal = home.records();
    assert_eq!(journal.matches("\"fact\":\"rollback-fired\"").count(), 1);
}

#[test]
fn a_latency_that_doubles_rings_with_its_evidence_and_the_way_back_makes_it_safe() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", "--lang", "fr", "--scenario", "latency", "--speed", STEADY]);
    begin(&mut terminal);
    walk(&mut terminal, "1", |screen| screen.current().is_some_and(|item| item.contains("soak")));
    let bells = terminal.bells();
    let screen = terminal.wait_for("the breach", |screen| screen.status().contains("BREACH"));
    assert!(terminal.bells() > bells, "a breach rings");
    assert!(screen.says("latency p95") && screen.says("for 3 of 3 readings"), "the evidence");
    assert!(screen.says("Latence p95 x2 ✘ MET") && screen.says("Taux d'erreur > 1% ✔"));

    terminal.press("R");
    terminal.wait_for("the rollback panel", |screen| screen.has_panel("Rollback ── ARMED"));
    terminal.press("Y");
    let safe = terminal.wait_for("safe", |screen| screen.status().contains("SAFE"));
    assert!(safe.says("■ SAFE  myapp:v1.2.0 on 4 of 4 pods · latency p95"));
    assert!(home.records().contains("Latence p95 x2"));
}
