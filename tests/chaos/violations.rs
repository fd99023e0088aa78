use std::sync::Mutex;

/// Number of violations that are printed.
const PRINTED_MAX: usize = 40;

/// Broken guarantees. One is enough for the run to fail.
#[derive(Debug, Default)]
pub(crate) struct Violations(Mutex<Vec<String>>);

impl Violations {
    /// Records and prints a violation.
    pub(crate) fn add(&self, what: String) {
        let mut all = self.0.lock().unwrap();
        if all.len() < PRINTED_MAX {
            println!("VIOLATION: {what}");
        }
        all.push(what);
    }

    /// Returns the number of violations.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}
