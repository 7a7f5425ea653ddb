//! What the document knows of a failure, and whom it calls.

use super::*;
use crate::app::msg::{OutputBatch, OutputLine, What};
use crate::release::Exit;

const ROWS: (&str, &str) = (
    "| Pods crashent | Config manquante | Vérifier les env vars |",
    "| Pods crashent | Config manquante | Vérifier les env vars |\n\
     | Tag existe déjà | Version déjà publiée | Choisir la version suivante, rollback si elle est en ligne |\n\
     | Doublon de tag | Deux personnes publient | Demander à l'autre |",
);

fn at_some_sizes(script: &Script) -> String {
    let draw = |(width, height)| format!("── {width}×{height}\n{}", drawn(&script.model, width, height));
    [(160, 48), (80, 24), (60, 20)].map(draw).join("\n")
}

/// The tag's command has failed, and said why.
fn failed(said: &str) -> Script {
    let mut script = Script::begun_changed(&[ROWS]);
    script.confirm_all(&["pre-requis", "preparation"]);
    script.run_ok("preparation");
    script.confirm_all(&["preparation"]);
    script.run("creer-le-tag");
    let workflow = std::sync::Arc::clone(script.model.release.workflow());
    let command = workflow.step(&"creer-le-tag".into()).unwrap().commands[0].id.clone();
    let lines = vec![OutputLine { is_stderr: true, text: said.to_owned() }];
    script.send(What::Output(OutputBatch { command: command.clone(), attempt: 1, lines, cut: 0 }));
    script.event(None, Fact::CommandEnded { command, attempt: 1, exit: Exit::Code(128), took_ms: 40 });
    script
}

#[test]
fn a_failed_command_has_its_row_of_the_error_table_beside_it() {
    let script = failed("fatal: tag 'v1.3.0' already exists");
    let output = at_some_sizes(&script);
    let every = at_some_sizes(&pressed(script, &["m"]));
    assert_snapshot!(format!("{output}\n\n══ every row\n{every}"));
}

#[test]
fn the_run_panel_of_a_failed_command_has_its_row_too() {
    let script = pressed(failed("fatal: tag 'v1.3.0' already exists"), &["q", "enter"]);
    let screen = drawn(&script.model, 160, 48);
    assert!(screen.contains("known        Tag existe déjà — Version déjà publiée"), "{screen}");
    assert!(screen.contains("the output says “already exists” · 1 more of the table"), "{screen}");
}

#[test]
fn every_row_is_reached_and_the_way_back_leads_to_the_output() {
    let script = pressed(failed("fatal: tag 'v1.3.0' already exists"), &["m"]);
    let screen = drawn(&script.model, 80, 24);
    assert!(screen.contains("Doublon de tag") && screen.contains("Demander à l'autre"), "{screen}");
    let script = pressed(script, &["q"]);
    assert!(matches!(script.model.view.panel, Some(crate::app::model::Panel::Output { .. })));
}

#[test]
fn a_failure_that_no_row_speaks_of_has_nothing_beside_it() {
    let script = failed("fatal: something else entirely");
    let screen = drawn(&script.model, 160, 48);
    assert!(!screen.contains("known:"), "{screen}");
    let script = pressed(script, &["m"]);
    assert!(script.model.view.flash.as_ref().is_some_and(|flash| flash.is_refusal));
    // A command that succeeded has nothing to explain, whatever it printed.
    let script = pressed(Script::before_production(), &["m"]);
    assert_eq!(script.model.view.panel, None);
}

#[test]
fn whom_to_call_and_since_when() {
    let mut script = Script::begun_changed(&[
        ("- **Échec déploiement** → `devops-engineer`", "- Après 15 minutes → `devops-engineer`"),
        (
            "- **Bug critique post-deploy** → `tech-lead` + rollback",
            "- Après 30 min → `tech-lead` + rollback, +33 6 12 34 56 78\n- **Impact majeur** → `tech-lead`",
        ),
    ]);
    script.at(600);
    script.key("h");
    script.type_text("le test de charge échoue");
    script.key("enter");
    script.at(600 + 17 * 60);
    let mut script = pressed(script, &["!", "enter"]);
    script.type_text("au téléphone, il arrive");
    script.key("enter");
    script.at(600 + 32 * 60);
    assert_snapshot!(at_some_sizes(&script));
}
