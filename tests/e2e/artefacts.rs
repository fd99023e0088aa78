//! The files that `make build` creates.

use slotway_test_site::artefact;

/// Returns the unsigned LEB128 number at the start of `bytes`, and the rest.
fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).expect("the end of a number");
    let value = bytes[..length].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    (value, &bytes[length..])
}

/// Returns the names of a module's custom sections (WebAssembly core specification, 5.5.3).
fn custom_sections(module: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0").expect("a WebAssembly module");
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = number(after);
        let (section, after) = after.split_at(size);
        if *id == 0 {
            let (length, name) = number(section);
            names.push(String::from_utf8_lossy(&name[..length]).into_owned());
        }
        rest = after;
    }
    names
}

#[test]
fn the_filter_is_small_and_carries_no_debug_sections() {
    let module = std::fs::read(artefact("SLOTWAY_FILTER", "target/slotway_filter.wasm")).unwrap();
    assert!(module.len() < 1_000_000, "{} bytes", module.len());
    let sections = custom_sections(&module);
    let of_debugging: Vec<_> =
        sections.iter().filter(|name| name.starts_with(".debug") || *name == "name").collect();
    assert!(of_debugging.is_empty(), "{of_debugging:?}");
}
