//! What annotations ask for, at the keyboard and by what is seen.

use super::*;

const NOTES: &str = "preparation/changelog-prepare";

fn answer(script: &Script) -> Option<&Answer> {
    script.model.state().checks.get(&NOTES.into()).map(|mark| &mark.answer)
}

fn with_gate(gate: &str) -> Script {
    let line = format!("- [ ] Changelog préparé <!-- gonogo: {gate} -->");
    let mut script = Script::begun_changed(&[("- [ ] Changelog préparé", &line)]);
    script.confirm_all(&["pre-requis"]);
    script
}

#[test]
fn a_metric_answers_its_check_only_after_the_time_and_is_read_on_while_the_step_is_open() {
    let mut script = with_gate("metric=error-rate max=1% for=1m");
    script.at(20);
    script.signals(0.3, 100.0);
    let mut told = Vec::new();
    for second in 21..=200 {
        if second % 15 == 0 {
            script.model.now = Moment::real(script.model.now.wall + SignedDuration::from_secs(1));
            script.signals(if second == 165 { 4.0 } else { 0.3 }, 100.0);
        }
        script.at(second);
        if told.last() != answer(&script) {
            told.extend(answer(&script).cloned());
        }
    }
    let failing = |why: &str| Answer::SensedFailing { value: why.to_owned() };
    let passing = Answer::Sensed { value: "within its limits".to_owned() };
    assert_eq!(told, [failing("not watched for 60 s yet"), passing, failing("beyond its limit")]);
}

#[test]
fn a_rollout_of_before_the_release_answers_nothing() {
    let mut script = with_gate("rollout=deployment/app ns=shop ready=100% restarts=0");
    script.at(30);
    let Some(Answer::SensedFailing { value }) = answer(&script) else { panic!("{:?}", answer(&script)) };
    assert!(value.contains("still runs") || value.contains("not seen"), "{value}");
    let mut elsewhere = with_gate("rollout=deployment/other");
    elsewhere.at(30);
    let Some(Answer::SensedFailing { value }) = answer(&elsewhere) else {
        panic!("{:?}", answer(&elsewhere))
    };
    assert_eq!(value, "deployment/other is no target of this release");
}

#[test]
fn a_held_check_asks_for_the_reason_of_an_override() {
    let mut script = with_gate("distinct");
    script.model.view.cursor = Some(Row::Check(NOTES.into()));
    press(&mut script, "space");
    let purpose = script.model.view.prompt.as_ref().map(|prompt| prompt.purpose.clone());
    assert_eq!(purpose, Some(Purpose::Override(NOTES.into())));
    script.type_text("bo stood beside me");
    press(&mut script, "enter");
    assert_eq!(answer(&script), Some(&Answer::Overridden));
}

#[test]
fn the_word_is_typed_and_the_terms_go_with_the_run() {
    let asked = "<!-- gonogo: confirm=type:context env=NS=prod,VERSION=v0 cwd=deploy timeout=90s -->\n```bash\ngit log --oneline -20";
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", asked)]);
    script.confirm_all(&["pre-requis"]);
    press(&mut script, "enter");
    press(&mut script, "r");
    assert!(matches!(
        script.model.view.prompt.as_ref().map(|prompt| &prompt.purpose),
        Some(Purpose::TypeToRun(_))
    ));
    script.type_text("prod-us");
    press(&mut script, "enter");
    assert!(told(&script).contains("not the context of this release"), "{}", told(&script));
    press(&mut script, "r");
    script.type_text("prod-eu");
    press(&mut script, "enter");
    let attempt = script.model.state().last_attempt(&PREPARE.into()).expect("it was started");
    assert!(attempt.run.directory.ends_with("/deploy"), "{}", attempt.run.directory);
    assert_eq!(
        (attempt.run.terms.timeout_s, attempt.run.terms.typed.as_deref()),
        (Some(90), Some("prod-eu"))
    );
    assert_eq!(attempt.run.terms.set.keys().collect::<Vec<_>>(), ["NS", "VERSION"]);
    assert!(attempt.run.env.contains(&"NS".to_owned()));
}

#[test]
fn a_shell_that_is_not_here_is_told_before_anything_runs() {
    let asked = "<!-- gonogo: shell=zsh -->\n```bash\ngit log --oneline -20";
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", asked)]);
    script.confirm_all(&["pre-requis"]);
    let zsh = || Need::Program("zsh".to_owned());
    assert_eq!(press(&mut script, "enter"), [Ask::Look(vec![zsh()])]);
    tell(&mut script, What::Looked(vec![(zsh(), false)]));
    assert_eq!(press(&mut script, "r"), []);
    assert!(told(&script).contains("zsh is not on the PATH"), "{}", told(&script));
    tell(&mut script, What::Looked(vec![(zsh(), true)]));
    press(&mut script, "r");
    let attempt = script.model.state().last_attempt(&PREPARE.into()).expect("it was started");
    assert_eq!(attempt.run.shell, ["zsh", "-f", "-e"]);
}

#[test]
fn the_next_attempt_leaves_once_its_own_record_is_durable_and_its_output_is_followed() {
    let asked = "<!-- gonogo: retries=2 -->\n```bash\ngit log --oneline -20";
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", asked)]);
    script.confirm_all(&["pre-requis"]);
    press(&mut script, "enter");
    let started = records(&press(&mut script, "r"));
    assert_eq!(runs(&durable(&mut script, started[0])), 1);
    let world = |script: &mut Script, fact| {
        let event = Event { at: script.model.now, by: None, fact };
        tell(script, What::Fact(Box::new(event)))
    };
    let end =
        |attempt| Fact::CommandEnded { command: PREPARE.into(), attempt, exit: Exit::Code(1), took_ms: 9 };
    let woke = |attempt| Fact::Woke { timer: Timer::CommandAgain { command: PREPARE.into(), attempt } };
    let asks = world(&mut script, end(1));
    assert!(asks.iter().any(|ask| matches!(ask, Ask::Do(Effect::WakeAt { .. }))), "{asks:?}");
    wait(&mut script, 2_000);
    let asks = world(&mut script, woke(2));
    let seq = *records(&asks).last().expect("it is recorded");
    assert_eq!(
        (records(&asks).len(), runs(&asks)),
        (2, 0),
        "the pause is over, the attempt begins: {asks:?}"
    );
    assert_eq!(runs(&durable(&mut script, seq - 1)), 0);
    assert_eq!(runs(&durable(&mut script, seq)), 1);
    assert_eq!(script.model.view.panel, Some(Panel::Output { command: PREPARE.into(), attempt: 2 }));

    world(&mut script, end(2));
    press(&mut script, "K");
    assert!(script.model.release.again(&PREPARE.into()).is_none());
    wait(&mut script, 60_000);
    assert_eq!(runs(&world(&mut script, woke(3))), 0, "it was stopped");
}

#[test]
fn on_a_full_disk_nothing_runs_again() {
    let asked = "<!-- gonogo: retries=2 -->\n```bash\ngit log --oneline -20";
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", asked)]);
    script.confirm_all(&["pre-requis"]);
    press(&mut script, "enter");
    press(&mut script, "r");
    let fact = Fact::CommandEnded { command: PREPARE.into(), attempt: 1, exit: Exit::Code(1), took_ms: 9 };
    let event = Event { at: script.model.now, by: None, fact };
    tell(&mut script, What::Fact(Box::new(event)));
    disk_full(&mut script);
    wait(&mut script, 2_000);
    let fact = Fact::Woke { timer: Timer::CommandAgain { command: PREPARE.into(), attempt: 2 } };
    let event = Event { at: script.model.now, by: None, fact };
    let asks = tell(&mut script, What::Fact(Box::new(event)));
    assert_eq!(runs(&asks), 0);
    assert_eq!(script.model.state().command(&PREPARE.into()), CommandState::Failed);
}

#[test]
fn what_a_command_printed_is_in_the_environment_of_those_after_it() {
    let asked = "<!-- gonogo: capture=URL -->\n```bash\ngit log --oneline -20";
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", asked)]);
    script.confirm_all(&["pre-requis"]);
    let url = |script: &Script| script.model.unset_for("curl \"${URL}\"").into_iter().next();
    assert!(matches!(url(&script), Some((name, _)) if name == "URL"));
    press(&mut script, "enter");
    press(&mut script, "r");
    let world = |script: &mut Script, fact| {
        let event = Event { at: script.model.now, by: None, fact };
        tell(script, What::Fact(Box::new(event)))
    };
    let captured = crate::release::Captured::Value("https://a".to_owned());
    world(&mut script, Fact::OutputCaptured { command: PREPARE.into(), attempt: 1, captured });
    let end = Fact::CommandEnded { command: PREPARE.into(), attempt: 1, exit: Exit::Code(0), took_ms: 9 };
    world(&mut script, end);
    assert_eq!(url(&script), None);
    let workflow = std::sync::Arc::clone(script.model.release.workflow());
    let set = script.model.set_for(workflow.command(&PREPARE.into()).expect("it is there"));
    assert_eq!(set.into_iter().collect::<Vec<_>>(), [("URL".to_owned(), "https://a".to_owned())]);
}

#[test]
fn a_secret_that_became_known_meanwhile_is_not_written_down_by_an_output() {
    let asked = "<!-- gonogo: capture=URL -->\n```bash\ngit log --oneline -20";
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", asked)]);
    script.confirm_all(&["pre-requis"]);
    press(&mut script, "enter");
    press(&mut script, "r");
    script.model.secrets.insert("TOKEN", "hunter2-and-more");
    let captured = crate::release::Captured::Value("https://a?hunter2-and-more".to_owned());
    let fact = Fact::OutputCaptured { command: PREPARE.into(), attempt: 1, captured };
    let event = Event { at: script.model.now, by: None, fact };
    let asks = tell(&mut script, What::Fact(Box::new(event)));
    assert!(!format!("{asks:?}").contains("hunter"), "{asks:?}");
    assert!(format!("{asks:?}").contains("holds the value of TOKEN"), "{asks:?}");
}

#[test]
fn a_missing_program_is_offered_as_the_reason_of_a_skip_and_skips_nothing_by_itself() {
    let asked = "<!-- gonogo: skip-if-missing -->\n```bash\ngit log --oneline -20";
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", asked)]);
    script.confirm_all(&["pre-requis"]);
    let git = || Need::Program("git".to_owned());
    wait(&mut script, 5_000);
    let asks = tell(&mut script, What::Tick);
    assert!(asks.contains(&Ask::Look(vec![git()])), "{asks:?}");
    tell(&mut script, What::Looked(vec![(git(), true)]));
    press(&mut script, "s");
    assert_eq!(script.model.view.prompt.as_ref().map(|prompt| prompt.input.value()), Some(""));
    press(&mut script, "esc");
    tell(&mut script, What::Looked(vec![(git(), false)]));
    assert_eq!(
        script.model.state().command(&PREPARE.into()),
        CommandState::Ready,
        "nothing closes by itself"
    );
    press(&mut script, "s");
    press(&mut script, "enter");
    assert_eq!(script.model.state().command(&PREPARE.into()), CommandState::Skipped);
    let (_, _, why) =
        script.model.state().commands[&PREPARE.into()].set_aside.clone().expect("it was skipped");
    assert_eq!(why, "git is not on the PATH");
}

#[test]
fn an_alternative_that_the_document_prefers_is_shown_first_and_still_asked() {
    let text = "<!-- gonogo: choose=2 -->\n```bash\ngit log --oneline -20\n# ou\ngit status";
    let mut script = Script::begun_changed(&[("```bash\ngit log --oneline -20", text)]);
    script.confirm_all(&["pre-requis"]);
    press(&mut script, "enter");
    let Some(Panel::Run(panel)) = &script.model.view.panel else { panic!("the run panel is open") };
    assert_eq!(panel.choice, Some(1));
    assert!(script.model.state().commands.is_empty(), "nothing runs by itself");
}

#[test]
fn the_second_person_is_asked_for_by_name() {
    let mut script = with_gate("approvals=2 evidence=value");
    script.model.view.cursor = Some(Row::Check(NOTES.into()));
    press(&mut script, "space");
    script.type_text("12 notes");
    press(&mut script, "enter");
    assert_eq!(answer(&script), None, "one of two");
    script.model.view.cursor = Some(Row::Check(NOTES.into()));
    press(&mut script, "space");
    let purpose = script.model.view.prompt.as_ref().map(|prompt| prompt.purpose.clone());
    assert_eq!(purpose, Some(Purpose::Approve(NOTES.into())), "ana counts once");
    script.type_text("ana");
    press(&mut script, "enter");
    script.type_text("12");
    press(&mut script, "enter");
    assert!(told(&script).contains("ana has confirmed it"), "{}", told(&script));
    script.model.view.cursor = Some(Row::Check(NOTES.into()));
    press(&mut script, "space");
    script.type_text("bo");
    press(&mut script, "enter");
    let purpose = script.model.view.prompt.as_ref().map(|prompt| prompt.purpose.clone());
    assert_eq!(purpose, Some(Purpose::Typed { check: NOTES.into(), person: Some("bo".into()) }));
    script.type_text("twelve, or 12");
    press(&mut script, "enter");
    assert_eq!(answer(&script), Some(&Answer::Confirmed));
    let mark = &script.model.state().checks[&NOTES.into()];
    let people: Vec<String> = mark.approvals.iter().map(ToString::to_string).collect();
    assert_eq!(people, ["ana: 12 notes", "bo, key pressed by ana: twelve, or 12"]);
}

#[test]
fn the_keyboard_is_handed_over_in_the_panel_of_people() {
    let mut script = with_gate("not=runner");
    press(&mut script, "o");
    for _ in 0..9 {
        press(&mut script, "j");
    }
    press(&mut script, "enter");
    assert_eq!(
        script.model.view.prompt.as_ref().map(|prompt| prompt.purpose.clone()),
        Some(Purpose::Keyboard)
    );
    script.type_text("ana");
    press(&mut script, "enter");
    assert!(told(&script).contains("only with a new name"), "{}", told(&script));
    press(&mut script, "enter");
    script.type_text("bo");
    press(&mut script, "enter");
    assert_eq!(script.model.me.name, "bo");
    assert!(script.model.state().operators.contains_key("bo"));
}
