use weir_packager::Snapshot;

use crate::token::{Audience, Grant, TokenFault};

/// Who may play what is on air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Free,
    /// Whoever has a token for it.
    Paid,
}

/// What a request shows at the door: the grant of the token in its path, or why it has none.
#[derive(Debug)]
pub(crate) struct Pass(Result<Grant, TokenFault>);

/// The door of one channel, and who stands before it. Asked on each request and, while a request is held, on each new
/// snapshot: an event goes on air, and a token expires, in between.
#[derive(Debug)]
pub(crate) struct Door {
    access: Access,
    pass: Pass,
}

/// How a door stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoEntry {
    /// There is nothing, as far as this request is concerned: what is private is not there for anybody else, whatever
    /// token they have, and no reason is given.
    NothingThere,
    /// Everybody may know that it is on air, so whoever has no token for it is told why.
    Token(TokenFault),
}

impl Pass {
    pub(crate) fn new(verified: Result<Grant, TokenFault>) -> Self {
        Self(verified)
    }

    /// What it grants at `now_s`, in seconds since 1970.
    fn grant(&self, now_s: i64) -> Result<&Grant, TokenFault> {
        let grant = self.0.as_ref().map_err(|fault| *fault)?;
        if grant.is_over(now_s) { Err(TokenFault::Expired) } else { Ok(grant) }
    }
}

impl Door {
    pub(crate) fn new(access: Access, pass: Pass) -> Self {
        Self { access, pass }
    }

    /// Whether whoever stands there may see `snapshot` at `now_s`, in seconds since 1970.
    pub(crate) fn admits(&self, snapshot: &Snapshot, now_s: i64) -> Result<(), NoEntry> {
        let grant = self.pass.grant(now_s);
        if snapshot.private {
            let may = grant.is_ok_and(|grant| grant.audience == Audience::Preview);
            return if may { Ok(()) } else { Err(NoEntry::NothingThere) };
        }
        match (self.access, grant) {
            (Access::Free, _) | (Access::Paid, Ok(_)) => Ok(()),
            (Access::Paid, Err(fault)) => Err(NoEntry::Token(fault)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use weir_packager::{Edge, Playlist};

    use super::*;

    /// Something on air, or before it, with no renditions.
    pub(crate) fn snapshot(private: bool) -> Snapshot {
        Snapshot {
            multivariant: Playlist {
                plain: Bytes::new(),
                gzip: Bytes::new(),
                etag: "\"a\"".into(),
                gzip_etag: "\"a-gzip\"".into(),
            },
            renditions: Vec::new(),
            edge: Edge { next_msn: 10, parts: 0, last_parts: 0, target_duration_s: 2, part: None },
            published_at: Instant::now(),
            ended: false,
            private,
        }
    }

    /// The door of a paid event before somebody whose grant ends at 1000 s.
    pub(crate) fn door(audience: Audience) -> Door {
        Door::new(Access::Paid, Pass::new(Ok(Grant { audience, viewer: None, expires_s: 1000 })))
    }

    fn at(door: &Door, private: bool, now_s: i64) -> Result<(), NoEntry> {
        door.admits(&snapshot(private), now_s)
    }

    #[test]
    fn a_door_closes_when_the_grant_ends() {
        let (nothing, expired) = (Err(NoEntry::NothingThere), Err(NoEntry::Token(TokenFault::Expired)));
        for (audience, private, before, after) in [
            (Audience::Playback, false, Ok(()), expired),
            (Audience::Playback, true, nothing, nothing),
            (Audience::Preview, false, Ok(()), expired),
            (Audience::Preview, true, Ok(()), nothing),
        ] {
            let door = door(audience);
            assert_eq!((at(&door, private, 999), at(&door, private, 1000)), (before, after), "{audience:?}");
        }
    }

    #[test]
    fn what_is_free_asks_nothing_and_shows_nothing_before_its_time() {
        for fault in [TokenFault::Missing, TokenFault::Signature, TokenFault::Expired] {
            let door = Door::new(Access::Free, Pass::new(Err(fault)));
            assert_eq!((at(&door, false, 0), at(&door, true, 0)), (Ok(()), Err(NoEntry::NothingThere)), "{fault}");
        }
    }
}
