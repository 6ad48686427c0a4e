use weir_store::{AuditEntry, Session, StoreError};

use crate::change::{MINUTE, NOW, deed};
use crate::place::{Place, seal};

fn session(secret: &str) -> Session {
    let (digest, csrf) = (seal().digest("session", secret), seal().digest("csrf", secret));
    Session { digest, csrf, created_ms: NOW, expires_ms: NOW + MINUTE }
}

pub async fn a_session_lasts_until_its_end(place: Place) {
    let store = place.open().await;
    let [mine, other] = ["mine", "other"].map(session);
    store.create_session(&mine).await.expect("stored");
    store.create_session(&other).await.expect("stored");
    assert!(matches!(store.create_session(&mine).await, Err(StoreError::Conflict)));
    let find = async |at_ms| store.session(&mine.digest, at_ms).await.expect("read");
    assert_eq!(find(NOW + MINUTE - 1).await, Some(mine.clone()));
    assert_eq!(find(NOW + MINUTE).await, None);
    store.delete_session(&mine.digest).await.expect("deleted");
    assert_eq!(find(NOW).await, None);
    assert_eq!(store.prune(NOW + MINUTE - 1, 0).await.expect("pruned"), 0);
    assert_eq!(store.prune(NOW + MINUTE, 0).await.expect("pruned"), 1);
}

pub async fn another_password_ends_all_sessions(place: Place) {
    let store = place.open().await;
    assert_eq!(store.password_hash().await.expect("read"), None);
    store.set_password_hash("$argon2id$one", &deed("password.set")).await.expect("set");
    let mine = session("mine");
    store.create_session(&mine).await.expect("stored");
    store.set_password_hash("$argon2id$two", &deed("password.set")).await.expect("set");
    assert_eq!(store.password_hash().await.expect("read").as_deref(), Some("$argon2id$two"));
    assert_eq!(store.session(&mine.digest, NOW).await.expect("read"), None);
}

pub async fn text_with_a_nul_is_refused(place: Place) {
    let store = place.open().await;
    let odd = AuditEntry { actor: "a\0b".to_owned(), ..deed("look") };
    assert!(matches!(store.append_audit(&odd).await, Err(StoreError::Nul)));
    assert!(store.audit(None, 9).await.expect("read").is_empty());
}
