//! Whether new code gives the same bits twice.
//!
//! There is nothing that the bits of new code could be held against: the baseline is of other code,
//! and later nights find done what this one has computed. So one network of the night is trained and
//! scored a second time, in a folder that goes when that is done. Rows take turns from code to code.
//! A student's teacher is trained again with it, so that an unsteady teacher shows in its student.
//! Where the code that scores is new and that of no network, nothing is made twice.

use super::Night;
use crate::collect::Collected;
use crate::compare::compare;
use crate::measured::Run;
use crate::replicate::Rig;
use frbench_base::{Error, Result};
use frbench_harness::plan::select::{Selection, select};
use frbench_harness::run::Store;
use std::fs::File;
use std::path::Path;

/// What the names of such folders begin with, and the file that is locked as long as one is used.
const PREFIX: &str = "again-";
const LOCK: &str = "lock";

/// Removes the folders of nights that were killed.
fn sweep(runs: &Path) -> Result<()> {
    for entry in std::fs::read_dir(runs).map_err(|e| Error::io(runs, e))? {
        let entry = entry.map_err(|e| Error::io(runs, e))?;
        let is_one = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // Without a lock it is being made.
        let lock = File::open(entry.path().join(LOCK)).ok().filter(|_| is_one);
        if lock.is_some_and(|lock| lock.try_lock().is_ok()) {
            let path = entry.path();
            std::fs::remove_dir_all(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    Ok(())
}

/// Locks a folder. The lock has its name once it is held, so that no other night takes it for free.
fn hold(folder: &Path) -> std::io::Result<File> {
    let unnamed = folder.join("lock.new");
    let file = File::create(&unnamed)?;
    file.lock()?;
    std::fs::rename(&unnamed, folder.join(LOCK))?;
    Ok(file)
}

impl Night<'_> {
    /// Makes the network again whose turn it is of those with the first seed of the night; none
    /// where a night of this code did not fail, or it has not made any.
    ///
    /// # Errors
    /// As [`Night::begin`].
    pub(super) fn twice(&mut self) -> Result<()> {
        let baseline = self.context.baseline.id();
        if self.context.history.has_passed(&baseline, &self.code) {
            return Ok(());
        }
        let Some(run) = self.in_turn() else {
            return Ok(());
        };
        let (row, seed) = (run.row.clone(), run.seed);
        match self.again(&row, seed) {
            Ok(more) => {
                self.bits = compare(&self.collected.measured, &more.measured).bits;
                self.twice = Some(format!("{row} seed {seed}"));
                self.collected.add_problems(more.problems);
                Ok(())
            }
            Err(e) => self.stopped_by(e, format!("{row} seed {seed}, made again")),
        }
    }

    fn in_turn(&self) -> Option<&Run> {
        let baseline = &self.context.baseline.measured;
        let new = |run: &&Run| {
            let listed = self.context.suite.rows.iter().find(|r| r.id == run.row);
            let then = baseline.run(&run.row, run.seed);
            listed.is_some_and(|r| r.listed && r.trained().is_some())
                && !run.model.is_empty()
                && (self.is_elsewhere() || then.is_none_or(|then| then.key != run.key))
        };
        let first = self.order.first().filter(|_| self.seeds > 0)?;
        let runs = self.collected.measured.runs.iter();
        let runs: Vec<&Run> = runs.filter(|r| r.seed == *first).filter(new).collect();
        runs.get(self.turn % runs.len().max(1)).copied()
    }

    fn again(&self, row: &str, seed: u64) -> Result<Collected> {
        let rig = self.context.rig;
        let runs = rig.store.runs();
        sweep(runs)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(runs);
        let folder = folder.map_err(|e| Error::io(runs, e))?;
        let _held = hold(folder.path()).map_err(|e| Error::io(folder.path(), e))?;
        let only = Selection {
            only: vec![row.to_string()],
            seeds: Vec::new(),
        };
        let one = select(self.context.suite.clone(), &only)?;
        let store = Store::new(rig.store.data_root(), folder.path());
        let rig = Rig {
            store: &store,
            ..*rig
        };
        rig.run(&one, seed)
    }
}
