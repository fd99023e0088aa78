//! Where unit tests stand, and which files are compiled under another name.

use std::path::Path;

use slotway_test_architecture::{
    path_attributes,
    unit_tests::{MisplacedTests, misplaced},
};

use crate::sources::{Sources, assert_none, sources, workspace};

/// `#[path]` attributes besides those of unit tests: the file, the value, the reason.
const PATHS: &[(&str, &str, &str)] = &[];

/// Modules of tests that are still to be moved; to be deleted with the last of them.
const TO_BE_MOVED: &[&str] = &[];

#[test]
fn unit_tests_stand_beside_what_they_test() {
    let mut breaches: Vec<_> = sources().iter().flat_map(Sources::trees).flat_map(misplaced).collect();
    breaches.retain(|breach| {
        !matches!(breach, MisplacedTests::ModuleName { module, .. } if TO_BE_MOVED.contains(&module.as_str()))
    });
    assert_none("Unit tests stand in a module `tests`, or in NAME_tests.rs beside NAME.rs:", &breaches);
}

#[test]
fn files_are_modules_under_their_own_names() {
    let workspace = workspace();
    let mut found = path_attributes::below(&workspace.workspace_root).expect("the sources");
    found.retain(|attribute| {
        let file = workspace.relative(&attribute.file);
        !attribute.is_unit_tests()
            && !PATHS
                .iter()
                .any(|(allowed, value, _)| file == Path::new(allowed) && attribute.value == *value)
    });
    assert_none("`#[path]` is for unit tests beside their file; shared code is a crate:", &found);
}
