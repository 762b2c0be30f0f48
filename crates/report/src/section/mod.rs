//! The sections of a report: one file each, and a line of [`SECTIONS`].

mod ablations;
mod analysis;
mod answer;
mod attention;
mod claims;
mod curves;
mod data;
mod det;
mod labels;
mod protocols;
mod published;
mod recipes;
mod results;
mod runs;
mod scores;
mod search;

use super::Report;
use super::block::{Address, Block, Text};
use super::citation;
use super::model::Paper;
use serde::Serialize;

/// Address within the page, short name, heading, and what makes its blocks.
type Section = (&'static str, &'static str, &'static str, Blocks);
type Blocks = fn(&Report) -> Vec<Block>;

/// In the order of the report; a section without blocks is left out.
#[rustfmt::skip]
const SECTIONS: &[Section] = &[
    ("answer", "Answer", "Answer", answer::blocks),
    ("claims", "Claims", "Claims", claims::blocks),
    ("results", "Results", "Results", results::blocks),
    ("protocols", "Protocols", "Protocol by protocol", protocols::blocks),
    ("ablations", "Ablations", "Ablations", ablations::blocks),
    ("labels", "Wrong labels", "Wrong labels", labels::blocks),
    ("attention", "Attention", "Where networks look", attention::blocks),
    ("det", "DET", "Detection error trade-off", det::blocks),
    ("scores", "Scores", "Scores", scores::blocks),
    ("search", "Search", "Search", search::blocks),
    ("curves", "Curves", "Curves", curves::blocks),
    ("published", "Published", "Published numbers", published::blocks),
    ("analysis", "Analysis", "Analysis", analysis::blocks),
    ("data", "Data", "Data", data::blocks),
    ("recipes", "Recipes", "Recipes", recipes::blocks),
    ("runs", "Runs", "Runs", runs::blocks),
];

/// A whole report as renderers take it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Page {
    pub title: String,
    pub profile: String,
    pub kicker: Text,
    /// The publication that the suite is about; may be empty.
    pub paper: Text,
    pub chapters: Vec<Chapter>,
}

/// A section with its blocks.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chapter {
    pub id: &'static str,
    pub short: &'static str,
    pub title: &'static str,
    pub blocks: Vec<Block>,
}

impl Page {
    pub fn of(report: &Report) -> Page {
        let suite = &report.input.suite;
        let chapters = SECTIONS.iter().map(|&(id, short, title, blocks)| Chapter {
            id,
            short,
            title,
            blocks: blocks(report),
        });
        Page {
            title: suite.title.clone(),
            profile: suite.profile.clone(),
            kicker: Text::from("frbench report · suite ")
                .strong(&suite.name)
                .plain(" · profile ")
                .strong(&suite.profile),
            paper: paper(&suite.paper),
            chapters: chapters.filter(|c| !c.blocks.is_empty()).collect(),
        }
    }
}

fn paper(paper: &Paper) -> Text {
    let mut text = Text::new().cite(&paper.title);
    for part in [citation::authors(paper), citation::venue(paper)] {
        if !part.is_empty() {
            text = text.plain(format!(" {part}."));
        }
    }
    for (what, base, id) in [
        ("arXiv", "https://arxiv.org/abs/", &paper.arxiv),
        ("doi", "https://doi.org/", &paper.doi),
    ] {
        if let Some(id) = id.as_ref().filter(|id| !id.is_empty()) {
            let address = Address::publication(base, id);
            text = text.plain(" ").link(format!("{what}:{id}"), Some(address));
        }
    }
    text
}
