//! Shared data and shared queues.

use wasmtime::Linker;

use crate::host::{Process, Status, VmState, imports::import, vm_data::VmData};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(linker, GetSharedData, (key: u32, key_len: u32, value_at: u32, len_at: u32, cas_at: u32), |c| {
        let key = c.read(key, key_len)?;
        c.about(&key);
        let (value, cas) = {
            let process = c.process();
            let (value, cas) = process.data.get(&process.vm_id, &key).ok_or(Status::NotFound)?;
            (value.to_vec(), cas)
        };
        c.give(&value, value_at, len_at).await?;
        c.write_u32(cas_at, cas)
    });
    import!(linker, SetSharedData, (key: u32, key_len: u32, value: u32, value_len: u32, cas: u32), |c| {
        let (key, value) = (c.read(key, key_len)?, c.read(value, value_len)?);
        c.about(&key);
        let process = &mut *c.process();
        // A broken host, to show that the tests notice.
        let cas = if process.options.ignores_cas { 0 } else { cas };
        let set = process.data.set(&process.vm_id, &key, &value, cas);
        process.conflicts += u64::from(set.is_err());
        Ok(set?)
    });
    import!(linker, RegisterSharedQueue, (name: u32, name_len: u32, token_at: u32), |c| {
        let name = c.read(name, name_len)?;
        c.about(&name);
        let token = {
            let process = &mut *c.process();
            let state = process.vms.get(&c.vm).ok_or(Status::InternalFailure)?;
            // Wake-ups are a matter of root contexts, so a stream registers for its root.
            let (place, context) = (state.place, process.root_context(c.vm, state.context()));
            let token = process.queues.register(&process.vm_id, &name, place, context);
            if let Some(state) = process.vms.get_mut(&c.vm) {
                state.own_queue.get_or_insert(token);
            }
            token
        };
        c.write_u32(token_at, token)
    });
    import!(linker, ResolveSharedQueue, (vm: u32, vm_len: u32, name: u32, name_len: u32, token_at: u32), |c| {
        let (vm_id, name) = (c.text(vm, vm_len)?, c.read(name, name_len)?);
        c.about(&name);
        let token = {
            let process = &mut *c.process();
            let vm_id = if vm_id.is_empty() { &process.vm_id } else { &vm_id };
            let token = process.queues.resolve(vm_id, &name);
            process.unresolved += u64::from(token.is_none());
            token.ok_or(Status::NotFound)?
        };
        c.write_u32(token_at, token)
    });
    import!(linker, EnqueueSharedQueue, (token: u32, data: u32, data_len: u32), |c| {
        let data = c.read(data, data_len)?;
        let mut process = c.process();
        let (place, context) = process.queues.enqueue(token, &data)?;
        process.post_wakeup(place, context, token);
        Ok(())
    });
    import!(linker, DequeueSharedQueue, (token: u32, data_at: u32, len_at: u32), |c| {
        let data = c.process().queues.dequeue(token)?;
        c.give(&data, data_at, len_at).await
    });
    import!(linker, SetTickPeriod, (period_ms: u32), |c| {
        let process = &mut *c.process();
        let context = process.vms.get(&c.vm).map_or(0, VmState::context);
        let root = process.root_context(c.vm, context);
        set_period(process, c.vm, root, period_ms);
        Ok(())
    });
    Ok(())
}

fn set_period(process: &mut Process, vm: crate::host::VmId, root: u32, period_ms: u32) {
    let now_ns = process.clock.monotonic_ns();
    process.timers.set_period(vm, root, period_ms, now_ns);
}
