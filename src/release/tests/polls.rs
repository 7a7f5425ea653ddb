//! Go/no-go: role by role, with a person behind each answer.

use super::*;

fn left_out(role: &str, reason: &str) -> Fact {
    Fact::RoleNotApplicable { step: POLL.into(), role: role.into(), reason: reason.to_owned() }
}

fn unstaffed() -> Play {
    let mut play = Play::opened();
    let params = BTreeMap::from([("VERSION".to_owned(), "v1.3.0".to_owned())]);
    let roster = BTreeMap::from([("lead".into(), "ana".to_owned()), ("ops".into(), "  ".to_owned())]);
    play.ana(Fact::Begun { params, roster });
    play.until(&Current::Poll(POLL.into()))
}

#[test]
fn a_poll_is_go_when_every_role_has_said_so() {
    let mut play = Play::at_poll();
    play.ana(vote("lead", Vote::Go));
    assert_eq!(play.release.current(), Current::Poll(POLL.into()));
    let run = play.run("production-deployment/command-1");
    assert!(play.refused(Fact::CommandStarted(run)).contains("comes later"));
    play.ana(vote("ops", Vote::Go));
    assert_eq!(play.release.current(), Current::Command("production-deployment/command-1".into()));
}

#[test]
fn no_go_and_abstention_both_block_until_the_role_says_go() {
    for blocking in [Vote::NoGo, Vote::Abstain] {
        let mut play = Play::at_poll();
        play.ana(vote("lead", Vote::Go));
        play.ana(vote("ops", blocking));
        assert_eq!(play.release.current(), Current::Poll(POLL.into()), "{blocking:?}");
        let run = play.run("production-deployment/command-1");
        assert!(play.tell(Some("ana"), Fact::CommandStarted(run)).is_err(), "{blocking:?}");
        play.ana(vote("ops", Vote::Go));
        assert_ne!(play.release.current(), Current::Poll(POLL.into()));
    }
}

#[test]
fn a_no_go_needs_a_reason_and_keeps_it() {
    let mut play = Play::at_poll();
    let silent = Fact::Voted {
        step: POLL.into(),
        role: "ops".into(),
        vote: Vote::NoGo,
        reason: Some(" ".to_owned()),
        evidence: Vec::new(),
    };
    assert!(play.refused(silent).contains("NO-GO needs a reason"));
    play.ana(vote("ops", Vote::NoGo));
    let ballot = &play.state().polls[&POLL.into()][&"ops".into()];
    assert_eq!(ballot.reason.as_deref(), Some("smoke tests are flaky"));
}

#[test]
fn a_poll_opens_when_the_rest_of_its_step_is_closed() {
    let mut play = Play::at_check("check-on-staging/smoke-tests-pass");
    let words = play.refused(vote("lead", Vote::Go));
    assert!(words.contains("not open yet") && words.contains("Smoke tests pass"), "{words}");
}

#[test]
fn a_role_that_nobody_answers_for_blocks_until_it_is_staffed() {
    let mut play = unstaffed();
    play.ana(vote("lead", Vote::Go));
    assert!(play.refused(vote("ops", Vote::Go)).contains("nobody answers for ops"));
    assert_eq!(play.release.current(), Current::Poll(POLL.into()));
    play.ana(Fact::RoleStaffed { role: "ops".into(), person: "cleo".to_owned() });
    play.ana(vote("ops", Vote::Go));
    assert_ne!(play.release.current(), Current::Poll(POLL.into()));
}

#[test]
fn a_role_without_a_person_is_not_staffed_by_an_empty_name() {
    let mut play = unstaffed();
    assert!(
        play.refused(Fact::RoleStaffed { role: "ops".into(), person: " ".to_owned() }).contains("a name")
    );
    assert!(play.refused(vote("ops", Vote::Go)).contains("nobody answers for ops"));
}

#[test]
fn a_role_is_left_out_with_a_reason_only_and_never_the_last_one() {
    let mut play = unstaffed();
    assert!(play.refused(left_out("ops", "")).contains("needs a reason"));
    play.ana(left_out("ops", "no pipeline in this release"));
    assert!(play.refused(left_out("lead", "asleep")).contains("a poll that nobody answers is no poll"));
    assert_eq!(play.release.current(), Current::Poll(POLL.into()));
    play.ana(vote("lead", Vote::Go));
    assert_ne!(play.release.current(), Current::Poll(POLL.into()));
    let ballot = &play.state().polls[&POLL.into()][&"ops".into()];
    assert!(ballot.not_applicable && ballot.vote.is_none(), "left out is not GO: {ballot:?}");
}

#[test]
fn one_person_may_answer_for_two_roles_and_who_pressed_the_key_is_recorded() {
    let mut play = Play::at_poll();
    play.ana(Fact::RoleStaffed { role: "ops".into(), person: "ana".to_owned() });
    play.ana(vote("lead", Vote::Go));
    play.ana(vote("ops", Vote::Go));
    let ballots = &play.state().polls[&POLL.into()];
    assert_eq!(ballots[&"lead".into()].person, "ana");
    assert_eq!(ballots[&"ops".into()].person, "ana");

    let mut play = Play::at_poll();
    play.ana(vote("ops", Vote::Go));
    assert_eq!(play.state().polls[&POLL.into()][&"ops".into()].person, "bo (key pressed by ana)");
}

#[test]
fn a_role_that_is_not_asked_has_no_vote() {
    let mut play = Play::at_poll();
    assert!(play.refused(vote("intern", Vote::Go)).contains("intern is not asked"));
    let elsewhere = Fact::Voted {
        step: "prepare".into(),
        role: "lead".into(),
        vote: Vote::Go,
        reason: None,
        evidence: Vec::new(),
    };
    assert!(play.refused(elsewhere).contains("not asked"));
}

#[test]
fn a_go_that_is_taken_back_closes_the_way_again() {
    let mut play = Play::at_command("production-deployment/command-1");
    play.ana(vote("ops", Vote::NoGo));
    let run = play.run("production-deployment/command-1");
    assert!(play.refused(Fact::CommandStarted(run)).contains("comes later"));
}
