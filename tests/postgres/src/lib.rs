//! A real PostgreSQL server for a test. It is created with `initdb` in a directory and on a port of its own, and it
//! ends with the test in any case. `tests/tools/postgres.sh` installs the programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod disk;
mod programs;

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process, set_parent_process_death_signal};
use tempfile::TempDir;

pub use disk::SmallDisk;
use programs::program;

/// The user's name, which is also the name of its database.
const USER: &str = "slotway";
/// A password that no log, error or answer may contain. It needs escaping in a URL.
pub const PASSWORD: &str = "hush/hush";
const PASSWORD_IN_URL: &str = "hush%2Fhush";
/// The time limit for starting and stopping; far more than either needs.
const WITHIN: Duration = Duration::from_secs(60);
/// The user `nobody`, because PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;

/// A PostgreSQL server with a database and a user `slotway`.
pub struct Postgres {
    child: Option<Child>,
    port: u16,
    disk: Option<SmallDisk>,
    tls: bool,
    directory: TempDir,
}

impl Postgres {
    /// Creates a database and starts the server.
    #[must_use]
    pub fn start() -> Self {
        Self::prepared(None).made()
    }

    /// Like [`Postgres::start`], with a certificate for `localhost` and its key, both PEM. The server accepts
    /// connections with and without TLS.
    #[must_use]
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        let mut postgres = Self::prepared(None);
        for (name, pem) in [("certificate", certificate), ("key", key)] {
            postgres.write_private(name, pem);
        }
        postgres.tls = true;
        postgres.made()
    }

    /// Like [`Postgres::start`], on a disk of this size. Creating the database takes about 40 million bytes.
    #[must_use]
    pub fn start_on_small_disk(bytes: u64) -> Self {
        let mut postgres = Self::prepared(Some(bytes));
        postgres.start_again();
        postgres
    }

    fn prepared(disk_bytes: Option<u64>) -> Self {
        let directory = TempDir::with_prefix("slotway-pg-").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let disk = disk_bytes.map(|bytes| SmallDisk::new(directory.path().join("disk"), bytes));
        let postgres = Self { child: None, port, disk, tls: false, directory };
        postgres.own(postgres.directory.path());
        postgres.write_private("password", PASSWORD);
        postgres
    }

    fn made(mut self) -> Self {
        let mut initdb = Command::new(program("initdb"));
        initdb.args(self.initdb_arguments());
        let made = self.unprivileged(&mut initdb).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        self.start_again();
        self
    }

    /// Writes a file that only the server may read.
    fn write_private(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.own(&path);
    }

    /// Makes the server's user the owner of a path. On a small disk that is the test's own user, as seen from outside
    /// the namespace.
    fn own(&self, path: &Path) {
        if geteuid().is_root() && self.disk.is_none() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// Starts the server after [`Postgres::stop`] or a kill, with its existing data.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = match &self.disk {
            // A small disk lasts for one start only.
            Some(disk) => disk.command(&self.initdb_arguments(), &self.server_arguments()),
            None => {
                let mut command = Command::new(program("postgres"));
                command.args(self.server_arguments());
                self.unprivileged(&mut command);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        // SAFETY: one system call between fork and exec, which allocates nothing and takes no lock.
        unsafe {
            // If the test process dies, SIGQUIT ends the server at once, with its children.
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::QUIT))?));
        }
        let child = self.child.insert(command.spawn().unwrap());
        let started = Instant::now();
        loop {
            let ready = Command::new(program("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .unwrap();
            if ready.success() {
                break;
            }
            let ended = child.try_wait().unwrap();
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && started.elapsed() < WITHIN, "PostgreSQL does not start: {}", log());
            sleep(Duration::from_millis(20));
        }
        if self.sql_in("postgres", "SELECT 1 FROM pg_database WHERE datname = 'slotway'").is_empty() {
            self.sql_in("postgres", "CREATE DATABASE slotway");
        }
    }

    /// Ends the server at once with all its connections, like an immediate shutdown by an administrator.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Suspends the server's processes: connections stay open without an answer. [`Postgres::thaw`] resumes them.
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Resumes the server after [`Postgres::freeze`].
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Returns the server's URL with the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/slotway", self.port)
    }

    /// Returns the server's URL without the password.
    #[must_use]
    pub fn url_without_password(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/slotway", self.port)
    }

    /// Runs SQL in the database and returns the output of `psql`: one row per line, with `|` between columns.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in("slotway", sql)
    }

    /// Returns the small disk of the server.
    ///
    /// # Panics
    /// If the server is not on a small disk.
    #[must_use]
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it is on a small disk")
    }

    /// Returns the process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Returns whether the server has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some())
    }

    /// Returns the server's log.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn sql_in(&self, database: &str, sql: &str) -> String {
        let output = Command::new(program("psql"))
            .args([
                "-XAtq",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-U",
                USER,
                "-d",
                database,
                "-c",
                sql,
            ])
            .args(["-p", &self.port.to_string()])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn data(&self) -> PathBuf {
        self.disk.as_ref().map_or(self.directory.path(), |disk| disk.path()).join("data")
    }

    fn initdb_arguments(&self) -> Vec<String> {
        let password = format!("--pwfile={}", self.directory.path().join("password").display());
        let user = format!("--username={USER}");
        let data = self.data().display().to_string();
        // The database sorts by language, so a query that needs byte order must request it.
        let language = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"];
        let mut arguments = vec!["-D".to_owned(), data, user, password];
        arguments
            .extend(["--auth=scram-sha-256", "--no-sync"].into_iter().chain(language).map(str::to_owned));
        arguments
    }

    fn server_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["-D".to_owned(), self.data().display().to_string()];
        let port = format!("port={}", self.port);
        let directory = self.directory.path().display();
        if self.tls {
            let files = ["cert_file", "key_file"].into_iter().zip(["certificate", "key"]);
            let files = files.map(|(setting, name)| format!("ssl_{setting}={directory}/{name}"));
            for setting in std::iter::once("ssl=on".to_owned()).chain(files) {
                arguments.extend(["-c".to_owned(), setting]);
            }
        }
        for setting in [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "shared_buffers=8MB",
            "max_connections=60",
            "fsync=off",
            "autovacuum_naptime=1s",
        ] {
            arguments.extend(["-c".to_owned(), setting.to_owned()]);
        }
        arguments
    }

    fn unprivileged<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.current_dir(self.directory.path())
    }

    fn signal_all(&self, signal: Signal) {
        let postmaster = self.pid();
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        for pid in std::iter::once(postmaster).chain(children) {
            let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            // A child process may have ended meanwhile.
            let _ = kill_process(pid, signal);
        }
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        let _ = kill_process(Pid::from_child(&child), signal);
        let started = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < WITHIN, "PostgreSQL does not end");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.thaw();
            self.end(Signal::QUIT);
        }
        if std::thread::panicking() {
            let output = self.output();
            let lines: Vec<&str> = output.lines().collect();
            eprintln!(
                "--- PostgreSQL, last lines:\n{}\n---",
                lines[lines.len().saturating_sub(30)..].join("\n")
            );
        }
    }
}

/// Returns whether a path is an executable file.
fn is_program(path: &Path) -> bool {
    path.is_file()
}
