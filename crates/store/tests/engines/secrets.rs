use uuid::Uuid;
use weir_store::{ApiToken, Credentials, MasterKey, Seal, StoreError};

use crate::change::{MINUTE, NOW, activated, created, credentials, deed, stopped};
use crate::place::{Place, seal};

fn token(name: &str) -> ApiToken {
    let (name, role) = (name.to_owned(), "operator".to_owned());
    ApiToken { id: Uuid::now_v7(), name, role, created_ms: NOW, last_used_ms: None, revoked_ms: None }
}

pub async fn credentials_are_replaced_and_die_with_their_event(place: Place) {
    let store = place.open().await;
    let mut change = created("A talk");
    let id = change.event.id;
    change.credentials = Some(credentials(id, "old key"));
    store.commit(&change).await.expect("stored");
    let mut rotated = activated(&change.event);
    rotated.credentials = Some(credentials(id, "new key"));
    store.commit(&rotated).await.expect("stored");

    assert_eq!(store.credentials(id).await.expect("read"), rotated.credentials);
    assert_eq!(store.credentials_of_unfinished().await.expect("read"), Vec::from_iter(rotated.credentials));
    assert!(store.credentials_of_ended(None, 10).await.expect("read").is_empty());
    let event_of = async |key: &str| store.event_of_key(&seal().digest("stream key", key)).await.expect("read");
    assert_eq!((event_of("old key").await, event_of("new key").await), (None, Some(id)));

    store.commit(&stopped(&rotated.event)).await.expect("stored");
    assert!(store.credentials_of_unfinished().await.expect("read").is_empty());
    let past = store.credentials_of_ended(None, 10).await.expect("read");
    assert_eq!(past.iter().map(|credentials| credentials.event).collect::<Vec<_>>(), [id]);
    assert!(store.credentials_of_ended(Some(id), 10).await.expect("read").is_empty());
    assert_eq!(event_of("new key").await, Some(id), "an old key can be named as such");
}

pub async fn a_key_opens_one_event_only(place: Place) {
    let store = place.open().await;
    let [mut first, mut second] = ["First", "Second"].map(created);
    first.credentials = Some(credentials(first.event.id, "key"));
    second.credentials = Some(credentials(second.event.id, "key"));
    store.commit(&first).await.expect("stored");
    assert!(matches!(store.commit(&second).await, Err(StoreError::Conflict)));
    assert_eq!(store.event(second.event.id).await.expect("read"), None);
}

pub async fn a_secret_that_is_moved_to_another_row_cannot_be_read(place: Place) {
    let store = place.open().await;
    let [mut first, mut second] = ["First", "Second"].map(created);
    first.credentials = Some(credentials(first.event.id, "first key"));
    second.credentials = Some(credentials(second.event.id, "second key"));
    store.commit(&first).await.expect("stored");
    store.commit(&second).await.expect("stored");
    let read = |found: &Credentials| seal().unseal("stream key", found.event, &found.secret);
    let all = store.credentials_of_unfinished().await.expect("read");
    assert_eq!(all.iter().map(|found| read(found).expect("opened")).collect::<Vec<_>>(), ["first key", "second key"]);

    place.tamper("UPDATE credentials SET secret = (SELECT MIN(secret) FROM credentials)").await;
    let all = store.credentials_of_unfinished().await.expect("read");
    assert_eq!(all.iter().filter(|found| read(found).is_ok()).count(), 1, "only where it belongs");
}

pub async fn another_master_key_is_found_out(place: Place) {
    let store = place.open().await;
    store.check_seal(&seal()).await.expect("the first");
    store.check_seal(&seal()).await.expect("the same");
    let other = Seal::open(&MasterKey::from_bytes([8; 32]));
    let error = place.open().await.check_seal(&other).await.expect_err("another");
    assert!(matches!(error, StoreError::OtherMasterKey));
    assert!(error.to_string().contains("another master key"), "{error}");
}

pub async fn a_token_works_until_it_is_revoked(place: Place) {
    let store = place.open().await;
    let (one, other) = (token("one"), token("other"));
    let [digest, unknown] = ["one", "unknown"].map(|secret| seal().digest("token", secret));
    store.create_token(&one, &digest, &deed("token.create")).await.expect("stored");
    let twice = store.create_token(&other, &digest, &deed("token.create")).await;
    assert!(matches!(twice, Err(StoreError::Conflict)), "{twice:?}");
    assert_eq!(store.token_by_digest(&digest).await.expect("read"), Some(one.clone()));
    assert_eq!(store.token_by_digest(&unknown).await.expect("read"), None);

    for at_ms in [NOW, NOW + MINUTE] {
        store.revoke_token(one.id, at_ms, &deed("token.revoke")).await.expect("revoked");
    }
    assert_eq!(store.token_by_digest(&digest).await.expect("read"), None);
    assert_eq!(store.tokens().await.expect("read"), [ApiToken { revoked_ms: Some(NOW), ..one }]);
    let nobody = store.revoke_token(other.id, NOW, &deed("token.revoke")).await;
    assert!(matches!(nobody, Err(StoreError::NotFound)), "{nobody:?}");
    let deeds = store.audit(None, 9).await.expect("read");
    let actions: Vec<_> = deeds.iter().map(|row| row.entry.action.as_str()).collect();
    assert_eq!(actions, ["token.revoke", "token.revoke", "token.create"], "what failed was not done");
}

pub async fn the_last_use_of_a_token_is_written_once_a_minute(place: Place) {
    let store = place.open().await;
    let (mine, digest) = (token("one"), seal().digest("token", "one"));
    store.create_token(&mine, &digest, &deed("token.create")).await.expect("stored");
    for (at_ms, wanted) in [(0, 0), (MINUTE - 1, 0), (MINUTE, MINUTE), (MINUTE + 5, MINUTE)] {
        // As it was first read, and as it is now.
        let now = store.token_by_digest(&digest).await.expect("read").expect("is there");
        for token in [&mine, &now] {
            store.touch_token(token, NOW + at_ms).await.expect("touched");
        }
        let used_ms = store.tokens().await.expect("read")[0].last_used_ms;
        assert_eq!(used_ms, Some(NOW + wanted), "after {at_ms} ms");
    }
}
