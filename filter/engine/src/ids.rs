//! The numbers by which the parts of a pool are known.

use std::num::NonZeroU8;

/// A worker's number within its pool. It stays with the worker until the worker was removed and has drained.
pub type WorkerIndex = u16;
/// A lane's number. No lane has the highest one.
pub type LaneId = u16;
/// A waiter's place in the line, counted from the beginning of the pool.
pub type Ticket = u64;
/// A slot that is out, counted from the beginning of the pool. No two slots have the same.
pub type Serial = u64;
/// The number of a probe of a worker, so that the end of an older probe is not taken for the end of the newest one.
pub type ProbeTerm = NonZeroU8;
