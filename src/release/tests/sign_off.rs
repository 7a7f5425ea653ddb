//! Checks that several people confirm, by role, and none of them the runner.

use super::*;

const STAGING: &str = "check-on-staging/smoke-tests-pass";

/// The document of these tests with this annotation behind its staging check, at that check.
fn at_staging(tokens: &str) -> Play {
    let line = "- [ ] Smoke tests pass";
    assert!(DOCUMENT.contains(line));
    let text = DOCUMENT.replacen(line, &format!("{line} <!-- gonogo: {tokens} -->"), 1);
    let document =
        Arc::new(read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false }));
    Play::begun_with(document).until(&Current::Check(STAGING.into()))
}

fn by(person: &str) -> Fact {
    Fact::Confirmed {
        check: STAGING.into(),
        evidence: Vec::new(),
        person: Some(person.to_owned()),
        typed: None,
    }
}

fn staffed(role: &str, person: &str) -> Fact {
    Fact::RoleStaffed { role: role.into(), person: person.to_owned() }
}

fn given(play: &Play) -> Vec<String> {
    let mark = play.state().checks.get(&STAGING.into());
    let open = play.release.approvals(&STAGING.into());
    mark.map_or(open, |mark| &mark.approvals).iter().map(ToString::to_string).collect()
}

fn is_closed(play: &Play) -> bool {
    play.release.is_closed(&STAGING.into())
}

#[test]
fn without_roles_every_confirmation_is_of_another_person() {
    let mut play = at_staging("approvals=2");
    play.ana(confirmed(STAGING));
    assert!(!is_closed(&play));
    for again in [confirmed(STAGING), by("ana"), by(" ANA ")] {
        let words = play.refused(again);
        assert!(words.to_lowercase().contains("ana has confirmed it"), "{words}");
    }
    play.ana(by("bo"));
    assert!(is_closed(&play));
    assert_eq!(given(&play), ["ana", "bo, key pressed by ana"]);
    assert!(play.refused(by("cy")).contains("already answered"));
}

#[test]
fn with_roles_those_who_answer_for_them_confirm_once_for_each() {
    let mut play = at_staging("role=qa,po approvals=2");
    assert!(play.refused(by("bo")).contains("nobody else answers for qa or po"));
    play.ana(staffed("qa", "bo, dan"));
    play.ana(staffed("po", "bo"));
    assert!(play.refused(by("cy")).contains("cy does not answer for qa or po"));
    play.ana(by("bo"));
    play.ana(by("bo"));
    assert_eq!(given(&play), ["bo (qa), key pressed by ana", "bo (po), key pressed by ana"]);
    assert!(is_closed(&play));
}

#[test]
fn distinct_people_are_different_ones_whatever_their_roles() {
    let mut play = at_staging("role=qa,po approvals=2 distinct");
    play.ana(staffed("qa", "bo, dan"));
    play.ana(staffed("po", "bo"));
    play.ana(by("bo"));
    let words = play.refused(by("bo"));
    assert!(words.contains("takes somebody else; ask dan for qa") && !words.contains("po"), "{words}");
    play.ana(by("dan"));
    assert!(is_closed(&play));
}

#[test]
fn whoever_ran_a_command_does_not_confirm_their_own_work() {
    let mut play = at_staging("not=runner");
    assert!(play.refused(confirmed(STAGING)).contains("ana has run a command of this release"));
    assert!(play.refused(by("Ana")).contains("has run a command"));
    play.tell(Some("bo"), confirmed(STAGING)).expect("bo has run nothing");
    assert!(is_closed(&play));
}

#[test]
fn a_no_go_and_an_opening_take_the_confirmations_back() {
    let mut play = at_staging("approvals=2");
    play.ana(confirmed(STAGING));
    play.ana(Fact::CheckReopened { check: STAGING.into() });
    assert_eq!(given(&play), [""; 0]);
    play.ana(confirmed(STAGING));
    play.ana(Fact::NoGo { check: STAGING.into(), reason: "it is slow".into(), evidence: Vec::new() });
    assert_eq!(given(&play), [""; 0]);
    play.ana(confirmed(STAGING));
    assert!(!is_closed(&play), "both have to, after the NO-GO");
    play.ana(by("bo"));
    assert!(is_closed(&play));
}

#[test]
fn it_is_not_skipped_and_an_override_is_one() {
    let mut play = at_staging("approvals=2");
    let reason = "nobody is awake".to_owned();
    let skipped = Fact::Skipped { item: ItemId::Check(STAGING.into()), reason: reason.clone() };
    assert!(play.refused(skipped).contains("is not skipped"));
    play.ana(Fact::Overridden { check: STAGING.into(), reason, evidence: Vec::new() });
    assert_eq!(play.state().checks[&STAGING.into()].answer, Answer::Overridden);
}

#[test]
fn what_was_seen_is_typed_where_the_document_asks_for_it() {
    let mut play = at_staging("evidence=url");
    let typed = |typed: &str| Fact::Confirmed {
        check: STAGING.into(),
        evidence: Vec::new(),
        person: None,
        typed: Some(typed.to_owned()),
    };
    assert!(play.refused(confirmed(STAGING)).contains("a link to what was seen: it is empty"));
    for bad in ["looked fine", "http://", "ftp://x", "https://a b"] {
        assert!(play.refused(typed(bad)).contains("a link"), "{bad}");
    }
    play.ana(typed("https://ci.example.com/42"));
    assert_eq!(play.state().checks[&STAGING.into()].reason.as_deref(), Some("https://ci.example.com/42"));
}

#[test]
fn an_ordinary_check_is_confirmed_by_whoever_sits_there() {
    let mut play = at_staging("killer");
    assert!(play.refused(by("bo")).contains("whoever sits at the keyboard"));
    play.ana(Fact::CheckReopened { check: "prerequisites/tests-pass".into() });
}

#[test]
fn the_keyboard_changes_hands_only_with_another_name() {
    let mut play = at_staging("not=runner");
    let taken = |from: &str| Fact::KeyboardTaken { from: from.to_owned() };
    assert!(play.refused(taken("Ana ")).contains("only with a new name"));
    play.tell(Some("bo"), taken("ana")).expect("bo sits down");
    play.tell(Some("bo"), confirmed(STAGING)).expect("bo has run nothing");
    assert!(is_closed(&play));
    assert!(play.state().operators.contains_key("bo"));
}

#[test]
fn two_people_end_a_step_that_asks_for_two() {
    let heading = "### 4. Production deployment";
    let text = DOCUMENT.replacen(heading, &format!("{heading} <!-- gonogo: hold=two-person -->"), 1);
    let document =
        Arc::new(read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false }));
    let hold = document.checks().find(|check| check.id.as_str().starts_with("two-person/")).expect("a check");
    let id = hold.id.clone();
    let mut play = Play::begun_with(Arc::clone(&document)).until(&Current::Check(id.clone()));
    let fact = |person: Option<&str>| Fact::Confirmed {
        check: id.clone(),
        evidence: Vec::new(),
        person: person.map(str::to_owned),
        typed: None,
    };
    play.ana(fact(None));
    assert!(!play.release.is_closed(&id));
    play.ana(fact(Some("bo")));
    assert!(play.release.is_closed(&id));
}
