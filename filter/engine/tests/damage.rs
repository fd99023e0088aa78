//! Damaged shared data: each transition ends with a result or an error, and never with a panic, which would end a lane.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]

use std::collections::BTreeMap;

use slotway_engine::{
    Abort, DesiredWorker, Image, Page, PageId, PageSource, PoolTransition, ReleaseOutcome, TakeRequest,
};

/// Shared data: a root and pages, as bytes.
#[derive(Debug, Clone, Default)]
struct Memory {
    root: Vec<u8>,
    pages: BTreeMap<PageId, Vec<u8>>,
}

struct Pages<'a>(&'a BTreeMap<PageId, Vec<u8>>);

impl PageSource for Pages<'_> {
    fn read(&mut self, id: PageId) -> Result<Page, Abort> {
        self.0.get(&id).map_or_else(|| Ok(Page::default()), |stored| Page::decode(stored))
    }
}

impl Memory {
    fn transact<R>(
        &mut self,
        step: impl FnOnce(&mut PoolTransition<'_, Pages<'_>>) -> Result<R, Abort>,
    ) -> R {
        let mut image =
            if self.root.is_empty() { Image::default() } else { Image::decode(&self.root).unwrap() };
        let mut pages = Pages(&self.pages);
        let mut pool = PoolTransition::new(&mut image, &mut pages);
        let result = step(&mut pool).unwrap();
        pool.commit();
        self.root = image.encode();
        self.pages.extend(image.stored_pages());
        result
    }

    /// Tries one transition on a state that may be damaged.
    fn attempt<R>(
        &self,
        step: impl FnOnce(&mut PoolTransition<'_, Pages<'_>>) -> Result<R, Abort>,
    ) -> Result<R, Abort> {
        let mut image = Image::decode(&self.root)?;
        let mut pages = Pages(&self.pages);
        step(&mut PoolTransition::new(&mut image, &mut pages))
    }

    fn attempt_everything(&self) {
        let specs = [
            DesiredWorker { name: "http://b", capacity: 1 },
            DesiredWorker { name: "http://z", capacity: 9 },
        ];
        for outcome in [ReleaseOutcome::Answered, ReleaseOutcome::Unreachable, ReleaseOutcome::Abandoned] {
            for serial in [1, 70, u64::MAX] {
                let _ = self.attempt(|pool| pool.release(serial, outcome, NOW_MS));
            }
        }
        let _ = self.attempt(|pool| pool.take(ask(1)));
        let _ = self.attempt(|pool| pool.probe(u64::MAX / 4));
        let _ = self.attempt(|pool| pool.rewatch());
        let _ = self.attempt(|pool| pool.reconcile(u64::MAX, &specs, NOW_MS));
        let _ = self.attempt(|pool| pool.survey());
        let _ = self.attempt(|pool| pool.ledger_part(0));
        for lane in 0..3 {
            let _ = self.attempt(|pool| pool.evict(lane, 0, usize::MAX));
            for ticket in [0, 1, 40, u64::MAX] {
                let _ = self.attempt(|pool| pool.cancel(lane, ticket));
            }
        }
    }

    fn values(&mut self) -> Vec<&mut Vec<u8>> {
        std::iter::once(&mut self.root).chain(self.pages.values_mut()).collect()
    }
}

const NOW_MS: u64 = 1_000_000;

fn ask(lane: u16) -> TakeRequest {
    TakeRequest { lane, now_ms: NOW_MS, may_wait: true, waiting_max: 1_000 }
}

/// Returns a pool of two workers, of which one cannot be reached and both have shrunk. The ledger has pages; with `waiters` the
/// line has pages too.
fn pool(waiters: bool) -> Memory {
    let mut memory = Memory::default();
    let configure = |memory: &mut Memory, generation, capacity| {
        let specs = ["http://a", "http://b"].map(|name| DesiredWorker { name, capacity });
        assert!(memory.transact(|pool| pool.reconcile(generation, &specs, NOW_MS)).done);
    };
    configure(&mut memory, 1, 100);
    for number in 0..if waiters { 320 } else { 120 } {
        memory.transact(|pool| pool.take(ask(number % 3)));
    }
    configure(&mut memory, 2, 90);
    memory.transact(|pool| pool.release(2, ReleaseOutcome::Unreachable, NOW_MS));
    memory.transact(|pool| pool.release(80, ReleaseOutcome::Answered, NOW_MS));
    memory
}

#[test]
fn a_changed_byte_anywhere_causes_no_panic() {
    for sound in [pool(false), pool(true)] {
        let lengths: Vec<_> = sound.clone().values().iter().map(|value| value.len()).collect();
        for (which, length) in lengths.into_iter().enumerate() {
            for at in 0..length {
                for change in [0x01, 0x80, 0xff] {
                    let mut damaged = sound.clone();
                    damaged.values()[which][at] ^= change;
                    damaged.attempt_everything();
                }
            }
        }
    }
}

#[test]
fn a_value_that_ends_too_early_causes_no_panic() {
    for sound in [pool(false), pool(true)] {
        let lengths: Vec<_> = sound.clone().values().iter().map(|value| value.len()).collect();
        for (which, length) in lengths.into_iter().enumerate() {
            for at in 0..length {
                let mut damaged = sound.clone();
                damaged.values()[which].truncate(at);
                damaged.attempt_everything();
            }
        }
    }
}

/// A survey allocates a count for each worker: for four billion workers, sixteen gigabytes.
#[test]
fn a_root_with_more_workers_than_numbers_is_refused() {
    let mut damaged = pool(false);
    // After the format there are four numbers of eight bytes and one of four.
    let workers_end = 1 + 4 * 8 + 4;
    assert_eq!(damaged.root[workers_end..workers_end + 4], 2_u32.to_le_bytes());
    damaged.root[workers_end + 3] = 0xff;
    assert!(matches!(damaged.attempt(|pool| pool.survey()), Err(Abort::Corrupt(_))));
}
