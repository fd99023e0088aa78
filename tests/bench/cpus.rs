use std::sync::atomic::{AtomicBool, Ordering};

use rustix::{
    process::Pid,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// The assignment of processors. The proxy under test has its own processor and so limits the throughput; clients and
/// workers share the others.
pub(crate) struct Cpus {
    /// Whether each process may use all processors.
    spread: AtomicBool,
    proxy: CpuSet,
    load: CpuSet,
    all: CpuSet,
}

impl Cpus {
    /// Assigns the processors of this process, and moves it to its part. Call it before any thread is started.
    ///
    /// # Errors
    /// If there is only one processor.
    pub(crate) fn share_out() -> Result<Self, String> {
        let all =
            sched_getaffinity(None).map_err(|error| format!("the processors are not known: {error}"))?;
        let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu));
        let Some(first) = first.filter(|_| all.count() >= 2) else {
            return Err(
                "one processor for the proxy and one for the load are needed; there is only one".into()
            );
        };
        let mut proxy = CpuSet::new();
        proxy.set(first);
        let mut load = all;
        load.unset(first);
        let cpus = Self { spread: AtomicBool::new(false), proxy, load, all };
        set(&cpus.load);
        Ok(cpus)
    }

    /// Starts a proxy: with one thread on the proxy's own processor, with more on all processors.
    pub(crate) fn place<T>(&self, threads: u32, start: impl FnOnce() -> T) -> T {
        let alone = threads == 1 && !self.spread.load(Ordering::Relaxed);
        self.within(if alone { &self.proxy } else { &self.all }, start)
    }

    /// Runs `start` on these processors. Its child processes inherit them.
    fn within<T>(&self, set_to: &CpuSet, start: impl FnOnce() -> T) -> T {
        let before = sched_getaffinity(None).unwrap();
        set(set_to);
        let started = start();
        set(&before);
        started
    }

    /// Lets all threads of this process and all processes that it starts use all processors, until the returned value is dropped.
    pub(crate) fn spread(&self) -> Spread<'_> {
        self.spread.store(true, Ordering::Relaxed);
        set_every_thread(&self.all);
        Spread(self)
    }
}

/// While it exists, each process may use all processors.
pub(crate) struct Spread<'a>(&'a Cpus);

impl Drop for Spread<'_> {
    fn drop(&mut self) {
        self.0.spread.store(false, Ordering::Relaxed);
        set_every_thread(&self.0.load);
    }
}

fn set(cpus: &CpuSet) {
    sched_setaffinity(None, cpus).unwrap();
}

fn set_every_thread(cpus: &CpuSet) {
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().file_name().to_string_lossy().parse().unwrap();
        // The thread may have just ended.
        let _ = sched_setaffinity(Pid::from_raw(task), cpus);
    }
}
