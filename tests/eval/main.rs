//! Protocols and the embeddings that they judge.

#[path = "../common/mod.rs"]
mod common;

mod embeddings;
mod oracle;
mod protocols;
