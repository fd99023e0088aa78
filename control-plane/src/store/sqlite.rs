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
        match look(&file).map_err(unavailable)? {
            Found::Nothing => create(&file).await?,
            Found::Log(log) => {
                let log = log.display();
                let reason = format!("it is gone, and its last changes ({log}) are still here");
                return Err(StoreError::Damaged { file, reason });
            }
            Found::Empty => {
                return Err(StoreError::Damaged { file, reason: "it is empty".to_owned() });
            }
            Found::Database => {}
        }
        let found = inspect(&file).await?;
        // One connection: SQLite has one writer, and what is read often is kept in memory by the domain.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(to_write(&file))
            .await
            .map_err(|error| explain(&file, &error))?;
        let store = Self { file, pool, _lock: lock };
        let mut connection = store.pool.acquire().await.map_err(|error| explain(&store.file, &error))?;
        migrate(&mut connection, found).await.map_err(|error| explain(&store.file, &error))?;
        drop(connection);
        Ok(store)
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

/// What stands in the place of the database.
enum Found {
    Nothing,
    /// A file without content. None of ours ever has none, and SQLite would take it, and its log, for nothing.
    Empty,
    /// No database, but the log of one, which SQLite would mix into a new one.
    Log(PathBuf),
    Database,
}

fn look(file: &Path) -> std::io::Result<Found> {
    let size = |path: &Path| match path.metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let log = log_of(file);
    Ok(match (size(file)?, size(&log)?) {
        (None, Some(1..)) => Found::Log(log),
        (None, _) => Found::Nothing,
        (Some(0), _) => Found::Empty,
        (Some(_), _) => Found::Database,
    })
}

/// SQLite's write-ahead log.
fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn to_write(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

/// Makes a database under another name and gives it its own when it is whole: what has the name was whole once.
async fn create(file: &Path) -> Result<(), StoreError> {
    let unavailable =
        |error: std::io::Error| StoreError::Unavailable { file: file.to_owned(), reason: error.to_string() };
    let new = file.with_extension("new");
    // Left by a start that was broken off.
    for left in [&new, &log_of(&new)] {
        match std::fs::remove_file(left) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unavailable(error)),
            _ => {}
        }
    }
    let make = async {
        // With the log only once it has its name: this one is whole in one file.
        let options = to_write(&new).journal_mode(SqliteJournalMode::Delete).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        migrate(&mut connection, 0).await?;
        connection.close().await
    };
    make.await.map_err(|error| explain(&new, &error))?;
    std::fs::rename(&new, file).map_err(unavailable)?;
    // The name, too, must survive a power cut.
    let directory = file.parent().map_or_else(|| File::open("."), File::open);
    directory.and_then(|directory| directory.sync_all()).map_err(unavailable)
}

async fn migrate(connection: &mut SqliteConnection, found: i64) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
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

/// Looks at an existing file without changing it or anything beside it, and returns its schema.
async fn inspect(file: &Path) -> Result<i64, StoreError> {
    // A reader makes files for the log, unless it is told that nobody writes; without a log nobody does, since we have the lock.
    let whole = !log_of(file).exists();
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .read_only(true)
        .immutable(whole);
    let look = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let verdict: String =
            sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut connection).await?.try_get(0)?;
        let schema: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await?.try_get(0)?;
        let tables: i64 = sqlx::query("SELECT count(*) FROM sqlite_schema WHERE name = 'documents'")
            .fetch_one(&mut connection)
            .await?
            .try_get(0)?;
        let mut bytes: i64 = 1;
        for factor in ["PRAGMA page_count", "PRAGMA page_size"] {
            bytes *= sqlx::query(factor).fetch_one(&mut connection).await?.try_get::<i64, _>(0)?;
        }
        connection.close().await?;
        Ok((verdict, schema, tables, bytes))
    };
    let damaged = |reason: String| StoreError::Damaged { file: file.to_owned(), reason };
    let (verdict, schema, tables, bytes) = look.await.map_err(|error| explain(file, &error))?;
    // SQLite does not miss the end of a page that it does not look at. With a log the file may differ for good reason.
    let length = file.metadata().map(|metadata| metadata.len());
    if whole && verdict == "ok" && length.as_ref().is_ok_and(|length| u64::try_from(bytes) != Ok(*length)) {
        return Err(damaged(format!("it should be {bytes} bytes long")));
    }
    match (verdict.as_str(), schema, tables) {
        ("ok", newer, _) if newer > SCHEMA => {
            Err(StoreError::Newer { file: file.to_owned(), found: newer, known: SCHEMA })
        }
        ("ok", 1.., 1) => Ok(schema),
        ("ok", _, _) => Err(damaged("it is a database of another program".to_owned())),
        // Its first line says in which database, of which there is one.
        (verdict, _, _) => Err(damaged(verdict.lines().last().unwrap_or_default().to_owned())),
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
    async fn a_database_that_lacks_its_end_is_refused_even_where_nothing_stood_there() {
        let directory = tempfile::tempdir().unwrap();
        SqliteStore::open(directory.path()).await.unwrap().pool.close().await;
        let database = File::options().write(true).open(directory.path().join("slotway.db")).unwrap();
        let length = database.metadata().unwrap().len();
        database.set_len(length - 1).unwrap();
        let refused = SqliteStore::open(directory.path()).await.err();
        assert!(matches!(refused, Some(StoreError::Damaged { .. })), "{refused:?}");
        assert_eq!(database.metadata().unwrap().len(), length - 1, "the file was changed");
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
