use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::net::{RecvFlags, recv};

/// A worker that counts its connections, as one does that assigns a thread to each: when it accepts a connection, it first
/// notices which others the other end has closed. It answers each request after a delay, and keeps the connection open.
pub struct ConnectionWorker {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    delay: Duration,
    open: Mutex<Open>,
    ends: AtomicBool,
}

#[derive(Default)]
struct Open {
    connections: Vec<Arc<TcpStream>>,
    highest: usize,
    total: usize,
}

impl ConnectionWorker {
    /// Starts a worker on a fresh port.
    pub fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { delay, open: Mutex::default(), ends: AtomicBool::new(false) });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Returns its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the highest number of open connections.
    pub fn highest(&self) -> usize {
        self.shared.open.lock().unwrap().highest
    }

    /// Returns the number of all connections.
    pub fn total(&self) -> usize {
        self.shared.open.lock().unwrap().total
    }
}

impl Drop for ConnectionWorker {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.ends.load(Ordering::Relaxed) {
            return;
        }
        let stream = Arc::new(stream);
        {
            let mut open = shared.open.lock().unwrap();
            open.connections.retain(|stream| !is_closed(stream));
            open.connections.push(Arc::clone(&stream));
            open.highest = open.highest.max(open.connections.len());
            open.total += 1;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(&stream, &shared));
    }
}

/// Returns whether the other end has closed the connection.
fn is_closed(stream: &TcpStream) -> bool {
    let mut byte = [0; 1];
    match recv(stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, length)) => length == 0,
        Err(error) => error != rustix::io::Errno::AGAIN,
    }
}

fn serve(stream: &Arc<TcpStream>, shared: &Shared) {
    let mut reader = &**stream;
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = reader.read(&mut chunk) {
        request.extend_from_slice(&chunk[..length]);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        request.clear();
        thread::sleep(shared.delay);
        if (&**stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").is_err() {
            break;
        }
    }
    shared.open.lock().unwrap().connections.retain(|other| !Arc::ptr_eq(other, stream));
}
