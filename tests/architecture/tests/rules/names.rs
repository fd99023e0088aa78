//! One name, one meaning.

use slotway_test_architecture::names::shared;

use crate::sources::{assert_none, sources};

/// Names that public types of several crates may have, with the reason.
const SHARED: &[(&str, &str)] = &[
    ("BackupRetention", WIRE),
    ("BackupSchedule", WIRE),
    ("BackupSubject", WIRE),
    ("BackupTarget", WIRE),
    ("FileTarget", WIRE),
    ("FilesSubject", WIRE),
    ("Heartbeat", WIRE),
    ("HeartbeatStatus", WIRE),
    ("PoolSpec", WIRE),
    ("PoolStatus", WIRE),
    ("S3Target", WIRE),
    ("SparkProfile", WIRE),
    ("StoreSubject", WIRE),
    ("WorkerCondition", WIRE),
    ("WorkerSpec", WIRE),
    ("WorkerStatus", WIRE),
];

/// The reason of a wire type of REST and the type of its domain.
const WIRE: &str = "the same thing, on the wire of REST and in its domain";

#[test]
fn public_types_of_different_crates_have_different_names() {
    let libraries = sources()
        .iter()
        .filter_map(|sources| Some((sources.package.name.as_str(), sources.library.as_ref()?)));
    let mut found = shared(libraries);
    for (name, _) in SHARED {
        let before = found.len();
        found.retain(|shared| shared.name != *name);
        assert!(found.len() < before, "the list has `{name}`, which no two crates share");
    }
    assert_none("Rename these, or give the reason in tests/architecture/tests/rules/names.rs:", &found);
}
