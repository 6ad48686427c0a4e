//! Everything a store must do, on both engines.
//!
//! Each behaviour is a function of a [`Place`], an empty database. On SQLite each is a test of its own; on PostgreSQL
//! one test starts a server and calls them all, each in a schema of its own.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod change;
mod cluster;
mod commits;
mod console;
mod deliveries;
mod idempotency;
mod lists;
mod opening;
mod place;
mod secrets;

use cluster::Cluster;
use place::Place;

macro_rules! both_engines {
    ($($module:ident::$behaviour:ident,)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                let folder = tempfile::tempdir().expect("folder");
                super::$module::$behaviour(super::Place::sqlite(folder.path())).await;
            })+
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgresql_does_the_same() {
            let cluster = Cluster::start();
            let mut failed = Vec::new();
            $({
                let name = stringify!($behaviour);
                eprintln!("postgresql: {name}");
                let place = Place::postgres(&cluster, name).await;
                if tokio::spawn($module::$behaviour(place)).await.is_err() {
                    failed.push(name);
                }
            })+
            assert!(failed.is_empty(), "failed on PostgreSQL: {failed:?}");
        }
    };
}

both_engines! {
    opening::a_database_that_is_opened_again_has_everything,
    opening::many_may_open_a_new_database_at_once,
    opening::the_schema_of_a_newer_weir_is_refused,
    opening::what_cannot_be_read_is_named,
    opening::the_first_account_is_there_and_unlimited,
    commits::an_event_comes_back_as_it_was_stored,
    commits::a_change_decided_on_an_old_version_is_a_conflict,
    commits::an_id_is_given_once,
    commits::a_change_that_fails_at_the_end_leaves_nothing,
    commits::a_change_that_is_broken_off_is_there_as_a_whole_or_not_at_all,
    commits::of_many_changes_at_once_one_wins,
    commits::two_stores_write_at_once_and_both_succeed,
    lists::events_come_in_pages_newest_first,
    lists::events_are_found_by_state_and_account,
    lists::unfinished_events_are_all_that_have_not_ended,
    lists::the_audit_comes_in_pages_newest_first,
    lists::a_list_has_an_end_whatever_is_asked,
    secrets::credentials_are_replaced_and_die_with_their_event,
    secrets::a_key_opens_one_event_only,
    secrets::a_secret_that_is_moved_to_another_row_cannot_be_read,
    secrets::another_master_key_is_found_out,
    secrets::a_token_works_until_it_is_revoked,
    secrets::the_last_use_of_a_token_is_written_once_a_minute,
    deliveries::what_happened_is_told_to_every_active_webhook,
    deliveries::a_delivery_is_taken_by_one_only,
    deliveries::what_is_not_reported_is_due_again,
    deliveries::a_failure_is_tried_again_until_it_is_given_up,
    deliveries::who_was_too_slow_changes_nothing_any_more,
    deliveries::a_webhook_that_is_switched_off_keeps_its_messages,
    deliveries::a_deleted_webhook_leaves_nothing_due,
    deliveries::old_messages_are_forgotten,
    idempotency::a_request_is_carried_out_once,
    idempotency::of_two_at_once_one_runs,
    idempotency::a_key_used_for_something_else_is_told,
    idempotency::a_request_that_died_is_taken_over_and_cannot_finish,
    idempotency::a_request_that_was_given_up_may_be_tried_again,
    idempotency::answers_are_kept_for_a_day,
    console::a_session_lasts_until_its_end,
    console::another_password_ends_all_sessions,
    console::text_with_a_nul_is_refused,
}
