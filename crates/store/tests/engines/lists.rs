use uuid::Uuid;
use weir_events::{Account, Event, Quality, Source};
use weir_store::{AuditEntry, Filter, PAGE_ROWS_MAX};

use crate::change::{NOW, change, created, deed, scheduled, stopped};
use crate::place::Place;

pub async fn events_come_in_pages_newest_first(place: Place) {
    let store = place.open().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let change = created(&format!("Talk {n}"));
        store.commit(&change).await.expect("stored");
        ids.insert(0, change.event.id);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.events(Filter::default(), after, 3).await.expect("read");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|event| event.id));
        // What comes in meanwhile is newer, and moves nothing.
        store.commit(&created("In between")).await.expect("stored");
    }
    assert_eq!(seen, ids);
}

pub async fn events_are_found_by_state_and_account(place: Place) {
    let store = place.open().await;
    let club = Account { id: Uuid::now_v7(), name: "a club".to_owned(), ..Account::unlimited() };
    store.put_account(&club, &deed("account.put")).await.expect("stored");
    let source = Source::Srt { input: Quality::P720 };
    let theirs = change(&Event::create(Uuid::now_v7(), club.id, "Theirs", source, NOW).expect("a draft"));
    let ours = created("Ours");
    let planned = scheduled(&ours.event);
    let draft = created("A draft");
    for change in [&theirs, &ours, &planned, &draft] {
        store.commit(change).await.expect("stored");
    }
    let (theirs, ours, draft) = (theirs.event.id, ours.event.id, draft.event.id);
    let club = Some(club.id);
    for (state, account, wanted) in [
        (None, None, vec![draft, ours, theirs]),
        (Some("draft"), None, vec![draft, theirs]),
        (Some("scheduled"), None, vec![ours]),
        (None, club, vec![theirs]),
        (Some("draft"), club, vec![theirs]),
        (Some("scheduled"), club, vec![]),
        (Some("no such state"), None, vec![]),
    ] {
        let found = store.events(Filter { state, account }, None, 9).await.expect("read");
        assert_eq!(found.iter().map(|event| event.id).collect::<Vec<_>>(), wanted, "{state:?} {account:?}");
    }
}

pub async fn unfinished_events_are_all_that_have_not_ended(place: Place) {
    let store = place.open().await;
    let [first, second] = ["First", "Second"].map(created);
    for change in [&first, &second, &scheduled(&second.event)] {
        store.commit(change).await.expect("stored");
    }
    let ids = async || store.unfinished_events().await.expect("read").iter().map(|event| event.id).collect::<Vec<_>>();
    assert_eq!(ids().await, [first.event.id, second.event.id]);
    store.commit(&stopped(&first.event)).await.expect("stored");
    assert_eq!(ids().await, [second.event.id]);
}

pub async fn the_audit_comes_in_pages_newest_first(place: Place) {
    let store = place.open().await;
    for n in 0..5 {
        store.append_audit(&AuditEntry { at_ms: NOW + n, ..deed("look") }).await.expect("stored");
    }
    let first = store.audit(None, 2).await.expect("read");
    let second = store.audit(first.last().map(|row| row.id), 9).await.expect("read");
    let times: Vec<_> = first.iter().chain(&second).map(|row| row.entry.at_ms - NOW).collect();
    assert_eq!(times, [4, 3, 2, 1, 0]);
    assert_eq!(second[2].entry, deed("look"));
}

pub async fn a_list_has_an_end_whatever_is_asked(place: Place) {
    let store = place.open().await;
    for _ in 0..=PAGE_ROWS_MAX {
        store.append_audit(&deed("look")).await.expect("stored");
    }
    assert_eq!(store.audit(None, u32::MAX).await.expect("read").len(), PAGE_ROWS_MAX as usize);
    assert!(store.audit(None, 0).await.expect("read").is_empty());
}
