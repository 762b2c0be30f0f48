//! Protocols and the embeddings that they judge.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

#[path = "../common/mod.rs"]
mod common;

mod embeddings;
mod options;
mod oracle;
mod protocols;
