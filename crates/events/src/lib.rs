//! The rules of an event's life: when it may start, when it is over, who may hear of it.
//!
//! An [`Event`] takes [commands](Event::command) of its operator and [facts](Event::fact) that came about, each with the wall
//! clock of that moment, and answers with a [`Step`]: the event as it is then, what has to be done, and what is to be
//! told. Or with a [`Refusal`] that names the rule. Nothing here waits, stores or looks at a clock.

mod account;
mod command;
mod event;
mod fact;
mod refusal;
mod rules;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use account::Account;
pub use command::Command;
pub use event::{Event, Offer, Quality, Schedule, Source, TITLE_CHARS_MAX};
pub use fact::Fact;
pub use refusal::{Gate, Refusal};
pub use rules::Rules;
pub use state::{EndReason, Ended, Input, Phase, Run, State};
pub use step::{Effect, Happening, Step};
