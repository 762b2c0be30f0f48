//! Nights that were: a file a year for each suite and profile with one line a night, cell and seed,
//! and one beside it with a summary a night.

use crate::findings::Findings;
use crate::measured::CellId;
use crate::procedure::{Cusum, Sample};
use crate::verdict::Verdict;
use frbench_base::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When the night began, UTC.
    pub night: String,
    pub commit: String,
    pub row: String,
    pub column: String,
    pub metric: String,
    pub seed: u64,
    pub value: f64,
    /// sha256 of the network, its first digits.
    pub model: String,
}

/// One night.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Night {
    pub night: String,
    pub commit: String,
    /// What of the sources and crates counts for this suite, hashed.
    pub code: String,
    /// The baseline it was held against; empty where there was none.
    pub baseline: String,
    pub verdict: Verdict,
    /// Seeds that were screened.
    pub seeds: Vec<u64>,
    /// Further seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<u64>,
    /// Gates, by their cells.
    pub gates: BTreeMap<String, Past>,
    pub cells: Vec<Point>,
}

/// What a gate saw on a night.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// The same bits as the baseline.
    pub equal: bool,
    pub screened: Option<Sample>,
    pub further: Option<Sample>,
}

/// A cell on a night.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    #[serde(flatten)]
    pub cell: CellId,
    pub verdict: Verdict,
    pub n: usize,
    pub mean: f64,
    /// Of the seeds of the night; none below three.
    pub sd: Option<f64>,
}

/// The history of a suite under one profile, the oldest night first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub nights: Vec<Night>,
    /// Lines that a kill has cut, a sentence each.
    pub cut: Vec<String>,
}

fn file(folder: &Path, suite: &str, profile: &str, year: u32, end: &str) -> PathBuf {
    folder.join(format!("{suite}-{profile}-{year}.{end}"))
}

impl History {
    /// All years of a suite; an empty history where there is none.
    ///
    /// # Errors
    /// [`Error::Data`] with the line of what is none; [`Error::Io`].
    pub fn read(folder: &Path, suite: &str, profile: &str) -> Result<History> {
        History::of_stem(folder, &format!("{suite}-{profile}"))
    }

    /// The same by what the names of its files begin with, `SUITE-PROFILE`.
    ///
    /// # Errors
    /// As [`History::read`].
    pub fn of_stem(folder: &Path, stem: &str) -> Result<History> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let year = name
                .strip_prefix(stem)
                .and_then(|rest| rest.strip_prefix('-'));
            let year = year.and_then(|rest| rest.strip_suffix(".nights.jsonl"));
            if year.is_some_and(|y| y.len() == 4 && y.bytes().all(|b| b.is_ascii_digit())) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        let mut history = History::default();
        for path in paths {
            history.nights.extend(lines(&path, &mut history.cut)?);
        }
        Ok(history)
    }

    /// The nights before this code was first held against the baseline, and whether it was.
    pub fn before(&self, baseline: &str, code: &str) -> (&[Night], bool) {
        let mut nights = self.nights.iter();
        match nights.position(|n| n.code == code && n.baseline == baseline) {
            Some(first) => (&self.nights[..first], true),
            None => (&self.nights, false),
        }
    }

    /// Whether a night of this code did not fail.
    pub fn has_passed(&self, baseline: &str, code: &str) -> bool {
        let mut nights = self.nights.iter();
        nights.any(|n| n.code == code && n.baseline == baseline && n.verdict != Verdict::Failed)
    }
}

/// The CUSUM that nights have left of a gate against this baseline. A code counts once, and equal
/// bits end what was suspected.
pub fn cusum(nights: &[Night], baseline: &str, cell: &str) -> Cusum {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let here = |n: &&Night| n.baseline == baseline;
    for (i, night) in nights.iter().enumerate().filter(|(_, n)| here(n)) {
        last.insert(&night.code, i);
    }
    let mut sum = Cusum::default();
    for (i, night) in nights.iter().enumerate().filter(|(_, n)| here(n)) {
        let Some(past) = night.gates.get(cell) else {
            continue;
        };
        if last.get(night.code.as_str()) != Some(&i) {
            continue;
        }
        if past.equal {
            sum = Cusum::default();
        }
        for sample in past.screened.iter().chain(&past.further) {
            sum = sum.with(sample);
        }
    }
    sum
}

/// Where the seeds of the next night begin in the order of the baseline's: behind those that nights
/// against it have drawn.
pub fn drawn(nights: &[Night], baseline: &str) -> usize {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for night in nights.iter().filter(|n| n.baseline == baseline) {
        let seeds = night.seeds.len() + night.further.len();
        let known = codes.entry(&night.code).or_default();
        *known = seeds.max(*known);
    }
    codes.values().sum()
}

/// Adds a night to the files of its year.
///
/// # Errors
/// [`Error::Io`]; [`Error::Usage`] for a night whose time is none.
pub fn append(folder: &Path, findings: &Findings) -> Result<()> {
    let year = frbench_base::time::year(&findings.night)?;
    let of = |end| file(folder, &findings.suite, &findings.profile, year, end);
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    add(&of("jsonl"), findings.lines())?;
    add(&of("nights.jsonl"), [findings.summary()])
}

/// Appends lines with one write; half a line that a kill left goes.
fn add<T: Serialize>(path: &Path, lines: impl IntoIterator<Item = T>) -> Result<()> {
    let failed = |e| Error::io(path, e);
    let mut text = String::new();
    for line in lines {
        text += &serde_json::to_string(&line).map_err(|e| Error::Bug(e.to_string()))?;
        text.push('\n');
    }
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    let mut there = Vec::new();
    file.read_to_end(&mut there).map_err(failed)?;
    let whole = there.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    file.set_len(whole as u64).map_err(failed)?;
    file.seek(SeekFrom::Start(whole as u64)).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

fn lines<T: DeserializeOwned>(path: &Path, cut: &mut Vec<String>) -> Result<Vec<T>> {
    let text = frbench_base::files::read(path)?;
    let mut out = Vec::new();
    for (i, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(value) => out.push(value),
            Err(_) if !line.ends_with(b"\n") => cut.push(format!(
                "{}:{}: a line that was cut; it does not count",
                path.display(),
                i + 1
            )),
            Err(e) => {
                return Err(Error::Data(format!(
                    "{}:{}: not what frbench wrote there: {e}",
                    path.display(),
                    i + 1
                )));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn night(code: &str, loss: f64) -> Night {
        Night {
            night: "2026-11-30T01:02:03Z".into(),
            commit: code.into(),
            code: code.into(),
            baseline: "b".into(),
            verdict: Verdict::Pass,
            seeds: vec![1, 2, 3],
            further: Vec::new(),
            gates: BTreeMap::from([(
                "c".to_string(),
                Past {
                    equal: loss == 0.0,
                    screened: (loss != 0.0).then_some(Sample { n: 3, loss }),
                    further: None,
                },
            )]),
            cells: Vec::new(),
        }
    }

    #[test]
    fn losses_add_up_over_codes_and_equal_bits_end_them() {
        let one = [night("x", 1.6)];
        let sum = |nights: &[Night]| cusum(nights, "b", "c").0;
        assert!((sum(&one) - 3.0).abs() < 1e-12);
        // The same code is no news.
        assert_eq!(sum(&[night("x", 1.6), night("x", 1.6)]), sum(&one));
        let two = [night("x", 1.6), night("y", 1.6)];
        assert!((sum(&two) - 6.0).abs() < 1e-12);
        assert_eq!(sum(&[night("x", 1.6), night("y", 0.0)]), 0.0);
        assert_eq!(cusum(&two, "other", "c").0, 0.0);
        assert_eq!(drawn(&two, "b"), 6);
        assert_eq!(drawn(&[night("x", 1.0), night("x", 1.0)], "b"), 3);
    }

    #[test]
    fn a_code_that_was_there_is_found_with_the_nights_before_it() {
        let history = History {
            nights: vec![night("x", 1.0), night("y", 1.0), night("z", 1.0)],
            cut: Vec::new(),
        };
        let before = |code| {
            let (before, known) = history.before("b", code);
            (before.len(), known)
        };
        assert_eq!(before("y"), (1, true));
        assert_eq!(before("new"), (3, false));
    }

    #[test]
    fn a_line_that_a_kill_has_cut_is_said_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one-nightly-2026.nights.jsonl");
        add(&path, [night("x", 1.0), night("y", 1.0)]).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"night\": \"20")).unwrap();
        let read = || History::read(dir.path(), "one", "nightly");
        let history = read().unwrap();
        assert_eq!(history.nights.len(), 2);
        assert!(history.cut[0].ends_with(".jsonl:3: a line that was cut; it does not count"));
        add(&path, [night("z", 1.0)]).unwrap();
        let history = read().unwrap();
        assert_eq!((history.nights.len(), history.cut.len()), (3, 0));
        std::fs::write(&path, "{}\n").unwrap();
        assert!(read().unwrap_err().to_string().contains("jsonl:1:"));
        assert!(
            History::read(dir.path(), "other", "nightly")
                .unwrap()
                .nights
                .is_empty()
        );
    }
}
