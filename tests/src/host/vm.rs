use std::collections::BTreeMap;

use wasmtime::{Func, Store, Val};

use crate::{
    HostError,
    host::{Callback, Filter, SharedProcess, VmData, VmId, VmState, VmThread},
};

/// More fuel than any call needs. A call that uses all of it does not end.
const FUEL_PER_CALL: u64 = 50_000_000_000;

/// One instance of the module, and nothing of the host's side of it, which is a [`VmState`].
pub(crate) struct Vm {
    pub(crate) id: VmId,
    store: Store<VmData>,
    callbacks: BTreeMap<Callback, Func>,
    process: SharedProcess,
    has_fuel: bool,
}

/// The VM has trapped, now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

impl Vm {
    /// Instantiates the module and runs its start function, as `WasmBase::initialize` does.
    pub(crate) async fn start(
        filter: &Filter,
        process: &SharedProcess,
        place: VmThread,
    ) -> Result<Self, HostError> {
        let id = {
            let mut process = process.lock();
            let id = VmId(process.next_serial());
            process.vms.insert(id, VmState::new(place));
            id
        };
        let data = VmData { id, process: process.clone(), memory: None, malloc: None };
        let mut store = Store::new(filter.engine(), data);
        if filter.has_fuel() {
            store.set_fuel(FUEL_PER_CALL).map_err(HostError::module)?;
        }
        let instance = filter.instance().instantiate_async(&mut store).await.map_err(HostError::module)?;
        let memory = instance.get_memory(&mut store, "memory");
        let malloc = ["malloc", "proxy_on_memory_allocate"]
            .iter()
            .find_map(|name| instance.get_typed_func::<u32, u32>(&mut store, name).ok());
        (store.data_mut().memory, store.data_mut().malloc) = (memory, malloc);
        let defect = process.lock().options.defect;
        if let (Some(defect), Ok(select)) =
            (defect, instance.get_typed_func::<u32, ()>(&mut store, "slotway_select_defect"))
        {
            select.call_async(&mut store, defect).await.map_err(HostError::module)?;
        }
        let callbacks = Callback::ALL
            .iter()
            .filter_map(|callback| Some((*callback, instance.get_func(&mut store, callback.name())?)))
            .collect();
        let mut vm = Self { id, store, callbacks, process: process.clone(), has_fuel: filter.has_fuel() };
        let start = if vm.has(Callback::Initialize) { Callback::Initialize } else { Callback::Start };
        if vm.call(start, 0, &[]).await.is_err() {
            return Err(HostError::Configure("the module trapped in its start function".to_owned()));
        }
        Ok(vm)
    }

    pub(crate) fn has(&self, callback: Callback) -> bool {
        self.callbacks.contains_key(&callback)
    }

    /// Calls the module for a context. `None` if it has no such function; a trap fails the VM for good.
    pub(crate) async fn call(
        &mut self,
        callback: Callback,
        context: u32,
        arguments: &[u32],
    ) -> Result<Option<u64>, Failed> {
        let Some(func) = self.callbacks.get(&callback).copied() else { return Ok(None) };
        self.enter(callback, context, arguments)?;
        let arguments: Vec<_> = arguments.iter().map(|number| Val::I32(number.cast_signed())).collect();
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        let called = func.call_async(&mut self.store, &arguments, &mut results).await;
        let fuel = if self.has_fuel { FUEL_PER_CALL - self.store.get_fuel().unwrap_or_default() } else { 0 };
        self.leave(callback, context, fuel, called.err())?;
        Ok(Some(match results.first() {
            Some(Val::I32(number)) => u64::from(number.cast_unsigned()),
            Some(Val::I64(number)) => number.cast_unsigned(),
            _ => 0,
        }))
    }

    fn enter(&mut self, callback: Callback, context: u32, arguments: &[u32]) -> Result<(), Failed> {
        if self.has_fuel {
            // Only fails where fuel is switched off.
            let _ = self.store.set_fuel(FUEL_PER_CALL);
        }
        let mut process = self.process.lock();
        let id = self.id;
        process.note(|| format!("  {id} {} {arguments:?}", callback.name().trim_start_matches("proxy_")));
        process.call_usage.entry(id).or_default().count_callback(callback);
        let state = process.vms.get_mut(&id).ok_or(Failed)?;
        if state.failed {
            return Err(Failed);
        }
        (state.current, state.effective) = (context, 0);
        Ok(())
    }

    fn leave(
        &mut self,
        callback: Callback,
        context: u32,
        fuel: u64,
        trap: Option<wasmtime::Error>,
    ) -> Result<(), Failed> {
        let mut process = self.process.lock();
        let id = self.id;
        let mut usage = process.call_usage.remove(&id).unwrap_or_default();
        usage.fuel = fuel;
        process.usage.add(&usage);
        if callback == Callback::OnConfigure {
            process.usage_of_configuring.add(&usage);
        }
        process.charge(id, context, &usage);
        if let Some(state) = process.vms.get_mut(&id) {
            (state.current, state.effective) = (0, 0);
        }
        let Some(trap) = trap else { return Ok(()) };
        process.log_trap(id, callback, &trap);
        process.fail_vm(id);
        Err(Failed)
    }
}
