//! Crashes on demand, for tests of what comes after the death of a lane.
//!
//! A test arms a VM with the words of a [`CrashWish`]. The VM dies when it reaches that point the next time, on behalf of
//! any request.

/// Where a VM can be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// A request has come, and no slot is taken yet.
    Request,
    /// A slot is taken, at once or after a wait, and the request is not sent to its worker yet.
    Taken,
    /// An answer begins, and the slot is not released yet.
    Answer,
    /// A release is committed, and the slots that it frees are not brought to their waiters yet.
    Released,
    /// A stream has ended.
    Log,
    /// The timer has fired.
    Tick,
    /// A wake-up has come.
    Wake,
}

/// The points and their names in a [`CrashWish`].
const NAMES: [(&str, CrashPoint); 7] = [
    ("request", CrashPoint::Request),
    ("taken", CrashPoint::Taken),
    ("answer", CrashPoint::Answer),
    ("released", CrashPoint::Released),
    ("log", CrashPoint::Log),
    ("tick", CrashPoint::Tick),
    ("wake", CrashPoint::Wake),
];

/// Where and how a VM is to die: `POINT` panics there, `POINT!` traps without a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashWish {
    /// Where.
    pub point: CrashPoint,
    /// Whether without a message.
    pub is_silent: bool,
}

impl CrashWish {
    /// Reads the words of a wish; `None` where no point has that name.
    #[must_use]
    pub fn parse(words: &str) -> Option<Self> {
        let name = words.strip_suffix('!').unwrap_or(words);
        let (_, point) = NAMES.iter().find(|(known, _)| *known == name)?;
        Some(Self { point: *point, is_silent: name.len() < words.len() })
    }
}

/// Ends the VM here if it is armed for this point.
#[cfg(not(feature = "active"))]
#[inline(always)]
pub fn crash_if_armed(_point: CrashPoint) {}

#[cfg(feature = "active")]
pub use armed::{arm, crash_if_armed};

#[cfg(feature = "active")]
mod armed {
    use std::cell::Cell;

    use super::{CrashPoint, CrashWish};

    thread_local! {
        static ARMED: Cell<Option<CrashWish>> = const { Cell::new(None) };
    }

    /// Arms this VM.
    pub fn arm(wish: CrashWish) {
        ARMED.set(Some(wish));
    }

    /// Ends the VM here if it is armed for this point.
    #[track_caller]
    pub fn crash_if_armed(point: CrashPoint) {
        if let Some(wish) = ARMED.get().filter(|wish| wish.point == point) {
            crash(wish);
        }
    }

    #[track_caller]
    #[allow(clippy::panic, reason = "to crash is what this function is for")]
    fn crash(wish: CrashWish) -> ! {
        if wish.is_silent {
            #[cfg(target_arch = "wasm32")]
            core::arch::wasm32::unreachable();
            #[cfg(not(target_arch = "wasm32"))]
            std::process::abort();
        }
        panic!("as x-slotway-chaos demands at {:?}", wish.point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_names_a_point_and_whether_the_vm_dies_without_a_message() {
        let wish = |point, is_silent| Some(CrashWish { point, is_silent });
        assert_eq!(CrashWish::parse("taken"), wish(CrashPoint::Taken, false));
        assert_eq!(CrashWish::parse("log!"), wish(CrashPoint::Log, true));
        assert_eq!(CrashWish::parse("nowhere"), None);
    }
}
