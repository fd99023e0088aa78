//! The workers behind all contenders: one thread that answers on every address of 127.0.0.0/8, so that thousands of worker URLs cost no more
//! than one.

mod connection;
mod request;
mod serving;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serving::Serving;

use crate::clock::now_ns;

/// Requests for a path that begins so are answered with `x-arrived-ns` and `x-answered-ns`.
pub(crate) const STAMPED: &str = "/stamped";

/// Workers that can be told how long a job takes, and that count. Ends with its owner.
pub(crate) struct Workers {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with its owner.
#[derive(Default)]
pub(crate) struct Shared {
    job_ns: AtomicU64,
    ending: AtomicBool,
    counted: Mutex<Counted>,
}

/// What was counted since the last [`Workers::count_anew`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    /// Answers written.
    pub(crate) answered: u64,
    /// Requests whose connection was closed before the answer.
    pub(crate) abandoned: u64,
    /// Sum over all answers of the time from the request's arrival to the answer's last byte.
    pub(crate) service_ns: u64,
    /// The most requests at once, per worker.
    pub(crate) most: HashMap<Ipv4Addr, u32>,
    /// Sum over the workers of the time with a job, per job: with 3 jobs at once for a second, 3 seconds.
    busy_ns: u64,
    in_flight: u64,
    since_ns: u64,
    changed_ns: u64,
}

impl Counted {
    fn from(now_ns: u64, in_flight: u64) -> Self {
        Self { in_flight, since_ns: now_ns, changed_ns: now_ns, ..Self::default() }
    }

    fn at(&mut self, now_ns: u64) {
        self.busy_ns += self.in_flight * now_ns.saturating_sub(self.changed_ns);
        self.changed_ns = self.changed_ns.max(now_ns);
    }

    fn arrived(&mut self, now_ns: u64) {
        self.at(now_ns);
        self.in_flight += 1;
    }

    fn left(&mut self, now_ns: u64) {
        self.at(now_ns);
        self.in_flight -= 1;
    }

    /// How many jobs there were at once, on average.
    pub(crate) fn mean_in_flight(&self) -> f64 {
        self.busy_ns as f64 / (self.changed_ns - self.since_ns).max(1) as f64
    }

    /// Jobs a second, by Little's law: as many as there are at once, by the time that each takes. A count of answers would depend on how many
    /// of a few slots happen to end just before the last moment, or just behind it.
    pub(crate) fn per_second(&self) -> f64 {
        self.mean_in_flight() / self.mean_service().as_secs_f64().max(1e-9)
    }

    /// The mean time from arrival to answer.
    pub(crate) fn mean_service(&self) -> Duration {
        Duration::from_nanos(self.service_ns / self.answered.max(1))
    }

    /// The most requests that any worker had at once.
    pub(crate) fn most_of_all(&self) -> u32 {
        self.most.values().copied().max().unwrap_or_default()
    }
}

impl Workers {
    /// Starts them, on the processors of the calling thread; a job takes as long as `job`.
    pub(crate) fn start(job: Duration) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, slotway_test_site::fresh_address().port())).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("workers".into())
            .spawn(move || Serving::new(listener, serving).unwrap().serve().unwrap())
            .unwrap();
        let workers = Self { port, shared, thread: Some(thread) };
        workers.set_job(job);
        workers
    }

    /// How long a job takes from now on.
    pub(crate) fn set_job(&self, job: Duration) {
        self.shared.job_ns.store(job.as_nanos() as u64, Ordering::Relaxed);
    }

    /// The address of a worker; there are 16 million.
    pub(crate) fn address(&self, number: u32) -> SocketAddr {
        (Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + number), self.port).into()
    }

    /// The addresses of the first workers.
    pub(crate) fn addresses(&self, count: u32) -> Vec<SocketAddr> {
        (0..count).map(|number| self.address(number)).collect()
    }

    /// Forgets what was counted. What is at a worker stays counted as being there.
    pub(crate) fn count_anew(&self) {
        let mut counted = self.shared.counted.lock().unwrap();
        *counted = Counted::from(now_ns(), counted.in_flight);
    }

    /// What was counted.
    pub(crate) fn counted(&self) -> Counted {
        let mut counted = self.shared.counted.lock().unwrap();
        counted.at(now_ns());
        counted.clone()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the workers have failed");
        }
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "the benchmark is compiled with this, but without the tests that need it")]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        time::Instant,
    };

    use super::*;

    const JOB: Duration = Duration::from_millis(20);

    fn ask(at: SocketAddr, path: &str) -> TcpStream {
        let mut socket = TcpStream::connect(at).unwrap();
        write!(socket, "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").unwrap();
        socket
    }

    fn answer(socket: &mut TcpStream) -> String {
        let mut text = String::new();
        let mut buffer = [0; 1024];
        while !text.ends_with("ok") {
            let read = socket.read(&mut buffer).unwrap();
            assert!(read > 0, "closed after {text:?}");
            text += std::str::from_utf8(&buffer[..read]).unwrap();
        }
        text
    }

    fn until(workers: &Workers, what: impl Fn(&Counted) -> bool) -> Counted {
        let began = Instant::now();
        loop {
            let counted = workers.counted();
            if what(&counted) {
                return counted;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{counted:?}");
        }
    }

    #[test]
    fn a_job_takes_its_time_and_the_most_at_once_is_counted_for_each_worker() {
        let workers = Workers::start(JOB);
        let mut three: Vec<_> = (0..3).map(|_| ask(workers.address(0), "/")).collect();
        let mut one = ask(workers.address(7), "/");
        for socket in three.iter_mut().chain([&mut one]) {
            answer(socket);
        }
        let counted = until(&workers, |counted| counted.answered == 4);
        let most = |number| {
            counted.most[&match workers.address(number).ip() {
                std::net::IpAddr::V4(ip) => ip,
                std::net::IpAddr::V6(_) => unreachable!(),
            }]
        };
        assert_eq!((most(0), most(7), counted.most_of_all()), (3, 1, 3));
        assert!(counted.mean_service() >= JOB, "{counted:?}");
        workers.count_anew();
        assert_eq!((workers.counted().answered, workers.counted().most_of_all()), (0, 0));
    }

    #[test]
    fn a_request_whose_client_leaves_is_abandoned() {
        let workers = Workers::start(Duration::from_secs(3600));
        let socket = ask(workers.address(0), "/");
        until(&workers, |counted| counted.in_flight == 1);
        drop(socket);
        let counted = until(&workers, |counted| counted.abandoned == 1);
        assert_eq!((counted.answered, counted.in_flight), (0, 0));
    }

    #[test]
    fn the_times_are_told_where_they_are_asked_for() {
        let workers = Workers::start(JOB);
        let stamped = answer(&mut ask(workers.address(0), STAMPED));
        let time = |name: &str| -> u64 {
            let line = stamped.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.parse().unwrap()
        };
        let took = time("x-answered-ns: ") - time("x-arrived-ns: ");
        assert!(took >= JOB.as_nanos() as u64, "{stamped}");
        assert!(!answer(&mut ask(workers.address(0), "/")).contains("x-arrived-ns"));
    }
}
