use std::collections::HashSet;

use futures_util::future::join_all;
use uuid::Uuid;
use weir_store::{DeliveryState, Store, StoreError, Webhook};

use crate::change::{MINUTE, NOW, activated, created, deed, stopped, webhook};
use crate::place::{Place, seal};

/// Until when a delivery is taken that is taken now.
const UNTIL: i64 = NOW + MINUTE;

async fn with_webhooks<const N: usize>(place: &Place, urls: [&str; N]) -> (Store, [Webhook; N]) {
    let store = place.open().await;
    let hooks = urls.map(webhook);
    for hook in &hooks {
        store.create_webhook(hook, &deed("webhook.create")).await.expect("stored");
    }
    (store, hooks)
}

async fn state(store: &Store, hook: Uuid) -> DeliveryState {
    store.deliveries(hook, None, 9).await.expect("read")[0].state
}

pub async fn what_happened_is_told_to_every_active_webhook(place: Place) {
    let (store, [one, two, off]) =
        with_webhooks(&place, ["https://one.example", "https://two.example", "https://off.example"]).await;
    store.set_webhook_active(off.id, false, &deed("webhook.off")).await.expect("switched off");
    let change = created("A talk");
    store.commit(&change).await.expect("stored");
    store.commit(&stopped(&change.event)).await.expect("stored");
    // Too late for what was before.
    let late = webhook("https://late.example");
    store.create_webhook(&late, &deed("webhook.create")).await.expect("stored");

    for hook in [&one, &two] {
        let told = store.deliveries(hook.id, None, 9).await.expect("read");
        assert_eq!(
            told.iter().map(|delivery| delivery.kind.as_str()).collect::<Vec<_>>(),
            ["event.ended", "event.created"]
        );
        let older = store.deliveries(hook.id, Some(told[0].outbox), 9).await.expect("read");
        assert_eq!(older, told[1..]);
    }
    for hook in [&off, &late] {
        assert!(store.deliveries(hook.id, None, 9).await.expect("read").is_empty());
    }
    let due = store.take_due_deliveries(NOW, UNTIL, 9).await.expect("taken");
    assert_eq!(due.len(), 4);
    let first = &due[0];
    assert_eq!((first.event, first.kind.as_str(), first.number), (change.event.id, "event.created", 1));
    assert_eq!(first.body, change.told[0].body);
    assert_eq!(seal().unseal("webhook secret", first.webhook, &first.secret).expect("read"), "a secret");
    let listed = store.webhooks().await.expect("read");
    assert_eq!(listed, [one.clone(), two, Webhook { active: false, ..off }, late]);
    assert_eq!(store.webhook(one.id).await.expect("read"), Some(one));
}

pub async fn a_delivery_is_taken_by_one_only(place: Place) {
    let (store, _) = with_webhooks(&place, ["https://one.example", "https://two.example"]).await;
    for n in 0..10 {
        store.commit(&created(&format!("Talk {n}"))).await.expect("stored");
    }
    let mut takers = Vec::new();
    for _ in 0..6 {
        let store = place.open().await;
        takers.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            // Others may have been quicker with what was just seen, so that some come back with little.
            while store.next_delivery_ms().await.expect("read").is_some_and(|due_ms| due_ms <= NOW) {
                taken.extend(store.take_due_deliveries(NOW, UNTIL, 3).await.expect("taken"));
            }
            taken
        }));
    }
    let taken: Vec<_> = join_all(takers).await.into_iter().flat_map(|taken| taken.expect("no panic")).collect();
    let different: HashSet<_> = taken.iter().map(|attempt| (attempt.webhook, attempt.outbox)).collect();
    assert_eq!((taken.len(), different.len()), (20, 20));
}

pub async fn what_is_not_reported_is_due_again(place: Place) {
    let (store, _) = with_webhooks(&place, ["https://one.example"]).await;
    assert_eq!(store.next_delivery_ms().await.expect("read"), None);
    store.commit(&created("A talk")).await.expect("stored");
    assert_eq!(store.next_delivery_ms().await.expect("read"), Some(NOW));
    assert!(store.take_due_deliveries(NOW - 1, UNTIL, 9).await.expect("taken").is_empty());
    assert_eq!(store.take_due_deliveries(NOW, UNTIL, 9).await.expect("taken").len(), 1);
    assert_eq!(store.next_delivery_ms().await.expect("read"), Some(UNTIL));
    assert!(store.take_due_deliveries(UNTIL - 1, UNTIL, 9).await.expect("taken").is_empty());
    let again = store.take_due_deliveries(UNTIL, UNTIL + MINUTE, 9).await.expect("taken");
    assert_eq!(again[0].number, 2);
}

pub async fn a_failure_is_tried_again_until_it_is_given_up(place: Place) {
    let (store, [hook]) = with_webhooks(&place, ["https://one.example"]).await;
    store.commit(&created("A talk")).await.expect("stored");
    let first = store.take_due_deliveries(NOW, UNTIL, 9).await.expect("taken").remove(0);
    store.delivery_failed(&first, &"long\0 ".repeat(999), Some(NOW + 5)).await.expect("noted");
    assert_eq!(store.next_delivery_ms().await.expect("read"), Some(NOW + 5));
    let second = store.take_due_deliveries(NOW + 5, UNTIL, 9).await.expect("taken").remove(0);
    store.delivery_failed(&second, "503", None).await.expect("noted");
    assert_eq!(store.next_delivery_ms().await.expect("read"), None);
    let listed = store.deliveries(hook.id, None, 9).await.expect("read").remove(0);
    assert_eq!((listed.state, listed.attempts, listed.error.as_deref()), (DeliveryState::GivenUp, 2, Some("503")));
}

pub async fn who_was_too_slow_changes_nothing_any_more(place: Place) {
    let (store, [hook]) = with_webhooks(&place, ["https://one.example"]).await;
    store.commit(&created("A talk")).await.expect("stored");
    let slow = store.take_due_deliveries(NOW, UNTIL, 9).await.expect("taken").remove(0);
    let quick = store.take_due_deliveries(UNTIL, UNTIL + MINUTE, 9).await.expect("taken").remove(0);
    store.delivery_failed(&slow, "timeout", None).await.expect("no effect");
    assert_eq!(state(&store, hook.id).await, DeliveryState::Waiting { due_ms: UNTIL + MINUTE });
    store.delivered(&quick, UNTIL + 1).await.expect("noted");
    store.delivery_failed(&slow, "timeout", Some(NOW)).await.expect("no effect");
    store.delivered(&slow, UNTIL + 2).await.expect("no effect");
    assert_eq!(state(&store, hook.id).await, DeliveryState::Delivered { at_ms: UNTIL + 1 });
    assert_eq!(store.next_delivery_ms().await.expect("read"), None);
}

pub async fn a_webhook_that_is_switched_off_keeps_its_messages(place: Place) {
    let (store, [hook]) = with_webhooks(&place, ["https://one.example"]).await;
    store.commit(&created("A talk")).await.expect("stored");
    store.set_webhook_active(hook.id, false, &deed("webhook.off")).await.expect("switched off");
    assert_eq!(store.next_delivery_ms().await.expect("read"), None);
    assert!(store.take_due_deliveries(NOW, UNTIL, 9).await.expect("taken").is_empty());
    store.set_webhook_active(hook.id, true, &deed("webhook.on")).await.expect("switched on");
    assert_eq!(store.take_due_deliveries(NOW, UNTIL, 9).await.expect("taken").len(), 1);
}

pub async fn a_deleted_webhook_leaves_nothing_due(place: Place) {
    let (store, [gone, stays]) = with_webhooks(&place, ["https://one.example", "https://two.example"]).await;
    store.commit(&created("A talk")).await.expect("stored");
    store.delete_webhook(gone.id, &deed("webhook.delete")).await.expect("deleted");
    let again = store.delete_webhook(gone.id, &deed("webhook.delete")).await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
    let switched = store.set_webhook_active(gone.id, true, &deed("webhook.on")).await;
    assert!(matches!(switched, Err(StoreError::NotFound)), "{switched:?}");
    assert!(store.deliveries(gone.id, None, 9).await.expect("read").is_empty());
    let due = store.take_due_deliveries(NOW, UNTIL, 9).await.expect("taken");
    assert_eq!(due.iter().map(|attempt| attempt.webhook).collect::<Vec<_>>(), [stays.id]);
    assert_eq!(store.webhooks().await.expect("read"), [stays]);
}

pub async fn old_messages_are_forgotten(place: Place) {
    let (store, [hook]) = with_webhooks(&place, ["https://one.example"]).await;
    let mut old = created("A talk");
    old.at_ms = NOW - 2 * MINUTE;
    store.commit(&old).await.expect("stored");
    store.commit(&activated(&old.event)).await.expect("stored");
    assert_eq!(store.prune(NOW, NOW - MINUTE).await.expect("pruned"), 1);
    let kept = store.deliveries(hook.id, None, 9).await.expect("read");
    assert_eq!(kept.iter().map(|delivery| delivery.kind.as_str()).collect::<Vec<_>>(), ["event.edited"]);
    assert_eq!(store.next_delivery_ms().await.expect("read"), Some(NOW));
}
