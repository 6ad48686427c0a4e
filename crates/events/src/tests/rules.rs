use super::*;
use crate::{EndReason, Ended, Gate, Run, State};

fn ended(world: &World) -> &Ended {
    match &world.event.state {
        State::Ended(ended) => ended,
        other => panic!("not ended: {other:?}"),
    }
}

fn run(world: &World) -> Run {
    match world.event.state {
        State::Running(run) => run,
        ref other => panic!("not running: {other:?}"),
    }
}

#[test]
fn an_event_goes_from_draft_to_its_end_in_order() {
    let mut world = World::with_gates(rtmp());
    assert_eq!(world.state(), "draft");
    world.command(Command::Schedule(in_an_hour())).unwrap();
    assert_eq!(world.state(), "scheduled");
    world.pass(55 * MINUTE);
    assert_eq!(world.state(), "ready");
    world.fact(Fact::InputConnected);
    world.fact(Fact::LadderUp);
    assert_eq!(world.state(), "preview");
    world.command(Command::Air).unwrap();
    assert_eq!(world.state(), "live");
    world.command(Command::Stop).unwrap();
    assert_eq!((world.state(), ended(&world).why), ("ended", EndReason::Stopped));
    assert_eq!(world.effects, [Effect::OpenBroadcast, Effect::GoPublic, Effect::CloseBroadcast]);
    let told = ["event.edited", "event.edited", "event.scheduled", "event.ready", "event.input_connected"];
    assert_eq!(world.told[..5], told);
    assert_eq!(world.told[5..], ["event.preview", "event.live", "event.ended"]);
}

#[test]
fn a_start_is_refused_with_every_gate_that_is_missing() {
    let mut world = World::new(rtmp());
    world.account = Account {
        live_ingest: false,
        encoding_minutes_left: Some(0),
        egress_bytes_left: Some(-5),
        ..Account::unlimited()
    };
    let gates = [Gate::Activation, Gate::Offer, Gate::LiveIngest, Gate::EncodingCredit, Gate::EgressCredit];
    assert_eq!(world.command(Command::Start), Err(Refusal::GatesMissing(gates.to_vec())));
    world.command(Command::Activate).unwrap();
    world.command(Command::Place(Offer::Paid)).unwrap();
    world.account = Account { egress_bytes_left: Some(0), ..Account::unlimited() };
    let refusal = world.command(Command::Start).unwrap_err();
    assert_eq!(refusal.to_string(), "the event cannot start: the account has no egress left");
}

#[test]
fn credit_that_runs_out_in_mid_broadcast_cuts_nothing() {
    let mut world = World::in_preview();
    world.account = Account { encoding_minutes_left: Some(-10), ..Account::unlimited() };
    assert!(!world.fact(Fact::Clock));
    world.command(Command::Air).unwrap();
    assert_eq!(world.state(), "live");
}

#[test]
fn an_event_that_starts_now_ends_after_the_longest_live() {
    let mut world = World::in_preview();
    assert_eq!(run(&world).ends_ms, START + 3 * HOUR);
    world.command(Command::Air).unwrap();
    world.pass(3 * HOUR - 1);
    assert_eq!(world.state(), "live");
    world.pass(1);
    assert_eq!((ended(&world).why, ended(&world).at_ms), (EndReason::Duration, START + 3 * HOUR));
    assert_eq!(ended(&world).aired_ms, Some(START));
}

#[test]
fn a_scheduled_event_ends_at_its_planned_end_also_when_started_early() {
    let mut world = World::with_gates(rtmp());
    world.command(Command::Schedule(in_an_hour())).unwrap();
    world.pass(30 * MINUTE);
    world.command(Command::Start).unwrap();
    assert_eq!(run(&world).ends_ms, START + 3 * HOUR);
    world.fact(Fact::InputConnected);
    world.pass(10 * HOUR);
    assert_eq!((ended(&world).why, ended(&world).at_ms), (EndReason::Duration, START + 3 * HOUR));
}

#[test]
fn a_start_so_early_that_the_longest_live_would_end_before_the_plan_is_refused() {
    let mut world = World::with_gates(rtmp());
    let schedule = Schedule { start_ms: START + 10 * HOUR, duration_ms: HOUR };
    world.command(Command::Schedule(schedule)).unwrap();
    let from_ms = schedule.end_ms() - 3 * HOUR - 5 * MINUTE;
    assert_eq!(world.command(Command::Start), Err(Refusal::TooEarly { from_ms }));
    world.now_ms = from_ms;
    world.command(Command::Start).unwrap();
}

#[test]
fn a_planned_event_is_made_ready_five_minutes_before_its_start() {
    let mut world = World::with_gates(rtmp());
    world.command(Command::Schedule(in_an_hour())).unwrap();
    assert_eq!(world.event.deadline_ms(&world.rules), Some(START + 55 * MINUTE));
    world.pass(55 * MINUTE - 1);
    assert_eq!(world.state(), "scheduled");
    world.pass(1);
    assert_eq!(world.state(), "ready");
}

#[test]
fn a_planned_event_without_its_gates_waits_for_them_and_says_so_once() {
    let mut world = World::new(rtmp());
    world.command(Command::Schedule(in_an_hour())).unwrap();
    world.pass(56 * MINUTE);
    assert_eq!(world.event.state, State::Scheduled { refused: vec![Gate::Activation, Gate::Offer] });
    world.pass(30 * MINUTE);
    assert_eq!(world.told.iter().filter(|told| **told == "event.start_refused").count(), 1);
    world.command(Command::Activate).unwrap();
    world.command(Command::Place(Offer::Free)).unwrap();
    world.pass(0);
    assert_eq!(world.state(), "ready");
}

#[test]
fn a_planned_event_that_could_never_start_fails_at_its_planned_end() {
    let mut world = World::new(rtmp());
    world.command(Command::Schedule(in_an_hour())).unwrap();
    world.pass(3 * HOUR);
    assert_eq!((ended(&world).why, ended(&world).at_ms), (EndReason::Failed, START + 3 * HOUR));
    assert!(ended(&world).detail.as_deref().unwrap_or_default().contains("not activated"));
    assert_eq!(world.effects, []);
}

#[test]
fn a_daemon_that_slept_through_an_event_does_not_start_it_afterwards() {
    let mut world = World::with_gates(rtmp());
    world.command(Command::Schedule(in_an_hour())).unwrap();
    world.now_ms = START + 4 * HOUR;
    assert!(world.fact(Fact::Clock));
    assert_eq!(ended(&world).why, EndReason::Failed);
}

#[test]
fn a_plan_that_has_become_too_long_begins_in_time_and_ends_early() {
    let mut world = World::with_gates(rtmp());
    let schedule = Schedule { start_ms: START + HOUR, duration_ms: 3 * HOUR };
    world.command(Command::Schedule(schedule)).unwrap();
    world.rules.duration_ms_max = HOUR;
    world.pass(55 * MINUTE);
    assert_eq!((world.state(), run(&world).ends_ms), ("ready", START + 2 * HOUR));
}

#[test]
fn the_end_of_a_started_event_does_not_move() {
    let mut world = World::in_preview();
    assert_eq!(world.command(Command::Schedule(in_an_hour())), Err(Refusal::EndFixed));
}

#[test]
fn a_plan_is_checked() {
    let mut world = World::new(rtmp());
    let mut plan = |start_ms, duration_ms| world.command(Command::Schedule(Schedule { start_ms, duration_ms }));
    let range = Refusal::DurationRange { min_ms: MINUTE, max_ms: 3 * HOUR };
    assert_eq!(plan(START, HOUR), Err(Refusal::StartPast));
    assert_eq!(plan(START + HOUR, 3 * HOUR + 1), Err(range.clone()));
    assert_eq!(plan(START + HOUR, 0), Err(range.clone()));
    assert_eq!(plan(START + HOUR, i64::MIN), Err(range));
    assert_eq!(plan(START + 400 * 24 * HOUR, HOUR), Err(Refusal::StartFar));
    assert_eq!(plan(START + HOUR, 3 * HOUR), Ok(()));
}

#[test]
fn a_start_without_input_for_five_minutes_ends_by_itself() {
    let mut world = World::with_gates(rtmp());
    world.command(Command::Start).unwrap();
    world.pass(5 * MINUTE - 1);
    assert_eq!(world.state(), "ready");
    world.pass(1);
    assert_eq!((ended(&world).why, ended(&world).started_ms), (EndReason::NoInput, Some(START)));
    assert_eq!(world.effects, [Effect::OpenBroadcast, Effect::CloseBroadcast]);
}

#[test]
fn before_the_planned_start_nobody_has_to_be_there() {
    let mut world = World::with_gates(rtmp());
    world.command(Command::Schedule(in_an_hour())).unwrap();
    world.pass(65 * MINUTE - 1);
    assert_eq!(world.state(), "ready");
    world.pass(1);
    assert_eq!(ended(&world).why, EndReason::NoInput);
}

#[test]
fn an_encoder_that_returns_within_five_minutes_goes_on_and_later_does_not() {
    let mut world = World::in_preview();
    world.command(Command::Air).unwrap();
    world.fact(Fact::InputLost);
    world.pass(5 * MINUTE - 1);
    assert!(world.fact(Fact::InputConnected));
    assert_eq!(world.state(), "live");
    world.fact(Fact::InputLost);
    world.pass(5 * MINUTE);
    assert_eq!(ended(&world).why, EndReason::NoInput);
    assert!(!world.fact(Fact::InputConnected));
}

#[test]
fn nothing_goes_on_air_before_it_was_seen() {
    let mut world = World::with_gates(rtmp());
    assert_eq!(world.command(Command::Air), Err(Refusal::NotStarted));
    world.command(Command::Start).unwrap();
    assert_eq!(world.command(Command::Air), Err(Refusal::NoPreview));
    assert!(!world.fact(Fact::LadderUp), "a ladder without an encoder is none");
    world.fact(Fact::InputConnected);
    assert_eq!(world.command(Command::Air), Err(Refusal::NoPreview));
    world.fact(Fact::LadderUp);
    world.fact(Fact::InputLost);
    assert_eq!(world.command(Command::Air), Err(Refusal::NoInput));
    world.fact(Fact::InputConnected);
    world.command(Command::Air).unwrap();
    assert_eq!(world.command(Command::Air), Err(Refusal::AlreadyLive));
}

#[test]
fn an_ended_event_takes_no_command_and_no_fact() {
    let mut world = World::in_preview();
    world.command(Command::Stop).unwrap();
    let before = world.event.clone();
    let edit = Command::Edit { title: Some("Other".to_owned()), source: None };
    for command in [edit, Command::Schedule(in_an_hour()), Command::Activate, Command::Place(Offer::Free)] {
        assert_eq!(world.command(command), Err(Refusal::Ended));
    }
    for command in [Command::Start, Command::Air, Command::Stop, Command::RotateKey] {
        assert_eq!(world.command(command), Err(Refusal::Ended));
    }
    for fact in [Fact::Clock, Fact::InputConnected, Fact::LadderUp, Fact::Restarted, Fact::Failed(String::new())] {
        assert!(!world.fact(fact));
    }
    assert_eq!(world.event, before);
}

#[test]
fn an_event_starts_once() {
    let mut world = World::in_preview();
    assert_eq!(world.command(Command::Start), Err(Refusal::AlreadyStarted));
}

#[test]
fn a_planned_event_can_be_called_off() {
    let mut world = World::with_gates(rtmp());
    world.command(Command::Schedule(in_an_hour())).unwrap();
    world.command(Command::Stop).unwrap();
    assert_eq!((ended(&world).why, ended(&world).started_ms), (EndReason::Stopped, None));
    assert_eq!(world.effects, [], "nothing was open");
}

#[test]
fn what_viewers_and_encoders_rely_on_is_fixed_by_the_start_and_the_title_is_not() {
    let mut world = World::in_preview();
    let source = Some(Source::Srt { input: Quality::P720 });
    assert_eq!(world.command(Command::Edit { title: None, source }), Err(Refusal::SourceFixed));
    assert_eq!(world.command(Command::Place(Offer::Paid)), Err(Refusal::OfferFixed));
    world.command(Command::Edit { title: Some(" Another talk ".to_owned()), source: None }).unwrap();
    assert_eq!(world.event.title, "Another talk");
}

#[test]
fn titles_and_urls_are_checked() {
    let create = |title: &str, source| Event::create(Uuid::nil(), Uuid::nil(), title, source, START).map(|_| ());
    for title in ["", "  ", "a\nb", &"x".repeat(201)] {
        assert_eq!(create(title, rtmp()), Err(Refusal::Title), "{title:?}");
    }
    for url in [
        "",
        "ftp://a/b",
        "rtmp://a",
        "https://",
        "https:///a",
        "https://a/\0",
        "https://a b/",
        "https://me:secret@a/",
        &format!("https://{}", "x".repeat(2048)),
    ] {
        assert_eq!(create("t", Source::Hls { url: url.to_owned() }), Err(Refusal::ExternalUrl));
    }
    assert_eq!(create(&"é".repeat(200), external()), Ok(()));
}

#[test]
fn an_external_stream_is_shown_and_never_scheduled_sold_or_pushed() {
    let mut world = World::with_gates(external());
    assert_eq!(world.command(Command::Schedule(in_an_hour())), Err(Refusal::ExternalSchedule));
    assert_eq!(world.command(Command::Place(Offer::Paid)), Err(Refusal::ExternalPaid));
    assert_eq!(world.command(Command::RotateKey), Err(Refusal::ExternalCredentials));
    // It costs the account nothing, so an empty account does not stop it.
    world.account = Account { live_ingest: false, encoding_minutes_left: Some(0), ..Account::unlimited() };
    world.command(Command::Start).unwrap();
    assert_eq!(world.state(), "live");
    world.pass(2 * HOUR);
    assert_eq!(world.state(), "live", "no input is missed where none is taken");
    world.pass(HOUR);
    assert_eq!((ended(&world).why, world.effects.len()), (EndReason::Duration, 0));
}

#[test]
fn a_planned_or_paid_event_does_not_become_external() {
    let mut world = World::new(rtmp());
    world.command(Command::Place(Offer::Paid)).unwrap();
    let edit = || Command::Edit { title: None, source: Some(external()) };
    assert_eq!(world.command(edit()), Err(Refusal::ExternalPaid));
    world.command(Command::Place(Offer::Free)).unwrap();
    world.command(Command::Schedule(in_an_hour())).unwrap();
    assert_eq!(world.command(edit()), Err(Refusal::ExternalSchedule));
}

#[test]
fn a_restart_keeps_the_state_and_begins_the_wait_anew() {
    let mut world = World::in_preview();
    world.command(Command::Air).unwrap();
    assert_eq!(world.event.standing_effects(), [Effect::OpenBroadcast, Effect::GoPublic]);
    world.now_ms += 20 * MINUTE;
    assert!(world.fact(Fact::Restarted));
    assert_eq!(world.state(), "live");
    world.pass(5 * MINUTE - 1);
    assert_eq!(world.state(), "live");
    world.pass(1);
    assert_eq!(ended(&world).why, EndReason::NoInput);
}

#[test]
fn a_daemon_that_was_away_at_the_end_ends_the_event_when_it_is_back() {
    let mut world = World::in_preview();
    world.now_ms += 4 * HOUR;
    assert!(world.fact(Fact::Restarted));
    assert_eq!(ended(&world).why, EndReason::Duration);
}

#[test]
fn a_key_is_rotated_before_and_after_the_start() {
    let mut world = World::with_gates(rtmp());
    world.command(Command::RotateKey).unwrap();
    world.command(Command::Start).unwrap();
    world.command(Command::RotateKey).unwrap();
    assert_eq!(world.effects, [Effect::RotateKey, Effect::OpenBroadcast, Effect::RotateKey]);
}

#[test]
fn a_broadcast_that_cannot_go_on_fails_with_its_reason() {
    let mut world = World::in_preview();
    world.fact(Fact::Failed("the disk is full".to_owned()));
    assert_eq!(ended(&world).why, EndReason::Failed);
    assert_eq!(ended(&world).detail.as_deref(), Some("the disk is full"));
}

#[test]
fn an_event_is_stored_and_read_back_as_it_was() {
    let mut world = World::in_preview();
    let back = |event: &Event| serde_json::from_str::<Event>(&serde_json::to_string(event).unwrap()).unwrap();
    assert_eq!(back(&world.event), world.event);
    world.command(Command::Air).unwrap();
    assert_eq!(back(&world.event), world.event);
    world.command(Command::Stop).unwrap();
    assert_eq!(back(&world.event), world.event);
}
