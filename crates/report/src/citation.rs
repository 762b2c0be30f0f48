//! A publication in words, as reports and `results.json` name it.

use frbench_harness::suite::model::Paper;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) fn authors(paper: &Paper) -> String {
    paper.authors.join(", ")
}

/// With the year, if the venue does not name it.
pub(super) fn venue(paper: &Paper) -> String {
    match (&paper.venue, paper.year) {
        (Some(venue), Some(year)) if !venue.contains(&year.to_string()) => {
            format!("{venue} {year}")
        }
        (Some(venue), _) => venue.clone(),
        _ => String::new(),
    }
}

#[derive(Serialize, Deserialize)]
struct Words {
    title: String,
    #[serde(default)]
    authors: String,
    #[serde(default)]
    venue: String,
    #[serde(default)]
    arxiv: Option<String>,
    #[serde(default)]
    doi: Option<String>,
}

pub(super) fn serialize<S: Serializer>(paper: &Paper, to: S) -> Result<S::Ok, S::Error> {
    let words = Words {
        title: paper.title.clone(),
        authors: authors(paper),
        venue: venue(paper),
        arxiv: paper.arxiv.clone(),
        doi: paper.doi.clone(),
    };
    words.serialize(to)
}

pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Paper, D::Error> {
    let words = Words::deserialize(from)?;
    let stated = |text: String| Some(text).filter(|t| !t.is_empty());
    Ok(Paper {
        title: words.title,
        authors: stated(words.authors).into_iter().collect(),
        venue: stated(words.venue),
        arxiv: words.arxiv,
        doi: words.doi,
        ..Paper::default()
    })
}
