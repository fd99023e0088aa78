use sqlx::{Connection, PgConnection};

use super::explain;
use crate::StoreError;

/// The newest schema that this version supports; `slotway.store` holds the database's schema.
const SCHEMA: i64 = 1;

/// The advisory lock of a migration, because several control planes may start at once. The bytes spell "slotway".
const MIGRATION_LOCK: i64 = 0x0073_6c6f_7477_6179;

/// Each entry migrates a database from the schema of its index to the next one. Text is compared by its bytes, as in
/// SQLite, independently of the database's collation.
const MIGRATIONS: [&str; SCHEMA as usize] = [r#"
    CREATE SCHEMA IF NOT EXISTS slotway;
    CREATE TABLE slotway.store (
        single BOOLEAN PRIMARY KEY CHECK (single),
        schema BIGINT NOT NULL,
        revision BIGINT NOT NULL,
        forgotten BIGINT NOT NULL,
        probes BIGINT NOT NULL
    );
    INSERT INTO slotway.store VALUES (true, 0, 0, 0, 0);
    CREATE TABLE slotway.documents (
        kind TEXT COLLATE "C" NOT NULL,
        key TEXT COLLATE "C" NOT NULL,
        revision BIGINT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (kind, key)
    );
    CREATE TABLE slotway.changes (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        revision BIGINT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT
    );
    CREATE INDEX changes_by_revision ON slotway.changes (revision);
    CREATE TABLE slotway.audit (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        revision BIGINT NOT NULL,
        at_ms BIGINT NOT NULL,
        who TEXT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        before TEXT,
        after TEXT
    );
    CREATE INDEX audit_by_key ON slotway.audit (key);
    CREATE INDEX audit_by_who ON slotway.audit (who);
"#];

/// Migrates the database to the newest schema, one control plane at a time.
///
/// # Errors
/// [`StoreError::Newer`]; [`StoreError::Damaged`] for tables of another program. The database is then not changed.
pub(super) async fn migrate(connection: &mut PgConnection, place: &str) -> Result<(), StoreError> {
    let explain = |error: sqlx::Error| explain(place, &error);
    let encoding: String =
        sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut *connection).await.map_err(explain)?;
    if encoding != "UTF8" {
        let reason =
            format!("its encoding is {encoding}; it must be UTF8 (CREATE DATABASE ... ENCODING 'UTF8')");
        return Err(StoreError::Unavailable { place: place.to_owned(), reason });
    }
    // The first check takes no lock: a role that may only read and write the tables need not be allowed to create them.
    if recorded(connection, place).await? == Some(SCHEMA) {
        return Ok(());
    }
    let mut transaction = connection.begin().await.map_err(explain)?;
    sqlx::query("SET LOCAL lock_timeout = '60s'").execute(&mut *transaction).await.map_err(explain)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(explain)?;
    let found = match recorded(&mut transaction, place).await? {
        Some(schema) => schema,
        None => {
            let others = "SELECT count(*) FROM pg_tables WHERE schemaname = 'slotway'";
            let others: i64 =
                sqlx::query_scalar(others).fetch_one(&mut *transaction).await.map_err(explain)?;
            if others > 0 {
                return Err(damaged(place, "its schema `slotway` is of another program"));
            }
            0
        }
    };
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(explain)?;
    }
    sqlx::query("UPDATE slotway.store SET schema = $1")
        .bind(SCHEMA)
        .execute(&mut *transaction)
        .await
        .map_err(explain)?;
    transaction.commit().await.map_err(explain)
}

/// Returns the recorded schema of the database; `None` if it has no Slotway schema.
pub(super) async fn recorded(connection: &mut PgConnection, place: &str) -> Result<Option<i64>, StoreError> {
    let explain = |error: sqlx::Error| explain(place, &error);
    // `to_regclass` may still return the result from before the wait for the lock, within the same transaction.
    let ours = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'slotway' AND tablename = 'store')";
    let ours: bool = sqlx::query_scalar(ours).fetch_one(&mut *connection).await.map_err(explain)?;
    if !ours {
        return Ok(None);
    }
    let schema: Option<i64> = sqlx::query_scalar("SELECT schema FROM slotway.store")
        .fetch_optional(&mut *connection)
        .await
        .map_err(explain)?;
    match schema {
        None => Err(damaged(place, "its schema is not recorded")),
        Some(newer) if newer > SCHEMA => {
            Err(StoreError::Newer { place: place.to_owned(), found: newer, known: SCHEMA })
        }
        Some(schema) => Ok(Some(schema)),
    }
}

fn damaged(place: &str, reason: &str) -> StoreError {
    StoreError::Damaged { place: place.to_owned(), reason: reason.to_owned(), remedy: super::REMEDY }
}
