//! The suite's claims, their verdicts and where they come from.

use super::super::Report;
use super::super::block::{Address, Block, Callout, Place, Text};
use super::super::format::Unit;
use super::super::model::{Claim, Role};
use std::collections::{BTreeMap, BTreeSet};

const RULE: &str = "Reproduced: the interval of the difference lies above 0, and the difference reaches the margin. Contradicted: the interval lies below 0. Equivalent: two one-sided tests at 5 % show that the difference is smaller than the margin. Undecided: none of these, and always with fewer than three seeds. Differences are paired by training seed, on the same test people; their error is that of other seeds and other people. The paper’s question is tested first, other primary claims after it and together (Holm), and the interval beside a verdict has the level that the verdict was reached at. Exploratory claims are judged each by itself, at 95 %.";

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let claims = r.input.claims.iter().zip(&r.derived.claims);
    let callouts: Vec<Callout> = claims
        .zip(places(r))
        .map(|((claim, result), place)| {
            let mut statement = Text::from(claim.text.as_str());
            statement = statement.plain(" ").tag(result.family.words());
            let mut finding = Text::from(result.sentence.as_str());
            if let Some(c) = r.input.column(&claim.on) {
                let all = format!("All rows on {}", r.input.columns[c].label);
                finding = finding.see(all, Place::of_column(c), "");
            }
            Callout {
                place,
                verdict: result.verdict,
                statement,
                source: terms(r, claim),
                finding,
            }
        })
        .collect();
    if callouts.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Callouts(callouts),
        Block::fine(format!("{RULE}{}", teacher(r))),
    ]
}

/// What verdicts say nothing about where there is one teacher.
fn teacher(r: &Report) -> &'static str {
    let mut teachers = r.input.rows.iter().filter(|row| row.role == Role::Teacher);
    match teachers.any(|row| row.runs.len() == 1) {
        true => {
            " The teacher is one network and held fixed: what is learnt from another training of it \
             may differ."
        }
        false => "",
    }
}

/// Where the claim is made, and on what terms it is judged.
fn terms(r: &Report, claim: &Claim) -> Text {
    let mut text = Text::new();
    if !claim.source.is_empty() {
        text = text
            .plain("Source: ")
            .link(&claim.source, Address::web(&claim.source))
            .plain(". ");
    }
    let column = r.input.column(&claim.on);
    let unit = Unit::of(column.map_or("", |c| &r.input.columns[c].unit));
    let stated = |text: &str| text.trim_end_matches('.').to_string();
    let margin = match claim.margin > 0.0 {
        true => format!("Margin: {} {}", unit.value(claim.margin), unit.difference),
        false => "No margin is stated".to_string(),
    };
    let from = match claim.margin_source.as_str() {
        "" => String::new(),
        source => format!(", {}", stated(source)),
    };
    text = text.plain(format!("{}{from}.", margin.trim_end()));
    match claim.why.as_str() {
        "" => text,
        why => text.plain(format!(" Column: {}.", stated(why))),
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
