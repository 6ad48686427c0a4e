use futures_util::future::join_all;
use uuid::Uuid;
use weir_store::{Answer, Digest, Reservation, Store, StoreError};

use crate::change::{MINUTE, NOW, created};
use crate::place::{Place, seal};

const DAY: i64 = 24 * 60 * MINUTE;

fn fingerprint(request: &str) -> Digest {
    seal().digest("request", request)
}

fn answer(id: Uuid) -> Answer {
    Answer { id, status: 201, body: seal().seal("answer", id, "{\"token\":\"shown once\"}").expect("sealed") }
}

async fn reserve(store: &Store, now_ms: i64) -> Reservation {
    store.reserve_request("ann", "key", &fingerprint("POST /events"), now_ms).await.expect("reserved")
}

async fn reserve_new(store: &Store, now_ms: i64) -> Uuid {
    match reserve(store, now_ms).await {
        Reservation::New(id) => id,
        other => panic!("{other:?}"),
    }
}

pub async fn a_request_is_carried_out_once(place: Place) {
    let store = place.open().await;
    let id = reserve_new(&store, NOW).await;
    assert_eq!(reserve(&store, NOW + 1).await, Reservation::Running);
    let mut change = created("A talk");
    change.answer = Some(answer(id));
    store.commit(&change).await.expect("stored");
    let Reservation::Done(done) = reserve(&store, NOW + 2).await else { panic!("not done") };
    assert_eq!(Some(&done), change.answer.as_ref());
    assert_eq!(seal().unseal("answer", done.id, &done.body).expect("read"), "{\"token\":\"shown once\"}");
    // Neither does the answer change any more, nor can it be given up.
    assert!(matches!(store.finish_request(&answer(id)).await, Err(StoreError::Conflict)));
    store.give_up_request(id).await.expect("no effect");
    assert_eq!(reserve(&store, NOW + 3).await, Reservation::Done(done));
    // Keys belong to whoever sent them.
    let other = store.reserve_request("bob", "key", &fingerprint("POST /events"), NOW).await.expect("reserved");
    assert!(matches!(other, Reservation::New(_)));
}

pub async fn of_two_at_once_one_runs(place: Place) {
    let stores = [place.open().await, place.open().await];
    for round in 0..10 {
        let answers = join_all(stores.iter().map(|store| {
            let (store, key) = (store.clone(), format!("key {round}"));
            let reserve = async move { store.reserve_request("ann", &key, &fingerprint("POST /events"), NOW).await };
            tokio::spawn(reserve)
        }))
        .await;
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("no panic").expect("answered")).collect();
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Reservation::New(_))).count(), 1, "{answers:?}");
        assert!(answers.contains(&Reservation::Running), "{answers:?}");
    }
}

pub async fn a_key_used_for_something_else_is_told(place: Place) {
    let store = place.open().await;
    let id = reserve_new(&store, NOW).await;
    for _ in 0..2 {
        let other = store.reserve_request("ann", "key", &fingerprint("DELETE /events"), NOW).await.expect("reserved");
        assert_eq!(other, Reservation::OtherRequest);
        let _ = store.finish_request(&answer(id)).await;
    }
}

pub async fn a_request_that_died_is_taken_over_and_cannot_finish(place: Place) {
    let store = place.open().await;
    let dead = reserve_new(&store, NOW).await;
    assert_eq!(reserve(&store, NOW + MINUTE - 1).await, Reservation::Running);
    let next = reserve_new(&store, NOW + MINUTE).await;
    assert_ne!(dead, next);
    let mut change = created("A talk");
    change.answer = Some(answer(dead));
    assert!(matches!(store.commit(&change).await, Err(StoreError::Conflict)));
    assert_eq!(store.event(change.event.id).await.expect("read"), None);
    store.give_up_request(dead).await.expect("no effect");
    change.answer = Some(answer(next));
    store.commit(&change).await.expect("stored");
}

pub async fn a_request_that_was_given_up_may_be_tried_again(place: Place) {
    let store = place.open().await;
    let id = reserve_new(&store, NOW).await;
    store.give_up_request(id).await.expect("given up");
    assert_ne!(reserve_new(&store, NOW).await, id);
}

pub async fn answers_are_kept_for_a_day(place: Place) {
    let store = place.open().await;
    let id = reserve_new(&store, NOW).await;
    store.finish_request(&answer(id)).await.expect("finished");
    assert_eq!(store.prune(NOW + DAY - 1, 0).await.expect("pruned"), 0);
    assert!(matches!(reserve(&store, NOW + DAY - 1).await, Reservation::Done(_)));
    // Over is over, whether it has been pruned or not.
    let id = reserve_new(&store, NOW + DAY).await;
    store.finish_request(&answer(id)).await.expect("finished");
    assert_eq!(store.prune(NOW + 2 * DAY, 0).await.expect("pruned"), 1);
    reserve_new(&store, NOW + DAY).await;
}
