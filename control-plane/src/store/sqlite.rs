use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Document, Kind, Store, StoreError, StoreFuture, Write};

/// The newest schema that this program knows; `PRAGMA user_version` holds the file's.
const SCHEMA: i64 = 1;

/// Each entry brings a database from the schema of its index to the next one.
const MIGRATIONS: [&str; SCHEMA as usize] = ["CREATE TABLE documents (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        revision INTEGER NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID"];

/// Nobody else writes (see [`lock`]), but somebody may look at the file with SQLite's own tools.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The store in one SQLite file.
pub struct SqliteStore {
    file: PathBuf,
    pool: SqlitePool,
    /// Held while the store lives; the system frees it when the process ends, however it ends.
    _lock: File,
}

impl SqliteStore {
    /// Opens `slotway.db` in the state directory, creating both where they are not there.
    ///
    /// # Errors
    /// [`StoreError`]; a file that is damaged or newer is left as it is.
    pub async fn open(state: &Path) -> Result<Self, StoreError> {
        let file = state.join("slotway.db");
        let unavailable =
            |error: std::io::Error| StoreError::Unavailable { file: file.clone(), reason: error.to_string() };
        std::fs::create_dir_all(state).map_err(unavailable)?;
        let lock = lock(state).map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::Locked(state.to_owned()),
            TryLockError::Error(error) => unavailable(error),
        })?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let found = if file.exists() { inspect(&file, &options).await? } else { 0 };

        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        // One connection: SQLite has one writer, and what is read often is kept in memory by the domain.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(|error| explain(&file, &error))?;
        let store = Self { file, pool, _lock: lock };
        store.migrate(found).await.map_err(|error| explain(&store.file, &error))?;
        Ok(store)
    }

    async fn migrate(&self, found: i64) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
            sqlx::query(*migration).execute(&mut *transaction).await?;
        }
        if found < SCHEMA {
            // A pragma takes no parameters.
            let version = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {SCHEMA}"));
            sqlx::query(version).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    async fn write(&self, writes: &[Write]) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for write in writes {
            match write {
                Write::Put { kind, key, value } => {
                    let put = "INSERT INTO documents (kind, key, revision, value) VALUES (?, ?, 1, ?)
                        ON CONFLICT (kind, key) DO UPDATE SET revision = revision + 1, value = excluded.value";
                    sqlx::query(put)
                        .bind(kind.as_str())
                        .bind(key)
                        .bind(value)
                        .execute(&mut *transaction)
                        .await?
                }
                Write::Delete { kind, key } => {
                    let delete = "DELETE FROM documents WHERE kind = ? AND key = ?";
                    sqlx::query(delete).bind(kind.as_str()).bind(key).execute(&mut *transaction).await?
                }
            };
        }
        transaction.commit().await
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT key, revision, value FROM documents WHERE kind = ? AND key = ?")
                .bind(kind.as_str())
                .bind(key)
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| explain(&self.file, &error))?;
            row.as_ref().map(document).transpose().map_err(|error| explain(&self.file, &error))
        })
    }

    fn list(&self, kind: Kind) -> StoreFuture<'_, Vec<Document>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT key, revision, value FROM documents WHERE kind = ? ORDER BY key")
                .bind(kind.as_str())
                .fetch_all(&self.pool)
                .await
                .map_err(|error| explain(&self.file, &error))?;
            rows.iter().map(document).collect::<Result<_, _>>().map_err(|error| explain(&self.file, &error))
        })
    }

    fn commit(&self, writes: Vec<Write>) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.write(&writes).await.map_err(|error| explain(&self.file, &error)) })
    }
}

fn document(row: &sqlx::sqlite::SqliteRow) -> Result<Document, sqlx::Error> {
    let revision: i64 = row.try_get("revision")?;
    Ok(Document {
        key: row.try_get("key")?,
        revision: u64::try_from(revision).unwrap_or_default(),
        value: row.try_get("value")?,
    })
}

/// One control plane for a state directory: two would each believe their own picture of it.
fn lock(state: &Path) -> Result<File, TryLockError> {
    let open = File::options().create(true).truncate(false).write(true).open(state.join("lock"));
    let file = open.map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

/// Looks at an existing file without changing it, and returns its schema.
async fn inspect(file: &Path, options: &SqliteConnectOptions) -> Result<i64, StoreError> {
    let look = async {
        let mut connection = SqliteConnection::connect_with(&options.clone().read_only(true)).await?;
        let verdict: String =
            sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut connection).await?.try_get(0)?;
        let schema: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await?.try_get(0)?;
        let tables: i64 = sqlx::query("SELECT count(*) FROM sqlite_schema WHERE name = 'documents'")
            .fetch_one(&mut connection)
            .await?
            .try_get(0)?;
        connection.close().await?;
        Ok((verdict, schema, tables))
    };
    let damaged = |reason: String| StoreError::Damaged { file: file.to_owned(), reason };
    let (verdict, schema, tables) = look.await.map_err(|error| explain(file, &error))?;
    match (verdict.as_str(), schema, tables) {
        ("ok", newer, _) if newer > SCHEMA => {
            Err(StoreError::Newer { file: file.to_owned(), found: newer, known: SCHEMA })
        }
        ("ok", 0, 0) => Ok(0),
        ("ok", 1.., 1) => Ok(schema),
        ("ok", _, _) => Err(damaged("it is a database of another program".to_owned())),
        (verdict, _, _) => Err(damaged(verdict.to_owned())),
    }
}

/// Tells a broken file from a database that cannot be used at the moment.
fn explain(file: &Path, error: &sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let reason =
        error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    // https://www.sqlite.org/rescode.html: 11 is SQLITE_CORRUPT, 26 is SQLITE_NOTADB; the low byte of an extended code.
    match code.and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff) {
        Some(11 | 26) => StoreError::Damaged { file: file.to_owned(), reason },
        _ => StoreError::Unavailable { file: file.to_owned(), reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &str) -> Write {
        Write::Put { kind: Kind::Worker, key: key.to_owned(), value: value.to_owned() }
    }

    #[tokio::test]
    async fn documents_are_kept_by_kind_and_key_and_counted_by_revision() {
        let directory = tempfile::tempdir().unwrap();
        {
            let store = SqliteStore::open(directory.path()).await.unwrap();
            let fact = Write::Put { kind: Kind::Fact, key: "a".to_owned(), value: "4".to_owned() };
            store.commit(vec![put("b", "1"), put("a", "2"), put("b", "3"), fact]).await.unwrap();
            let delete = Write::Delete { kind: Kind::Worker, key: "a".to_owned() };
            store.commit(vec![put("c", "5"), delete]).await.unwrap();
            store.pool.close().await;
        }
        let store = SqliteStore::open(directory.path()).await.unwrap();
        let document = |key: &str, revision, value: &str| Document {
            key: key.to_owned(),
            revision,
            value: value.to_owned(),
        };
        assert_eq!(store.list(Kind::Worker).await.unwrap(), [document("b", 2, "3"), document("c", 1, "5")]);
        assert_eq!(store.get(Kind::Fact, "a").await.unwrap(), Some(document("a", 1, "4")));
        assert_eq!(store.get(Kind::Worker, "a").await.unwrap(), None);
    }
}
