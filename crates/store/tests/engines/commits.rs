use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use futures_util::future::join_all;
use uuid::Uuid;
use weir_store::{Answer, Store, StoreError};

use crate::change::{activated, created, credentials, deed, placed, scheduled, webhook};
use crate::place::{Place, seal};

pub async fn an_event_comes_back_as_it_was_stored(place: Place) {
    let store = place.open().await;
    let first = created("A talk, “naïve” and 💧");
    store.commit(&first).await.expect("stored");
    assert_eq!(store.event(first.event.id).await.expect("read"), Some(first.event.clone()));
    let second = scheduled(&first.event);
    store.commit(&second).await.expect("stored");
    assert_eq!(store.event(first.event.id).await.expect("read"), Some(second.event));
    assert_eq!(store.event(Uuid::now_v7()).await.expect("read"), None);
}

pub async fn a_change_decided_on_an_old_version_is_a_conflict(place: Place) {
    let store = place.open().await;
    let first = created("A talk");
    store.commit(&first).await.expect("stored");
    let (one, other) = (activated(&first.event), placed(&first.event));
    store.commit(&one).await.expect("stored");
    assert!(matches!(store.commit(&other).await, Err(StoreError::Conflict)));
    assert_eq!(store.event(first.event.id).await.expect("read"), Some(one.event));
    assert_eq!(store.audit(None, 9).await.expect("read").len(), 2);
}

pub async fn an_id_is_given_once(place: Place) {
    let store = place.open().await;
    let first = created("A talk");
    store.commit(&first).await.expect("stored");
    assert!(matches!(store.commit(&first).await, Err(StoreError::Conflict)));
    let unknown = activated(&created("Never stored").event);
    assert!(matches!(store.commit(&unknown).await, Err(StoreError::Conflict)));
}

pub async fn a_change_that_fails_at_the_end_leaves_nothing(place: Place) {
    let store = place.open().await;
    let hook = webhook("https://one.example");
    store.create_webhook(&hook, &deed("webhook.create")).await.expect("stored");
    let mut change = created("A talk");
    let body = seal().seal("answer", Uuid::nil(), "{}").expect("sealed");
    change.credentials = Some(credentials(change.event.id, "key"));
    // Nobody has reserved this: the last statement finds no row.
    change.answer = Some(Answer { id: Uuid::now_v7(), status: 200, body });
    assert!(matches!(store.commit(&change).await, Err(StoreError::Conflict)));
    assert!(!is_there(&store, &change.event.id, &hook.id).await);
    assert_eq!(store.event_of_key(&seal().digest("stream key", "key")).await.expect("read"), None);
    change.answer = None;
    store.commit(&change).await.expect("stored");
    assert!(is_there(&store, &change.event.id, &hook.id).await);
}

pub async fn a_change_that_is_broken_off_is_there_as_a_whole_or_not_at_all(place: Place) {
    let hook = webhook("https://one.example");
    place.open().await.create_webhook(&hook, &deed("webhook.create")).await.expect("stored");
    // A little later each time. How many polls a commit needs depends on how quick the database is.
    for polls in (1..=16).chain(1..=8) {
        let store = place.open().await;
        let change = created("A talk");
        let completed = polled(store.commit(&change), polls).await.is_some();
        // Waits until what was broken off is undone, or has come through after all.
        store.close().await;
        let store = place.open().await;
        let there = is_there(&store, &change.event.id, &hook.id).await;
        assert!(there || !completed, "it was promised after {polls} polls");
        store.commit(&created("The next")).await.expect("nothing stands in the way");
        store.close().await;
    }
}

pub async fn of_many_changes_at_once_one_wins(place: Place) {
    let store = place.open().await;
    let first = created("A talk");
    store.commit(&first).await.expect("stored");
    let change = activated(&first.event);
    let results = join_all((0..8).map(|_| {
        let (store, change) = (store.clone(), change.clone());
        async move { tokio::spawn(async move { store.commit(&change).await }).await.expect("no panic") }
    }))
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|result| matches!(result, Err(StoreError::Conflict))), "{lost:?}");
}

pub async fn two_stores_write_at_once_and_both_succeed(place: Place) {
    let stores = [place.open().await, place.open().await];
    let hook = webhook("https://one.example");
    stores[0].create_webhook(&hook, &deed("webhook.create")).await.expect("stored");
    let writers = (0..8).map(|n| {
        let store = stores[n % 2].clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                let change = created("A talk");
                store.commit(&change).await.expect("stored");
                let read = store.event(change.event.id).await.expect("read").expect("who stored it finds it");
                store.commit(&activated(&read)).await.expect("stored");
                store.append_audit(&deed("look")).await.expect("stored");
            }
        })
    });
    for written in join_all(writers).await {
        written.expect("no panic");
    }
    for store in stores {
        assert_eq!(store.events(Default::default(), None, 500).await.expect("read").len(), 80);
        assert_eq!(store.audit(None, 500).await.expect("read").len(), 241);
    }
}

/// Whether a new event is there with what belongs to it; half of it is an error.
async fn is_there(store: &Store, event: &Uuid, hook: &Uuid) -> bool {
    let event_is = store.event(*event).await.expect("read").is_some();
    let told = store.deliveries(*hook, None, 500).await.expect("read");
    assert_eq!(told.iter().any(|delivery| delivery.event == *event), event_is, "the messages differ from the event");
    // Every message there is belongs to one change, and so does every deed but that of the webhook.
    assert_eq!(store.audit(None, 500).await.expect("read").len(), told.len() + 1, "the deeds differ from the messages");
    event_is
}

/// Polls `work` so many times at most, and drops it then.
async fn polled<T>(work: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}
