//! Mutated files of our own in a runs folder, of a finished run and of runs that were killed: the
//! next run ends well, and its results are those of an undisturbed one.

use crate::mutation::mutate;
use crate::program::{self, PATIENCE, start, tiny};
use crate::{draws, setting, tree};
use frbench::rng::Stream;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs that are killed in the middle, beside the finished one.
const KILLED: u64 = 4;

/// Always into the folder `shaken`, as what was run is part of what is left.
fn args(suite: &str) -> [&str; 8] {
    let [every, step] = ["--checkpoint-every", "0"];
    [
        "run",
        suite,
        "--profile",
        "quick",
        "--runs",
        "shaken",
        every,
        step,
    ]
}

/// Every file below `dir`, in order.
fn all(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap()) {
        match entry.path().is_dir() {
            true => found.extend(all(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

/// Does something to one of `files`; what it did.
fn harm(files: &[PathBuf], stream: &mut Stream) -> String {
    let of = |stream: &mut Stream| &files[stream.below(files.len() as u64) as usize];
    let file = of(stream);
    let name = |file: &Path| {
        let folder = file.parent().and_then(Path::file_name).unwrap();
        let folder = folder.to_string_lossy();
        format!("{}/{}", &folder[..8], file.file_name().unwrap().display())
    };
    let Ok(bytes) = fs::read(file) else {
        return format!("{} is gone already", name(file));
    };
    match stream.below(8) {
        0 => {
            fs::remove_file(file).unwrap();
            format!("{} removed", name(file))
        }
        1 => {
            // That of another job, if it has one.
            let same: Vec<&PathBuf> = files
                .iter()
                .filter(|f| f.file_name() == file.file_name() && f.exists())
                .collect();
            let other = same[stream.below(same.len() as u64) as usize];
            fs::write(file, fs::read(other).unwrap()).unwrap();
            format!("{} replaced by {}", name(file), name(other))
        }
        _ => {
            fs::write(file, mutate(&bytes, stream)).unwrap();
            format!("{} mutated", name(file))
        }
    }
}

#[test]
fn a_run_on_mutated_files_of_its_own_ends_alike() {
    let suite = tiny();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let long = Duration::from_secs(600);
    let (took, _) = program::run(dir, &args(&suite), long, "calm");
    let patience = 2 * took + PATIENCE;
    let (shaken, reports) = (dir.join("shaken"), dir.join("reports"));
    fs::rename(&shaken, dir.join("calm")).unwrap();
    tree::copy(&reports, &dir.join("calm-reports"));
    let mut starts = vec!["calm".to_string()];
    for k in 0..KILLED {
        let runs = format!("killed-{k}");
        let wait = draws("own kill", k).below(took.as_micros() as u64);
        let mut started = start(dir, &args(&suite));
        if started.ended(Duration::from_micros(wait)).is_none() {
            started.kill();
        }
        if shaken.exists() {
            fs::rename(&shaken, dir.join(&runs)).unwrap();
            starts.push(runs);
        }
    }
    let rounds = setting("FRBENCH_STORM_OWN", 10);
    let mut harmed: BTreeMap<String, u64> = BTreeMap::new();
    let mut warned = 0;
    for round in 0..rounds {
        let mut stream = draws("own", round);
        let from = &starts[stream.below(starts.len() as u64) as usize];
        tree::copy(&dir.join(from), &shaken);
        let files = all(&shaken);
        let mut done = Vec::new();
        for _ in 0..1 + stream.below(3) {
            if files.is_empty() {
                break;
            }
            let did = harm(&files, &mut stream);
            let name = did.split(['/', ' ']).nth(1).unwrap_or_default();
            *harmed.entry(name.to_string()).or_default() += 1;
            done.push(did);
        }
        let what = format!("round {round}, {from}: {}", done.join(", "));
        let (_, said) = program::run(dir, &args(&suite), patience, &what);
        warned += u64::from(said.contains("warning: "));
        tree::compare(&dir.join("calm"), &shaken, &what);
        tree::compare(&dir.join("calm-reports"), &reports, &what);
    }
    println!(
        "own files: {rounds} runs on mutated files, {warned} of which warned; all ended with the \
         files of an undisturbed run; harmed were {harmed:?}"
    );
}
