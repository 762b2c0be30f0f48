//! ROC of each protocol, and losses over epochs.

use super::super::Report;
use super::super::block::{Block, Figure, Plots};
use super::super::plots;

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    let roc = plots::roc(&r.input);
    if !roc.is_empty() {
        blocks.push(Block::heading(3, "ROC", ""));
        blocks.push(Block::Plots(Plots {
            wide: true,
            figures: roc,
        }));
    }
    let trained = r
        .input
        .groups(|row| row.runs.iter().any(|run| !run.curve.is_empty()));
    if trained.is_empty() {
        return blocks;
    }
    blocks.push(Block::heading(3, "Training loss", ""));
    for (condition, rows) in trained {
        if !condition.is_empty() {
            blocks.push(Block::heading(4, condition, ""));
        }
        let figures: Vec<Figure> = rows
            .into_iter()
            .map(|i| plots::training(&r.input.rows[i]))
            .collect();
        blocks.push(Block::Plots(Plots {
            wide: false,
            figures,
        }));
    }
    blocks.push(Block::fine(
        "Losses of different methods are different quantities: each plot has its own axis.",
    ));
    blocks
}
