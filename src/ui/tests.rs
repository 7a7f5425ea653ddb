//! Whole screens, drawn into a buffer.

mod annotations;
mod failures;
mod kinds;
mod locks;
mod past;
mod policy;
mod reload;
mod terminal;
mod unclear;
mod watching;

use insta::assert_snapshot;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::theme::{Depth, Role, Theme};
use super::{Scrolls, draw, render};
use crate::app::action::Action;
use crate::app::keymap::Context;
use crate::app::model::fixture::{Pods, Script, target, workload};
use crate::app::model::{Flash, Mode, Model, Pane, Panel};
use crate::release::{Fact, Finding, Outcome};
use crate::report::{self, Meta};
use crate::watch::{LogBatch, LogMark, LogSource, Observation};

const SIZES: [(u16, u16); 5] = [(160, 48), (150, 26), (80, 24), (60, 20), (40, 10)];

fn buffer_in(model: &Model, theme: &Theme, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    render(&mut buffer, area, model, &mut Scrolls::default(), theme);
    buffer
}

fn buffer(model: &Model, width: u16, height: u16) -> Buffer {
    buffer_in(model, &Theme::default_for(false, Depth::True), width, height)
}

fn row(buffer: &Buffer, y: u16) -> String {
    let mut row = String::new();
    let mut x = 0;
    while x < buffer.area.width {
        let symbol = buffer[(x, y)].symbol();
        row.push_str(symbol);
        x += u16::try_from(symbol.width()).unwrap().max(1);
    }
    row.trim_end().to_owned()
}

fn text(buffer: &Buffer) -> String {
    (0..buffer.area.height).map(|y| row(buffer, y)).collect::<Vec<_>>().join("\n")
}

/// The screen as text, without spaces at line ends.
fn drawn(model: &Model, width: u16, height: u16) -> String {
    text(&buffer(model, width, height))
}

/// The same moment at every size that matters.
fn at_all_sizes(script: &Script) -> String {
    let draw = |(width, height)| format!("── {width}×{height}\n{}", drawn(&script.model, width, height));
    SIZES.map(draw).join("\n")
}

/// Where a text stands in a buffer.
fn find(buffer: &Buffer, wanted: &str) -> (u16, u16) {
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        if let Some(at) = line.find(wanted) {
            return (u16::try_from(line[..at].chars().count()).unwrap(), y);
        }
    }
    panic!("`{wanted}` is not on the screen:\n{}", text(buffer));
}

fn pressed(mut script: Script, keys: &[&str]) -> Script {
    for key in keys {
        script.key(key);
    }
    script
}

// ── what it looks like

#[test]
fn start() {
    assert_snapshot!(at_all_sizes(&Script::start()));
}

#[test]
fn production_is_rolling_out() {
    assert_snapshot!(at_all_sizes(&Script::rolling_out()));
}

#[test]
fn the_run_panel_before_production() {
    assert_snapshot!(at_all_sizes(&pressed(Script::before_production(), &["enter"])));
}

#[test]
fn the_poll_before_production() {
    assert_snapshot!(at_all_sizes(&pressed(Script::at_poll(), &["enter"])));
}

#[test]
fn a_breach_and_the_rollback_panel() {
    assert_snapshot!(at_all_sizes(&pressed(Script::breached(), &["R"])));
}

/// Two pods, one of two containers; JSON, a trace, and what happened to the streams.
fn reading_logs() -> Script {
    let mut script = Script::rolling_out();
    script.model.view.focus = Pane::Rollout;
    script.model.view.zoom = true;
    let at = script.model.now.wall;
    let mut tell = |pod: &str, container: &str, lines: &[&str], mark: Option<LogMark>| {
        let source = LogSource { pod: pod.to_owned(), container: container.to_owned(), revision: None };
        let lines = lines.iter().map(|line| (Some(at), *line)).collect();
        let batch = LogBatch { source: source.into(), lines, mark };
        script.send(crate::app::msg::What::Observed(Observation::Logs(vec![batch])));
    };
    tell("app-7c9f4-x2abc", "proxy", &["ready"], None);
    let json = r#"{"level":"info","ts":1,"msg":"order placed","id":"x7","user":{"name":"b\u001b[2J"}}"#;
    tell("app-7c9f4-x2abc", "app", &[json, r#"{"level":"error","message":"pool is empty","max":20}"#], None);
    let trace = ["ERROR cannot order", "java.lang.IllegalStateException: no stock", "\tat shop.Order.place"];
    tell("app-7c9f4-qqabc", "app", &trace, Some(LogMark::Lost { lines: 3, why: "rotated".to_owned() }));
    let names = "app-7c9f4-a, app-7c9f4-b".to_owned();
    tell("", "", &[], Some(LogMark::Unfollowed { pods: 12, names }));
    script
}

#[test]
fn logs_of_every_kind() {
    let readable = drawn(&reading_logs().model, 110, 30);
    let raw = drawn(&pressed(reading_logs(), &["J"]).model, 110, 30);
    assert_snapshot!(format!("{readable}\n── as they were written\n{raw}"));
}

#[test]
fn marked_log_lines_are_told_by_a_sign_and_counted() {
    let mut script = reading_logs();
    script.model.view.log.height = 12;
    let screen = drawn(&pressed(script, &["v", "k", "k"]).model, 110, 30);
    assert_eq!(screen.lines().filter(|line| line.contains("┃14:")).count(), 2, "{screen}");
    assert!(screen.contains("3 marked") && screen.contains("y copy"), "{screen}");
}

#[test]
fn a_broken_pattern_is_told_beside_the_text_being_typed() {
    let mut script = reading_logs();
    script.key("/");
    script.type_text("a(");
    let screen = drawn(&script.model, 110, 30);
    assert!(screen.lines().last().unwrap().contains("not a pattern: unclosed group"), "{screen}");
}

#[test]
fn what_is_read_out_of_json_cannot_steer_the_terminal() {
    let buffer = buffer(&reading_logs().model, 150, 30);
    find(&buffer, "order placed");
    assert!(buffer.content.iter().all(|cell| !cell.symbol().contains(char::is_control)));
}

#[test]
fn rolling_back() {
    assert_snapshot!(at_all_sizes(&Script::rolling_back()));
}

#[test]
fn the_report() {
    let mut script = Script::safe();
    let meta = Meta { version: "0.1.0".to_owned(), torn_bytes: 0 };
    let text = report::markdown(&script.model.release, &[], &meta);
    script.model.view.panel = Some(Panel::Report { text });
    assert_snapshot!(at_all_sizes(&script));
}

#[test]
fn safe() {
    assert_snapshot!(at_all_sizes(&Script::safe()));
}

#[test]
fn the_cluster_is_silent() {
    assert_snapshot!(at_all_sizes(&Script::silent()));
}

#[test]
fn a_command_in_doubt() {
    assert_snapshot!(at_all_sizes(&pressed(Script::in_doubt(), &["enter"])));
}

#[test]
fn held() {
    assert_snapshot!(at_all_sizes(&Script::held()));
}

#[test]
fn soaking() {
    let mut script = Script::soaking();
    script.at(2_900);
    assert_snapshot!(at_all_sizes(&script));
}

#[test]
fn the_output_of_a_running_command() {
    let mut script = Script::before_production();
    script.run("deploiement-production");
    script.at(548);
    assert_snapshot!(at_all_sizes(&script));
}

#[test]
fn without_unicode() {
    let mut script = Script::breached();
    script.model.settings.ascii = true;
    assert_snapshot!(drawn(&script.model, 120, 26));
}

// ── what must be true of it

#[test]
fn a_state_word_never_stands_alone() {
    let screen = drawn(&Script::rolling_out().model, 150, 26);
    assert!(screen.contains("PROGRESSING  1 old left"), "{screen}");
    let screen = drawn(&Script::breached().model, 150, 26);
    assert!(screen.contains("▲ error rate 3.1 % > 1 % for 3 of 3 readings"), "{screen}");
    assert!(screen.contains("nothing happens until you press R then Y"), "{screen}");
}

#[test]
fn nothing_is_green_or_red_on_a_silent_cluster() {
    let theme = Theme::default_for(false, Depth::True);
    let (ok, bad) = (theme.style(Role::Ok).fg, theme.style(Role::Bad).fg);
    let script = Script::silent();
    let buffer = buffer(&script.model, 150, 26);
    let (x, first) = find(&buffer, "STALE");
    let (_, last) = find(&buffer, "── logs");
    for y in first..last {
        for x in x..149 {
            let cell = &buffer[(x, y)];
            let is_blank = cell.symbol() == " ";
            assert!(is_blank || (Some(cell.fg) != ok && Some(cell.fg) != bad), "{:?} at {x},{y}", cell);
        }
    }
    assert!(row(&buffer, first).contains("was PROGRESSING"));
    let (x, y) = find(&buffer, "ARMED");
    assert_ne!(Some(buffer[(x, y)].fg), ok, "what was proven before the silence is not green");
}

#[test]
fn each_role_is_seen_on_the_cell_that_means_it() {
    let theme = Theme::default_for(false, Depth::True);
    let mut script = Script::rolling_out();
    script.event(
        Some("ana"),
        Fact::Overridden {
            check: "deploiement-production/deploiement-lance".into(),
            reason: "vu sur le cluster".to_owned(),
            evidence: Vec::new(),
        },
    );
    let buffer = buffer(&script.model, 150, 40);
    let shown = |wanted: &str| {
        let (x, y) = find(&buffer, wanted);
        buffer[(x, y)].style()
    };
    let has = |style: Style, role: Role| {
        let wanted = theme.style(role);
        assert_eq!(
            (style.fg, style.add_modifier),
            (wanted.fg.or(Some(ratatui::style::Color::Reset)), wanted.add_modifier),
            "{}",
            role.name()
        );
    };
    has(shown("◆"), Role::Overridden);
    has(shown("✔ Pré-requis"), Role::Ok);
    has(shown("PROGRESSING"), Role::Info);
    has(shown("● live"), Role::Ok);
    has(shown("ARMED"), Role::Ok);
    has(shown("✘ ERROR"), Role::LogError);
    has(shown("▲ WARN"), Role::LogWarn);
    has(shown("DOWN 503"), Role::Bad);
    has(shown("▶"), Role::Focus);
    has(shown("space"), Role::Accent);
    has(shown("◌ 9s"), Role::Warning);
}

#[test]
fn a_pod_keeps_its_colour_and_two_pods_of_one_screen_can_be_told_apart() {
    let script = Script::rolling_out();
    let buffer = buffer(&script.model, 150, 40);
    let (x, y) = find(&buffer, "qqabc ✘ ERROR");
    let (other_x, other_y) = find(&buffer, "x2abc GET");
    assert_ne!(buffer[(x, y)].fg, buffer[(other_x, other_y)].fg);
}

#[test]
fn without_colours_the_same_words_are_on_the_screen() {
    for script in [Script::breached(), Script::silent(), Script::safe()] {
        let colours = buffer(&script.model, 150, 26);
        let plain = buffer_in(&script.model, &Theme::default_for(true, Depth::Sixteen), 150, 26);
        assert_eq!(text(&colours), text(&plain));
        let reset = ratatui::style::Color::Reset;
        assert!(plain.content.iter().all(|cell| cell.fg == reset && cell.bg == reset));
    }
}

#[test]
fn the_key_line_never_cuts_a_key_and_keeps_the_way_to_help() {
    let script = Script::rolling_out();
    for width in 8..150 {
        let screen = drawn(&script.model, width, 24);
        let line = screen.lines().last().unwrap().trim();
        let offers = script.model.offers();
        let contexts = script.model.contexts();
        for hint in line.split("  ").map(str::trim).filter(|hint| !hint.is_empty()) {
            let known = offers.iter().any(|action| {
                let key = script.model.keymap.key(&contexts, *action).unwrap();
                hint == format!("{key} {}", action.label())
            });
            assert!(known, "{width}: `{hint}` in `{line}`");
        }
        assert!(line.ends_with("? help"), "{width}: {line}");
    }
}

#[test]
fn a_rebound_key_is_what_the_screen_says() {
    let mut script = Script::rolling_out();
    script.model.keymap.rebind("confirm", "C").unwrap();
    let screen = drawn(&script.model, 150, 26);
    assert!(screen.contains("C confirm") && !screen.contains("space confirm"), "{screen}");
}

#[test]
fn the_read_only_view_says_who_drives() {
    let mut script = Script::rolling_out();
    script.model.mode = Mode::Following { holder: "ana".to_owned() };
    assert!(drawn(&script.model, 170, 26).contains("WATCHING, ana drives"));
    assert!(!drawn(&script.model, 170, 26).contains("space confirm"));
}

#[test]
fn a_broken_way_back_says_why_at_every_width() {
    let mut script = Script::rolling_out();
    let why = "the old ReplicaSet is gone".to_owned();
    let finding = Finding {
        target: Some(target()),
        what: "ReplicaSet kept".to_owned(),
        outcome: Outcome::Limited(why),
    };
    script.event(None, Fact::Armed { findings: vec![finding.clone()] });
    for width in [150, 80, 60] {
        let screen = drawn(&script.model, width, 24);
        assert!(screen.contains("DEGRADED") && screen.contains("ReplicaSet kept: the"), "{screen}");
    }
    let gone = Outcome::Broken("forbidden".to_owned());
    script.event(None, Fact::Armed { findings: vec![Finding { outcome: gone, ..finding }] });
    assert!(drawn(&script.model, 60, 20).contains("DISARMED"));
}

#[test]
fn a_full_disk_is_said_before_everything_else() {
    let mut script = Script::breached();
    script.model.journal.failed = Some("no space left on device".to_owned());
    let screen = drawn(&script.model, 150, 26);
    let banner = screen.lines().nth(1).unwrap();
    assert!(banner.contains("the journal cannot be written · no space left"), "{banner}");
    assert!(screen.lines().nth(2).unwrap().contains("▲ error rate"), "the breach is said too");
}

#[test]
fn a_tab_with_news_has_a_dot_and_the_one_in_sight_has_brackets() {
    let mut script = Script::rolling_out();
    script.model.view.news = [Pane::Rollout].into();
    let screen = drawn(&script.model, 60, 20);
    assert!(screen.contains("[1 Checklist]  2 Rollout •  3 Signals"), "{screen}");
    script.model.view.focus = Pane::Rollout;
    let screen = drawn(&script.model, 60, 20);
    assert!(screen.contains(" 1 Checklist  [2 Rollout]  3 Signals"), "{screen}");
    assert!(screen.contains("▶ ☐ Déploiement lancé"), "the current item stays:\n{screen}");
}

#[test]
fn the_last_readable_size_still_says_where_how_and_whether_one_can_go_back() {
    for (script, word) in [(Script::breached(), "BREACH"), (Script::rolling_out(), "RUNNING")] {
        let screen = drawn(&script.model, 40, 10);
        assert!(screen.lines().next().unwrap().contains(word), "{screen}");
        assert!(screen.contains("▶ ☐ Déploiement lancé"), "{screen}");
        assert!(screen.contains("R ARMED → rev 7"), "{screen}");
    }
}

#[test]
fn zoom_gives_the_focused_pane_the_right_side_and_keeps_the_checklist() {
    let mut script = Script::rolling_out();
    script.key("2");
    script.key("z");
    let screen = drawn(&script.model, 150, 26);
    assert!(screen.contains("1 Checklist") && screen.contains("2 Rollout") && !screen.contains("3 Signals"));
    script.key("3");
    let screen = drawn(&script.model, 150, 26);
    assert!(screen.contains("1 Checklist") && !screen.contains("2 Rollout") && screen.contains("3 Signals"));
}

#[test]
fn a_panel_leaves_the_checklist_and_the_rollback_line() {
    let keys: [&[&str]; 6] = [&["R"], &["?"], &["o"], &["q"], &["b"], &["L"]];
    for keys in keys {
        let script = pressed(Script::rolling_out(), keys);
        assert!(script.model.view.panel.is_some(), "{keys:?}");
        let screen = drawn(&script.model, 150, 26);
        assert!(screen.contains("1 Checklist") && screen.contains("R rollback  ARMED"), "{keys:?}\n{screen}");
        let screen = drawn(&script.model, 60, 20);
        assert!(screen.contains("▶ ☐ Déploiement lancé") && screen.contains("R ARMED"), "{keys:?}\n{screen}");
    }
}

#[test]
fn what_a_pod_writes_cannot_steer_the_terminal() {
    let mut script = Script::rolling_out();
    let source = LogSource { pod: "app-7c9f4-x2abc".to_owned(), container: "app".to_owned(), revision: None };
    let line = (None, "\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\rwiped\u{202e}txet");
    let batch = LogBatch {
        source: source.into(),
        lines: std::iter::once(line).collect(),
        mark: Some(LogMark::Lost { lines: 3, why: "x\u{1b}[A".to_owned() }),
    };
    script.send(crate::app::msg::What::Observed(Observation::Logs(vec![batch])));
    script.model.view.flash =
        Some(Flash { at: script.model.now, text: "a\u{1b}[2Jb".to_owned(), is_refusal: true });
    let buffer = buffer(&script.model, 150, 26);
    for cell in &buffer.content {
        assert!(!cell.symbol().contains(|c: char| c.is_control() || c == '\u{202e}'), "{cell:?}");
    }
    assert!(text(&buffer).contains("wiped"));
    assert!(text(&buffer).contains("3 lost"));
}

#[test]
fn five_thousand_pods_are_counted_and_the_sick_one_is_named() {
    let mut script = Script::rolling_out();
    let mut facts = workload(&[Pods { tag: "v1.3.0", revision: 8, ready: 3, starting: 1 }]);
    let healthy = facts.pods[0].clone();
    for n in 0..5_000 {
        let mut pod = healthy.clone();
        pod.name = format!("app-7c9f4-p{n}");
        pod.uid = format!("uid-{n}");
        facts.pods.insert(0, pod);
    }
    script.see(facts);
    let screen = drawn(&script.model, 150, 26);
    let pods = screen.lines().find(|line| line.contains("new  ")).unwrap();
    assert!(pods.contains("…f4-qqabc ◌"), "{screen}");
    assert!(screen.contains("+49"), "{screen}");
}

/// A rollout whose only new pod ended with code 1 as often as it was started again.
fn crashed(restarts: u32, state: crate::watch::ContainerState) -> crate::watch::WorkloadFacts {
    let mut facts = workload(&[
        Pods { tag: "v1.3.0", revision: 8, ready: 0, starting: 1 },
        Pods { tag: "v1.2.0", revision: 7, ready: 4, starting: 0 },
    ]);
    let container = &mut facts.pods[0].containers[0];
    container.restarts = restarts;
    container.state = state;
    container.last_end = Some(crate::watch::Termination {
        exit_code: 1,
        reason: "Error".to_owned(),
        message: String::new(),
        finished: None,
    });
    facts
}

#[test]
fn a_crashing_pod_brings_up_what_the_document_knows_about_it() {
    use crate::watch::ContainerState;
    let mut script = Script::rolling_out();
    let waiting =
        ContainerState::Waiting { reason: "CrashLoopBackOff".to_owned(), message: "back-off 40s".to_owned() };
    script.see(crashed(3, waiting));
    let screen = drawn(&script.model, 150, 26);
    assert!(screen.contains("◌ 9s CrashLoopBackOff ×3"), "{screen}");
    assert!(screen.contains("known: Pods crashent — Config manquante → Vérifier les env vars"), "{screen}");
}

#[test]
fn the_last_words_of_a_crash_stay_in_sight_while_the_log_scrolls_on() {
    use crate::watch::{ContainerState, LogBatch, LogMark, LogSource};
    let mut script = Script::rolling_out();
    let facts = crashed(1, ContainerState::Running { since: None });
    let pod = facts.pods[0].name.clone();
    script.see(facts);
    let mut say = |text: &str, mark| {
        let source = LogSource { pod: pod.clone(), container: "app".into(), revision: None };
        let lines = (!text.is_empty()).then_some((None, text)).into_iter().collect();
        let batch = LogBatch { source: source.into(), lines, mark };
        script.send(crate::app::msg::What::Observed(crate::watch::Observation::Logs(vec![batch])));
    };
    say("FATAL cannot reach db\u{1b}[2J", Some(LogMark::Ended { why: "Error exit 1".into() }));
    say("", Some(LogMark::Restarted { exit_code: Some(1), reason: "Error".into() }));
    for _ in 0..50 {
        say("starting", None);
    }
    let screen = drawn(&script.model, 150, 26);
    let rows: Vec<&str> = screen.lines().filter(|row| row.contains("FATAL cannot reach db")).collect();
    assert_eq!(rows.len(), 1, "in the log it has scrolled away: {screen}");
    assert!(rows[0].contains("│ FATAL cannot reach db"), "{screen}");
}

#[test]
fn an_output_is_followed_until_one_scrolls_up() {
    let mut script = Script::before_production();
    script.run("deploiement-production");
    let command = script.model.release.workflow().step(&"deploiement-production".into()).unwrap().commands[0]
        .id
        .clone();
    let add = |script: &mut Script, from: u32, to: u32| {
        let line = |n| crate::app::msg::OutputLine { is_stderr: false, text: format!("line {n:03}") };
        let lines = (from..to).map(line).collect();
        let batch = crate::app::msg::OutputBatch { command: command.clone(), attempt: 1, lines, cut: 0 };
        script.send(crate::app::msg::What::Output(batch));
    };
    let theme = Theme::default_for(false, Depth::True);
    let mut scrolls = Scrolls::default();
    let mut frame = |script: &mut Script| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 30));
        let area = buffer.area;
        render(&mut buffer, area, &script.model, &mut scrolls, &theme);
        script.model.view.panel_scroll = scrolls.panel_at;
        text(&buffer)
    };
    add(&mut script, 0, 100);
    assert!(frame(&mut script).contains("line 099"));
    add(&mut script, 100, 200);
    assert!(frame(&mut script).contains("line 199"));
    script.key("up");
    let above = frame(&mut script);
    assert!(!above.contains("line 199") && above.contains("line 198"));
    add(&mut script, 200, 300);
    assert!(frame(&mut script).contains("line 198"), "the view stands still");
    script.key("end");
    assert!(frame(&mut script).contains("line 299"));
    add(&mut script, 300, 400);
    assert!(frame(&mut script).contains("line 399"));
}

#[test]
fn the_cursor_stands_behind_what_is_typed() {
    let mut script = pressed(Script::rolling_out(), &["x"]);
    script.type_text("déjà vu");
    let mut terminal = Terminal::new(TestBackend::new(100, 24)).unwrap();
    let theme = Theme::default_for(false, Depth::True);
    let mut scrolls = Scrolls::default();
    terminal.draw(|frame| draw(frame, &script.model, &mut scrolls, &theme)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let (x, y) = find(&buffer, "déjà vu");
    terminal.backend_mut().assert_cursor_position((x + 7, y));
    assert_eq!(y, 23);
}

#[test]
fn every_action_of_the_key_table_is_in_the_help() {
    let script = pressed(Script::rolling_out(), &["?"]);
    let screen = drawn(&script.model, 150, 220);
    for action in Action::ALL.iter().filter(|action| script.model.knows(**action)) {
        let bound = script.model.keymap.bindings().iter().any(|binding| binding.action == *action);
        assert!(!bound || screen.contains(action.help()), "{}", action.name());
    }
    for context in [Context::RunPanel, Context::RollbackPanel, Context::Logs] {
        assert!(screen.contains(context.title()));
    }
    assert!(!screen.contains(Action::Workloads.help()), "the workflow says what is watched");
}

#[test]
fn a_frame_with_a_full_log_costs_what_is_visible() {
    let mut script = Script::rolling_out();
    let source = LogSource { pod: "app-7c9f4-x2abc".to_owned(), container: "app".to_owned(), revision: None };
    let source = std::sync::Arc::new(source);
    let line = |n: u32| (None, format!("GET /cart/{n} 200 12ms"));
    for chunk in 0..100_u32 {
        let lines = (0..1_000).map(|n| line(chunk * 1_000 + n)).collect();
        let batch = LogBatch { source: source.clone(), lines, mark: None };
        script.send(crate::app::msg::What::Observed(Observation::Logs(vec![batch])));
    }
    let screen = drawn(&script.model, 150, 26);
    assert!(screen.contains("GET /cart/99999 200"), "{screen}");
    assert!(script.model.observed.logs.n_lines() >= 100_000);
}

fn scenes() -> [fn() -> Script; 11] {
    [
        Script::start,
        Script::begun,
        Script::at_poll,
        Script::before_production,
        Script::rolling_out,
        Script::breached,
        Script::rolling_back,
        Script::safe,
        Script::silent,
        Script::in_doubt,
        Script::soaking,
    ]
}

const KEYS: [&str; 38] = [
    "space", "enter", "x", "g", "s", "-", "u", "c", "e", "down", "up", "pagedown", "pageup", "home", "end",
    ".", "/", "&", "F", "w", "t", "right", "R", "Y", "d", "tab", "1", "2", "3", "z", "h", "b", "n", "o", "L",
    ":", "?", "esc",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn drawing_never_panics_and_the_way_back_stays_in_sight(
        scene in 0_usize..11,
        keys in prop::collection::vec(0_usize..KEYS.len(), 0..8),
        typed in "[a-zé漢 ]{0,6}",
        width in 1_u16..170,
        height in 1_u16..60,
        ascii in any::<bool>(),
        seconds in 0_i64..20_000,
    ) {
        let mut script = scenes()[scene]();
        script.model.settings.ascii = ascii;
        for key in keys {
            script.key(KEYS[key]);
        }
        if script.model.view.prompt.is_some() {
            script.type_text(&typed);
        }
        let now = script.model.now.wall;
        script.model.now = crate::watch::Moment::real(now + jiff::SignedDuration::from_secs(seconds));
        let buffer = buffer(&script.model, width, height);
        let screen = text(&buffer);
        if ascii {
            prop_assert!(screen.is_ascii(), "{}", screen);
        }
        let word = script.model.state_word().text();
        let typing = script.model.view.prompt.is_some();
        if usize::from(width) > word.len() + 12 && height > 2 {
            prop_assert!(screen.lines().next().unwrap().contains(word), "{}", screen);
        }
        if width > 24 && height > 2 && !typing {
            let words = ["ARMED", "DEGRADED", "NOT PROVEN", "DISARMED", "ROLLING BACK", "DONE", "FAILED"];
            prop_assert!(words.iter().any(|word| screen.lines().rev().take(2).any(|line| line.contains(word))), "{}", screen);
        }
    }
}
