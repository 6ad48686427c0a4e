use std::error::Error as _;

use futures_util::future::join_all;
use uuid::Uuid;
use weir_events::Account;
use weir_store::{Store, StoreError};

use crate::change::{created, deed};
use crate::place::Place;

pub async fn a_database_that_is_opened_again_has_everything(place: Place) {
    let store = place.open().await;
    let change = created("A talk");
    store.commit(&change).await.expect("stored");
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.event(change.event.id).await.expect("read"), Some(change.event));
}

pub async fn many_may_open_a_new_database_at_once(place: Place) {
    let stores = join_all((0..6).map(|_| async {
        let url = place.url();
        tokio::spawn(async move { Store::open(&url).await }).await.expect("no panic").expect("opened")
    }));
    for store in stores.await {
        store.commit(&created("A talk")).await.expect("stored");
    }
}

pub async fn the_schema_of_a_newer_weir_is_refused(place: Place) {
    place.open().await.close().await;
    place.tamper("UPDATE _sqlx_migrations SET version = 9999").await;
    let error = Store::open(&place.url()).await.expect_err("newer");
    assert!(matches!(error, StoreError::NewerSchema { version: 9999 }), "{error:?}");
    assert!(error.to_string().contains("newer weir"), "{error}");
    assert!(error.source().is_none());
}

pub async fn what_cannot_be_read_is_named(place: Place) {
    let store = place.open().await;
    let change = created("A talk");
    store.commit(&change).await.expect("stored");
    for (damage, column) in [
        ("UPDATE events SET version = 7", "doc"),
        ("UPDATE events SET doc = '{}'", "doc"),
        ("UPDATE accounts SET live_ingest = 2", "live_ingest"),
    ] {
        place.tamper(damage).await;
        let (event, account) = (store.event(change.event.id).await, store.account(Uuid::nil()).await);
        let error = event.err().filter(|_| column == "doc").or(account.err()).expect("damaged");
        assert!(matches!(&error, StoreError::Corrupt { what } if what.starts_with(column)), "{error:?}");
    }
}

pub async fn the_first_account_is_there_and_unlimited(place: Place) {
    let store = place.open().await;
    assert_eq!(store.accounts().await.expect("read"), [Account::unlimited()]);
    let (id, name) = (Uuid::now_v7(), "a club".to_owned());
    let mut club =
        Account { id, name, live_ingest: false, encoding_minutes_left: Some(-3), egress_bytes_left: Some(i64::MAX) };
    store.put_account(&club, &deed("account.put")).await.expect("stored");
    club.live_ingest = true;
    store.put_account(&club, &deed("account.put")).await.expect("stored");
    assert_eq!(store.account(id).await.expect("read"), Some(club.clone()));
    assert_eq!(store.accounts().await.expect("read"), [club, Account::unlimited()]);
    assert_eq!(store.account(Uuid::now_v7()).await.expect("read"), None);
}
