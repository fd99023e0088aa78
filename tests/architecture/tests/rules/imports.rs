//! Modules of a crate form no import cycle.

use slotway_test_architecture::cycles::cycles;

use crate::sources::{assert_none, sources};

#[test]
fn modules_form_no_import_cycle() {
    let mut breaches = Vec::new();
    for sources in sources() {
        for cycle in sources.trees().flat_map(cycles) {
            let imports: Vec<_> = cycle.iter().map(|import| format!("\n    {import}")).collect();
            breaches.push(format!("{}:{}", sources.package.name, imports.concat()));
        }
    }
    assert_none("These modules import each other in a circle:", &breaches);
}
