//! The rollback key of a release behind nginx: proven before it is needed, and read back.

use serde_json::Value;

use crate::harness::{Home, Terminal};
use crate::pilot::{begin, run};
use crate::stage::{Stage, nginx};

/// A release that sends everybody to green.
fn document(home: &Home, stage: &Stage) -> String {
    let text = format!(
        "---\nname: switch\n{}---\n# Switch\n\n## Steps\n\n### 1. Production deployment\n\n```bash\n{}\n```\n\n\
         - [ ] Everybody is on green\n\n## Rollback\n\n```bash\n{}\n```\n",
        stage.head(),
        stage.switch("green"),
        stage.switch("blue")
    );
    home.write("switch.md", text).display().to_string()
}

/// Begun with blue as the known good, and switched.
fn switched(home: &Home, stage: &Stage) -> Terminal {
    let mut terminal = home.open(&["run", &document(home, stage), "--operator", "ana"]);
    let armed = terminal.wait_for("an armed rollback", |screen| screen.rollback_line().contains("ARMED"));
    assert!(armed.rollback_line().contains("blue behind nginx"), "{}", armed.text());
    begin(&mut terminal);
    run(&mut terminal, "1");
    assert!(stage.is_at("green"), "{:?}", stage.standing());
    terminal.wait("Everybody is on green");
    terminal
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_goes_back_to_the_colour_that_served_and_reads_it_back() {
    let Some(program) = nginx() else { return };
    let (stage, home) = (Stage::new(program).await, Home::new());
    let mut terminal = switched(&home, &stage);
    terminal.press("R");
    let panel = terminal.wait_for("the panel", |screen| screen.has_panel("Rollback ── ARMED"));
    for words in ["to           blue behind nginx", "upstream.conf back to blue", "Y roll back now"] {
        assert!(panel.says(words), "{words} in\n{}", panel.text());
    }
    terminal.press("Y");
    let safe = terminal.wait_for("safe", |screen| screen.status().contains("SAFE"));
    assert!(safe.says("■ SAFE  blue behind nginx"), "{}", safe.text());
    assert!(stage.is_at("blue"), "{:?}", stage.standing());
    terminal.press("R");
    terminal.wait_for("the panel closed", |screen| !screen.has_panel("Rollback"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 11);
    let report = String::from_utf8(home.run(&["report"]).stdout).unwrap();
    assert!(report.contains("| Back to | `blue` on `nginx"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_without_the_terminal_that_died_and_not_to_a_colour_that_is_ill() {
    let Some(program) = nginx() else { return };
    let (stage, home) = (Stage::new(program).await, Home::new());
    switched(&home, &stage).kill();

    stage.set_health("blue", false);
    let refused = home.run(&["rollback", "--yes"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(13), "{said}");
    assert!(said.contains("DISARMED: nginx") && said.contains("blue is not healthy"), "{said}");
    assert!(stage.is_at("green"));

    stage.set_health("blue", true);
    let output = home.run(&["rollback", "--yes", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["verified"], &told["to"]["colour"]), (&Value::Bool(true), &Value::from("blue")));
    assert_eq!(told["from"]["colour"], "green");
    assert!(stage.is_at("blue"), "{:?}", stage.standing());

    let again = home.run(&["rollback", "--yes"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(String::from_utf8(again.stdout).unwrap().contains("is rolled back and safe"));
}
