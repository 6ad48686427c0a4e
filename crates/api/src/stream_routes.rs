//! What happens, as it happens: server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures_util::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use weir_director::{Change, HEALTH};

use crate::auth::Viewer;
use crate::extract::Id;
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;

/// Proxies close connections on which nothing comes; most wait for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a stream lasts: whoever listens comes again by themselves, and is asked then whether they still may.
const LASTS: Duration = Duration::from_secs(15 * 60);

/// Everything that happens to events, as server-sent events: the name says what (`event.live`), the data is the event.
/// `lagged` means that some were missed: look anew.
#[utoipa::path(get, path = "/stream", operation_id = "stream_all", tag = "stream",
    responses((status = 200, description = "One message for each thing that happens.", content_type = "text/event-stream", body = String), Refusals))]
pub async fn all(
    State(state): State<ApiState>,
    _: Viewer,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    stream(&state, None)
}

/// What happens to one event, as server-sent events. It begins with the event as it is (`event.state`).
#[utoipa::path(get, path = "/events/{id}/stream", operation_id = "stream_event", tag = "stream",
    params(("id" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "One message for each thing that happens.", content_type = "text/event-stream", body = String), Refusals))]
pub async fn one(
    State(state): State<ApiState>,
    _: Viewer,
    Id(id): Id,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let changes = state.director().changes();
    let event = state.store().event(id).await?.ok_or_else(|| Problem::not_found("event"))?;
    let first = Change { kind: "event.state", event: state.director().view(&event) };
    stream(&state, Some((id, first, changes)))
}

/// What is sent to one listener.
struct Listener {
    changes: Receiver<Change>,
    /// The event that alone matters, and the version of it that was shown.
    only: Option<(Uuid, u64)>,
    first: Option<Change>,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

fn stream(
    state: &ApiState,
    one: Option<(Uuid, Change, Receiver<Change>)>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>> + use<>>, Problem> {
    let busy = |_| Problem::busy("too many listen already, try again");
    let place = state.0.streams.clone().try_acquire_owned().map_err(busy)?;
    let listener = match one {
        Some((id, first, changes)) => {
            let only = Some((id, first.event.version));
            Listener { changes, only, first: Some(first), until: Instant::now() + LASTS, _place: place }
        }
        None => Listener {
            changes: state.director().changes(),
            only: None,
            first: None,
            until: Instant::now() + LASTS,
            _place: place,
        },
    };
    let messages = futures_util::stream::unfold(listener, |mut listener| async {
        listener.next().await.map(|message| (Ok(message), listener))
    });
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Listener {
    /// What came about before the event was shown is in it already.
    fn concerns(&self, change: &Change) -> bool {
        // A change of health is no change of the event.
        let is_new = |version| change.event.version > version || change.kind == HEALTH;
        self.only.is_none_or(|(id, version)| change.event.id == id && is_new(version))
    }

    /// The next message; `None` when nothing will happen any more.
    async fn next(&mut self) -> Option<Message> {
        if let Some(first) = self.first.take() {
            return Some(message(&first));
        }
        loop {
            // Silence to the end is an end too.
            let change = timeout_at(self.until, self.changes.recv()).await.ok()?;
            match change {
                Ok(change) if self.concerns(&change) => return Some(message(&change)),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    return Some(Message::default().event("lagged").data(missed.to_string()));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn message(change: &Change) -> Message {
    let data = serde_json::to_string(&change.event).unwrap_or_default();
    Message::default().event(change.kind).id(change.event.version.to_string()).data(data)
}
