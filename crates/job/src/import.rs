//! What a network is that was trained elsewhere: a file of weights, and how images enter it.

use crate::{BackboneSpec, InputSpec};
use serde::{Deserialize, Serialize};

/// Reading the network of a file. The job leaves it as a training does, so that whatever builds on
/// a network need not know where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportSpec {
    /// sha256 of the file.
    pub file: String,
    pub backbone: BackboneSpec,
    pub input: InputSpec,
}
