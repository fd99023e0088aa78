//! The instructions of the engine's operations, of whole requests and of reports, compared with committed figures. They have
//! no noise, so that a few per cent are seen.
//!
//! Requests run through the module that runs in Envoy. The engine's operations run one by one through a module of their own:
//! the engine is a small part of a request, and an operation that costs a quarter more would not be seen there. They are
//! measured as wasm too, since that is what runs in Envoy.

mod committed;
mod engine;
mod reports;
mod requests;

use std::collections::BTreeMap;

use committed::Committed;

/// The figures, by name.
type Measured = BTreeMap<String, f64>;

#[test]
fn costs_in_instructions_have_not_changed() {
    let engine = engine::Probe::build();
    let mut measured = requests::measure();
    measured.extend(reports::measure());
    measured.extend(engine.measure());
    let measured = Committed { compiler: engine.compiler(), costs: measured };
    if let Err(what) = committed::check(&measured) {
        panic!("{what}");
    }
}
