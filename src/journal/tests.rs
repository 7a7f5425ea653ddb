//! The shape on disk, and what damage does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::release::pin::{Mounted, MountedKind};
use crate::release::{
    ArmingState, Blocker, ByPolicy, Captured, Event, Evidence, Exit, Fact, Failure, FailureKind, Finding,
    Held, ItemId, LockHolder, LockStanding, Operator, Order, Outcome, Pin, PracticeWorld, ReleaseId,
    RolloutOrdered, RolloutSeen, RouteKind, RoutePin, RouteRef, Run, Share, Shares, Shown, StepResult,
    Takeover, Timer, Verdict, Vote,
};
use crate::watch::rollout::RolloutState;
use crate::watch::{Image, Moment, TargetRef};
use crate::workflow::nginx::{Colour, NginxSite, Side, Through};
use crate::workflow::{
    BlockPrint, CallAnswer, CalledFiles, CalledFrom, CheckId, CommandId, CriterionId, Edition, Kind, Meaning,
    RoleName, Ruling, Settled, StepId,
};

/// What a sample is made of, so that the same facts serve a fixed snapshot and arbitrary texts.
struct Words {
    text: String,
    id: String,
    n: u32,
    big: u64,
    flag: bool,
    at: Timestamp,
}

/// One of each, and of each shape inside it.
fn every_fact(words: &Words) -> Vec<Fact> {
    let Words { text, id, n, big, flag, at } = words;
    let (n, big, flag, at) = (*n, *big, *flag, *at);
    let text = || text.clone();
    let some = |value: String| flag.then_some(value);
    let (check, command) = (CheckId(id.clone()), CommandId(id.clone()));
    let (step, role) = (StepId(id.clone()), RoleName(id.clone()));
    let criterion = CriterionId(id.clone());
    let target = TargetRef {
        kind: Kind::Deployment,
        namespace: text(),
        name: id.clone(),
        container: flag.then(|| id.clone()),
    };
    let evidence = vec![Evidence { what: text(), value: text(), age_s: big, stale: flag }];
    let end = |exit| Fact::CommandEnded { command: command.clone(), attempt: n, exit, took_ms: big };
    let step_ended = |result| Fact::RollbackStepEnded { step: n as usize, attempt: n, result };
    let order = |order| {
        let step = flag.then_some(n);
        Fact::RolloutOrdered(RolloutOrdered {
            target: target.clone(),
            order,
            attempt: n,
            uid: id.clone(),
            step,
        })
    };
    let vote = |vote| Fact::Voted {
        step: step.clone(),
        role: role.clone(),
        vote,
        reason: some(text()),
        evidence: evidence.clone(),
    };
    let read = |verdict| Fact::CriterionRead {
        criterion: criterion.clone(),
        verdict,
        why: text(),
        since: flag.then_some(at),
    };
    let blocker = || Blocker { pod: id.clone(), uid: text(), revision: id.clone() };
    let lock = |standing| Fact::LockChanged { standing };
    let takeover =
        || Takeover { from: text(), from_release: flag.then(|| ReleaseId(id.clone())), at, because: text() };
    let holder = || LockHolder {
        who: text(),
        host: id.clone(),
        release: flag.then(|| ReleaseId(id.clone())),
        reason: text(),
        version: some(id.clone()),
        since: flag.then_some(at),
        kept: some(text()),
        takeover: flag.then(takeover),
    };
    let finding = |outcome| Finding { target: Some(target.clone()), what: text(), outcome };
    let labels = || BTreeMap::from([(id.clone(), text())]);
    let share = Share { host: id.clone(), subset: some(text()), port: flag.then_some(n), weight: n };
    let shares = Shares { entry: text(), to: vec![share] };
    let route = |kind, held| RoutePin {
        route: RouteRef { kind, namespace: text(), name: id.clone() },
        uid: id.clone(),
        api_version: text(),
        held,
        to: vec![target.clone()],
        kept_by: some(text()),
        limit: some(text()),
    };
    let colour = || Colour(text());
    let mut site = NginxSite::new(text(), text());
    site.sides =
        [(); 2].map(|()| Side { colour: colour(), addresses: vec![id.clone()], health: flag.then(text) });
    site.through = flag.then(|| Through { url: text(), says: id.clone() });
    site.nginx = vec![text()];
    let ruling = || Ruling { meaning: Meaning::Commands, by: text(), on: id.clone() };
    let settled = || {
        let mut settled = Settled::default();
        settled.set(BlockPrint(id.clone()), flag.then(ruling));
        settled
    };
    vec![
        Fact::Opened {
            id: ReleaseId(id.clone()),
            file: text(),
            sha256: id.clone(),
            title: text(),
            targets: vec![target.clone()],
            context: some(text()),
            directory: text(),
            signals: crate::release::SignalSources::default(),
            practice: flag.then(|| PracticeWorld { directory: text(), scenario: id.clone(), speed: 2.5 }),
            called: None,
            settled: settled(),
        },
        Fact::Begun {
            params: BTreeMap::from([(id.clone(), text())]),
            roster: BTreeMap::from([(role.clone(), text())]),
        },
        Fact::Reopened,
        Fact::Left { why: text() },
        Fact::Held { reason: text() },
        Fact::Released,
        Fact::Aborted { reason: text() },
        Fact::Completed,
        Fact::Noted { text: text() },
        Fact::RoleStaffed { role: role.clone(), person: text() },
        Fact::Confirmed {
            check: check.clone(),
            evidence: evidence.clone(),
            person: some(text()),
            typed: some(text()),
        },
        Fact::KeyboardTaken { from: text() },
        Fact::CheckReopened { check: check.clone() },
        Fact::NoGo { check: check.clone(), reason: text(), evidence: evidence.clone() },
        Fact::NotApplicable { item: ItemId::Check(check.clone()), reason: text() },
        Fact::Skipped { item: ItemId::Command(command.clone()), reason: text() },
        Fact::Overridden { check: check.clone(), reason: text(), evidence: evidence.clone() },
        Fact::Sensed { check, pass: flag, value: text() },
        vote(Vote::Go),
        vote(Vote::NoGo),
        vote(Vote::Abstain),
        Fact::RoleNotApplicable { step: step.clone(), role: role.clone(), reason: text() },
        Fact::SoakShortened { step: step.clone(), role, reason: text() },
        Fact::CommandStarted(Run {
            command: command.clone(),
            attempt: n,
            text: text(),
            choice: flag.then_some(n as usize),
            edited: flag,
            shell: vec!["bash".to_owned(), "-e".to_owned()],
            directory: text(),
            env: vec![id.clone()],
            context: some(text()),
            namespace: some(id.clone()),
            terms: Default::default(),
        }),
        Fact::CommandSpawned {
            command: command.clone(),
            attempt: n,
            pid: n,
            start_time: flag.then_some(big),
        },
        end(Exit::Code(n as i32)),
        end(Exit::Signal(9)),
        end(Exit::NotStarted(text())),
        Fact::CommandStopped { command: command.clone(), attempt: n },
        Fact::DoubtSettled { command: command.clone(), attempt: n, succeeded: flag, note: text() },
        Fact::NothingToRun { command, choice: n as usize },
        Fact::Pinned {
            pins: vec![Pin {
                target: target.clone(),
                uid: id.clone(),
                at,
                revision: flag.then_some(big),
                kept_in: id.clone(),
                limit: flag.then(text),
                template_hash: text(),
                template_print: id.clone(),
                images: vec![Image { container: id.clone(), image: text() }],
                digests: vec![text()],
                mounted: vec![
                    Mounted { kind: MountedKind::ConfigMap, name: text(), version: some(text()) },
                    Mounted { kind: MountedKind::Secret, name: text(), version: None },
                ],
                replicas: n,
            }],
            routes: vec![
                route(RouteKind::Service, Held::Selector(labels())),
                route(RouteKind::VirtualService, Held::Shares(vec![shares])),
                route(RouteKind::DestinationRule, Held::Subsets(BTreeMap::from([(text(), labels())]))),
                route(RouteKind::Autoscaler, Held::Bounds { min: flag.then_some(n), max: n }),
                route(RouteKind::Nginx, Held::Colour { colour: colour(), site: Box::new(site) }),
            ],
        },
        Fact::Armed {
            findings: vec![
                finding(Outcome::Fine),
                finding(Outcome::Limited(text())),
                finding(Outcome::Broken(text())),
                finding(Outcome::Unknown(text())),
                finding(Outcome::Stays(text())),
            ],
        },
        Fact::BaselinePinned { values: BTreeMap::from([(text(), 0.25), (id.clone(), f64::from(n))]) },
        Fact::RolloutChanged(RolloutSeen {
            target: target.clone(),
            state: RolloutState::Progressing,
            why: text(),
            revision: flag.then_some(big),
            replicas: flag.then_some(n),
            template_print: id.clone(),
            image: text(),
            blocker: flag.then(blocker),
        }),
        read(Verdict::Pass),
        read(Verdict::Fail),
        read(Verdict::NoData),
        read(Verdict::Error),
        Fact::CriterionDeclared { criterion: criterion.clone(), met: flag, reason: text() },
        Fact::CriterionOverridden { criterion: criterion.clone(), reason: text() },
        Fact::HealthChanged { healthy: flag, summary: text() },
        Fact::Woke { timer: Timer::SoakEarliest(step) },
        Fact::Woke { timer: Timer::RollbackRetry { step: n as usize, attempt: n } },
        Fact::RollbackFired {
            reason: some(text()),
            shown: vec![Shown { target: target.clone(), uid: id.clone(), template_print: text() }],
            evidence,
            policy: flag.then(|| ByPolicy { criterion: criterion.clone(), accepted_by: text() }),
        },
        Fact::RollbackReason { reason: text() },
        Fact::RollbackCancelled,
        step_ended(StepResult::Accepted { took_ms: big }),
        step_ended(StepResult::AlreadyThere),
        step_ended(StepResult::Failed(Failure { kind: FailureKind::TimedOut, summary: text() })),
        order(Order::Promote),
        order(Order::PromoteFull),
        order(Order::Abort),
        order(Order::Retry),
        Fact::RolloutOrderEnded { attempt: n, result: StepResult::AlreadyThere },
        lock(LockStanding::Ours {
            since: at,
            local_only: some(text()),
            takeovers: flag.then(takeover).into_iter().collect(),
        }),
        lock(LockStanding::Held { target: target.clone(), holder: holder() }),
        lock(LockStanding::Lost { target: target.clone(), holder: holder() }),
        lock(LockStanding::Free),
        lock(LockStanding::Without { why: text() }),
        Fact::LockTakenOver { from: flag.then(|| ReleaseId(id.clone())), reason: text() },
        Fact::LockGiven { reason: text() },
        Fact::ArmingChanged { state: ArmingState::NotProven },
        Fact::BlockerDeleted { target: target.clone(), blocker: blocker() },
        Fact::PolicyAccepted { criterion: criterion.clone() },
        Fact::PolicyWithdrawn { criterion: criterion.clone() },
        Fact::CountdownStarted { criterion: criterion.clone(), seconds: big },
        Fact::CountdownStopped,
        Fact::PolicyHeldBack { criterion, why: text() },
        Fact::TrafficFirst { target: target.clone() },
        Fact::Woke { timer: Timer::Countdown { n } },
        Fact::Reloaded {
            edition: Box::new(Edition {
                text: text(),
                called: CalledFiles {
                    answers: vec![CallAnswer {
                        by: some(text()),
                        name: text(),
                        file: id.clone(),
                        from: CalledFrom::Repository,
                        others: vec![text()],
                    }],
                    texts: BTreeMap::from([(id.clone(), text())]),
                },
            }),
        },
        Fact::Settled { block: BlockPrint(id.clone()), meaning: flag.then_some(Meaning::Text) },
        Fact::Woke { timer: Timer::CommandAgain { command: CommandId(id.clone()), attempt: n } },
        Fact::OutputCaptured {
            command: CommandId(id.clone()),
            attempt: n,
            captured: Captured::Value(text()),
        },
        Fact::OutputCaptured {
            command: CommandId(id.clone()),
            attempt: n,
            captured: Captured::NotKept(text()),
        },
    ]
}

/// A number per variant. A new variant does not compile until it stands here, and then the count
/// below asks for its sample.
fn variant(fact: &Fact) -> usize {
    match fact {
        Fact::Opened { .. } => 0,
        Fact::Begun { .. } => 1,
        Fact::Reopened => 2,
        Fact::Left { .. } => 3,
        Fact::Held { .. } => 4,
        Fact::Released => 5,
        Fact::Aborted { .. } => 6,
        Fact::Completed => 7,
        Fact::Noted { .. } => 8,
        Fact::RoleStaffed { .. } => 9,
        Fact::Confirmed { .. } => 10,
        Fact::CheckReopened { .. } => 11,
        Fact::NoGo { .. } => 12,
        Fact::NotApplicable { .. } => 13,
        Fact::Skipped { .. } => 14,
        Fact::Overridden { .. } => 15,
        Fact::Sensed { .. } => 16,
        Fact::Voted { .. } => 17,
        Fact::RoleNotApplicable { .. } => 18,
        Fact::SoakShortened { .. } => 19,
        Fact::CommandStarted(_) => 20,
        Fact::CommandSpawned { .. } => 21,
        Fact::CommandEnded { .. } => 22,
        Fact::OutputCaptured { .. } => 54,
        Fact::CommandStopped { .. } => 23,
        Fact::DoubtSettled { .. } => 24,
        Fact::NothingToRun { .. } => 25,
        Fact::Pinned { .. } => 26,
        Fact::Armed { .. } => 27,
        Fact::BaselinePinned { .. } => 28,
        Fact::RolloutChanged(_) => 29,
        Fact::CriterionRead { .. } => 30,
        Fact::CriterionDeclared { .. } => 31,
        Fact::CriterionOverridden { .. } => 32,
        Fact::HealthChanged { .. } => 33,
        Fact::Woke { .. } => 34,
        Fact::RollbackFired { .. } => 35,
        Fact::RollbackReason { .. } => 36,
        Fact::RollbackCancelled => 37,
        Fact::RollbackStepEnded { .. } => 38,
        Fact::RolloutOrdered(_) => 39,
        Fact::RolloutOrderEnded { .. } => 40,
        Fact::LockChanged { .. } => 41,
        Fact::LockTakenOver { .. } => 42,
        Fact::LockGiven { .. } => 43,
        Fact::ArmingChanged { .. } => 44,
        Fact::BlockerDeleted { .. } => 45,
        Fact::PolicyAccepted { .. } => 46,
        Fact::PolicyWithdrawn { .. } => 47,
        Fact::CountdownStarted { .. } => 48,
        Fact::CountdownStopped => 49,
        Fact::PolicyHeldBack { .. } => 50,
        Fact::TrafficFirst { .. } => 51,
        Fact::KeyboardTaken { .. } => 52,
        Fact::Reloaded { .. } => 53,
        Fact::Settled { .. } => 55,
    }
}
const N_VARIANTS: usize = 56;

fn at() -> Timestamp {
    "2026-11-22T14:02:07.031Z".parse().unwrap()
}

fn ana() -> Operator {
    Operator { name: "ana".into(), host: "laptop".into(), identity: Some("ana@example.org".into()) }
}

fn words(flag: bool) -> Words {
    Words { text: "some words".into(), id: "an-id".into(), n: 1, big: 1_234, flag, at: at() }
}

fn note(seq: u64) -> Record {
    let fact = Fact::Noted { text: format!("note {seq}") };
    Record::new(seq, Event { at: Moment::real(at()), by: Some(ana()), fact })
}

fn lines(records: impl IntoIterator<Item = Record>) -> Vec<u8> {
    records.into_iter().map(|record| encode(&record)).collect::<String>().into_bytes()
}

#[test]
fn the_shape_on_disk_is_the_one_that_older_journals_have() {
    let mut text = String::new();
    for flag in [true, false] {
        for (index, fact) in every_fact(&words(flag)).into_iter().enumerate() {
            let by = flag.then(ana);
            text += &encode(&Record::new(index as u64 + 1, Event { at: Moment::real(at()), by, fact }));
        }
    }
    insta::assert_snapshot!("shape_on_disk", text);
}

#[test]
fn every_kind_of_fact_has_its_sample() {
    let mut seen: Vec<usize> = every_fact(&words(true)).iter().map(variant).collect();
    // A shape that came later stands at the end of the samples, so that no older line moves.
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..N_VARIANTS).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn what_was_written_is_what_is_read(
        (text, id, n, big, flag) in (any::<String>(), any::<String>(), 0..=i32::MAX as u32, any::<u64>(), any::<bool>()),
        (wall_s, wall_ns) in (-62_135_596_800_i64..253_402_200_000, 0..1_000_000_000_i32),
        identity in any::<Option<String>>(),
    ) {
        let at = Timestamp::new(wall_s, wall_ns.min(if wall_s < 0 { 0 } else { wall_ns })).unwrap();
        let by = flag.then(|| Operator { name: text.clone(), host: id.clone(), identity });
        let moment = Moment { wall: at, world: Timestamp::UNIX_EPOCH };
        let words = Words { text, id, n, big, flag, at };
        let records = every_fact(&words).into_iter().zip(1..);
        let records: Vec<Record> = records
            .map(|(fact, seq)| Record::new(seq, Event { at: moment, by: by.clone(), fact }))
            .collect();
        let bytes = lines(records.clone());
        prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), records.len());
        let journal = read(&bytes).unwrap();
        prop_assert_eq!(journal.torn, None);
        prop_assert_eq!(journal.records, records);
    }

    #[test]
    fn a_flipped_bit_never_passes_unseen_as_another_number_of_records(place in 0_usize..400, bit in 0_u8..8) {
        let mut bytes = lines((1..=4).map(note));
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        // A flip inside a text is still a record; the order of records is never wrong.
        if let Ok(journal) = read(&bytes) {
            let n_whole = journal.records.len() + usize::from(journal.torn.is_some());
            prop_assert_eq!(n_whole, 4);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }
}

#[test]
fn a_torn_last_line_is_reported_and_the_rest_is_kept() {
    let whole = lines((1..=2).map(note));
    let mut bytes = whole.clone();
    bytes.extend(&lines([note(3)])[..20]);
    let journal = read(&bytes).unwrap();
    assert_eq!(journal.records, [note(1), note(2)]);
    let torn = journal.torn.unwrap();
    assert_eq!((torn.offset, torn.bytes.len()), (whole.len() as u64, 20));
}

#[test]
fn a_last_line_without_its_end_is_torn_even_when_it_looks_whole() {
    let mut bytes = lines([note(1), note(2)]);
    bytes.pop();
    assert_eq!(read(&bytes).unwrap().records, [note(1)]);
}

#[test]
fn a_broken_line_in_the_middle_is_refused_with_its_byte_and_a_way_out() {
    let first = lines([note(1)]);
    let mut bytes = first.clone();
    bytes.extend(b"{\"v\":1,\"seq\":2,!\n");
    bytes.extend(lines([note(3)]));
    let error = read(&bytes).unwrap_err().to_string();
    let offset = first.len() + 15;
    assert!(error.starts_with(&format!("byte {offset} cannot be understood: ")), "{error}");
    assert!(error.contains(&format!("truncate -s {}", first.len())), "{error}");
    assert!(error.contains("the first 1 are whole"), "{error}");
}

#[test]
fn a_fact_that_nobody_knows_is_refused_by_name() {
    let line = encode(&note(1)).replace("\"noted\"", "\"teleported\"");
    let error = read(line.as_bytes()).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { offset: 0, .. }), "{error:?}");
    assert!(error.to_string().contains("teleported"), "{error}");
}

#[test]
fn a_missing_record_and_a_repeated_one_are_told_apart() {
    let first = lines([note(1)]).len() as u64;
    let whole = Whole { n_records: 1, until: first };
    assert_eq!(
        read(&lines([note(1), note(3)])),
        Err(JournalError::Gap { offset: first, expected: 2, found: 3, whole })
    );
    assert_eq!(
        read(&lines([note(1), note(1)])),
        Err(JournalError::Repeated { offset: first, found: 1, whole })
    );
}

#[test]
fn a_block_of_nul_bytes_is_refused_in_the_middle_and_at_the_end() {
    let first = lines([note(1)]);
    let offset = first.len() as u64;
    let whole = Whole { n_records: 1, until: offset };
    let mut bytes = first.clone();
    bytes.extend([0; 512]);
    let refused = Err(JournalError::NulBlock { offset, n_nul: 512, whole });
    assert_eq!(read(&bytes), refused);
    bytes.extend(lines([note(2)]));
    assert_eq!(read(&bytes), refused);
}

#[test]
fn a_newer_journal_is_named_as_such_whatever_its_records_look_like() {
    let known = encode(&note(1)).replace("\"v\":1", "\"v\":2");
    let unknown = "{\"v\":3,\"seq\":1,\"shape\":\"new\"}\n".to_owned();
    for (text, version) in [(known, 2), (unknown, 3)] {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!(error, JournalError::Newer { offset: 0, version });
        assert!(error.to_string().starts_with("written by a newer gonogo"), "{error}");
    }
}

#[test]
fn a_reading_that_is_no_number_does_not_spoil_the_journal() {
    let values = BTreeMap::from([("error_rate".to_owned(), f64::NAN), ("restarts".to_owned(), 2.0)]);
    let event = Event { at: Moment::real(at()), by: None, fact: Fact::BaselinePinned { values } };
    let journal = read(&lines([Record::new(1, event)])).unwrap();
    let kept = BTreeMap::from([("restarts".to_owned(), 2.0)]);
    assert_eq!(journal.records[0].event.fact, Fact::BaselinePinned { values: kept });
}

#[test]
fn a_journal_that_grows_is_read_piece_by_piece() {
    let bytes = lines((1..=3).map(note));
    let mut reader = Reader::default();
    let mut records = Vec::new();
    for end in 0..=bytes.len() {
        let from = reader.offset() as usize;
        records.extend(reader.read(&bytes[from..end]).unwrap());
    }
    assert_eq!(records, [note(1), note(2), note(3)]);
    assert_eq!((reader.offset(), reader.last_seq()), (bytes.len() as u64, 3));
}
