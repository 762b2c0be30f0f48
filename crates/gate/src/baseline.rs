//! What was measured once, was looked at, and is committed.

use crate::measured::{CellId, Measured};
use crate::procedure::Reference;
use frbench_base::key::Key;
use frbench_base::time::Utc;
use frbench_base::{Error, Result, files};
use frbench_eval::stats::mean;
use frbench_harness::plan::Build;
use frbench_harness::suite::resolve::ResolvedGate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// Raw values of a suite under one profile, with what they were measured with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// The version of this format, 1.
    pub schema: u32,
    pub recorded: Recorded,
    /// Earlier states of this baseline, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// How far values of one seed agree between two builds that are equally good, by cell as
    /// `ROW on COLUMN METRIC`: measured correlations, in [0, 1). Cells that are not here have 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pairing: BTreeMap<String, f64>,
    pub measured: Measured,
}

/// When, from what and on what it was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// UTC, such as `2026-11-30T01:02:03Z`.
    pub time: String,
    /// The revision of the code, or `unknown`.
    pub commit: String,
    /// `clean`, `dirty` or `unknown`.
    pub tree: String,
    pub version: String,
    /// Device, architecture and kernels, such as `cpu x86_64 avx512`.
    pub environment: String,
}

/// A baseline that was replaced on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Move {
    /// What it was recorded from before.
    pub from: Recorded,
    /// Why the new values are right.
    pub reason: String,
    /// Means of gates before and after.
    pub means: BTreeMap<String, (Option<f64>, Option<f64>)>,
}

impl Recorded {
    /// Now, by this build, on a device of such kernels.
    pub fn now(build: &Build, device: &str, kernels: &str) -> Recorded {
        Recorded {
            time: Utc::now().to_string(),
            commit: build.revision.to_string(),
            tree: build.tree.to_string(),
            version: build.version.to_string(),
            environment: format!("{device} {} {kernels}", std::env::consts::ARCH),
        }
    }
}

/// The file of a baseline in the folder of all.
pub fn path(folder: &Path, suite: &str, profile: &str) -> PathBuf {
    folder.join(format!("{suite}-{profile}.json"))
}

impl Baseline {
    pub fn new(measured: Measured, recorded: Recorded) -> Baseline {
        Baseline {
            schema: SCHEMA,
            recorded,
            moves: Vec::new(),
            pairing: BTreeMap::new(),
            measured,
        }
    }

    /// The baseline in the file `path`; none where there is none.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that holds no baseline, with line and column, or one of another
    /// suite, profile or version; [`Error::Io`].
    pub fn read(path: &Path, suite: &str, profile: &str) -> Result<Option<Baseline>> {
        if !path.exists() {
            return Ok(None);
        }
        let found = Baseline::load(path)?;
        let (of, under) = (&found.measured.suite, &found.measured.profile);
        if (of.as_str(), under.as_str()) != (suite, profile) {
            return Err(Error::Data(format!(
                "{}: the baseline of `{of}`, profile `{under}`, not of `{suite}`, profile \
                 `{profile}`",
                path.display()
            )));
        }
        Ok(Some(found))
    }

    /// The baseline in the file `path`, of whatever suite.
    ///
    /// # Errors
    /// As [`Baseline::read`].
    pub fn load(path: &Path) -> Result<Baseline> {
        let found: Baseline = files::read_json(path)?;
        if found.schema != SCHEMA {
            return Err(Error::Data(format!(
                "{}: schema {}; this build reads {SCHEMA}",
                path.display(),
                found.schema
            )));
        }
        let mut correlations = found.pairing.iter();
        if let Some((cell, r)) = correlations.find(|(_, r)| !(0.0..1.0).contains(*r)) {
            return Err(Error::Data(format!(
                "{}: the pairing of `{cell}` is {r}; a correlation from 0 to below 1 is wanted",
                path.display()
            )));
        }
        Ok(found)
    }

    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_json(path, self)
    }

    /// The baseline that replaces this one, for `reason`.
    pub fn moved(self, mut to: Baseline, reason: &str, gates: &[ResolvedGate]) -> Baseline {
        let of = |measured: &Measured, gate: &ResolvedGate| {
            let values = measured.values(&cell(gate));
            let values: Vec<f64> = values.into_values().collect();
            (!values.is_empty()).then(|| mean(&values))
        };
        let means = gates.iter().map(|gate| {
            let pair = (of(&self.measured, gate), of(&to.measured, gate));
            (cell(gate).to_string(), pair)
        });
        // How far builds agree seed by seed is known of the old one.
        let known = self.pairing.into_iter();
        let cells: BTreeSet<String> = to.measured.cells().iter().map(CellId::to_string).collect();
        to.pairing = known.filter(|(cell, _)| cells.contains(cell)).collect();
        to.moves = self.moves;
        to.moves.push(Move {
            from: self.recorded,
            reason: reason.to_string(),
            means: means.collect(),
        });
        to
    }

    /// What the baseline is called in the history of nights: other values are another one.
    pub fn id(&self) -> String {
        crate::measured::short(&Key::of(&self.measured.runs).0)
    }

    /// What a gate is held against; none where the baseline has too few values.
    pub fn reference(&self, gate: &ResolvedGate) -> Option<Reference> {
        self.reference_of(&cell(gate), gate.tolerance)
    }

    /// The same of any value; `tolerance` is in the unit of its metric.
    pub fn reference_of(&self, cell: &CellId, tolerance: f64) -> Option<Reference> {
        Reference::new(
            self.measured.values(cell),
            self.measured.higher_is_better(cell),
            tolerance,
            self.pairing.get(&cell.to_string()).copied().unwrap_or(0.0),
        )
    }
}

/// The cell that a gate watches.
pub fn cell(gate: &ResolvedGate) -> CellId {
    CellId {
        row: gate.row.clone(),
        column: gate.column.clone(),
        metric: gate.metric.clone(),
    }
}

/// The JSON Schema of the format.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Baseline).to_value()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measured::tests::measured;

    pub fn recorded() -> Recorded {
        Recorded {
            time: "2026-11-30T01:02:03Z".into(),
            commit: "1a2b".into(),
            tree: "clean".into(),
            version: "0.1.0".into(),
            environment: "cpu x86_64 plain".into(),
        }
    }

    pub fn gate(tolerance: f64) -> ResolvedGate {
        ResolvedGate {
            id: "m-holds".into(),
            row: "m".into(),
            column: "d/p".into(),
            metric: "accuracy".into(),
            tolerance,
            why: "a test".into(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_a_move_keeps_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), "one", "nightly");
        assert_eq!(Baseline::read(&path, "one", "nightly").unwrap(), None);
        let mut old = Baseline::new(measured(&[(1, 0.5), (2, 0.1 + 0.2), (3, 0.25)]), recorded());
        old.pairing = [("m on d/p accuracy", 0.5), ("gone on d/p accuracy", 0.5)]
            .map(|(cell, r)| (cell.to_string(), r))
            .into();
        old.write(&path).unwrap();
        let read = Baseline::read(&path, "one", "nightly").unwrap().unwrap();
        assert_eq!(read, old);
        let new = Baseline::new(measured(&[(1, 0.75), (2, 0.75), (3, 0.75)]), recorded());
        assert_ne!(new.id(), old.id());
        let moved = old.moved(new, "a better loss", &[gate(0.0)]);
        assert_eq!(moved.moves.len(), 1);
        let pairing = BTreeMap::from([("m on d/p accuracy".to_string(), 0.5)]);
        assert_eq!(moved.pairing, pairing, "of what is still measured");
        assert_eq!(moved.reference(&gate(0.0)).unwrap().correlation, 0.5);
        let (was, is) = moved.moves[0].means["m on d/p accuracy"];
        assert!((was.unwrap() - 0.35).abs() < 1e-12);
        assert_eq!(is, Some(0.75));
    }

    #[test]
    fn files_that_are_none_of_it_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), "one", "nightly");
        let why = || {
            let read = Baseline::read(&path, "one", "nightly");
            read.unwrap_err().to_string()
        };
        std::fs::write(&path, "{\n \"schema\": 1}").unwrap();
        assert!(why().contains("one-nightly.json:2:"), "{}", why());
        let mut baseline = Baseline::new(measured(&[(1, 0.5)]), recorded());
        baseline.measured.suite = "two".into();
        baseline.write(&path).unwrap();
        assert!(why().contains("the baseline of `two`"), "{}", why());
        baseline.measured.suite = "one".into();
        baseline.schema = 2;
        baseline.write(&path).unwrap();
        assert!(why().contains("schema 2; this build reads 1"), "{}", why());
        baseline.schema = 1;
        baseline.pairing.insert("m on d/p accuracy".into(), 1.5);
        baseline.write(&path).unwrap();
        assert!(why().contains("is 1.5"), "{}", why());
    }

    #[test]
    fn the_schema_names_every_part() {
        let text = schema().to_string();
        for part in ["recorded", "moves", "pairing", "measured", "comparison"] {
            assert!(text.contains(part), "{part}");
        }
    }
}
