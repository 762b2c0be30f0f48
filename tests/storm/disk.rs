//! A disk that is full: no file grows beyond a limit. The run stops with a message, and ends well
//! once there is room.
#![cfg(unix)]

use crate::program::{self, PATIENCE, binary, tiny};
use crate::{draws, setting, tree};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let suite = tiny();
    let args = ["run", &suite, "--only", "student", "--seeds", "1"];
    let calm = tempfile::tempdir().unwrap();
    let (took, _) = program::run(calm.path(), &args, Duration::from_secs(600), "calm");
    let patience = 2 * took + PATIENCE;
    let (sizes, mut stopped) = (setting("FRBENCH_STORM_DISKS", 3), 0);
    for round in 0..sizes {
        let dir = tempfile::tempdir().unwrap();
        // In blocks of 512 bytes, from less than a picture pack to more than a checkpoint.
        let blocks = 1 << (1 + draws("disk", round).below(12));
        let what = format!("{blocks} blocks");
        let mut limited = Command::new("sh");
        limited
            .args([
                "-c",
                "ulimit -f \"$1\"; trap '' XFSZ; shift; exec \"$@\"",
                "sh",
            ])
            .arg(blocks.to_string())
            .arg(binary())
            .args(args);
        let (code, said) = program::start_as(limited, dir.path()).finish(patience, &what);
        assert!(
            matches!(code, Some(0 | 1 | 4 | 5)),
            "{what}: {code:?} {said}"
        );
        stopped += u64::from(code != Some(0));
        program::run(dir.path(), &args, patience, &what);
        let of = |name: &str, dir: &Path| dir.join(name);
        for name in ["runs", "data", "reports"] {
            tree::compare(&of(name, calm.path()), &of(name, dir.path()), &what);
        }
    }
    println!(
        "disk: {sizes} sizes, {stopped} of them too small; all ended alike once there was room"
    );
}
