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
            "src/run/attention.rs",
            "src/run/checkpoint.rs",
            "src/run/contact_sheet.rs",
            "src/run/curve.rs",
            "src/run/images.rs",
            "src/run/teacher.rs",
            "src/run/train.rs",
        ],
    );
    emit(
        "FRBENCH_SOURCES_DERIVE",
        &["src/run/derive.rs", "src/run/embed.rs"],
    );
    emit(
        "FRBENCH_SOURCES_EMBED",
        &[
            "src/run/embed.rs",
            "src/run/images.rs",
            "src/run/train.rs",
            "src/train/batch.rs",
            "src/train/pipeline.rs",
            "src/train/queue.rs",
        ],
    );
    emit("FRBENCH_SOURCES_SCORE", &["src/run/score.rs"]);
}
