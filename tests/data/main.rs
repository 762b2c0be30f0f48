//! Data sets: formats, identities, and the face world.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

#[path = "../common/mod.rs"]
mod common;

mod damaged;
mod declarations;
mod folder;
#[cfg(unix)]
mod folders;
mod layouts;
mod lost;
mod open_set;
mod packs;
mod record;
mod sets;
mod synth_groups;
mod synth_instrument;
mod synth_write;
