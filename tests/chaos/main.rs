//! Chaos: an Envoy with four threads and the filter, a control plane, and injected failures of all kinds at once, from one seed:
//! `make chaos SEED=n MINUTES=m`.
//!
//! Workers stop, hang, answer late, reset connections and recover. Clients disconnect at any point, and arrive in bursts. Capacities change and
//! workers are added and removed many times a second. Lanes crash inside the filter. The control plane is killed, and its database is damaged.
//!
//! Each worker compares its requests in flight with its capacity, and sees each request once. Each failed request must have an injected cause. At the
//! end all slots are free and usable. Everything else is a violation, with exit code 1.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod bound;
mod client;
mod damage;
mod deaths;
mod dice;
mod ending;
mod outage;
mod outcomes;
mod plan;
mod pushing;
mod rig;
mod run;
mod spans;
mod table;
mod tally;
mod trap_point;
mod trapping;
mod verdict;
mod violations;
mod worker;
mod worker_faults;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use plan::Plan;
use rig::Rig;
use run::Run;
use trap_point::TrapPoint;

/// What the command line asks for.
struct Options {
    seed: u64,
    length: Duration,
    /// The crash points of lanes; all of them if empty.
    points: Vec<TrapPoint>,
}

fn options() -> Result<Options, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_secs());
    let mut options = Options { seed: now, length: Duration::from_secs(120), points: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number = || value.parse().map_err(|_| format!("{argument} {value:?}: a whole number is wanted"));
        match argument.as_str() {
            "--seed" => options.seed = number()?,
            "--seconds" => options.length = Duration::from_secs(number()?),
            "--minutes" => options.length = Duration::from_secs(number()? * 60),
            "--points" => options.points = TrapPoint::list(&value)?,
            _ => {
                let known = "--seed N, --minutes N, --seconds N, --points POINT,POINT";
                return Err(format!("{argument} is unknown; there are {known}"));
            }
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(what) => {
            eprintln!("chaos: {what}");
            return ExitCode::from(2);
        }
    };
    // The processes are started on this thread: the kernel ends them when it ends.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if runtime.block_on(chaos(&options)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn chaos(options: &Options) -> bool {
    let Options { seed, length, ref points } = *options;
    let plan = Plan::new(seed, length, points);
    let run = Arc::new(Run::new(&plan));
    let (filter, can_trap) = rig::filter();
    println!(
        "chaos: seed {seed}, {} s, {} workers of capacity {:?}, Envoy with {} threads",
        length.as_secs(),
        plan.capacities.len(),
        plan.capacities,
        rig::LANES,
    );
    if !can_trap {
        println!("chaos: no lanes are killed, since the filter for it is missing: `filter/build.sh test`");
    }
    for worker in &run.workers {
        worker.start(&run).await;
    }
    let mut rig = Rig::start(&run, filter).await;
    run.begin();
    let clients = client::Clients::start(&run, rig.site.address(), seed);
    let traps = if can_trap { plan.traps.as_slice() } else { &[] };
    let all = async {
        tokio::join!(
            worker_faults::inject(&run, &plan.faults),
            worker_faults::change_phases(&run, &clients, &plan.phases),
            pushing::push(&run, &rig, &plan.pushes),
            trapping::trap(&run, rig.site.address(), traps),
            outage::run_outages(&run, &rig, &clients, &plan.outages, seed),
            run.until(length),
        );
        run.tally.set_phase("recovery");
        if can_trap {
            trapping::kill_all(&run, rig.site.address()).await;
        }
        clients.finish().await;
        ending::end(&run, &rig, &plan.capacities).await
    };
    let log = rig.site.path().join("envoy.log");
    let ended = tokio::select! {
        ended = all => ended,
        never = pushing::settle_bounds(&run, &rig) => never,
        never = deaths::watch(&run, &log) => never,
        never = table::show_progress(&run, length) => never,
    };
    rig.check_envoy(&run);
    table::print(&run, seed, &ended);
    let passed = run.violations.count() == 0;
    if !passed {
        println!(
            "\nchaos: FAILED, {} violations (seed {seed}); the logs are in {}",
            run.violations.count(),
            rig.keep().display()
        );
    }
    passed
}
