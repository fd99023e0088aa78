//! A node in memory that accepts, refuses, repeats itself, answers late and connects again, against the real session, in both
//! protocols.

mod bounds;
mod changes;
mod faults;
mod sharing;
mod unknown_names;
mod world;
