//! Histograms of genuine and impostor scores, one of each row on each set and protocol that has them.

use super::super::Report;
use super::super::block::{Block, Plots, Text};
use super::super::plots;

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let columns = plots::histograms(&r.input);
    if columns.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::fine(
        "How scores are spread, of the first seed of each row, as shares of each kind in bins. Of pairs, \
         genuine and impostor ones; of a search with strangers, a known probe with its mate (genuine) and \
         a stranger with whom it is most like (impostor). Scores are those that the protocol compares with \
         thresholds; those of two protocols are on different scales.",
    )];
    blocks.extend(columns.into_iter().map(|(title, protocol, figures)| {
        let summary = Text::from(title).soft(format!(" {protocol}"));
        let wide = false;
        Block::details(summary, vec![Block::Plots(Plots { wide, figures })])
    }));
    blocks
}
