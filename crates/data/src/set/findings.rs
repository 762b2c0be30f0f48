//! What was found while a set was read that results depend on: counted, with a few examples.

use crate::walk;
use frbench_base::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Examples that a message shows of each kind.
const EXAMPLES: usize = 3;

/// Oddities of a list, and what was left out or repaired.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings(Vec<Finding>);

#[derive(Clone, Debug, PartialEq)]
struct Finding {
    /// `pairs are listed twice`
    what: String,
    count: usize,
    examples: Vec<String>,
    odd: bool,
}

impl Findings {
    /// An oddity of a list, which is scored as it is listed unless the declaration is strict.
    pub fn odd(&mut self, what: &str, cases: impl IntoIterator<Item = String>) {
        self.add(what, cases, true);
    }

    /// Something that was left out, repaired or ignored.
    pub fn note(&mut self, what: &str, cases: impl IntoIterator<Item = String>) {
        self.add(what, cases, false);
    }

    /// A sentence about the set as a whole.
    pub fn say(&mut self, sentence: String) {
        self.whole(sentence, false);
    }

    /// What was found elsewhere, too.
    pub fn append(&mut self, others: &mut Findings) {
        self.0.append(&mut others.0);
    }

    /// What a walk over the folder `dir` followed and left out.
    pub fn walked(&mut self, dir: &Path, links: u64, ignored: &BTreeMap<String, u64>) {
        if links > 0 {
            self.say(format!("{}: {links} links were followed", dir.display()));
        }
        if !ignored.is_empty() {
            let what = walk::in_words(ignored);
            self.say(format!("{}: left out are {what}", dir.display()));
        }
    }

    /// An oddity of a list as a whole, in a sentence.
    pub fn say_odd(&mut self, sentence: String) {
        self.whole(sentence, true);
    }

    fn whole(&mut self, sentence: String, odd: bool) {
        self.0.push(Finding {
            what: sentence,
            count: 0,
            examples: Vec::new(),
            odd,
        });
    }

    fn add(&mut self, what: &str, cases: impl IntoIterator<Item = String>, odd: bool) {
        let mut cases = cases.into_iter();
        let examples: Vec<String> = cases.by_ref().take(EXAMPLES).collect();
        let count = examples.len() + cases.count();
        if count > 0 {
            let what = what.to_string();
            self.0.push(Finding {
                what,
                count,
                examples,
                odd,
            });
        }
    }

    /// A line each: `3 pairs are listed twice (line 4, line 9, ...)`.
    pub fn notes(&self) -> Vec<String> {
        self.0.iter().map(Finding::said).collect()
    }

    /// # Errors
    /// `Error::Data` with every oddity, for a declaration that is strict.
    pub fn refuse_odd(&self, path: &Path) -> Result<()> {
        let odd: Vec<String> = self.0.iter().filter(|f| f.odd).map(Finding::said).collect();
        match odd.is_empty() {
            true => Ok(()),
            false => Err(Error::Data(format!(
                "{}: {}; the declaration says `strict = true`",
                path.display(),
                odd.join("; ")
            ))),
        }
    }
}

impl Finding {
    fn said(&self) -> String {
        if self.count == 0 {
            return self.what.clone();
        }
        let more = if self.count > self.examples.len() {
            ", ..."
        } else {
            ""
        };
        let (count, what) = (self.count, &self.what);
        format!("{count} {what} ({}{more})", self.examples.join(", "))
    }
}
