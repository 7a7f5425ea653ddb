//! A person says what an unclear block is, before the release begins and on the way.

use super::*;
use crate::journal::{Record, encode, replay};
use crate::workflow::{BlockClass, CommandKind, Ruling, Settled};

const UNCLEAR: &str = "# Release

## Steps

### 1. Tag

```
git push origin <tag>
error: failed to push
```

### 2. Deploy

```
kubectl set image deployment/app app=myapp:1
```

- [ ] It serves
";

fn unclear() -> Arc<Workflow> {
    Arc::new(read(Source { file: "release.md", bytes: UNCLEAR.as_bytes(), siblings: &|_| false }))
}

fn block(play: &Play, command: &str) -> BlockPrint {
    let command = play.release.document().command(&command.into()).expect("it stands in the document");
    command.settling.as_ref().expect("a person settles it").block.clone()
}

fn said(play: &Play, command: &str, meaning: Option<Meaning>) -> Fact {
    Fact::Settled { block: block(play, command), meaning }
}

fn opened() -> Play {
    Play::opened_of(unclear(), vec![target("app")]).0
}

fn begun(mut play: Play) -> Play {
    play.world(Fact::Pinned { pins: vec![pin("app")], routes: Vec::new() });
    play.ana(Fact::Begun {
        params: BTreeMap::from([("TAG".to_owned(), "v1.3.0".to_owned())]),
        roster: BTreeMap::new(),
    });
    play
}

#[test]
fn a_question_is_never_run_and_asks_a_person() {
    let play = begun(opened());
    assert_eq!(play.release.document().targets[0].name, "app", "what it may deploy is watched");
    let Current::Check(check) = play.release.current() else { panic!("{:?}", play.release.current()) };
    let words = &play.release.workflow().check(&check).unwrap().text;
    assert_eq!(words, "? git push origin v1.3.0", "its values are asked for, whoever runs it");
    assert!(
        play.clone().refused(Fact::CommandStarted(play.run("tag/command-1"))).contains("nobody has said")
    );
}

#[test]
fn said_to_be_commands_it_runs_without_what_was_printed_and_no_check_asks() {
    let mut play = opened();
    let ruling = Ruling { meaning: Meaning::Commands, by: "ana".into(), on: "2026-11-22".into() };
    let remembered = Effect::Remember { block: block(&play, "tag/command-1"), ruling: Some(ruling) };
    let fact = said(&play, "tag/command-1", Some(Meaning::Commands));
    assert_eq!(play.ana(fact.clone()), [remembered]);
    assert!(play.refused(fact).contains("already"));
    let play = begun(play);
    assert_eq!(play.release.current(), Current::Command("tag/command-1".into()));
    let command = play.release.workflow().command(&"tag/command-1".into()).unwrap();
    assert_eq!((command.kind, command.text.as_str()), (CommandKind::Run, "git push origin v1.3.0\n"));
}

#[test]
fn said_to_be_text_it_asks_for_nothing_any_more() {
    let mut play = opened();
    assert_eq!(play.release.document().params[0].name, "TAG");
    play.ana(said(&play, "tag/command-1", Some(Meaning::Text)));
    assert_eq!(play.release.document().params, []);
    let command = play.release.document().command(&"tag/command-1".into()).unwrap();
    assert_eq!((command.kind, command.class), (CommandKind::Reference, BlockClass::SaidText));
    let forgotten = Effect::Remember { block: block(&play, "tag/command-1"), ruling: None };
    assert_eq!(play.ana(said(&play, "tag/command-1", None)), [forgotten]);
    assert_eq!(*play.release.document(), unclear());
}

#[test]
fn on_the_way_it_is_settled_until_somebody_has_answered_for_it() {
    let mut play = begun(opened());
    let Current::Check(check) = play.release.current() else { panic!("{:?}", play.release.current()) };
    play.ana(confirmed(check.as_str()));
    let refusal = play.refused(said(&play, "tag/command-1", Some(Meaning::Commands)));
    assert!(refusal.contains("“? git push origin v1.3.0”"), "{refusal}");
    play.ana(said(&play, "deploy/command-1", Some(Meaning::Commands)));
    assert_eq!(play.release.current(), Current::Command("deploy/command-1".into()));
    let check = play.release.workflow().checks().find(|known| known.text == "It serves").unwrap().id.clone();
    play.ana(said(&play, "deploy/command-1", None));
    play.ana(confirmed(check.as_str()));
    play.ana(said(&play, "deploy/command-1", Some(Meaning::Commands)));
    assert!(play.state().checks.contains_key(&check), "what was said of other things stays");
}

#[test]
fn nobody_but_a_person_says_it_and_only_of_a_block_that_is_there() {
    let mut play = opened();
    let fact = said(&play, "tag/command-1", Some(Meaning::Text));
    assert!(play.tell(None, fact).is_err());
    let other = Fact::Settled { block: BlockPrint("none".into()), meaning: Some(Meaning::Text) };
    assert!(play.refused(other).contains("no unclear block"));
}

#[test]
fn what_was_said_before_holds_from_the_start_and_a_replay_knows_it() {
    let mut settled = Settled::default();
    let ruling = Ruling { meaning: Meaning::Commands, by: "bo".into(), on: "2026-11-20".into() };
    settled.set(block(&opened(), "tag/command-1"), Some(ruling));
    let document = Arc::new(unclear().settled_as(&settled));
    assert_eq!(document.settled, document.rulings());
    let fact = Fact::Opened {
        id: ReleaseId("20261122-134900-release".to_owned()),
        file: document.file.clone(),
        sha256: document.sha256.clone(),
        title: document.title.clone(),
        targets: vec![target("app")],
        context: None,
        directory: "/srv/shop".to_owned(),
        signals: crate::release::SignalSources::default(),
        practice: None,
        called: None,
        settled,
    };
    let event = Event { at: second(0), by: Some(person("ana")), fact };
    let (mut release, _) = Release::open(document, &event).unwrap();
    let mut lines = encode(&Record::new(1, event));
    let deploy = release.document().command(&"deploy/command-1".into()).unwrap().settling.clone().unwrap();
    let params = BTreeMap::from([("TAG".to_owned(), "v1.3.0".to_owned())]);
    let facts = [
        Fact::Begun { params, roster: BTreeMap::new() },
        Fact::Settled { block: deploy.block, meaning: Some(Meaning::Commands) },
    ];
    for (seq, fact) in (2..).zip(facts) {
        let event = Event { at: second(seq as i64), by: Some(person("ana")), fact };
        release.handle(&event).unwrap();
        lines.push_str(&encode(&Record::new(seq, event)));
    }
    let read = crate::journal::read(lines.as_bytes()).unwrap();
    // The copy beside the journal is read without what anybody said of it.
    assert_eq!(replay(unclear(), &read.records).unwrap(), release);
}
