//! Whom to call, since when, and the note that it was done.

use super::*;
use crate::app::model::{Due, Panel};

const LEVELS: [(&str, &str); 2] = [
    ("- **Échec déploiement** → `devops-engineer`", "- Après 15 minutes → `devops-engineer`"),
    (
        "- **Bug critique post-deploy** → `tech-lead` + rollback",
        "- Après 30 min → `tech-lead` + rollback\n- **Données perdues** → `tech-lead`, +33 6 12 34 56 78",
    ),
];

fn script() -> Script {
    Script::begun_changed(&LEVELS)
}

fn dues(script: &Script) -> Vec<Due> {
    script.model.escalation().iter().map(|level| level.due).collect()
}

#[test]
fn no_clock_runs_while_nothing_is_wrong() {
    let script = script();
    assert_eq!(script.model.in_trouble(), None);
    assert_eq!(dues(&script), [Due::Quiet, Due::Quiet, Due::Unsaid]);
    assert_eq!(script.model.escalation_due(), None);
}

#[test]
fn the_levels_come_due_by_the_documents_own_times_from_the_earliest_trouble() {
    let mut script = script();
    script.at(600);
    script.key("h");
    script.type_text("le test de charge échoue");
    script.key("enter");
    script.at(600 + 14 * 60);
    let trouble = script.model.in_trouble().expect("it is held");
    assert_eq!(trouble.what, "held: le test de charge échoue");
    let left = jiff::SignedDuration::from_secs;
    assert_eq!(dues(&script), [Due::In(left(60)), Due::In(left(960)), Due::Unsaid]);
    assert_eq!(script.model.escalation_due(), None);

    script.at(600 + 16 * 60);
    assert_eq!(
        script.model.escalation_due().map(|level| level.line.trigger.as_str()),
        Some("Après 15 minutes")
    );
    assert!(script.model.offers().contains(&crate::app::action::Action::Escalate));

    script.at(600 + 31 * 60);
    let due = script.model.escalation_due().expect("the second level");
    assert_eq!(due.line.trigger, "Après 30 min");
    assert_eq!(dues(&script)[0], Due::Now(left(960)));
}

#[test]
fn a_call_is_noted_in_the_journal_with_who_was_called_and_how() {
    let mut script = script();
    script.at(600);
    script.key("h");
    script.type_text("x");
    script.key("enter");
    script.at(600 + 20 * 60);
    script.key("!");
    assert_eq!(script.model.view.panel, Some(Panel::Escalation { selected: 0 }));
    script.key("enter");
    script.type_text("au téléphone");
    script.key("enter");
    let noted = script.asked.iter().any(|ask| matches!(ask, Ask::Append { event, .. }
        if matches!(&event.fact, Fact::Noted { text } if text.starts_with("escalated to devops-engineer (ana) ") && text.ends_with(": au téléphone"))));
    assert!(noted, "{:?}", script.asked);
    let levels = script.model.escalation();
    assert_eq!(
        levels[0].called.iter().map(|(_, by, how)| (*by, *how)).collect::<Vec<_>>(),
        [("ana", "au téléphone")]
    );
    assert!(levels[1].called.is_empty());
    assert_eq!(script.model.escalation_due(), None, "it was called: nothing asks for it any more");
}

#[test]
fn a_document_without_escalation_says_so() {
    let mut script = Script::begun_changed(&[("## Escalade", "## Divers")]);
    script.key("!");
    assert_eq!(script.model.view.panel, None);
    assert!(script.model.view.flash.as_ref().is_some_and(|flash| flash.text.contains("whom to call")));
}
