//! The slot engine.
