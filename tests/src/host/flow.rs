//! A stream's way through the filter, in both directions (Envoy's `FilterManager` and its wasm `Context`).

use crate::host::{
    Action, BufferKind, Callback, Context, Stream, StreamId,
    lane::{Called, Lane},
    stream::{Hold, Piece, Side},
    vm::Failed,
};

/// One of the two directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Request,
    Answer,
}

impl Way {
    fn side(self, stream: &mut Stream) -> &mut Side {
        match self {
            Self::Request => &mut stream.request,
            Self::Answer => &mut stream.answer,
        }
    }

    fn body(self) -> BufferKind {
        match self {
            Self::Request => BufferKind::RequestBody,
            Self::Answer => BufferKind::ResponseBody,
        }
    }

    fn callback(self, piece: &Piece) -> Callback {
        match (self, piece) {
            (Self::Request, Piece::Headers { .. }) => Callback::OnRequestHeaders,
            (Self::Request, Piece::Data { .. }) => Callback::OnRequestBody,
            (Self::Request, Piece::Trailers) => Callback::OnRequestTrailers,
            (Self::Answer, Piece::Headers { .. }) => Callback::OnResponseHeaders,
            (Self::Answer, Piece::Data { .. }) => Callback::OnResponseBody,
            (Self::Answer, Piece::Trailers) => Callback::OnResponseTrailers,
        }
    }
}

impl Lane {
    pub(crate) fn with_stream<R>(&self, stream: StreamId, read: impl FnOnce(&mut Stream) -> R) -> Option<R> {
        self.process.lock().streams.get_mut(&stream).map(read)
    }

    /// A new stream: a context in the VM, and the request's headers. With no VM it is answered by Envoy.
    pub(crate) async fn begin_stream(&mut self, stream: StreamId, end: bool) {
        if self.vm.is_none() {
            self.reload_if_due().await;
        }
        if let Some((context, root)) = self.add_stream_context(stream) {
            // A trap shows at the headers.
            let _ = self.call(Callback::OnContextCreate, context, &[context, root]).await;
        }
        self.request_piece(stream, Piece::Headers { end }).await;
    }

    fn add_stream_context(&self, stream: StreamId) -> Option<(u32, u32)> {
        let (vm, plugin) = (self.vm.as_ref()?.id, self.plugin?);
        let process = &mut *self.process.lock();
        let state = process.vms.get_mut(&vm)?;
        let root = state.root_of(plugin)?;
        let context = state.add_context(Context::Stream(stream));
        *state.streams_of.entry(plugin).or_default() += 1;
        let stream = process.streams.get_mut(&stream)?;
        (stream.vm, stream.context, stream.root, stream.plugin) = (Some(vm), context, root, plugin);
        stream.created = true;
        Some((context, root))
    }

    pub(crate) async fn request_piece(&mut self, stream: StreamId, piece: Piece) {
        if self.with_stream(stream, |stream| stream.seen.finished || stream.answered()).unwrap_or(true) {
            return;
        }
        self.piece(Way::Request, stream, piece).await;
        let prepared = self.with_stream(stream, |stream| stream.prepared.take()).flatten();
        if let Some(reply) = prepared {
            Box::pin(self.local_reply(stream, reply)).await;
        }
    }

    pub(crate) async fn answer_piece(&mut self, stream: StreamId, piece: Piece) {
        let passes = self.with_stream(stream, |stream| (stream.seen.finished, stream.failure_replied));
        match passes {
            Some((false, false)) => self.piece(Way::Answer, stream, piece).await,
            Some((false, true)) => self.deliver(Way::Answer, stream, piece),
            _ => {}
        }
    }

    /// Shows a piece to the filter and passes it on, or keeps it.
    async fn piece(&mut self, way: Way, id: StreamId, mut piece: Piece) {
        let kept = self.with_stream(id, |stream| {
            let side = way.side(stream);
            let keep = side.hold == Hold::All;
            if keep {
                side.waiting.push_back(piece.clone());
            }
            keep
        });
        if kept != Some(false) {
            return;
        }
        let Ok(called) = self.show(way, id, &mut piece).await else {
            // Envoy's own answer, in the worker's place, needs no second one in the VM's.
            let own = self.with_stream(id, |stream| {
                let own = way == Way::Answer && stream.seen.local_reply.is_some();
                stream.failure_replied |= own;
                own
            });
            if own == Some(true) {
                self.deliver(way, id, piece);
                return;
            }
            self.with_stream(id, |stream| way.side(stream).hold = Hold::All);
            Box::pin(self.fail_stream(id)).await;
            return;
        };
        let action = match called {
            Called { stopped: true, .. } => Action::StopNoBuffer,
            Called { value, .. } => Action::from_number(value.unwrap_or(0)),
        };
        let over = self.with_stream(id, |stream| {
            let side = way.side(stream);
            match (&piece, action) {
                (Piece::Headers { .. }, _) => side.headers_shown = action != Action::Continue,
                (Piece::Trailers, _) => side.trailers_shown = action != Action::Continue,
                (Piece::Data { .. }, _) => {}
            }
            if action == Action::Continue {
                side.hold = Hold::Flowing;
                return std::mem::take(&mut side.held);
            }
            match piece {
                Piece::Headers { .. } => (side.hold, side.held) = (Hold::All, vec![piece.clone()]),
                // Only the filter gets it.
                Piece::Data { .. } if action == Action::StopNoBuffer => side.hold = Hold::Data,
                Piece::Data { .. } | Piece::Trailers => {
                    side.hold = Hold::Data;
                    side.held.push(piece.clone());
                }
            }
            Vec::new()
        });
        if action == Action::Continue {
            for piece in over.into_iter().flatten() {
                self.deliver(way, id, piece);
            }
            self.deliver(way, id, piece);
        }
    }

    /// Calls the filter's function for a piece, if the VM lives and has one.
    async fn show(&mut self, way: Way, id: StreamId, piece: &mut Piece) -> Result<Called, Failed> {
        let callback = way.callback(piece);
        let vm = self.vm.as_ref().map(|vm| vm.id);
        let has = self.vm.as_ref().is_some_and(|vm| vm.has(callback));
        let arguments = self.with_stream(id, |stream| {
            if !stream.created || stream.vm != vm {
                return None;
            }
            let context = stream.context;
            if let Piece::Data { bytes, .. } = &*piece
                && has
            {
                stream.body = Some((way.body(), bytes.clone()));
            }
            let side = way.side(stream);
            side.in_callback = true;
            Some(match piece {
                Piece::Headers { end } => {
                    side.headers_shown = true;
                    vec![context, side.headers.len() as u32, u32::from(*end)]
                }
                Piece::Data { bytes, end } => vec![context, bytes.len() as u32, u32::from(*end)],
                Piece::Trailers => {
                    side.trailers_shown = true;
                    vec![context, side.trailers.as_ref().map_or(0, super::Headers::len) as u32]
                }
            })
        });
        let Some(Some(arguments)) = arguments else { return Err(Failed) };
        let called = self.call(callback, arguments[0], &arguments).await;
        self.with_stream(id, |stream| {
            way.side(stream).in_callback = false;
            if let (Some((_, shown)), Piece::Data { bytes, .. }) = (stream.body.take(), piece) {
                *bytes = shown;
            }
        });
        called
    }

    /// Continues as the module asked.
    pub(crate) async fn resume(&mut self, way: Way, id: StreamId) {
        let held = self.with_stream(id, |stream| {
            let gone = stream.seen.finished || (way == Way::Request && stream.answered());
            let side = way.side(stream);
            if gone || side.hold == Hold::Flowing || side.in_callback {
                return Err(gone);
            }
            side.hold = Hold::Flowing;
            Ok(std::mem::take(&mut side.held))
        });
        match held {
            Some(Ok(held)) => {
                for piece in held {
                    self.deliver(way, id, piece);
                }
                self.show_waiting(way, id).await;
            }
            Some(Err(false)) => {
                self.process.lock().anomaly(format!("{way:?} of {id:?} goes on, but was not held"))
            }
            _ => {}
        }
    }

    async fn show_waiting(&mut self, way: Way, id: StreamId) {
        while let Some(Some(piece)) = self.with_stream(id, |stream| {
            let side = way.side(stream);
            if side.hold == Hold::All { None } else { side.waiting.pop_front() }
        }) {
            match way {
                Way::Request => Box::pin(self.request_piece(id, piece)).await,
                Way::Answer => Box::pin(self.answer_piece(id, piece)).await,
            }
        }
    }

    /// Past the filter: to the router, or to the client.
    pub(crate) fn deliver(&self, way: Way, id: StreamId, piece: Piece) {
        let process = &mut *self.process.lock();
        let now_ns = process.clock.monotonic_ns();
        let Some(stream) = process.streams.get_mut(&id) else { return };
        let seen = &mut stream.seen;
        match (way, piece) {
            (Way::Request, Piece::Headers { end }) => {
                (seen.forwarded, seen.forwarded_at_ns) = (Some(stream.request.headers.clone()), now_ns);
                process.arrivals.push(id);
                seen.sent_all = end;
            }
            (Way::Request, Piece::Data { bytes, end }) => {
                seen.sent_body.extend(bytes);
                seen.sent_all = end;
            }
            (Way::Request, Piece::Trailers) => seen.sent_all = true,
            (Way::Answer, Piece::Headers { end }) => {
                seen.received.headers = stream.answer.headers.clone();
                seen.received.status =
                    seen.received.headers.get(":status").and_then(|status| status.parse().ok()).or(Some(0));
                seen.received.complete = end;
            }
            (Way::Answer, Piece::Data { bytes, end }) => {
                seen.received.body.extend(bytes);
                seen.received.complete = end;
            }
            (Way::Answer, Piece::Trailers) => {
                seen.received.trailers = stream.answer.trailers.clone();
                seen.received.complete = true;
            }
        }
    }
}
