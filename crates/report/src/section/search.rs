//! Searches: how far down a list the right person stands, and how often a stranger raises an alarm.

use super::super::Report;
use super::super::block::{Block, Plots};
use super::super::plots;

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let kinds = [
        (
            "Ranks",
            "share of probes that are found, over ranks (CMC)",
            plots::cmc(&r.input),
        ),
        (
            "Alarms",
            "share of known probes that are found at rank 1, over that of unknown ones that raise an alarm",
            plots::dir(&r.input),
        ),
    ];
    let wide = true;
    let kinds = kinds
        .into_iter()
        .filter(|(_, _, figures)| !figures.is_empty());
    kinds
        .flat_map(|(title, what, figures)| {
            let plots = Block::Plots(Plots { wide, figures });
            [Block::heading(3, title, what), plots]
        })
        .collect()
}
