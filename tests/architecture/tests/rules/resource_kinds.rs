//! A kind of resource is named in its domain, in the wire types and in the messages for agents. Everything else derives from its descriptor.

use slotway_test_architecture::words;

use crate::sources::{assert_none, sources};

/// The types of a kind, and the package of its domain.
const KINDS: &[(&[&str], &str)] = &[
    (&["BackupJob", "BACKUP_JOB"], "slotway-backups"),
    (&["ResourceProfile", "RESOURCE_PROFILE"], "slotway-servers"),
    (&["ServerLimits", "SERVER_LIMITS"], "slotway-servers"),
];
/// The packages that name every kind.
const OF_ALL_KINDS: [&str; 2] = ["slotway-agents-proto", "slotway-api-types"];

#[test]
fn a_kind_of_resource_is_named_in_its_domain_and_in_the_wire_types_only() {
    let mut breaches = Vec::new();
    for (names, domain) in KINDS {
        let mut is_named_in_domain = false;
        for sources in sources() {
            let package = sources.package.name.as_str();
            for tree in sources.trees() {
                let found = words::uses(tree, names);
                is_named_in_domain |= package == *domain && !found.is_empty();
                if package != *domain && !OF_ALL_KINDS.contains(&package) {
                    breaches.extend(found.iter().map(|place| format!("{place} in {package}")));
                }
            }
        }
        assert!(is_named_in_domain, "{names:?} is in {domain}: is the rule out of date?");
    }
    assert_none("These places name a kind of resource; let them derive from its descriptor:", &breaches);
}
