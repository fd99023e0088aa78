//! Slotway beside its peers: `make bench`.
//!
//! Each case starts its contenders once, and measures them in turn (A B C A B C ...) for a few seconds at a time, so that what the machine does
//! meanwhile befalls all of them. What counts is the ratio within a round; the report has the median of the rounds and their spread.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

mod arguments;
mod case;
#[allow(dead_code, unused_imports, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/harness/mod.rs"]
mod harness;

use std::process::ExitCode;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("bench: {what}");
            return ExitCode::from(2);
        }
    };
    println!("bench: {} rounds of {:?}", arguments.rounds, arguments.slice());
    ExitCode::SUCCESS
}
