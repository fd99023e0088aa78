use std::path::PathBuf;

use super::*;
use crate::Dependency;

const ALLOWED: [AllowedDependencies; 4] = [
    AllowedDependencies { package: "store", product: AllowedSet::Only(&[]), tests: &["fake-store"] },
    AllowedDependencies { package: "pools", product: AllowedSet::Only(&["store"]), tests: &[] },
    AllowedDependencies { package: "api", product: AllowedSet::AllBut(&["fake-store"]), tests: &[] },
    AllowedDependencies { package: "fake-store", product: AllowedSet::Only(&["store"]), tests: &[] },
];

const CONFINED: [Confined; 1] =
    [Confined { package: "axum", to: &["api"], reason: "only `api` answers requests" }];

/// A dependency, with its kind.
type Named<'a> = (&'a str, Option<&'a str>);

fn workspace(packages: &[(&str, &[Named])]) -> Workspace {
    let package = |&(name, dependencies): &(&str, &[Named])| Package {
        name: name.to_owned(),
        manifest_path: PathBuf::from(name).join("Cargo.toml"),
        dependencies: dependencies
            .iter()
            .map(|&(name, kind)| Dependency { name: name.to_owned(), kind: kind.map(str::to_owned) })
            .collect(),
        targets: Vec::new(),
    };
    Workspace { packages: packages.iter().map(package).collect(), workspace_root: PathBuf::new() }
}

fn messages(packages: &[(&str, &[Named])]) -> Vec<String> {
    breaches(&workspace(packages), &ALLOWED, &CONFINED).iter().map(ToString::to_string).collect()
}

#[test]
fn allowed_dependencies_are_no_breach() {
    let packages: [(&str, &[Named]); 4] = [
        ("store", &[("fake-store", Some("dev")), ("serde", None)]),
        ("pools", &[("store", None), ("serde", None)]),
        ("api", &[("pools", None), ("store", None), ("axum", None)]),
        ("fake-store", &[("store", None)]),
    ];
    assert_eq!(messages(&packages), <[&str; 0]>::default());
}

#[test]
fn a_forbidden_dependency_is_a_breach() {
    let packages: [(&str, &[Named]); 4] = [
        ("store", &[("pools", None), ("fake-store", None)]),
        ("pools", &[("store", None), ("api", Some("build")), ("fake-store", Some("dev"))]),
        ("api", &[("fake-store", None)]),
        ("fake-store", &[]),
    ];
    assert_eq!(
        messages(&packages),
        [
            "store must not depend on pools",
            "store must not depend on fake-store",
            "pools must not depend on api",
            "the tests of pools must not depend on fake-store",
            "api must not depend on fake-store",
        ]
    );
}

#[test]
fn a_package_and_a_row_belong_together() {
    let packages: [(&str, &[Named]); 4] = [("store", &[]), ("pools", &[]), ("api", &[]), ("billing", &[])];
    assert_eq!(
        messages(&packages),
        [
            "fake-store has a row in the table, but no package",
            "billing has no row in the table: add one with what it may depend on",
        ]
    );
}

#[test]
fn a_confined_crate_is_a_breach_outside_its_place() {
    let packages: [(&str, &[Named]); 4] = [
        ("store", &[("axum", Some("dev"))]),
        ("pools", &[("axum", None)]),
        ("api", &[("axum", None)]),
        ("fake-store", &[]),
    ];
    assert_eq!(messages(&packages), ["pools must not depend on axum: only `api` answers requests"]);
}
