//! Lists, a page at a time.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Entries of a page when nobody says how many.
const LIMIT: u32 = 50;
/// The most there can be.
const LIMIT_MAX: u32 = 200;

/// Which page of a list.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// What the page before gave as `next`.
    pub cursor: Option<Uuid>,
    /// How many entries: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The cursor of the page that follows; nothing where this is the last.
    pub next: Option<Uuid>,
}

/// One more than the page has, so that it is known whether another follows.
pub fn wanted(limit: Option<u32>) -> u32 {
    limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX) + 1
}

impl<T> Page<T> {
    /// A page of `items`, of which there may be one too many.
    pub fn new(mut items: Vec<T>, wanted: u32, id: impl Fn(&T) -> Uuid) -> Self {
        let most = wanted.saturating_sub(1) as usize;
        let more = items.len() > most;
        items.truncate(most);
        Self { next: items.last().filter(|_| more).map(id), items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_begins_if_there_is_one() {
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        assert_eq!(Page::new(ids.clone(), wanted(Some(2)), |id| *id).next, Some(ids[1]));
        assert_eq!(Page::new(ids.clone(), wanted(Some(3)), |id| *id).next, None);
        assert_eq!((wanted(Some(0)), wanted(Some(9999)), wanted(None)), (2, 201, 51));
    }
}
