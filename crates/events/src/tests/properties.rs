use proptest::prelude::*;

use super::*;
use crate::{Input, Phase, State};

#[derive(Debug, Clone)]
enum Deed {
    Command(Command),
    Fact(Fact),
    Pass(i64),
    Spend(Option<i64>),
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(rtmp()), Just(Source::Srt { input: Quality::P720 }), Just(external())]
}

fn command() -> impl Strategy<Value = Command> {
    let schedule = (-HOUR..6 * HOUR, -MINUTE..5 * HOUR)
        .prop_map(|(ahead, duration_ms)| Command::Schedule(Schedule { start_ms: START + ahead, duration_ms }));
    let edit = proptest::option::of(source()).prop_map(|source| Command::Edit { title: None, source });
    prop_oneof![
        edit,
        schedule,
        Just(Command::Activate),
        Just(Command::Activate),
        Just(Command::Place(Offer::Free)),
        Just(Command::Place(Offer::Paid)),
        Just(Command::Start),
        Just(Command::Start),
        Just(Command::Air),
        Just(Command::Stop),
        Just(Command::RotateKey),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let fact = prop_oneof![
        Just(Fact::Clock),
        Just(Fact::InputConnected),
        Just(Fact::InputLost),
        Just(Fact::LadderUp),
        Just(Fact::Restarted),
        Just(Fact::Failed("x".to_owned())),
    ];
    prop_oneof![
        4 => command().prop_map(Deed::Command),
        4 => fact.prop_map(Deed::Fact),
        2 => (0..20 * MINUTE).prop_map(Deed::Pass),
        1 => (0..4 * HOUR).prop_map(Deed::Pass),
        1 => proptest::option::of(-5_i64..5).prop_map(Deed::Spend),
    ]
}

fn rank(state: &State) -> u8 {
    match state {
        State::Draft => 0,
        State::Scheduled { .. } => 1,
        State::Running(run) => match run.phase {
            Phase::Ready => 2,
            Phase::Preview => 3,
            Phase::Live { .. } => 4,
        },
        State::Ended(_) => 5,
    }
}

/// What must hold between one state of an event and the next.
fn check(before: &World, after: &World, had_input: bool) -> Result<(), TestCaseError> {
    let (old, new) = (&before.event, &after.event);
    prop_assert!(rank(&new.state) >= rank(&old.state), "{:?} then {:?}", old.state, new.state);
    prop_assert!(!old.is_ended() || old == new, "an ended event moved");
    prop_assert_eq!(new.version - old.version > 0, old != new, "every change is a version");
    if let (State::Running(old), State::Running(new)) = (&old.state, &new.state) {
        prop_assert_eq!((old.ends_ms, old.started_ms), (new.ends_ms, new.started_ms));
    }
    if let State::Running(run) = &new.state {
        prop_assert!(new.activated && new.offer.is_some());
        let longest = after.rules.duration_ms_max + after.rules.lead_ms;
        prop_assert!(run.ends_ms - run.started_ms <= longest);
        prop_assert!(run.phase == Phase::Ready || run.input == Input::External || had_input, "on air unseen");
        prop_assert_eq!(run.input == Input::External, !new.source.is_ingested());
    }
    let external = !new.source.is_ingested();
    prop_assert!(!(external && (new.schedule.is_some() || new.offer == Some(Offer::Paid))));
    // A broadcast is open exactly from the start to the end, once; and public only while it is open.
    let count = |effect| after.effects.iter().filter(|done| **done == effect).count();
    let (opened, aired, closed) =
        (count(Effect::OpenBroadcast), count(Effect::GoPublic), count(Effect::CloseBroadcast));
    prop_assert!(opened <= 1 && aired <= opened && closed <= opened);
    prop_assert_eq!(opened - closed, usize::from(new.is_running() && !external));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_is_done_the_rules_hold(source in source(), deeds in prop::collection::vec(deed(), 1..60)) {
        let mut world = World::new(source);
        let mut had_input = false;
        for deed in deeds {
            let before = world.clone();
            match deed {
                Deed::Command(command) => {
                    if world.command(command).is_err() {
                        prop_assert_eq!(&world.event, &before.event, "a refusal changed something");
                    }
                }
                Deed::Fact(fact) => {
                    let connects = fact == Fact::InputConnected && world.event.is_running();
                    world.fact(fact);
                    had_input |= connects;
                }
                Deed::Pass(ms) => world.pass(ms),
                Deed::Spend(left) => world.account.encoding_minutes_left = left,
            }
            check(&before, &world, had_input)?;
            // Whoever looks when something is due finds nothing overdue afterwards.
            world.pass(0);
            if let Some(due) = world.event.deadline_ms(&world.rules) {
                prop_assert!(due > world.now_ms, "overdue: {:?}", world.event.state);
            }
        }
    }

    #[test]
    fn no_time_makes_the_rules_overflow(now_ms in any::<i64>(), start_ms in any::<i64>(), duration_ms in MINUTE..3 * HOUR) {
        let mut world = World::with_gates(rtmp());
        world.now_ms = now_ms;
        let _ = world.command(Command::Schedule(Schedule { start_ms, duration_ms }));
        let _ = world.command(Command::Start);
        world.fact(Fact::Clock);
        world.event.deadline_ms(&world.rules);
    }
}
