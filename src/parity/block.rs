//! `block/*`: parts of a backbone on their own, in evaluation mode.

use super::{Family, Operation, lookup};

pub(super) const FAMILY: Family = Family {
    name: "block",
    find: |name| lookup(OPERATIONS, name),
    operations: || OPERATIONS.iter().map(|o| o.0).collect(),
};

/// Every block and what runs it: one line each.
static OPERATIONS: &[Operation] = &[];
