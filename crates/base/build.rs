//! Which sources compute: part of the keys of jobs.

use frbench_fingerprint::emit;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    emit("FRBENCH_SOURCES_RNG", &["src/rng.rs"]);
}
