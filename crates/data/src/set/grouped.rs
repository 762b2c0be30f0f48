//! Sets of pairs in groups, a list for each: Racial Faces in the Wild.

use super::listed::{Listed, read_listed};
use super::open::{Reader, any_ends};
use super::{DataSet, Files, Findings, bad, pairs};
use crate::list::ListedPair;
use crate::watch::Watch;
use frbench_base::Result;
use frbench_job::{DataFormat, Rules};
use std::path::Path;

pub(super) static LISTS: Reader = Reader {
    name: "RFW with all of its groups",
    format: DataFormat::Pairs,
    wants: "two or more lists GROUP_pairs.txt (txts/African/African_pairs.txt, ...), lines as in LFW's \
            pairs.txt, and the folder data/ with a folder of images for each group",
    recognises: |names| {
        names.iter().filter(|n| n.ends_with(LIST)).count() > 1 && any_ends(names, "/")
    },
    takes: |n| n.ends_with(LIST) || n == "data/",
    optional: &[super::LANDMARKS],
    open,
};

const LIST: &str = "_pairs.txt";

fn open(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let root = files.find(|n| n.ends_with('/'));
    let lists: Vec<&String> = files.names.iter().filter(|n| n.ends_with(LIST)).collect();
    let mut findings = Findings::default();
    let mut all: Vec<ListedPair> = Vec::new();
    for name in lists {
        let path = files.dir.join(name);
        let file = name.rsplit('/').next().unwrap_or(name);
        let group = file.strip_suffix(LIST).unwrap_or(file);
        if all.iter().any(|p| p.group.as_deref() == Some(group)) {
            return bad(&path, format!("is another list of the group {group}"));
        }
        let mut list = read_listed(&path, watch)?;
        findings.append(&mut list.findings);
        let below = has_folder(root.as_deref(), group);
        let place = |image: &str| match below {
            true => format!("{group}/{image}"),
            false => image.to_string(),
        };
        all.extend(list.taken().map(|pair| ListedPair {
            first: place(&pair.first),
            second: place(&pair.second),
            group: Some(group.to_string()),
            place: format!("{} of {name}", pair.place),
            ..pair.clone()
        }));
    }
    let all = Listed::in_order(all, findings);
    pairs::assemble(files, &files.dir, all, rules, watch)
}

/// Whether the images of a group lie in a folder of its name.
fn has_folder(root: Option<&Path>, group: &str) -> bool {
    root.is_some_and(|root| root.join(group).is_dir())
}
