use std::sync::Arc;

use wasmtime::{Config, Engine, InstancePre, Linker, Module, OptLevel};

use crate::{
    HostError,
    host::{imports, vm::VmData},
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

impl Filter {
    /// Compiles a module, given as wasm or as WebAssembly text, and checks that this host has everything it imports.
    /// `fuel` counts the instructions of each call, at some cost.
    ///
    /// # Errors
    /// [`HostError::Module`] if it is not a module, [`HostError::Import`] with the name of what is missing,
    /// [`HostError::Abi`] if it is not a proxy-wasm module of ABI 0.2.1.
    pub fn compile(module: &[u8], fuel: bool) -> Result<Self, HostError> {
        let mut config = Config::new();
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
