//! Celebrities in Frontal-Profile as its authors give it out: ten splits, each with the pairs of
//! one person and of two, as numbers of two lists of images.

use super::listed::Listed;
use super::open::{Reader, any_ends, role};
use super::pairs::assemble;
use super::{DataSet, Files, Findings, IDENTITIES, LANDMARKS, bad};
use crate::list::{self, ListedPair, Text};
use crate::walk::walk;
use crate::watch::Watch;
use frbench_base::{Error, Result};
use frbench_job::{DataFormat, Rules};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) static SPLITS: Reader = Reader {
    name: "CFP's protocol",
    format: DataFormat::Pairs,
    wants: "Protocol/Pair_list_F.txt, Protocol/Pair_list_P.txt, Protocol/Split/FP/ (frontal \
            against profile) or Protocol/Split/FF/, and the folder Data/",
    recognises: |names| any_ends(names, FRONTAL),
    takes: |n| {
        let lists = n.ends_with(FRONTAL) || n.ends_with(PROFILE);
        lists || n.ends_with("Split/FP/") || n == "Data/"
    },
    optional: &[IDENTITIES, LANDMARKS],
    open,
};

const FRONTAL: &str = "Pair_list_F.txt";
const PROFILE: &str = "Pair_list_P.txt";

fn open(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let splits = role(files, "Protocol/Split/FP/ or Protocol/Split/FF/", |n| {
        n.ends_with("/FP/") || n.ends_with("/FF/")
    })?;
    let images = |suffix: &str| -> Result<BTreeMap<u32, String>> {
        let path = role(files, suffix, |n| n.ends_with(suffix))?;
        list::parse_numbered(Text::watched(&list::read(&path)?, watch), &path)
    };
    let frontal = images(FRONTAL)?;
    let second = match splits.ends_with("FP") {
        true => images(PROFILE)?,
        false => frontal.clone(),
    };
    let mut pairs = Vec::new();
    for (fold, dir) in folds(&splits, watch)?.iter().enumerate() {
        for (name, same) in [("same.txt", true), ("diff.txt", false)] {
            let path = dir.join(name);
            let text = list::read(&path)?;
            for (line, a, b) in list::parse_number_pairs(Text::watched(&text, watch), &path)? {
                let image = |of: &BTreeMap<u32, String>, n: u32| {
                    let unknown =
                        || Error::Data(format!("{}:{line}: there is no image {n}", path.display()));
                    of.get(&n).cloned().ok_or_else(unknown)
                };
                let (first, second) = (image(&frontal, a)?, image(&second, b)?);
                pairs.push(ListedPair {
                    people: person(&first).zip(person(&second)),
                    first,
                    second,
                    same,
                    group: None,
                    fold: Some(fold as u32),
                    place: format!("line {line} of {}", path.display()),
                });
            }
        }
    }
    let listed = Listed::in_order(pairs, Findings::default());
    assemble(files, &splits, listed, rules, watch)
}

/// The folders of the splits, in the order of their names.
fn folds(splits: &Path, watch: Watch) -> Result<Vec<PathBuf>> {
    let found = walk(splits, watch)?.folders;
    let top = found.iter().filter(|f| f.components().count() == 1);
    let folders: Vec<PathBuf> = top.map(|f| splits.join(f)).collect();
    match folders.is_empty() {
        true => bad(splits, "holds no split, want the folders 01, 02, ..."),
        false => Ok(folders),
    }
}

/// The folder of the person: `Images/001/frontal/01.jpg` is person 001.
fn person(path: &str) -> Option<String> {
    let mut folders = path.rsplit('/').skip(2);
    folders.next().map(str::to_string)
}
