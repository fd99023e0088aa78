use sqlx::{PgConnection, Row, postgres::PgRow};

use super::Failure;
use crate::{AUDIT_ROWS_MAX, AuditRow, CHANGES_MAX, Change, Document, Kind, Who, batch::Plan, kind_named};

/// Executes a plan, and deletes changes and audit rows beyond the limits.
pub(super) async fn make(
    connection: &mut PgConnection,
    plan: &Plan,
    revision: i64,
    at_ms: i64,
    who: &Who,
) -> Result<(), sqlx::Error> {
    let kinds: Vec<_> = plan.changes.iter().map(|change| change.kind.as_str()).collect();
    let keys: Vec<_> = plan.changes.iter().map(|change| change.key.as_str()).collect();
    let values: Vec<_> = plan.changes.iter().map(|change| change.value.as_deref()).collect();
    sqlx::query(
        "INSERT INTO slotway.documents (kind, key, revision, value)
         SELECT kind, key, $4, value FROM unnest($1::text[], $2::text[], $3::text[]) AS w (kind, key, value)
         WHERE value IS NOT NULL
         ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, value = excluded.value",
    )
    .bind(&kinds)
    .bind(&keys)
    .bind(&values)
    .bind(revision)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM slotway.documents AS d
         USING unnest($1::text[], $2::text[], $3::text[]) AS w (kind, key, value)
         WHERE w.value IS NULL AND d.kind = w.kind AND d.key = w.key",
    )
    .bind(&kinds)
    .bind(&keys)
    .bind(&values)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO slotway.changes (revision, kind, key, value)
         SELECT $4, kind, key, value
         FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (kind, key, value, place)
         ORDER BY place",
    )
    .bind(&kinds)
    .bind(&keys)
    .bind(&values)
    .bind(revision)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO slotway.audit (revision, at_ms, who, kind, key, before, after)
         SELECT $5, $6, $7, kind, key, before, after
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
              AS w (kind, key, before, after, place)
         ORDER BY place",
    )
    .bind(plan.audit.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>())
    .bind(plan.audit.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
    .bind(plan.audit.iter().map(|row| row.before.as_deref()).collect::<Vec<_>>())
    .bind(plan.audit.iter().map(|row| row.after.as_deref()).collect::<Vec<_>>())
    .bind(revision)
    .bind(at_ms)
    .bind(who.as_str())
    .execute(&mut *connection)
    .await?;
    forget(connection).await
}

async fn forget(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let changes_max = i64::try_from(CHANGES_MAX).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE slotway.store SET forgotten = greatest(forgotten, coalesce(
         (SELECT max(revision) FROM slotway.changes WHERE id <= (SELECT max(id) FROM slotway.changes) - $1), 0))",
    )
    .bind(changes_max)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM slotway.changes WHERE id <= (SELECT max(id) FROM slotway.changes) - $1")
        .bind(changes_max)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM slotway.audit WHERE id <= (SELECT max(id) FROM slotway.audit) - $1")
        .bind(i64::try_from(AUDIT_ROWS_MAX).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

pub(super) fn document(row: &PgRow, kinds: &[Kind]) -> Result<Document, Failure> {
    Ok(Document {
        kind: kind_named(kinds, row.try_get("kind")?)?,
        key: row.try_get("key")?,
        revision: to_u64(row.try_get("revision")?),
        value: row.try_get("value")?,
    })
}

/// Returns a change and its revision; `None` for the row that stands for no changes.
pub(super) fn change_row(row: &PgRow, kinds: &[Kind]) -> Result<Option<(u64, Change)>, Failure> {
    let Some(revision) = row.try_get::<Option<i64>, _>("revision")? else { return Ok(None) };
    let kind = kind_named(kinds, row.try_get("kind")?)?;
    let change = Change { kind, key: row.try_get("key")?, value: row.try_get("value")? };
    Ok(Some((to_u64(revision), change)))
}

pub(super) fn audit_row(row: &PgRow) -> Result<AuditRow, sqlx::Error> {
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
}

/// Converts a number of the database, which is signed. Slotway stores no negative numbers.
pub(super) fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
