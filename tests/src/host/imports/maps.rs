//! Header maps and buffers.

use wasmtime::Linker;

use crate::host::{
    BufferKind, CallAnswer, Context, Headers, MapKind, Process, Status, Stream, VmId, VmState,
    imports::import, vm_data::VmData,
};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(linker, GetHeaderMapValue, (kind: u32, name: u32, name_len: u32, value_at: u32, len_at: u32), |c| {
        let (kind, name) = (MapKind::from_number(kind)?, c.text(name, name_len)?);
        let value = {
            let process = c.process();
            let map = map(&process, c.vm, kind)?;
            map.get(&name).ok_or(Status::NotFound)?.to_owned()
        };
        c.give(value.as_bytes(), value_at, len_at).await
    });
    import!(linker, AddHeaderMapValue, (kind: u32, name: u32, name_len: u32, value: u32, value_len: u32), |c| {
        let (kind, name) = (MapKind::from_number(kind)?, c.text(name, name_len)?);
        let value = c.text(value, value_len)?;
        map_mut(&mut c.process(), c.vm, kind)?.add(&name, &value);
        Ok(())
    });
    import!(
        linker,
        ReplaceHeaderMapValue,
        (kind: u32, name: u32, name_len: u32, value: u32, value_len: u32),
        |c| {
            let (kind, name) = (MapKind::from_number(kind)?, c.text(name, name_len)?);
            let value = c.text(value, value_len)?;
            map_mut(&mut c.process(), c.vm, kind)?.set(&name, &value);
            Ok(())
        }
    );
    import!(linker, RemoveHeaderMapValue, (kind: u32, name: u32, name_len: u32), |c| {
        let (kind, name) = (MapKind::from_number(kind)?, c.text(name, name_len)?);
        map_mut(&mut c.process(), c.vm, kind)?.remove(&name);
        Ok(())
    });
    import!(linker, GetHeaderMapPairs, (kind: u32, pairs_at: u32, len_at: u32), |c| {
        let kind = MapKind::from_number(kind)?;
        // A map that does not exist reads as an empty one.
        let pairs = map(&c.process(), c.vm, kind).map(|map| map.to_pairs()).unwrap_or_default();
        c.give(&pairs, pairs_at, len_at).await
    });
    import!(linker, SetHeaderMapPairs, (kind: u32, pairs: u32, len: u32), |c| {
        let kind = MapKind::from_number(kind)?;
        let pairs = Headers::from_pairs(&c.read(pairs, len)?)?;
        *map_mut(&mut c.process(), c.vm, kind)? = pairs;
        Ok(())
    });
    import!(linker, GetHeaderMapSize, (kind: u32, size_at: u32), |c| {
        let kind = MapKind::from_number(kind)?;
        let size = map(&c.process(), c.vm, kind).map_err(|_| Status::BadArgument)?.byte_size();
        c.write_u32(size_at, size as u32)
    });
    import!(linker, GetBufferBytes, (kind: u32, start: u32, len: u32, bytes_at: u32, len_at: u32), |c| {
        let kind = BufferKind::from_number(kind)?;
        let end = start.checked_add(len).ok_or(Status::BadArgument)?;
        let bytes = {
            let process = c.process();
            let bytes = buffer(&process, c.vm, kind).ok_or(Status::NotFound)?;
            bytes.get(start as usize..bytes.len().min(end as usize)).unwrap_or_default().to_vec()
        };
        c.give(&bytes, bytes_at, len_at).await
    });
    import!(linker, GetBufferStatus, (kind: u32, len_at: u32, flags_at: u32), |c| {
        let kind = BufferKind::from_number(kind)?;
        let len = buffer(&c.process(), c.vm, kind).ok_or(Status::NotFound)?.len();
        c.write_u32(len_at, len as u32)?;
        c.write_u32(flags_at, 0)
    });
    import!(linker, SetBufferBytes, (kind: u32, start: u32, len: u32, data: u32, data_len: u32), |c| {
        let (kind, data) = (BufferKind::from_number(kind)?, c.read(data, data_len)?);
        let mut process = c.process();
        let stream = stream_mut(&mut process, c.vm).ok_or(Status::NotFound)?;
        let bytes = match &mut stream.body {
            Some((shown, bytes)) if *shown == kind => bytes,
            _ => return Err(Status::NotFound.into()),
        };
        // Envoy can prepend, replace all, or append; it has no other mode.
        match (start as usize, len as usize) {
            (0, 0) => drop(bytes.splice(0..0, data)),
            (0, len) if len >= bytes.len() => *bytes = data,
            (start, _) if start > 0 && start >= bytes.len() => bytes.extend(data),
            _ => return Err(Status::BadArgument.into()),
        }
        Ok(())
    });
    Ok(())
}

fn stream(process: &Process, vm: VmId) -> Option<&Stream> {
    let state = process.vms.get(&vm)?;
    match state.contexts.get(&state.context())? {
        Context::Stream(stream) => process.streams.get(stream),
        _ => None,
    }
}

pub(super) fn stream_mut(process: &mut Process, vm: VmId) -> Option<&mut Stream> {
    let state = process.vms.get(&vm)?;
    match state.contexts.get(&state.context())? {
        Context::Stream(stream) => process.streams.get_mut(stream),
        _ => None,
    }
}

/// Returns a map to read (`Context::getConstMap`): in the access log phase all of them, else what a callback shows.
fn map(process: &Process, vm: VmId, kind: MapKind) -> Result<&Headers, Status> {
    if let MapKind::CallHeaders = kind {
        return match process.vms.get(&vm).and_then(|state| state.call_answer.as_ref()) {
            Some(CallAnswer::Answer { headers, .. }) => Ok(headers),
            _ => Err(Status::BadArgument),
        };
    }
    let stream = stream(process, vm).ok_or(Status::BadArgument)?;
    let (request, answer) = (&stream.request, &stream.answer);
    let missing = if stream.logging { Status::NotFound } else { Status::BadArgument };
    let found = match kind {
        MapKind::RequestHeaders if stream.logging || request.headers_shown => Some(&request.headers),
        MapKind::RequestTrailers if request.trailers_shown => request.trailers.as_ref(),
        MapKind::ResponseHeaders if stream.logging => stream.seen.received.status.map(|_| &answer.headers),
        MapKind::ResponseHeaders if answer.headers_shown => Some(&answer.headers),
        MapKind::ResponseTrailers if stream.logging || answer.trailers_shown => answer.trailers.as_ref(),
        _ => None,
    };
    found.ok_or(missing)
}

/// Returns a map to write (`Context::getMap`): only the maps of the callback.
fn map_mut(process: &mut Process, vm: VmId, kind: MapKind) -> Result<&mut Headers, Status> {
    let stream = stream_mut(process, vm).ok_or(Status::BadArgument)?;
    let found = match kind {
        MapKind::RequestHeaders if stream.request.headers_shown => Some(&mut stream.request.headers),
        MapKind::RequestTrailers if stream.request.trailers_shown => stream.request.trailers.as_mut(),
        MapKind::ResponseHeaders if stream.answer.headers_shown => Some(&mut stream.answer.headers),
        MapKind::ResponseTrailers if stream.answer.trailers_shown => stream.answer.trailers.as_mut(),
        _ => None,
    };
    found.ok_or(Status::BadArgument)
}

fn buffer(process: &Process, vm: VmId, kind: BufferKind) -> Option<&[u8]> {
    let state: &VmState = process.vms.get(&vm)?;
    match kind {
        BufferKind::VmConfiguration => Some(&process.vm_configuration),
        BufferKind::PluginConfiguration => process.plugins.get(&state.configuring?).map(Vec::as_slice),
        BufferKind::CallBody => match state.call_answer.as_ref()? {
            CallAnswer::Answer { body, .. } => Some(body),
            CallAnswer::Reset => None,
        },
        BufferKind::RequestBody | BufferKind::ResponseBody => {
            let (shown, bytes) = stream(process, vm)?.body.as_ref()?;
            (*shown == kind).then_some(bytes.as_slice())
        }
        BufferKind::Other => None,
    }
}
