//! What a published number can be held against, before anything is measured.

use super::held::SHIPPED;
use super::model::{PublishedRow, Status};

/// What the program has of what a number can name. Each says whether a name is known.
pub struct Known<'a> {
    pub set: &'a dyn Fn(&str) -> bool,
    /// A kind of protocol and one of its rules, as `verification/ten-fold`.
    pub protocol: &'a dyn Fn(&str) -> bool,
    pub backbone: &'a dyn Fn(&str) -> bool,
}

/// The networks that a number can be held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The one that its source distributes.
    Distributed,
    /// Those of a training here.
    Trained,
}

/// What `row` can be held against.
///
/// # Errors
/// The first thing that is in the way.
pub fn comparable(row: &PublishedRow, known: &Known) -> Result<Against, &'static str> {
    match row.status {
        Status::Unavailable => return Err("declared and empty"),
        Status::Secondary => return Err("read at second hand"),
        Status::Verified => {}
    }
    if !(known.set)(&row.dataset) {
        return Err("its data set is not one of `frbench list datasets`");
    }
    // The kind alone is what a source says that does not state its rule.
    if !row.protocol.contains('/') {
        return Err("its source does not state the rule");
    }
    if !(known.protocol)(&row.protocol) {
        return Err("its rule is not one of `frbench list protocols`");
    }
    if row.backbone.is_empty() {
        return Err("its source does not state the network");
    }
    if !(known.backbone)(&row.backbone) {
        return Err("its network is not one of `frbench list backbones`");
    }
    match row.checkpoint.as_str() {
        SHIPPED => return Ok(Against::Distributed),
        "last" => {}
        "" => return Err("its source does not state which checkpoint was scored"),
        best if best.starts_with("best") => return Err("its checkpoint was chosen on test sets"),
        _ => return Err("its checkpoint rule is none of those here"),
    }
    // The first word is the set; what follows says what was done to it.
    let set = row.training_data.split(", ").next().unwrap_or_default();
    match (known.set)(set) {
        true => Ok(Against::Trained),
        false => Err("it is not trained on one of `frbench list datasets`"),
    }
}
