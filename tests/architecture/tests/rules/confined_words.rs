//! HTTP and the command line stay in the crates that are made for them.

use slotway_test_architecture::words;

use crate::sources::{assert_none, sources, workspace};

/// An identifier, the packages of the control plane whose product code may have it, and the reason.
const CONFINED: &[(&str, &[&str], &str)] = &[
    (
        "axum",
        &["slotway", "slotway-api", "slotway-runtime", "slotway-xds"],
        "only `api` has handlers; `runtime` serves and measures them, `xds` serves its own port",
    ),
    ("clap", &["slotway"], "only `cli` has a command line"),
    (
        "StatusCode",
        &["slotway", "slotway-api", "slotway-runtime"],
        "a domain's error has no HTTP status; `api` maps it to one",
    ),
    (
        "ToSchema",
        &["slotway", "slotway-api", "slotway-api-types"],
        "only REST has a schema; a domain's type is no wire type",
    ),
    ("ValueEnum", &["slotway"], "only `cli` has a command line"),
];

#[test]
fn http_and_the_command_line_stay_in_their_crates() {
    let mut breaches = Vec::new();
    let root = workspace().workspace_root.join("control-plane");
    for sources in sources().iter().filter(|sources| sources.package.folder().starts_with(&root)) {
        let package = sources.package.name.as_str();
        for tree in sources.trees() {
            for (word, allowed, reason) in CONFINED {
                if !allowed.contains(&package) {
                    let found = words::uses(tree, &[word]);
                    breaches.extend(found.iter().map(|place| format!("{place} in {package}: {reason}")));
                }
            }
        }
    }
    assert_none("These identifiers belong into other crates:", &breaches);
}
