//! The file of a database: created atomically under its name, and checked before it is used.

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

/// The wait for another process's lock. The state directory is locked, but an operator may open the file with SQLite's
/// tools.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// What the operator can do about a damaged file.
const REMEDY: &str = "Put a copy of it back, or move it and what is beside it (-wal, -shm) away to start with the \
                      workers of the configuration file alone";

/// Creates the database if there is none, checks an existing one, and returns its schema.
///
/// # Errors
/// [`StoreError`]. A file that is damaged or newer is not changed.
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

/// Returns whether there is a database. Does not open it.
///
/// # Errors
/// [`StoreError`] for the remains of a database.
fn is_there(file: &Path) -> Result<bool, StoreError> {
    let size = |path: &Path| match path.metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unavailable(file, &error)),
    };
    let log = log_of(file);
    match (size(file)?, size(&log)?) {
        // SQLite would apply the log of another database to a new one.
        (None, Some(1..)) => {
            let reason = format!("it is missing, but its write-ahead log {} exists", log.display());
            Err(damaged(file, reason))
        }
        (None, _) => Ok(false),
        // Slotway never leaves an empty file. SQLite would accept one, and discard its log.
        (Some(0), _) => Err(damaged(file, "it is empty".to_owned())),
        (Some(_), _) => Ok(true),
    }
}

/// Returns the path of SQLite's write-ahead log.
fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Returns the options that open the database for writing.
pub(super) fn to_write(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

/// Creates a database under a temporary name, and renames it once it is complete. A file with the final name is
/// therefore never partly written.
async fn create(file: &Path) -> Result<(), StoreError> {
    let unavailable = |error: std::io::Error| unavailable(file, &error);
    let new = file.with_extension("new");
    // Remains of an interrupted start.
    for left in [&new, &log_of(&new)] {
        match std::fs::remove_file(left) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unavailable(error)),
            _ => {}
        }
    }
    let make = async {
        // The new database has no log until it is renamed, so that it is complete in one file.
        let options = to_write(&new).journal_mode(SqliteJournalMode::Delete).create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        migrate(&mut connection, 0).await?;
        connection.close().await
    };
    make.await.map_err(|error| explain(&new, &error))?;
    std::fs::rename(&new, file).map_err(unavailable)?;
    // The directory is synchronised too, so that the name survives a power failure.
    let directory = file.parent().map_or_else(|| File::open("."), File::open);
    directory.and_then(|directory| directory.sync_all()).map_err(unavailable)
}

/// Checks an existing file without changing it or any file beside it, and returns its schema.
async fn inspect(file: &Path) -> Result<i64, StoreError> {
    // SQLite creates files for the log even for a reader, unless the file is declared immutable. Without a log no
    // process is writing, because this process holds the lock.
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
    // SQLite does not notice missing pages at the end unless it reads them. With a log the length may legitimately
    // differ.
    let length = file.metadata().map(|metadata| metadata.len());
    if whole
        && verdict.check == "ok"
        && length.as_ref().is_ok_and(|length| u64::try_from(bytes) != Ok(*length))
    {
        return Err(damaged(file, format!("it should be {bytes} bytes long")));
    }
    verdict.schema(file)
}

/// Opens an existing file for reading while another process may be writing to it; `None` if there is none. SQLite
/// creates its own files beside it (-shm, and -wal while the database is open).
///
/// # Errors
/// [`StoreError`]. A file that is damaged, newer or older is not changed.
pub(super) async fn open_to_read(file: &Path) -> Result<Option<SqliteConnection>, StoreError> {
    if !is_there(file)? {
        return Ok(None);
    }
    // Not `read_only`: the last connection that closes the file checkpoints the log, which a reader cannot.
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

/// The result of SQLite's check of a file.
struct Verdict {
    /// `ok`, or the first problem.
    check: String,
    schema: i64,
    /// The number of tables for documents.
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

    /// Returns the schema of an intact database of Slotway.
    fn schema(self, file: &Path) -> Result<i64, StoreError> {
        match (self.check.as_str(), self.schema, self.tables) {
            ("ok", newer, _) if newer > SCHEMA => {
                Err(StoreError::Newer { place: file.display().to_string(), found: newer, known: SCHEMA })
            }
            ("ok", schema @ 1.., 1) => Ok(schema),
            ("ok", _, _) => Err(damaged(file, "it is a database of another program".to_owned())),
            // The first line only names the database, and there is only one.
            (check, _, _) => Err(damaged(file, check.lines().last().unwrap_or_default().to_owned())),
        }
    }
}

/// Distinguishes a damaged file and a full disk from a database that is temporarily unavailable.
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
