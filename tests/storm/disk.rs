//! A disk that is full: no file grows beyond a limit. The run stops with a message, and ends well
//! once there is room.
#![cfg(unix)]

use crate::{draws, setting, tree};
use std::path::Path;
use std::process::{Command, Output};

/// Runs the suite with files of at most `blocks` blocks of 512 bytes; 0 is without limit.
fn run(dir: &Path, blocks: u64) -> Output {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/tiny.toml");
    let limit = match blocks {
        0 => String::new(),
        n => format!("ulimit -f {n}; trap '' XFSZ; "),
    };
    let line = format!(
        "{limit}exec '{}' run '{}' --only student --seeds 1",
        env!("CARGO_BIN_EXE_frbench"),
        suite.display()
    );
    Command::new("sh")
        .args(["-c", &line])
        .current_dir(dir)
        .env_remove("FRBENCH_DATA")
        .output()
        .unwrap()
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let calm = tempfile::tempdir().unwrap();
    assert!(run(calm.path(), 0).status.success());
    for round in 0..setting("FRBENCH_STORM_DISKS", 3) {
        let dir = tempfile::tempdir().unwrap();
        // From less than a picture pack to more than a checkpoint.
        let blocks = 1 << (1 + draws("disk", round).below(12));
        let out = run(dir.path(), blocks);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let code = out.status.code();
        assert!(
            matches!(code, Some(0 | 1 | 4 | 5)),
            "{blocks} blocks: {code:?} {said}"
        );
        assert!(!said.contains("panicked"), "{blocks} blocks: {said}");
        let out = run(dir.path(), 0);
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        let of = |dir: &Path| tree::results(&dir.join("runs"));
        assert_eq!(of(calm.path()), of(dir.path()), "{blocks} blocks");
    }
}
