//! Changes as the rules make them.

use serde_json::json;
use uuid::Uuid;
use weir_events::{Account, Command, Event, Offer, Quality, Rules, Schedule, Source, Step};
use weir_store::{AuditEntry, Change, Credentials, Told, Webhook};

use crate::place::seal;

/// A moment to begin at, in milliseconds since 1970.
pub const NOW: i64 = 1_800_000_000_000;
pub const MINUTE: i64 = 60_000;

pub fn deed(action: &str) -> AuditEntry {
    let (actor, subject) = ("tester".to_owned(), "something".to_owned());
    AuditEntry { at_ms: NOW, actor, action: action.to_owned(), subject, detail: json!({ "why": "a test" }) }
}

/// What stores a step.
pub fn change(step: &Step) -> Change {
    let told = step.happened.iter().map(|happening| {
        let body = json!({ "event": step.event.id, "version": step.event.version });
        Told { kind: happening.name().to_owned(), body }
    });
    Change {
        event: step.event.clone(),
        before: step.event.version - 1,
        at_ms: NOW,
        told: told.collect(),
        deed: deed("change"),
        credentials: None,
        answer: None,
    }
}

/// A draft.
pub fn created(title: &str) -> Change {
    let source = Source::Rtmp { input: Quality::P1080 };
    change(&Event::create(Uuid::now_v7(), Uuid::nil(), title, source, NOW).expect("a draft"))
}

/// What a command makes of an event.
pub fn commanded(event: &Event, command: Command) -> Change {
    change(&event.command(&command, &Account::unlimited(), &Rules::default(), NOW).expect("carried out"))
}

pub fn activated(event: &Event) -> Change {
    commanded(event, Command::Activate)
}

pub fn stopped(event: &Event) -> Change {
    commanded(event, Command::Stop)
}

pub fn placed(event: &Event) -> Change {
    commanded(event, Command::Place(Offer::Free))
}

pub fn scheduled(event: &Event) -> Change {
    commanded(event, Command::Schedule(Schedule { start_ms: NOW + 60 * MINUTE, duration_ms: 30 * MINUTE }))
}

pub fn credentials(event: Uuid, key: &str) -> Credentials {
    let secret = seal().seal("stream key", event, key).expect("sealed");
    Credentials { event, key_digest: seal().digest("stream key", key), secret, issued_ms: NOW }
}

pub fn webhook(url: &str) -> Webhook {
    let id = Uuid::now_v7();
    let secret = seal().seal("webhook secret", id, "a secret").expect("sealed");
    Webhook { id, url: url.to_owned(), secret, active: true, created_ms: NOW }
}
