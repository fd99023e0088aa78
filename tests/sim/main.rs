//! The simulator's command: makes the runs of many seeds, spread over threads, and reports. See
//! `slotway_tests::sim`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arguments;
mod batch;
mod report;

use std::process::ExitCode;

use arguments::Arguments;
use slotway_tests::artifact;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{}", arguments::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("sim: {error}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    let filter =
        match artifact::module().and_then(|module| slotway_tests::host::Filter::compile_for_speed(&module)) {
            Ok(filter) => filter,
            Err(error) => {
                eprintln!("sim: {error}");
                return ExitCode::FAILURE;
            }
        };
    batch::silence_panics();
    let batch = batch::run(&filter, &arguments);
    if report::print(&filter, &arguments, &batch) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
