//! Which sources compute: part of the keys of jobs.

#![allow(
    clippy::print_stdout,
    reason = "printing is how a build script speaks to cargo"
)]

use frbench_fingerprint::emit;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    emit("FRBENCH_SOURCES_ARTEFACT", &["src/artefact.rs"]);
}
