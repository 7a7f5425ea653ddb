//! Real commands in a real bash: what is tested is what the operator will get.

use std::os::unix::fs::PermissionsExt;

use super::*;

mod terminal;

fn run(text: &str) -> Run {
    Run {
        command: CommandId::from("step/command-1"),
        attempt: 2,
        text: text.to_owned(),
        choice: None,
        edited: false,
        shell: crate::workflow::Interpreter::default().command_line(),
        directory: std::env::temp_dir().display().to_string(),
        env: Vec::new(),
        context: None,
        namespace: None,
        terms: Default::default(),
    }
}

fn shell() -> Shell {
    Shell::new(std::env::vars_os()).with_grace(Duration::from_millis(200))
}

/// Everything that a command printed, and how it ended.
async fn to_end(mut running: Running) -> (Vec<OutputLine>, Ended) {
    let mut lines = Vec::new();
    while let Some(news) = running.news.recv().await {
        match news {
            News::Output(batch) => lines.extend(batch.lines),
            News::Screen(_) => {}
            News::Ended(ended) => return (lines, *ended),
        }
    }
    panic!("the news ended before the command did");
}

async fn ran(text: &str) -> (Vec<OutputLine>, Ended) {
    to_end(shell().start(&run(text), &BTreeMap::new(), None).await.expect("bash starts")).await
}

fn texts(lines: &[OutputLine], stream: Stream) -> Vec<&str> {
    lines.iter().filter(|line| line.stream == stream).map(|line| &*line.text).collect()
}

/// Reads until a line of this text came.
async fn wait_for(running: &mut Running, text: &str) {
    while let Some(news) = running.news.recv().await {
        match news {
            News::Output(batch) if batch.lines.iter().any(|line| &*line.text == text) => return,
            News::Output(_) => {}
            News::Screen(_) => {}
            News::Ended(ended) => panic!("ended before it said {text}: {ended:?}"),
        }
    }
}

#[tokio::test]
async fn the_text_runs_as_it_stands_in_the_document() {
    let text = "cat <<'EOF'\n## Features\n$NOT_EXPANDED\nEOF\n\
                printf '%s\\n' \"Release v1.3.0\n\n## Fixes\n- it's $(echo done)\"\necho \"$0\"\n# a comment";
    let (lines, ended) = ran(text).await;
    assert_eq!(
        texts(&lines, Stream::Out),
        ["## Features", "$NOT_EXPANDED", "Release v1.3.0", "", "## Fixes", "- it's done", "bash"]
    );
    assert_eq!((ended.exit, ended.attempt), (Exit::Code(0), 2));
    assert_eq!(ended.command, CommandId::from("step/command-1"));
}

#[tokio::test]
async fn a_failing_line_keeps_the_next_from_running() {
    let (lines, ended) = ran("echo before\nfalse\necho after").await;
    assert_eq!(texts(&lines, Stream::Out), ["before"]);
    assert_eq!(ended.exit, Exit::Code(1));
}

#[tokio::test]
async fn the_document_s_shell_options_are_not_tightened() {
    let (lines, ended) = ran("false | true\necho \"unset: $NEVER_SET_ANYWHERE\"").await;
    assert_eq!(texts(&lines, Stream::Out), ["unset: "]);
    assert_eq!(ended.exit, Exit::Code(0));
}

#[tokio::test]
async fn an_exit_code_and_a_signal_are_told_apart() {
    assert_eq!(ran("exit 42").await.1.exit, Exit::Code(42));
    assert_eq!(ran("kill -9 $$").await.1.exit, Exit::Signal(9));
    assert_eq!(ran("no-such-program-here").await.1.exit, Exit::Code(127));
}

#[tokio::test]
async fn stdout_and_stderr_are_kept_apart_and_in_order() {
    let (lines, _) = ran("echo one; echo two >&2; echo three").await;
    assert_eq!(texts(&lines, Stream::Out), ["one", "three"]);
    assert_eq!(texts(&lines, Stream::Err), ["two"]);
}

#[tokio::test]
async fn nothing_can_be_typed_into_a_command() {
    let (lines, ended) =
        ran("read answer || echo \"no answer\"; (exec 3</dev/tty) 2>/dev/null || echo \"no terminal\"").await;
    assert_eq!(texts(&lines, Stream::Out), ["no answer", "no terminal"]);
    assert_eq!(ended.exit, Exit::Code(0));
}

#[tokio::test]
async fn git_refuses_to_open_an_editor_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = run("git init -q .; git -c user.name=a -c user.email=a@b commit -q --allow-empty");
    run.directory = folder.path().display().to_string();
    let running = shell().start(&run, &BTreeMap::new(), None).await.expect("bash starts");
    let (lines, ended) = to_end(running).await;
    assert_eq!(ended.exit, Exit::Code(1));
    assert!(texts(&lines, Stream::Err)[0].contains("give the text with -m"), "{lines:?}");
}

#[tokio::test]
async fn what_changes_how_bash_reads_the_text_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let startup = folder.path().join("startup");
    std::fs::write(&startup, "echo injected; kubectl() { echo wrong; }\n").expect("written");
    let shell = Shell::new(std::env::vars_os().chain([
        ("BASH_ENV".into(), startup.clone().into()),
        ("ENV".into(), startup.into()),
        ("SHELLOPTS".into(), "nounset:noexec".into()),
        ("CDPATH".into(), "/".into()),
        ("BASH_FUNC_git%%".into(), "() { echo not git; }".into()),
        ("GIT_DIR".into(), "/elsewhere".into()),
    ]));
    let shell = shell.without_variable("GIT_DIR");
    let text = "echo \"ran $UNSET$GIT_DIR\"; cd tmp 2>/dev/null || git --version";
    let mut run = run(text);
    run.directory = folder.path().display().to_string();
    let running = shell.start(&run, &BTreeMap::new(), None).await;
    let (lines, ended) = to_end(running.expect("bash starts")).await;
    let told = texts(&lines, Stream::Out);
    assert!(told[0] == "ran " && told[1].starts_with("git version"), "{told:?}");
    assert_eq!(ended.exit, Exit::Code(0));
}

#[tokio::test]
async fn parameters_are_variables_and_never_replace_our_own() {
    let params = BTreeMap::from([
        ("VERSION".to_owned(), "v1.3.0".to_owned()),
        ("KUBECONFIG".to_owned(), "/somewhere/else".to_owned()),
    ]);
    let shell = shell().with_variable("KUBECONFIG", "/pin:/home/kube");
    let text = "printf '%s\\n' \"$VERSION\" \"$KUBECONFIG\" \"$GIT_PAGER$PAGER$GIT_TERMINAL_PROMPT\"";
    let running = shell.start(&run(text), &params, None).await.expect("bash starts");
    let (lines, _) = to_end(running).await;
    assert_eq!(texts(&lines, Stream::Out), ["v1.3.0", "/pin:/home/kube", "catcat0"]);
    let names = shell.variable_names(&params);
    assert!(names.contains(&"VERSION".to_owned()) && names.contains(&"GIT_EDITOR".to_owned()));
    assert_eq!(names.iter().filter(|name| *name == "KUBECONFIG").count(), 1);
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let mut elsewhere = run("true");
    elsewhere.directory = "/no/such/place".to_owned();
    let error = shell().start(&elsewhere, &BTreeMap::new(), None).await.expect_err("no directory");
    assert_eq!(error.to_string(), "the directory /no/such/place is not there");

    let mut other_shell = run("true");
    other_shell.shell = vec!["no-such-shell".to_owned()];
    let error = shell().start(&other_shell, &BTreeMap::new(), None).await.expect_err("no shell");
    assert!(error.to_string().starts_with("no-such-shell is not on the PATH ("), "{error}");

    let long = run(&format!("echo {}", "x".repeat(4 << 20)));
    let error = shell().start(&long, &BTreeMap::new(), None).await.expect_err("too long for one argument");
    assert!(error.to_string().starts_with("bash could not be started:"), "{error}");
}

#[tokio::test]
async fn binary_output_arrives_as_text_and_harms_nothing() {
    let (lines, ended) = ran("printf '\\377\\000\\033[2J\\n\\n'; head -c 100000 /dev/urandom").await;
    assert_eq!(&*lines[0].text, "\u{fffd}\u{0}\u{1b}[2J");
    assert_eq!(ended.exit, Exit::Code(0));
}

#[tokio::test]
async fn a_hundred_megabytes_stay_within_the_budget_and_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("output");
    let text = "echo first; head -c 100000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo; echo last";
    let running = shell().start(&run(text), &BTreeMap::new(), Some(&file)).await.expect("bash starts");
    let (_, ended) = to_end(running).await;
    let kept = &ended.output;
    assert_eq!(ended.exit, Exit::Code(0));
    assert_eq!(&*kept.head[0].text, "first");
    assert_eq!(&*kept.tail.back().expect("a tail").text, "last");
    let bytes: usize = kept.lines().map(|line| line.text.len()).sum();
    assert!(bytes <= 512 * 1024, "{bytes}");
    // 99 columns a line, and `first`, `last`: nothing is missing from the count.
    assert_eq!(bytes as u64 + kept.cut_bytes, 100_000_000 + 9);

    let late = "the disk did not answer in time";
    assert!(ended.file_problem.as_ref().is_none_or(|problem| problem.ends_with(late)), "{ended:?}");
    let meta = std::fs::metadata(&file).expect("written");
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let mut written = std::fs::read_to_string(&file).expect("text");
    // On a slow disk the end is told first, and the file is written on.
    while ended.file_problem.is_some() && !written.ends_with("\nout| last\n") {
        tokio::time::sleep(Duration::from_millis(10)).await;
        written = std::fs::read_to_string(&file).expect("text");
    }
    assert!(written.starts_with("out| first\nout| xxx") && written.ends_with("\nout| last\n"));
    assert!(written.contains(&format!("\ncut| {} lines, {} bytes\n", kept.cut_lines, kept.cut_bytes)));
}

#[tokio::test]
async fn a_screen_that_takes_nothing_costs_lines_and_never_the_command() {
    let mut running = shell().start(&run("seq 1 300000"), &BTreeMap::new(), None).await.expect("bash starts");
    // The channel is left full until the command must be over: 300 000 lines fit in no pipe.
    while is_still_running(running.spawned.pid, running.spawned.start_time).await != Alive::No {
        tokio::task::yield_now().await;
    }
    let (mut told, mut dropped) = (0, 0);
    while let Some(news) = running.news.recv().await {
        match news {
            News::Output(batch) => {
                told += batch.lines.len() as u64;
                dropped += batch.dropped;
            }
            News::Screen(_) => {}
            News::Ended(ended) => {
                // The beginning of a line is told by itself when its end keeps us waiting.
                assert!(told + dropped >= 300_000, "{told} told, {dropped} dropped");
                assert_eq!(&*ended.output.tail.back().expect("a tail").text, "300000");
                return;
            }
        }
    }
    panic!("no end was told");
}

#[tokio::test]
async fn an_output_file_that_cannot_be_written_is_told_and_stops_nothing() {
    let nowhere = Path::new("/no/such/folder/output");
    let running = shell().start(&run("echo ran"), &BTreeMap::new(), Some(nowhere)).await.expect("starts");
    let (lines, ended) = to_end(running).await;
    assert_eq!(texts(&lines, Stream::Out), ["ran"]);
    assert!(ended.file_problem.expect("a problem").starts_with("output file /no/such/folder/output: "));
}

#[tokio::test]
async fn a_question_without_line_end_is_seen_while_it_waits() {
    let mut running =
        shell().start(&run("printf 'Password: '; sleep 60"), &BTreeMap::new(), None).await.expect("starts");
    wait_for(&mut running, "Password: ").await;
    running.stopper.stop();
    assert_eq!(to_end(running).await.1.exit, Exit::Signal(15));
}

/// Ignores TERM itself, and so do its child and its grandchild, one of them in a group of its own.
const STUBBORN: &str = "trap '' TERM; set -m\n\
    (bash -c 'sleep 61; true' & wait) &\n\
    echo ready; while :; do sleep 62; done";

#[tokio::test]
async fn who_ignores_term_is_killed_with_everything_it_started() {
    for shell in [shell(), shell().without_setsid()] {
        // Without a session a background job in a group of its own cannot be told from a stranger.
        let text =
            if shell.setsid.is_some() { STUBBORN.to_owned() } else { STUBBORN.replace("; set -m", "") };
        let mut running = shell.start(&run(&text), &BTreeMap::new(), None).await.expect("bash starts");
        wait_for(&mut running, "ready").await;
        let family = process::Family::new(running.spawned.pid);
        assert!(!family.left().is_empty());
        running.stopper.stop();
        running.stopper.stop();
        let (_, ended) = to_end(running).await;
        assert_eq!(ended.exit, Exit::Signal(9));
        assert_eq!((ended.left_behind, family.left()), (Vec::new(), Vec::new()));
        assert!(ended.took_ms >= 200, "the grace period was not given: {} ms", ended.took_ms);
    }
}

#[tokio::test]
async fn children_of_a_command_that_obeys_term_do_not_outlive_it() {
    let text = "(trap '' TERM; echo ready; while :; do sleep 63; done) & wait";
    let mut running = shell().start(&run(text), &BTreeMap::new(), None).await.expect("bash starts");
    wait_for(&mut running, "ready").await;
    running.stopper.stop();
    let (_, ended) = to_end(running).await;
    assert_eq!(ended.exit, Exit::Signal(15));
    assert_eq!(ended.left_behind, Vec::<u32>::new());
}

#[tokio::test]
async fn a_background_child_that_holds_the_output_open_delays_no_end() {
    let mut running =
        shell().start(&run("sleep 64 & echo done"), &BTreeMap::new(), None).await.expect("starts");
    wait_for(&mut running, "done").await;
    let stopper = running.stopper.clone();
    let family = process::Family::new(running.spawned.pid);
    let (_, ended) = to_end(running).await;
    assert_eq!(ended.exit, Exit::Code(0));
    assert!(ended.took_ms < 30_000);
    assert_eq!(ended.left_behind, family.left());
    assert_eq!(ended.left_behind.len(), 1, "it is told, and it lives on");
    // It can still be stopped.
    stopper.stop();
    while !family.left().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn leaving_lets_short_work_finish_and_ends_the_rest() {
    let shell = shell();
    let mut short =
        shell.start(&run("echo ready; exec sleep 0.3"), &BTreeMap::new(), None).await.expect("starts");
    wait_for(&mut short, "ready").await;
    let mut long =
        shell.start(&run("echo ready; exec sleep 65"), &BTreeMap::new(), None).await.expect("starts");
    wait_for(&mut long, "ready").await;
    let (short, long, ()) = tokio::join!(to_end(short), to_end(long), shell.shutdown(Duration::from_secs(2)));
    assert_eq!(short.1.exit, Exit::Code(0));
    assert_eq!(long.1.exit, Exit::Signal(15));
    let error = shell.start(&run("true"), &BTreeMap::new(), None).await.expect_err("it left");
    assert_eq!(error.to_string(), "gonogo is leaving: nothing new starts");
}

#[tokio::test]
async fn leaving_does_not_wait_for_a_loop_that_is_gone() {
    let shell = shell();
    let running = shell.start(&run("exec sleep 66"), &BTreeMap::new(), None).await.expect("starts");
    let pid = running.spawned.pid;
    drop(running);
    shell.shutdown(Duration::ZERO).await;
    assert_eq!(is_still_running(pid, None).await, Alive::No);
}

#[tokio::test]
async fn a_stream_keeps_little_and_ends_when_stopped() {
    let mut running = shell()
        .stream(&run("for i in $(seq 1 5000); do echo line $i; done; sleep 67"), &BTreeMap::new())
        .await
        .expect("starts");
    wait_for(&mut running, "line 5000").await;
    running.stopper.stop();
    let (_, ended) = to_end(running).await;
    assert_eq!(ended.exit, Exit::Signal(15));
    assert!(ended.output.lines().map(|line| line.text.len()).sum::<usize>() <= 8 * 1024);
}

#[tokio::test]
async fn a_command_that_takes_longer_than_the_document_says_is_stopped_and_has_failed() {
    for text in ["sleep 600", "trap 'exit 0' TERM; sleep 600 & wait"] {
        let terms = crate::release::RunTerms { timeout_s: Some(1), ..Default::default() };
        let run = Run { terms: Box::new(terms), ..run(text) };
        let (lines, ended) =
            to_end(shell().start(&run, &BTreeMap::new(), None).await.expect("bash starts")).await;
        assert_eq!(ended.exit, Exit::Signal(15), "{text}");
        assert_eq!(texts(&lines, Stream::Err), ["gonogo: stopped after 1 s, as the document says"]);
    }
}

#[tokio::test]
async fn the_output_of_a_command_that_succeeds_is_kept_for_its_variable() {
    let captured = async |text: &str| {
        let terms = crate::release::RunTerms { capture: Some("URL".to_owned()), ..Default::default() };
        let run = Run { terms: Box::new(terms), ..run(text) };
        to_end(shell().start(&run, &BTreeMap::new(), None).await.expect("bash starts")).await.1.captured
    };
    let kept = captured("echo for people >&2; printf 'https://a\\n\\n'").await;
    assert_eq!(kept, Some(Captured::Value("https://a".to_owned())));
    assert_eq!(captured("echo https://a; false").await, None);
    let too_much = captured("head -c 1000000 /dev/zero | tr '\\0' x").await;
    assert_eq!(too_much, Some(Captured::NotKept("it printed more than 4096 bytes".to_owned())));
    assert_eq!(ran("echo https://a").await.1.captured, None, "nobody asked for it");
}

#[tokio::test]
async fn a_command_reads_the_file_of_its_document_and_does_not_start_without_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dump.sql");
    let reads = |path: &Path| {
        let terms =
            crate::release::RunTerms { stdin: Some(path.display().to_string()), ..Default::default() };
        Run { terms: Box::new(terms), ..run("cat") }
    };
    let absent = shell().start(&reads(&file), &BTreeMap::new(), None).await.expect_err("it is not there");
    assert!(
        absent.to_string().starts_with(&format!("its input {} cannot be read", file.display())),
        "{absent}"
    );
    let is_folder =
        shell().start(&reads(folder.path()), &BTreeMap::new(), None).await.expect_err("it is none");
    assert!(is_folder.to_string().ends_with("it is no file"), "{is_folder}");
    std::fs::write(&file, "select 1;\nselect 2;\n").expect("it can be written");
    let running = shell().start(&reads(&file), &BTreeMap::new(), None).await.expect("bash starts");
    let (lines, ended) = to_end(running).await;
    assert_eq!((texts(&lines, Stream::Out), ended.exit), (vec!["select 1;", "select 2;"], Exit::Code(0)));
}

#[tokio::test]
async fn another_shell_reads_the_text_and_stops_where_it_fails() {
    let mut dash = run("echo \"$0 ${BASH_VERSION-none}\"\nfalse\necho after");
    dash.shell = crate::workflow::Interpreter::named("dash").unwrap().command_line();
    if shell().find("dash").is_none() {
        eprintln!("skipped: this machine has no dash");
        return;
    }
    let (lines, ended) = to_end(shell().start(&dash, &BTreeMap::new(), None).await.expect("it starts")).await;
    assert_eq!(texts(&lines, Stream::Out), ["dash none"]);
    assert_eq!(ended.exit, Exit::Code(1));
}

#[tokio::test]
async fn a_shell_that_is_not_here_starts_nothing() {
    let absent = Run { shell: vec!["no-such-shell".to_owned()], ..run("echo ran") };
    let error = shell().start(&absent, &BTreeMap::new(), None).await.expect_err("it is not here");
    assert!(error.to_string().starts_with("no-such-shell is not on the PATH"), "{error}");
}

#[tokio::test]
async fn variables_of_the_document_stand_below_parameters_and_our_own() {
    let set = [("NS", "a b'; \"c\n$(id)"), ("VERSION", "v0"), ("PAGER", "less")];
    let set = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let terms = crate::release::RunTerms { set, ..Default::default() };
    let run = Run { terms: Box::new(terms), ..run("printf '%s|' \"$NS\" \"$VERSION\" \"$PAGER\"") };
    let params = BTreeMap::from([("VERSION".to_owned(), "v1.3.0".to_owned())]);
    let (lines, _) = to_end(shell().start(&run, &params, None).await.expect("bash starts")).await;
    assert_eq!(texts(&lines, Stream::Out).join("\n"), "a b'; \"c\n$(id)|v1.3.0|cat|");
}

#[tokio::test]
async fn a_secret_is_in_the_environment_and_never_in_the_output() {
    let shell = shell();
    let mut secrets = Secrets::default();
    secrets.insert("TOKEN", "hunter2-and-more");
    shell.clone().keep(secrets);
    let text = "test \"$TOKEN\" = hunter2-and-more && echo same\necho \"Authorization: $TOKEN\" >&2\nprintf hunter2-; sleep 0.3; printf 'and-more\\n'\nprintf aHVudGVyMi1h; sleep 0.3; printf 'bmQtbW9yZQ==\\n'";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("output");
    let running = shell.start(&run(text), &BTreeMap::new(), Some(&file)).await.expect("bash starts");
    let (lines, ended) = to_end(running).await;
    assert_eq!(ended.exit, Exit::Code(0));
    assert_eq!(texts(&lines, Stream::Out), ["same", "•••••", "•••••"], "not by halves either");
    assert_eq!(texts(&lines, Stream::Err), ["Authorization: •••••"]);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains("•••••") && !kept.contains("hunter") && !kept.contains("aHVu"), "{kept}");
    assert!(ended.output.lines().all(|line| !line.text.contains("hunter")));
}
