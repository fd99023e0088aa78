//! The contenders: how each proxy is configured and started.

pub(crate) mod envoy;
pub(crate) mod haproxy;
pub(crate) mod nginx;
pub(crate) mod slotway;

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::cpus::Cpus;
use slotway_test_site::{Site, TestProcess, until};

/// The time limit for a proxy to start, with thousands of workers.
pub(crate) const UP_WITHIN: Duration = Duration::from_secs(60);

/// A running proxy; dropping it ends the proxy.
pub(crate) struct Contender {
    /// Its name in the report.
    pub(crate) name: String,
    /// The address for requests.
    pub(crate) address: SocketAddr,
    // Declared before its dependencies, so that it is dropped first.
    process: TestProcess,
    companions: Companions,
}

/// The parameters of a proxy's start.
struct ProxyLaunch<'a> {
    /// The address for requests.
    address: SocketAddr,
    /// The directory for its files.
    directory: TempDir,
    threads: u32,
    cpus: &'a Cpus,
}

/// Everything that must live as long as the proxy.
enum Companions {
    Directory(#[expect(dead_code, reason = "kept only")] TempDir),
    Slotway(Box<SlotwayParts>),
}

/// The parts of Slotway outside its Envoy. Their work does not count as the proxy's.
struct SlotwayParts {
    #[expect(dead_code, reason = "kept only")]
    control_plane: TestProcess,
    site: Site,
}

impl Contender {
    /// Starts `command` as a proxy with this number of threads, and waits until it listens.
    async fn start(name: &str, command: Command, at: ProxyLaunch<'_>) -> Self {
        let ProxyLaunch { address, directory, threads, cpus } = at;
        let mut process = cpus.place(threads, || TestProcess::start("proxy", command, directory.path()));
        listening(name, &mut process, address).await;
        Self { name: name.to_owned(), address, process, companions: Companions::Directory(directory) }
    }

    /// Returns the same contender with another name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Returns the proxy's process id.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid().as_raw_nonzero().get()
    }

    /// Returns the site of a contender that is Slotway, with its API and its Envoy's statistics.
    pub(crate) fn site(&self) -> &Site {
        match &self.companions {
            Companions::Slotway(parts) => &parts.site,
            Companions::Directory(_) => panic!("{} is not Slotway", self.name),
        }
    }

    /// Returns the processor time of the proxy.
    pub(crate) fn cpu_time(&self) -> Duration {
        cpu_time(self.pid())
    }

    /// Returns the resident memory of the proxy.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// Returns the processor time of a process, of all its threads together.
///
/// # Panics
/// If it has ended.
pub(crate) fn cpu_time(pid: i32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.unwrap_or_else(|error| panic!("process {pid} has ended: {error}"));
    let ran_ns = |task: std::fs::DirEntry| {
        let ran = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        ran.split(' ').next().and_then(|ran| ran.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.flatten().map(ran_ns).sum())
}

/// Waits until `address` accepts connections, while `process` runs.
async fn listening(name: &str, process: &mut TestProcess, address: SocketAddr) {
    until(&format!("{name} listens on {address}"), UP_WITHIN, async || {
        if let Some(status) = process.has_ended() {
            panic!("{name} ended with {status}; what it said follows");
        }
        TcpStream::connect(address).is_ok().then_some(())
    })
    .await;
}

/// Creates a directory for one contender.
fn directory() -> TempDir {
    TempDir::with_prefix("slotway-bench-").unwrap()
}

/// Writes a configuration.
fn write(directory: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Returns a command for a program of the system's packages.
pub(crate) fn installed(program: &str) -> Command {
    let paths = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = paths.iter().map(|path| Path::new(path).join(program)).find(|path| path.exists());
    Command::new(
        found.unwrap_or_else(|| panic!("{program} is missing: apt-get install {program}, or make bench")),
    )
}
