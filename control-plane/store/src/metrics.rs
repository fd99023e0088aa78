use prometheus_client::{metrics::gauge::Gauge, registry::Registry};

use crate::Store;

/// Registers the current metrics of a store.
pub fn register_metrics(store: &dyn Store, registry: &mut Registry) {
    let takes_changes = Gauge::<i64>::default();
    takes_changes.set(i64::from(store.trouble().borrow().is_none()));
    registry.register("store_takes_changes", "Whether the database accepts changes", takes_changes);
}
