//! Logs, contexts, and calls that concern the VM itself.

use wasmtime::Linker;

use crate::host::{
    AfterCall, Context, LogLine, Status, VmState, call::Call, imports::import, vm_data::VmData,
};

/// Highest level of `proxy_log`.
const LEVEL_MAX: u32 = 5;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(linker, Log, (level: u32, text: u32, len: u32), |c| {
        if level > LEVEL_MAX {
            return Err(Status::BadArgument.into());
        }
        let text = c.text(text, len)?;
        log(c, level, &text);
        Ok(())
    });
    import!(linker, GetLogLevel, (level_at: u32), |c| {
        let level = c.process().log_level;
        c.write_u32(level_at, level)
    });
    import!(linker, GetStatus, (code_at: u32, text_at: u32, len_at: u32), |c| {
        let (code, text) = c.process().vms.get(&c.vm).map(|vm| vm.call_status.clone()).unwrap_or_default();
        c.write_u32(code_at, code)?;
        c.give(text.as_bytes(), text_at, len_at).await
    });
    import!(linker, SetEffectiveContext, (context: u32), |c| {
        let mut process = c.process();
        let state = process.vms.get_mut(&c.vm).ok_or(Status::InternalFailure)?;
        if !state.contexts.contains_key(&context) {
            return Err(Status::BadArgument.into());
        }
        state.effective = context;
        Ok(())
    });
    import!(linker, Done, (), |c| {
        let context = c.context();
        let mut process = c.process();
        let root = process.root_context(c.vm, context);
        let state = process.vms.get_mut(&c.vm).ok_or(Status::InternalFailure)?;
        if !matches!(state.contexts.get(&root), Some(Context::Closing(_))) {
            return Err(Status::NotFound.into());
        }
        state.after_call.push_back(AfterCall::DeleteRoot(root));
        Ok(())
    });
    import!(
        linker,
        CallForeignFunction,
        (name: u32, name_len: u32, _arguments: u32, _arguments_len: u32, results_at: u32, len_at: u32),
        |c| {
            // Of Envoy's own functions, those that only have an effect outside what this host shows.
            let name = c.text(name, name_len)?;
            if !["clear_route_cache", "declare_property", "set_envoy_filter_state"].contains(&name.as_str()) {
                return Err(Status::NotFound.into());
            }
            if results_at != 0 {
                c.write_u32(results_at, 0)?;
            }
            if len_at != 0 {
                c.write_u32(len_at, 0)?;
            }
            Ok(())
        }
    );
    Ok(())
}

pub(super) fn log(c: &Call<'_>, level: u32, message: &str) {
    let mut process = c.process();
    let lane = process.vms.get(&c.vm).and_then(VmState::lane);
    process.logs.push(LogLine { lane, level, message: message.to_owned() });
}
