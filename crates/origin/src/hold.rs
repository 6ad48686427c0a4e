use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE};
use hyper::{HeaderMap, Method, Response};
use tokio::sync::watch;
use tokio::time::timeout;
use weir_packager::{Edge, RenditionSnapshot, Snapshot};

use crate::access::Door;
use crate::body::Content;
use crate::directives::{Decision, Directives};
use crate::directory::Source;
use crate::live;
use crate::site::{bad_request, missing_live, no_entry, unavailable};

/// A request is held for so many target durations at most; then it is answered with 503, never with a playlist
/// that has not changed (rfc8216bis 6.2.5.2).
const HELD_TARGETS_MAX: u32 = 3;

/// Headers that the answer depends on. Most requests have none of them.
const KEPT: [HeaderName; 3] = [IF_NONE_MATCH, RANGE, IF_RANGE];

/// What of a rendition is asked for.
#[derive(Debug)]
pub(crate) enum Wanted<'a> {
    Playlist(Directives),
    IFrames(Directives),
    /// A file, by name.
    File(Cow<'a, str>),
}

/// A request for something of a rendition. Most are answered at once and borrow all of it.
pub(crate) struct Asked<'a> {
    pub(crate) wanted: Wanted<'a>,
    pub(crate) rendition: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    /// Whether a playlist is to be in the gzip coding.
    pub(crate) gzip: bool,
}

/// What is to be done now.
pub(crate) enum Look {
    Answer(Response<Content>),
    /// Look again when the snapshot changed. How long that may take in all.
    Hold(Duration),
}

/// A request that is held.
pub(crate) struct Held {
    asked: Kept,
    door: Door,
    source: Source,
    pub(crate) at_most: Duration,
}

/// A request with what it borrowed.
struct Kept {
    wanted: Wanted<'static>,
    rendition: Box<str>,
    method: Method,
    headers: HeaderMap,
    gzip: bool,
}

/// How holding ended.
pub(crate) struct Released {
    pub(crate) response: Response<Content>,
    /// The snapshot that released it.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
}

impl Asked<'_> {
    pub(crate) fn look(&self, snapshot: &Snapshot) -> Look {
        let edge = &snapshot.edge;
        let Some(rendition) = snapshot.rendition(self.rendition) else {
            return Look::Answer(missing_live());
        };
        match &self.wanted {
            Wanted::Playlist(directives) => {
                let delta = rendition.delta.as_ref().filter(|_| directives.skip);
                self.playlist(snapshot, directives, Some(delta.unwrap_or(&rendition.playlist)))
            }
            Wanted::IFrames(directives) => self.playlist(snapshot, directives, rendition.iframes.as_ref()),
            Wanted::File(name) => self.file(edge, rendition, name),
        }
    }

    fn playlist(
        &self,
        snapshot: &Snapshot,
        directives: &Directives,
        playlist: Option<&weir_packager::Playlist>,
    ) -> Look {
        let edge = &snapshot.edge;
        let Some(playlist) = playlist else { return Look::Answer(missing_live()) };
        // Once the playlist has its end there is nothing to wait for (rfc8216bis 6.2.5).
        let decision = if snapshot.ended { Decision::Deliver } else { directives.decide(edge) };
        match decision {
            Decision::Deliver => {
                let blocking = directives.is_blocking() && !snapshot.ended;
                Look::Answer(live::playlist(self.headers, self.gzip, playlist, edge, blocking))
            }
            Decision::Hold => Look::Hold(held_at_most(edge)),
            Decision::Refuse(why) => Look::Answer(bad_request(why, edge)),
        }
    }

    /// A file that is hinted at will come: the request for it is held (rfc8216bis 6.2.6).
    fn file(&self, edge: &Edge, rendition: &RenditionSnapshot, name: &str) -> Look {
        match rendition.media.get(name) {
            Some(file) => Look::Answer(live::media(self.method, self.headers, file)),
            None if rendition.hint.as_deref() == Some(name) => Look::Hold(held_at_most(edge)),
            None => Look::Answer(missing_live()),
        }
    }
}

impl Kept {
    /// Keeps of the headers what the answer depends on.
    fn new(asked: Asked<'_>) -> Self {
        let mut headers = HeaderMap::new();
        for name in KEPT {
            asked.headers.get_all(&name).iter().for_each(|value| {
                headers.append(&name, value.clone());
            });
        }
        let wanted = match asked.wanted {
            Wanted::Playlist(directives) => Wanted::Playlist(directives),
            Wanted::IFrames(directives) => Wanted::IFrames(directives),
            Wanted::File(name) => Wanted::File(Cow::Owned(name.into_owned())),
        };
        Self { wanted, rendition: asked.rendition.into(), method: asked.method.clone(), headers, gzip: asked.gzip }
    }

    fn look(&self, snapshot: &Snapshot) -> Look {
        let wanted = match &self.wanted {
            Wanted::Playlist(directives) => Wanted::Playlist(*directives),
            Wanted::IFrames(directives) => Wanted::IFrames(*directives),
            Wanted::File(name) => Wanted::File(Cow::Borrowed(name)),
        };
        let Self { rendition, method, headers, gzip, .. } = self;
        Asked { wanted, rendition, method, headers, gzip: *gzip }.look(snapshot)
    }
}

impl Held {
    /// Keeps a request until `source` changes, for `at_most` so long, before its `door`.
    pub(crate) fn new(asked: Asked<'_>, door: Door, source: Source, at_most: Duration) -> Self {
        Self { asked: Kept::new(asked), door, source, at_most }
    }

    /// Waits for the snapshot that answers the request or may not be seen any more, for the end of the patience, or for
    /// the end of the origin. `now_s` reads the wall clock, in seconds since 1970.
    pub(crate) async fn released(mut self, closing: &mut watch::Receiver<bool>, now_s: fn() -> i64) -> Released {
        let at_most = self.at_most;
        let answered = async {
            while self.source.changed().await.is_ok() {
                let snapshot = self.source.borrow_and_update().clone();
                let Some(shown) = snapshot.as_deref() else { break };
                if let Err(why) = self.door.admits(shown, now_s()) {
                    return Released { response: no_entry(why), snapshot: None };
                }
                if let Look::Answer(response) = self.asked.look(shown) {
                    return Released { response, snapshot };
                }
            }
            Released { response: missing_live(), snapshot: None }
        };
        tokio::select! {
            // In this order, so that nothing else is looked at when the answer is there.
            biased;
            outcome = timeout(at_most, answered) => {
                outcome.unwrap_or_else(|_| Released { response: unavailable(), snapshot: None })
            }
            () = crate::connection::closed(closing) => Released { response: unavailable(), snapshot: None },
        }
    }
}

fn held_at_most(edge: &Edge) -> Duration {
    Duration::from_secs(u64::from(HELD_TARGETS_MAX * edge.target_duration_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tests::{door, snapshot};
    use crate::token::Audience;

    /// Status of the answer to a request that was held until `next` was published, 1000 s after 1970.
    async fn released(audience: Audience, next: Snapshot) -> u16 {
        let (publish, mut source) = watch::channel(Some(Arc::new(snapshot(false))));
        source.mark_unchanged();
        let wanted = Wanted::Playlist(Directives::default());
        let headers = HeaderMap::new();
        let asked = Asked { wanted, rendition: "720p", method: &Method::GET, headers: &headers, gzip: true };
        let held = Held::new(asked, door(audience), source, Duration::from_secs(6));
        publish.send_replace(Some(Arc::new(next)));
        let (_close, mut closing) = watch::channel(false);
        held.released(&mut closing, || 1000).await.response.status().as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn a_grant_that_ended_while_its_request_was_held_opens_nothing_more() {
        assert_eq!(released(Audience::Playback, snapshot(false)).await, 403);
        assert_eq!(released(Audience::Preview, snapshot(true)).await, 404);
    }
}
