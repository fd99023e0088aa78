//! What the lanes of one Envoy share: values in Envoy's shared data, each changed by compare-and-swap.
//!
//! | key | value |
//! |---|---|
//! | `slotway/1/POOL/root` | the image of a pool's state ([`SharedPool`]) |
//! | `slotway/1/POOL/REGION NUMBER` | one page of it |
//! | `slotway/1/lanes` | the lanes, and when each was last heard of ([`LaneTable`]) |
//! | `slotway/1/pools` | the names of all pools so far ([`share_pool_names`]) |
//! | `slotway/1/reporter` | the lease of the lane that reports |

mod exchange;
mod guesses;
mod lane_table;
mod pool_names;
mod shared_pool;

pub(crate) use exchange::exchange;
pub(crate) use lane_table::{LaneEntry, LaneTable};
pub(crate) use pool_names::share_pool_names;
pub(crate) use shared_pool::{SharedPool, Step};
