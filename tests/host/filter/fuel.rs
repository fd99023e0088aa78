//! What the engine's operations, whole requests and reports cost, in instructions, against what they have cost before: no clock, no noise, so that a few
//! per cent more are seen.
//!
//! The requests run through the module that runs in Envoy; the engine's operations, one by one, through a module of their own. Within a
//! request the engine is a small part, and one operation that has become a quarter dearer would not be seen there. They are measured as wasm
//! too, since that is what they are in Envoy.

mod committed;
mod engine;
mod reports;
mod requests;

use std::collections::BTreeMap;

use committed::Committed;

/// What was measured, by name.
type Measured = BTreeMap<String, f64>;

#[test]
fn requests_and_operations_cost_what_they_have_cost() {
    let engine = engine::Probe::build();
    let mut measured = requests::measure();
    measured.extend(reports::measure());
    measured.extend(engine.measure());
    let measured = Committed { compiler: engine.compiler(), costs: measured };
    if let Err(what) = committed::check(&measured) {
        panic!("{what}");
    }
}
