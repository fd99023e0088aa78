//! Tells the module which compiler builds it.

use std::{env, process::Command};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rustc = env::var("RUSTC")?;
    let version = Command::new(rustc).arg("--version").output()?.stdout;
    println!("cargo::rustc-env=COMPILER={}", String::from_utf8(version)?.trim());
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
