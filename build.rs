//! What the program knows about itself: the git revision where there is one, the lock file, and
//! the suites, data sets and published results that it embeds. Works from a source archive as
//! well as from a checkout.

#![allow(
    clippy::print_stdout,
    reason = "printing is how a build script speaks to cargo"
)]

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// In the folder of suites, but none of them: what they share.
const RECIPES: &str = "suites/recipes.toml";

/// Tables of embedded files: name of the table, folder, extension.
const TABLES: [(&str, &str, &str); 4] = [
    ("SUITES", "suites", "toml"),
    ("DATASETS", "suites/datasets", "toml"),
    ("PRESETS", "suites/presets", "toml"),
    ("PUBLISHED", "reference_results/published", "csv"),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    emit("FRBENCH_LOCK", &hex(&Sha256::digest(lock.as_bytes())));
    emit("FRBENCH_TARGET", &env::var("TARGET").unwrap_or_default());
    emit("FRBENCH_PROFILE", &env::var("PROFILE").unwrap_or_default());
    git();
    embed();
}

fn emit(name: &str, value: &str) {
    println!("cargo:rustc-env={name}={value}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// Revision and whether the tree differs from it; `unknown` without git.
fn git() {
    let run = |args: &[&str]| {
        // Looking at the tree must not refresh git's index, which would run this script again.
        let git = Command::new("git")
            .arg("--no-optional-locks")
            .args(args)
            .output();
        let out = git.ok()?;
        out.status
            .success()
            .then(|| String::from_utf8_lossy(&out.stdout).trim().to_string())
    };
    // A source archive inside somebody else's repository must not report that one's revision.
    let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let ours = run(&["rev-parse", "--show-toplevel"])
        .is_some_and(|top| fs::canonicalize(top).ok() == fs::canonicalize(&here).ok());
    let revision = run(&["rev-parse", "HEAD"]).filter(|_| ours);
    let dirty = run(&["status", "--porcelain"]).filter(|_| ours);
    emit("FRBENCH_GIT", revision.as_deref().unwrap_or("unknown"));
    emit(
        "FRBENCH_DIRTY",
        match dirty.as_deref() {
            Some("") => "clean",
            Some(_) => "dirty",
            None => "unknown",
        },
    );
    // What makes the tree differ may be any source.
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=crates");
    if ours {
        // A commit changes the branch that HEAD names; a checkout changes HEAD.
        let branch = run(&["symbolic-ref", "--quiet", "HEAD"]);
        let names = ["HEAD", "index", "packed-refs"].map(String::from);
        for name in names.into_iter().chain(branch) {
            let path = run(&["rev-parse", "--git-path", &name]);
            // What is not there would have the script run at every build.
            if let Some(path) = path.filter(|p| Path::new(p).exists()) {
                println!("cargo:rerun-if-changed={path}");
            }
        }
    }
}

/// Writes the tables of embedded files.
fn embed() {
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let mut code = String::new();
    for (table, folder, extension) in TABLES {
        println!("cargo:rerun-if-changed={folder}");
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == extension) && p != Path::new(RECIPES))
            .collect();
        files.sort();
        let _ = writeln!(
            code,
            "/// Name and text of each `.{extension}` file in `{folder}`."
        );
        let _ = writeln!(code, "pub static {table}: &[(&str, &str)] = &[");
        for file in files {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let full = Path::new(&root).join(&file);
            let _ = writeln!(code, "    ({stem:?}, include_str!({full:?})),");
        }
        code += "];\n";
    }
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default()).join("embedded.rs");
    fs::write(&out, code).expect("the build folder can be written");
}
