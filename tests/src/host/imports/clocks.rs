//! Time, randomness and the other calls of WASI.

use wasmtime::Linker;

use crate::{
    host::{call::Stop, imports::import, vm_data::VmData},
    split_mix,
};

/// `__WASI_ERRNO_BADF`, `__WASI_ERRNO_NOTSUP`.
const BAD_FILE: u32 = 8;
const NOT_SUPPORTED: u32 = 58;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    import!(linker, GetCurrentTime, (time_at: u32), |c| {
        let now_ns = c.process().clock.realtime_ns();
        c.write_u64(time_at, now_ns)
    });
    import!(linker, ClockTimeGet, (clock: u32, _precision: u64, time_at: u32), |c| {
        let now_ns = match clock {
            0 => c.process().clock.realtime_ns(),
            1 => c.process().clock.monotonic_ns(),
            _ => return Err(Stop::Code(NOT_SUPPORTED)),
        };
        c.write_u64(time_at, now_ns)
    });
    import!(linker, ClockResGet, (_clock: u32, resolution_at: u32), |c| { c.write_u64(resolution_at, 1) });
    import!(linker, RandomGet, (buffer: u32, len: u32), |c| {
        let bytes: Vec<u8> = {
            let mut process = c.process();
            (0..len).map(|_| (split_mix::next(&mut process.random) >> 56) as u8).collect()
        };
        c.write(buffer, &bytes)
    });
    import!(linker, FdWrite, (file: u32, vectors: u32, count: u32, written_at: u32), |c| {
        let level = match file {
            1 => 2,
            2 => 4,
            _ => return Err(Stop::Code(BAD_FILE)),
        };
        let mut text = String::new();
        for at in (0..count).map(|number| vectors + number * 8) {
            let vector = c.read(at, 8)?;
            let (pointer, len) = vector.split_at(4);
            let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            text += &c.text(number(pointer), number(len))?;
        }
        super::control::log(c, level, text.trim_end_matches('\n'));
        c.write_u32(written_at, text.len() as u32)
    });
    import!(linker, EnvironSizesGet, (count_at: u32, size_at: u32), |c| {
        c.write_u32(count_at, 0)?;
        c.write_u32(size_at, 0)
    });
    import!(linker, EnvironGet, (_pointers: u32, _buffer: u32), |_c| { Ok(()) });
    linker.func_wrap("wasi_snapshot_preview1", "proc_exit", |code: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("the module called proc_exit({code})")))
    })?;
    Ok(())
}
