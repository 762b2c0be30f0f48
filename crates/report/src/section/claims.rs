//! The suite's claims, their verdicts and where they come from.

use super::super::Report;
use super::super::block::{Address, Block, Callout, Place, Text};
use std::collections::{BTreeMap, BTreeSet};

const RULE: &str = "Reproduced: the whole 95 % interval of the difference, paired by training seed, lies above the claimed margin. Contradicted: it lies below the margin on the other side. Inconclusive: anything else, and always with fewer than three seeds.";

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let claims = r.input.claims.iter().zip(&r.derived.claims);
    let callouts: Vec<Callout> = claims
        .zip(places(r))
        .map(|((claim, result), place)| {
            let mut statement = Text::from(claim.text.as_str());
            if claim.question {
                statement = statement.plain(" ").tag("the paper’s question");
            }
            let mut finding = Text::from(result.sentence.as_str());
            if let Some(c) = r.input.columns.iter().position(|c| c.id == claim.on) {
                let all = format!("All rows on {}", r.input.columns[c].label);
                finding = finding.see(all, Place::of_column(c), "");
            }
            Callout {
                place,
                verdict: result.verdict,
                statement,
                source: source(&claim.source),
                finding,
            }
        })
        .collect();
    if callouts.is_empty() {
        return Vec::new();
    }
    vec![Block::Callouts(callouts), Block::fine(RULE)]
}

fn source(source: &str) -> Text {
    match source {
        "" => Text::new(),
        source => Text::from("Source: ").link(source, Address::web(source)),
    }
}

/// Where each claim stands, such as `claim-relations-help-1`: one under several conditions, or on
/// several columns, is judged in each.
pub(super) fn places(r: &Report) -> Vec<Place> {
    let (mut taken, mut numbers) = (BTreeSet::new(), BTreeMap::new());
    let mut place = |id: &str| {
        let last: &mut usize = numbers.entry(Place::named(id)).or_default();
        loop {
            *last += 1;
            let place = Place::named(&format!("claim-{id}-{last}"));
            if taken.insert(place.clone()) {
                break place;
            }
        }
    };
    r.input.claims.iter().map(|c| place(&c.id)).collect()
}
