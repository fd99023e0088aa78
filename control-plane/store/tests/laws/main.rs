//! The store: one set of laws over both databases, and what each has of its own. SQLite and PostgreSQL are real.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod audit_laws;
mod batch_laws;
mod bounds_laws;
mod fixture;
mod postgres;
mod postgres_bad_days;
mod replica_laws;
mod sqlite;
mod watch_laws;

/// Makes each law a test over each database.
macro_rules! laws {
    ($($module:ident: $($law:ident),+;)+) => {
        mod over_sqlite {
            $($(#[tokio::test] async fn $law() { crate::$module::$law(&crate::fixture::Fixture::sqlite()).await })+)+
        }
        mod over_postgres {
            $($(#[tokio::test] async fn $law() { crate::$module::$law(&crate::fixture::Fixture::postgres()).await })+)+
        }
    };
}

laws! {
    batch_laws:
        documents_are_listed_by_kind_and_by_the_bytes_of_their_keys,
        of_many_writers_who_have_seen_one_revision_exactly_one_wins,
        counting_up_by_many_at_once_loses_no_count,
        a_batch_is_made_whole_or_not_at_all,
        a_document_that_is_made_again_has_a_new_revision,
        a_restart_keeps_documents_revisions_changes_and_audit_rows;
    bounds_laws:
        what_no_database_may_hold_is_refused_and_changes_nothing,
        keys_and_documents_of_the_largest_size_are_kept,
        what_is_too_old_is_forgotten_and_whoever_asks_for_it_is_told_so;
    watch_laws:
        a_watcher_sees_every_commit_once_and_in_order,
        a_watcher_whose_reading_is_given_up_again_and_again_misses_nothing,
        a_watcher_resumes_where_it_was,
        a_watcher_that_comes_from_the_future_is_told_to_read_anew;
    replica_laws:
        concurrent_changes_of_two_replicas_lose_none,
        a_change_retries_a_bounded_number_of_conflicts,
        the_whole_state_is_checked_whoever_changes_it,
        a_change_that_changes_nothing_stores_nothing,
        documents_have_the_revision_of_the_change_that_wrote_them,
        a_change_keeps_commits_that_did_not_take_the_turn,
        changes_of_two_views_are_committed_together_or_not_at_all,
        a_change_whose_caller_goes_away_is_made_as_a_whole,
        a_follower_is_told_of_what_differs_and_survives_an_outage,
        a_document_that_cannot_be_read_leaves_the_state_as_it_was;
    audit_laws:
        a_change_leaves_who_when_what_before_and_after,
        audit_rows_come_newest_first_by_pages_and_filters,
        audit_rows_are_found_by_the_revisions_that_made_them,
        secrets_do_not_stand_in_audit_rows;
}
