//! Compares Slotway with other proxies: `make bench`.
//!
//! Each case measures its contenders in turn (A B C A B C ...) for a few seconds at a time, so that disturbances of the
//! machine affect all of them. Many cases restart their contenders in each round, see [`closed::measure`]. The results
//! are ratios within a round; the report has the median of the rounds and their spread.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]
#![allow(unused_imports, reason = "the modules' own tests are run by self_test.rs")]

mod arguments;
mod artefacts;
mod case;
mod clock;
mod closed;
mod contender;
mod cpus;
mod load;
mod machine;
mod module;
mod number;
mod page;
mod picture;
mod poll;
mod report;
mod statistics;
mod svg;
mod table;
mod values;
mod worker;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use arguments::Arguments;
use case::Bench;
use cpus::Cpus;
use report::{Machine, Report};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The sockets of 10,000 clients, on both sides of the proxy.
const FILES: u64 = 65_536;

fn main() -> ExitCode {
    let prepared = Arguments::read(std::env::args().skip(1)).and_then(|arguments| {
        raise_file_limit();
        Ok((arguments, Cpus::share_out()?))
    });
    let (arguments, cpus) = match prepared {
        Ok(prepared) => prepared,
        Err(what) => {
            eprintln!("bench: {what}");
            return ExitCode::from(2);
        }
    };
    let out = repository().join(arguments.out.as_deref().unwrap_or(Path::new("target/bench")));
    std::fs::create_dir_all(&out).unwrap();
    if let Some(file) = &arguments.render {
        return finish(Report::read(&repository().join(file)).and_then(|report| show(&report, &out)));
    }
    let _alone = alone();
    if let Err(what) = artefacts::keep(&out) {
        return finish(Err(what));
    }
    // Child processes are started on this thread: each ends when the thread that started it ends.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    finish(runtime.block_on(measure(&arguments, cpus, &out)).and_then(|report| show(&report, &out)))
}

/// Waits until no other benchmark runs on this machine: two at once would disturb each other.
fn alone() -> Option<File> {
    // The lock of another user cannot be waited for.
    let lock = File::create(std::env::temp_dir().join("slotway-bench.lock")).ok()?;
    if lock.try_lock().is_err() {
        println!("bench: another benchmark runs on this machine; waiting for its end");
        lock.lock().unwrap();
    }
    Some(lock)
}

/// Prints the table, and writes the page: the project's own if all cases were measured in a full run, else one beside
/// the report.
fn show(report: &Report, out: &Path) -> Result<(), String> {
    print!("{}", table::table(report));
    let complete =
        !report.quick && case::KEYS.iter().all(|key| report.cases.iter().any(|case| case.key == *key));
    let folder = if complete { repository().join("docs") } else { out.to_owned() };
    page::write(report, &repository().join("tests/bench/page"), &folder)?;
    println!("bench: {} and {}", out.join("report.json").display(), folder.join("BENCHMARKS.md").display());
    Ok(())
}

fn finish(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("bench: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the cases. The report is written after each, so that a later failure does not lose it.
async fn measure(arguments: &Arguments, cpus: Cpus, out: &Path) -> Result<Report, String> {
    let machine = Machine::here();
    let slice = arguments.slice();
    let bench = Bench { quick: arguments.quick, rounds: arguments.rounds, slice, cpus };
    println!("bench: {} rounds, {slice:?} each time, {} of {}", bench.rounds, machine.cores, machine.cpu);
    let mut report = Report { machine, quick: arguments.quick, cases: Vec::new() };
    for key in &arguments.cases {
        let began = Instant::now();
        println!("bench: {key}");
        report.cases.push(case::run(key, &bench).await);
        report.write(&out.join("report.json"))?;
        println!("bench: {key} took {:.0} s", began.elapsed().as_secs_f64());
    }
    Ok(report)
}

/// Raises the limit as far as this user may. A case that needs more fails with a message.
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted =
        Rlimit { current: Some(FILES), maximum: Some(maximum.map_or(FILES, |maximum| maximum.max(FILES))) };
    if current.is_some_and(|current| current < FILES) && setrlimit(Resource::Nofile, wanted).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
