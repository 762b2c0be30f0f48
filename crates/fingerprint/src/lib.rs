//! For build scripts: what each source of a crate says, as a hash.
//!
//! The key of a job holds the hashes of the sources that compute it. Each crate hashes its own, so
//! that none has to look into another. A hash is of what a source says: comments, documentation,
//! tests and the way it is formatted leave it as it is ([`mod@rust`], [`mod@cuda`]).

#![allow(
    clippy::print_stdout,
    reason = "printing is how a build script speaks to cargo"
)]

pub mod cuda;
pub mod rust;

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Sources by path, each with the hash of what it says.
pub type Hashes = BTreeMap<String, String>;

/// Writes `sources.rs` into the output folder of the build: a list of the path and the hash of
/// each source of the crate. Cargo runs the build script again when one of them changes.
///
/// # Panics
/// Where a source cannot be read, or is not Rust, which would not compile either.
pub fn emit() {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var(name).expect("cargo sets it");
    let package = variable("CARGO_PKG_NAME");
    // The folder of a crate that was fetched has a version in its name.
    let name = package.strip_prefix("frbench-").unwrap_or(&package);
    let root = variable("CARGO_MANIFEST_DIR");
    let hashes = of_crate(Path::new(&root), name).expect("the crate's sources");
    let mut list = "&[\n".to_string();
    for (path, hash) in hashes {
        let _ = writeln!(list, "    ({path:?}, {hash:?}),");
    }
    list += "]\n";
    let out = Path::new(&variable("OUT_DIR")).join("sources.rs");
    fs::write(out, list).expect("the build folder can be written");
}

/// The sources of the crate `name` in the folder `root`, as `NAME/PATH`: `methods/head/cosface.rs`.
///
/// # Errors
/// What cannot be read, with its path.
pub fn of_crate(root: &Path, name: &str) -> Result<Hashes, String> {
    let mut texts = BTreeMap::new();
    collect(&root.join("src"), name, &mut texts)?;
    let mut hashes = Hashes::new();
    let mut of_tests = Vec::new();
    for (path, text) in &texts {
        let says = if path.ends_with(".rs") {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let source = rust::read(text).map_err(|e| format!("{path}: {e}"))?;
            of_tests.extend(source.tests.iter().map(|file| format!("{folder}/{file}")));
            source.says
        } else {
            cuda::says(text)
        };
        hashes.insert(path.clone(), hash(&says));
    }
    hashes.retain(|path, _| !of_tests.contains(path));
    Ok(hashes)
}

/// The first 64 bits of a sha256: enough to tell the versions of a source.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest[..8].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Rust, and kernels for GPUs.
fn collect(folder: &Path, name: &str, texts: &mut BTreeMap<String, String>) -> Result<(), String> {
    let said = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(said)? {
        let path = entry.map_err(said)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{name}/{file}");
        let extension = path.extension().unwrap_or_default();
        if path.is_dir() {
            collect(&path, &name, texts)?;
        } else if ["rs", "cu", "cuh"].iter().any(|e| extension == *e) {
            let text = fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
            texts.insert(name, text);
        }
    }
    Ok(())
}
