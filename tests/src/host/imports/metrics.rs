//! Envoy's stats. Ids belong to a VM; the numbers behind a name belong to the process.

use wasmtime::Linker;

use crate::host::{MetricKind, Process, Status, VmId, imports::import, vm_data::VmData};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(linker, DefineMetric, (kind: u32, name: u32, name_len: u32, id_at: u32), |c| {
        let name = c.text(name, name_len)?;
        let number = kind;
        let kind = MetricKind::from_number(kind)?;
        let id = {
            let mut process = c.process();
            process.metrics.define(kind, &name);
            let state = process.vms.get_mut(&c.vm).ok_or(Status::InternalFailure)?;
            let id = &mut state.last_metric[number as usize];
            // The two lowest bits of an id are its kind.
            *id += 4;
            let id = *id;
            state.metric_names.insert(id, name);
            id
        };
        c.write_u32(id_at, id)
    });
    import!(linker, IncrementMetric, (id: u32, offset: i64), |c| {
        let process = &mut *c.process();
        let name = name(process, c.vm, id)?.to_owned();
        Ok(process.metrics.increment(&name, offset)?)
    });
    import!(linker, RecordMetric, (id: u32, value: u64), |c| {
        let process = &mut *c.process();
        let name = name(process, c.vm, id)?.to_owned();
        Ok(process.metrics.record(&name, value)?)
    });
    import!(linker, GetMetric, (id: u32, value_at: u32), |c| {
        let value = {
            let process = c.process();
            process.metrics.value(name(&process, c.vm, id)?).ok_or(Status::NotFound)?
        };
        c.write_u64(value_at, value)
    });
    Ok(())
}

fn name(process: &Process, vm: VmId, id: u32) -> Result<&str, Status> {
    let state = process.vms.get(&vm).ok_or(Status::InternalFailure)?;
    state.metric_names.get(&id).map(String::as_str).ok_or(Status::NotFound)
}
