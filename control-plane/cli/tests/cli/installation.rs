use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A directory with a configuration file on its own ports, and with stand-ins for Envoy and the filter.
pub(crate) struct Installation {
    pub(crate) directory: TempDir,
    /// listen, api, xds, admin, worker
    pub(crate) ports: [u16; 5],
}

/// The time limit for a condition; far more than any condition needs.
const WITHIN: Duration = Duration::from_secs(30);

impl Installation {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // All listeners stay open until the last port is known, so that the ports differ.
        let listeners = [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
        let [listen, api, xds, admin, worker] = ports;
        let yaml = format!(
            "listen: 127.0.0.1:{listen}\napi: 127.0.0.1:{api}\nxds: 127.0.0.1:{xds}\n\
             envoy: {{ admin: 127.0.0.1:{admin} }}\nstate: state\n\
             pools: [{{ name: p, workers: [{{ worker: 'http://127.0.0.1:{worker}', capacity: 2 }}] }}]\n"
        );
        fs::write(directory.path().join("f.yaml"), yaml).unwrap();
        fs::write(directory.path().join("filter.wasm"), "").unwrap();
        Self { directory, ports }
    }

    /// Adds settings to the configuration file.
    pub(crate) fn also(&self, settings: &str) {
        let yaml = fs::read_to_string(self.path("f.yaml")).unwrap();
        fs::write(self.path("f.yaml"), format!("{yaml}{settings}\n")).unwrap();
    }

    /// Starts `slotway serve` with its output in the file `log`, and waits until it serves.
    pub(crate) fn serving(&self, variables: &[(&str, &str)]) -> Running {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut serve = self.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
        serve.envs(variables.iter().copied()).stdout(log.try_clone().unwrap()).stderr(log);
        let serving = Running(serve.spawn().unwrap());
        wait_for("an answer", || crate::http::send(self.ports[1], "GET", "/healthz", "none", ""));
        serving
    }

    /// Returns the output of [`Self::serving`].
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Waits until the log contains this text, and returns the log.
    pub(crate) fn says(&self, text: &str) -> String {
        wait_for(text, || Some(self.log()).filter(|log| log.contains(text)))
    }

    pub(crate) fn token(&self) -> String {
        fs::read_to_string(self.path("state/admin-token")).unwrap().trim().to_owned()
    }

    /// Returns the headers with which `slotway bootstrap` makes an Envoy prove that it is this node.
    pub(crate) fn node_headers(&self, node: &str) -> [(&'static str, String); 2] {
        let output = self.run(&["bootstrap", "-f", "f.yaml", "--node", node]);
        let bootstrap: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let secret = &bootstrap["static_resources"]["secrets"][0]["generic_secret"]["secret"];
        let key = secret["inline_string"].as_str().unwrap().to_owned();
        [("x-slotway-node", node.to_owned()), ("x-slotway-node-key", key)]
    }

    /// Returns the value of a metric in `/metrics`: of the line that begins with this text.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = crate::http::send(self.ports[1], "GET", "/metrics", &self.token(), "")?;
        let line = text
            .as_str()?
            .lines()
            .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a shell script to `envoy`.
    pub(crate) fn envoy(&self, script: &str) {
        let file = self.path("envoy");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns a `slotway` command in the directory, without the environment of the test run.
    pub(crate) fn slotway(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slotway"));
        command.args(arguments).current_dir(self.directory.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.slotway(arguments).output().unwrap()
    }

    /// Returns `slotway up` with the stand-ins.
    pub(crate) fn up(&self) -> Command {
        self.slotway(&["up", "-f", "f.yaml", "--envoy", "./envoy", "--filter", "filter.wasm"])
    }

    /// Returns the process id that a script wrote into a file.
    pub(crate) fn pid(&self, file: &str) -> i32 {
        let read = || fs::read_to_string(self.path(file)).ok()?.trim().parse().ok();
        wait_for("a process id", read)
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits for a condition.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < WITHIN, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a process has ended. A zombie process counts as ended.
pub(crate) fn wait_until_gone(pid: i32) {
    let gone = || match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')).then_some(()),
        Err(_) => Some(()),
    };
    wait_for("the end of a process", gone);
}

/// A process that is killed at the end of the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits for the end of the process, and returns its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        wait_for("its end", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
