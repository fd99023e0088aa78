//! The effect of a restore on the workers that exist.

use slotway_config::Worker;
use slotway_store::{Document, Expected, Listing};

use super::*;
use crate::replicated::StoredPools;

const URL: &str = "http://w";
/// A generation far below those of the clock.
const OLD: u64 = 7;

fn active(pool: &str) -> WorkerRecord {
    let worker = Worker {
        worker: URL.parse().unwrap(),
        capacity: Capacity::new(3).unwrap(),
        protocol: Protocol::default(),
        connections: None,
        tls: None,
    };
    WorkerRecord::new(0, PoolWorker { pool: pool.parse().unwrap(), worker })
}

fn draining(pool: &str) -> WorkerRecord {
    WorkerRecord { membership: Membership::Draining { since_generation: OLD }, ..active(pool) }
}

fn moving(from: &str, to: &str) -> WorkerRecord {
    let membership = Membership::Moving { since_generation: OLD };
    WorkerRecord { membership, leaves: Some(from.parse().unwrap()), ..active(to) }
}

fn removed() -> WorkerRecord {
    let declared = Some(active("a").entry);
    WorkerRecord { membership: Membership::Removed, declared, ..active("a") }
}

/// Returns a store, or a backup, with pools `a` and `b` and this worker.
fn listing(record: Option<WorkerRecord>) -> Listing {
    let pool = |name: &str, position: u32| {
        let value = serde_json::json!({ "position": position, "match": { "prefix": format!("/{name}") } });
        Document { kind: POOL, key: name.to_owned(), revision: 5, value: value.to_string() }
    };
    let fact = Document { kind: Kind::FACT, key: GENERATION.to_owned(), revision: 9, value: OLD.to_string() };
    let worker = record.map(|record| Document {
        kind: WORKER,
        key: URL.to_owned(),
        revision: 6,
        value: serde_json::to_string(&record).unwrap(),
    });
    let documents = [fact, pool("a", 0), pool("b", 1)].into_iter().chain(worker).collect();
    Listing { revision: 10, documents }
}

fn restore(present: Listing, backup: Listing) -> Result<Vec<slotway_store::Write>, PoolsError> {
    restore_writes(present, backup, Clock::System.now().unix_us())
}

/// Returns the worker after a restore, with the new generation; none if nothing was written.
fn after(there: &Listing, backup: &Listing) -> Option<(Option<WorkerRecord>, u64)> {
    let writes = restore(there.clone(), backup.clone()).unwrap();
    let write = |kind: Kind, key: &str| writes.iter().find(|write| write.kind == kind && write.key == key);
    let generation = write(Kind::FACT, GENERATION)?;
    assert_eq!(generation.expected, Expected::seen(9), "the write must expect the generation that was read");
    let generation = generation.value.as_ref().unwrap().parse().unwrap();
    let worker = match write(WORKER, URL) {
        Some(write) => write.value.as_ref().map(|value| serde_json::from_str(value).unwrap()),
        None => StoredPools::read(there.clone()).unwrap().records.into_values().next(),
    };
    Some((worker, generation))
}

#[test]
fn a_restored_worker_drains_from_its_present_pool_first() {
    enum Outcome {
        Active(&'static str),
        /// Drains from this pool, since the restore.
        Draining(&'static str),
        /// Moves from the first pool to the second, since the restore.
        Moving(&'static str, &'static str),
        Removed,
        Gone,
        /// The restore adds no drain.
        Untouched,
    }
    for (name, there, backup, is) in [
        ("unchanged", Some(active("a")), Some(active("a")), Outcome::Untouched),
        ("added since", Some(active("a")), None, Outcome::Draining("a")),
        ("added since, and it moves", Some(moving("a", "b")), None, Outcome::Draining("a")),
        ("added and removed since", Some(removed()), None, Outcome::Gone),
        ("removed since", None, Some(active("a")), Outcome::Active("a")),
        ("removed over REST since", Some(removed()), Some(active("a")), Outcome::Active("a")),
        (
            "removed over REST since, from another pool",
            Some(removed()),
            Some(active("b")),
            Outcome::Active("b"),
        ),
        ("still draining", Some(draining("a")), Some(active("a")), Outcome::Active("a")),
        (
            "still draining from another pool",
            Some(draining("a")),
            Some(active("b")),
            Outcome::Moving("a", "b"),
        ),
        ("moved since", Some(active("a")), Some(active("b")), Outcome::Moving("a", "b")),
        (
            "still moving to a pool other than in the backup",
            Some(moving("a", "b")),
            Some(active("a")),
            Outcome::Active("a"),
        ),
        ("moving in the backup", Some(active("a")), Some(moving("a", "b")), Outcome::Moving("a", "b")),
        ("it has moved since", Some(active("b")), Some(moving("a", "b")), Outcome::Untouched),
        ("draining in the backup", Some(active("a")), Some(draining("a")), Outcome::Draining("a")),
        (
            "draining from another pool in the backup",
            Some(active("a")),
            Some(draining("b")),
            Outcome::Draining("a"),
        ),
        ("removed in the backup", Some(active("a")), Some(removed()), Outcome::Draining("a")),
        ("absent, and draining in the backup", None, Some(draining("a")), Outcome::Draining("a")),
        ("absent, and moving in the backup", None, Some(moving("a", "b")), Outcome::Moving("a", "b")),
        ("absent, and removed in the backup", None, Some(removed()), Outcome::Removed),
    ] {
        let drained_since = there.as_ref().and_then(|there| there.membership.drains_since());
        let outcome = after(&listing(there), &listing(backup));
        let Some((worker, generation)) = outcome else {
            assert!(matches!(is, Outcome::Untouched), "{name}: nothing was changed");
            continue;
        };
        assert!(generation > 1_000_000 * OLD, "{name}: {generation}");
        let from = worker.as_ref().and_then(|worker| worker.pool_of_requests()).map(ToString::to_string);
        let (from, to) = (from.as_deref(), worker.as_ref().map(|worker| worker.entry.pool.as_str()));
        let membership = worker.as_ref().map(|worker| worker.membership);
        match is {
            Outcome::Untouched => panic!("{name}: {worker:?}"),
            Outcome::Gone => assert_eq!(worker, None, "{name}"),
            Outcome::Removed => assert_eq!(membership, Some(Membership::Removed), "{name}"),
            Outcome::Active(pool) => {
                assert_eq!((membership, to), (Some(Membership::Active), Some(pool)), "{name}");
            }
            Outcome::Draining(pool) => {
                // A worker that was already draining keeps its earlier generation; every other drain counts from the
                // new one.
                let since_generation = drained_since.unwrap_or(generation);
                assert_eq!(membership, Some(Membership::Draining { since_generation }), "{name}");
                assert_eq!(from, Some(pool), "{name}");
            }
            Outcome::Moving(pool, other) => {
                let since_generation = drained_since.unwrap_or(generation);
                assert_eq!(membership, Some(Membership::Moving { since_generation }), "{name}");
                assert_eq!((from, to), (Some(pool), Some(other)), "{name}");
            }
        }
    }
}

#[test]
fn an_operators_settings_are_restored_and_observed_health_is_kept() {
    let heartbeat: Heartbeat = serde_json::from_value(serde_json::json!({ "path": "/health" })).unwrap();
    let down = Health::down(1, "no answer");
    let cordon =
        |since_generation| Cordon { reason: "r".into(), who: "ada".into(), at_ms: 1, since_generation };
    let then = WorkerRecord {
        notes: serde_json::from_value("rack 7".into()).unwrap(),
        cordoned: Some(cordon(OLD)),
        heartbeat: Some(heartbeat.clone()),
        position: 4,
        ..active("a")
    };
    let now = WorkerRecord { heartbeat: Some(heartbeat), health: down.clone(), ..active("a") };
    let (restored, generation) = after(&listing(Some(now)), &listing(Some(then.clone()))).unwrap();
    let restored = restored.unwrap();
    assert_eq!((&restored.notes, restored.position), (&then.notes, 4));
    assert_eq!(restored.health, down, "the worker is down now");
    // Envoys have had the worker since the backup, so they must confirm its drain again.
    assert_eq!(restored.cordoned, Some(cordon(generation)));
    // Without a current record, the health of the backup is restored.
    let was_down = WorkerRecord { health: down.clone(), ..then };
    let (restored, _) = after(&listing(None), &listing(Some(was_down))).unwrap();
    assert_eq!(restored.unwrap().health, down);
}

#[test]
fn a_backup_that_breaks_a_rule_is_refused() {
    let mut backup = listing(Some(active("a")));
    backup.documents[2].value = backup.documents[1].value.clone();
    let error = restore(listing(None), backup).unwrap_err();
    assert!(error.to_string().contains("pools a and b have the same match"), "{error}");
    let mut backup = listing(Some(active("a")));
    backup.documents[3].value = backup.documents[3].value.replace("\"capacity\":3", "\"capacity\":0");
    let error = restore(listing(None), backup).unwrap_err();
    assert!(error.to_string().contains("a worker \"http://w\" that cannot be read"), "{error}");
}

#[test]
fn the_generation_decreases_on_no_machine() {
    let far = u64::MAX / 2;
    let mut backup = listing(Some(active("a")));
    backup.documents[0].value = far.to_string();
    let (_, generation) = after(&listing(None), &backup).unwrap();
    assert!(generation > far, "{generation}");
}
