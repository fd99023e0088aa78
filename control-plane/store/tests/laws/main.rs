//! Tests of the store: one set of tests that runs over both databases, and tests specific to each. SQLite and
//! PostgreSQL are real.
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

/// Turns each function into one test for each database.
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
        of_many_writers_with_the_same_precondition_exactly_one_wins,
        concurrent_increments_lose_no_count,
        a_batch_is_committed_as_a_whole_or_not_at_all,
        a_document_that_is_created_again_has_a_new_revision,
        a_restart_keeps_documents_revisions_changes_and_audit_rows;
    bounds_laws:
        an_invalid_write_is_refused_and_changes_nothing,
        keys_and_documents_of_the_largest_size_are_kept,
        old_changes_are_deleted_and_a_watcher_of_them_gets_an_error;
    watch_laws:
        a_watcher_sees_every_commit_once_and_in_order,
        a_watcher_whose_future_is_dropped_repeatedly_misses_nothing,
        a_watcher_resumes_from_its_revision,
        a_watcher_with_a_revision_beyond_the_stores_gets_an_error;
    replica_laws:
        concurrent_changes_of_two_replicas_lose_none,
        a_change_retries_a_bounded_number_of_conflicts,
        the_whole_state_is_checked_at_every_change,
        a_change_that_changes_nothing_stores_nothing,
        documents_have_the_revision_of_the_change_that_wrote_them,
        a_change_keeps_commits_that_did_not_take_the_turn,
        changes_of_two_views_are_committed_together_or_not_at_all,
        a_change_whose_future_is_dropped_is_made_as_a_whole,
        a_follower_publishes_differences_and_survives_an_outage,
        an_unreadable_document_leaves_the_state_unchanged;
    audit_laws:
        an_audit_row_has_author_time_and_the_document_before_and_after,
        audit_rows_are_listed_newest_first_with_pages_and_filters,
        audit_rows_are_found_by_the_revisions_that_made_them,
        audit_rows_contain_no_secrets;
}
