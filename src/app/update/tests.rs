//! Messages in, asks out: the keyboard, the write-ahead, and what silence means.

mod annotations;
mod elsewhere;
mod escalation;
mod outage;
mod policy;
mod reload;
mod secrets;
mod settle;
mod terminal;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use jiff::SignedDuration;

use super::*;
use crate::app::action::Action;
use crate::app::model::fixture::{Pods, Script, target, workload};
use crate::app::model::{Pane, Purpose, Row, StateWord};
use crate::journal::ReadJournal;
use crate::release::{Answer, CommandState, StepResult};
use crate::watch::rollout::RolloutState;
use crate::watch::{Link, Moment, Need, Observation, System};

fn wait(script: &mut Script, ms: i64) {
    let later = script.model.now.wall + SignedDuration::from_millis(ms);
    script.model.now = Moment::real(later);
}

/// One message as the loop gives it, without a disk that answers at once.
fn tell(script: &mut Script, what: What) -> Vec<Ask> {
    let at = script.model.now;
    update(&mut script.model, Msg { at, what })
}

fn press(script: &mut Script, name: &str) -> Vec<Ask> {
    wait(script, 1_000);
    let key = crate::app::keymap::Key::parse(name).expect("a key");
    let modifiers = if key.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
    tell(script, What::Key(KeyEvent::new(key.code, modifiers)))
}

fn durable(script: &mut Script, seq: u64) -> Vec<Ask> {
    tell(script, What::Journal(JournalNews::Durable { seq }))
}

fn disk_full(script: &mut Script) -> Vec<Ask> {
    let seq = script.model.journal.appended;
    tell(script, What::Journal(JournalNews::Failed { seq, why: "no space left on device".to_owned() }))
}

fn runs(asks: &[Ask]) -> usize {
    asks.iter().filter(|ask| matches!(ask, Ask::Do(Effect::Run(_)))).count()
}

fn rolls_back(asks: &[Ask]) -> usize {
    asks.iter().filter(|ask| matches!(ask, Ask::Do(Effect::RollBack(_)))).count()
}

fn records(asks: &[Ask]) -> Vec<u64> {
    let seq = |ask: &Ask| match ask {
        Ask::Append { seq, .. } => Some(*seq),
        _ => None,
    };
    asks.iter().filter_map(seq).collect()
}

fn told(script: &Script) -> String {
    script.model.view.flash.as_ref().map(|flash| flash.text.clone()).unwrap_or_default()
}

fn n_answers(script: &Script) -> usize {
    script.model.state().checks.len()
}

const PREPARE: &str = "preparation/command-1";

/// The first command stands in its run panel.
fn at_run_panel() -> Script {
    let mut script = Script::begun();
    script.confirm_all(&["pre-requis"]);
    press(&mut script, "enter");
    assert!(matches!(script.model.view.panel, Some(Panel::Run(_))));
    script
}

// ── the write-ahead

#[test]
fn a_command_leaves_only_once_its_own_record_is_durable() {
    let mut script = at_run_panel();
    let asks = press(&mut script, "r");
    let seq = records(&asks)[0];
    assert_eq!(runs(&asks), 0, "{asks:?}");
    assert_eq!(script.model.state().command(&PREPARE.into()), CommandState::Running);
    assert_eq!(runs(&durable(&mut script, seq - 1)), 0, "an older record says nothing about this one");
    assert_eq!(runs(&durable(&mut script, seq)), 1);
    assert_eq!(runs(&durable(&mut script, seq)), 0, "it leaves once");
}

#[test]
fn a_record_that_the_disk_refuses_keeps_its_command_from_starting() {
    let mut script = at_run_panel();
    press(&mut script, "r");
    let asks = disk_full(&mut script);
    assert_eq!(runs(&asks), 0);
    assert_eq!(script.model.state().command(&PREPARE.into()), CommandState::Failed);
    let attempt = script.model.state().last_attempt(&PREPARE.into()).expect("it was asked for");
    let exit = attempt.end.as_ref().and_then(|(_, exit)| exit.clone());
    assert!(matches!(&exit, Some(Exit::NotStarted(why)) if why.contains("no space left")), "{exit:?}");
    let seq = script.model.journal.appended;
    assert_eq!(runs(&durable(&mut script, seq)), 0, "it is not started behind the operator's back");
}

#[test]
fn nothing_starts_on_a_full_disk_and_everything_does_again_once_it_takes_records() {
    let mut script = at_run_panel();
    disk_full(&mut script);
    assert_eq!(press(&mut script, "r"), []);
    assert!(told(&script).contains("nothing is recorded, so nothing starts"), "{}", told(&script));
    assert!(told(&script).contains("no space left"), "{}", told(&script));
    let seq = script.model.journal.appended;
    durable(&mut script, seq);
    let asks = press(&mut script, "r");
    assert_eq!(runs(&durable(&mut script, records(&asks)[0])), 1);
}

#[test]
fn the_way_back_leaves_although_the_disk_is_full() {
    let mut script = Script::breached();
    disk_full(&mut script);
    press(&mut script, "R");
    script.painted();
    let asks = press(&mut script, "Y");
    assert_eq!(rolls_back(&asks), 1, "{asks:?}");

    // The disk fills up between the key and its record.
    let mut script = Script::breached();
    press(&mut script, "R");
    script.painted();
    let asks = press(&mut script, "Y");
    assert_eq!(rolls_back(&asks), 0, "it waits for its record first");
    assert!(asks.iter().any(|ask| matches!(ask, Ask::Append { essential: true, .. })));
    assert_eq!(rolls_back(&disk_full(&mut script)), 1);
}

#[test]
fn a_patch_leaves_once_its_record_is_durable() {
    let mut script = Script::breached();
    press(&mut script, "R");
    script.painted();
    let asks = press(&mut script, "Y");
    assert_eq!(rolls_back(&durable(&mut script, records(&asks)[0])), 1);
}

#[test]
fn a_command_that_had_not_left_yet_when_the_process_leaves_is_not_in_doubt_later() {
    let mut script = at_run_panel();
    let asked = press(&mut script, "r");
    let asks = tell(&mut script, What::Leave { why: "SIGTERM".to_owned() });
    assert!(asks.contains(&Ask::Drain));
    assert_eq!(runs(&durable(&mut script, records(&asked)[0])), 0, "nothing new starts");
    let attempt = script.model.state().last_attempt(&PREPARE.into()).expect("it was asked for");
    assert!(matches!(attempt.end, Some((_, Some(Exit::NotStarted(_))))), "{:?}", attempt.end);
}

// ── keys

#[test]
fn a_held_space_key_ticks_once() {
    let mut script = Script::begun();
    for _ in 0..60 {
        script.key("space");
        wait(&mut script, 33);
    }
    assert_eq!(n_answers(&script), 1);
    assert!(told(&script).contains("too quick"), "{}", told(&script));
    wait(&mut script, 1_000);
    script.key("space");
    assert_eq!(n_answers(&script), 2, "a press of its own counts");
}

#[test]
fn a_key_that_came_before_the_last_frame_could_be_read_decides_nothing() {
    let mut script = Script::begun();
    press(&mut script, "space");
    script.model.view.typed_ahead = true;
    press(&mut script, "space");
    assert_eq!(n_answers(&script), 1);
    assert!(told(&script).contains("too quick"), "{}", told(&script));
    script.model.view.typed_ahead = false;
    press(&mut script, "space");
    assert_eq!(n_answers(&script), 2, "it came after that frame");
}

#[test]
fn a_repeat_that_the_terminal_tells_as_one_does_nothing() {
    let mut script = Script::begun();
    wait(&mut script, 1_000);
    let event = KeyEvent::new_with_kind(KeyCode::Char(' '), KeyModifiers::NONE, KeyEventKind::Repeat);
    assert_eq!(tell(&mut script, What::Key(event)), []);
    let event = KeyEvent::new_with_kind(KeyCode::Char(' '), KeyModifiers::NONE, KeyEventKind::Release);
    assert_eq!(tell(&mut script, What::Key(event)), []);
    assert_eq!(n_answers(&script), 0);
}

#[test]
fn a_held_key_votes_for_one_role_and_runs_a_command_once() {
    let mut script = Script::at_poll();
    let step: crate::workflow::StepId = "verification-staging".into();
    let (role, reason) = ("devops-engineer".into(), Some("wait".to_owned()));
    let vote = crate::release::Vote::Abstain;
    script.event(Some("ana"), Fact::Voted { step: step.clone(), role, vote, reason, evidence: Vec::new() });
    press(&mut script, "g");
    wait(&mut script, 1_000);
    for _ in 0..20 {
        script.key("g");
        wait(&mut script, 33);
    }
    let go = script.model.state().polls[&step].values().filter(|ballot| ballot.lets_go());
    assert_eq!(go.count(), 1, "the second role is asked on its own");

    let mut script = Script::begun();
    script.confirm_all(&["pre-requis"]);
    press(&mut script, "enter");
    wait(&mut script, 1_000);
    for attempt in 1..20_u32 {
        script.key("r");
        let command = PREPARE.into();
        script.event(None, Fact::CommandEnded { command, attempt, exit: Exit::Code(0), took_ms: 9 });
        wait(&mut script, 33);
    }
    assert_eq!(script.model.state().commands[&PREPARE.into()].attempts.len(), 1);
}

#[test]
fn enter_never_answers_a_check() {
    let mut script = Script::begun();
    for _ in 0..4 {
        press(&mut script, "enter");
    }
    assert_eq!(n_answers(&script), 0);
}

#[test]
fn pasted_text_is_never_keys() {
    let mut script = Script::begun();
    assert_eq!(tell(&mut script, What::Paste(" r\nRY   ".to_owned())), []);
    assert_eq!((n_answers(&script), script.model.view.panel.is_none()), (0, true));
    assert!(told(&script).contains("pasted text is never keys"));
    press(&mut script, "n");
    assert_eq!(tell(&mut script, What::Paste("one\ntwo\u{1b}[A".to_owned())), []);
    let prompt = script.model.view.prompt.as_ref().expect("a line end in a paste does not answer");
    assert_eq!(prompt.input.value(), "one two[A");
}

#[test]
fn a_capital_r_in_a_text_field_is_text_and_ctrl_r_opens_the_rollback_panel() {
    let mut script = Script::begun();
    press(&mut script, "n");
    press(&mut script, "R");
    assert_eq!(script.model.view.prompt.as_ref().map(|prompt| prompt.input.value()), Some("R"));
    assert!(script.model.view.panel.is_none());
    press(&mut script, "ctrl-r");
    assert!(script.model.view.prompt.is_none());
    assert!(matches!(script.model.view.panel, Some(Panel::Rollback { .. })));
    // Its own text field leads back to the panel.
    press(&mut script, "t");
    assert_eq!(
        script.model.view.prompt.as_ref().map(|prompt| prompt.purpose.clone()),
        Some(Purpose::RollbackReason)
    );
    press(&mut script, "ctrl-r");
    assert!(script.model.view.prompt.is_none());
    assert!(matches!(script.model.view.panel, Some(Panel::Rollback { .. })));
}

#[test]
fn y_does_nothing_before_the_rollback_panel_was_painted() {
    let mut script = Script::breached();
    press(&mut script, "R");
    assert_eq!(press(&mut script, "Y"), []);
    assert_eq!(script.model.state().phase, Phase::Running);
    script.painted();
    press(&mut script, "Y");
    assert_eq!(script.model.state().phase, Phase::RollingBack);
}

/// What was asked of the cluster about pods.
fn deletions(script: &Script) -> usize {
    let is_one = |ask: &&Ask| matches!(ask, Ask::Do(Effect::RollBack(back)) if matches!(back.measure, crate::release::Measure::Delete(_)));
    script.asked.iter().filter(is_one).count()
}

/// A key on a disk that answers at once.
fn key(script: &mut Script, name: &str) {
    wait(script, 1_000);
    script.key(name);
}

#[test]
fn a_pod_is_deleted_only_after_it_was_named_on_the_screen_and_once() {
    let mut script = Script::trapped();
    key(&mut script, "D");
    assert_eq!(deletions(&script), 0, "the frame that names it was not seen yet");
    script.painted();
    key(&mut script, "D");
    assert_eq!(deletions(&script), 1);
    script.painted();
    key(&mut script, "D");
    assert_eq!(deletions(&script), 1);
    assert!(told(&script).contains("no pod holds the way back"), "{}", told(&script));
}

#[test]
fn the_key_that_deletes_a_pod_means_nothing_elsewhere_and_does_nothing_read_only() {
    let mut script = Script::trapped();
    script.painted();
    script.model.settings.read_only = true;
    key(&mut script, "D");
    assert_eq!(deletions(&script), 0);
    assert!(told(&script).contains("read-only"), "{}", told(&script));
    script.model.settings.read_only = false;
    key(&mut script, "q");
    key(&mut script, "D");
    assert_eq!(deletions(&script), 0);
    let mut calm = Script::rolling_back();
    calm.painted();
    key(&mut calm, "D");
    assert_eq!(deletions(&calm), 0);
}

#[test]
fn y_outside_the_panel_and_an_alt_key_are_nothing() {
    let mut script = Script::breached();
    script.painted();
    assert_eq!(press(&mut script, "Y"), []);
    press(&mut script, "R");
    script.painted();
    wait(&mut script, 1_000);
    let alt = KeyEvent::new(KeyCode::Char('Y'), KeyModifiers::ALT);
    assert_eq!(tell(&mut script, What::Key(alt)), [], "this is Esc and a key that came together");
    assert_eq!(script.model.state().phase, Phase::Running);
}

#[test]
fn a_panel_that_was_closed_has_to_be_painted_again() {
    let mut script = Script::breached();
    press(&mut script, "R");
    script.painted();
    press(&mut script, "esc");
    press(&mut script, "R");
    assert_eq!(press(&mut script, "Y"), []);
    assert_eq!(script.model.state().phase, Phase::Running);
}

#[test]
fn a_vote_is_given_in_the_panel_that_shows_the_evidence() {
    let mut script = Script::at_poll();
    let before = script.model.state().polls.clone();
    for key in ["g", "x"] {
        assert_eq!(press(&mut script, key), []);
        assert!(matches!(script.model.view.panel, Some(Panel::Poll(_))), "{key}");
        assert_eq!(script.model.state().polls, before, "{key}");
        press(&mut script, "esc");
    }
    press(&mut script, "g");
    press(&mut script, "g");
    assert_eq!(script.model.state_word(), StateWord::Running, "every role has said GO");
}

#[test]
fn digits_choose_in_the_run_panel_and_nothing_runs_before() {
    let mut script = Script::before_production();
    press(&mut script, "enter");
    assert_eq!(press(&mut script, "r"), []);
    assert!(told(&script).contains("nothing runs before one alternative is chosen"));
    press(&mut script, "9");
    assert!(matches!(&script.model.view.panel, Some(Panel::Run(panel)) if panel.choice.is_none()));
    press(&mut script, "2");
    assert!(matches!(&script.model.view.panel, Some(Panel::Run(panel)) if panel.choice == Some(1)));
    let asks = press(&mut script, "r");
    let done = durable(&mut script, records(&asks)[0]);
    let Some(Ask::Do(Effect::Run(run))) = done.first() else { panic!("{done:?}") };
    assert_eq!((run.choice, run.text.trim()), (Some(1), "gh workflow run deploy-prod.yml --ref v1.3.0"));
}

#[test]
fn nothing_runs_while_a_placeholder_stands_in_it() {
    let mut script = at_run_panel();
    let edited = |script: &mut Script, text: &str| match &mut script.model.view.panel {
        Some(Panel::Run(panel)) => panel.edited = Some(text.to_owned()),
        other => panic!("no run panel: {other:?}"),
    };
    edited(&mut script, "git push origin <tag>\n");
    assert_eq!(press(&mut script, "r"), []);
    assert!(told(&script).contains("<tag> still stands for a value"), "{}", told(&script));
    edited(&mut script, "git push origin v1.3.0\n");
    assert_eq!(records(&press(&mut script, "r")).len(), 1);
}

#[test]
fn a_key_that_means_nothing_does_nothing() {
    let mut script = Script::begun();
    let before = (format!("{:?}", script.model.view.panel), script.model.selected());
    for key in ["@", "ctrl-x", "Q", "é", "Y", "K"] {
        assert_eq!(press(&mut script, key), [], "{key}");
        assert_eq!((format!("{:?}", script.model.view.panel), script.model.selected()), before, "{key}");
    }
    assert_eq!(n_answers(&script), 0);
}

#[test]
fn the_palette_does_what_its_first_line_says() {
    let mut script = Script::begun();
    press(&mut script, ":");
    script.type_text("hold");
    let shown = script.model.palette().first().copied();
    press(&mut script, "enter");
    assert_eq!(shown, Some(crate::app::action::Action::Hold));
    assert_eq!(script.model.view.prompt.as_ref().map(|prompt| prompt.purpose.clone()), Some(Purpose::Hold));

    let mut script = Script::begun();
    press(&mut script, ":");
    press(&mut script, "down");
    let shown = script.model.palette()[1];
    press(&mut script, "enter");
    assert_eq!(shown, crate::app::model::palette::matches("")[1]);

    let mut script = Script::begun();
    press(&mut script, ":");
    script.type_text("zzzz");
    assert_eq!(press(&mut script, "enter"), []);
    assert!(told(&script).contains("no action is called `zzzz`"));
}

#[test]
fn every_way_out_that_a_refusal_names_as_a_command_is_one_that_the_palette_finds() {
    assert_eq!(
        crate::app::model::palette::matches("override").first(),
        Some(&crate::app::action::Action::OverrideCriterion)
    );
}

/// The palette is a list of names; it must not be a second trigger beside the panel that shows all.
#[test]
fn the_palette_fires_no_rollback() {
    let mut script = Script::breached();
    script.painted();
    press(&mut script, ":");
    script.type_text("fire");
    assert_eq!(press(&mut script, "enter"), []);
    assert_eq!(script.model.state().phase, Phase::Running);
}

// ── starting, watching, leaving

#[test]
fn a_tag_that_exists_is_refused_at_the_start() {
    let mut script = Script::start();
    script.model.preflight.clear();
    script.model.settings.known_tags.insert("v1.3.0".to_owned());
    assert_eq!(press(&mut script, "r"), []);
    assert!(told(&script).contains("the tag v1.3.0 exists already"), "{}", told(&script));
    assert_eq!(script.model.state().phase, Phase::Preparing);
    script.model.settings.known_tags.clear();
    press(&mut script, "r");
    assert_eq!(script.model.state().phase, Phase::Running);
}

#[test]
fn who_only_watches_cannot_do_anything() {
    let mut script = Script::begun();
    script.model.mode = Mode::Following { holder: "bo".to_owned() };
    assert_eq!(press(&mut script, "space"), []);
    assert!(told(&script).contains("bo drives this release"), "{}", told(&script));
    press(&mut script, "R");
    script.painted();
    assert_eq!(press(&mut script, "Y"), []);
    assert_eq!((n_answers(&script), script.model.state().phase), (0, Phase::Running));
    let fact = Fact::HealthChanged { healthy: false, summary: String::new() };
    let event = Event { at: script.model.now, by: None, fact };
    assert_eq!(tell(&mut script, What::Fact(Box::new(event))), [], "the one that drives records it");
}

#[test]
fn who_watches_sees_what_the_other_process_does() {
    let mut script = Script::begun();
    script.model.mode = Mode::Following { holder: "bo".to_owned() };
    let by = Some(crate::release::Operator { name: "cleo".to_owned(), host: String::new(), identity: None });
    let fact = Fact::Held { reason: "fire drill".to_owned() };
    let event = Event { at: script.model.now, by, fact };
    assert_eq!(tell(&mut script, What::Journal(JournalNews::Followed(vec![event]))), []);
    assert_eq!(script.model.state().phase, Phase::Held);
    assert_eq!(script.model.mode, Mode::Following { holder: "cleo".to_owned() });
}

#[test]
fn leaving_offers_to_leave_it_open_to_abort_and_to_stay() {
    let mut script = Script::begun();
    press(&mut script, "q");
    assert!(matches!(script.model.view.panel, Some(Panel::Quit)));
    press(&mut script, "esc");
    assert!(script.model.view.panel.is_none() && script.model.leaving.is_none(), "it stays");

    press(&mut script, "q");
    let asks = press(&mut script, "l");
    assert!(matches!(asks.as_slice(), [Ask::Append { event, .. }, Ask::Drain]
        if matches!(event.fact, Fact::Left { .. })));
    assert_eq!(tell(&mut script, What::Drained), [Ask::Exit(75)]);

    let mut script = Script::begun();
    press(&mut script, "q");
    press(&mut script, "a");
    assert_eq!(press(&mut script, "enter"), [], "aborting needs a reason");
    assert_eq!(script.model.state().phase, Phase::Running);
    press(&mut script, "a");
    script.type_text("the window is over");
    let asks = press(&mut script, "enter");
    assert!(asks.contains(&Ask::Drain));
    assert_eq!(tell(&mut script, What::Drained), [Ask::Exit(10)]);
}

#[test]
fn at_the_end_enter_reads_the_report() {
    let mut script = Script::safe();
    press(&mut script, "esc");
    assert_eq!(script.model.selected(), Some(Row::Finish), "wherever the cursor was before");
    let read = || What::JournalRead(Box::new(ReadJournal { records: Vec::new(), torn: None }));

    assert_eq!(press(&mut script, "enter"), [Ask::ReadJournal]);
    press(&mut script, "?");
    tell(&mut script, read());
    assert!(matches!(script.model.view.panel, Some(Panel::Help)), "nothing covers what was opened meanwhile");
    press(&mut script, "esc");

    assert_eq!(press(&mut script, "enter"), [Ask::ReadJournal]);
    tell(&mut script, read());
    let Some(Panel::Report { text }) = &script.model.view.panel else {
        panic!("{:?}", script.model.view.panel)
    };
    assert!(text.contains(&script.model.state().id.0), "{text}");
    press(&mut script, "esc");
    assert_eq!(script.model.state().phase, Phase::RolledBack, "reading changes nothing");
}

#[test]
fn the_report_is_read_under_way_and_not_before() {
    let mut script = Script::begun();
    assert_eq!(super::keys::act(&mut script.model, Action::Report), [Ask::ReadJournal]);
    let mut script = Script::start();
    press(&mut script, ":");
    script.type_text("report");
    assert_eq!(press(&mut script, "enter"), []);
    assert!(script.model.view.flash.is_some());
    assert!(matches!(script.model.view.panel, Some(Panel::Start(_))), "the only way on comes back");
}

#[test]
fn every_phase_has_its_exit_code() {
    let rolled_back = Script::safe();
    assert_eq!(rolled_back.model.state().phase, Phase::RolledBack);
    let mut failed = Script::breached();
    failed.key("R");
    failed.painted();
    failed.key("Y");
    let failure =
        crate::release::Failure { kind: crate::release::FailureKind::Rejected, summary: "denied".to_owned() };
    let result = StepResult::Failed(failure);
    failed.event(None, Fact::RollbackStepEnded { step: 0, attempt: 1, result });
    let scripts = [
        (Script::begun(), 75),
        (Script::held(), 75),
        (Script::rolling_back(), 75),
        (rolled_back, 11),
        (failed, 12),
    ];
    for (mut script, code) in scripts {
        tell(&mut script, What::Leave { why: "SIGTERM".to_owned() });
        assert_eq!(tell(&mut script, What::Drained), [Ask::Exit(code)], "{:?}", script.model.state().phase);
    }
}

#[test]
fn who_leaves_twice_leaves_once() {
    let mut script = Script::begun();
    assert!(tell(&mut script, What::Leave { why: "SIGHUP".to_owned() }).contains(&Ask::Drain));
    assert_eq!(tell(&mut script, What::Leave { why: "SIGTERM".to_owned() }), []);
}

// ── what the world shows

#[test]
fn a_breach_opens_no_panel_and_moves_no_focus() {
    let mut script = Script::rolling_out();
    press(&mut script, "2");
    let before = (script.model.view.focus, script.model.selected());
    let mut rung = 0;
    for second in [790, 805, 820, 835] {
        script.asked.clear();
        script.at(second);
        script.signals(3.1, 230.0);
        rung += script.asked.iter().filter(|ask| matches!(ask, Ask::Do(Effect::Ring))).count();
    }
    assert_eq!(script.model.state_word(), StateWord::Breach);
    assert_eq!((script.model.view.focus, script.model.selected()), before);
    assert_eq!(before.0, Pane::Rollout);
    assert!(script.model.view.panel.is_none() && script.model.view.prompt.is_none());
    assert_eq!(rung, 1);
}

#[test]
fn criteria_are_shown_and_not_armed_before_the_baseline() {
    let mut script = Script::begun();
    for second in [30, 45, 60, 75] {
        script.at(second);
        script.signals(9.0, 230.0);
    }
    assert_eq!(script.model.state().baseline, None);
    assert!(script.model.state().criteria.is_empty(), "nothing was changed that could be taken back");
    assert!(script.model.observed.metrics.readings().next().is_some(), "they are shown all the same");
}

#[test]
fn a_declared_breach_of_a_metric_outlives_its_good_readings_and_fills_no_journal() {
    let mut script = Script::rolling_out();
    script.at(790);
    script.arm();
    script.signals(0.3, 200.0);
    let criterion = script.model.release.workflow().rollback.criteria[0].id.clone();
    script.event(
        Some("ana"),
        Fact::CriterionDeclared { criterion, met: true, reason: "orders fail".to_owned() },
    );
    let before = script.model.journal.appended;
    for second in 791..820 {
        script.at(second);
    }
    assert_eq!(script.model.state_word(), StateWord::Breach);
    assert_eq!(script.model.journal.appended, before);
}

/// Nothing is heard of the cluster: time alone must turn no verdict green or red.
#[test]
fn silence_is_neither_green_nor_red() {
    let mut script = Script::silent();
    let before = script.model.state().rollouts[&target()].clone();
    assert_eq!(before.state, RolloutState::Progressing);
    for second in [900, 1_500, 5_000] {
        script.at(second);
        tell(&mut script, What::Judge);
    }
    assert_eq!(script.model.state().rollouts[&target()], before);
    let sensed = script.model.state().checks.values();
    let sensed = sensed.filter(|mark| matches!(mark.answer, Answer::Sensed { .. }));
    assert_eq!(sensed.count(), 0);
}

#[test]
fn what_was_complete_before_the_silence_is_not_sensed_as_complete_during_it() {
    let mut script = Script::rolling_out();
    script.at(765);
    let since = script.model.now;
    let link = Link::Down { since, cause: "connection refused".to_owned(), retry_at: None };
    script.link(System::Cluster, link);
    // The last words of a watch that breaks: a full rollout, read a moment before.
    let facts = workload(&[Pods { tag: "v1.3.0", revision: 8, ready: 4, starting: 0 }]);
    script.at(790);
    tell(&mut script, What::Observed(Observation::Workload(Box::new(facts))));
    let link = Link::Down { since, cause: "connection refused".to_owned(), retry_at: None };
    script.link(System::Cluster, link);
    for second in [800, 810, 820] {
        script.at(second);
    }
    let sensed = script.model.state().checks.values();
    let sensed = sensed.filter(|mark| matches!(mark.answer, Answer::Sensed { .. }));
    assert_eq!(sensed.count(), 0);
}

#[test]
fn the_cursor_follows_the_release_again_after_a_hold() {
    let mut script = Script::held();
    press(&mut script, "j");
    press(&mut script, "h");
    assert_eq!(script.model.state().phase, Phase::Running);
    assert_eq!(script.model.view.cursor, None);
    assert!(matches!(script.model.selected(), Some(Row::Check(_))));
}

#[test]
fn the_way_back_is_tested_every_half_minute_and_only_news_of_it_is_recorded() {
    let mut script = Script::begun();
    script.asked.clear();
    for second in 1..=120 {
        script.at(second);
    }
    let arms = script.asked.iter().filter(|ask| matches!(ask, Ask::Do(Effect::Arm { .. }))).count();
    assert!((4..=5).contains(&arms), "{arms}");
    let before = script.model.journal.appended;
    script.arm();
    assert_eq!(script.model.journal.appended, before);
    assert_eq!(script.model.observed.armed_at, Some(script.model.now));
}
