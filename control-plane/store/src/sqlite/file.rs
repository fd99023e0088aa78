//! The file of a database: made whole under its name or not at all, and looked at before it is used.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::schema::{SCHEMA, migrate};
use crate::StoreError;

/// Nobody else writes (the state directory is locked), but somebody may look at the file with SQLite's own tools.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// What to do about a damaged file.
const REMEDY: &str = "Put a copy of it back, or move it and what is beside it (-wal, -shm) away to start with the \
                      workers of the configuration file alone";

/// Makes the database where there is none, looks at the one that is there, and returns its schema.
///
/// # Errors
/// [`StoreError`]; a file that is damaged or newer is left as it is.
pub(super) async fn prepare(file: &Path) -> Result<i64, StoreError> {
    if !is_there(file)? {
        create(file).await?;
    }
    inspect(file).await
}

fn damaged(file: &Path, reason: String) -> StoreError {
    StoreError::Damaged { place: file.display().to_string(), reason, remedy: REMEDY }
}

fn unavailable(file: &Path, reason: &dyn ToString) -> StoreError {
    StoreError::Unavailable { place: file.display().to_string(), reason: reason.to_string() }
}

/// Whether there is a database, which is then not looked into.
///
/// # Errors
/// [`StoreError`] for what is left of one.
fn is_there(file: &Path) -> Result<bool, StoreError> {
    let size = |path: &Path| match path.metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unavailable(file, &error)),
    };
    let log = log_of(file);
    match (size(file)?, size(&log)?) {
        // SQLite would mix the log of another database into a new one.
        (None, Some(1..)) => {
            let reason = format!("it is gone, and its last changes ({}) are still here", log.display());
            Err(damaged(file, reason))
        }
        (None, _) => Ok(false),
        // None of ours ever has no content, and SQLite would take it, and its log, for nothing.
        (Some(0), _) => Err(damaged(file, "it is empty".to_owned())),
        (Some(_), _) => Ok(true),
    }
}

/// SQLite's write-ahead log.
fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// How the database is opened to be written.
pub(super) fn to_write(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

/// Makes a database under another name and gives it its own when it is whole: what has the name was whole once.
async fn create(file: &Path) -> Result<(), StoreError> {
    let unavailable = |error: std::io::Error| unavailable(file, &error);
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
        let verdict = Verdict::of(&mut connection).await?;
        let mut bytes: i64 = 1;
        for factor in ["PRAGMA page_count", "PRAGMA page_size"] {
            bytes *= sqlx::query(factor).fetch_one(&mut connection).await?.try_get::<i64, _>(0)?;
        }
        connection.close().await?;
        Ok((verdict, bytes))
    };
    let (verdict, bytes) = look.await.map_err(|error| explain(file, &error))?;
    // SQLite does not miss the end of a page that it does not look at. With a log the file may differ for good reason.
    let length = file.metadata().map(|metadata| metadata.len());
    if whole
        && verdict.check == "ok"
        && length.as_ref().is_ok_and(|length| u64::try_from(bytes) != Ok(*length))
    {
        return Err(damaged(file, format!("it should be {bytes} bytes long")));
    }
    verdict.schema(file)
}

/// Opens an existing file to read it while another process may be writing to it; `None` where there is none. What is written
/// beside it is SQLite's own (-shm, and -wal while it is open).
///
/// # Errors
/// [`StoreError`]; a file that is damaged, newer or older is left as it is.
pub(super) async fn open_to_read(file: &Path) -> Result<Option<SqliteConnection>, StoreError> {
    if !is_there(file)? {
        return Ok(None);
    }
    // Not `read_only`: the last one to close the file puts away the log, which a reader cannot.
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .pragma("query_only", "on");
    let open = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let verdict = Verdict::of(&mut connection).await?;
        Ok((connection, verdict))
    };
    let (connection, verdict) = open.await.map_err(|error| explain(file, &error))?;
    let schema = verdict.schema(file)?;
    if schema < SCHEMA {
        let reason = format!(
            "it has schema {schema}, from before this slotway, which reads {SCHEMA}; start it once (`slotway serve`)"
        );
        return Err(unavailable(file, &reason));
    }
    Ok(Some(connection))
}

/// What SQLite says of a file.
struct Verdict {
    /// `ok`, or what is wrong.
    check: String,
    schema: i64,
    /// How many tables of documents it has.
    tables: i64,
}

impl Verdict {
    async fn of(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let check = sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut *connection).await?.try_get(0)?;
        let schema = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await?.try_get(0)?;
        let tables = sqlx::query("SELECT count(*) FROM sqlite_schema WHERE name = 'documents'")
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        Ok(Self { check, schema, tables })
    }

    /// The schema of a database of ours that is whole.
    fn schema(self, file: &Path) -> Result<i64, StoreError> {
        match (self.check.as_str(), self.schema, self.tables) {
            ("ok", newer, _) if newer > SCHEMA => {
                Err(StoreError::Newer { place: file.display().to_string(), found: newer, known: SCHEMA })
            }
            ("ok", schema @ 1.., 1) => Ok(schema),
            ("ok", _, _) => Err(damaged(file, "it is a database of another program".to_owned())),
            // Its first line says in which database, of which there is one.
            (check, _, _) => Err(damaged(file, check.lines().last().unwrap_or_default().to_owned())),
        }
    }
}

/// Tells a broken file, and one that has no room, from a database that cannot be used at the moment.
pub(super) fn explain(file: &Path, error: &sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let reason =
        error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    // https://www.sqlite.org/rescode.html: 11 is SQLITE_CORRUPT, 13 SQLITE_FULL, 26 SQLITE_NOTADB; the low byte of an
    // extended code.
    match code.and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff) {
        Some(11 | 26) => damaged(file, reason),
        Some(13) => StoreError::Full { place: file.display().to_string(), reason },
        _ => unavailable(file, &reason),
    }
}
