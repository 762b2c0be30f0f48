//! What is said of a row: in a resolved suite, in its plan and in its report.

use super::super::model::Role;
use serde::{Deserialize, Serialize};

/// What a row is called, and what it is to the others. Rows of resolved suites, plans and reports hold
/// it and dereference to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowInfo {
    /// The entry's id; with a matrix, `coupleface:k=10,...`; under a condition, `coupleface@noisy`.
    pub id: String,
    pub label: String,
    pub role: Role,
    /// Ablations of one group share a table, such as `mining`: the entry of rows of a matrix.
    #[serde(default)]
    pub group: String,
    /// Id of the row that it varies and is held against; the first method where absent.
    #[serde(default)]
    pub of: Option<String>,
    #[serde(default)]
    pub note: String,
    /// Label of the condition that it runs under, such as `C30`: rows of one condition are compared
    /// with each other. Empty where nothing was done, or where a teacher serves all conditions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// What tables of published numbers call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<String>,
}
