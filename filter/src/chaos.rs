//! Death on demand, for tests of what comes after it: only in builds with the feature `chaos`, never in a release.
//!
//! A request with the header `x-slotway-chaos: <point>` arms its VM, which dies when it reaches that point the next
//! time, whoever's request takes it there. The VM panics there; `<point>!` makes it trap without a word.

/// Where a VM can be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// A request has come: before a slot is taken.
    Request,
    /// A slot has been taken, now or after a wait: before the request is sent to its worker.
    Taken,
    /// An answer begins: before the slot is given back.
    Answer,
    /// A slot's release has been committed: before the slots that it frees are brought to their waiters.
    Released,
    /// A stream has ended.
    Log,
    /// The timer has fired.
    Tick,
    /// A wake-up has come.
    Wake,
}

#[cfg(not(feature = "chaos"))]
#[inline(always)]
pub(crate) fn reach(_point: Point) {}

#[cfg(feature = "chaos")]
pub(crate) use armed::reach;

#[cfg(feature = "chaos")]
mod armed {
    use std::cell::Cell;

    use super::Point;
    use crate::{
        abi::{LogLevel, MapType},
        host,
    };

    const HEADER: &str = "x-slotway-chaos";

    const POINTS: [(&str, Point); 7] = [
        ("request", Point::Request),
        ("taken", Point::Taken),
        ("answer", Point::Answer),
        ("released", Point::Released),
        ("log", Point::Log),
        ("tick", Point::Tick),
        ("wake", Point::Wake),
    ];

    /// How and where this VM dies.
    #[derive(Debug, Clone, Copy)]
    struct Death {
        point: Point,
        silent: bool,
    }

    thread_local! {
        static DEATH: Cell<Option<Death>> = const { Cell::new(None) };
    }

    /// Dies here, if this VM was told to.
    pub(crate) fn reach(point: Point) {
        if point == Point::Request
            && let Some(wish) = host::header(MapType::HttpRequestHeaders, HEADER)
        {
            match death(&wish) {
                Some(death) => DEATH.set(Some(death)),
                None => host::log(LogLevel::Error, &format!("slotway: {HEADER}: no point '{wish}'")),
            }
        }
        if let Some(death) = DEATH.get().filter(|death| death.point == point) {
            die(death);
        }
    }

    fn death(wish: &str) -> Option<Death> {
        let word = wish.strip_suffix('!').unwrap_or(wish);
        let (_, point) = POINTS.iter().find(|(name, _)| *name == word)?;
        Some(Death { point: *point, silent: word.len() < wish.len() })
    }

    #[allow(clippy::panic, reason = "to die is what this module is for")]
    fn die(death: Death) -> ! {
        if death.silent {
            #[cfg(target_arch = "wasm32")]
            core::arch::wasm32::unreachable();
            #[cfg(not(target_arch = "wasm32"))]
            std::process::abort();
        }
        panic!("as {HEADER} demands at {:?}", death.point);
    }
}
