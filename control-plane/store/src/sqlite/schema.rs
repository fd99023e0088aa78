use sqlx::{Connection, SqliteConnection};

/// The newest schema that this version supports; `PRAGMA user_version` holds the file's schema.
pub(super) const SCHEMA: i64 = 2;

/// Each entry migrates a database from the schema of its index to the next one.
const MIGRATIONS: [&str; SCHEMA as usize] = [
    "CREATE TABLE documents (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        revision INTEGER NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID",
    // Earlier schemas counted revisions by document. From this one on the whole store has one revision, and existing
    // documents get the first.
    "CREATE TABLE store (
        single INTEGER PRIMARY KEY CHECK (single = 1),
        revision INTEGER NOT NULL,
        forgotten INTEGER NOT NULL,
        probes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO store SELECT 1, count(*) > 0, count(*) > 0, 0 FROM documents;
    UPDATE documents SET revision = 1;
    UPDATE documents SET kind = 'settings', key = 'file' WHERE kind = 'fact' AND key = 'settings';
    CREATE TABLE changes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        revision INTEGER NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT
    ) STRICT;
    CREATE INDEX changes_by_revision ON changes (revision);
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        revision INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        before TEXT,
        after TEXT
    ) STRICT;
    CREATE INDEX audit_by_key ON audit (key);
    CREATE INDEX audit_by_who ON audit (who)",
];

/// Migrates a database from the schema `found` to the newest one, in one transaction.
pub(super) async fn migrate(connection: &mut SqliteConnection, found: i64) -> Result<(), sqlx::Error> {
    if found >= SCHEMA {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    // A pragma accepts no bound parameters.
    let version = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {SCHEMA}"));
    sqlx::query(version).execute(&mut *transaction).await?;
    transaction.commit().await
}
