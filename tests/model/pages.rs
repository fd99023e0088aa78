//! How a page is committed with its root: the log in the root, the page under its own key, and lanes that may be late.
//!
//! Lanes do one thing: they add one to a count in the root, and to the same count in a page. A lane may die between any two
//! host calls. A lane that reads root and page must always see the same count.

use std::collections::{HashMap, VecDeque};

/// Lanes.
const LANES: usize = 3;
/// Transitions of each lane.
const TURNS: u8 = 2;

/// A defect of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageDefect {
    /// A lane that reads a root does not store its log.
    NotStored,
    /// An older page is stored over a newer one.
    StoredOver,
    /// A page that is newer than the root is used.
    NewerUsed,
}

impl PageDefect {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::NotStored, Self::StoredOver, Self::NewerUsed];

    /// Returns what it does.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::NotStored => "who reads a root does not store the pages of its log",
            Self::StoredOver => "an older page is stored over a newer one",
            Self::NewerUsed => "a page that is newer than its root is used all the same",
        }
    }
}

/// A root with its log: the count in either, and the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Image {
    commit: u8,
    in_root: u8,
    in_log: u8,
}

/// The page under its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Page {
    commit: u8,
    count: u8,
    /// Its compare-and-swap number.
    writes: u8,
}

/// The state of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum At {
    #[default]
    Idle,
    /// It has read the root, or exchanged it (`true`), and is about to check whether the log's page is stored.
    Look(Image, bool),
    /// It is not, and it is about to store it over the page with this number.
    Store(Image, bool, u8),
    /// It is about to read the page.
    Read(Image),
    /// It is about to exchange the root, with the page's new count.
    Swap(Image, u8),
    Dead,
}

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct State {
    root: Image,
    page: Page,
    /// Each lane, and the number of its transitions.
    lanes: [(At, u8); LANES],
    has_trapped: bool,
}

/// The result: the number of states, and whether root and page ever differed.
#[derive(Debug)]
pub(crate) struct FoundInPages {
    /// Distinct states.
    pub(crate) states: usize,
    /// A lane has seen a page of another root.
    pub(crate) is_broken: bool,
    /// The number of steps to it.
    pub(crate) steps: usize,
}

/// Visits every state.
pub(crate) fn explore(defect: Option<PageDefect>) -> FoundInPages {
    let mut known = HashMap::from([(State::default(), 0)]);
    let mut to_visit = VecDeque::from([State::default()]);
    while let Some(state) = to_visit.pop_front() {
        let steps = known.get(&state).copied().unwrap_or_default();
        for lane in 0..LANES {
            for (next, is_broken) in state.steps(lane, defect) {
                if is_broken {
                    return FoundInPages { states: known.len(), is_broken, steps: steps + 1 };
                }
                known.entry(next).or_insert_with(|| {
                    to_visit.push_back(next);
                    steps + 1
                });
            }
        }
    }
    FoundInPages { states: known.len(), is_broken: false, steps: 0 }
}

impl State {
    /// Returns what a lane may do next, and whether it sees a difference.
    fn steps(&self, lane: usize, defect: Option<PageDefect>) -> Vec<(Self, bool)> {
        let (at, turns) = self.lanes[lane];
        let mut next = *self;
        let mut is_broken = false;
        let stored = |has_exchanged, image| if has_exchanged { At::Idle } else { At::Read(image) };
        next.lanes[lane].0 = match at {
            At::Dead => return Vec::new(),
            At::Idle if turns == TURNS => return Vec::new(),
            At::Idle if defect == Some(PageDefect::NotStored) => At::Read(self.root),
            At::Idle => At::Look(self.root, false),
            At::Look(image, has_exchanged) => {
                let is_there = self.page.commit >= image.commit && defect != Some(PageDefect::StoredOver);
                if is_there {
                    stored(has_exchanged, image)
                } else {
                    At::Store(image, has_exchanged, self.page.writes)
                }
            }
            At::Store(image, has_exchanged, writes) if writes == self.page.writes => {
                next.page = Page { commit: image.commit, count: image.in_log, writes: writes + 1 };
                stored(has_exchanged, image)
            }
            At::Store(image, has_exchanged, _) => At::Look(image, has_exchanged),
            At::Read(image) if self.page.commit > image.commit && defect != Some(PageDefect::NewerUsed) => {
                At::Idle
            }
            At::Read(image) => {
                is_broken = image.in_root != self.page.count;
                At::Swap(image, self.page.count + 1)
            }
            At::Swap(image, _) if self.root.commit != image.commit => At::Idle,
            At::Swap(image, in_log) => {
                next.root = Image { commit: image.commit + 1, in_root: image.in_root + 1, in_log };
                next.lanes[lane].1 += 1;
                At::Look(next.root, true)
            }
        };
        let mut all = vec![(next, is_broken)];
        if !self.has_trapped {
            let mut dead = *self;
            dead.has_trapped = true;
            dead.lanes[lane].0 = At::Dead;
            all.push((dead, false));
        }
        all
    }
}
