//! Folders, locks, torn lines, the history, and disks that fail.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use super::medium::{Medium, RESERVE};
use super::writer::Log;
use super::*;
use crate::journal::{Record, encode};
use crate::release::{Event, Fact, Operator, Phase, Pin, RolloutSeen, StepResult, Template};
use crate::watch::rollout::RolloutState;
use crate::watch::{Moment, TargetRef};
use crate::workflow::{CommandId, Kind, Source};

fn id(text: &str) -> ReleaseId {
    ReleaseId(text.to_owned())
}

fn record(seq: u64, fact: Fact) -> Record {
    let second = i64::try_from(seq).unwrap();
    let at = Moment::real(Timestamp::from_second(1_795_356_127 + second).unwrap());
    let by = Some(Operator { name: "ana".into(), host: "laptop".into(), identity: None });
    Record::new(seq, Event { at, by, fact })
}

fn note(seq: u64) -> Record {
    record(seq, Fact::Noted { text: format!("note {seq}") })
}

fn opened(name: &str) -> Record {
    record(
        1,
        Fact::Opened {
            id: id(name),
            file: "release.md".into(),
            sha256: String::new(),
            title: "Release en Production".into(),
            targets: Vec::new(),
            context: None,
            directory: "/srv".into(),
            signals: crate::release::SignalSources::default(),
            practice: None,
            called: None,
            settled: Default::default(),
        },
    )
}

fn begun(seq: u64) -> Record {
    let params = [("VERSION".to_owned(), "v1.3.0".to_owned())].into();
    record(seq, Fact::Begun { params, roster: [].into() })
}

/// Writes a release's records and lets go of it.
fn write(state: &Path, name: &str, facts: impl IntoIterator<Item = Fact>) {
    let store = Store::create(state, &id(name), b"# A release\n").unwrap();
    let facts = facts.into_iter().zip(2..).map(|(fact, seq)| record(seq, fact));
    let (answers, answered) = mpsc::channel();
    let writer = store.start(move |written| drop(answers.send(written))).unwrap();
    writer.append([opened(name)].into_iter().chain(facts).collect(), false);
    writer.close();
    assert!(answered.iter().all(|written| matches!(written, Written::Durable { .. })));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_release_is_private_to_the_person_who_runs_it() {
    let state = TempDir::new().unwrap();
    let store = Store::create(state.path(), &id("r1"), b"# A release\n").unwrap();
    let folder = store.folder().clone();
    folder.save_template(0, &Template(serde_json::json!({"spec": {"containers": []}}))).unwrap();
    folder.create_output(&"tag/command-1".into(), 1).unwrap();
    for dir in [folder.path().to_owned(), folder.path().join("pins"), folder.path().join("output")] {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
    }
    for file in ["journal.jsonl", "workflow.md", "reserve", "pins/0.json", "output/tag.command-1-1.log"] {
        assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
    }
    assert_eq!(fs::metadata(folder.reserve_path()).unwrap().len(), RESERVE as u64);
    assert_eq!(folder.document().unwrap(), b"# A release\n");
    assert!(store.has_reserve());
}

#[test]
fn a_release_is_created_once() {
    let state = TempDir::new().unwrap();
    let first = Store::create(state.path(), &id("r1"), b"first").unwrap();
    let again = Store::create(state.path(), &id("r1"), b"second");
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
    assert_eq!(first.folder().document().unwrap(), b"first");
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let state = TempDir::new().unwrap();
    for name in ["", ".", "..", "../r1", "a/b", "a b", ".hidden", "é", &"x".repeat(129)] {
        let made = Store::create(state.path(), &id(name), b"");
        assert!(matches!(made, Err(StoreError::BadId { .. })), "{name}: {made:?}");
    }
    assert!(!state.path().join("releases").exists());
}

#[test]
fn two_processes_never_write_the_same_release() {
    let state = TempDir::new().unwrap();
    let first = Store::create(state.path(), &id("r1"), b"").unwrap();
    let second = Store::open_for_writing(state.path(), &id("r1"));
    assert!(matches!(second, Err(StoreError::Held { .. })), "{second:?}");
    drop(first);
    Store::open_for_writing(state.path(), &id("r1")).unwrap();
}

#[test]
fn what_is_answered_as_durable_is_there_for_the_next_process() {
    let state = TempDir::new().unwrap();
    let store = Store::create(state.path(), &id("r1"), b"").unwrap();
    let (answers, answered) = mpsc::channel();
    let writer = store.start(move |written| answers.send(written).unwrap()).unwrap();
    writer.append(vec![opened("r1"), note(2)], false);
    assert_eq!(answered.recv().unwrap(), Written::Durable { seq: 2 });
    writer.append(vec![note(3)], false);
    assert_eq!(answered.recv().unwrap(), Written::Durable { seq: 3 });
    writer.close();

    let (store, read) = Store::open_for_writing(state.path(), &id("r1")).unwrap();
    assert_eq!(read.records, [opened("r1"), note(2), note(3)]);
    assert_eq!((read.torn, store.last_seq()), (None, 3));
    let (answers, answered) = mpsc::channel();
    let writer = store.start(move |written| answers.send(written).unwrap()).unwrap();
    writer.append(vec![note(4)], false);
    assert_eq!(answered.recv().unwrap(), Written::Durable { seq: 4 });
    drop(writer);
    let (_, read) = ReadOnly::open(state.path(), &id("r1")).unwrap();
    assert_eq!(read.records.len(), 4);
}

#[test]
fn a_torn_last_line_is_kept_aside_before_it_is_cut_off() {
    let state = TempDir::new().unwrap();
    write(state.path(), "r1", []);
    let folder = Folder::of(state.path(), &id("r1")).unwrap();
    let whole = fs::read(folder.journal_path()).unwrap();
    let torn = &encode(&note(2)).into_bytes()[..33];
    fs::write(folder.journal_path(), [&whole, torn].concat()).unwrap();

    let (store, read) = Store::open_for_writing(state.path(), &id("r1")).unwrap();
    assert_eq!(read.torn, Some(TornTail { offset: whole.len() as u64, bytes: torn.to_vec() }));
    assert_eq!(store.last_seq(), 1);
    assert_eq!(fs::read(folder.journal_path()).unwrap(), whole);
    let kept = folder.path().join(format!("torn-{}.bin", whole.len()));
    assert_eq!((fs::read(&kept).unwrap(), mode(&kept)), (torn.to_vec(), 0o600));
}

#[test]
fn a_damaged_journal_is_refused_and_left_as_it_is() {
    let state = TempDir::new().unwrap();
    write(state.path(), "r1", []);
    let path = Folder::of(state.path(), &id("r1")).unwrap().journal_path();
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(encode(&note(5)).into_bytes());
    bytes.extend(b"torn");
    fs::write(&path, &bytes).unwrap();
    let error = Store::open_for_writing(state.path(), &id("r1")).unwrap_err();
    assert!(matches!(error, StoreError::Journal { source: JournalError::Gap { .. }, .. }), "{error:?}");
    assert!(error.to_string().contains("journal.jsonl: byte "), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_release_that_is_written_elsewhere_is_followed_live() {
    let state = TempDir::new().unwrap();
    let store = Store::create(state.path(), &id("r1"), b"").unwrap();
    let path = store.folder().journal_path();
    let first = encode(&opened("r1"));
    fs::write(&path, &first).unwrap();
    let (mut view, read) = ReadOnly::open(state.path(), &id("r1")).unwrap();
    assert_eq!((read.records.len(), view.is_held()), (1, true));
    assert_eq!(view.poll().unwrap(), []);

    let second = encode(&note(2));
    fs::write(&path, format!("{first}{}", &second[..10])).unwrap();
    assert_eq!(view.poll().unwrap(), [], "half a record is none");
    fs::write(&path, format!("{first}{second}")).unwrap();
    assert_eq!(view.poll().unwrap(), [note(2)]);

    fs::write(&path, &first).unwrap();
    assert!(matches!(view.poll(), Err(StoreError::CutBack { .. })));
    drop(store);
    assert!(!view.is_held());
}

#[tokio::test]
async fn a_follower_wakes_up_when_a_record_comes_and_when_the_writer_goes() {
    let state = TempDir::new().unwrap();
    write(state.path(), "r1", []);
    let (store, _) = Store::open_for_writing(state.path(), &id("r1")).unwrap();
    let (mut view, _) = ReadOnly::open(state.path(), &id("r1")).unwrap();
    assert_eq!(view.next().now_or_never().map(Result::unwrap), None);
    let path = view.folder().journal_path();
    fs::write(&path, encode(&opened("r1")) + &encode(&note(2))).unwrap();
    assert_eq!(view.next().await.unwrap(), Some(vec![note(2)]));
    fs::write(&path, encode(&opened("r1")) + &encode(&note(2)) + &encode(&note(3))).unwrap();
    drop(store);
    assert_eq!(view.next().await.unwrap(), Some(vec![note(3)]), "what it left behind comes first");
    assert_eq!(view.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_rollback_from_another_terminal_is_recorded_beside_a_held_journal_and_read_with_it() {
    let state = TempDir::new().unwrap();
    write(state.path(), "r1", [note(2).event.fact]);
    let (held, _) = Store::open_for_writing(state.path(), &id("r1")).unwrap();
    let mut others = held.others();
    let (mut view, _) = ReadOnly::open(state.path(), &id("r1")).unwrap();
    assert!(!others.is_held() && !view.is_rolled_back());

    let beside = Store::beside(state.path(), &id("r1")).unwrap();
    assert_eq!(mode(beside.path()), 0o600);
    // Later than the second record of the journal by its moment, the first of its own file.
    let fired = Record { seq: 1, ..note(9) };
    fs::write(beside.path(), encode(&fired)).unwrap();
    assert!(others.is_held() && view.is_rolled_back());
    assert_eq!(others.poll().unwrap(), std::slice::from_ref(&fired));
    assert_eq!(others.poll().unwrap(), [], "each once");
    assert_eq!(view.next().await.unwrap(), Some(vec![fired.clone()]));

    fs::write(held.folder().journal_path(), encode(&opened("r1")) + &encode(&note(2)) + &encode(&note(3)))
        .unwrap();
    drop((held, beside));
    assert!(!others.is_held());
    let (_, read) = ReadOnly::open(state.path(), &id("r1")).unwrap();
    assert_eq!(read.records, [opened("r1"), note(2), note(3), fired.clone()]);
    let (again, read) = Store::open_for_writing(state.path(), &id("r1")).unwrap();
    assert_eq!((again.last_seq(), read.records.len()), (3, 4), "the journal goes on with its own numbers");
    assert_eq!(again.others().poll().unwrap(), [], "what was read is not told again");
}

#[test]
fn a_rollback_that_was_never_fired_leaves_no_file() {
    let state = TempDir::new().unwrap();
    write(state.path(), "r1", []);
    let beside = Store::beside(state.path(), &id("r1")).unwrap();
    let path = beside.path().to_owned();
    drop(beside);
    Store::discard(&path).unwrap();
    assert_eq!(ReadOnly::open(state.path(), &id("r1")).unwrap().1.records.len(), 1);
}

#[test]
fn the_history_knows_what_was_rolled_back_from_another_terminal() {
    let state = TempDir::new().unwrap();
    write_rolled_back(state.path(), "r1", []);
    let phase = |state: &TempDir| list(state.path()).unwrap()[0].phase;
    let before = phase(&state);
    let beside = Store::beside(state.path(), &id("r1")).unwrap();
    let seen = RolloutSeen {
        target: TargetRef {
            kind: Kind::Deployment,
            namespace: "shop".into(),
            name: "app".into(),
            container: None,
        },
        state: RolloutState::Complete,
        why: String::new(),
        revision: None,
        replicas: None,
        template_print: "old".into(),
        image: String::new(),
        blocker: None,
    };
    let safe = Record { seq: 1, ..record(90, Fact::RolloutChanged(seen)) };
    fs::write(beside.path(), encode(&safe)).unwrap();
    drop(beside);
    assert_eq!((before, phase(&state)), (Some(Phase::RollingBack), Some(Phase::RolledBack)));
}

#[test]
fn a_line_on_its_way_is_not_called_torn_while_its_writer_lives() {
    let state = TempDir::new().unwrap();
    let store = Store::create(state.path(), &id("r1"), b"").unwrap();
    fs::write(store.folder().journal_path(), encode(&opened("r1")) + "{\"v\":1,").unwrap();
    let (_, read) = ReadOnly::open(state.path(), &id("r1")).unwrap();
    assert_eq!(read.torn, None);
    drop(store);
    let (_, read) = ReadOnly::open(state.path(), &id("r1")).unwrap();
    assert!(read.torn.is_some());
}

#[test]
fn templates_come_back_as_they_were_pinned() {
    let state = TempDir::new().unwrap();
    let store = Store::create(state.path(), &id("r1"), b"").unwrap();
    let template = Template(serde_json::json!({"spec": {"n": 1.5, "big": u64::MAX, "text": "é\u{1b}"}}));
    assert_eq!(store.folder().template(0).unwrap(), None);
    store.folder().save_template(0, &template).unwrap();
    store.folder().save_template(0, &template).unwrap();
    assert_eq!(store.folder().template(0).unwrap(), Some(template));
}

#[test]
fn outputs_of_different_commands_never_share_a_file() {
    let state = TempDir::new().unwrap();
    let folder = Folder::of(state.path(), &id("r1")).unwrap();
    let long = "x".repeat(400);
    let ids = ["a/b", "a.b", "a b", "a?b", "../a", "/a", "é", "è", &long, &format!("{long}y")];
    let mut paths: Vec<PathBuf> =
        ids.iter().map(|id| folder.output_path(&CommandId((*id).to_owned()), 1)).collect();
    for path in &paths {
        assert_eq!(path.parent(), Some(folder.path().join("output").as_path()), "{}", path.display());
        assert!(path.file_name().is_some_and(|name| name.len() < 255));
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), ids.len());
}

// ── the history

#[test]
fn the_history_tells_each_release_in_one_line_newest_first() {
    let state = TempDir::new().unwrap();
    let begin = || begun(2).event.fact;
    write(state.path(), "2026-a", [begin(), Fact::Completed, Fact::Noted { text: "after".into() }]);
    write(state.path(), "2026-b", []);
    let mut facts = vec![begin(), Fact::Held { reason: "the \"fact\":\"completed\" of it".into() }];
    // More than one block of the tail, with words that look like a record.
    facts.extend((0..400).map(|n| Fact::Noted { text: format!("\"fact\":\"aborted\" {n}") }));
    write(state.path(), "2026-c", facts);
    let held = Store::open_for_writing(state.path(), &id("2026-c")).unwrap();

    let all = list(state.path()).unwrap();
    let told: Vec<_> = all.iter().map(|one| (one.id.0.as_str(), one.phase, one.held_by_other)).collect();
    assert_eq!(
        told,
        [
            ("2026-c", Some(Phase::Held), true),
            ("2026-b", Some(Phase::Preparing), false),
            ("2026-a", Some(Phase::Completed), false),
        ]
    );
    drop(held);
    let oldest = all.last().unwrap();
    assert_eq!(oldest.title, "Release en Production");
    assert_eq!(oldest.params["VERSION"], "v1.3.0");
    assert_eq!((oldest.by.as_deref(), oldest.started), (Some("ana"), Some(opened("x").event.at.wall)));
    assert_eq!(resolve(state.path(), None).unwrap(), id("2026-c"));
}

const DOCUMENT: &str = "# Release\n\n## Steps\n\n### 1. Deploy\n\n- [ ] Pods ready\n";

/// A release whose rollback was fired, then this happened.
fn write_rolled_back(state: &Path, name: &str, then: impl IntoIterator<Item = Fact>) {
    let source = Source { file: "release.md", bytes: DOCUMENT.as_bytes(), siblings: &|_| false };
    let sha256 = crate::workflow::read(source).sha256;
    let target =
        TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: "app".into(), container: None };
    let mut first = opened(name);
    if let Fact::Opened { sha256: known, targets, .. } = &mut first.event.fact {
        (*known, *targets) = (sha256, vec![target.clone()]);
    }
    let pin = Pin {
        target: target.clone(),
        uid: "1".into(),
        at: first.event.at.world,
        revision: None,
        kept_in: String::new(),
        limit: None,
        template_hash: String::new(),
        template_print: "old".into(),
        images: Vec::new(),
        digests: Vec::new(),
        mounted: Vec::new(),
        replicas: 1,
    };
    let facts = [
        Fact::Pinned { pins: vec![pin], routes: vec![] },
        begun(1).event.fact,
        Fact::RollbackFired { reason: None, shown: Vec::new(), evidence: Vec::new(), policy: None },
        Fact::RollbackStepEnded { step: 0, attempt: 1, result: StepResult::Accepted { took_ms: 80 } },
    ];
    let records = facts.into_iter().chain(then).zip(2..).map(|(fact, seq)| record(seq, fact));
    let store = Store::create(state, &id(name), DOCUMENT.as_bytes()).unwrap();
    let writer = store.start(|_| {}).unwrap();
    writer.append([first].into_iter().chain(records).collect(), false);
    writer.close();
}

#[test]
fn the_history_tells_a_rollback_that_became_safe_from_one_that_did_not() {
    let state = TempDir::new().unwrap();
    let seen = |state| {
        let target = TargetRef {
            kind: Kind::Deployment,
            namespace: "shop".into(),
            name: "app".into(),
            container: None,
        };
        let (why, image) = (String::new(), String::new());
        let (revision, template_print) = (None, "old".into());
        let seen = RolloutSeen {
            target,
            state,
            why,
            revision,
            template_print,
            replicas: None,
            image,
            blocker: None,
        };
        Fact::RolloutChanged(seen)
    };
    write_rolled_back(state.path(), "a-under-way", []);
    write_rolled_back(state.path(), "b-failed", [seen(RolloutState::Failed)]);
    write_rolled_back(state.path(), "c-safe", [seen(RolloutState::Complete)]);
    write_rolled_back(
        state.path(),
        "d-given-up",
        [seen(RolloutState::Failed), Fact::Aborted { reason: "by hand".into() }],
    );
    let mut told: Vec<_> = list(state.path()).unwrap().into_iter().map(|one| (one.id.0, one.phase)).collect();
    told.sort();
    assert_eq!(
        told,
        [
            ("a-under-way".to_owned(), Some(Phase::RollingBack)),
            ("b-failed".to_owned(), Some(Phase::RollbackFailed)),
            ("c-safe".to_owned(), Some(Phase::RolledBack)),
            ("d-given-up".to_owned(), Some(Phase::Aborted)),
        ]
    );
    assert_eq!(list(state.path()).unwrap()[0].params["VERSION"], "v1.3.0");
}

#[test]
fn the_past_tells_how_long_each_rollback_took_and_leaves_out_what_it_cannot_read() {
    let state = TempDir::new().unwrap();
    let seen = |print: &str, state| {
        let target = TargetRef {
            kind: Kind::Deployment,
            namespace: "shop".into(),
            name: "app".into(),
            container: None,
        };
        let (why, image) = (String::new(), String::new());
        Fact::RolloutChanged(RolloutSeen {
            target,
            state,
            why,
            revision: Some(9),
            replicas: None,
            template_print: print.into(),
            image,
            blocker: None,
        })
    };
    let settling = || seen("old", RolloutState::Settling);
    write_rolled_back(state.path(), "a", [settling(), settling(), seen("old", RolloutState::Complete)]);
    write_rolled_back(state.path(), "b", [seen("new", RolloutState::Failed)]);
    write(state.path(), "c", [begun(2).event.fact, Fact::Completed]);
    write(state.path(), "d", []);
    fs::write(Folder::of(state.path(), &id("d")).unwrap().journal_path(), "no journal\n").unwrap();
    let all = pasts(state.path(), |_| true).unwrap();
    let told: Vec<_> = all.known.iter().map(|past| (past.id.0.as_str(), past.phase)).collect();
    assert_eq!(told, [("a", Phase::RolledBack), ("b", Phase::RollingBack), ("c", Phase::Completed)]);
    assert_eq!(all.unread.len(), 1);
    // Fired as the fourth record, a second each; complete with the eighth.
    let second = |n| Some(jiff::SignedDuration::from_secs(n));
    let rollbacks: Vec<_> = all.known.iter().flat_map(|past| &past.rollbacks).collect();
    assert_eq!(rollbacks.iter().map(|one| one.to_safe).collect::<Vec<_>>(), [second(4), None]);
    let of_app =
        pasts(state.path(), |opened| matches!(opened, Fact::Opened { targets, .. } if !targets.is_empty()));
    let of_app = of_app.unwrap();
    assert_eq!(of_app.known.len(), 2);
    let targets = of_app.known[0].targets.clone();
    let known = crate::journal::past::of_workloads(&of_app.known, None, &targets);
    assert_eq!(known[&targets[0]].way_back, second(4));
}

#[test]
fn a_release_is_found_by_the_beginning_of_its_name() {
    let state = TempDir::new().unwrap();
    assert!(matches!(resolve(state.path(), None), Err(StoreError::NoneOpen)));
    for name in ["20261122-shop", "20261122-shop-2", "20261123-api"] {
        write(state.path(), name, [begun(2).event.fact, Fact::Completed]);
    }
    let resolve = |wanted| resolve(state.path(), wanted);
    assert_eq!(resolve(Some("20261123")).unwrap(), id("20261123-api"));
    assert_eq!(resolve(Some("20261122-shop")).unwrap(), id("20261122-shop"));
    assert!(matches!(resolve(Some("2027")), Err(StoreError::Unknown { .. })));
    let several = resolve(Some("20261122")).unwrap_err().to_string();
    assert_eq!(several, "20261122 may be any of 20261122-shop, 20261122-shop-2; write more of its name");
    assert!(matches!(resolve(None), Err(StoreError::NoneOpen)));
}

#[test]
fn a_release_that_cannot_be_read_is_listed_with_its_problem() {
    let state = TempDir::new().unwrap();
    write(state.path(), "good", []);
    drop(Store::create(state.path(), &id("empty"), b"").unwrap());
    write(state.path(), "newer", []);
    let newer = Folder::of(state.path(), &id("newer")).unwrap().journal_path();
    fs::write(&newer, encode(&opened("newer")).replace("\"v\":1", "\"v\":7")).unwrap();
    fs::create_dir(state.path().join("releases/bare")).unwrap();
    fs::write(state.path().join("releases/notes.txt"), "not a release").unwrap();

    let all = list(state.path()).unwrap();
    let problem = |name: &str| {
        let one = all.iter().find(|one| one.id.0 == name).unwrap();
        (one.phase, one.problem.clone().unwrap_or_default())
    };
    assert_eq!(all.len(), 4);
    assert_eq!(problem("good"), (Some(Phase::Preparing), String::new()));
    assert!(problem("newer").1.contains("written by a newer gonogo"), "{}", problem("newer").1);
    assert!(problem("empty").1.contains("nothing was recorded"), "{}", problem("empty").1);
    assert!(problem("bare").1.contains("could not open"), "{}", problem("bare").1);
}

#[test]
fn a_torn_tail_does_not_hide_how_a_release_stands() {
    let state = TempDir::new().unwrap();
    write(state.path(), "r1", [begun(2).event.fact, Fact::Completed]);
    let path = Folder::of(state.path(), &id("r1")).unwrap().journal_path();
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"{\"v\":1,\"fact\":\"aborted\"");
    fs::write(&path, bytes).unwrap();
    assert_eq!(list(state.path()).unwrap()[0].phase, Some(Phase::Completed));
}

// ── disks that fail

/// A disk in memory, with so much room and so many faults to come.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    room: usize,
    reserve: usize,
    /// At most so many bytes per write.
    short: Option<usize>,
    fail_syncs: usize,
    fail_cuts: usize,
    interrupts: usize,
    n_syncs: usize,
}

impl Disk {
    fn with_room(room: usize) -> Self {
        let disk = Self::default();
        disk.set(|inner| inner.room = room);
        disk
    }

    fn set<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn records(&self) -> Vec<Record> {
        journal::read(&self.set(|inner| inner.bytes.clone())).unwrap().records
    }

    fn log(&self) -> Log<Disk> {
        Log::new(self.clone(), 0, 0)
    }
}

impl Medium for Disk {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.set(|inner| {
            if inner.interrupts > 0 {
                inner.interrupts -= 1;
                return Err(io::ErrorKind::Interrupted.into());
            }
            let offset = usize::try_from(offset).unwrap();
            assert_eq!(offset, inner.bytes.len(), "records are written one behind the other");
            let n = bytes.len().min(inner.short.unwrap_or(usize::MAX)).min(inner.room - offset);
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            inner.bytes.extend(&bytes[..n]);
            Ok(n)
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.set(|inner| {
            inner.n_syncs += 1;
            if inner.fail_syncs > 0 {
                inner.fail_syncs -= 1;
                return Err(io::Error::other("input/output error"));
            }
            Ok(())
        })
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set(|inner| {
            if inner.fail_cuts > 0 {
                inner.fail_cuts -= 1;
                return Err(io::Error::other("input/output error"));
            }
            inner.bytes.truncate(usize::try_from(length).unwrap());
            Ok(())
        })
    }

    fn has_reserve(&self) -> bool {
        self.set(|inner| inner.reserve > 0)
    }

    fn give_reserve(&mut self) -> io::Result<()> {
        self.set(|inner| {
            inner.room += inner.reserve;
            inner.reserve = 0;
        });
        Ok(())
    }

    fn fill_reserve(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn records_that_wait_together_are_synced_once() {
    let disk = Disk::with_room(10_000);
    let mut log = disk.log();
    for seq in 1..=5 {
        log.push(&note(seq), false).unwrap();
    }
    assert_eq!(log.write(), Some(Written::Durable { seq: 5 }));
    assert_eq!(disk.set(|inner| inner.n_syncs), 1);
    assert_eq!(log.write(), None);
}

proptest! {
    #[test]
    fn a_disk_that_fills_up_at_any_byte_leaves_whole_records_and_takes_the_rest_later(
        room in 0_usize..900, short in 1_usize..50, interrupts in 0_usize..3, fail_cuts in 0_usize..2,
    ) {
        let disk = Disk::with_room(room);
        disk.set(|inner| (inner.short, inner.interrupts, inner.fail_cuts) = (Some(short), interrupts, fail_cuts));
        let mut log = disk.log();
        let mut durable = 0;
        for seq in 1..=5 {
            log.push(&note(seq), false).unwrap();
            match log.write().unwrap() {
                Written::Durable { seq: upto } => {
                    prop_assert_eq!(upto, seq);
                    durable = upto;
                }
                Written::Failed { seq: first, why } => {
                    prop_assert_eq!(first, durable + 1);
                    prop_assert!(why.contains("the disk is full") || why.contains("input/output"), "{}", why);
                }
            }
            let read = journal::read(&disk.set(|inner| inner.bytes.clone())).unwrap();
            prop_assert!(read.records.len() as u64 >= durable);
        }
        disk.set(|inner| inner.room = 10_000);
        if durable < 5 {
            prop_assert_eq!(log.write(), Some(Written::Durable { seq: 5 }));
        }
        prop_assert_eq!(disk.records(), (1..=5).map(note).collect::<Vec<_>>());
    }
}

#[test]
fn a_failed_sync_means_not_durable_and_everything_is_written_anew() {
    let disk = Disk::with_room(10_000);
    disk.set(|inner| inner.fail_syncs = 1);
    let mut log = disk.log();
    log.push(&note(1), false).unwrap();
    let Some(Written::Failed { seq: 1, why }) = log.write() else { panic!("it was not durable") };
    assert!(why.contains("input/output error"), "{why}");
    assert_eq!(disk.records(), []);
    log.push(&note(2), false).unwrap();
    assert_eq!(log.write(), Some(Written::Durable { seq: 2 }));
    assert_eq!(disk.records(), [note(1), note(2)]);
}

#[test]
fn on_a_full_disk_the_reserve_is_for_a_rollback_only() {
    let disk = Disk::with_room(0);
    disk.set(|inner| inner.reserve = 1_000);
    let mut log = disk.log();
    log.push(&note(1), false).unwrap();
    assert!(matches!(log.write(), Some(Written::Failed { seq: 1, .. })));
    assert!(disk.has_reserve(), "a note does not take a rollback's room");
    log.push(&record(2, Fact::RollbackCancelled), true).unwrap();
    assert_eq!(log.write(), Some(Written::Durable { seq: 2 }));
    assert!(!disk.has_reserve());
    assert_eq!(disk.records().len(), 2, "what waited goes first, or the numbers would have a gap");
}

#[test]
fn without_a_reserve_a_rollback_is_told_that_it_is_not_recorded() {
    let disk = Disk::with_room(0);
    let mut log = disk.log();
    log.push(&record(1, Fact::RollbackCancelled), true).unwrap();
    assert!(matches!(log.write(), Some(Written::Failed { seq: 1, .. })));
}

#[test]
fn a_record_out_of_order_is_refused_instead_of_spoiling_the_journal() {
    let disk = Disk::with_room(10_000);
    let mut log = disk.log();
    log.push(&note(1), false).unwrap();
    let Err(Written::Failed { seq: 3, why }) = log.push(&note(3), false) else { panic!("it was taken") };
    assert!(why.contains("record 3 came when 2 was due"), "{why}");
    log.push(&note(2), false).unwrap();
    assert_eq!(log.write(), Some(Written::Durable { seq: 2 }));
    assert_eq!(disk.records(), [note(1), note(2)]);
}

#[test]
fn a_writer_recovers_by_itself_once_there_is_room() {
    let disk = Disk::with_room(0);
    let (answers, answered) = mpsc::channel();
    let retry = Duration::from_millis(1);
    let answer = move |written| answers.send(written).unwrap();
    let writer = Writer::start(disk.clone(), 0, 0, retry, answer).unwrap();
    writer.append(vec![note(1)], false);
    assert!(matches!(answered.recv().unwrap(), Written::Failed { seq: 1, .. }));
    disk.set(|inner| inner.room = 1_000);
    assert_eq!(answered.recv().unwrap(), Written::Durable { seq: 1 });
    assert_eq!(disk.records(), [note(1)]);
}
