//! Detection error trade-off: FNMR over FMR of each set that is scored with rates of errors.

use super::super::Report;
use super::super::block::{Block, Plots};
use super::super::plots;

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let figures = plots::det(&r.input);
    if figures.is_empty() {
        return Vec::new();
    }
    let wide = true;
    vec![
        Block::fine(
            "Lower is better. Both axes are logarithmic; thresholds without an error are on neither.",
        ),
        Block::Plots(Plots { wide, figures }),
    ]
}
