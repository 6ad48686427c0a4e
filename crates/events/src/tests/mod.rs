//! Every rule by its name, and what must hold whatever comes.

mod properties;
mod rules;

use uuid::Uuid;

use crate::{Account, Command, Effect, Event, Fact, Offer, Quality, Refusal, Rules, Schedule, Source, Step};

/// A moment to begin at, in milliseconds since 1970.
const START: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// An event with the world around it.
#[derive(Clone)]
struct World {
    event: Event,
    account: Account,
    rules: Rules,
    now_ms: i64,
    effects: Vec<Effect>,
    told: Vec<&'static str>,
}

fn rtmp() -> Source {
    Source::Rtmp { input: Quality::P1080 }
}

fn external() -> Source {
    Source::Hls { url: "https://cdn.example/live.m3u8".to_owned() }
}

impl World {
    fn new(source: Source) -> Self {
        let step = Event::create(Uuid::from_u128(7), Uuid::nil(), "A talk", source, START).expect("a draft");
        let (event, account, rules) = (step.event, Account::unlimited(), Rules::default());
        Self { event, account, rules, now_ms: START, effects: Vec::new(), told: Vec::new() }
    }

    /// Activated and in the free offer.
    fn with_gates(source: Source) -> Self {
        let mut world = Self::new(source);
        world.command(Command::Activate).expect("activated");
        world.command(Command::Place(Offer::Free)).expect("placed");
        world
    }

    /// Started, its encoder connected, its ladder up.
    fn in_preview() -> Self {
        let mut world = Self::with_gates(rtmp());
        world.command(Command::Start).expect("started");
        world.fact(Fact::InputConnected);
        world.fact(Fact::LadderUp);
        world
    }

    fn command(&mut self, command: Command) -> Result<(), Refusal> {
        let step = self.event.command(&command, &self.account, &self.rules, self.now_ms)?;
        self.take(step);
        Ok(())
    }

    fn fact(&mut self, fact: Fact) -> bool {
        let step = self.event.fact(&fact, &self.account, &self.rules, self.now_ms);
        step.map(|step| self.take(step)).is_some()
    }

    /// Lets time pass as a daemon does, which looks at the clock when something is due.
    fn pass(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while let Some(due) = self.event.deadline_ms(&self.rules).filter(|due| *due <= until) {
            self.now_ms = self.now_ms.max(due);
            if !self.fact(Fact::Clock) {
                break;
            }
        }
        self.now_ms = until;
    }

    fn take(&mut self, step: Step) {
        self.event = step.event;
        self.effects.extend(step.effects);
        self.told.extend(step.happened.iter().map(|happening| happening.name()));
    }

    fn state(&self) -> &'static str {
        self.event.state.name()
    }
}

fn in_an_hour() -> Schedule {
    Schedule { start_ms: START + HOUR, duration_ms: 2 * HOUR }
}
