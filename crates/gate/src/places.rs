//! Where a suite says what a night judges.

use crate::findings::{CellFinding, ClaimFinding};
use std::collections::BTreeMap;
use std::fmt;

/// A line of a file, counted from 1; as text `suites/heads.toml:413`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The places of a suite under one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub suite: Place,
    /// By the ids of gates, of claims and of columns.
    pub gates: BTreeMap<String, Place>,
    pub claims: BTreeMap<String, Place>,
    pub columns: BTreeMap<String, Place>,
}

impl Places {
    /// That of the gate which watches a value, else of its column, else of the suite.
    pub fn cell(&self, c: &CellFinding) -> &Place {
        let gate = c.gate.as_ref().and_then(|id| self.gates.get(id));
        gate.or_else(|| self.columns.get(&c.cell.column))
            .unwrap_or(&self.suite)
    }

    pub fn claim(&self, c: &ClaimFinding) -> &Place {
        self.claims.get(&c.id).unwrap_or(&self.suite)
    }
}
