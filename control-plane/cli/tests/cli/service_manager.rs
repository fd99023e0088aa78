//! Messages to the service manager (`sd_notify(3)`), and the systemd unit.

use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::installation::Installation;

/// Returns the next message other than a watchdog keep-alive.
fn next(socket: &UnixDatagram) -> String {
    loop {
        let message = message(socket);
        if message != "WATCHDOG=1" {
            return message;
        }
    }
}

fn message(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 1_024];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

fn converse(installation: &Installation, socket: &UnixDatagram, name: &str) {
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut serving = installation.serving(&[("NOTIFY_SOCKET", name), ("WATCHDOG_USEC", "100000")]);
    assert_eq!(next(socket), "READY=1\nSTATUS=serving");
    assert_eq!([message(socket), message(socket)], ["WATCHDOG=1", "WATCHDOG=1"]);
    serving.signal(Signal::HUP);
    assert!(next(socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(socket), "READY=1\nSTATUS=serving; the configuration was reloaded");
    serving.signal(Signal::TERM);
    assert_eq!(next(socket), "STOPPING=1\nSTATUS=stopping");
    assert_eq!(serving.ended(), Some(0));
}

#[test]
fn the_service_manager_is_notified_of_start_reload_keep_alive_and_stop() {
    let installation = Installation::new();
    let path = installation.path("notify");
    converse(&installation, &UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap());
}

#[test]
fn an_abstract_socket_works() {
    let installation = Installation::new();
    let name = format!("slotway-test-{}-{}", std::process::id(), installation.ports[0]);
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    converse(&installation, &UnixDatagram::bind_addr(&address).unwrap(), &format!("@{name}"));
}

#[test]
fn a_missing_socket_or_the_watchdog_of_another_process_has_no_effect() {
    let installation = Installation::new();
    let socket = UnixDatagram::bind(installation.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    drop(installation.serving(&[("NOTIFY_SOCKET", "/nowhere/notify")]));
    let mut serving = installation.serving(&[
        ("NOTIFY_SOCKET", installation.path("notify").to_str().unwrap()),
        ("WATCHDOG_USEC", "1"),
        ("WATCHDOG_PID", "1"),
    ]);
    assert_eq!(message(&socket), "READY=1\nSTATUS=serving");
    serving.signal(Signal::TERM);
    assert_eq!(message(&socket), "STOPPING=1\nSTATUS=stopping");
    assert_eq!(serving.ended(), Some(0));
}

/// Without systemd the unit cannot be checked.
#[test]
fn the_unit_is_valid_and_hardened() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/slotway.service");
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    }
    let installation = Installation::new();
    // The unit's program is not installed here.
    let text = std::fs::read_to_string(&unit).unwrap().replace("/usr/bin/slotway", "/bin/true");
    let copy = installation.path("slotway.service");
    std::fs::write(&copy, text).unwrap();
    let verified = Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&copy).output().unwrap();
    let complaints = String::from_utf8_lossy(&verified.stderr);
    let own: Vec<_> = complaints.lines().filter(|line| line.contains("slotway.service")).collect();
    assert!(own.is_empty(), "{complaints}");
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager", "--threshold=25"])
        .arg(&copy)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&security.stdout);
    assert!(
        security.status.success(),
        "exposure above 2.5:\n{report}{}",
        String::from_utf8_lossy(&security.stderr)
    );
}
