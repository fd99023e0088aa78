//! The resources for agents, put together from what the domains publish. They are pushed over xDS to every node that subscribes.

use std::sync::Arc;

pub use slotway_agents_proto::{AgentResources, v1 as proto};
use tokio::sync::watch;

/// Returns the resources of several domains together, and a future that keeps them up to date for as long as it is polled.
pub fn merged(
    mut one: watch::Receiver<Arc<AgentResources>>,
    mut other: watch::Receiver<Arc<AgentResources>>,
) -> (watch::Receiver<Arc<AgentResources>>, impl Future<Output = ()> + Send) {
    let now = AgentResources::clone(&one.borrow_and_update()).merged(&other.borrow_and_update());
    let (sender, receiver) = watch::channel(Arc::new(now));
    let keep = async move {
        loop {
            let changed = tokio::select! {
                changed = one.changed() => changed,
                changed = other.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
            let now = AgentResources::clone(&one.borrow_and_update()).merged(&other.borrow_and_update());
            sender.send_replace(Arc::new(now));
        }
    };
    (receiver, keep)
}

#[cfg(test)]
mod tests {
    use slotway_agents_proto::TYPES;
    use slotway_api_types::kinds;

    #[test]
    fn each_kind_that_agents_receive_has_a_message_that_xds_serves() {
        let of_kinds: Vec<_> = kinds::ALL.iter().filter_map(|kind| kind.xds_type).collect();
        assert!(!of_kinds.is_empty());
        for type_url in of_kinds {
            assert!(TYPES.iter().any(|known| known.type_url == type_url), "{type_url}");
        }
    }
}
