//! Going on with a stream, ending it, and answering it. All of these take effect when the module's call returns.

use wasmtime::Linker;

use crate::host::{
    AfterCall, Context, Headers, ReplyBy, SentReply, Status, StreamId, VmState, call::Call, call::Stop,
    imports::import, vm_data::VmData,
};

/// Highest gRPC status that Envoy knows; beyond it, none was given.
const GRPC_STATUS_MAX: u32 = 16;
/// `WasmStreamType`: HTTP request, HTTP response, TCP downstream, TCP upstream.
const STREAM_TYPE_MAX: u32 = 3;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(linker, ContinueStream, (kind: u32), |c| {
        if kind > STREAM_TYPE_MAX {
            return Err(Status::BadArgument.into());
        }
        let Some(stream) = stream(c) else { return Ok(()) };
        let mut process = c.process();
        if kind <= 1 {
            // From here on the request's maps cannot be reached any more.
            if let Some(stream) = process.streams.get_mut(&stream) {
                (stream.request.headers_shown, stream.request.trailers_shown) = (false, false);
            }
            let state = process.vms.get_mut(&c.vm).ok_or(Status::InternalFailure)?;
            state.after_call.push_back(AfterCall::Continue { stream, request: kind == 0 });
        }
        Ok(())
    });
    import!(linker, CloseStream, (kind: u32), |c| {
        if kind > STREAM_TYPE_MAX {
            return Err(Status::BadArgument.into());
        }
        let Some(stream) = stream(c) else { return Ok(()) };
        let mut process = c.process();
        let state = process.vms.get_mut(&c.vm).ok_or(Status::InternalFailure)?;
        state.after_call.push_back(AfterCall::Close(stream));
        Ok(())
    });
    import!(
        linker,
        SendLocalResponse,
        (
            status: u32,
            details: u32,
            details_len: u32,
            body: u32,
            body_len: u32,
            headers: u32,
            headers_len: u32,
            grpc_status: u32
        ),
        |c| {
            let (details, body) = (c.text(details, details_len)?, c.read(body, body_len)?);
            let headers = Headers::from_pairs(&c.read(headers, headers_len)?)?;
            let grpc_status = (grpc_status <= GRPC_STATUS_MAX).then_some(grpc_status);
            let details = details.split_ascii_whitespace().collect::<Vec<_>>().join("_");
            let reply = SentReply { by: ReplyBy::Module, status, headers, body, grpc_status, details };
            let stream = stream(c);
            let mut process = c.process();
            let state = process.vms.get_mut(&c.vm).ok_or(Status::InternalFailure)?;
            // Also without a stream to answer, as in the C++ host.
            state.stop_iteration = true;
            if let Some(stream) = stream {
                state.after_call.push_back(AfterCall::SendReply { stream, reply });
            }
            Ok(())
        }
    );
    link_grpc(linker)
}

/// Returns the stream that the call counts for; `None` on a root context, where Envoy does nothing and answers Ok.
fn stream(c: &Call<'_>) -> Option<StreamId> {
    let process = c.process();
    let state: &VmState = process.vms.get(&c.vm)?;
    match state.contexts.get(&state.context())? {
        Context::Stream(stream) => Some(*stream),
        _ => None,
    }
}

fn unimplemented() -> Result<(), Stop> {
    Err(Status::Unimplemented.into())
}

/// gRPC callouts, which this host does not have.
fn link_grpc(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(
        linker,
        GrpcCall,
        (_a: u32, _b: u32, _c: u32, _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32, _j: u32, _k: u32, _l: u32),
        |_call| { unimplemented() }
    );
    import!(
        linker,
        GrpcStream,
        (_a: u32, _b: u32, _c: u32, _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32),
        |_call| { unimplemented() }
    );
    import!(linker, GrpcSend, (_a: u32, _b: u32, _c: u32, _d: u32), |_call| { unimplemented() });
    import!(linker, GrpcCancel, (_a: u32), |_call| { unimplemented() });
    import!(linker, GrpcClose, (_a: u32), |_call| { unimplemented() });
    Ok(())
}
