//! What is true of every history, as chance would write it.

use proptest::prelude::*;

use super::*;

/// Anything that may be told to a release, sensible now or not.
fn any_fact() -> impl Strategy<Value = (Fact, bool)> {
    let workflow = document();
    let checks: Vec<String> = workflow.checks().map(|check| check.id.to_string()).collect();
    let commands: Vec<String> = workflow.commands().map(|command| command.id.to_string()).collect();
    let criteria: Vec<String> =
        workflow.rollback.criteria.iter().map(|criterion| criterion.id.to_string()).collect();
    let steps: Vec<String> = workflow.steps.iter().map(|step| step.id.to_string()).collect();
    let one_of = |of: Vec<String>| proptest::sample::select(of);
    let reason = || prop_oneof![9 => Just("because".to_owned()), 1 => Just(String::new())];
    let exit = prop_oneof![Just(Exit::Code(0)), Just(Exit::Code(1)), Just(Exit::Signal(15))];
    let verdict =
        prop_oneof![Just(Verdict::Pass), Just(Verdict::Fail), Just(Verdict::NoData), Just(Verdict::Error)];
    let result = prop_oneof![
        4 => Just(ACCEPTED),
        1 => Just(StepResult::AlreadyThere),
        1 => Just(failed(FailureKind::Unreachable)),
        1 => Just(failed(FailureKind::TimedOut)),
        1 => Just(failed(FailureKind::Changed)),
    ];
    let rollout = prop_oneof![
        Just(RolloutState::Complete),
        Just(RolloutState::Progressing),
        Just(RolloutState::Failed)
    ];
    let answer = (one_of(checks.clone()), reason(), 0..6_u8).prop_map(|(check, reason, kind)| {
        let check = check.as_str().into();
        let evidence = Vec::new();
        match kind {
            0 => Fact::NoGo { check, reason, evidence },
            1 => Fact::Overridden { check, reason, evidence },
            2 => Fact::CheckReopened { check },
            3 => Fact::Skipped { item: ItemId::Check(check), reason },
            4 => Fact::NotApplicable { item: ItemId::Check(check), reason },
            _ => Fact::Confirmed { check, evidence, person: None, typed: None },
        }
    });
    let command =
        (one_of(commands.clone()), reason(), 1..3_u32, 0..5_u8).prop_map(|(id, reason, attempt, kind)| {
            let command = id.as_str().into();
            match kind {
                0 => Fact::CommandStopped { command, attempt },
                1 => Fact::DoubtSettled { command, attempt, succeeded: attempt == 1, note: reason },
                2 => Fact::NothingToRun { command, choice: 0 },
                3 => Fact::Skipped { item: ItemId::Command(command), reason },
                _ => {
                    let known = document().command(&command).cloned().expect("it is of the document");
                    let choice = (!known.choices.is_empty()).then_some(1);
                    let (text, shell, env) = (known.text, Vec::new(), Vec::new());
                    let directory = "/srv/shop".to_owned();
                    let (context, namespace, edited) = (None, None, false);
                    Fact::CommandStarted(Run {
                        command,
                        attempt,
                        text,
                        choice,
                        edited,
                        shell,
                        directory,
                        env,
                        context,
                        namespace,
                        terms: Default::default(),
                    })
                }
            }
        });
    let person = prop_oneof![
        4 => answer,
        3 => command,
        1 => Just(vote("lead", Vote::Go)),
        1 => Just(vote("ops", Vote::NoGo)),
        1 => reason().prop_map(|reason| Fact::Held { reason }),
        1 => Just(Fact::Released),
        1 => Just(Fact::Completed),
        1 => Just(fired()),
        1 => Just(Fact::RollbackCancelled),
        1 => Just(Fact::CountdownStopped),
        1 => one_of(criteria.clone()).prop_map(|id| Fact::PolicyAccepted { criterion: id.as_str().into() }),
        1 => one_of(criteria.clone()).prop_map(|id| Fact::PolicyWithdrawn { criterion: id.as_str().into() }),
        1 => (one_of(criteria.clone()), any::<bool>(), reason())
            .prop_map(|(id, met, reason)| Fact::CriterionDeclared { criterion: id.as_str().into(), met, reason }),
        1 => (one_of(criteria.clone()), reason())
            .prop_map(|(id, reason)| Fact::CriterionOverridden { criterion: id.as_str().into(), reason }),
        1 => (one_of(steps.clone()), reason())
            .prop_map(|(id, reason)| Fact::SoakShortened { step: id.as_str().into(), role: "ops".into(), reason }),
        1 => reason().prop_map(|reason| Fact::Aborted { reason }),
        1 => reason().prop_map(|reason| Fact::LockTakenOver { from: None, reason }),
        1 => reason().prop_map(|reason| Fact::LockGiven { reason }),
        1 => proptest::sample::select(super::reload::editions()).prop_map(|edition| {
            Fact::Reloaded { edition: Box::new(edition) }
        }),
    ];
    let world = prop_oneof![
        1 => (one_of(commands.clone()), 1..3_u32, any::<bool>()).prop_map(|(id, attempt, is_value)| {
            let captured = match is_value {
                true => Captured::Value("so it is".to_owned()),
                false => Captured::NotKept("it printed nothing".to_owned()),
            };
            Fact::OutputCaptured { command: id.as_str().into(), attempt, captured }
        }),
        3 => (one_of(commands), 1..3_u32, exit).prop_map(|(id, attempt, exit)| ended(&id, attempt, exit)),
        1 => (one_of(checks), any::<bool>()).prop_map(|(id, pass)| Fact::Sensed {
            check: id.as_str().into(),
            pass,
            value: "so it is".to_owned(),
        }),
        2 => (one_of(criteria.clone()), verdict).prop_map(|(id, verdict)| read_as(&id, verdict)),
        2 => (one_of(criteria.clone()), 0..4_u64).prop_map(|(id, seconds)| {
            Fact::CountdownStarted { criterion: id.as_str().into(), seconds }
        }),
        2 => one_of(criteria.clone()).prop_map(|id| super::policy::fired_by_policy(&id)),
        1 => one_of(criteria).prop_map(|id| {
            Fact::PolicyHeldBack { criterion: id.as_str().into(), why: "the cluster is silent".to_owned() }
        }),
        1 => (1..4_u32).prop_map(|n| Fact::Woke { timer: Timer::Countdown { n } }),
        1 => (1..5_u32).prop_map(|attempt| {
            Fact::Woke { timer: Timer::CommandAgain { command: "prepare/command-1".into(), attempt } }
        }),
        3 => (0..3_usize, 1..4_u32, result)
            .prop_map(|(step, attempt, result)| step_ended(step, attempt, result)),
        3 => (any::<bool>(), any::<bool>(), rollout).prop_map(|(is_app, is_old, state)| {
            let name = if is_app { "app" } else { "api" };
            seen(name, state, if is_old { old(name) } else { new(name) }, 9)
        }),
        1 => (0..2_usize, 1..4_u32)
            .prop_map(|(step, attempt)| Fact::Woke { timer: Timer::RollbackRetry { step, attempt } }),
        1 => one_of(steps).prop_map(|id| Fact::Woke { timer: Timer::SoakEarliest(id.as_str().into()) }),
        1 => Just(Fact::Reopened),
        1 => Just(Fact::Pinned { pins: pins(), routes: vec![] }),
        1 => any::<bool>().prop_map(|healthy| Fact::HealthChanged { healthy, summary: String::new() }),
        1 => Just(Fact::BaselinePinned { values: BTreeMap::new() }),
        1 => proptest::sample::select(super::locks::standings()).prop_map(|standing| Fact::LockChanged { standing }),
    ];
    prop_oneof![person.prop_map(|fact| (fact, true)), world.prop_map(|fact| (fact, false))]
}

/// What happens next: one step forward as a careful operator would, or anything.
fn any_happening() -> impl Strategy<Value = Option<(Fact, bool)>> {
    prop_oneof![2 => Just(None), 3 => any_fact().prop_map(Some)]
}

fn happen(play: &mut Play, happening: Option<(Fact, bool)>) -> Option<(Fact, bool, Vec<Effect>)> {
    match happening {
        Some((fact, by_person)) => {
            let effects = play.tell(by_person.then_some("ana"), fact.clone()).ok()?;
            Some((fact, by_person, effects))
        }
        // As the loop answers the end of a pause.
        None if asked_again(play).is_some() => {
            let fact = Fact::CommandStarted(asked_again(play)?);
            let effects = play.tell(None, fact.clone()).ok()?;
            Some((fact, false, effects))
        }
        None => {
            if play.phase() == Phase::Running
                && !play.state().is_breached()
                && play.release.current() != Current::Finish
            {
                let _ = play.try_go_on();
            }
            None
        }
    }
}

/// The attempt that is due.
fn asked_again(play: &Play) -> Option<Run> {
    let track =
        play.state().commands.values().find(|track| track.again.as_ref().is_some_and(|it| it.is_due))?;
    let last = track.attempts.last()?;
    Some(Run { attempt: track.next_attempt(), ..last.run.clone() })
}

/// A start in the middle: most interesting things need a release that has come some way.
fn any_start() -> impl Strategy<Value = Play> {
    prop_oneof![
        Just(Play::begun()),
        Just(Play::at_command("production-deployment/command-1")),
        Just(Play::deployed()),
        Just(super::tables::in_phase(Phase::RollingBack)),
        Just(Play::completed()),
        Just(super::policy::deployed_with(&[ERRORS, "latency-p95"])),
        Just(super::policy::counting()),
        Just(super::again::failed_once()),
    ]
}

/// Whether a policy may fire at this moment, written down a second time.
fn may_fire_by_itself(play: &Play, criterion: &crate::workflow::CriterionId) -> bool {
    let state = play.state();
    let known = state.criteria.get(criterion);
    let reads_fail = known.is_some_and(|known| {
        known.verdict == Verdict::Fail && known.declared_by.is_none() && known.overridden.is_none()
    });
    let is_over = state.policy.countdown.as_ref().is_some_and(|countdown| {
        countdown.criterion == *criterion && countdown.until <= second(play.now + 1).wall
    });
    state.phase == Phase::Running && state.policy.accepted.contains_key(criterion) && reads_fail && is_over
}

/// Whether gonogo may start this by itself at this moment, written down a second time.
fn may_run_again(play: &Play, run: &Run) -> bool {
    let Some(track) = play.state().commands.get(&run.command) else { return false };
    let by_itself = track.attempts.iter().rev().take_while(|attempt| attempt.by.is_none()).count();
    let last = track.attempts.last().map(|last| Run { attempt: run.attempt, ..last.run.clone() });
    let steps = &play.release.workflow().steps;
    let step = steps.iter().find(|step| step.commands.iter().any(|known| known.id == run.command));
    play.phase() == Phase::Running
        && !play.state().is_breached()
        && track.state == CommandState::Failed
        && by_itself < 2
        && last.as_ref() == Some(run)
        && step.is_some_and(|step| !step.production)
}

fn is_of_the_way_back(play: &Play, fact: &Fact) -> bool {
    matches!(fact, Fact::RollbackFired { policy: None, .. })
        || matches!(fact, Fact::CommandStarted(run) if play.release.has_rollback_command(&run.command))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// `tell` compares the release before and after every refusal.
    #[test]
    fn a_refused_event_leaves_the_release_equal_to_what_it_was(
        mut play in any_start(),
        happenings in proptest::collection::vec(any_happening(), 0..60),
    ) {
        for happening in happenings {
            happen(&mut play, happening);
        }
    }

    #[test]
    fn nothing_outside_is_changed_that_a_person_has_not_asked_for(
        mut play in any_start(),
        happenings in proptest::collection::vec(any_happening(), 0..60),
    ) {
        let mut was_fired = play.phase() == Phase::RollingBack;
        let mut n_by_policy = 0;
        for happening in happenings {
            let before = play.clone();
            let Some((fact, by_person, effects)) = happen(&mut play, happening) else { continue };
            if let Fact::RollbackFired { policy, .. } = &fact {
                if let Some(policy) = policy {
                    prop_assert!(may_fire_by_itself(&before, &policy.criterion), "{fact:?}");
                    n_by_policy += 1;
                }
                was_fired |= by_person || policy.is_some();
            }
            prop_assert!(n_by_policy <= 1, "once per release");
            for effect in &effects {
                match effect {
                    Effect::Run(run) => prop_assert!(
                        matches!(&fact, Fact::CommandStarted(asked) if asked == run)
                            && (by_person || may_run_again(&before, run)),
                        "{fact:?} ran {run:?}"
                    ),
                    Effect::RollBack(_) => prop_assert!(was_fired, "{fact:?} rolled back"),
                    // Asked for by the person who began, and again for as long as that stands.
                    Effect::Lock(_) => prop_assert!(play.state().begun_at.is_some(), "{fact:?}"),
                    other => prop_assert!(!other.changes_outside()),
                }
            }
            if fact == Fact::RollbackCancelled {
                was_fired = false;
            }
        }
    }

    #[test]
    fn nothing_forward_starts_while_somebody_else_holds_the_lock(
        mut play in any_start(),
        happenings in proptest::collection::vec(any_happening(), 0..60),
    ) {
        for happening in happenings {
            let was_blocked = play.state().lock.other().is_some();
            let Some((fact, _, effects)) = happen(&mut play, happening) else { continue };
            if was_blocked && !is_of_the_way_back(&play, &fact) {
                let ran = effects.iter().any(|effect| matches!(effect, Effect::Run(_) | Effect::Order(_)));
                prop_assert!(!ran, "{fact:?}: {effects:?}");
            }
        }
    }

    #[test]
    fn at_most_one_patch_of_a_step_is_in_flight(
        happenings in proptest::collection::vec(any_happening(), 0..80),
    ) {
        let mut play = super::tables::in_phase(Phase::RollingBack);
        // The attempts that were sent and have no answer; a new process knows of none.
        let mut in_flight: BTreeMap<usize, u32> = BTreeMap::from([(0, 1)]);
        for happening in happenings {
            let Some((fact, _, effects)) = happen(&mut play, happening) else { continue };
            match &fact {
                Fact::RollbackStepEnded { step, attempt, .. } if in_flight.get(step) == Some(attempt) => {
                    in_flight.remove(step);
                }
                Fact::Reopened => in_flight.clear(),
                _ => {}
            }
            for (name, step, attempt) in patches(&effects) {
                let other = in_flight.insert(step, attempt);
                prop_assert!(other.is_none(), "{fact:?} sent {name} again beside attempt {other:?}");
            }
            prop_assert!(in_flight.len() <= 1, "one target after the other: {in_flight:?}");
        }
    }

    #[test]
    fn a_finished_release_asks_for_nothing_that_changes_the_outside(
        mut play in any_start(),
        happenings in proptest::collection::vec(any_happening(), 0..60),
        late in proptest::collection::vec(any_fact(), 0..30),
    ) {
        for happening in happenings {
            happen(&mut play, happening);
        }
        if !play.release.is_finished() && play.phase() != Phase::RollingBack {
            play.tell(Some("ana"), Fact::Aborted { reason: "enough".to_owned() }).ok();
        }
        prop_assume!(play.release.is_finished());
        for (fact, by_person) in late {
            // The way back stays open, for a person who asks for it.
            if is_of_the_way_back(&play, &fact) {
                continue;
            }
            let effects = play.tell(by_person.then_some("ana"), fact.clone()).unwrap_or_default();
            prop_assert!(!effects.iter().any(Effect::changes_outside), "{fact:?}: {effects:?}");
            prop_assert!(play.release.is_finished(), "{fact:?} reopened it");
        }
    }

    /// A clock may be set back between two processes: nothing may panic or run backwards.
    #[test]
    fn events_that_are_dated_in_the_past_do_no_harm(
        mut play in any_start(),
        happenings in proptest::collection::vec((any_happening(), 0..100_000_i64), 0..40),
    ) {
        for (happening, back) in happenings {
            let now = play.now;
            play.now = now - back;
            happen(&mut play, happening);
            let t = play.state().t_clock(second(play.now));
            prop_assert!(t.is_none_or(|t| !t.is_negative()), "{t:?}");
            prop_assert!(play.state().soaks.values().all(|soak| soak.earliest <= soak.latest));
            play.now = now.max(play.now);
        }
    }

    #[test]
    fn the_same_events_give_the_same_release(
        happenings in proptest::collection::vec(any_fact(), 0..60),
    ) {
        let mut one = Play::deployed();
        let mut two = Play::deployed();
        for (fact, by_person) in happenings {
            let by = by_person.then_some("ana");
            prop_assert_eq!(one.tell(by, fact.clone()), two.tell(by, fact));
        }
        prop_assert!(one.release == two.release);
    }
}
