//! The store in a PostgreSQL database, for several control planes.
//!
//! Every commit first locks the one row of `slotway.store`, which holds the revision. Commits are therefore serialised
//! in the order of their revisions. A reader that has seen a revision has seen all before it.

mod news;
mod rows;
mod schema;

use std::{fs::File, future::Future, path::Path, sync::Arc, time::Duration};

use sqlx::{
    Connection, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};
use tokio::{sync::watch, time::timeout};

use self::rows::{audit_row, change_row, document, make, to_u64};
use super::{
    AuditQuery, AuditRow, Batch, Commit, Document, Kind, Listing, PostgresUrl, Store, StoreError,
    StoreFuture, Trouble, Watch,
    change::{ReadChanges, into_commits},
    health::{Health, Probe, tend},
    state_directory,
};

/// The maximum number of connections of one control plane, in addition to the connection for notifications.
const CONNECTIONS_MAX: u32 = 8;
/// The time limit for getting a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The time limit for a read, and for a commit without its writes.
const USE_WITHIN: Duration = Duration::from_secs(5);
/// The time limit for reading all documents.
const LIST_WITHIN: Duration = Duration::from_secs(50);
/// The additional time limit for each write of a batch. The first start with a large file has about 250,000 writes.
const WRITE_WITHIN: Duration = Duration::from_millis(1);
/// Time limits in the server, so that a disconnected control plane does not hold a lock for long. They also switch off
/// JIT compilation: before the server has statistics it may compile any query, and on a busy machine that took longer
/// than [`USE_WITHIN`].
const SERVER_SETTINGS: [(&str, &str); 4] = [
    ("lock_timeout", "4s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("statement_timeout", "10min"),
    ("jit", "off"),
];
/// The maximum number of commits in one read.
const COMMITS_AT_ONCE: i64 = 64;
/// The suffix of an error for a commit that was sent and not answered.
const UNKNOWN: &str = "; it is unknown whether the change was made: read the current state before you retry";
/// What the operator can do about a damaged database.
const REMEDY: &str = "Restore it from a backup, or name another database to start with the workers of the \
                      configuration file alone";

/// The store in a PostgreSQL database.
pub struct PostgresStore(Arc<Database>);

struct Database {
    /// The URL without the password.
    place: String,
    options: PgConnectOptions,
    pool: PgPool,
    health: Health,
    kinds: &'static [Kind],
    news: Arc<watch::Sender<u64>>,
    _lock: File,
}

impl PostgresStore {
    /// Connects, and migrates the database to the newest schema.
    ///
    /// # Errors
    /// [`StoreError`]. A database that is newer, or belongs to another program, is not changed.
    pub async fn open(url: &PostgresUrl, state: &Path, kinds: &'static [Kind]) -> Result<Self, StoreError> {
        let lock = state_directory::take(state)?;
        let place = url.to_string();
        let options = options(url, &place)?;
        let mut first = connect(&options, &place).await?;
        schema::migrate(&mut first, &place).await?;
        first.close().await.map_err(|error| explain(&place, &error))?;

        let pool = |connections| {
            let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_WITHIN);
            pool.connect_lazy_with(options.clone())
        };
        let news = Arc::new(watch::Sender::new(0));
        let database = Arc::new(Database {
            place: place.clone(),
            options: options.clone(),
            pool: pool(CONNECTIONS_MAX),
            health: Health::default(),
            kinds,
            news: Arc::clone(&news),
            _lock: lock,
        });
        tokio::spawn(news::listen(Arc::downgrade(&database), pool(1), news));
        tokio::spawn(tend(Arc::downgrade(&database), database.health.subscribe()));
        Ok(Self(database))
    }

    /// Returns all documents of a database, which control planes may be using; `None` if it has no Slotway schema.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn read(
        url: &PostgresUrl,
        kinds: &'static [Kind],
    ) -> Result<Option<Listing>, StoreError> {
        let place = url.to_string();
        let mut connection = connect(&options(url, &place)?, &place).await?;
        if schema::recorded(&mut connection, &place).await?.is_none() {
            return Ok(None);
        }
        let listing = timeout(LIST_WITHIN, list(&mut connection, kinds))
            .await
            .map_err(|_| StoreError::Unavailable { place: place.clone(), reason: no_answer(LIST_WITHIN) })?;
        match listing {
            Ok(listing) => Ok(Some(listing)),
            Err(Failure::Store(error)) => Err(error),
            Err(Failure::Database(error)) => Err(explain(&place, &error)),
        }
    }
}

/// Returns the connection options for a database URL.
fn options(url: &PostgresUrl, place: &str) -> Result<PgConnectOptions, StoreError> {
    let options = url.options();
    let options = options.map_err(|reason| StoreError::Unavailable { place: place.to_owned(), reason })?;
    let options = options.options(SERVER_SETTINGS);
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("slotway"),
    })
}

/// Connects. Does not use a pool, because a pool hides why it has no connection.
async fn connect(options: &PgConnectOptions, place: &str) -> Result<PgConnection, StoreError> {
    match timeout(USE_WITHIN, PgConnection::connect_with(options)).await {
        Ok(connected) => connected.map_err(|error| explain(place, &error)),
        Err(_) => Err(StoreError::Unavailable { place: place.to_owned(), reason: no_answer(USE_WITHIN) }),
    }
}

/// Returns a consistent listing of all documents of some kinds, with one statement.
async fn list(database: impl sqlx::PgExecutor<'_>, kinds: &[Kind]) -> Result<Listing, Failure> {
    let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    let rows = sqlx::query(
        "SELECT s.revision AS newest, d.kind, d.key, d.revision, d.value
         FROM (SELECT revision FROM slotway.store LIMIT 1) AS s
         LEFT JOIN slotway.documents AS d ON d.kind = ANY($1) ORDER BY d.kind, d.key",
    )
    .bind(names)
    .fetch_all(database)
    .await?;
    let newest = rows.first().map(|row| row.try_get("newest")).transpose()?;
    let there = |row: &&PgRow| !matches!(row.try_get::<Option<&str>, _>("kind"), Ok(None));
    let documents = rows.iter().filter(there).map(|row| document(row, kinds)).collect::<Result<_, _>>()?;
    Ok(Listing { revision: to_u64(newest.unwrap_or_default()), documents })
}

impl Database {
    /// Runs an operation on the database within a time limit, and records its outcome.
    async fn used<T>(
        &self,
        within: Duration,
        wrote: bool,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, StoreError> {
        let outcome = match timeout(within, work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Database(error))) => Err(self.explained(&error).await),
            Err(_) => {
                let known = if wrote { UNKNOWN } else { "" };
                let reason = format!("{}{known}", no_answer(within));
                Err(StoreError::Unavailable { place: self.place.clone(), reason })
            }
        };
        self.health.note(&outcome, wrote);
        outcome
    }

    /// Records a failure.
    async fn fails(&self, error: &sqlx::Error) {
        self.health.note::<()>(&Err(self.explained(error).await), false);
    }

    /// Returns the reason of a failure. A pool does not report why it has no connection, so this opens one.
    async fn explained(&self, error: &sqlx::Error) -> StoreError {
        if !matches!(error, sqlx::Error::PoolTimedOut) {
            return explain(&self.place, error);
        }
        match timeout(CONNECT_WITHIN, PgConnection::connect_with(&self.options)).await {
            Ok(Err(error)) => explain(&self.place, &error),
            Ok(Ok(_)) => StoreError::Unavailable {
                place: self.place.clone(),
                reason: format!("all {CONNECTIONS_MAX} connections are in use"),
            },
            Err(_) => {
                StoreError::Unavailable { place: self.place.clone(), reason: no_answer(CONNECT_WITHIN) }
            }
        }
    }

    async fn write(&self, batch: Batch) -> Result<u64, Failure> {
        let mut transaction = self.pool.begin().await?;
        // This locks the row: until the end of the transaction no other commit can start.
        let row = sqlx::query(
            "UPDATE slotway.store SET revision = revision + 1
             RETURNING revision, (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at_ms",
        )
        .fetch_one(&mut *transaction)
        .await?;
        let (revision, at_ms): (i64, i64) = (row.try_get("revision")?, row.try_get("at_ms")?);
        let who = batch.who.clone();
        let kinds: Vec<_> = batch.writes.iter().map(|write| write.kind.as_str()).collect();
        let keys: Vec<_> = batch.writes.iter().map(|write| write.key.as_str()).collect();
        let found = sqlx::query(
            "SELECT d.kind, d.key, d.revision, d.value FROM unnest($1::text[], $2::text[]) AS w (kind, key)
             JOIN slotway.documents AS d ON d.kind = w.kind AND d.key = w.key",
        )
        .bind(kinds)
        .bind(keys)
        .fetch_all(&mut *transaction)
        .await?;
        let found = found.iter().map(|row| document(row, self.kinds)).collect::<Result<_, _>>()?;
        let plan = batch.plan(found)?;
        if plan.changes.is_empty() {
            return Ok(to_u64(revision - 1));
        }
        make(&mut transaction, &plan, revision, at_ms, &who).await?;
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(news::CHANNEL)
            .bind(revision.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await.map_err(|error| match explain(&self.place, &error) {
            StoreError::Unavailable { place, reason } => {
                StoreError::Unavailable { place, reason: format!("{reason}{UNKNOWN}") }
            }
            other => other,
        })?;
        Ok(to_u64(revision))
    }

    async fn read_changes(&self, after: u64) -> Result<Vec<Commit>, Failure> {
        let from = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = sqlx::query(
            // `LIMIT 1` tells the planner that `slotway.store` has one row: it assumes 1,000 for a table of unknown
            // size. If the changes are not all available, the query returns none of them: there may be 100,000 rows.
            "SELECT s.revision AS newest, s.forgotten, c.revision, c.kind, c.key, c.value
             FROM (SELECT revision, forgotten FROM slotway.store LIMIT 1) AS s
             LEFT JOIN slotway.changes AS c ON s.forgotten <= $1 AND c.revision > $1 AND c.revision <= $2
             ORDER BY c.id",
        )
        .bind(from)
        .bind(from.saturating_add(COMMITS_AT_ONCE))
        .fetch_all(&self.pool)
        .await?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            // A store with a lower revision was restored from an older backup.
            if from < row.try_get("forgotten")? || from > row.try_get("newest")? {
                return Err(StoreError::Forgotten { after }.into());
            }
            changes.extend(change_row(row, self.kinds)?);
        }
        Ok(into_commits(changes))
    }
}

/// A failure of the database, or an error of the request.
enum Failure {
    Database(sqlx::Error),
    Store(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn no_answer(within: Duration) -> String {
    format!("no answer within {} ms", within.as_millis())
}

/// Distinguishes a damaged database and a full one from one that is temporarily unavailable.
fn explain(place: &str, error: &sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let reason =
        error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    let place = place.to_owned();
    // https://www.postgresql.org/docs/15/errcodes-appendix.html
    match code.as_deref() {
        // disk_full
        Some("53100") => StoreError::Full { place, reason },
        // data_corrupted, index_corrupted, undefined_table, undefined_column, invalid_schema_name
        Some("XX001" | "XX002" | "42P01" | "42703" | "3F000") => {
            StoreError::Damaged { place, reason, remedy: REMEDY }
        }
        _ => StoreError::Unavailable { place, reason },
    }
}

impl ReadChanges for Database {
    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>> {
        Box::pin(self.used(USE_WITHIN, false, self.read_changes(after)))
    }
}

impl Probe for Database {
    async fn probe(&self) {
        let write = async {
            sqlx::query("UPDATE slotway.store SET probes = probes + 1").execute(&self.pool).await?;
            Ok(())
        };
        // `used` records the outcome, and a probe needs nothing else.
        let _ = self.used(USE_WITHIN, true, write).await;
    }
}

impl Store for PostgresStore {
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>> {
        let read = async move {
            let row = sqlx::query(
                "SELECT kind, key, revision, value FROM slotway.documents WHERE kind = $1 AND key = $2",
            )
            .bind(kind.as_str())
            .bind(key)
            .fetch_optional(&self.0.pool)
            .await?;
            row.as_ref().map(|row| document(row, &[kind])).transpose()
        };
        Box::pin(self.0.used(USE_WITHIN, false, read))
    }

    fn list<'a>(&'a self, kinds: &'a [Kind]) -> StoreFuture<'a, Listing> {
        Box::pin(self.0.used(LIST_WITHIN, false, list(&self.0.pool, kinds)))
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            batch.check()?;
            let writes = u32::try_from(batch.writes.len()).unwrap_or(u32::MAX);
            let within = USE_WITHIN + WRITE_WITHIN * writes;
            let revision = self.0.used(within, true, self.0.write(batch)).await?;
            news::tell(&self.0.news);
            Ok(revision)
        })
    }

    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>> {
        ReadChanges::changes(&*self.0, after)
    }

    fn watch(&self, after: u64) -> Watch {
        Watch::new(Arc::clone(&self.0) as Arc<dyn ReadChanges>, self.0.news.subscribe(), after)
    }

    fn audit<'a>(&'a self, query: &'a AuditQuery) -> StoreFuture<'a, Vec<AuditRow>> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let read = async move {
            let rows = sqlx::query(
                "SELECT id, revision, at_ms, who, kind, key, before, after FROM slotway.audit
                 WHERE ($1::bigint IS NULL OR id < $1) AND ($2::text IS NULL OR kind = $2)
                   AND ($3::text IS NULL OR key = $3) AND ($4::text IS NULL OR who = $4)
                   AND ($7::bigint IS NULL OR revision <= $7)
                   -- Rows rise by id and by revision alike, and only ids have an index.
                   AND ($6::bigint IS NULL OR id > coalesce((SELECT last.id FROM slotway.audit AS last
                        WHERE last.revision <= $6 ORDER BY last.id DESC LIMIT 1), 0))
                 ORDER BY id DESC LIMIT $5",
            )
            .bind(query.before.map(number))
            .bind(query.kind.as_deref())
            .bind(query.key.as_deref())
            .bind(query.who.as_deref())
            .bind(i64::from(query.limit))
            .bind(query.after_revision.map(number))
            .bind(query.up_to_revision.map(number))
            .fetch_all(&self.0.pool)
            .await?;
            Ok(rows.iter().map(audit_row).collect::<Result<_, _>>()?)
        };
        Box::pin(self.0.used(USE_WITHIN, false, read))
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.0.health.subscribe()
    }
}
