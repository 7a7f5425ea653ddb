//! Secrets at the keyboard: typed unseen, kept in memory, refused wherever they would be recorded.

use super::*;
use crate::app::model::FieldKind;

const HEAD: &str = "---\nname: release\nroles: [ops]\nparams: {CHAT_TOKEN: secret}\n---\n";
const VALUE: &str = "hunter2-and-more";

fn script() -> Script {
    let text = format!(
        "{HEAD}# R\n\n## Steps\n\n### 1. Tell\n\n```bash\ncurl -H \"Authorization: $CHAT_TOKEN\" https://chat.example\n```\n\n- [ ] Told\n"
    );
    let mut script = Script::opened_with(&text, Vec::new());
    let Some(Panel::Start(form)) = &mut script.model.view.panel else { panic!("it starts with the form") };
    form.fields[0].kind = FieldKind::Secret("CHAT_TOKEN".to_owned());
    form.fields[0].value.clear();
    script.model.preflight.clear();
    script
}

fn type_it(script: &mut Script, value: &str) -> Vec<Ask> {
    press(script, "enter");
    script.type_text(value);
    press(script, "enter")
}

#[test]
fn a_secret_is_typed_on_the_form_and_goes_to_the_commands_alone() {
    let mut script = script();
    press(&mut script, "r");
    assert!(told(&script).contains("CHAT_TOKEN is missing"), "{}", told(&script));
    type_it(&mut script, "abc");
    assert!(told(&script).contains("shorter than") && !told(&script).contains("abc"), "{}", told(&script));
    let asks = type_it(&mut script, VALUE);
    assert!(matches!(asks.as_slice(), [Ask::Keep(secrets)] if secrets.has("CHAT_TOKEN")), "{asks:?}");
    let begun = press(&mut script, "r");
    assert!(begun.iter().any(|ask| matches!(ask, Ask::Append { .. })), "{}", told(&script));
    assert!(script.model.state().begun_at.is_some() && script.model.state().params.is_empty());
    let everything = format!("{:?} {:?} {begun:?} {asks:?}", script.model.view, script.model.state());
    assert!(!everything.contains(VALUE));
}

#[test]
fn what_holds_a_secret_is_not_recorded() {
    let mut script = script();
    type_it(&mut script, VALUE);
    press(&mut script, "r");
    press(&mut script, "n");
    script.type_text(&format!("the token is {VALUE}"));
    press(&mut script, "enter");
    assert!(told(&script).contains("the value of CHAT_TOKEN stands in it"), "{}", told(&script));
    assert_eq!(script.model.state().notes.len(), 0);
    press(&mut script, "enter");
    press(&mut script, "e");
    script.type_text(&format!(" -d {VALUE}"));
    press(&mut script, "enter");
    press(&mut script, "r");
    assert!(told(&script).contains("write $CHAT_TOKEN instead"), "{}", told(&script));
    assert!(script.model.state().commands.is_empty());
}

#[test]
fn a_resumed_release_asks_for_it_before_the_command_that_reads_it() {
    let mut script = script();
    type_it(&mut script, VALUE);
    press(&mut script, "r");
    script.model.secrets = crate::workflow::Secrets::default();
    press(&mut script, "enter");
    press(&mut script, "r");
    let purpose = script.model.view.prompt.as_ref().map(|prompt| prompt.purpose.clone());
    assert_eq!(purpose, Some(Purpose::Secret("CHAT_TOKEN".to_owned())));
    script.type_text(VALUE);
    press(&mut script, "enter");
    press(&mut script, "r");
    let (_, track) = script.model.state().commands.iter().next().expect("it runs");
    assert!(track.attempts[0].run.env.contains(&"CHAT_TOKEN".to_owned()));
    assert!(!track.attempts[0].run.text.contains(VALUE));
}

#[test]
fn a_secret_that_is_the_name_of_the_target_does_not_block_the_way_back() {
    let mut script = Script::breached();
    let name = script.model.state().targets[0].to_string();
    script.model.secrets.insert("ODD_TOKEN", &name);
    script.model.secrets.insert("OTHER_TOKEN", "rollback-fired");
    press(&mut script, "R");
    script.painted();
    let asks = press(&mut script, "Y");
    assert_eq!(script.model.state().phase, Phase::RollingBack, "{}", told(&script));
    let seq = records(&asks)[0];
    assert_eq!(rolls_back(&durable(&mut script, seq)), 1);
    let fired = appended(&asks);
    let Fact::RollbackFired { evidence, .. } = &fired.fact else { panic!("{fired:?}") };
    assert!(!evidence.is_empty() && evidence.iter().all(|seen| !seen.what.contains(&name)), "{evidence:?}");
}

#[test]
fn the_reason_of_a_rollback_never_carries_a_secret() {
    let typed = format!("{VALUE} is in the logs");
    let say = |script: &mut Script| {
        press(script, "t");
        script.type_text(&typed);
        press(script, "enter")
    };
    let mut script = Script::breached();
    script.model.secrets.insert("CHAT_TOKEN", VALUE);
    press(&mut script, "R");
    script.painted();
    assert_eq!(say(&mut script), []);
    assert!(told(&script).contains("write $CHAT_TOKEN instead"), "{}", told(&script));
    // Typed before anybody knew that it is one.
    script.model.view.rollback_reason = Some(typed.clone());
    let fired = appended(&press(&mut script, "Y"));
    let Fact::RollbackFired { reason, .. } = &fired.fact else { panic!("{fired:?}") };
    assert_eq!(reason.as_deref(), Some("••••• is in the logs"));
    // While it runs, too.
    script.painted();
    assert_eq!(say(&mut script), []);
    assert!(told(&script).contains("write $CHAT_TOKEN instead"), "{}", told(&script));
    assert!(!format!("{:?}", script.model.state()).contains(VALUE));
}

/// The one record that a key made.
fn appended(asks: &[Ask]) -> Event {
    let event = |ask: &Ask| match ask {
        Ask::Append { event, .. } => Some((**event).clone()),
        _ => None,
    };
    asks.iter().find_map(event).expect("something was recorded")
}
