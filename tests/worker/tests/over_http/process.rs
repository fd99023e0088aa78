use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

/// A worker in its own process, which is killed on drop.
struct Process {
    child: Child,
    ready: String,
}

impl Process {
    fn start(arguments: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_slotway-worker"))
            .args(arguments.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        Self { child, ready }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_says_where_it_listens_and_stops_cleanly_on_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let mut process = Process::start("--listen 127.0.0.1:0 --name W1");
        let (before, port) = process.ready.trim_end().rsplit_once(':').unwrap();
        assert_eq!(before, "slotway-worker W1: ready on http://127.0.0.1");
        assert!(port.parse::<u16>().unwrap() > 0);
        let killed = Command::new("kill").args([signal, &process.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert!(process.child.wait().unwrap().success(), "{signal}");
    }
}

#[test]
fn it_stops_when_standard_input_ends_if_asked_to() {
    let mut process = Process::start("--listen 127.0.0.1:0 --exit-on-stdin-eof");
    assert!(process.child.try_wait().unwrap().is_none());
    drop(process.child.stdin.take());
    assert!(process.child.wait().unwrap().success());
}

#[test]
fn it_serves_on_after_standard_input_has_ended_if_not_asked_to_stop() {
    let mut process = Process::start("--listen 127.0.0.1:0");
    drop(process.child.stdin.take());
    let mut connection =
        TcpStream::connect(process.ready.trim_end().rsplit_once("http://").unwrap().1).unwrap();
    connection.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK") && answer.ends_with("\nok\n"), "{answer}");
}

#[test]
fn a_taken_port_is_one_clear_line_and_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_slotway-worker"))
        .args(["--name", "W1", "--listen", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with(&format!("slotway-worker W1: cannot listen on {address}: ")), "{said}");
    assert!(said.contains("--listen"), "{said}");
}

#[test]
fn bad_arguments_are_refused_before_anything_starts() {
    for arguments in [["--delay", "fast"], ["--pipeline-pool-max-size", "0"], ["--listen", "nowhere"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_slotway-worker"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(said.contains(arguments[1]), "{said}");
    }
}
