//! The rules on the structure of the workspace. docs/ARCHITECTURE.md, "The code map", has their reasons.
//!
//! A failure says what breaches which rule, and where. Where a breach is right, the table of the rule gets a row, with its reason.
#![allow(clippy::expect_used, reason = "a test ends where it cannot go on")]

mod confined_words;
mod crates;
mod imports;
mod names;
mod resource_kinds;
mod sources;
mod unit_tests;
