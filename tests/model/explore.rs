//! Visits all states that a case can reach, breadth first, each once.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
    time::{Duration, Instant},
};

use crate::{
    case::Case,
    laws,
    state::{Phase, State},
    step::Telling,
    world::World,
};

/// The result of an exploration.
#[derive(Debug)]
pub(crate) struct Found {
    /// Distinct states, up to names.
    pub(crate) states: usize,
    /// Transitions between them.
    pub(crate) transitions: usize,
    /// States in which no further step has to come.
    pub(crate) at_rest: usize,
    /// The number of steps to the farthest state.
    pub(crate) depth: usize,
    /// There are more states than allowed; the others were not visited.
    pub(crate) is_too_large: bool,
    /// How long it took.
    pub(crate) took: Duration,
    /// The first broken promise, and the shortest way to it in words.
    pub(crate) broken: Option<(String, Vec<String>)>,
}

/// A state that was reached: from which state, and by which of the steps that may follow it.
#[derive(Debug, Clone, Copy)]
struct Reached {
    from: u32,
    nth: u16,
}

type Known = HashMap<u128, u32, BuildHasherDefault<Fingerprinted>>;

/// Explores a case; at most `states_max` states.
pub(crate) fn explore(case: &Case, states_max: usize) -> Found {
    let begun = Instant::now();
    let first = first(case);
    let mut known = Known::default();
    known.insert(fingerprint(&first), 0);
    let mut reached = vec![Reached { from: 0, nth: 0 }];
    // The states at one distance, and at the next.
    let (mut here, mut there) = (vec![(0, first)], Vec::new());
    let mut found = Found {
        states: 1,
        transitions: 0,
        at_rest: 0,
        depth: 0,
        took: Duration::ZERO,
        is_too_large: false,
        broken: None,
    };
    let mut settles = Settling::default();
    let mut next = Vec::new();
    'all: while !here.is_empty() {
        for (number, state) in here.drain(..) {
            let mut world = World { now: state, case, next: std::mem::take(&mut next) };
            world.all();
            let mut rests = true;
            for (nth, (after, step)) in (0..).zip(&world.next) {
                let (canonical, _) = after.state.hurried(case).canonical(case);
                if canonical == state && after.broken.is_none() {
                    continue;
                }
                found.transitions += 1;
                rests &= step.is_optional;
                let at = *known.entry(fingerprint(&canonical)).or_insert_with(|| {
                    reached.push(Reached { from: number, nth });
                    there.push((reached.len() as u32 - 1, canonical));
                    reached.len() as u32 - 1
                });
                if !step.is_optional {
                    settles.edge(number, at);
                }
                if let Some(what) = after.broken.or_else(|| laws::broken(&canonical)) {
                    let mut trace = trace(&reached, number);
                    trace.push((number, nth));
                    found.broken = Some((what.to_owned(), tell(case, &trace)));
                    break 'all;
                }
            }
            if rests {
                found.at_rest += 1;
                settles.rests(number);
                if let Some(what) = laws::broken_at_rest(&state, case) {
                    found.broken = Some((what.to_owned(), tell(case, &trace(&reached, number))));
                    break 'all;
                }
            }
            next = world.next;
            next.clear();
            if reached.len() > states_max {
                found.is_too_large = true;
                break 'all;
            }
        }
        std::mem::swap(&mut here, &mut there);
        found.depth += usize::from(!here.is_empty());
    }
    found.states = reached.len();
    if found.broken.is_none()
        && !found.is_too_large
        && let Some(number) = settles.first_that_does_not(reached.len())
    {
        let what = "from here on nothing leads to rest".to_owned();
        found.broken = Some((what, tell(case, &trace(&reached, number))));
    }
    found.took = begun.elapsed();
    found
}

/// Returns the first state of a case.
fn first(case: &Case) -> State {
    let root = crate::state::Root::new(case.capacity);
    let mut state = State { root, out_max: case.capacity, ..State::default() };
    // Requests that do not come are over from the beginning.
    state.requests[case.requests..].iter_mut().for_each(|request| request.phase = Phase::Over);
    state
}

/// Returns the way to a state: at each state the index of the step.
fn trace(reached: &[Reached], number: u32) -> Vec<(u32, u16)> {
    let mut way = Vec::new();
    let mut at = number;
    while at != 0 {
        let Reached { from, nth } = reached[at as usize];
        way.push((from, nth));
        at = from;
    }
    way.reverse();
    way
}

/// Returns the way in words.
fn tell(case: &Case, way: &[(u32, u16)]) -> Vec<String> {
    let mut state = first(case);
    let mut telling = Telling::new();
    let mut words = Vec::new();
    for (_, nth) in way {
        let mut world = World { now: state, case, next: Vec::new() };
        world.all();
        let (after, step) = world.next[usize::from(*nth)];
        words.push(telling.tell(&step));
        let (canonical, names) = after.state.hurried(case).canonical(case);
        telling.rename(&names);
        state = canonical;
    }
    words
}

/// Returns whether a state at rest can be reached from every state without optional steps.
#[derive(Debug, Default)]
struct Settling {
    edges: Vec<(u32, u32)>,
    rests: Vec<u32>,
}

impl Settling {
    fn edge(&mut self, from: u32, to: u32) {
        self.edges.push((from, to));
    }

    fn rests(&mut self, number: u32) {
        self.rests.push(number);
    }

    /// Goes back from the states at rest.
    fn first_that_does_not(&self, states: usize) -> Option<u32> {
        let mut begin = vec![0_u32; states + 2];
        self.edges.iter().for_each(|(_, to)| begin[*to as usize + 2] += 1);
        for at in 2..begin.len() {
            begin[at] += begin[at - 1];
        }
        let mut before = vec![0_u32; self.edges.len()];
        for (from, to) in &self.edges {
            let place = &mut begin[*to as usize + 1];
            before[*place as usize] = *from;
            *place += 1;
        }
        let mut settles = vec![false; states];
        let mut to_visit = self.rests.clone();
        while let Some(at) = to_visit.pop() {
            if std::mem::replace(&mut settles[at as usize], true) {
                continue;
            }
            let sources = begin[at as usize] as usize..begin[at as usize + 1] as usize;
            to_visit.extend(before[sources].iter().filter(|from| !settles[**from as usize]));
        }
        settles.iter().position(|settles| !settles).map(|at| at as u32)
    }
}

/// Returns 128 bits of a state. Two states with the same bits are taken for one. With ten million states the chance that any
/// two share their bits is below one in 10^24.
fn fingerprint(state: &State) -> u128 {
    let mut hasher = Mixer { low: 0x9e37_79b9_7f4a_7c15, high: 0xc2b2_ae3d_27d4_eb4f };
    state.hash(&mut hasher);
    u128::from(hasher.low) << 64 | u128::from(hasher.high)
}

#[derive(Debug)]
struct Mixer {
    low: u64,
    high: u64,
}

impl Mixer {
    fn mix(&mut self, word: u64) {
        let fold = |value: u64, by: u64| {
            let wide = u128::from(value) * u128::from(by);
            wide as u64 ^ (wide >> 64) as u64
        };
        self.low = fold(self.low ^ word, 0xa076_1d64_78bd_642f).wrapping_add(0x2d35_8dcc_aa6c_78a5);
        self.high =
            fold(self.high.wrapping_add(word) ^ 0x8bb8_4b93_962e_acc9, 0xe703_7ed1_a0b4_28db).rotate_left(23);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.low ^ self.high
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 60);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_u32(&mut self, word: u32) {
        self.mix(u64::from(word));
    }

    fn write_isize(&mut self, word: isize) {
        self.mix(word as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }
}

/// Takes a fingerprint for its own hash.
#[derive(Debug, Default)]
struct Fingerprinted(u64);

impl Hasher for Fingerprinted {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = fingerprint as u64;
    }
}
