//! Slotway beside its peers: `make bench`.
//!
//! Each case measures its contenders in turn (A B C A B C ...) for a few seconds at a time, so that what the machine does meanwhile befalls all of
//! them. Many have them started anew in each round: [`closed::measure`] says why. What counts is the ratio within a round; the report has the median of
//! the rounds and their spread.
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

/// Sockets of 10,000 clients, in the proxy on both sides.
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
    // The processes are started on this thread: they end when the thread ends that has started them.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    finish(runtime.block_on(measure(&arguments, cpus, &out)).and_then(|report| show(&report, &out)))
}

/// Waits until no other benchmark runs on this machine: two at once would measure each other.
fn alone() -> Option<File> {
    // Another user's is not ours to wait for.
    let lock = File::create(std::env::temp_dir().join("slotway-bench.lock")).ok()?;
    if lock.try_lock().is_err() {
        println!("bench: another benchmark runs on this machine; waiting for its end");
        lock.lock().unwrap();
    }
    Some(lock)
}

/// The table on the terminal, and the page: the project's own if all of it was measured at length, else one beside the report.
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

/// Runs the cases. The report is written after each: a later failure does not lose it.
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

/// As far as this user may; a case that needs more says so.
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
