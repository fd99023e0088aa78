//! The shared state: arbitrary bytes in Envoy's shared data in place of the filter's state.
//!
//! The first byte of an input selects the source of the state. Even: root and pages are the input's own bytes. Odd:
//! real transitions build a pool, and then the input changes some bytes. Every transition is tried on the result. A
//! damaged state may end each transition with an abort, but not with a panic, a hang or an unbounded allocation: a
//! panic kills the filter of a worker thread.
#![no_main]

mod bounded_allocator;

use std::collections::BTreeMap;

use bounded_allocator::BoundedAllocator;

use libfuzzer_sys::fuzz_target;
use slotway_engine::{
    Abort, DesiredWorker, Image, Page, PageId, PageSource, PoolTransition, ReleaseOutcome, TakeRequest,
};

#[global_allocator]
static ALLOCATOR: BoundedAllocator = BoundedAllocator;

/// The maximum number of transitions before the damage, and after it.
const TRANSITIONS_MAX: usize = 200;
/// The maximum length of a page from the input's own bytes: a page of worker records.
const PAGE_BYTES_MAX: usize = 8 + 512;
const NAMES: [&str; 6] = ["http://a", "http://b", "http://c", "http://d", "http://e", "http://f"];

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let mut bytes = Bytes(rest);
    if kind % 2 == 0 {
        let after = bytes.part();
        let mut state =
            State { pages: BTreeMap::new(), raw: bytes.0, root: bytes.0.to_vec(), now_ms: 1_000_000 };
        state.transitions(&mut Bytes(after), false);
    } else {
        let (before, damage, after) = (bytes.part(), bytes.part(), bytes.part());
        let mut state = State { pages: BTreeMap::new(), raw: &[], root: Vec::new(), now_ms: 1_000_000 };
        state.transitions(&mut Bytes(before), true);
        state.damage(&mut Bytes(damage));
        state.transitions(&mut Bytes(after), false);
    }
});

/// The input, consumed from the front; zeros after its end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.next(), self.next()])
    }

    /// Returns a part that begins with its length.
    fn part(&mut self) -> &'a [u8] {
        let length = usize::from(self.next()).min(self.0.len());
        let (part, rest) = self.0.split_at(length);
        self.0 = rest;
        part
    }
}

/// A pool's values in shared data.
struct State<'a> {
    pages: BTreeMap<PageId, Vec<u8>>,
    /// The bytes of pages that were never stored.
    raw: &'a [u8],
    root: Vec<u8>,
    now_ms: u64,
}

struct Source<'a, 'b> {
    pages: &'b BTreeMap<PageId, Vec<u8>>,
    raw: &'a [u8],
}

impl PageSource for Source<'_, '_> {
    fn read(&mut self, id: PageId) -> Result<Page, Abort> {
        if let Some(stored) = self.pages.get(&id) {
            return Page::decode(stored);
        }
        if self.raw.is_empty() {
            return Ok(Page::default());
        }
        let start = (id.number as usize * 97 + id.region as usize * 131) % self.raw.len();
        Page::decode(&self.raw[start..self.raw.len().min(start + PAGE_BYTES_MAX)])
    }
}

impl State<'_> {
    /// Applies the transitions that `bytes` encodes. A `sound` state is the result of transitions alone.
    fn transitions(&mut self, bytes: &mut Bytes<'_>, sound: bool) {
        for _ in 0..TRANSITIONS_MAX {
            if bytes.0.is_empty() {
                return;
            }
            let image = if self.root.is_empty() { Ok(Image::default()) } else { Image::decode(&self.root) };
            let mut image = match image {
                Ok(image) => image,
                Err(abort) => {
                    assert!(!sound, "{abort}");
                    return;
                }
            };
            self.store(&image);
            let mut source = Source { pages: &self.pages, raw: self.raw };
            let mut pool = PoolTransition::new(&mut image, &mut source);
            if transition(&mut pool, bytes, &mut self.now_ms).is_ok() {
                pool.commit();
                self.root = image.encode();
                let again = Image::decode(&self.root).map(|image| image.encode());
                assert!(!sound || again.as_ref() == Ok(&self.root));
            }
        }
    }

    /// Stores the pages of the log over older ones, like the filter.
    fn store(&mut self, image: &Image) {
        for (id, stored) in image.stored_pages() {
            let newer =
                |have: &Vec<u8>| Page::decode(have).is_ok_and(|have| have.commit >= image.root.commit());
            if !self.pages.get(&id).is_some_and(newer) {
                self.pages.insert(id, stored);
            }
        }
    }

    /// Changes or truncates the root and the pages.
    fn damage(&mut self, bytes: &mut Bytes<'_>) {
        while !bytes.0.is_empty() {
            let (which, at, how) = (usize::from(bytes.next()), usize::from(bytes.number()), bytes.next());
            let mut values: Vec<_> = self.pages.values_mut().collect();
            values.insert(0, &mut self.root);
            let count = values.len();
            // Half of the changes are in the root.
            let value = &mut values[if which % 2 == 0 { 0 } else { which / 2 % count }];
            let length = value.len().max(1);
            match value.get_mut(at % length) {
                Some(_) if how == 0 => value.truncate(at % length),
                Some(byte) => *byte ^= how,
                None => {}
            }
        }
    }
}

fn transition<S: PageSource>(
    pool: &mut PoolTransition<'_, S>,
    bytes: &mut Bytes<'_>,
    now_ms: &mut u64,
) -> Result<(), Abort> {
    let (kind, a, b) = (bytes.next() % 14, bytes.next(), bytes.next());
    match kind {
        0 | 1 => {
            let request = TakeRequest {
                lane: u16::from(a % 4),
                now_ms: *now_ms,
                may_wait: b % 8 != 0,
                waiting_max: if b % 16 == 1 { 1 } else { 65_536 },
            };
            pool.take(request).map(drop)
        }
        2 => pool.cancel(u16::from(a % 4), u64::from(b)).map(drop),
        3 | 4 => {
            let outcome = match b % 4 {
                0 => ReleaseOutcome::Unreachable,
                1 => ReleaseOutcome::Abandoned,
                _ => ReleaseOutcome::Answered,
            };
            // Serials begin with 1; a sound pool accepts each once.
            pool.release(u64::from(a) + u64::from(b >> 4) * 256, outcome, *now_ms).map(drop)
        }
        5 => pool.probe(*now_ms).map(drop),
        6 => pool.rewatch().map(drop),
        7 => {
            let specs: Vec<_> = NAMES
                .iter()
                .enumerate()
                .filter(|(at, _)| a >> at & 1 == 1)
                .map(|(at, name)| DesiredWorker { name, capacity: 1 + u32::from(b >> (at % 4 * 2) & 3) * 40 })
                .collect();
            let generation = pool.root().generation().saturating_add(1);
            pool.reconcile(generation, &specs, *now_ms).map(drop)
        }
        8 => {
            *now_ms += u64::from(a) * u64::from(b);
            pool.survey().map(drop)
        }
        9 => pool.name(u16::from(a)).map(drop),
        10 => pool.evict(u16::from(a % 4), u64::from(b), 16).map(drop),
        11 => pool.note_over(u64::from(a), u16::from(b % 4)).map(drop),
        12 => pool.waiters().map(drop),
        _ => pool.ledger_part(pool.root().ledger_part_after(u32::from(a)).unwrap_or(0)).map(drop),
    }
}
