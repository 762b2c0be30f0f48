//! Recipes: what profiles of several suites have in common, in files of their own.

use super::check::{self, suggest};
use super::source::{At, Source};
use super::tree::{self, Node, Table};
use frbench_base::Result;

/// What the files of recipes of a suite state; spans are those of the suite's source.
#[derive(Default)]
pub(super) struct Recipes {
    recipes: Table,
    pub protocols: Table,
}

impl Recipes {
    /// Reads all files; of two things of one name, that of the first file counts.
    ///
    /// # Errors
    /// A file that is none of recipes; the error points into it.
    pub fn read(source: &Source) -> Result<Recipes> {
        let mut out = Recipes::default();
        for (start, file) in source.files() {
            let root = tree::parse(file)?;
            check::recipes(file, &root)?;
            let root = root.moved(start);
            for (key, all) in [
                ("recipe", &mut out.recipes),
                ("protocol", &mut out.protocols),
            ] {
                add(all, root.get(key).map_or(&[], Node::table));
            }
        }
        Ok(out)
    }

    /// The recipe that a profile names.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, source: &Source, wanted: &At<String>) -> Result<&Node> {
        let found = self
            .recipes
            .iter()
            .find(|(name, _)| name.value == wanted.value);
        found.map(|(_, recipe)| recipe).ok_or_else(|| {
            let files: Vec<&str> = source.recipes.iter().map(|f| f.name.as_str()).collect();
            let known = self.recipes.iter().map(|(name, _)| name.as_str());
            source.error(
                &wanted.span,
                format_args!(
                    "no recipe `{}` in {}; {}",
                    wanted.value,
                    files.join(" or "),
                    suggest(wanted, known)
                ),
            )
        })
    }
}

/// Adds the pairs of `more` whose names are not taken.
pub(super) fn add(all: &mut Table, more: &[(At<String>, Node)]) {
    for (name, node) in more {
        if all.iter().all(|(n, _)| n.value != name.value) {
            all.push((name.clone(), node.clone()));
        }
    }
}
