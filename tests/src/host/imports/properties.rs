//! Properties and filter state.

use wasmtime::Linker;

use crate::host::{Context, Process, Status, Stream, VmId, imports::import, vm_data::VmData};

/// Names that the control plane gives the plugin.
const PLUGIN_NAME: &str = "slotway";

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(linker, GetProperty, (path: u32, path_len: u32, value_at: u32, len_at: u32), |c| {
        let path = c.text(path, path_len)?;
        let path: Vec<_> = path.trim_end_matches('\0').split('\0').collect();
        let value = property(&c.process(), c.vm, &path).ok_or(Status::NotFound)?;
        c.give(&value, value_at, len_at).await
    });
    import!(linker, SetProperty, (path: u32, path_len: u32, value: u32, value_len: u32), |c| {
        let (path, value) = (c.text(path, path_len)?, c.read(value, value_len)?);
        let mut process = c.process();
        let stream = super::maps::stream_mut(&mut process, c.vm).ok_or(Status::NotFound)?;
        stream.seen.filter_state.insert(path, value);
        Ok(())
    });
    Ok(())
}

/// Numbers have 64 bits, little-endian; text is not changed (`serializeValue` in Envoy).
fn property(process: &Process, vm: VmId, path: &[&str]) -> Option<Vec<u8>> {
    match path {
        ["plugin_name"] => return Some(PLUGIN_NAME.into()),
        ["plugin_root_id"] => return Some(Vec::new()),
        ["plugin_vm_id"] => return Some(process.vm_id.clone().into()),
        _ => {}
    }
    let state = process.vms.get(&vm)?;
    let Context::Stream(stream) = state.contexts.get(&state.context())? else { return None };
    let stream = process.streams.get(stream)?;
    let path_owned: Vec<_> = path.iter().map(|part| (*part).to_owned()).collect();
    if let Some(value) = stream.properties.get(&path_owned) {
        return Some(value.clone());
    }
    match path {
        ["response", "code"] => Some(u64::from(stream.response_code?).to_le_bytes().to_vec()),
        ["response", "code_details"] => stream.details.clone().map(String::into_bytes),
        ["request", part] => request(stream, part),
        [name] => stream.seen.filter_state.get(*name).cloned(),
        _ => None,
    }
}

fn request(stream: &Stream, part: &str) -> Option<Vec<u8>> {
    if !stream.logging && !stream.request.headers_shown {
        return None;
    }
    let headers = &stream.request.headers;
    let value = match part {
        "path" => headers.get(":path"),
        "url_path" => headers.get(":path").and_then(|path| path.split('?').next()),
        "host" => headers.get(":authority"),
        "method" => headers.get(":method"),
        "scheme" => headers.get(":scheme"),
        _ => None,
    };
    value.map(|value| value.as_bytes().to_vec())
}
