//! The data sets that were used, with what identifies them.

use super::super::Report;
use super::super::block::{Block, Details, Text};
use super::super::model::DataSet;

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    r.input.data.iter().map(set).collect()
}

fn set(set: &DataSet) -> Block {
    let result = &set.result;
    let pinned = if set.pinned {
        "hash pinned"
    } else {
        "hash not pinned"
    };
    let notes = result.notes.iter().map(|n| Block::prose(n.as_str()));
    let mut blocks: Vec<Block> = notes.collect();
    let fact = |name: &str, value: Text| (Text::from(name), value);
    let mut facts = vec![
        fact("Pixels and labels", Text::new().code(&result.pixels_sha256)),
        fact("Decoder", result.decoder.as_str().into()),
    ];
    facts.extend(result.files.iter().map(|f| {
        let bytes = Text::from(format!("{} bytes ", f.bytes));
        fact(&f.path, bytes.code(&f.sha256))
    }));
    blocks.push(Block::Facts(facts));
    Block::Details(Details {
        summary: Text::new()
            .strong(&result.name)
            .plain(" ")
            .soft(size(set))
            .plain(" ")
            .tag(pinned),
        open: !result.notes.is_empty(),
        blocks,
    })
}

/// Counts and what they count, in words: `2400 images, 600 genuine pairs`.
fn size(set: &DataSet) -> String {
    let r = &set.result;
    let mut size = vec![format!("{} images", r.images)];
    if r.identities > 0 {
        size.push(format!("{} identities", r.identities));
    }
    let counts = r.counts.iter().filter(|(_, n)| **n > 0);
    size.extend(counts.map(|(name, n)| match name.as_str() {
        "genuine" => format!("{n} genuine pairs"),
        other => format!("{n} {}", other.replace('_', " ")),
    }));
    size.join(", ")
}
