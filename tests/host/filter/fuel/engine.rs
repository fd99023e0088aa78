//! The engine's operations, through `engine_probe`.

use std::{path::Path, process::Command};

use wasmtime::{Config, Engine, Instance, Module, Store, WasmParams, WasmResults};

use super::Measured;

const WARM_UP: u64 = 256;
/// Several times the number of entries in the engine's pages.
const TIMES: u64 = 512;
/// Slots of each of the two workers; the others of a pool are in its queue, and most of that in pages.
const CAPACITY: u32 = 100;
/// More than any test uses.
const FUEL: u64 = u64::MAX / 2;

/// The module, built.
pub(super) struct Probe {
    engine: Engine,
    module: Module,
}

/// A pool in it.
struct Pool {
    store: Store<()>,
    instance: Instance,
    /// The sum of each operation's fuel since the warm-up, and how often it was done.
    counted: std::collections::BTreeMap<&'static str, (u64, u64)>,
}

impl Probe {
    /// Builds the module as the filter is built: with the same compiler and profile.
    pub(super) fn build() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let file = repository.join("target/engine_probe.wasm");
        let mut build = Command::new(repository.join("filter/build.sh"));
        build.args(["--package", "slotway-engine-probe"]).arg(&file);
        let built = build.output().unwrap();
        assert!(
            built.status.success(),
            "{build:?}: {}{}",
            String::from_utf8_lossy(&built.stdout),
            String::from_utf8_lossy(&built.stderr)
        );
        let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
        let module = Module::from_file(&engine, &file).unwrap();
        Self { engine, module }
    }

    /// Returns the compiler that has built it, and so the filter.
    pub(super) fn compiler(&self) -> String {
        let mut pool = self.pool();
        let (at, length) = (pool.call::<_, u32>("compiler", ()), pool.call::<_, u32>("compiler_length", ()));
        let memory = pool.instance.get_memory(&mut pool.store, "memory").unwrap();
        let mut name = vec![0; length as usize];
        memory.read(&pool.store, at as usize, &mut name).unwrap();
        String::from_utf8(name).unwrap()
    }

    /// Fuel of each operation.
    pub(super) fn measure(&self) -> Measured {
        let mut measured = Measured::new();

        // Slots are free. The first slot is taken so that the queue moves through its pages.
        let mut pool = self.configured();
        pool.transition(|pool| pool.call::<_, u64>("take_slot", ()));
        pool.repeat(|pool| {
            let serial = pool.transition(|pool| pool.call::<_, u64>("take_slot", ()));
            pool.transition(|pool| pool.call::<_, u64>("release", serial));
        });
        pool.note("take a slot", "take_slot", &mut measured);
        pool.note("give a slot back", "release", &mut measured);
        pool.note("read the state", "read", &mut measured);
        pool.note("write the state", "write", &mut measured);

        // No slot is free.
        let mut pool = self.configured();
        let mut serials: Vec<u64> =
            (0..2 * CAPACITY).map(|_| pool.transition(|pool| pool.call("take_slot", ()))).collect();
        let mut serial = serials.remove(0);
        pool.repeat(|pool| {
            pool.transition(|pool| pool.call::<_, u64>("join_line", ()));
            let next = pool.transition(|pool| pool.call::<_, u64>("release", serial));
            assert_ne!(next, u64::MAX, "the waiter has got the slot");
            serial = next;
        });
        pool.note("join the line", "join_line", &mut measured);
        pool.note("grant a slot to a waiter", "release", &mut measured);

        pool.repeat(|pool| {
            let ticket = pool.transition(|pool| pool.call::<_, u64>("join_line", ()));
            pool.transition(|pool| pool.call::<_, ()>("leave_line", ticket));
            pool.transition(|pool| pool.call::<_, ()>("refuse", ()));
        });
        pool.note("cancel a waiter", "leave_line", &mut measured);
        pool.note("refuse", "refuse", &mut measured);
        measured
    }

    fn pool(&self) -> Pool {
        let mut store = Store::new(&self.engine, ());
        store.set_fuel(FUEL).unwrap();
        let instance = Instance::new(&mut store, &self.module, &[]).unwrap();
        Pool { store, instance, counted: Default::default() }
    }

    fn configured(&self) -> Pool {
        let mut pool = self.pool();
        pool.transition(|pool| pool.call::<_, ()>("configure", CAPACITY));
        pool
    }
}

impl Pool {
    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &'static str, parameters: P) -> R {
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, name).unwrap();
        let before = self.store.get_fuel().unwrap();
        let result = function.call(&mut self.store, parameters).unwrap();
        let (fuel, times) = self.counted.entry(name).or_default();
        *fuel += before - self.store.get_fuel().unwrap();
        *times += 1;
        result
    }

    /// Makes one operation, from the stored state to the state that is stored next.
    fn transition<R>(&mut self, operation: impl FnOnce(&mut Self) -> R) -> R {
        self.call::<_, ()>("read", ());
        let result = operation(self);
        self.call::<_, ()>("write", ());
        result
    }

    /// Does the same often, and counts only when it has been done for a while.
    fn repeat(&mut self, mut round: impl FnMut(&mut Self)) {
        (0..WARM_UP).for_each(|_| round(self));
        self.counted.clear();
        (0..TIMES).for_each(|_| round(self));
    }

    fn note(&self, name: &str, function: &str, measured: &mut Measured) {
        let (fuel, times) = self.counted[function];
        measured.insert(format!("engine: {name}: fuel"), fuel as f64 / times as f64);
    }
}
