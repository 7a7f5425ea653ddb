//! Processes that are killed while they write, and a disk that is really full.
//!
//! The writing process is this very test binary, told by its environment to play that part.
#![allow(clippy::disallowed_methods, reason = "a crash needs a process of its own")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use gonogo::adapters::store::{ReadOnly, Store, StoreError, Written, list};
use gonogo::journal::{Record, replay};
use gonogo::release::{Event, Fact, ReleaseId};
use tempfile::TempDir;

use crate::fixture::{Live, ana, workflow};

const PART: &str = "GONOGO_TEST_PART";
const STATE: &str = "GONOGO_TEST_STATE";

fn id() -> ReleaseId {
    ReleaseId("20261122-134900-release".to_owned())
}

/// This binary again, playing a part under another command line.
fn actor(launcher: &[&str], part: &str, state: &Path) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut line: Vec<&str> = launcher.to_vec();
    let exe = exe.to_str().unwrap().to_owned();
    line.push(&exe);
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).args(["crash::actor_on_stage", "--exact", "--nocapture"]);
    command.env(PART, part).env(STATE, state).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Plays its part only when it is called as one; in an ordinary run it has nothing to do.
#[test]
fn actor_on_stage() {
    let Ok(part) = std::env::var(PART) else { return };
    let state = PathBuf::from(std::env::var_os(STATE).unwrap());
    match part.as_str() {
        "write-until-killed" => write_until_killed(&state),
        "fill-the-disk" => fill_the_disk(&state),
        other => panic!("there is no part {other}"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

fn note(live: &Live, seq: u64) -> Record {
    let fact = Fact::Noted { text: format!("note {seq} {}", "x".repeat(seq as usize % 700)) };
    Record::new(seq, Event { at: live.now, by: Some(ana()), fact })
}

/// Writes records as fast as they are durable, several at a time, and says which ones are.
fn write_until_killed(state: &Path) {
    let (store, read) = Store::open_for_writing(state, &id()).unwrap();
    let mut seq = store.last_seq();
    let live = Live::opened();
    let (answers, answered) = mpsc::channel();
    let writer = store.start(move |written| answers.send(written).unwrap()).unwrap();
    say(&format!("resumed with {}", read.records.len()));
    loop {
        let batch = (1..=3).map(|n| note(&live, seq + n)).collect();
        seq += 3;
        writer.append(batch, false);
        match answered.recv().unwrap() {
            Written::Durable { seq } => say(&format!("durable {seq}")),
            failed => panic!("{failed:?}"),
        }
    }
}

/// The number after this word, on the next line that begins with it.
fn heard(lines: &mut impl Iterator<Item = std::io::Result<String>>, word: &str) -> u64 {
    loop {
        let line = lines.next().expect("the actor speaks until it is killed").unwrap();
        // The test harness speaks on the same line as the first word.
        if let Some(number) = line.split(word).nth(1) {
            return number.trim().parse().unwrap();
        }
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_process_killed_while_it_writes_loses_nothing_that_was_durable() {
    let state = TempDir::new().unwrap();
    let live = Live::begun();
    let store = Store::create(state.path(), &id(), crate::fixture::DOCUMENT.as_bytes()).unwrap();
    let writer = store.start(|_| {}).unwrap();
    writer.append(live.records.clone(), false);
    writer.close();

    let mut durable = live.records.len() as u64;
    for round in 0..8 {
        let mut child = actor(&[], "write-until-killed", state.path()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(heard(&mut lines, "resumed with ") >= durable);
        let held = Store::open_for_writing(state.path(), &id());
        assert!(matches!(held, Err(StoreError::Held { .. })), "{held:?}");
        for _ in 0..=round * 3 {
            durable = heard(&mut lines, "durable ");
        }
        kill(child);

        let (_, read) = ReadOnly::open(state.path(), &id()).unwrap();
        let (store, again) = Store::open_for_writing(state.path(), &id()).unwrap();
        assert_eq!(read.records, again.records, "a reader and the next writer see the same");
        assert!(store.last_seq() >= durable, "{} of {durable}", store.last_seq());
        let release = replay(workflow(), &again.records).unwrap();
        assert_eq!(release.state().notes.len(), again.records.len() - live.records.len());
    }
}

/// A file system of 512 KiB that only the actor sees and that goes with it.
const SMALL_DISK: &str = r#"mount -t tmpfs -o size=512k,mode=0700 none "$GONOGO_TEST_STATE" && exec "$@""#;

#[test]
fn a_full_disk_stops_the_journal_but_not_the_record_of_a_rollback() {
    let state = TempDir::new().unwrap();
    let own_mounts = ["unshare", "-rm", "sh", "-c", SMALL_DISK, "sh"];
    let probe =
        Command::new(own_mounts[0]).args(&own_mounts[1..]).arg("true").env(STATE, state.path()).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        say("skipped: this machine does not let a test mount a small disk");
        return;
    }
    let output = actor(&own_mounts, "fill-the-disk", state.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("the rollback is recorded"), "{said}");
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0, "nothing was written outside the small disk");
}

fn fill_the_disk(state: &Path) {
    let live = Live::begun();
    let store = Store::create(state, &id(), b"# A release\n").unwrap();
    let folder = store.folder().clone();
    assert!(store.has_reserve());
    let (answers, answered) = mpsc::channel();
    let writer = store.start(move |written| answers.send(written).unwrap()).unwrap();
    writer.append(live.records.clone(), false);
    let last = live.records.len() as u64;
    assert_eq!(answered.recv().unwrap(), Written::Durable { seq: last });

    // Somebody else takes the last byte.
    let mut filler = fs::File::create(state.join("filler")).unwrap();
    while filler.write_all(&[1; 512]).is_ok() {}
    let big = |seq| {
        let fact = Fact::Noted { text: "x".repeat(5_000) };
        Record::new(seq, Event { at: live.now, by: None, fact })
    };
    writer.append(vec![big(last + 1)], false);
    let Written::Failed { seq, why } = answered.recv().unwrap() else { panic!("the disk is full") };
    assert_eq!(seq, last + 1);
    assert!(why.starts_with("the disk is full ("), "{why}");
    let (_, read) = ReadOnly::open(state, &id()).unwrap();
    assert_eq!((read.records.len() as u64, read.torn), (last, None), "the half record was cut off");
    assert_eq!(list(state).unwrap().len(), 1);

    writer.append(
        vec![Record::new(last + 2, Event { at: live.now, by: None, fact: Fact::RollbackCancelled })],
        true,
    );
    assert_eq!(answered.recv().unwrap(), Written::Durable { seq: last + 2 });
    // The writer already tries to get it back, and on this disk never gets all of it.
    let reserve = fs::metadata(folder.path().join("reserve")).map_or(0, |file| file.len());
    assert!(reserve < 64 * 1024, "the reserve gave its room, and has {reserve} bytes");
    let (_, read) = ReadOnly::open(state, &id()).unwrap();
    assert_eq!(read.records.len() as u64, last + 2);
    say("the rollback is recorded");

    // With room again, the next record brings the reserve back.
    drop(filler);
    fs::remove_file(state.join("filler")).unwrap();
    writer.append(vec![big(last + 3)], false);
    assert_eq!(answered.recv().unwrap(), Written::Durable { seq: last + 3 });
    writer.append(vec![big(last + 4)], false);
    assert_eq!(answered.recv().unwrap(), Written::Durable { seq: last + 4 });
    writer.close();
    let (store, _) = Store::open_for_writing(state, &id()).unwrap();
    assert!(store.has_reserve());
}
