//! Runs events: joins their rules, the store, the broadcasts and what the public sees.
//!
//! A [`Director`] is one task that alone changes events (`desk`). Commands come to it from the API, facts from the clock and
//! from the channels of running events, which it looks at four times a second. Each is put to the rules
//! (`weir-events`), what comes of it is stored as a whole (`weir-store`), and then the world is made to be as the event
//! says (`stage`): its channel open, its key known at the gate, its playlists private, public or gone. Because that follows
//! from the state alone, a daemon that was killed does the same when it starts again. `webhooks` tells others.

mod clock;
mod config;
mod credentials;
mod desk;
mod director;
mod error;
mod stage;
mod view;
mod webhooks;

pub use clock::Clock;
pub use config::{Config, IngestUrls};
pub use credentials::{IssuedCredentials, random_text};
pub use desk::HEALTH;
pub use director::{Change, Director, Parts, Running};
pub use error::DirectorError;
pub use view::{EventView, HealthView, timestamp};
pub use webhooks::{WEBHOOK_SECRET, deliver, describe_metrics};
