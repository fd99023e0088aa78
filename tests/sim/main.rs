//! The simulator's command: makes the runs of many seeds, spread over threads, and reports. See
//! `slotway_tests::sim`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arguments;
mod batch;
mod defects;
mod report;

use std::process::ExitCode;

use arguments::Arguments;
use slotway_tests::{artifact, host::Filter};

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
    let module = if arguments.product { artifact::module() } else { artifact::test_variant_module() };
    let filter = match module.and_then(|module| Filter::compile_for_speed(&module)) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("sim: {error}");
            return ExitCode::FAILURE;
        }
    };
    batch::silence_panics();
    if arguments.all_defects {
        return if defects::search_all(&filter, &arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let batch = batch::run(&filter, &arguments);
    if report::print(&filter, &arguments, &batch) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
