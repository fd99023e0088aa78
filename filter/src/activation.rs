//! Putting a configuration in force, for all lanes.

use crate::{
    grants::{Grants, grant},
    host::Host,
    lane_core::LaneCore,
    pools::PoolIndex,
    requests::Requests,
};

/// Puts the newest configuration of this lane in force, unless another lane has done so.
pub(crate) fn activate<H: Host>(core: &mut LaneCore<H>, requests: &mut Requests, grants: &mut Grants) {
    let Some(settings) = core.settings.clone() else { return };
    for pool in core.pools.indexes() {
        activate_pool(core, requests, grants, pool, settings.coordinator.generation);
    }
}

fn activate_pool<H: Host>(
    core: &mut LaneCore<H>,
    requests: &mut Requests,
    grants: &mut Grants,
    pool: PoolIndex,
    generation: u64,
) {
    loop {
        let now_ms = core.host.now_ms();
        let made =
            grant(core, requests, pool, |pool, on_grants| pool.reconcile(generation, now_ms, on_grants));
        match made {
            Ok((granted, result)) => {
                grants.deliver(core, requests, pool, granted);
                let Some((is_done, capacity)) = result else { return };
                if is_done {
                    if capacity == 0 {
                        requests.end_waits_without_workers(core, pool);
                    }
                    return;
                }
            }
            Err(error) => return core.log_error("a configuration cannot be put in force", &error),
        }
    }
}
