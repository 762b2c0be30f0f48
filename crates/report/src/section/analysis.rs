//! What the suite says about itself.

use super::super::Report;
use super::super::block::Block;
use super::super::prose;

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    prose::blocks(&r.input.suite.analysis)
}
