use std::sync::Mutex;

/// Beyond so many nobody learns anything new.
const PRINTED_MAX: usize = 40;

/// What was seen that must never be seen. One is enough for a run to have failed.
#[derive(Debug, Default)]
pub(crate) struct Violations(Mutex<Vec<String>>);

impl Violations {
    /// Notes one down, and says it at once.
    pub(crate) fn add(&self, what: String) {
        let mut all = self.0.lock().unwrap();
        if all.len() < PRINTED_MAX {
            println!("VIOLATION: {what}");
        }
        all.push(what);
    }

    /// How many so far.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}
