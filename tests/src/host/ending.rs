//! How streams end: local replies, resets, and the last callbacks.

use crate::host::{
    AfterCall, Callback, Headers, ReplyBy, SentReply, StreamId, VmId,
    flow::Way,
    lane::Lane,
    stream::{Piece, Stream},
};

impl Lane {
    /// Does what the module asked for during its call, in that order.
    pub(crate) async fn after_call(&mut self, vm: VmId) {
        while let Some(Some(action)) = self.state(vm, |state| state.after_call.pop_front()) {
            match action {
                AfterCall::Continue { stream, request: true } => self.resume(Way::Request, stream).await,
                AfterCall::Continue { stream, request: false } => self.resume(Way::Answer, stream).await,
                AfterCall::Close(stream) => self.reset(stream, "wasm_close_stream").await,
                AfterCall::SendReply { stream, reply } => self.local_reply(stream, reply).await,
                AfterCall::DeleteRoot(root) => self.delete_root(vm, root).await,
            }
        }
    }

    /// Answers a request in the worker's place. Within a callback of the request the answer waits until that callback
    /// has returned. It passes the filter itself, as Envoy has it, unless the answer has begun already.
    pub(crate) async fn local_reply(&mut self, id: StreamId, reply: SentReply) {
        let way = self.with_stream(id, |stream| {
            if stream.seen.finished || stream.seen.received.complete || stream.seen.local_reply.is_some() {
                return None;
            }
            if stream.request.in_callback {
                stream.prepared.get_or_insert(reply.clone());
                return None;
            }
            Some(stream.seen.received.status.is_some())
        });
        match way.flatten() {
            None => {}
            Some(true) => self.reset(id, &reply.details).await,
            Some(false) => self.reply(id, reply).await,
        }
    }

    async fn reply(&mut self, id: StreamId, reply: SentReply) {
        let options = self.process.lock().options.clone();
        let now_ns = self.process.lock().clock.monotonic_ns();
        let prepared = self.with_stream(id, |stream| {
            // An answer of the worker that the filter was looking at, or held, is replaced without asking it again.
            let direct = stream.answer.in_callback || !stream.answer.headers.is_empty();
            stream.request.held.clear();
            stream.request.waiting.clear();
            stream.answer.held.clear();
            stream.answer.waiting.clear();
            stream.answer.hold = crate::host::stream::Hold::Flowing;
            let (headers, body) = answer_of(stream, &reply);
            stream.response_code = Some(reply.status);
            stream.details = Some(reply.details.clone());
            stream.answer.headers = headers;
            (stream.seen.local_reply, stream.seen.replied_at_ns) = (Some(reply.clone()), now_ns);
            (direct, body)
        });
        let Some((direct, body)) = prepared else { return };
        let mut pieces = vec![Piece::Headers { end: body.is_empty() }];
        if !body.is_empty() {
            pieces.push(Piece::Data { bytes: body, end: true });
        }
        for piece in pieces {
            if direct || !options.local_replies_pass_filter {
                self.deliver(Way::Answer, id, piece);
            } else {
                self.answer_piece(id, piece).await;
            }
        }
        let complete = self.with_stream(id, |stream| stream.seen.received.complete).unwrap_or_default();
        if complete && options.finish_local_replies {
            self.finish(id).await;
        }
    }

    /// The VM of a stream has failed: Envoy answers (`failStream`), without the filter.
    pub(crate) async fn fail_stream(&mut self, id: StreamId) {
        let first = self.with_stream(id, |stream| !std::mem::replace(&mut stream.failure_replied, true));
        if first != Some(true) {
            return;
        }
        self.with_stream(id, |stream| {
            (stream.prepared, stream.request.in_callback, stream.answer.in_callback) = (None, false, false);
        });
        let reply = SentReply {
            by: ReplyBy::FailedVm,
            status: 503,
            headers: Headers::default(),
            body: Vec::new(),
            grpc_status: Some(14),
            details: "wasm_fail_stream".to_owned(),
        };
        self.local_reply(id, reply).await;
    }

    /// The stream is cut off.
    pub(crate) async fn reset(&mut self, id: StreamId, details: &str) {
        let open = self.with_stream(id, |stream| {
            if !stream.seen.finished {
                stream.details = Some(details.to_owned());
                stream.seen.received.reset = !stream.seen.received.complete;
                stream.request.held.clear();
                stream.request.waiting.clear();
            }
            !stream.seen.finished
        });
        if open == Some(true) {
            self.finish(id).await;
        }
    }

    /// The stream is over: `on_log`, `on_done`, `on_delete`, and the root context with it if it was the last one.
    pub(crate) async fn finish(&mut self, id: StreamId) {
        let vm = self.vm.as_ref().map(|vm| vm.id);
        let of = self.with_stream(id, |stream| {
            let first = !std::mem::replace(&mut stream.seen.finished, true);
            (first && stream.created).then_some((stream.vm, stream.context, stream.plugin))
        });
        let Some(Some((stream_vm, context, plugin))) = of else { return };
        if vm.is_some() && vm == stream_vm {
            // After a trap the other callbacks do not run; the calls see to that themselves.
            self.with_stream(id, |stream| stream.logging = true);
            let _ = self.call(Callback::OnLog, context, &[context]).await;
            self.with_stream(id, |stream| stream.logging = false);
            let _ = self.call(Callback::OnDone, context, &[context]).await;
            let _ = self.call(Callback::OnDelete, context, &[context]).await;
        }
        self.bear_witness(id).await;
        if let Some(stream_vm) = stream_vm {
            self.state(stream_vm, |state| {
                state.contexts.remove(&context);
                if let Some(streams) = state.streams_of.get_mut(&plugin) {
                    *streams -= 1;
                }
            });
        }
        Box::pin(self.retire_roots()).await;
    }
}

/// Returns the headers and the body of a local reply (`Utility::encodeLocalReply`): a gRPC client gets everything in headers.
fn answer_of(stream: &Stream, reply: &SentReply) -> (Headers, Vec<u8>) {
    let mut headers = Headers::default();
    headers.add(":status", &reply.status.to_string());
    for (name, value) in reply.headers.iter() {
        headers.add(name, value);
    }
    if stream.is_grpc() {
        headers.set(":status", "200");
        headers.set("content-type", "application/grpc");
        headers.set("grpc-status", &reply.grpc_status.unwrap_or(grpc_status_of(reply.status)).to_string());
        if !reply.body.is_empty() {
            headers.set("grpc-message", &percent_encoded(&reply.body));
        }
        return (headers, Vec::new());
    }
    if !reply.body.is_empty() {
        headers.set("content-length", &reply.body.len().to_string());
        if headers.get("content-type").is_none() {
            headers.set("content-type", "text/plain");
        }
    }
    let head_only = stream.request.headers.get(":method") == Some("HEAD");
    (headers, if head_only { Vec::new() } else { reply.body.clone() })
}

/// `Grpc::Utility::httpToGrpcStatus`.
fn grpc_status_of(http_status: u32) -> u32 {
    match http_status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

fn percent_encoded(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b' '..=b'~' if *byte != b'%' => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
