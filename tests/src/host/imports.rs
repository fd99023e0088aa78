//! The functions that a module imports, each as the C++ host and Envoy do it.

mod clocks;
mod control;
mod http_call;
mod maps;
mod metrics;
mod properties;
mod replies;
mod shared;

use wasmtime::Linker;

use crate::host::{
    HostCall,
    call::{Call, Stop},
    vm_data::VmData,
};

/// Defines one function: counts it, lets the scheduler and the faults in, then runs its body.
macro_rules! import {
    ($linker:ident, $call:ident, ($($arg:ident: $ty:ty),*), |$c:ident| $body:block) => {
        $linker.func_wrap_async(
            $crate::host::imports::module_of($crate::host::HostCall::$call),
            $crate::host::HostCall::$call.name(),
            |caller: wasmtime::Caller<'_, $crate::host::vm_data::VmData>, ($($arg,)*): ($($ty,)*)| {
                Box::new(async move {
                    let mut call = $crate::host::call::Call::new(caller, $crate::host::HostCall::$call);
                    let $c = &mut call;
                    let end: Result<(), $crate::host::call::Stop> = async move {
                        $c.enter().await?;
                        $body
                    }
                    .await;
                    $crate::host::imports::answer(&call, end)
                })
            },
        )?;
    };
}
pub(crate) use import;

pub(crate) fn answer(call: &Call<'_>, end: Result<(), Stop>) -> wasmtime::Result<u32> {
    call.note_end(&end);
    match end {
        Ok(()) => Ok(0),
        Err(Stop::Code(code)) => Ok(code),
        Err(Stop::Trap(error)) => Err(error),
    }
}

pub(crate) fn module_of(call: HostCall) -> &'static str {
    if call.is_wasi() { "wasi_snapshot_preview1" } else { "env" }
}

/// Returns whether this host has the function.
pub(crate) fn offers(module: &str, name: &str) -> bool {
    HostCall::ALL.iter().any(|call| module_of(*call) == module && call.name() == name)
}

/// Defines all functions.
pub(crate) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    control::link(linker)?;
    clocks::link(linker)?;
    shared::link(linker)?;
    maps::link(linker)?;
    replies::link(linker)?;
    properties::link(linker)?;
    metrics::link(linker)?;
    http_call::link(linker)
}
