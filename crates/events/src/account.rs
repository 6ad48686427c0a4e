//! Who pays, and for what.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::refusal::Gate;

/// An account with what its plan includes. Whoever hosts weir for themselves has one, unlimited, and never sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// Whether the plan has live ingest.
    pub live_ingest: bool,
    /// Minutes of encoding that are left; below zero once a broadcast went into the red. `None` is without limit.
    pub encoding_minutes_left: Option<i64>,
    /// Bytes of egress that are left, likewise.
    pub egress_bytes_left: Option<i64>,
}

impl Account {
    /// The account of those who never think of accounts.
    pub fn unlimited() -> Self {
        let (name, none) = ("default".to_owned(), None);
        Self { id: Uuid::nil(), name, live_ingest: true, encoding_minutes_left: none, egress_bytes_left: none }
    }

    /// What in the plan forbids a start. Running out later never cuts a picture.
    pub(crate) fn missing(&self) -> impl Iterator<Item = Gate> {
        let spent = |left: Option<i64>| left.is_some_and(|left| left <= 0);
        let gates = [
            (!self.live_ingest, Gate::LiveIngest),
            (spent(self.encoding_minutes_left), Gate::EncodingCredit),
            (spent(self.egress_bytes_left), Gate::EgressCredit),
        ];
        gates.into_iter().filter_map(|(is_missing, gate)| is_missing.then_some(gate))
    }
}
