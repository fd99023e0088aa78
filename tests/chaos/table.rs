//! The output: lines of progress, and the table at the end.

use std::time::Duration;

use crate::{ending::Ended, run::Run};

const EVERY: Duration = Duration::from_secs(5);

/// Prints a line of progress every few seconds. Never returns.
pub(crate) async fn show_progress<Never>(run: &Run, length: Duration) -> Never {
    loop {
        tokio::time::sleep(EVERY).await;
        let tally = &run.tally;
        let in_flight: u32 = run.workers.iter().map(|worker| worker.bound.current()).sum();
        println!(
            "{:>4} of {} s  {:<8}  requests {}, answered {}, refused {}, failed {}, left {}; in flight {in_flight}; \
             pushes {}, traps {}, kills {}; violations {}",
            run.elapsed().as_secs(),
            length.as_secs(),
            tally.phase(),
            tally.sent.get(),
            tally.answered.get(),
            tally.refused.total(),
            tally.failed.total(),
            tally.left.get(),
            tally.pushes.total(),
            tally.deaths.total(),
            tally.kills.get(),
            run.violations.count(),
        );
    }
}

/// Prints the result.
pub(crate) fn print(run: &Run, seed: u64, ended: &Ended) {
    let tally = &run.tally;
    let lost = ended.slots.saturating_sub(ended.free);
    let recovered =
        ended.recovered_in.map_or("never".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()));
    println!();
    for (name, value) in [
        ("seed", seed.to_string()),
        ("duration", format!("{:.0} s", run.elapsed().as_secs_f64())),
        ("requests", tally.sent.get().to_string()),
        ("answered", tally.answered.get().to_string()),
        ("refused", tally.refused.describe()),
        ("failed", tally.failed.describe()),
        ("clients that left", tally.left.get().to_string()),
        ("requests at workers", run.outcomes.count().to_string()),
        ("workers' faults", tally.faults.describe()),
        ("pushes", tally.pushes.describe()),
        ("crashes requested", tally.traps.describe()),
        ("lanes crashed", tally.deaths.describe()),
        ("control plane killed", tally.kills.get().to_string()),
        ("database damaged", tally.damages.describe()),
        ("all slots free after", recovered),
        ("slots", ended.slots.to_string()),
        ("slots lost", lost.to_string()),
        ("violations", run.violations.count().to_string()),
    ] {
        println!("  {name:<22}{value}");
    }
    println!("\n  worker  highest concurrency  largest capacity");
    for worker in &run.workers {
        let (highest, largest) = worker.bound.highest();
        println!("  {:>6}  {highest:>19}  {largest:>16}", worker.index);
    }
}
