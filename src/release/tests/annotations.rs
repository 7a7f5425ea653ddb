//! What annotations of a document ask of a release, and what it does not let pass.

use super::*;
use crate::workflow::Item;

const STAGING: &str = "check-on-staging/smoke-tests-pass";

/// The document of these tests with lines of it replaced.
fn play(changes: &[(&str, &str)]) -> Play {
    let mut text = DOCUMENT.to_owned();
    for (line, with) in changes {
        assert!(text.contains(line), "{line}");
        text = text.replacen(line, with, 1);
    }
    let document =
        Arc::new(read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false }));
    Play::begun_with(document)
}

fn confirmed(check: &str) -> Fact {
    Fact::Confirmed { check: check.into(), evidence: Vec::new(), person: None, typed: None }
}

fn overridden(check: &str) -> Fact {
    Fact::Overridden { check: check.into(), reason: "seen by two people".into(), evidence: Vec::new() }
}

#[test]
fn a_gate_that_cannot_be_read_is_held_and_only_an_override_goes_past_it() {
    let gate = "- [ ] Smoke tests pass <!-- gonogo: metric=error-rate max=1 -->";
    let mut play = play(&[("- [ ] Smoke tests pass", gate)]).until(&Current::Check(STAGING.into()));
    assert!(play.refused(confirmed(STAGING)).contains("is held: `max` `1` is no share"));
    let skipped = Fact::Skipped { item: ItemId::Check(STAGING.into()), reason: "no time".into() };
    assert!(play.refused(skipped).contains("is held"));
    play.world(Fact::Sensed { check: STAGING.into(), pass: true, value: "fine".into() });
    assert!(!play.release.is_closed(&STAGING.into()), "nothing senses what is held");
    play.ana(overridden(STAGING));
    assert_eq!(play.state().checks[&STAGING.into()].answer, Answer::Overridden);
}

#[test]
fn a_broken_gate_of_a_command_keeps_the_command_shut() {
    let shut = "### 4. Production deployment\n\n<!-- gonogo: confirm=tpye:context -->\n";
    let play = play(&[("### 4. Production deployment\n", shut)]);
    let step = &play.release.workflow().steps[3];
    let Item::Group(index) = step.order[0] else { panic!("{:?}", step.order) };
    let hold = step.groups[index].checks[0].id.clone();
    let mut play = play.until(&Current::Check(hold.clone()));
    let run = play.run("production-deployment/command-1");
    assert!(play.refused(Fact::CommandStarted(run.clone())).contains("this waits for “Hold"));
    play.ana(overridden(hold.as_str()));
    play.ana(Fact::CommandStarted(run));
}

#[test]
fn a_command_answers_the_check_that_names_it() {
    let mut play = play(&[
        ("```bash\ngit log", "<!-- gonogo: id=log -->\n```bash\ngit log"),
        ("- [ ] Notes ready", "- [ ] Notes ready <!-- gonogo: cmd=log -->"),
    ])
    .until(&Current::Command("log".into()));
    let notes = || crate::workflow::CheckId::from("prepare/notes-ready");
    assert!(play.refused(confirmed("prepare/notes-ready")).contains("is sensed"));
    play.start("log");
    play.world(ended("log", 1, Exit::Code(3)));
    assert!(!play.release.is_closed(&notes()));
    play.start("log");
    play.world(ended("log", 2, Exit::Code(0)));
    assert_eq!(play.state().checks[&notes()].answer, Answer::Sensed { value: "exit 0".into() });
}

#[test]
fn a_doubt_that_a_person_settles_answers_the_check_too() {
    let mut play = play(&[
        ("```bash\ngit log", "<!-- gonogo: id=log -->\n```bash\ngit log"),
        ("- [ ] Notes ready", "- [ ] Notes ready <!-- gonogo: cmd=log -->"),
    ])
    .until(&Current::Command("log".into()));
    play.start("log");
    play.ana(Fact::Reopened);
    assert!(!play.release.is_closed(&"prepare/notes-ready".into()));
    let note = "it printed the log".to_owned();
    play.ana(Fact::DoubtSettled { command: "log".into(), attempt: 1, succeeded: true, note });
    assert!(play.release.is_closed(&"prepare/notes-ready".into()));
}

#[test]
fn a_word_is_typed_before_the_command_that_asks_for_it_runs() {
    let shut =
        "### 4. Production deployment\n\n<!-- gonogo: confirm=type:namespace env=NS=shop timeout=10m -->\n";
    let mut play = play(&[("### 4. Production deployment\n", shut)])
        .until(&Current::Command("production-deployment/command-1".into()));
    let mut run = play.run("production-deployment/command-1");
    assert!(
        play.refused(Fact::CommandStarted(run.clone())).contains("the namespace is typed before this runs")
    );
    run.terms.typed = Some("prod".into());
    assert!(play.refused(Fact::CommandStarted(run.clone())).contains("not the namespace of this release"));
    run.terms.typed = Some("shop".into());
    assert!(matches!(play.ana(Fact::CommandStarted(run)).last(), Some(Effect::Run(_))));
}

#[test]
fn what_waits_for_another_item_stays_shut_until_that_is_closed() {
    let mut play = play(&[
        ("```bash\ngit log", "<!-- gonogo: id=log -->\n```bash\ngit log"),
        ("- [ ] Notes ready", "- [ ] Notes ready <!-- gonogo: after=log -->"),
    ])
    .until(&Current::Command("log".into()));
    assert!(play.refused(confirmed("prepare/notes-ready")).contains("waits for the command log"));
    play.start("log");
    play.world(ended("log", 1, Exit::Code(0)));
    play.ana(confirmed("prepare/notes-ready"));
}

#[test]
fn only_the_named_role_ends_a_soak_early() {
    let soak = "Monitor for 30 to 60 minutes: <!-- gonogo: release=lead -->";
    let mut play =
        play(&[("Monitor for 30 to 60 minutes:", soak)]).until(&Current::Soak("keep-watching".into()));
    let shorten = |role: &str| Fact::SoakShortened {
        step: "keep-watching".into(),
        role: role.into(),
        reason: "the day is over".into(),
    };
    assert!(play.refused(shorten("ops")).contains("only lead may end this soak early"));
    play.ana(shorten("lead"));
    assert!(play.state().soaks[&"keep-watching".into()].over);
}

#[test]
fn a_killer_item_always_applies() {
    let line = "- [ ] Database is migrated, if applicable";
    let mut play = play(&[(line, "- [ ] Database is migrated, if applicable <!-- gonogo: killer -->")]);
    let check = "prerequisites/database-is-migrated-if-applicable";
    let item = ItemId::Check(check.into());
    assert!(play.refused(Fact::NotApplicable { item, reason: "none".into() }).contains("always applies"));
    play.ana(confirmed(check));
}
