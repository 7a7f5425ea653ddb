//! A called workflow is part of the release that calls it: its order, its gates, its journal.

use super::*;
use crate::journal::{Record, replay};
use crate::workflow::{CallAnswer, CalledFiles, CalledFrom, placed};

const LINE: &str = "- [ ] Smoke tests pass";

const SMOKE: &str = "# Smoke\n\n## Prerequisites\n\n- [ ] Somebody looks\n\n## Steps\n\n### Ask\n\n```bash\ncurl -f http://app/health\n```\n\n- [ ] It answers <!-- gonogo: cmd=ask/command-1 -->\n";

const CALLED: &str = "check-on-staging/smoke";

fn files() -> Arc<CalledFiles> {
    let answer = CallAnswer {
        by: None,
        name: "smoke".into(),
        file: "smoke.md".into(),
        from: CalledFrom::Beside,
        others: Vec::new(),
    };
    let texts = BTreeMap::from([("smoke.md".to_owned(), SMOKE.to_owned())]);
    Arc::new(CalledFiles { answers: vec![answer], texts })
}

fn plain() -> Workflow {
    let text = DOCUMENT.replacen(LINE, &format!("→ workflow: smoke\n\n{LINE}"), 1);
    read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false })
}

fn play() -> Play {
    Play::begun_with(Arc::new(placed(plain(), &files())))
}

#[test]
fn the_called_steps_come_in_their_place_and_nothing_goes_past_them() {
    let gate = format!("{CALLED}/prerequisites/somebody-looks");
    let mut play = play().until(&Current::Check(gate.as_str().into()));
    let command = format!("{CALLED}/ask/command-1");
    let run = play.run(&command);
    assert!(play.refused(Fact::CommandStarted(run)).contains("comes later"), "its prerequisites come first");
    play.go_on();
    assert_eq!(play.release.current(), Current::Command(command.as_str().into()));
    let run = play.run(&command);
    play.ana(Fact::CommandStarted(run));
    play.world(ended(&command, 1, Exit::Code(7)));
    let check = format!("{CALLED}/ask/it-answers");
    assert!(!play.release.is_closed(&check.as_str().into()), "its own gate keeps it shut");
    let run = play.run(&command);
    play.ana(Fact::CommandStarted(run));
    play.world(ended(&command, 2, Exit::Code(0)));
    assert!(play.release.is_closed(&check.as_str().into()));
    assert_eq!(play.release.current(), Current::Check("check-on-staging/smoke-tests-pass".into()));
    let end = Current::Poll("check-on-staging/continued".into());
    assert_eq!(play.until(&end).release.current(), end, "the step asks at its end, behind what it calls");
}

#[test]
fn a_journal_alone_gives_the_same_plan_and_an_older_one_none_of_it() {
    let mut events = Vec::new();
    let document = placed(plain(), &files());
    let (play, _) = Play::opened_of(Arc::new(document.clone()), vec![target("app")]);
    let fact = Fact::Opened {
        id: play.state().id.clone(),
        file: "release.md".into(),
        sha256: document.sha256.clone(),
        title: document.title.clone(),
        targets: vec![target("app")],
        context: Some("prod-eu".into()),
        directory: "/srv/shop".into(),
        signals: crate::release::SignalSources::default(),
        practice: None,
        called: Some((*files()).clone()),
        settled: Default::default(),
    };
    events.push(Event { at: second(0), by: Some(person("ana")), fact });
    let line = crate::journal::encode(&Record::new(1, events.remove(0)));
    let kept: Record = serde_json::from_str(&line).unwrap();
    let replayed = replay(Arc::new(plain()), std::slice::from_ref(&kept)).unwrap();
    assert!(replayed == play.release, "the texts in the journal are all that is needed");

    let mut value: serde_json::Value = serde_json::from_str(&line).unwrap();
    value.as_object_mut().unwrap().remove("called");
    let older: Record = serde_json::from_value(value).unwrap();
    let replayed = replay(Arc::new(plain()), &[older]).unwrap();
    assert!(replayed.document().steps.iter().all(|step| step.called.is_none()));
}
