use std::{
    future::Future,
    pin::Pin,
    sync::MutexGuard,
    task::{Context as TaskContext, Poll},
};

use wasmtime::{Caller, Memory};

use crate::host::{HostCall, Process, Status, Verdict, VmId, VmState, vm_data::VmData};

/// Why a host call does not answer [`Status::Ok`].
pub(crate) enum Stop {
    /// It answers this: a status, or an errno of WASI.
    Code(u32),
    /// It traps.
    Trap(wasmtime::Error),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Code(status as u32)
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

/// One host call under way: the memory of the module that makes it, and the process.
pub(crate) struct Call<'a> {
    caller: Caller<'a, VmData>,
    call: HostCall,
    pub(crate) vm: VmId,
    /// The details of the call in the trace.
    about: String,
}

impl<'a> Call<'a> {
    pub(crate) fn new(caller: Caller<'a, VmData>, call: HostCall) -> Self {
        let vm = caller.data().id;
        Self { caller, call, vm, about: String::new() }
    }

    /// What happens before each host call: the scheduler may let others go first, and faults strike.
    pub(crate) async fn enter(&mut self) -> Result<(), Stop> {
        let (call, vm) = (self.call, self.vm);
        let lane = {
            let process = &mut *self.process();
            process.call_usage.entry(vm).or_default().count(call);
            let lane = process.vms.get(&vm).ok_or(Status::InternalFailure)?.lane();
            // A lane that can be stopped waits here until the scheduler lets it continue.
            let stop = lane.filter(|lane| process.yielding.contains(lane));
            process.at.extend(stop.map(|lane| (lane, call)));
            (lane, stop)
        };
        if lane.1.is_some() {
            Yield::default().await;
        }
        let lane = lane.0;
        let process = &mut *self.process();
        let trap = lane.is_some_and(|lane| {
            process.at.remove(&lane);
            // A VM that traps while it is configured ends all lanes for good. So the filter only reads there (see
            // `a_configuration_is_only_read_while_it_comes`), and the trap comes later.
            let is_configured = process.vms.get(&vm).is_some_and(|state| state.configuring.is_some());
            !is_configured && process.traps.remove(&lane)
        });
        let context = process.vms.get(&vm).map_or(0, VmState::context);
        let verdict = if trap { Verdict::Trap } else { process.faults.verdict(lane, context, call) };
        match verdict {
            Verdict::Proceed => Ok(()),
            Verdict::Fail(status) => Err(status.into()),
            Verdict::Trap => Err(Stop::Trap(wasmtime::Error::msg("trap ordered by the test"))),
        }
    }

    /// Adds details of the call to the trace: a key, a name.
    pub(crate) fn about(&mut self, bytes: &[u8]) {
        if self.process().trace.is_some() {
            self.about = format!(" {}", String::from_utf8_lossy(bytes));
        }
    }

    /// Writes into the trace how the call ended.
    pub(crate) fn note_end(&self, end: &Result<(), Stop>) {
        self.process().note(|| {
            let end = match end {
                Ok(()) => String::new(),
                Err(Stop::Code(code)) => {
                    match Status::FAILURES.iter().find(|status| **status as u32 == *code) {
                        Some(status) => format!(" = {status:?}"),
                        None => format!(" = {code}"),
                    }
                }
                Err(Stop::Trap(_)) => " = TRAP".to_owned(),
            };
            let name = self.call.name().trim_start_matches("proxy_");
            format!("    {} {name}{}{end}", self.vm, self.about)
        });
    }

    pub(crate) fn process(&self) -> MutexGuard<'_, Process> {
        self.caller.data().process.lock()
    }

    /// Returns the context that this call counts for.
    pub(crate) fn context(&self) -> u32 {
        self.process().vms.get(&self.vm).map_or(0, VmState::context)
    }

    pub(crate) fn read(&self, at: u32, len: u32) -> Result<Vec<u8>, Stop> {
        let memory = self.memory()?;
        let range = at as usize..(at as usize).saturating_add(len as usize);
        Ok(memory.data(&self.caller).get(range).ok_or(Status::InvalidMemoryAccess)?.to_vec())
    }

    /// Reads text; a header value with bytes outside UTF-8 loses those.
    pub(crate) fn text(&self, at: u32, len: u32) -> Result<String, Stop> {
        Ok(String::from_utf8_lossy(&self.read(at, len)?).into_owned())
    }

    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Stop> {
        let memory = self.memory()?;
        memory.write(&mut self.caller, at as usize, bytes).map_err(|_| Status::InvalidMemoryAccess.into())
    }

    pub(crate) fn write_u32(&mut self, at: u32, number: u32) -> Result<(), Stop> {
        self.write(at, &number.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, at: u32, number: u64) -> Result<(), Stop> {
        self.write(at, &number.to_le_bytes())
    }

    /// Copies `bytes` into memory that the module allocates, and writes where they are (`copyToPointerSize`).
    pub(crate) async fn give(&mut self, bytes: &[u8], pointer_at: u32, len_at: u32) -> Result<(), Stop> {
        let mut pointer = 0;
        if !bytes.is_empty() {
            let malloc = self.caller.data().malloc.clone().ok_or(Status::InvalidMemoryAccess)?;
            pointer = malloc.call_async(&mut self.caller, bytes.len() as u32).await?;
            if pointer == 0 {
                return Err(Status::InvalidMemoryAccess.into());
            }
            self.write(pointer, bytes)?;
        }
        self.write_u32(pointer_at, pointer)?;
        self.write_u32(len_at, bytes.len() as u32)
    }

    fn memory(&self) -> Result<Memory, Stop> {
        Ok(self.caller.data().memory.ok_or(Status::InvalidMemoryAccess)?)
    }
}

/// Pending once. Nothing wakes it: the scheduler knows where each lane stands, and polls the one that it chooses.
#[derive(Default)]
struct Yield {
    done: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.done, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}
