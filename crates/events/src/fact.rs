//! What comes about without anybody's command.

use crate::account::Account;
use crate::event::Event;
use crate::refusal::{Gate, Refusal};
use crate::rules::Rules;
use crate::state::{EndReason, Input, Phase, Run, State};
use crate::step::{Effect, Happening, Step};

/// Something that came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Time passed, or the account changed.
    Clock,
    /// The encoder was let in.
    InputConnected,
    /// The encoder is gone, or silent for so long that it may as well be.
    InputLost,
    /// All renditions can be played.
    LadderUp,
    /// The daemon was away and is back: nobody could connect meanwhile, and that is not the encoder's fault.
    Restarted,
    /// The broadcast cannot go on, and why.
    Failed(String),
}

impl Event {
    /// Takes in a fact at `now_ms` (milliseconds since 1970); `None` when it changes nothing.
    pub fn fact(&self, fact: &Fact, account: &Account, rules: &Rules, now_ms: i64) -> Option<Step> {
        match (&self.state, fact) {
            (State::Scheduled { refused }, Fact::Clock | Fact::Restarted) => {
                self.time_has_come(refused, account, rules, now_ms)
            }
            (State::Running(run), Fact::Clock) => self.time_is_up(run, rules, now_ms),
            (State::Running(run), Fact::Restarted) => {
                // Its end stands; the wait for the encoder begins anew.
                if now_ms >= run.ends_ms {
                    return self.time_is_up(run, rules, now_ms);
                }
                let lost = matches!(run.input, Input::Connected { .. });
                let absent = Input::Absent { since_ms: now_ms };
                let step = self.running(Run { input: absent, ..*run }, Happening::InputLost);
                (run.input != Input::External).then_some(if lost { step } else { step.quietly() })
            }
            (State::Running(run), Fact::InputConnected) => {
                let connected = Input::Connected { since_ms: now_ms };
                matches!(run.input, Input::Absent { .. })
                    .then(|| self.running(Run { input: connected, ..*run }, Happening::InputConnected))
            }
            (State::Running(run), Fact::InputLost) => {
                let absent = Input::Absent { since_ms: now_ms };
                matches!(run.input, Input::Connected { .. })
                    .then(|| self.running(Run { input: absent, ..*run }, Happening::InputLost))
            }
            (State::Running(run), Fact::LadderUp) => {
                let is_first = run.phase == Phase::Ready && matches!(run.input, Input::Connected { .. });
                is_first.then(|| self.running(Run { phase: Phase::Preview, ..*run }, Happening::Preview))
            }
            (State::Running(_), Fact::Failed(why)) => Some(self.end(EndReason::Failed, Some(why.clone()), now_ms)),
            _ => None,
        }
    }

    /// When [`Fact::Clock`] will change something, in milliseconds since 1970; `None` when it never will.
    pub fn deadline_ms(&self, rules: &Rules) -> Option<i64> {
        match &self.state {
            State::Draft | State::Ended(_) => None,
            State::Scheduled { refused } => {
                let schedule = self.schedule?;
                let ready_ms = schedule.start_ms.saturating_sub(rules.lead_ms);
                Some(if refused.is_empty() { ready_ms } else { schedule.end_ms() })
            }
            State::Running(run) => {
                Some(self.no_input_ms(run, rules).map_or(run.ends_ms, |no_input_ms| no_input_ms.min(run.ends_ms)))
            }
        }
    }

    /// What has to be done for it to be as its state says: for a daemon that begins with what an earlier one stored.
    pub fn standing_effects(&self) -> Vec<Effect> {
        match &self.state {
            State::Running(run) if self.source.is_ingested() => match run.phase {
                Phase::Ready | Phase::Preview => vec![Effect::OpenBroadcast],
                Phase::Live { .. } => vec![Effect::OpenBroadcast, Effect::GoPublic],
            },
            _ => Vec::new(),
        }
    }

    fn time_has_come(&self, refused: &[Gate], account: &Account, rules: &Rules, now_ms: i64) -> Option<Step> {
        let schedule = self.schedule?;
        if now_ms < schedule.start_ms.saturating_sub(rules.lead_ms) {
            return None;
        }
        let refusal = match self.start(account, rules, now_ms, Self::ends_in_time_ms) {
            Ok(step) if now_ms < schedule.end_ms() => return Some(step),
            Ok(_) => None,
            Err(refusal) => Some(refusal),
        };
        if now_ms >= schedule.end_ms() {
            let why = refusal.map_or("nobody was there to start it".to_owned(), |refusal| refusal.to_string());
            return Some(self.end(EndReason::Failed, Some(why), now_ms));
        }
        let Some(Refusal::GatesMissing(gates)) = refusal else { return None };
        let news = gates != refused;
        news.then(|| Self { state: State::Scheduled { refused: gates }, ..self.clone() }.step(Happening::StartRefused))
    }

    fn time_is_up(&self, run: &Run, rules: &Rules, now_ms: i64) -> Option<Step> {
        // Whichever came first is the reason, also where nobody looked for a while.
        let no_input_ms = self.no_input_ms(run, rules).filter(|no_input_ms| *no_input_ms < run.ends_ms);
        match no_input_ms {
            Some(no_input_ms) if now_ms >= no_input_ms => Some(self.end(EndReason::NoInput, None, now_ms)),
            _ if now_ms >= run.ends_ms => Some(self.end(EndReason::Duration, None, now_ms)),
            _ => None,
        }
    }

    /// When a wait for the encoder ends the event. Before the planned start nobody has to be there.
    fn no_input_ms(&self, run: &Run, rules: &Rules) -> Option<i64> {
        let Input::Absent { since_ms } = run.input else { return None };
        let planned_ms = self.schedule.map_or(since_ms, |schedule| schedule.start_ms);
        Some(since_ms.max(planned_ms).saturating_add(rules.no_input_ms))
    }

    fn running(&self, run: Run, happening: Happening) -> Step {
        Self { state: State::Running(run), ..self.clone() }.step(happening)
    }
}

impl Step {
    /// The same step, of which nobody needs to hear.
    fn quietly(mut self) -> Self {
        self.happened.clear();
        self
    }
}
