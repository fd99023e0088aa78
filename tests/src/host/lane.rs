use crate::{
    HostError,
    host::{
        Callback, Context, Event, Filter, HttpCall, LaneIndex, PluginId, SharedProcess, VmId, VmState,
        VmThread, Wakeup,
        event::WorkerFailure,
        http_calls::CallAnswer,
        stream::Piece,
        vm::{Failed, Vm},
    },
};

/// A worker thread and its VM (`getOrCreateThreadLocalWasm`, `PluginConfig`).
pub(crate) struct Lane {
    pub(crate) id: LaneIndex,
    pub(crate) filter: Filter,
    pub(crate) process: SharedProcess,
    pub(crate) vm: Option<Vm>,
    /// The VM of the access logger.
    pub(crate) witness: Option<Vm>,
    pub(crate) plugin: Option<PluginId>,
    started_ns: u64,
}

/// The result of a call of the module.
pub(crate) struct Called {
    /// `None` if the module has no such function.
    pub(crate) value: Option<u64>,
    /// It sent a local response, so iteration stops whatever the callback returned.
    pub(crate) stopped: bool,
}

impl Called {
    fn is_false(&self) -> bool {
        self.value == Some(0)
    }
}

impl Lane {
    pub(crate) fn new(id: LaneIndex, filter: Filter, process: SharedProcess) -> Self {
        Self { id, filter, process, vm: None, witness: None, plugin: None, started_ns: 0 }
    }

    /// Lets one event happen.
    pub(crate) async fn handle(mut self, event: Event) -> (Self, Result<(), HostError>) {
        let end = self.dispatch(event).await;
        (self, end)
    }

    async fn dispatch(&mut self, event: Event) -> Result<(), HostError> {
        self.process.lock().note(|| format!("{}: {event}", self.id));
        match event {
            Event::Configure(plugin) => return self.configure(plugin).await,
            Event::Reload => return self.reload().await,
            Event::Request { stream, end } => self.begin_stream(stream, end).await,
            Event::RequestBody { stream, bytes, end } => {
                self.request_piece(stream, Piece::Data { bytes, end }).await;
            }
            Event::RequestTrailers { stream, trailers } => {
                self.with_stream(stream, |stream| stream.request.trailers = Some(trailers));
                self.request_piece(stream, Piece::Trailers).await;
            }
            Event::AnswerHeaders { stream, headers, end } => {
                self.with_stream(stream, |stream| {
                    stream.response_code = headers.get(":status").and_then(|status| status.parse().ok());
                    stream.details = Some("via_upstream".to_owned());
                    stream.answer.headers = headers;
                });
                self.answer_piece(stream, Piece::Headers { end }).await;
            }
            Event::AnswerBody { stream, bytes, end } => {
                self.answer_piece(stream, Piece::Data { bytes, end }).await;
            }
            Event::AnswerTrailers { stream, trailers } => {
                self.with_stream(stream, |stream| stream.answer.trailers = Some(trailers));
                self.answer_piece(stream, Piece::Trailers).await;
            }
            Event::WorkerFailed { stream, failure } => self.worker_failed(stream, failure).await,
            Event::ClientGone(stream) => self.reset(stream, "downstream_remote_disconnect").await,
            Event::Finish(stream) => self.finish(stream).await,
            Event::Tick { vm, context } => self.tick(vm, context).await,
            Event::Wakeup(wakeup) => self.wake(wakeup).await,
            Event::CallAnswer { call, answer } => self.answer_call(call, answer).await,
        }
        Ok(())
    }

    async fn worker_failed(&mut self, stream: crate::host::StreamId, failure: WorkerFailure) {
        let reply = failure.reply();
        if failure == WorkerFailure::ResetInAnswer {
            self.reset(stream, &reply.details).await;
        } else {
            self.local_reply(stream, reply).await;
        }
    }

    /// Calls the module, and then does what it asked for (`DeferAfterCallActions`).
    pub(crate) async fn call(
        &mut self,
        callback: Callback,
        context: u32,
        arguments: &[u32],
    ) -> Result<Called, Failed> {
        let vm = self.vm.as_mut().ok_or(Failed)?;
        let id = vm.id;
        let called = vm.call(callback, context, arguments).await;
        let stopped = self.state(id, |state| std::mem::take(&mut state.stop_iteration)).unwrap_or_default();
        match called {
            Ok(value) => {
                Box::pin(self.after_call(id)).await;
                Ok(Called { value, stopped })
            }
            Err(Failed) => {
                self.vm = None;
                Box::pin(self.after_call(id)).await;
                Err(Failed)
            }
        }
    }

    pub(crate) fn state<R>(&self, vm: VmId, read: impl FnOnce(&mut VmState) -> R) -> Option<R> {
        self.process.lock().vms.get_mut(&vm).map(read)
    }

    /// A new root context for a plugin, in the VM that lives or in a new one; then the old root contexts go, as far as
    /// they have no streams.
    async fn configure(&mut self, plugin: PluginId) -> Result<(), HostError> {
        if self.vm.is_none() {
            self.started_ns = self.process.lock().clock.monotonic_ns();
            self.vm = Some(Vm::start(&self.filter, &self.process, VmThread::Lane(self.id)).await?);
        }
        self.plugin = None;
        let configured = self.configure_root(plugin).await;
        if configured.is_ok() {
            self.plugin = Some(plugin);
        }
        self.retire_roots().await;
        configured
    }

    /// `WasmBase::start` and `WasmBase::configure`.
    pub(crate) async fn configure_root(&mut self, plugin: PluginId) -> Result<(), HostError> {
        let refused = |what: &str| HostError::Configure(what.to_owned());
        let Some(vm) = self.vm.as_ref().map(|vm| vm.id) else { return Err(refused("there is no VM")) };
        let (vm_len, plugin_len) = {
            let process = self.process.lock();
            let len = process.plugins.get(&plugin).map_or(0, Vec::len);
            (process.vm_configuration.len() as u32, len as u32)
        };
        let root = self.state(vm, |state| match state.root_of(plugin) {
            Some(_) => None,
            None => Some(state.add_context(Context::Root(plugin))),
        });
        let Some(Some(root)) = root else { return Ok(()) };
        let trapped = |_| refused("the module trapped");
        self.state(vm, |state| state.configuring = Some(plugin));
        self.call(Callback::OnContextCreate, root, &[root, 0]).await.map_err(trapped)?;
        self.state(vm, |state| state.configuring = None);
        if self.call(Callback::OnVmStart, root, &[root, vm_len]).await.map_err(trapped)?.is_false() {
            return Err(refused("proxy_on_vm_start answered false"));
        }
        self.state(vm, |state| state.configuring = Some(plugin));
        let called = self.call(Callback::OnConfigure, root, &[root, plugin_len]).await.map_err(trapped)?;
        self.state(vm, |state| state.configuring = None);
        if called.is_false() { Err(refused("proxy_on_configure answered false")) } else { Ok(()) }
    }

    /// Ends root contexts that are not in use and have no stream (`startShutdown`).
    pub(crate) async fn retire_roots(&mut self) {
        while let Some((vm, root, plugin)) = self.idle_root() {
            match self.call(Callback::OnDone, root, &[root]).await {
                Ok(called) if called.is_false() => {
                    self.state(vm, |state| state.contexts.insert(root, Context::Closing(plugin)));
                }
                Ok(_) => self.delete_root(vm, root).await,
                Err(Failed) => return,
            }
        }
    }

    pub(crate) async fn delete_root(&mut self, vm: VmId, root: u32) {
        // A trap here changes nothing: the context is gone in either case.
        let _ = self.call(Callback::OnDelete, root, &[root]).await;
        let mut process = self.process.lock();
        process.retired += 1;
        process.timers.remove(vm, root);
        process.calls.retain(|call| (call.vm, call.root) != (vm, root));
        if let Some(state) = process.vms.get_mut(&vm) {
            state.contexts.remove(&root);
        }
    }

    fn idle_root(&self) -> Option<(VmId, u32, PluginId)> {
        let vm = self.vm.as_ref()?.id;
        let process = self.process.lock();
        let state = process.vms.get(&vm)?;
        state.contexts.iter().find_map(|(id, context)| match context {
            // A root context that is being configured is in use: a stream that ends meanwhile must not take it along.
            Context::Root(plugin)
                if Some(*plugin) != self.plugin
                    && state.configuring != Some(*plugin)
                    && state.streams_of.get(plugin).copied().unwrap_or(0) == 0 =>
            {
                Some((vm, *id, *plugin))
            }
            _ => None,
        })
    }

    /// Starts a new VM in place of one that failed.
    async fn reload(&mut self) -> Result<(), HostError> {
        match self.plugin {
            Some(plugin) if self.vm.is_none() => self.configure(plugin).await,
            _ => Ok(()),
        }
    }

    /// What `FAIL_RELOAD` does at the next request: a new VM, unless the last one is too young.
    pub(crate) async fn reload_if_due(&mut self) {
        let due = {
            let process = self.process.lock();
            let backoff_ns = process.options.reload_backoff_ms * 1_000_000;
            process.clock.monotonic_ns() >= self.started_ns + backoff_ns
        };
        if due && let Err(error) = self.reload().await {
            self.process.lock().note(|| format!("reload failed: {error}"));
        }
    }

    async fn tick(&mut self, vm: VmId, context: u32) {
        if self.lives(vm, context) {
            let _ = self.call(Callback::OnTick, context, &[context]).await;
        }
        let process = &mut *self.process.lock();
        process.timers.rearm(vm, context, process.clock.monotonic_ns());
    }

    /// Delivers a wake-up to the VM that the thread has now, and to whatever context has the number there.
    async fn wake(&mut self, wakeup: Wakeup) {
        let Some(vm) = self.vm.as_ref().map(|vm| vm.id) else { return };
        if self.lives(vm, wakeup.context) {
            let arguments = [wakeup.context, wakeup.token];
            let _ = self.call(Callback::OnQueueReady, wakeup.context, &arguments).await;
        }
    }

    async fn answer_call(&mut self, call: HttpCall, answer: CallAnswer) {
        if !self.lives(call.vm, call.root) {
            return;
        }
        let (headers, body) = match &answer {
            CallAnswer::Answer { headers, body } => (headers.len() as u32, body.len() as u32),
            CallAnswer::Reset => (0, 0),
        };
        self.state(call.vm, |state| {
            if answer == CallAnswer::Reset {
                state.call_status = (crate::host::Status::BrokenConnection as u32, "reset".to_owned());
            }
            state.call_answer = Some(answer);
        });
        let arguments = [call.root, call.token, headers, body, 0];
        let _ = self.call(Callback::OnHttpCallResponse, call.root, &arguments).await;
        self.state(call.vm, |state| {
            state.call_answer = None;
            state.call_status.1.clear();
        });
    }

    fn lives(&self, vm: VmId, context: u32) -> bool {
        self.vm.as_ref().is_some_and(|running| running.id == vm)
            && self.state(vm, |state| state.contexts.contains_key(&context)).unwrap_or_default()
    }
}
