//! A step in words.

use crate::{
    canonical::Names,
    state::{LaneNumber, RequestNumber, Serial},
};

/// What a step does, and to what.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    /// What happens; `{r}`, `{s}` and `{l}` stand for the request, the serial and the other lane.
    pub(crate) what: &'static str,
    /// The lane that does it.
    pub(crate) lane: Option<LaneNumber>,
    /// The request.
    pub(crate) request: Option<RequestNumber>,
    /// The slot's serial.
    pub(crate) serial: Option<Serial>,
    /// The other lane.
    pub(crate) other: Option<LaneNumber>,
    /// The step is optional: a state comes to rest without it.
    pub(crate) is_optional: bool,
}

impl Step {
    /// Returns a step of a lane.
    pub(crate) fn of(lane: LaneNumber, what: &'static str) -> Self {
        Self { what, lane: Some(lane), ..Self::default() }
    }

    /// Returns a step of no lane.
    pub(crate) fn outside(what: &'static str) -> Self {
        Self { what, ..Self::default() }
    }

    /// Adds the request of the step.
    pub(crate) fn request(self, request: RequestNumber) -> Self {
        Self { request: Some(request), ..self }
    }

    /// Adds the slot of the step.
    pub(crate) fn serial(self, serial: Serial) -> Self {
        Self { serial: Some(serial), ..self }
    }

    /// Adds the other lane of the step.
    pub(crate) fn other(self, lane: LaneNumber) -> Self {
        Self { other: Some(lane), ..self }
    }

    /// Makes the step optional.
    pub(crate) fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }
}

/// The names in a trace: each number of the present state by the name that it had first.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    lanes: Vec<u8>,
    requests: Vec<u8>,
    serials: Vec<u16>,
    next_serial: u16,
}

impl Telling {
    /// Returns names before any renaming.
    pub(crate) fn new() -> Self {
        Self { lanes: (0..8).collect(), requests: (0..8).collect(), serials: vec![0; 32], next_serial: 0 }
    }

    /// Returns the step in words.
    pub(crate) fn tell(&mut self, step: &Step) -> String {
        let mut text = String::new();
        if let Some(lane) = step.lane {
            text = format!("lane {} ", letter(self.lanes[usize::from(lane)]));
        }
        let request = step.request.map(|number| (self.requests[usize::from(number)] + 1).to_string());
        let serial = step.serial.map(|number| self.serial(number).to_string());
        let other = step.other.map(|number| letter(self.lanes[usize::from(number)]).to_string());
        text.push_str(step.what);
        for (place, name) in [("{r}", request), ("{s}", serial), ("{l}", other)] {
            text = text.replace(place, &name.unwrap_or_else(|| "?".to_owned()));
        }
        text
    }

    fn serial(&mut self, number: Serial) -> u16 {
        let name = &mut self.serials[usize::from(number)];
        if *name == 0 {
            self.next_serial += 1;
            *name = self.next_serial;
        }
        *name
    }

    /// Applies the new names of a state.
    pub(crate) fn rename(&mut self, names: &Names) {
        let rename = |names: &[u8], old: &mut Vec<u8>| {
            let before = old.clone();
            for (at, new) in names.iter().enumerate() {
                old[usize::from(*new)] = before[at];
            }
        };
        rename(&names.lanes, &mut self.lanes);
        rename(&names.requests, &mut self.requests);
        let before = std::mem::replace(&mut self.serials, vec![0; 32]);
        for (at, new) in names.serials.iter().enumerate().filter(|(_, new)| **new > 0) {
            self.serials[usize::from(*new)] = before[at];
        }
    }
}

fn letter(lane: u8) -> char {
    char::from(b'A' + lane)
}
