//! The store in a SQLite file, for one control plane.

mod file;
mod schema;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;
use slotway_runtime::Clock;
use sqlx::{
    Connection, Row, SqliteConnection, SqlitePool,
    sqlite::{SqlitePoolOptions, SqliteRow},
};
use tokio::sync::watch;

use super::{
    AUDIT_ROWS_MAX, AuditQuery, AuditRow, Batch, CHANGES_MAX, Change, Commit, Document, Kind, Listing, Store,
    StoreError, StoreFuture, Trouble, Watch, Who,
    batch::Plan,
    change::{ReadChanges, into_commits},
    health::{Health, Probe, tend},
    kind_named, state_directory,
};

/// The maximum number of commits in one read.
const COMMITS_AT_ONCE: i64 = 64;

/// Returns the path of the database in a state directory.
pub(super) fn file_in(state: &Path) -> PathBuf {
    state.join("slotway.db")
}

/// The store in a SQLite file.
pub struct SqliteStore(Arc<Database>);

struct Database {
    file: PathBuf,
    pool: SqlitePool,
    health: Health,
    kinds: &'static [Kind],
    /// The revision of the last commit. No other process commits.
    news: watch::Sender<u64>,
    _lock: File,
}

impl SqliteStore {
    /// Opens `slotway.db` in the state directory, and creates both if they do not exist.
    ///
    /// # Errors
    /// [`StoreError`]. A file that is damaged or newer is not changed.
    pub async fn open(state: &Path, kinds: &'static [Kind]) -> Result<Self, StoreError> {
        let file = file_in(state);
        let lock = state_directory::take(state)?;
        let found = file::prepare(&file).await?;
        let explain = |error| file::explain(&file, &error);
        // One connection: SQLite has one writer, and domains keep frequently read documents in memory.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(file::to_write(&file)).await;
        let pool = pool.map_err(explain)?;
        let mut connection = pool.acquire().await.map_err(explain)?;
        schema::migrate(&mut connection, found).await.map_err(explain)?;
        drop(connection);
        let database = Database {
            pool,
            health: Health::default(),
            kinds,
            news: watch::Sender::new(0),
            _lock: lock,
            file: file.clone(),
        };
        let database = Arc::new(database);
        tokio::spawn(tend(Arc::downgrade(&database), database.health.subscribe()));
        Ok(Self(database))
    }

    /// Returns all documents of `slotway.db` in a state directory, which another process may be using; `None` if there
    /// is no file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn read(state: &Path, kinds: &'static [Kind]) -> Result<Option<Listing>, StoreError> {
        let file = file_in(state);
        let Some(mut connection) = file::open_to_read(&file).await? else { return Ok(None) };
        let listing = list(&mut connection, &file, kinds).await?;
        connection.close().await.map_err(|error| file::explain(&file, &error))?;
        Ok(Some(listing))
    }
}

impl Database {
    async fn write(&self, batch: Batch) -> Result<u64, StoreError> {
        let connection = self.pool.acquire().await;
        let mut connection = connection.map_err(|error| file::explain(&self.file, &error))?;
        let outcome = self.write_on(&mut connection, batch).await;
        if outcome.as_ref().is_err_and(StoreError::is_about_the_database) {
            // If the disk is full, SQLite ends the transaction by itself, but sqlx still assumes an open one.
            // https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction
            connection.close_on_drop();
        }
        outcome
    }

    async fn write_on(&self, connection: &mut SqliteConnection, batch: Batch) -> Result<u64, StoreError> {
        let explain = |error: sqlx::Error| file::explain(&self.file, &error);
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(explain)?;
        let who = batch.who.clone();
        let keys: Vec<_> = batch.writes.iter().map(|write| json!([write.kind.as_str(), write.key])).collect();
        let found = sqlx::query(
            "SELECT d.kind, d.key, d.revision, d.value FROM json_each(?) AS w
             JOIN documents AS d ON d.kind = w.value ->> 0 AND d.key = w.value ->> 1",
        )
        .bind(json!(keys).to_string())
        .fetch_all(&mut *transaction)
        .await
        .map_err(explain)?;
        let found =
            found.iter().map(|row| document(row, self.kinds, &explain)).collect::<Result<Vec<_>, _>>()?;
        let plan = batch.plan(found)?;
        let next = "UPDATE store SET revision = revision + ? RETURNING revision";
        let revision: i64 = sqlx::query_scalar(next)
            .bind(i64::from(!plan.changes.is_empty()))
            .fetch_one(&mut *transaction)
            .await
            .map_err(explain)?;
        if !plan.changes.is_empty() {
            make(&mut transaction, &plan, revision, &who).await.map_err(explain)?;
            transaction.commit().await.map_err(explain)?;
        }
        Ok(to_u64(revision))
    }

    async fn read_changes(&self, after: u64) -> Result<Vec<Commit>, StoreError> {
        let explain = |error: sqlx::Error| file::explain(&self.file, &error);
        let from = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "SELECT s.revision AS newest, s.forgotten, c.revision, c.kind, c.key, c.value FROM store AS s
             LEFT JOIN changes AS c ON c.revision > ? AND c.revision <= ? ORDER BY c.id",
        )
        .bind(from)
        .bind(from.saturating_add(COMMITS_AT_ONCE))
        .fetch_all(&self.pool)
        .await
        .map_err(explain)?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let number = |column| row.try_get::<i64, _>(column).map_err(explain);
            // A store with a lower revision was restored from an older backup.
            if from < number("forgotten")? || from > number("newest")? {
                return Err(StoreError::Forgotten { after });
            }
            if let Some(revision) = row.try_get::<Option<i64>, _>("revision").map_err(explain)? {
                let kind = kind_named(self.kinds, row.try_get("kind").map_err(explain)?)?;
                let key = row.try_get("key").map_err(explain)?;
                let value = row.try_get("value").map_err(explain)?;
                changes.push((to_u64(revision), Change { kind, key, value }));
            }
        }
        Ok(into_commits(changes))
    }

    async fn read_audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, sqlx::Error> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            "SELECT id, revision, at_ms, who, kind, key, before, after FROM audit
             WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR key = ?3)
               AND (?4 IS NULL OR who = ?4) AND (?7 IS NULL OR revision <= ?7)
               -- Rows rise by id and by revision alike, and only ids have an index.
               AND (?6 IS NULL OR id > coalesce(
                   (SELECT last.id FROM audit AS last WHERE last.revision <= ?6 ORDER BY last.id DESC LIMIT 1), 0))
             ORDER BY id DESC LIMIT ?5",
        )
        .bind(query.before.map(number))
        .bind(query.kind.as_deref())
        .bind(query.key.as_deref())
        .bind(query.who.as_deref())
        .bind(i64::from(query.limit))
        .bind(query.after_revision.map(number))
        .bind(query.up_to_revision.map(number))
        .fetch_all(&self.pool)
        .await?;
        let row = |row: &SqliteRow| {
            Ok(AuditRow {
                id: to_u64(row.try_get("id")?),
                revision: to_u64(row.try_get("revision")?),
                at_ms: row.try_get("at_ms")?,
                who: row.try_get("who")?,
                kind: row.try_get("kind")?,
                key: row.try_get("key")?,
                before: row.try_get("before")?,
                after: row.try_get("after")?,
            })
        };
        rows.iter().map(row).collect()
    }
}

/// Executes a plan, and deletes changes and audit rows beyond the limits.
async fn make(
    transaction: &mut sqlx::SqliteConnection,
    plan: &Plan,
    revision: i64,
    who: &Who,
) -> Result<(), sqlx::Error> {
    let changes = plan.changes.iter().map(|change| json!([change.kind.as_str(), change.key, change.value]));
    let changes = json!(changes.collect::<Vec<_>>()).to_string();
    let audit = plan.audit.iter().map(|row| json!([row.kind.as_str(), row.key, row.before, row.after]));
    let audit = json!(audit.collect::<Vec<_>>()).to_string();
    let at_ms = Clock::System.now().unix_ms();
    sqlx::query(
        "INSERT INTO documents (kind, key, revision, value)
         SELECT value ->> 0, value ->> 1, ?2, value ->> 2 FROM json_each(?1) WHERE value ->> 2 IS NOT NULL
         ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, value = excluded.value",
    )
    .bind(&changes)
    .bind(revision)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "DELETE FROM documents WHERE (kind, key) IN
         (SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE value ->> 2 IS NULL)",
    )
    .bind(&changes)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO changes (revision, kind, key, value)
         SELECT ?2, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) ORDER BY json_each.key",
    )
    .bind(&changes)
    .bind(revision)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO audit (revision, at_ms, who, kind, key, before, after)
         SELECT ?2, ?3, ?4, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)
         ORDER BY json_each.key",
    )
    .bind(&audit)
    .bind(revision)
    .bind(at_ms)
    .bind(who.as_str())
    .execute(&mut *transaction)
    .await?;
    let changes_max = i64::try_from(CHANGES_MAX).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE store SET forgotten = max(forgotten, coalesce(
         (SELECT max(revision) FROM changes WHERE id <= (SELECT max(id) FROM changes) - ?), 0))",
    )
    .bind(changes_max)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("DELETE FROM changes WHERE id <= (SELECT max(id) FROM changes) - ?")
        .bind(changes_max)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?")
        .bind(i64::try_from(AUDIT_ROWS_MAX).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
    Ok(())
}

/// Returns a consistent listing of all documents of some kinds, with one statement.
async fn list(
    database: impl sqlx::SqliteExecutor<'_>,
    file: &Path,
    kinds: &[Kind],
) -> Result<Listing, StoreError> {
    let explain = |error: sqlx::Error| file::explain(file, &error);
    let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    let rows = sqlx::query(
        "SELECT s.revision AS newest, d.kind, d.key, d.revision, d.value FROM store AS s
         LEFT JOIN documents AS d ON d.kind IN (SELECT value FROM json_each(?)) ORDER BY d.kind, d.key",
    )
    .bind(json!(names).to_string())
    .fetch_all(database)
    .await
    .map_err(explain)?;
    let newest = rows.first().map(|row| row.try_get("newest").map_err(explain)).transpose()?;
    let there = |row: &&SqliteRow| !matches!(row.try_get::<Option<&str>, _>("kind"), Ok(None));
    let documents =
        rows.iter().filter(there).map(|row| document(row, kinds, &explain)).collect::<Result<_, _>>();
    Ok(Listing { revision: to_u64(newest.unwrap_or_default()), documents: documents? })
}

fn document(
    row: &SqliteRow,
    kinds: &[Kind],
    explain: &dyn Fn(sqlx::Error) -> StoreError,
) -> Result<Document, StoreError> {
    Ok(Document {
        kind: kind_named(kinds, row.try_get("kind").map_err(explain)?)?,
        key: row.try_get("key").map_err(explain)?,
        revision: to_u64(row.try_get("revision").map_err(explain)?),
        value: row.try_get("value").map_err(explain)?,
    })
}

/// Converts a number of the database, which is signed. Slotway stores no negative numbers.
fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

impl ReadChanges for Database {
    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>> {
        Box::pin(async move {
            let outcome = self.read_changes(after).await;
            self.health.note(&outcome, false);
            outcome
        })
    }
}

impl Probe for Database {
    async fn probe(&self) {
        let write = sqlx::query("UPDATE store SET probes = probes + 1").execute(&self.pool).await;
        self.health.note(&write.map_err(|error| file::explain(&self.file, &error)), true);
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>> {
        Box::pin(async move {
            let explain = |error: sqlx::Error| file::explain(&self.0.file, &error);
            let row =
                sqlx::query("SELECT kind, key, revision, value FROM documents WHERE kind = ? AND key = ?")
                    .bind(kind.as_str())
                    .bind(key)
                    .fetch_optional(&self.0.pool)
                    .await
                    .map_err(explain)?;
            row.as_ref().map(|row| document(row, &[kind], &explain)).transpose()
        })
    }

    fn list<'a>(&'a self, kinds: &'a [Kind]) -> StoreFuture<'a, Listing> {
        Box::pin(list(&self.0.pool, &self.0.file, kinds))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            batch.check()?;
            let outcome = self.0.write(batch).await;
            self.0.health.note(&outcome, true);
            if let Ok(revision) = outcome {
                self.0.news.send_replace(revision);
            }
            outcome
        })
    }

    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>> {
        ReadChanges::changes(&*self.0, after)
    }

    fn watch(&self, after: u64) -> Watch {
        Watch::new(Arc::clone(&self.0) as Arc<dyn ReadChanges>, self.0.news.subscribe(), after)
    }

    fn audit<'a>(&'a self, query: &'a AuditQuery) -> StoreFuture<'a, Vec<AuditRow>> {
        Box::pin(async move {
            self.0.read_audit(query).await.map_err(|error| file::explain(&self.0.file, &error))
        })
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.0.health.subscribe()
    }
}
