use wasmtime::{Memory, TypedFunc};

use crate::host::{SharedProcess, VmId};

/// What a host call knows about the VM that makes it.
pub(crate) struct VmData {
    pub(crate) id: VmId,
    pub(crate) process: SharedProcess,
    pub(crate) memory: Option<Memory>,
    pub(crate) malloc: Option<TypedFunc<u32, u32>>,
}
