//! Chaos: a real Envoy of four threads with the real filter, a real control plane, and everything that can go wrong at once, from one
//! seed. `make chaos SEED=n MINUTES=m`.
//!
//! Workers die, hang, answer late, reset and come back. Clients vanish at any point, and come in floods. Capacities change, and workers come and
//! go, many times a second. Lanes are killed within the filter. The control plane is killed, and finds its database damaged.
//!
//! Throughout, each worker holds its own count against its capacity, sees each request once, and each failed request has to have a cause
//! that was put there. In the end every slot is at home and can be used. Anything else is a violation, and the exit code 1.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

mod ailing;
mod bound;
mod client;
mod damage;
mod deaths;
mod dice;
mod ending;
mod fates;
mod outage;
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
struct Asked {
    seed: u64,
    length: Duration,
    /// Where lanes die; anywhere if empty.
    points: Vec<TrapPoint>,
}

fn asked() -> Result<Asked, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_secs());
    let mut asked = Asked { seed: now, length: Duration::from_secs(120), points: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number = || value.parse().map_err(|_| format!("{argument} {value:?}: a whole number is wanted"));
        match argument.as_str() {
            "--seed" => asked.seed = number()?,
            "--seconds" => asked.length = Duration::from_secs(number()?),
            "--minutes" => asked.length = Duration::from_secs(number()? * 60),
            "--points" => asked.points = TrapPoint::list(&value)?,
            _ => {
                let known = "--seed N, --minutes N, --seconds N, --points POINT,POINT";
                return Err(format!("{argument} is unknown; there are {known}"));
            }
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(what) => {
            eprintln!("chaos: {what}");
            return ExitCode::from(2);
        }
    };
    // The processes are started on this thread: they end when the thread ends that has started them.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if runtime.block_on(chaos(&asked)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn chaos(asked: &Asked) -> bool {
    let Asked { seed, length, ref points } = *asked;
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
            ailing::ail(&run, &plan.ailments),
            ailing::change_phases(&run, &clients, &plan.phases),
            pushing::push(&run, &rig, &plan.pushes),
            trapping::trap(&run, rig.site.address(), traps),
            outage::suffer(&run, &rig, &clients, &plan.outages, seed),
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
