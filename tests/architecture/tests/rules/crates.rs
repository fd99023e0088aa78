//! Which crate may depend on which.

use slotway_test_architecture::dependencies::{AllowedDependencies, AllowedSet, Confined, breaches};

use crate::sources::{assert_none, workspace};

const fn may(package: &'static str, product: &'static [&'static str]) -> AllowedDependencies {
    AllowedDependencies { package, product: AllowedSet::Only(product), tests: &[] }
}

const fn may_and_tests(
    package: &'static str,
    product: &'static [&'static str],
    tests: &'static [&'static str],
) -> AllowedDependencies {
    AllowedDependencies { package, product: AllowedSet::Only(product), tests }
}

/// Test support: nothing that is shipped depends on it.
const TEST_SUPPORT: &[&str] = &[
    "slotway-empty-filter",
    "slotway-engine-probe",
    "slotway-fuzz",
    "slotway-test-architecture",
    "slotway-test-contended-store",
    "slotway-test-postgres",
    "slotway-test-site",
    "slotway-tests",
    "slotway-worker",
];

const fn domain(package: &'static str) -> AllowedDependencies {
    may_and_tests(
        package,
        &["slotway-config", "slotway-runtime", "slotway-store"],
        &["slotway-test-contended-store", "slotway-test-postgres"],
    )
}

/// A domain that publishes messages for agents.
const fn domain_of_agents(package: &'static str) -> AllowedDependencies {
    let product =
        AllowedSet::Only(&["slotway-agents-proto", "slotway-config", "slotway-runtime", "slotway-store"]);
    AllowedDependencies { product, ..domain(package) }
}

/// `api` knows everything but the program and test support.
const NOT_FOR_API: &[&str] = &[
    "slotway",
    "slotway-empty-filter",
    "slotway-engine-probe",
    "slotway-fuzz",
    "slotway-test-architecture",
    "slotway-test-contended-store",
    "slotway-test-postgres",
    "slotway-test-site",
    "slotway-tests",
    "slotway-worker",
];

/// What the crates of the workspace may depend on.
const CRATES: &[AllowedDependencies] = &[
    // The filter. What does not need the host of a proxy-wasm VM knows nothing of it.
    may("slotway-config", &[]),
    may("slotway-engine", &["slotway-test-hooks"]),
    may("slotway-policy", &["slotway-config", "slotway-engine", "slotway-test-hooks"]),
    // Hooks of test builds: constants in a release.
    may("slotway-test-hooks", &[]),
    may("slotway-filter", &["slotway-config", "slotway-engine", "slotway-policy", "slotway-test-hooks"]),
    // The control plane, from below. The store and the process know no domain.
    may("slotway-runtime", &["slotway-config"]),
    may_and_tests(
        "slotway-store",
        &["slotway-config", "slotway-runtime"],
        &["slotway-test-contended-store", "slotway-test-postgres"],
    ),
    // Domains. None knows another: what it needs of one arrives as a published watch value, or through a trait of its own.
    domain("slotway-pools"),
    domain("slotway-watchdog"),
    domain_of_agents("slotway-servers"),
    domain_of_agents("slotway-backups"),
    domain("slotway-identity"),
    // The messages that agents receive over xDS.
    may("slotway-agents-proto", &[]),
    // The ADS server knows resources as (type URL, resource set).
    may("slotway-xds", &["slotway-runtime"]),
    // What an Envoy is told and says.
    may(
        "slotway-coordinators",
        &[
            "slotway-agents-proto",
            "slotway-backups",
            "slotway-config",
            "slotway-pools",
            "slotway-runtime",
            "slotway-servers",
            "slotway-store",
            "slotway-xds",
        ],
    ),
    // The wire types of REST, also for wasm32.
    may("slotway-api-types", &["slotway-config"]),
    AllowedDependencies {
        package: "slotway-api",
        product: AllowedSet::AllBut(NOT_FOR_API),
        tests: &["slotway-test-contended-store", "slotway-test-postgres"],
    },
    // The program: wiring, configuration file, commands.
    AllowedDependencies {
        package: "slotway",
        product: AllowedSet::AllBut(TEST_SUPPORT),
        tests: &["slotway-test-contended-store", "slotway-test-postgres"],
    },
    // Tests.
    may("slotway-empty-filter", &[]),
    may("slotway-engine-probe", &["slotway-engine"]),
    may("slotway-test-architecture", &[]),
    may("slotway-test-contended-store", &["slotway-store"]),
    may("slotway-test-postgres", &[]),
    may_and_tests("slotway-test-site", &[], &["slotway-test-postgres", "slotway-tests"]),
    AllowedDependencies { package: "slotway-fuzz", product: AllowedSet::AllBut(&[]), tests: &[] },
    may_and_tests(
        "slotway-tests",
        &["slotway-config", "slotway-engine", "slotway-test-hooks"],
        &["slotway-test-site"],
    ),
    may("slotway-worker", &["slotway-config"]),
];

/// Crates from outside that only some crates may use.
const CONFINED: &[Confined] = &[
    Confined {
        package: "clap",
        to: &["slotway", "slotway-worker"],
        reason: "only programs have a command line",
    },
    Confined { package: "clap_complete", to: &["slotway"], reason: "only programs have a command line" },
    Confined { package: "ratatui", to: &["slotway"], reason: "only the commands draw on a terminal" },
    Confined {
        package: "axum",
        to: &["slotway", "slotway-api", "slotway-runtime", "slotway-fuzz", "slotway-worker", "slotway-xds"],
        reason: "only `api` has handlers; `runtime` serves and measures them, `xds` serves its own port",
    },
    Confined {
        package: "utoipa",
        to: &["slotway", "slotway-api", "slotway-api-types"],
        reason: "only REST has an OpenAPI description",
    },
    Confined {
        package: "utoipa-axum",
        to: &["slotway", "slotway-api"],
        reason: "only REST has an OpenAPI description",
    },
    Confined {
        package: "sqlx",
        to: &["slotway-store", "slotway"],
        reason: "only the store speaks to databases",
    },
    Confined {
        package: "proxy-wasm",
        to: &["slotway-empty-filter"],
        reason: "the filter has its own dispatcher",
    },
];

#[test]
fn crates_depend_on_allowed_crates_alone() {
    let found = breaches(&workspace(), CRATES, CONFINED);
    assert_none("The tables in tests/architecture/tests/rules/crates.rs do not allow this:", &found);
}

#[test]
fn a_forbidden_dependency_would_be_found() {
    let mut workspace = workspace();
    let store =
        workspace.packages.iter_mut().find(|package| package.name == "slotway-store").expect("the store");
    store.dependencies.extend(
        ["slotway", "axum"]
            .map(|name| slotway_test_architecture::Dependency { name: name.to_owned(), kind: None }),
    );
    let found: Vec<_> = breaches(&workspace, CRATES, CONFINED).iter().map(ToString::to_string).collect();
    for breach in ["slotway-store must not depend on slotway", "slotway-store must not depend on axum"] {
        assert!(found.iter().any(|found| found.starts_with(breach)), "{breach}: {found:?}");
    }
}
