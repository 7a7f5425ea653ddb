//! Commands that have a terminal: the same engine, the same record, a screen and keys besides.

use super::*;
use crate::watch::TerminalScreen;

fn in_terminal(text: &str) -> Run {
    let mut run = run(text);
    run.terms.tty = true;
    run
}

async fn started(text: &str) -> Running {
    shell().start(&in_terminal(text), &BTreeMap::new(), None).await.expect("bash starts")
}

fn text_of(screen: &TerminalScreen) -> String {
    let row = |row: &Vec<crate::watch::TerminalRun>| {
        row.iter().map(|run| run.text.as_str()).collect::<Vec<_>>().join(" ")
    };
    screen.rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// Reads until the screen shows this text.
async fn wait_for_screen(running: &mut Running, text: &str) {
    let mut last = String::new();
    while let Some(news) = running.news.recv().await {
        match news {
            News::Screen(screen) if text_of(&screen).contains(text) => return,
            News::Screen(screen) => last = text_of(&screen),
            News::Output(_) => {}
            News::Ended(ended) => panic!("ended before it showed {text}: {ended:?}\n{last}"),
        }
    }
}

fn typed(running: &Running, text: &str) {
    assert!(running.terminal.as_ref().expect("a terminal").type_in(text.as_bytes().to_vec()));
}

#[tokio::test]
async fn a_command_finds_a_terminal_at_all_three_ends_and_one_that_it_can_open() {
    let text = "test -t 0 && test -t 1 && test -t 2 && echo yes; (exec 3</dev/tty) && echo ours; echo $TERM";
    let (lines, ended) = to_end(started(text).await).await;
    assert_eq!(texts(&lines, Stream::Out), ["yes", "ours", "xterm-256color"]);
    assert_eq!(ended.exit, Exit::Code(0));
    // Without it nothing has changed.
    let (lines, _) = ran("test -t 0 || echo no").await;
    assert_eq!(texts(&lines, Stream::Out), ["no"]);
}

#[tokio::test]
async fn the_text_runs_as_it_stands_and_its_end_is_told_exactly() {
    assert_eq!(to_end(started("exit 42").await).await.1.exit, Exit::Code(42));
    assert_eq!(to_end(started("kill -9 $$").await).await.1.exit, Exit::Signal(9));
    let (lines, ended) = to_end(started("echo before\nfalse\necho after").await).await;
    assert_eq!((texts(&lines, Stream::Out), ended.exit), (vec!["before"], Exit::Code(1)));
    let mut nowhere = in_terminal("true");
    nowhere.directory = "/nowhere/at/all".to_owned();
    let refused = shell().start(&nowhere, &BTreeMap::new(), None).await;
    assert!(matches!(refused, Err(ShellError::Directory { .. })));
}

#[tokio::test]
async fn a_program_that_asks_its_terminal_where_it_is_gets_an_answer() {
    // As readline, fish and editors ask: without echo, up to the letter that ends the answer.
    let text = "printf 'ab'; IFS= read -rs -d R -p $'\\e[6n' at; printf '\\nat %s\\n' \"${at#*[}\"";
    let (lines, ended) = to_end(started(text).await).await;
    assert_eq!(ended.exit, Exit::Code(0));
    let all: String = lines.iter().map(|line| line.text.as_ref()).collect::<Vec<_>>().join("\n");
    assert!(all.contains("at 1;3"), "{all:?}");
}

#[tokio::test]
async fn what_is_typed_reaches_the_command_and_what_it_hides_is_kept_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("output.log");
    let text =
        "read -r -p 'name: ' name; read -r -s -p 'word: ' word; echo; echo \"$name has ${#word} letters\"";
    let mut running = shell().start(&in_terminal(text), &BTreeMap::new(), Some(&file)).await.unwrap();
    wait_for_screen(&mut running, "name:").await;
    typed(&running, "ana\r");
    wait_for_screen(&mut running, "word:").await;
    typed(&running, "hunter22\r");
    let (lines, ended) = to_end(running).await;
    assert_eq!(ended.exit, Exit::Code(0));
    let all: String = lines.iter().map(|line| line.text.as_ref()).collect();
    assert!(all.contains("ana has 8 letters"), "{all}");
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains("ana has 8 letters"), "{kept}");
    assert!(!kept.contains("hunter22") && !all.contains("hunter22"), "{kept}");
}

#[tokio::test]
async fn the_command_is_told_of_another_size_and_the_screen_follows() {
    let shell = shell();
    shell.set_pane(70, 20);
    let text =
        "stty size; trap 'echo now $(stty size); exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut running = shell.start(&in_terminal(text), &BTreeMap::new(), None).await.unwrap();
    wait_for_screen(&mut running, "20 70\nready").await;
    running.terminal.as_ref().unwrap().resize(100, 30);
    let mut sizes = Vec::new();
    let mut said = String::new();
    while let Some(news) = running.news.recv().await {
        match news {
            News::Screen(screen) => sizes.push((screen.columns, screen.rows.len())),
            News::Output(batch) => said.extend(batch.lines.iter().map(|line| line.text.as_ref())),
            News::Ended(ended) => assert_eq!(ended.exit, Exit::Code(0)),
        }
    }
    assert!(said.contains("now 30 100"), "{said}");
    assert_eq!(sizes.last(), Some(&(100, 30)));
}

#[tokio::test]
async fn ctrl_c_goes_to_the_command_and_a_stop_reaches_all_it_started() {
    let mut running =
        started("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done").await;
    wait_for_screen(&mut running, "ready").await;
    typed(&running, "\u{3}");
    assert_eq!(to_end(running).await.1.exit, Exit::Code(3));

    let mut running = started("trap '' TERM HUP; sleep 1000 & echo ready; wait; sleep 1000").await;
    wait_for_screen(&mut running, "ready").await;
    running.stopper.stop();
    let (_, ended) = to_end(running).await;
    assert!(!ended.exit.succeeded(), "{:?}", ended.exit);
    assert_eq!(ended.left_behind, Vec::<u32>::new());
}

#[tokio::test]
async fn a_command_that_floods_its_terminal_ends_and_is_cut_like_any_other() {
    let (lines, ended) = to_end(started("seq 1 200000").await).await;
    assert_eq!(ended.exit, Exit::Code(0));
    let last = ended.output.lines().last().map(|line| line.text.to_string());
    assert_eq!(last.as_deref(), Some("200000"));
    assert!(ended.output.cut_lines > 0 && !lines.is_empty());
}

#[tokio::test]
async fn a_pager_and_an_editor_are_the_operators_own_there() {
    let shell = Shell::new([
        ("PATH".into(), std::env::var_os("PATH").unwrap()),
        ("PAGER".into(), "less".into()),
        ("COLUMNS".into(), "7".into()),
    ]);
    let text = "echo \"$PAGER ${GIT_EDITOR-none} ${COLUMNS-none}\"";
    let running = shell.start(&in_terminal(text), &BTreeMap::new(), None).await.unwrap();
    assert_eq!(texts(&to_end(running).await.0, Stream::Out), ["less none none"]);
    let running = shell.start(&run("echo $PAGER"), &BTreeMap::new(), None).await.unwrap();
    assert_eq!(texts(&to_end(running).await.0, Stream::Out), ["cat"]);
}
