//! Makes Rust of `proto/`, without a `protoc` on the machine.

use std::error::Error;

const INCLUDE: &str = "proto";
const FILES: [&str; 1] = ["proto/slotway/agents/v1/agents.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={INCLUDE}");
    let descriptors = protox::compile(FILES, [INCLUDE])?;
    prost_build::Config::new()
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .compile_fds(descriptors)?;
    Ok(())
}
