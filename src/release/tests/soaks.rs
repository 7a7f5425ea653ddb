//! The shortest watching time of a step.

use super::*;

const WATCH: &str = "keep-watching";

fn soaking() -> Play {
    Play::deployed().until(&Current::Soak(WATCH.into()))
}

fn woke() -> Fact {
    Fact::Woke { timer: Timer::SoakEarliest(WATCH.into()) }
}

fn shorten(role: &str, reason: &str) -> Fact {
    Fact::SoakShortened { step: WATCH.into(), role: role.into(), reason: reason.to_owned() }
}

#[test]
fn a_soak_starts_with_its_step_and_asks_once_to_be_woken_at_its_earliest_end() {
    let mut play = Play::deployed().until(&Current::Check("look-closely/a-customer-can-order".into()));
    let effects = play.ana(confirmed("look-closely/a-customer-can-order"));
    let end = second(play.now + 1_800).world;
    let timer = Timer::SoakEarliest(WATCH.into());
    assert_eq!(effects, [Effect::WakeAt { at: WakeTime::World(end), timer }]);
    assert_eq!(play.state().soaks[&WATCH.into()].latest, second(play.now + 3_600).world);
    let later = play.ana(confirmed("keep-watching/error-rate-stable"));
    assert_eq!(later, [], "the alarm is set already");
}

#[test]
fn a_soak_waits_for_the_commands_of_its_step() {
    let text = "# Release\n\n## Steps\n\n### 1. Production\n\n```bash\nkubectl set image deployment/app app=a:v1.2.0\n```\n\n\
                - [ ] It answers\n\nWait 10 minutes.\n";
    let document =
        Arc::new(read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false }));
    let step = document.steps[0].id.clone();
    let command = document.steps[0].commands[0].id.clone();
    let mut play = Play::begun_with(document);
    assert!(play.state().soaks.is_empty(), "nothing is there to be watched yet");
    let play = {
        play.now += 3_600;
        play.go_on();
        play.until(&Current::Check("production/it-answers".into()))
    };
    assert!(play.state().command(&command).closes());
    let soak = &play.state().soaks[&step];
    assert!(soak.since.world >= second(3_600).world, "{soak:?}");
}

#[test]
fn a_soak_that_is_woken_too_early_goes_on() {
    let mut play = soaking();
    play.now += 60;
    play.changes_nothing(woke());
    assert_eq!(play.release.current(), Current::Soak(WATCH.into()));
}

#[test]
fn a_soak_ends_by_the_clock_and_waking_it_late_or_twice_changes_nothing() {
    let mut play = soaking();
    play.now += 24 * 3_600;
    play.world(woke());
    assert_ne!(play.release.current(), Current::Soak(WATCH.into()));
    play.changes_nothing(woke());
    play.changes_nothing(Fact::Woke { timer: Timer::SoakEarliest("no-such-step".into()) });
}

#[test]
fn a_soak_ends_early_only_in_a_known_role_and_with_a_reason() {
    let mut play = soaking();
    assert!(play.refused(shorten("ops", " ")).contains("needs a reason"));
    assert!(play.refused(shorten("intern", "bored")).contains("knows no role intern"));
    assert_eq!(play.release.current(), Current::Soak(WATCH.into()));
    play.ana(shorten("ops", "no traffic on a public holiday"));
    let (who, role, reason) = play.state().soaks[&WATCH.into()].shortened.clone().expect("it was shortened");
    assert_eq!(
        (who.as_str(), role.as_str(), reason.as_str()),
        ("ana", "ops", "no traffic on a public holiday")
    );
    assert_ne!(play.release.current(), Current::Soak(WATCH.into()));
    assert!(play.refused(shorten("ops", "again")).contains("already long enough"));
}

#[test]
fn a_soak_that_has_not_begun_cannot_be_shortened() {
    let mut play = Play::at_command("prepare/command-1");
    assert!(play.refused(shorten("ops", "in advance")).contains("no running soak"));
}

#[test]
fn a_release_that_is_taken_up_again_sets_the_alarm_of_its_soak_anew() {
    let mut play = soaking();
    let effects = play.world(Fact::Reopened);
    let alarms = effects.iter().filter(|effect| matches!(effect, Effect::WakeAt { .. }));
    assert_eq!(alarms.count(), 1, "{effects:?}");
}
