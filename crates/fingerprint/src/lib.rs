//! For build scripts: which code a crate is made of, as an environment variable of its build.
//!
//! The cache key of a job holds the hash of the sources that compute it. Each crate hashes its
//! own, so that none has to look into another.

#![allow(
    clippy::print_stdout,
    reason = "printing is how a build script speaks to cargo"
)]

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Sets `variable` to the sha256 over names and contents of the sources below `paths`, in sorted
/// order: Rust, and kernels for GPUs. The hash does not depend on the platform's line ends and
/// path separators. Cargo runs the build script again when one of the sources changes.
///
/// # Panics
/// If a path is not there.
pub fn emit(variable: &str, paths: &[&str]) {
    let mut files = Vec::new();
    for path in paths {
        println!("cargo:rerun-if-changed={path}");
        collect(Path::new(path), &mut files);
    }
    files.sort();
    files.dedup();
    println!("cargo:rustc-env={variable}={}", fingerprint(&files));
}

fn fingerprint(files: &[PathBuf]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        let text = fs::read_to_string(file)
            .unwrap_or_default()
            .replace("\r\n", "\n");
        hash.update(file.to_string_lossy().replace('\\', "/").as_bytes());
        hash.update([0]);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn collect(path: &Path, out: &mut Vec<PathBuf>) {
    assert!(
        path.exists(),
        "{} is fingerprinted, but is not there",
        path.display()
    );
    if path.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            collect(&entry.path(), out);
        }
    } else if path
        .extension()
        .is_some_and(|e| e == "rs" || e == "cu" || e == "cuh")
    {
        out.push(path.to_path_buf());
    }
}
