use std::sync::Arc;

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, OptLevel,
    PoolingAllocationConfig,
};

use crate::{
    HostError,
    host::{imports, vm_data::VmData},
};

/// A compiled module, ready to run in any number of VMs. Compiling takes seconds, so tests share one.
#[derive(Clone)]
pub struct Filter {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    instance: InstancePre<VmData>,
    fuel: bool,
}

/// Most VMs that live at once in a [`Filter::compile_for_speed`]: sixteen runs, each with a dozen.
const POOLED_VMS: u32 = 192;
/// Memory that a VM of it can have.
const POOLED_MEMORY_BYTES: usize = 16 << 20;
/// What of a VM's memory and stack is cleared by hand, which is cheaper than to give it back to the system.
const KEPT_MEMORY_BYTES: usize = 256 << 10;
const KEPT_STACK_BYTES: usize = 64 << 10;

impl Filter {
    /// Compiles a module, given as wasm or as WebAssembly text, and checks that this host has everything it imports.
    /// `fuel` counts the instructions of each call, at some cost.
    ///
    /// # Errors
    /// [`HostError::Module`] if it is not a module, [`HostError::Import`] with the name of what is missing,
    /// [`HostError::Abi`] if it is not a proxy-wasm module of ABI 0.2.1.
    pub fn compile(module: &[u8], fuel: bool) -> Result<Self, HostError> {
        Self::compile_as(module, fuel, Config::new())
    }

    /// Compiles a module without fuel, and with VMs from a pool: starting one and calling it costs microseconds. For thousands
    /// of short runs.
    ///
    /// # Errors
    /// As [`Filter::compile`].
    pub fn compile_for_speed(module: &[u8]) -> Result<Self, HostError> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(POOLED_VMS)
            .total_memories(POOLED_VMS)
            .total_tables(POOLED_VMS)
            .total_stacks(POOLED_VMS)
            .max_memory_size(POOLED_MEMORY_BYTES)
            .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
            .table_keep_resident(KEPT_MEMORY_BYTES)
            .async_stack_keep_resident(KEPT_STACK_BYTES);
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config.memory_reservation(POOLED_MEMORY_BYTES as u64);
        Self::compile_as(module, false, config)
    }

    fn compile_as(module: &[u8], fuel: bool, mut config: Config) -> Result<Self, HostError> {
        config.consume_fuel(fuel).cranelift_opt_level(OptLevel::Speed).async_stack_zeroing(false);
        let engine = Engine::new(&config).map_err(HostError::module)?;
        let module = Module::new(&engine, module).map_err(HostError::module)?;
        if module.get_export("proxy_abi_version_0_2_1").is_none() {
            return Err(HostError::Abi);
        }
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker).map_err(HostError::module)?;
        let missing: Vec<_> = module
            .imports()
            .filter(|import| !imports::offers(import.module(), import.name()))
            .map(|import| format!("{}.{}", import.module(), import.name()))
            .collect();
        if !missing.is_empty() {
            return Err(HostError::Import(missing.join(", ")));
        }
        let instance = linker.instantiate_pre(&module).map_err(HostError::module)?;
        Ok(Self { inner: Arc::new(Inner { engine, instance, fuel }) })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn instance(&self) -> &InstancePre<VmData> {
        &self.inner.instance
    }

    pub(crate) fn has_fuel(&self) -> bool {
        self.inner.fuel
    }
}
