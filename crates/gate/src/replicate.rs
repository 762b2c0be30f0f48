//! A suite with one seed for everything, run as a whole.

use crate::collect::{Collected, collect};
use frbench_base::Result;
use frbench_harness::plan::Round;
use frbench_harness::run::executors::Executor;
use frbench_harness::run::{Failures, Observer, Options, Program, Stop, Store, outlook, scheduler};
use frbench_harness::suite::Resolved;

/// The suite with this seed alone. Teachers are trained with it, too: what one teacher gives to all
/// of its students is no spread between seeds.
pub fn with_seed(suite: &Resolved, seed: u64) -> Resolved {
    let mut suite = suite.clone();
    for row in &mut suite.rows {
        // A row without seeds is shown and not run, and a network from a file has none.
        if row.trained().is_some() && !row.seeds.is_empty() {
            row.seeds = vec![seed];
            row.first_seed = seed;
        }
    }
    suite
}

/// The seeds of a night: as many as the profile has.
pub fn seeds_per_night(suite: &Resolved) -> usize {
    let trained = suite.rows.iter().filter(|r| r.trained().is_some());
    trained.map(|r| r.seeds.len()).max().unwrap_or(1).max(1)
}

/// What runs the jobs of a suite.
pub struct Rig<'a> {
    pub program: &'a Program,
    pub store: &'a Store,
    pub options: &'a Options,
    pub observer: &'a dyn Observer,
    pub stop: &'a Stop,
    pub executor: Executor,
}

impl Rig<'_> {
    /// Trains and scores the suite with this seed, as far as that is not done.
    ///
    /// # Errors
    /// As [`scheduler::execute`] and [`collect`].
    pub fn run(&self, suite: &Resolved, seed: u64) -> Result<Collected> {
        let one = with_seed(suite, seed);
        let Rig {
            program,
            store,
            options,
            observer,
            stop,
            executor,
        } = *self;
        let outcome = scheduler::execute(&one, program, store, options, observer, stop, executor)?;
        collect(&outcome, seed)
    }

    /// The jobs of the suite with this seed, as far as the data sets that are there let them be
    /// foreseen.
    ///
    /// # Errors
    /// As [`outlook`].
    pub fn outlook(&self, suite: &Resolved, seed: u64) -> Result<Round> {
        let one = with_seed(suite, seed);
        outlook(&one, &self.program.code, self.store, &Failures::default())
    }
}
