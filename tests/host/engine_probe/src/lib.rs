//! The engine's operations one by one, each as a function of the module, so that the instructions of each can be counted.
//!
//! A transition is `read`, one operation, `write`, as a lane makes it: from bytes, to bytes.

// Test support: a broken expectation is a trap, which ends the test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a trap ends the test")]

use std::{cell::RefCell, collections::BTreeMap};

use slotway_engine::{
    Abort, DesiredWorker, Image, Page, PageId, PageSource, PoolTransition, ReleaseOutcome, Take, TakeRequest,
};

/// Never changes: nothing here depends on time.
const NOW_MS: u64 = 1_000;
const LANE: u16 = 1;

/// Shared data: an image, and pages under their own keys.
#[derive(Default)]
struct Shared {
    image: Vec<u8>,
    pages: BTreeMap<PageId, Vec<u8>>,
}

/// The pages, to the engine.
struct Stored;

thread_local! {
    static SHARED: RefCell<Shared> = RefCell::default();
    static IMAGE: *mut Image = Box::into_raw(Box::default());
    static POOL: RefCell<Option<PoolTransition<'static, Stored>>> = const { RefCell::new(None) };
}

impl PageSource for Stored {
    fn read(&mut self, id: PageId) -> Result<Page, Abort> {
        SHARED.with_borrow(|shared| {
            shared.pages.get(&id).map_or_else(|| Ok(Page::default()), |stored| Page::decode(stored))
        })
    }
}

fn with_pool<R>(operation: impl FnOnce(&mut PoolTransition<'static, Stored>) -> Result<R, Abort>) -> R {
    POOL.with_borrow_mut(|pool| operation(pool.as_mut().unwrap()).unwrap())
}

fn take(may_wait: bool) -> Take {
    let request = TakeRequest { lane: LANE, now_ms: NOW_MS, may_wait, waiting_max: 1_000 };
    with_pool(|pool| pool.take(request))
}

/// Begins a transition: reads the state, and stores what its last transition has left in the log.
#[unsafe(no_mangle)]
pub extern "C" fn read() {
    // The image that a lane keeps, and reads into again and again.
    // SAFETY: it is never freed, and no transition is under way that has it.
    assert!(POOL.with_borrow(Option::is_none));
    let image = unsafe { &mut *IMAGE.with(|image| *image) };
    SHARED.with_borrow_mut(|shared| {
        if !shared.image.is_empty() {
            image.read(&shared.image).unwrap();
        }
        for (id, stored) in image.stored_pages() {
            shared.pages.insert(id, stored);
        }
    });
    // Of no size, so nothing is leaked.
    POOL.set(Some(PoolTransition::new(image, Box::leak(Box::new(Stored)))));
}

/// Ends a transition: writes its image.
#[unsafe(no_mangle)]
pub extern "C" fn write() {
    POOL.take().unwrap().commit();
    // SAFETY: the transition is over.
    let image = unsafe { &*IMAGE.with(|image| *image) };
    SHARED.with_borrow_mut(|shared| image.encode_to(&mut shared.image));
}

/// Within a transition: two workers of this capacity.
#[unsafe(no_mangle)]
pub extern "C" fn configure(capacity: u32) {
    let specs = ["http://w1.test:9001", "http://w2.test:9002"].map(|name| DesiredWorker { name, capacity });
    assert!(with_pool(|pool| pool.reconcile(1, &specs, NOW_MS)).done);
}

/// Within a transition: takes a slot, which must be there. Its serial.
#[unsafe(no_mangle)]
pub extern "C" fn take_slot() -> u64 {
    match take(true) {
        Take::Taken { serial, .. } => serial,
        other => panic!("{other:?}"),
    }
}

/// Within a transition: joins the line, where no slot must be. The place.
#[unsafe(no_mangle)]
pub extern "C" fn join_line() -> u64 {
    match take(true) {
        Take::Waiting(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

/// Within a transition: leaves the line.
#[unsafe(no_mangle)]
pub extern "C" fn leave_line(ticket: u64) {
    assert!(with_pool(|pool| pool.cancel(LANE, ticket)));
}

/// Within a transition: is refused.
#[unsafe(no_mangle)]
pub extern "C" fn refuse() {
    let Take::Refused(_) = take(false) else { panic!("not refused") };
}

/// Within a transition: releases a slot. Returns the serial that a waiter has got with it; the highest number without a
/// waiter.
#[unsafe(no_mangle)]
pub extern "C" fn release(serial: u64) -> u64 {
    let grants = with_pool(|pool| pool.release(serial, ReleaseOutcome::Answered, NOW_MS)).unwrap();
    grants.first().map_or(u64::MAX, |grant| grant.serial)
}

/// Where the compiler's name stands.
#[unsafe(no_mangle)]
pub extern "C" fn compiler() -> *const u8 {
    env!("COMPILER").as_ptr()
}

/// How long it is.
#[unsafe(no_mangle)]
pub extern "C" fn compiler_length() -> usize {
    env!("COMPILER").len()
}
