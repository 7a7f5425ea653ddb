//! The two tables, written down a second time and then asked by real events: a row that is added or
//! lost by mistake differs here.

use super::*;
use crate::release::table::{CommandInput, Deed, next, takes};

const PHASES: [Phase; 8] = [
    Phase::Preparing,
    Phase::Running,
    Phase::Held,
    Phase::RollingBack,
    Phase::RolledBack,
    Phase::RollbackFailed,
    Phase::Completed,
    Phase::Aborted,
];

/// One letter per phase of [`PHASES`]: `y` takes the deed, `.` refuses it.
const DEEDS: [(Deed, &str); 32] = [
    (Deed::Open, "........"),
    (Deed::Begin, "y......."),
    (Deed::Observe, "yyyyyyyy"),
    (Deed::Reload, ".yy....."),
    (Deed::Settle, "yyy....."),
    (Deed::Hold, ".y......"),
    (Deed::Release, "..y....."),
    (Deed::Abort, "yyy..y.."),
    (Deed::Complete, ".y......"),
    (Deed::Note, "yyyyyyyy"),
    (Deed::Staff, "yyy....."),
    (Deed::Answer, ".y......"),
    (Deed::Vote, ".y......"),
    (Deed::ShortenSoak, ".y......"),
    (Deed::RunForward, ".y......"),
    (Deed::RunRollbackCommand, ".yyyyyyy"),
    (Deed::StopCommand, "yyyyyyyy"),
    (Deed::SettleDoubt, "yyyyyyyy"),
    (Deed::DeclareCriterion, ".yy...y."),
    (Deed::FireRollback, ".yy..yyy"),
    (Deed::FireByPolicy, ".y......"),
    (Deed::AcceptPolicy, "y......."),
    (Deed::WithdrawPolicy, "yyy....."),
    (Deed::StopCountdown, ".y......"),
    (Deed::ExplainRollback, "...yyy.."),
    (Deed::CancelRollback, "...y...."),
    (Deed::DeleteBlocker, "...y.y.."),
    (Deed::SendTraffic, "...y.y.."),
    (Deed::TakeLock, "yyyy.y.."),
    (Deed::GiveLock, "..y.yyyy"),
    (Deed::PushRollout, ".y......"),
    (Deed::StopRollout, ".yyyyyyy"),
];

pub(super) fn in_phase(phase: Phase) -> Play {
    let play = match phase {
        Phase::Preparing => Play::opened(),
        Phase::Running => Play::deployed(),
        Phase::Held => {
            let mut play = Play::deployed();
            play.ana(Fact::Held { reason: "the DBA looks".to_owned() });
            play
        }
        Phase::RollingBack => {
            let mut play = Play::deployed();
            play.ana(fired());
            play
        }
        Phase::RolledBack => {
            let mut play = in_phase(Phase::RollingBack);
            play.world(step_ended(0, 1, ACCEPTED));
            play.world(step_ended(1, 1, ACCEPTED));
            play.world(seen("app", RolloutState::Complete, old("app"), 9));
            play.world(seen("api", RolloutState::Complete, old("api"), 9));
            play
        }
        Phase::RollbackFailed => {
            let mut play = in_phase(Phase::RollingBack);
            play.world(step_ended(0, 1, failed(FailureKind::Rejected)));
            play
        }
        Phase::Completed => Play::completed(),
        Phase::Aborted => {
            let mut play = Play::deployed();
            play.ana(Fact::Aborted { reason: "the window is over".to_owned() });
            play
        }
    };
    assert_eq!(play.phase(), phase);
    play
}

/// An event of this deed that nothing but the phase could refuse in most places.
fn sample(play: &Play, deed: Deed) -> Fact {
    let reason = "because".to_owned();
    match deed {
        Deed::Open => Fact::Opened {
            id: ReleaseId("another".to_owned()),
            file: String::new(),
            sha256: play.state().sha256.clone(),
            title: String::new(),
            targets: Vec::new(),
            context: None,
            directory: String::new(),
            signals: crate::release::SignalSources::default(),
            practice: None,
            called: None,
            settled: Default::default(),
        },
        Deed::Begin => Play::begin(),
        Deed::Observe => Fact::HealthChanged { healthy: true, summary: "db ok".to_owned() },
        Deed::Reload => {
            let text = play.release.document().text.replace("- [ ] Notes ready", "- [ ] Notes are ready");
            Fact::Reloaded { edition: Box::new(Edition { text, called: Default::default() }) }
        }
        Deed::Settle => Fact::Settled { block: BlockPrint("none".to_owned()), meaning: Some(Meaning::Text) },
        Deed::Hold => Fact::Held { reason },
        Deed::Release => Fact::Released,
        Deed::Abort => Fact::Aborted { reason },
        Deed::Complete => Fact::Completed,
        Deed::Note => Fact::Noted { text: reason },
        Deed::Staff => Fact::RoleStaffed { role: "ops".into(), person: "cleo".to_owned() },
        Deed::Answer => confirmed("production-deployment/deployment-started"),
        Deed::Vote => vote("ops", Vote::Go),
        Deed::ShortenSoak => Fact::SoakShortened { step: "keep-watching".into(), role: "ops".into(), reason },
        Deed::RunForward => Fact::CommandStarted(play.run("prepare/command-1")),
        Deed::RunRollbackCommand => Fact::CommandStarted(play.run("rollback/command-1")),
        Deed::StopCommand => Fact::CommandStopped { command: "prepare/command-1".into(), attempt: 1 },
        Deed::SettleDoubt => Fact::DoubtSettled {
            command: "prepare/command-1".into(),
            attempt: 1,
            succeeded: true,
            note: reason,
        },
        Deed::DeclareCriterion => Fact::CriterionDeclared { criterion: BROKEN.into(), met: true, reason },
        Deed::FireRollback => fired(),
        Deed::FireByPolicy => {
            let Fact::RollbackFired { reason, shown, evidence, .. } = fired() else { panic!("it is fired") };
            let policy = Some(ByPolicy { criterion: ERRORS.into(), accepted_by: "ana".to_owned() });
            Fact::RollbackFired { reason, shown, evidence, policy }
        }
        Deed::AcceptPolicy => Fact::PolicyAccepted { criterion: ERRORS.into() },
        Deed::WithdrawPolicy => Fact::PolicyWithdrawn { criterion: ERRORS.into() },
        Deed::StopCountdown => Fact::CountdownStopped,
        Deed::ExplainRollback => Fact::RollbackReason { reason },
        Deed::CancelRollback => Fact::RollbackCancelled,
        Deed::SendTraffic => Fact::TrafficFirst { target: target("app") },
        Deed::DeleteBlocker => {
            let blocker =
                Blocker { pod: "app-1".to_owned(), uid: "p1".to_owned(), revision: "app-2".to_owned() };
            Fact::BlockerDeleted { target: target("app"), blocker }
        }
        Deed::TakeLock => Fact::LockTakenOver { from: None, reason },
        Deed::GiveLock => Fact::LockGiven { reason },
        Deed::PushRollout => ordered("app", Order::Promote, 1),
        Deed::StopRollout => ordered("app", Order::Abort, 1),
    }
}

#[test]
fn every_deed_is_taken_in_the_phases_of_its_row_and_refused_in_all_others() {
    for phase in PHASES {
        let play = in_phase(phase);
        for (deed, row) in DEEDS {
            let column = PHASES.iter().position(|known| *known == phase).expect("it is one of them");
            let expected = row.as_bytes()[column] == b'y';
            assert_eq!(takes(phase, deed), expected, "{deed:?} while {phase:?}");
            let mut play = play.clone();
            let fact = sample(&play, deed);
            let is_rollback = deed == Deed::RunRollbackCommand;
            assert_eq!(Deed::of(&fact, is_rollback), deed);
            let answer = play.tell(Some("ana"), fact);
            let by_phase = answer.is_err_and(|refusal| refusal.why.starts_with("not while"));
            assert_eq!(by_phase, !expected, "{deed:?} while {phase:?}");
        }
    }
}

#[test]
fn every_deed_has_exactly_one_row() {
    for (deed, _) in DEEDS {
        let rows = crate::release::table::PHASES.iter().filter(|(known, _)| *known == deed);
        assert_eq!(rows.count(), 1, "{deed:?}");
    }
    assert_eq!(DEEDS.len(), crate::release::table::PHASES.len());
}

/// What the world tells is kept in every phase: an answer may come after the release has moved on.
#[test]
fn no_phase_refuses_what_the_world_tells() {
    let told = || {
        [
            Fact::Reopened,
            Fact::Left { why: "the terminal is gone".to_owned() },
            Fact::Sensed {
                check: "outputs/application-deployed-to-production".into(),
                pass: true,
                value: String::new(),
            },
            Fact::CommandSpawned {
                command: "prepare/command-1".into(),
                attempt: 9,
                pid: 1,
                start_time: None,
            },
            ended("prepare/command-1", 9, Exit::Code(0)),
            Fact::Pinned { pins: pins(), routes: vec![] },
            Fact::Armed { findings: Vec::new() },
            Fact::BaselinePinned { values: BTreeMap::new() },
            seen("app", RolloutState::Progressing, new("app"), 8),
            read_as(ERRORS, Verdict::NoData),
            Fact::HealthChanged { healthy: false, summary: "db down".to_owned() },
            Fact::Woke { timer: Timer::SoakEarliest("keep-watching".into()) },
            Fact::Woke { timer: Timer::RollbackRetry { step: 0, attempt: 7 } },
            step_ended(0, 7, ACCEPTED),
            Fact::RolloutOrderEnded { attempt: 7, result: ACCEPTED },
            Fact::LockChanged { standing: LockStanding::Free },
            Fact::ArmingChanged { state: ArmingState::NotProven },
            Fact::Woke { timer: Timer::Countdown { n: 7 } },
            Fact::CountdownStarted { criterion: ERRORS.into(), seconds: 30 },
            Fact::PolicyHeldBack { criterion: ERRORS.into(), why: "the cluster is silent".to_owned() },
        ]
    };
    for phase in PHASES {
        for fact in told() {
            let words = format!("{fact:?} while {phase:?}");
            assert!(in_phase(phase).tell(None, fact).is_ok(), "{words}");
        }
    }
}

use CommandInput as I;
use CommandState as S;

const STATES: [S; 9] = [
    S::Ready,
    S::Running,
    S::Succeeded,
    S::Failed,
    S::Cancelled,
    S::InDoubt,
    S::Skipped,
    S::NotApplicable,
    S::NothingToRun,
];

const INPUTS: [I; 10] = [
    I::Start,
    I::Succeed,
    I::Fail,
    I::Cancel,
    I::Lose,
    I::SettleGood,
    I::SettleBad,
    I::Skip,
    I::NotApply,
    I::ChooseNothing,
];

/// Where each input leads; everything that is not named here leads nowhere.
fn leads_to(state: S, input: I) -> Option<S> {
    match (state, input) {
        // Whatever became of it, a person may run it again; two at a time never.
        (S::Running | S::InDoubt, I::Start) => None,
        (_, I::Start) => Some(S::Running),
        (S::Running, I::Succeed) => Some(S::Succeeded),
        (S::Running, I::Fail) => Some(S::Failed),
        (S::Running, I::Cancel) => Some(S::Cancelled),
        (S::Running, I::Lose) => Some(S::InDoubt),
        (S::InDoubt, I::SettleGood) => Some(S::Succeeded),
        (S::InDoubt, I::SettleBad) => Some(S::Failed),
        (S::Ready | S::Failed | S::Cancelled, I::Skip) => Some(S::Skipped),
        (S::Ready | S::Failed | S::Cancelled, I::NotApply) => Some(S::NotApplicable),
        (S::Ready | S::Failed | S::Cancelled, I::ChooseNothing) => Some(S::NothingToRun),
        _ => None,
    }
}

const BUILD: &str = "build/command-1";

fn command_in(state: S) -> Play {
    let mut play = Play::at_command(BUILD);
    for input in match state {
        S::Ready => [].as_slice(),
        S::Running => &[I::Start],
        S::Succeeded => &[I::Start, I::Succeed],
        S::Failed => &[I::Start, I::Fail],
        S::Cancelled => &[I::Start, I::Cancel],
        S::InDoubt => &[I::Start, I::Lose],
        S::Skipped => &[I::Skip],
        S::NotApplicable => &[I::NotApply],
        S::NothingToRun => &[I::ChooseNothing],
    } {
        play = put(play, *input).0;
    }
    assert_eq!(play.state().command(&BUILD.into()), state);
    play
}

/// Tells the release what this input means, and whether it was refused.
fn put(mut play: Play, input: I) -> (Play, bool) {
    let attempt = play.attempts(BUILD).max(1);
    let item = ItemId::Command(BUILD.into());
    let settled = |succeeded| Fact::DoubtSettled {
        command: BUILD.into(),
        attempt,
        succeeded,
        note: "the run is green".to_owned(),
    };
    let reason = "not today".to_owned();
    let (by, fact) = match input {
        I::Start => (Some("ana"), Fact::CommandStarted(play.run(BUILD))),
        I::Succeed => (None, ended(BUILD, attempt, Exit::Code(0))),
        I::Fail => (None, ended(BUILD, attempt, Exit::Code(1))),
        I::Cancel => {
            let stopped =
                play.tell(Some("ana"), Fact::CommandStopped { command: BUILD.into(), attempt }).is_ok();
            assert_eq!(stopped, play.state().command(&BUILD.into()) == S::Running);
            (None, ended(BUILD, attempt, Exit::Signal(15)))
        }
        I::Lose => (None, Fact::Reopened),
        I::SettleGood => (Some("ana"), settled(true)),
        I::SettleBad => (Some("ana"), settled(false)),
        I::Skip => (Some("ana"), Fact::Skipped { item, reason }),
        I::NotApply => (Some("ana"), Fact::NotApplicable { item, reason }),
        I::ChooseNothing => (Some("ana"), Fact::NothingToRun { command: BUILD.into(), choice: 0 }),
    };
    let refused = play.tell(by, fact).is_err();
    (play, refused)
}

#[test]
fn every_command_transition_is_the_one_of_the_table_and_no_other_happens() {
    for state in STATES {
        for input in INPUTS {
            let expected = leads_to(state, input);
            assert_eq!(next(state, input), expected, "{state:?} {input:?}");
            let (play, refused) = put(command_in(state), input);
            let after = play.state().command(&BUILD.into());
            assert_eq!(after, expected.unwrap_or(state), "{state:?} {input:?}");
            // What a person asks for and cannot have is refused; what the world tells late is not.
            let by_person = !matches!(input, I::Succeed | I::Fail | I::Cancel | I::Lose);
            assert_eq!(refused, by_person && expected.is_none(), "{state:?} {input:?}");
        }
    }
}
