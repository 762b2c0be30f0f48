//! The program under the storm: the one that was built with the tests, or that of
//! `FRBENCH_STORM_BINARY`.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How much longer than an undisturbed run one may take before it is said to hang.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A small suite of our own.
pub fn tiny() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/tiny.toml");
    path.display().to_string()
}

pub fn binary() -> OsString {
    std::env::var_os("FRBENCH_STORM_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_frbench").into())
}

/// A process of the program in `dir`, and where it says something.
pub struct Started {
    pub child: Child,
    said: PathBuf,
}

pub fn start(dir: &Path, args: &[&str]) -> Started {
    let mut command = Command::new(binary());
    command.args(args);
    start_as(command, dir)
}

/// The same by another command.
pub fn start_as(mut command: Command, dir: &Path) -> Started {
    let said = dir.join("said");
    let child = command
        .current_dir(dir)
        .env_remove("FRBENCH_DATA")
        .stdout(Stdio::null())
        .stderr(File::create(&said).unwrap())
        .spawn()
        .unwrap();
    Started { child, said }
}

impl Started {
    /// Waits for the end, at most for so long; none for a process that is still there.
    pub fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if started.elapsed() >= within {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What it ended with and what it said. One that does not end in time is a failure, as is a
    /// panic.
    pub fn finish(mut self, within: Duration, what: &str) -> (Option<i32>, String) {
        let status = self.ended(within);
        if status.is_none() {
            self.kill();
        }
        let said = self.said();
        assert!(status.is_some(), "{what}: hangs after {within:?}: {said}");
        assert!(!said.contains("panicked"), "{what}: {said}");
        (status.and_then(|s| s.code()), said)
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn said(&self) -> String {
        let mut bytes = Vec::new();
        let mut file = File::open(&self.said).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Runs to the end, which must be a good one; how long it took.
pub fn run(dir: &Path, args: &[&str], within: Duration, what: &str) -> (Duration, String) {
    let started = Instant::now();
    let (code, said) = start(dir, args).finish(within, what);
    assert_eq!(code, Some(0), "{what}: {said}");
    (started.elapsed(), said)
}
