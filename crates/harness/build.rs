//! Which sources compute: part of the keys of jobs.

#![allow(
    clippy::print_stdout,
    reason = "printing is how a build script speaks to cargo"
)]

use frbench_fingerprint::emit;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    emit(
        "FRBENCH_SOURCES_TRAIN",
        &[
            "src/train",
            "src/run/images.rs",
            "src/run/teacher.rs",
            "src/run/train.rs",
        ],
    );
    emit("FRBENCH_SOURCES_DERIVE", &["src/run/derive.rs"]);
    emit(
        "FRBENCH_SOURCES_EMBED",
        &["src/run/images.rs", "src/run/embed.rs"],
    );
    emit("FRBENCH_SOURCES_SCORE", &["src/run/score.rs"]);
}
