use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Stats,
    stats::{Queued, Running},
};

/// The worker's own capacity: it limits concurrent annotations. Further requests queue inside the worker, first come
/// first served.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    places: Arc<Semaphore>,
    queued_max: u64,
    stats: Stats,
}

/// A permit of the pool. Dropping it releases the permit.
#[derive(Debug)]
pub(crate) struct PoolPermit {
    // Dropped in this order: the annotation stops counting before another can begin.
    _running: Running,
    _permit: OwnedSemaphorePermit,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueFull;

impl Pool {
    /// Creates a pool of `size` permits, in whose queue at most `queued_max` requests wait.
    pub(crate) fn new(size: u32, queued_max: u32, stats: Stats) -> Self {
        let size = usize::try_from(size).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(size)), queued_max: queued_max.into(), stats }
    }

    /// Acquires a permit, and waits for one if necessary. Dropping the future leaves the queue.
    pub(crate) async fn acquire(&self) -> Result<PoolPermit, QueueFull> {
        let permit = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let queued: Queued = self.stats.queue(self.queued_max).ok_or(QueueFull)?;
                // The semaphore is never closed, so this always returns a permit.
                let permit = Arc::clone(&self.places).acquire_owned().await.map_err(|_| QueueFull)?;
                drop(queued);
                permit
            }
        };
        Ok(PoolPermit { _running: self.stats.run(), _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    async fn is_waiting(future: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }

    #[tokio::test]
    async fn places_go_to_those_who_wait_in_their_order() {
        let stats = Stats::default();
        let pool = Pool::new(1, 10, stats.clone());
        let first = pool.acquire().await.unwrap();
        let (mut second, mut third) = (pin!(pool.acquire()), pin!(pool.acquire()));
        assert!(is_waiting(&mut second).await);
        assert!(is_waiting(&mut third).await);
        assert_eq!((stats.counts().running, stats.counts().queued), (1, 2));
        drop(first);
        assert!(is_waiting(&mut third).await);
        let second = second.await.unwrap();
        assert!(is_waiting(&mut third).await);
        drop(second);
        drop(third.await.unwrap());
        assert_eq!(
            (stats.counts().running, stats.counts().queued, stats.counts().running_highest),
            (0, 0, 1)
        );
    }

    #[tokio::test]
    async fn who_leaves_the_queue_is_passed_over() {
        let pool = Pool::new(1, 10, Stats::default());
        let first = pool.acquire().await.unwrap();
        let mut second = Box::pin(pool.acquire());
        let mut third = pin!(pool.acquire());
        assert!(is_waiting(&mut second).await && is_waiting(&mut third).await);
        drop(second);
        drop(first);
        third.await.unwrap();
        assert_eq!(pool.stats.counts().queued, 0);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let pool = Pool::new(1, 1, Stats::default());
        let _first = pool.acquire().await.unwrap();
        let mut second = pin!(pool.acquire());
        assert!(is_waiting(&mut second).await);
        assert_eq!(pool.acquire().await.unwrap_err(), QueueFull);
    }
}
