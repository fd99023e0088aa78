//! Requests of the module itself.

use wasmtime::Linker;

use crate::host::{Headers, HttpCall, Status, VmState, imports::import, vm_data::VmData};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(
        linker,
        HttpCall,
        (
            cluster: u32,
            cluster_len: u32,
            headers: u32,
            headers_len: u32,
            body: u32,
            body_len: u32,
            _trailers: u32,
            _trailers_len: u32,
            timeout_ms: u32,
            token_at: u32
        ),
        |c| {
            let (cluster, body) = (c.text(cluster, cluster_len)?, c.read(body, body_len)?);
            let headers = Headers::from_pairs(&c.read(headers, headers_len)?)?;
            let complete = [":path", ":method", ":authority"].iter().all(|name| headers.get(name).is_some());
            c.write_u32(token_at, 0)?;
            let token = {
                let process = &mut *c.process();
                if !complete || !process.clusters.contains(&cluster) || timeout_ms > i32::MAX as u32 {
                    return Err(Status::BadArgument.into());
                }
                let state = process.vms.get_mut(&c.vm).ok_or(Status::InternalFailure)?;
                // The two lowest bits of a token are its kind: 0 is HTTP.
                state.last_call_token += 4;
                let (token, context) = (state.last_call_token, state.context());
                // The call of a canary VM ends with the VM.
                if let Some(lane) = process.vms.get(&c.vm).and_then(VmState::lane) {
                    let (root, serial) = (process.root_context(c.vm, context), process.next_serial());
                    let due_ns = process.clock.monotonic_ns() + u64::from(timeout_ms) * 1_000_000;
                    let due_ns = (timeout_ms > 0).then_some(due_ns);
                    let vm = c.vm;
                    process.calls.push(HttpCall {
                        serial, lane, cluster, headers, body, timeout_ms, vm, root, token, due_ns,
                    });
                }
                token
            };
            c.write_u32(token_at, token)
        }
    );
    Ok(())
}
