//! `gonogo traffic nginx` before a real nginx, on loopback: what it switches, what it leaves alone,
//! and what is left when it is killed.
//!
//! Skipped where no nginx is installed, unless GONOGO_NGINX_REQUIRED=1.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "these tests start programs, and serve in tasks")]

#[path = "../terminal/harness.rs"]
#[allow(dead_code, reason = "the terminal's own tests ask more of it")]
mod harness;

#[path = "../terminal/pilot.rs"]
#[allow(dead_code, reason = "the terminal's own tests ask more of it")]
mod pilot;

mod load;
mod rolled_back;
mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use gonogo::workflow::{Source, read};
use load::{Kind, Load};
use serde_json::json;
use stage::{COLOURS, PATIENCE, Stage, nginx};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// Requests in all, at least.
const N_REQUESTS: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blue_to_green_to_blue_fails_no_request() {
    let Some(program) = nginx() else { return };
    let stage = Stage::new(program).await;
    use Kind::{Kept, New, Slow};
    let load = Load::start(stage.proxy(), &[Kept, Kept, Kept, Kept, New, New, Slow, Slow]);
    let play = async {
        load.go_on_for(300).await;
        for (to, from) in [("green", "blue"), ("blue", "green")] {
            let before = load.n_answers();
            let (code, told) = stage.json(&[to, "--expect", from]).await;
            assert_eq!(code, Some(0), "{told}");
            assert_eq!((&told["verified"], &told["was_there"]), (&json!(true), &json!(false)));
            println!("{from} → {to}: {} requests answered meanwhile", load.n_answers() - before);
            assert!(stage.is_at(to), "{:?}", stage.standing());
            load.go_on_for(300).await;
        }
        while load.n_answers() < N_REQUESTS {
            load.go_on_for(1).await;
        }
    };
    tokio::time::timeout(PATIENCE, play).await.expect("the play ends");
    let count = load.stop().await;
    println!(
        "{} requests answered ({:?}), {} failed, {} sent again on a new connection",
        count.n_answers(),
        count.answers,
        count.failures.len(),
        count.n_sent_again
    );
    assert_eq!(count.failures, Vec::<String>::new());
    assert!(count.n_answers() >= N_REQUESTS);
    for colour in COLOURS {
        assert!(count.answers[colour] >= 300, "{colour} served: {:?}", count.answers);
    }
    assert_eq!(stage.leftovers(), 0);
}

/// The count above is worth something only if it counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_its_whole_answer_is_a_failure() {
    let answers = ["", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Col"];
    for answer in answers {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let load = Load::start(listener.local_addr().unwrap(), &[Kind::Kept, Kind::New, Kind::Slow]);
        for _ in 0..6 {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            assert!(client.read(&mut request).await.unwrap() > 0);
            client.write_all(answer.as_bytes()).await.unwrap();
        }
        // Whoever asks now is turned away.
        drop(listener);
        let count = load.stop().await;
        assert!(count.failures.len() >= 6 && count.n_answers() == 0, "{answer:?}: {count:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_convention_by_name_there_and_back_and_each_step_is_told() {
    let Some(program) = nginx() else { return };
    let stage = Stage::by_name(program).await;
    let (code, told) = stage.run(&["--show"]).await;
    assert_eq!(code, Some(0), "{told}");
    for words in ["active    blue", "inactive  green", "green     is healthy", "serving   blue"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (code, told) = stage.run(&["inactive", "--dry-run"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("blue → green") && told.contains("3: + server unix:"), "{told}");
    assert!(told.contains("passes `nginx -t`") && stage.is_at("blue"), "{told}");

    let (code, told) = stage.run(&["inactive"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(stage.is_at("green"), "{:?}\n{told}", stage.standing());
    let steps: Vec<&str> = told.lines().filter_map(|line| line.get(14..23)).map(str::trim).collect();
    let steps: Vec<&str> = steps.into_iter().filter(|step| !step.is_empty()).collect();
    assert_eq!(steps, ["look", "ask", "prepare", "place", "test", "reload", "read-back", "record"], "{told}");

    let (code, told) = stage.json(&["green"]).await;
    assert_eq!(
        (code, &told["was_there"], &told["verified"]),
        (Some(0), &json!(true), &json!(true)),
        "{told}"
    );
    assert_eq!((&told["schema"], &told["by"]), (&json!("gonogo.traffic/1"), &json!("nginx")));
    assert_eq!(stage.run(&["blue"]).await.0, Some(0));
    assert!(stage.is_at("blue"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_fails_its_test_is_put_back_and_the_old_colour_serves_on() {
    let Some(program) = nginx() else { return };
    let mut stage = Stage::new(program).await;
    let before = fs::read(stage.upstream()).unwrap();
    let broken = stage.dir.path().join("conf.d/broken.conf");
    fs::write(&broken, "nonsense on;\n").unwrap();
    let (code, told) = stage.run(&["green"]).await;
    assert_eq!(code, Some(13), "{told}");
    for words in [
        "unknown directive \"nonsense\"",
        "byte for byte and names blue",
        "fails the test too",
        "blue serves",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(fs::read(stage.upstream()).unwrap(), before);
    assert!(stage.is_at("blue"));
    fs::remove_file(broken).unwrap();

    // A fault of one colour alone: its port is none.
    stage.misplace("green", "127.0.0.1:99999");
    let (code, told) = stage.run(&["green"]).await;
    assert_eq!(code, Some(13), "{told}");
    assert!(told.contains("invalid port in upstream \"127.0.0.1:99999\""), "{told}");
    assert!(told.contains("names blue, which passes the test; blue serves"), "{told}");
    assert_eq!(fs::read(stage.upstream()).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unhealthy_colour_gets_no_request() {
    let Some(program) = nginx() else { return };
    let stage = Stage::new(program).await;
    stage.set_health("green", false);
    let (code, told) = stage.json(&["green"]).await;
    assert_eq!(code, Some(13), "{told}");
    let error = told["error"].as_str().unwrap();
    assert!(error.starts_with("green is not healthy") && error.contains("answers 503"), "{error}");
    assert!(error.contains("blue is healthy"), "{error}");
    assert!(stage.is_at("blue"));
    stage.set_health("green", true);
    stage.set_health("blue", false);
    assert_eq!(stage.run(&["green"]).await.0, Some(0), "away from an ill one is fine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_disagree_are_both_named_and_either_colour_sets_them_right() {
    let Some(program) = nginx() else { return };
    let stage = Stage::new(program).await;
    fs::write(stage.current(), "green\n").unwrap();
    let (code, told) = stage.run(&["--show"]).await;
    assert_eq!(code, Some(1), "{told}");
    for words in ["current-env says green", "upstream.conf says blue", "one to green takes it back"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (code, told) = stage.run(&["green", "--expect", "blue"]).await;
    assert_eq!(code, Some(13), "{told}");
    assert!(told.contains("where blue was expected") && !stage.is_at("green"), "{told}");
    assert_eq!(stage.run(&["blue"]).await.0, Some(0));
    assert!(stage.is_at("blue"));
    fs::write(stage.current(), "green\n").unwrap();
    assert_eq!(stage.run(&["green"]).await.0, Some(0));
    assert!(stage.is_at("green"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_upstream_file_is_left_alone_and_modes_are_kept() {
    let Some(program) = nginx() else { return };
    let stage = Stage::new(program).await;
    fs::set_permissions(stage.upstream(), fs::Permissions::from_mode(0o444)).unwrap();
    for args in [&["green"][..], &["green", "--dry-run"]] {
        let (code, told) = stage.run(args).await;
        assert_eq!(code, Some(13), "{told}");
        assert!(told.contains("upstream.conf is read-only"), "{told}");
    }
    assert!(stage.is_at("blue") && stage.leftovers() == 0);
    fs::set_permissions(stage.upstream(), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(stage.run(&["green"]).await.0, Some(0));
    assert_eq!(fs::metadata(stage.upstream()).unwrap().permissions().mode() & 0o777, 0o640);
    fs::set_permissions(stage.current(), fs::Permissions::from_mode(0o444)).unwrap();
    let (code, told) = stage.run(&["blue"]).await;
    assert_eq!(code, Some(13), "what cannot be recorded is not begun: {told}");
    assert!(stage.is_at("green"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_nginx_that_does_not_run_leaves_everything_as_it_was() {
    let Some(program) = nginx() else { return };
    let mut stage = Stage::new(program).await;
    stage.stop();
    let (code, told) = stage.run(&["green"]).await;
    assert_eq!(code, Some(13), "{told}");
    assert!(told.contains("-s reload` refused: ") && told.contains("connection refused"), "{told}");
    assert!(stage.is_at("blue"));
}

/// The very command again finishes it; one to the other colour takes it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_two_steps_it_is_finished_or_taken_back_by_the_next_run() {
    let Some(program) = nginx() else { return };
    let stage = Stage::new(program).await;
    let load = Load::start(stage.proxy(), &[Kind::Kept, Kind::New]);
    // What a run that was killed while it wrote leaves beside the file; nginx must not read it.
    fs::write(stage.dir.path().join("conf.d/.upstream.conf.gonogo"), "upstream app { serv").unwrap();
    for place in ["before-test", "after-test", "before-reload", "after-reload"] {
        for (again, end) in [("inactive", "green"), ("green", "green"), ("blue", "blue")] {
            stage.kill_at(place);
            let (code, told) = stage.run(&["inactive"]).await;
            assert_eq!(code, None, "killed {place}: {told}");
            assert_eq!(stage.standing(), ("green", "blue\n".to_owned()), "{place}");
            let (code, told) = stage.run(&[again]).await;
            assert_eq!(code, Some(0), "{place}, then {again}: {told}");
            assert!(told.contains("a switch to green was cut off"), "{told}");
            assert!(stage.is_at(end), "{place}, then {again}: {:?}", stage.standing());
            assert!(told.contains(&format!("{end} serves")), "{told}");
            assert_eq!(stage.leftovers(), 0);
            assert_eq!(stage.run(&["blue"]).await.0, Some(0));
        }
    }
    let count = load.stop().await;
    assert_eq!(count.failures, Vec::<String>::new(), "of {:?}", count.answers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_reads_back_it_is_finished_by_the_next_run() {
    let Some(program) = nginx() else { return };
    let stage = Stage::new(program).await;
    stage.kill_at("no-reload");
    let mut child = stage.command(&["green", "--timeout", "10m"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("  reload  ") {
                return;
            }
        }
        panic!("it ended without a reload");
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    child.kill().await.unwrap();
    assert_eq!(stage.standing(), ("green", "blue\n".to_owned()), "nothing is recorded that nobody saw");
    assert_eq!(stage.run(&["green"]).await.0, Some(0));
    assert!(stage.is_at("green") && stage.leftovers() == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_read_back_exits_with_12_and_says_what_was_heard() {
    let Some(program) = nginx() else { return };
    let stage = Stage::new(program).await;
    stage.kill_at("no-reload");
    let (code, told) = stage.json(&["green", "--timeout", "500ms"]).await;
    assert_eq!((code, &told["verified"]), (Some(12), &json!(false)), "{told}");
    assert!(told["error"].as_str().unwrap().contains(" × blue; "), "{told}");
    // Put back by files alone, while no worker had heard of green: the proxy decides.
    assert_eq!(stage.run(&["blue"]).await.0, Some(0));
    assert!(stage.is_at("blue"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_switches_nothing() {
    let Some(program) = nginx() else { return };
    let stage = Stage::new(program).await;
    let (code, told) = stage.run(&["green", "--read-only"]).await;
    assert_eq!((code, told.contains("read-only: nothing is switched")), (Some(1), true), "{told}");
    assert_eq!(stage.run(&["green", "--read-only", "--dry-run"]).await.0, Some(0));
    assert!(stage.is_at("blue"));
}

/// Every block of the shipped document, in its order, and then its way back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_document_does_what_it_says() {
    let Some(program) = nginx() else { return };
    for file in ["blue-green-nginx.md", "blue-green-nginx.en.md"] {
        let stage = Stage::by_name(program.clone()).await;
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows").join(file);
        let workflow = read(Source { file, bytes: &fs::read(path).unwrap(), siblings: &|_| false });
        let block = |step: usize| workflow.steps[step].commands[0].text.clone();
        let good = stage.dir.path().join("good-colour.v1.3.0");

        let (code, told) = stage.block(&block(3)).await;
        assert_eq!(code, Some(1), "before a good colour was written down: {told}");
        let (code, told) = stage.block(&block(0)).await;
        assert_eq!((code, told.contains("serving   blue")), (Some(0), true), "{told}");
        assert_eq!(fs::read_to_string(&good).unwrap(), "blue\n");
        assert_eq!(stage.block(&block(1)).await.0, Some(0));
        let docker = fs::read_to_string(stage.dir.path().join("docker")).unwrap();
        assert_eq!(docker, "v1.3.0 compose --project-name shop-green up --detach --wait\n");
        for _ in 0..2 {
            let (code, told) = stage.block(&block(3)).await;
            assert_eq!(code, Some(0), "{told}");
            assert!(stage.is_at("green"), "a second time changes nothing: {told}");
        }
        assert_eq!(stage.block(&block(0)).await.0, Some(0));
        assert_eq!(fs::read_to_string(&good).unwrap(), "blue\n", "what was good stays written down");
        for _ in 0..2 {
            let (code, told) = stage.block(&workflow.rollback.commands[0].text).await;
            assert_eq!(code, Some(0), "{told}");
            assert!(stage.is_at("blue"), "{told}");
        }
    }
}
