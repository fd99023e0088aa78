use std::alloc::{GlobalAlloc, Layout, System};

/// An allocator that aborts the process if a single allocation is larger than any input can need, such as one whose
/// length was taken from the input. libFuzzer keeps the input.
pub(crate) struct BoundedAllocator;

/// Largest single allocation, in bytes.
const ALLOCATION_BYTES_MAX: usize = 64 * 1024 * 1024;

fn check(size: usize) {
    if size > ALLOCATION_BYTES_MAX {
        eprintln!("an allocation of {size} bytes");
        std::process::abort();
    }
}

// SAFETY: each call goes to the allocator of the system.
unsafe impl GlobalAlloc for BoundedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
