//! What the binary knows about itself: fingerprints of the code behind each kind of job,
//! versions of the crates that compute, the git revision where there is one, and the suites
//! that it embeds. Works from a source archive as well as from a checkout.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The sources that can change the numbers of each kind of job.
const TRAIN: &[&str] = &[
    "src/nn",
    "src/backbone",
    "src/head",
    "src/distill",
    "src/method",
    "src/train",
    "src/data",
    "src/rng.rs",
    "src/run/images.rs",
    "src/run/teacher.rs",
    "src/run/train.rs",
];
const KINDS: &[(&str, &[&[&str]])] = &[
    ("DATA", &[&["src/data", "src/synth", "src/rng.rs"]]),
    ("TRAIN", &[TRAIN]),
    ("DERIVE", &[TRAIN, &["src/run/derive.rs"]]),
    ("EMBED", &[EMBED]),
    (
        "SCORE",
        &[&[
            "src/protocol",
            "src/stats",
            "src/nn/cuda/kernels",
            "src/nn/cuda/search.rs",
            "src/run/score.rs",
        ]],
    ),
];
const EMBED: &[&str] = &[
    "src/nn",
    "src/backbone",
    "src/data",
    "src/run/images.rs",
    "src/run/embed.rs",
];

/// The crates whose version can change the numbers of each kind of job.
const CRATES: &[(&str, &[&str])] = &[
    ("DATA", &["image", "libm", "rand_chacha", "zune-jpeg"]),
    ("TRAIN", NUMERIC),
    ("DERIVE", NUMERIC),
    ("EMBED", NUMERIC),
    ("SCORE", &["libm", "rand_chacha", "statrs"]),
];
const NUMERIC: &[&str] = &[
    "candle-core",
    "candle-nn",
    "gemm",
    "image",
    "libm",
    "rand_chacha",
    "rayon",
    "zune-jpeg",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=suites");
    println!("cargo:rerun-if-changed=Cargo.lock");
    for (kind, groups) in KINDS {
        let paths = groups.iter().copied().flatten();
        emit(&format!("FRBENCH_CODE_{kind}"), &fingerprint(paths));
    }
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    for (kind, names) in CRATES {
        emit(&format!("FRBENCH_CRATES_{kind}"), &versions(&lock, names));
    }
    emit("FRBENCH_LOCK", &hex(&Sha256::digest(lock.as_bytes())));
    emit("FRBENCH_TARGET", &env::var("TARGET").unwrap_or_default());
    emit("FRBENCH_PROFILE", &env::var("PROFILE").unwrap_or_default());
    git();
    suites();
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

/// sha256 over names and contents of the sources, in sorted order, whatever the platform's
/// line ends and path separators are.
fn fingerprint<'a>(paths: impl Iterator<Item = &'a &'a str>) -> String {
    let mut files = Vec::new();
    for path in paths {
        // Kernels for GPUs compute, too.
        for extension in ["rs", "cu", "cuh"] {
            collect(Path::new(path), extension, &mut files);
        }
    }
    files.sort();
    files.dedup();
    let mut hash = Sha256::new();
    for file in files {
        let text = fs::read_to_string(&file)
            .unwrap_or_default()
            .replace("\r\n", "\n");
        hash.update(file.to_string_lossy().replace('\\', "/").as_bytes());
        hash.update([0]);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hex(&hash.finalize())
}

fn collect(path: &Path, extension: &str, out: &mut Vec<PathBuf>) {
    assert!(
        path.exists(),
        "{} is fingerprinted, but is not there",
        path.display()
    );
    if path.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            collect(&entry.path(), extension, out);
        }
    } else if path.extension().is_some_and(|e| e == extension) {
        out.push(path.to_path_buf());
    }
}

/// `candle-core=0.11.1;gemm=0.19.0`: every version of each name in the lock file.
fn versions(lock: &str, names: &[&str]) -> String {
    let value = |line: &str| line.split('"').nth(1).unwrap_or("").to_string();
    let mut out = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if line.starts_with("name = ") {
            name = value(line);
        } else if line.starts_with("version = ") && names.contains(&name.as_str()) {
            out.push(format!("{name}={}", value(line)));
        }
    }
    out.sort();
    out.join(";")
}

/// Revision and whether the tree differs from it; `unknown` without git.
fn git() {
    let run = |args: &[&str]| {
        let out = Command::new("git").args(args).output().ok()?;
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
    if ours {
        for path in ["HEAD", "index"] {
            if let Some(path) = run(&["rev-parse", "--git-path", path]) {
                println!("cargo:rerun-if-changed={path}");
            }
        }
    }
}

/// Writes the tables of embedded suites and data set descriptions.
fn suites() {
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let mut code = String::new();
    for (table, folder) in [("SUITES", "suites"), ("DATASETS", "suites/datasets")] {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "toml"))
            .collect();
        files.sort();
        let _ = writeln!(code, "/// Name and text of each file in `{folder}`.");
        let _ = writeln!(code, "pub static {table}: &[(&str, &str)] = &[");
        for file in files {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let full = Path::new(&root).join(&file);
            let _ = writeln!(code, "    ({stem:?}, include_str!({full:?})),");
        }
        code += "];\n";
    }
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default()).join("suites.rs");
    fs::write(&out, code).expect("the build folder can be written");
}
