//! The document is edited while its release runs.

use super::*;
use crate::journal::{Record, encode, replay};

/// The document of these tests with lines of it replaced, as an edition of it.
fn edited(changes: &[(&str, &str)]) -> Edition {
    let mut text = DOCUMENT.to_owned();
    for (line, with) in changes {
        assert!(text.contains(line), "{line}");
        text = text.replacen(line, with, 1);
    }
    Edition { text, called: Default::default() }
}

/// A few states of the document, the one it starts with among them.
pub(super) fn editions() -> Vec<Edition> {
    let block = "```bash\nkubectl set image deployment/app app=myapp:v1.2.0\n```";
    let two = format!("```bash\n./warm-up\n```\n\n{block}");
    vec![
        edited(&[]),
        edited(&[(block, &two)]),
        edited(&[("app=myapp:v1.2.0", "app=shop:v1.2.0")]),
        edited(&[("- [ ] Tests pass", "- [ ] All tests pass"), ("30 to 60 minutes", "10 minutes")]),
    ]
}

fn reloaded(edition: &Edition) -> Fact {
    Fact::Reloaded { edition: Box::new(edition.clone()) }
}

#[test]
fn words_that_nothing_was_said_about_change_nothing_that_was_settled() {
    let mut play = Play::deployed();
    let before = play.state().clone();
    let edition = edited(&[
        ("# Release\n", "# Release\n\nA word about it.\n"),
        ("- [ ] A customer can order", "- [ ] A customer can pay"),
    ]);
    play.ana(reloaded(&edition));
    let after = play.state();
    assert_eq!(
        (&after.checks, &after.polls, &after.entered),
        (&before.checks, &before.polls, &before.entered)
    );
    assert_eq!(
        (&after.pins, &after.baseline, &after.roster),
        (&before.pins, &before.baseline, &before.roster)
    );
    assert_eq!(after.reloads[0].lost, [""; 0]);
    assert!(play.release.workflow().check(&"look-closely/a-customer-can-pay".into()).is_some());
    let value = &play.release.workflow().command(&"production-deployment/command-1".into()).unwrap().text;
    assert!(value.contains("v1.3.0"), "the release's values stand in the new text: {value}");
    play.until(&Current::Finish);
}

#[test]
fn a_check_with_other_words_is_asked_again_and_named() {
    let mut play = Play::deployed();
    play.ana(reloaded(&edited(&[("- [ ] Notes ready", "- [ ] Notes are ready")])));
    assert_eq!(play.release.current(), Current::Check("prepare/notes-are-ready".into()));
    let lost = &play.state().reloads[0].lost;
    assert!(lost.iter().any(|lost| lost.contains("“Notes ready”: not in the new text")), "{lost:?}");
    // The way back is as it was, and nothing that ran is run again.
    assert_eq!(play.state().pins.len(), 2);
    assert_eq!(play.state().command(&"prepare/command-1".into()), CommandState::Succeeded);
    play.until(&Current::Finish);
}

#[test]
fn a_command_with_another_text_is_ready_again_under_a_number_of_its_own() {
    let mut play = Play::deployed();
    play.ana(reloaded(&edited(&[("app=myapp:v1.2.0", "app=shop:v1.2.0")])));
    let id: CommandId = "production-deployment/command-1".into();
    assert_eq!(play.state().command(&id), CommandState::Ready);
    let reload = &play.state().reloads[0];
    assert!(reload.lost.iter().any(|lost| lost.contains("it is ready again")), "{:?}", reload.lost);
    assert_eq!(reload.ran.len(), 1, "what ran is told on");
    assert!(reload.production_since.is_some() && play.state().changed_anything());
    let mut run = play.run(id.as_str());
    run.attempt = 1;
    assert!(play.refused(Fact::CommandStarted(run.clone())).contains("attempt 2"));
    run.attempt = 2;
    play.ana(Fact::CommandStarted(run));
    // A pin that comes now would be of what the release itself has made.
    let pins = play.state().pins.clone();
    play.world(Fact::Pinned { pins: vec![], routes: vec![] });
    assert_eq!(play.state().pins, pins);
}

#[test]
fn a_block_put_before_one_that_ran_does_not_run_it_again() {
    let before = "```bash\nkubectl set image deployment/app app=myapp:v1.2.0\n```";
    let with = format!("```bash\n./warm-up\n```\n\n{before}");
    let mut play = Play::deployed();
    play.ana(reloaded(&edited(&[(before, &with)])));
    assert_eq!(play.release.current(), Current::Command("production-deployment/command-1".into()));
    assert_eq!(play.state().command(&"production-deployment/command-2".into()), CommandState::Succeeded);
    assert_eq!(play.state().reloads[0].lost, [""; 0]);
    let mut run = play.run("production-deployment/command-1");
    run.attempt = 2;
    play.ana(Fact::CommandStarted(run));
    play.world(ended("production-deployment/command-1", 1, Exit::Code(1)));
    assert_eq!(play.state().command(&"production-deployment/command-1".into()), CommandState::Running);
    play.world(ended("production-deployment/command-1", 2, Exit::Code(0)));
    play.until(&Current::Finish);
}

#[test]
fn what_runs_or_is_in_doubt_blocks_it_with_a_clear_word() {
    let mut play = Play::at_command("prepare/command-1");
    let run = play.run("prepare/command-1");
    play.ana(Fact::CommandStarted(run));
    let edition = edited(&[("- [ ] Notes ready", "- [ ] Notes are ready")]);
    assert!(play.refused(reloaded(&edition)).contains("“git log --oneline” is running"));
    play.ana(Fact::Reopened);
    assert!(play.refused(reloaded(&edition)).contains("is in doubt"));
    play.ana(Fact::DoubtSettled {
        command: "prepare/command-1".into(),
        attempt: 1,
        succeeded: true,
        note: "seen".into(),
    });
    play.ana(reloaded(&edition));
}

#[test]
fn the_way_back_and_the_targets_are_not_changed_under_way() {
    let mut play = Play::deployed();
    for (line, with, word) in [
        ("deployment/app]", "deployment/app, deployment/web]", "other targets"),
        ("- Error rate > 1%", "- Error rate > 5%", "rollback section"),
        ("kubectl rollout undo deployment/app", "true", "rollback section"),
        ("countdown: 30s", "countdown: 40s", "rollback section"),
        ("git log --oneline", "git log <ticket>", "has no value"),
    ] {
        let refused = play.refused(reloaded(&edited(&[(line, with)])));
        assert!(refused.contains(word), "{with}: {refused}");
    }
    assert!(play.refused(reloaded(&edited(&[]))).contains("what the release runs"));
}

#[test]
fn a_poll_is_asked_again_when_its_step_is_another_one() {
    let mut play = Play::deployed();
    play.ana(reloaded(&edited(&[(
        "- [ ] Smoke tests pass",
        "- [ ] Smoke tests pass\n- [ ] Load tests pass",
    )])));
    assert!(play.state().polls.is_empty());
    let lost = &play.state().reloads[0].lost;
    assert!(lost.iter().any(|lost| lost.contains("the poll of “Check on staging”")), "{lost:?}");
}

#[test]
fn a_replay_gives_the_same_release_from_the_journal_alone() {
    let opened = Fact::Opened {
        id: ReleaseId("20261122-134900-release".to_owned()),
        file: "release.md".into(),
        sha256: document().sha256.clone(),
        title: "Release".into(),
        targets: vec![target("app")],
        context: None,
        directory: "/srv/shop".into(),
        signals: crate::release::SignalSources::default(),
        practice: None,
        called: None,
        settled: Default::default(),
    };
    let event = Event { at: second(0), by: Some(person("ana")), fact: opened };
    let (mut release, _) = Release::open(document(), &event).unwrap();
    let mut lines = encode(&Record::new(1, event));
    let edition =
        edited(&[("- [ ] Tests pass", "- [ ] All tests pass"), ("git log --oneline", "git log -n 3")]);
    let check = confirmed;
    let facts = [
        Play::begin(),
        check("prerequisites/tests-pass"),
        check("prerequisites/database-is-migrated-if-applicable"),
        reloaded(&edition),
        check("prerequisites/all-tests-pass"),
    ];
    for (n, fact) in (2..).zip(facts) {
        let event = Event { at: second(n as i64), by: Some(person("ana")), fact };
        release.handle(&event).unwrap();
        lines.push_str(&encode(&Record::new(n, event)));
    }
    let read = crate::journal::read(lines.as_bytes()).unwrap();
    let replayed = replay(document(), &read.records).unwrap();
    assert!(replayed == release);
    assert_eq!(replayed.current(), Current::Command("prepare/command-1".into()));
    assert!(replayed.workflow().command(&"prepare/command-1".into()).unwrap().text.contains("-n 3"));
}
