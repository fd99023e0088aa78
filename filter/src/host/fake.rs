//! A host in memory: lanes that share data with compare-and-swap numbers, queues and a clock, each with streams, a timer, a
//! log and metrics of its own.
//!
//! It checks nothing about the order of callbacks: a test calls the lane's functions itself. Calls can be made to fail
//! ([`FakeHost::refuse`]).

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use super::{Host, HostError};
use crate::abi::{LogLevel, MapType, MetricType, Status};

/// What the lanes of one process share.
#[derive(Debug, Default)]
struct Process {
    now_ms: u64,
    data: HashMap<String, (Vec<u8>, u32)>,
    /// The newest compare-and-swap number.
    cas: u32,
    /// Queues by id, from 1 on.
    queues: Vec<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    name: String,
    messages: VecDeque<Vec<u8>>,
}

/// What became of a stream's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet.
    Paused,
    /// It continues to its worker.
    Resumed,
    /// It got a local reply, with this status and body.
    Replied(u32, String),
}

/// One stream.
#[derive(Debug)]
struct FakeStream {
    request: BTreeMap<String, String>,
    response: BTreeMap<String, String>,
    properties: BTreeMap<String, Vec<u8>>,
    fate: Fate,
}

/// One VM's side of the host.
#[derive(Debug, Default)]
struct Vm {
    configuration: Vec<u8>,
    current: u32,
    effective: u32,
    /// The period of each root context's timer.
    timers: BTreeMap<u32, Duration>,
    streams: BTreeMap<u32, FakeStream>,
    log: Vec<(LogLevel, String)>,
    metrics: Vec<(String, u64)>,
    calls: Vec<(String, Vec<u8>)>,
    /// How many of the next calls of a name fail, and with which status.
    refusals: BTreeMap<&'static str, (u32, i32)>,
}

/// The host of one fake VM. Clones are the same VM.
#[derive(Debug, Clone)]
pub(crate) struct FakeHost {
    process: Rc<RefCell<Process>>,
    vm: Rc<RefCell<Vm>>,
}

impl FakeHost {
    /// Starts a process with one VM.
    pub(crate) fn new() -> Self {
        let process = Process { now_ms: 1_000, ..Process::default() };
        Self { process: Rc::new(RefCell::new(process)), vm: Rc::default() }
    }

    /// Starts another VM in the same process.
    pub(crate) fn another_vm(&self) -> Self {
        Self { process: Rc::clone(&self.process), vm: Rc::default() }
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, ms: u64) {
        self.process.borrow_mut().now_ms += ms;
    }

    /// Begins a callback of a context.
    pub(crate) fn enter(&self, context: u32) {
        let mut vm = self.vm.borrow_mut();
        (vm.current, vm.effective) = (context, context);
    }

    /// Sets the plugin configuration.
    pub(crate) fn set_configuration(&self, bytes: Vec<u8>) {
        self.vm.borrow_mut().configuration = bytes;
    }

    /// Opens a stream with these request headers.
    pub(crate) fn open_stream(&self, context: u32, headers: &[(&str, &str)]) {
        let request = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let stream = FakeStream {
            request,
            response: BTreeMap::new(),
            properties: BTreeMap::new(),
            fate: Fate::Paused,
        };
        self.vm.borrow_mut().streams.insert(context, stream);
    }

    /// Sets a response header of a stream.
    pub(crate) fn set_response_header(&self, context: u32, key: &str, value: &str) {
        let mut vm = self.vm.borrow_mut();
        let stream = vm.streams.get_mut(&context).expect("an open stream");
        stream.response.insert(key.to_owned(), value.to_owned());
    }

    /// Removes a stream: calls that refer to it fail from now on.
    pub(crate) fn close_stream(&self, context: u32) {
        self.vm.borrow_mut().streams.remove(&context);
    }

    /// Makes the next `times` calls of this name fail with a status.
    pub(crate) fn refuse(&self, call: &'static str, times: u32, status: i32) {
        self.vm.borrow_mut().refusals.insert(call, (times, status));
    }

    /// Returns what became of a stream's request.
    pub(crate) fn fate(&self, context: u32) -> Fate {
        self.vm.borrow().streams.get(&context).map_or(Fate::Paused, |stream| stream.fate.clone())
    }

    /// Returns a request header of a stream.
    pub(crate) fn request_header(&self, context: u32, key: &str) -> Option<String> {
        self.vm.borrow().streams.get(&context)?.request.get(key).cloned()
    }

    /// Returns a property of a stream.
    pub(crate) fn stream_property(&self, context: u32, path: &str) -> Option<Vec<u8>> {
        self.vm.borrow().streams.get(&context)?.properties.get(path).cloned()
    }

    /// Returns the lines of the log from a level on.
    pub(crate) fn log_from(&self, level: LogLevel) -> Vec<String> {
        let vm = self.vm.borrow();
        let lines = vm.log.iter().filter(|(of, _)| *of as i32 >= level as i32);
        lines.map(|(_, text)| text.clone()).collect()
    }

    /// Returns the period of a root context's timer, in milliseconds; `None` where it never fires.
    pub(crate) fn timer_ms(&self, root: u32) -> Option<u128> {
        self.vm.borrow().timers.get(&root).map(Duration::as_millis).filter(|period| *period > 0)
    }

    /// Returns the value of a metric.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        self.vm.borrow().metrics.iter().find(|(of, _)| of == name).map(|(_, value)| *value)
    }

    /// Loses all messages. Returns their number.
    pub(crate) fn empty_queues(&self) -> usize {
        self.process.borrow_mut().queues.iter_mut().map(|queue| queue.messages.drain(..).count()).sum()
    }

    /// Returns the bodies of the calls to a cluster.
    pub(crate) fn calls(&self, cluster: &str) -> Vec<Vec<u8>> {
        let vm = self.vm.borrow();
        vm.calls.iter().filter(|(to, _)| to == cluster).map(|(_, body)| body.clone()).collect()
    }

    fn check(&self, call: &'static str) -> Result<(), HostError> {
        let mut vm = self.vm.borrow_mut();
        match vm.refusals.get_mut(call) {
            Some((times, status)) if *times > 0 => {
                *times -= 1;
                Err(HostError { call, status: *status })
            }
            _ => Ok(()),
        }
    }

    /// Runs `act` on the stream of the effective context.
    fn on_stream<R>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut FakeStream) -> R,
    ) -> Result<R, HostError> {
        self.check(call)?;
        let mut vm = self.vm.borrow_mut();
        let effective = vm.effective;
        let stream = vm.streams.get_mut(&effective).ok_or(HostError { call, status: BAD_ARGUMENT })?;
        Ok(act(stream))
    }
}

const BAD_ARGUMENT: i32 = 2;

fn not_found(call: &'static str) -> HostError {
    HostError { call, status: Status::NotFound as i32 }
}

impl Host for FakeHost {
    fn log(&self, level: LogLevel, text: &str) {
        self.vm.borrow_mut().log.push((level, text.to_owned()));
    }

    fn now_ms(&self) -> u64 {
        self.process.borrow().now_ms
    }

    fn set_tick_period(&self, period: Duration) -> Result<(), HostError> {
        self.check("set tick period")?;
        let mut vm = self.vm.borrow_mut();
        let effective = vm.effective;
        vm.timers.insert(effective, period);
        Ok(())
    }

    fn plugin_configuration(&self, _size: usize) -> Result<Vec<u8>, HostError> {
        self.check("get plugin configuration")?;
        Ok(self.vm.borrow().configuration.clone())
    }

    fn set_effective_context(&self, context: u32) -> Result<(), HostError> {
        self.check("set effective context")?;
        self.vm.borrow_mut().effective = context;
        Ok(())
    }

    fn header(&self, map: MapType, key: &str) -> Option<String> {
        self.on_stream("get header", |stream| match map {
            MapType::HttpRequestHeaders => stream.request.get(key).cloned(),
            MapType::HttpResponseHeaders => stream.response.get(key).cloned(),
            MapType::HttpCallResponseHeaders => None,
        })
        .ok()
        .flatten()
    }

    fn replace_header(&self, map: MapType, key: &str, value: &str) -> Result<(), HostError> {
        self.on_stream("replace header", |stream| {
            let headers = match map {
                MapType::HttpRequestHeaders => &mut stream.request,
                MapType::HttpResponseHeaders | MapType::HttpCallResponseHeaders => &mut stream.response,
            };
            headers.insert(key.to_owned(), value.to_owned());
        })
    }

    fn replace_response_body(&self, _size: usize, _body: &[u8]) -> Result<(), HostError> {
        self.check("set response body")
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.on_stream("get property", |stream| stream.properties.get(&path.join(".")).cloned())
            .ok()
            .flatten()
    }

    fn set_property(&self, path: &str, value: &[u8]) -> Result<(), HostError> {
        self.on_stream("set property", |stream| {
            stream.properties.insert(path.to_owned(), value.to_owned());
        })
    }

    fn shared_data(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
        self.check("get shared data")?;
        Ok(self.process.borrow().data.get(key).cloned())
    }

    fn set_shared_data(&self, key: &str, value: &[u8], cas: u32) -> Result<u32, HostError> {
        self.check("set shared data")?;
        let mut process = self.process.borrow_mut();
        let stored = process.data.get(key).map(|(_, cas)| *cas);
        if stored.is_some_and(|stored| cas != 0 && stored != cas) {
            return Err(HostError { call: "set shared data", status: Status::CasMismatch as i32 });
        }
        process.cas += 1;
        let cas = process.cas;
        process.data.insert(key.to_owned(), (value.to_owned(), cas));
        Ok(cas)
    }

    fn register_queue(&self, name: &str) -> Result<u32, HostError> {
        self.check("register queue")?;
        if let Ok(queue) = self.resolve_queue(name) {
            return Ok(queue);
        }
        let mut process = self.process.borrow_mut();
        process.queues.push(Queue { name: name.to_owned(), messages: VecDeque::new() });
        Ok(process.queues.len() as u32)
    }

    fn resolve_queue(&self, name: &str) -> Result<u32, HostError> {
        self.check("resolve queue")?;
        let process = self.process.borrow();
        let at = process.queues.iter().position(|queue| queue.name == name);
        at.map(|at| at as u32 + 1).ok_or(not_found("resolve queue"))
    }

    fn dequeue(&self, queue: u32) -> Result<Option<Vec<u8>>, HostError> {
        self.check("dequeue")?;
        let mut process = self.process.borrow_mut();
        let queue = process.queues.get_mut(queue as usize - 1).ok_or(not_found("dequeue"))?;
        Ok(queue.messages.pop_front())
    }

    fn enqueue(&self, queue: u32, message: &[u8]) -> Result<(), HostError> {
        self.check("enqueue")?;
        let mut process = self.process.borrow_mut();
        let queue = process.queues.get_mut(queue as usize - 1).ok_or(not_found("enqueue"))?;
        queue.messages.push_back(message.to_owned());
        Ok(())
    }

    fn resume_request(&self) -> Result<(), HostError> {
        self.on_stream("continue stream", |stream| stream.fate = Fate::Resumed)
    }

    fn send_local_response(
        &self,
        status: u32,
        _grpc_status: i32,
        _details: &str,
        _headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), HostError> {
        let body = String::from_utf8_lossy(body).into_owned();
        self.on_stream("send local response", |stream| stream.fate = Fate::Replied(status, body))
    }

    fn http_call(
        &self,
        cluster: &str,
        _headers: &[(&str, &str)],
        body: &[u8],
        _timeout: Duration,
    ) -> Result<u32, HostError> {
        self.check("http call")?;
        let mut vm = self.vm.borrow_mut();
        vm.calls.push((cluster.to_owned(), body.to_owned()));
        Ok(vm.calls.len() as u32)
    }

    fn define_metric(&self, _kind: MetricType, name: &str) -> Result<u32, HostError> {
        self.check("define metric")?;
        let mut vm = self.vm.borrow_mut();
        vm.metrics.push((name.to_owned(), 0));
        Ok(vm.metrics.len() as u32 - 1)
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError> {
        self.check("record metric")?;
        self.vm.borrow_mut().metrics[id as usize].1 = value;
        Ok(())
    }

    fn increment_metric(&self, id: u32, by: u64) -> Result<(), HostError> {
        self.check("increment metric")?;
        self.vm.borrow_mut().metrics[id as usize].1 += by;
        Ok(())
    }
}
