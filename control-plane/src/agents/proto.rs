//! The messages of `proto/slotway/agents/v1/agents.proto`.
#![allow(missing_docs, clippy::doc_markdown, reason = "it is generated, and documented there")]

include!(concat!(env!("OUT_DIR"), "/slotway.agents.v1.rs"));
