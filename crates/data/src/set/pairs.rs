//! Sets of pairs: packs, tables, and the lists of the field with their folder of images.

use super::absent::absent;
use super::listed::{Listed, Numbers, named_groups, read_listed};
use super::open::{Reader, any_ends, is_top_folder, names_from, only, role};
use super::{DataSet, Files, Findings, GROUPS, IDENTITIES, Images, LANDMARKS, bad};
use crate::align::Landmarks;
use crate::bin::BinReader;
use crate::list::{self, ListedPair, Text};
use crate::source::{AlignedSource, FileSource};
use crate::watch::{Steps, Watch};
use frbench_base::Result;
use frbench_job::description::PairData;
use frbench_job::{DataFormat, Description, Rules};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

pub(super) static PACK: Reader = Reader {
    name: "a verification pack",
    format: DataFormat::Pairs,
    wants: "a .bin file",
    recognises: |names| any_ends(names, ".bin"),
    takes: |n| n.ends_with(".bin"),
    optional: &[IDENTITIES, GROUPS],
    open: pack,
};

pub(super) static TABLE: Reader = Reader {
    name: "a table of pairs",
    format: DataFormat::Pairs,
    wants: "a .csv file with the columns `first,second,same` and perhaps `fold` and `group`, and the folder \
            of images that its paths are relative to",
    recognises: |names| any_ends(names, ".csv") && any_ends(names, "/"),
    takes: |n| n.ends_with(".csv") || is_top_folder(n),
    optional: &[IDENTITIES, LANDMARKS],
    open: table,
};

pub(super) static LIST: Reader = Reader {
    name: "a list of pairs as LFW, RFW, CALFW, CPLFW and AgeDB-30 have it",
    format: DataFormat::Pairs,
    wants: "a .txt file, and the folder of images that it names",
    recognises: |names| names.iter().any(|n| is_list(n)) && any_ends(names, "/"),
    takes: |n| is_list(n) || is_top_folder(n),
    optional: &[IDENTITIES, LANDMARKS],
    open: listed,
};

fn is_list(name: &str) -> bool {
    let list = name.ends_with(".txt") || name.ends_with(".list");
    list && ![IDENTITIES, GROUPS, LANDMARKS].contains(&name)
}

fn pack(files: &Files, _: &Rules, watch: Watch) -> Result<DataSet> {
    let path = only(files, "a .bin pack", |n| n.ends_with(".bin"))?;
    let reader = BinReader::open(&path)?;
    let mut data = PairData::packed(reader.same().to_vec());
    if let Some(path) = files.find(|n| n == GROUPS) {
        let groups = list::parse_groups(&path, data.same.len(), watch)?;
        data.groups = Some(named_groups(groups.iter()));
    }
    let findings = Findings::default();
    let place = |k: usize| format!("pair {k}");
    finish(files, Arc::new(reader), data, findings, &place, watch)
}

fn table(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let path = only(files, "a table of pairs", |n| n.ends_with(".csv"))?;
    assemble(files, &path, read_listed(&path, watch)?, rules, watch)
}

fn listed(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let path = only(files, "a list of pairs", is_list)?;
    assemble(files, &path, read_listed(&path, watch)?, rules, watch)
}

/// A set of listed pairs with their folder of images. Images are numbered as the list first names
/// them.
pub(super) fn assemble(
    files: &Files,
    path: &Path,
    mut list: Listed,
    rules: &Rules,
    watch: Watch,
) -> Result<DataSet> {
    let steps = Steps::new(watch);
    let mut findings = std::mem::take(&mut list.findings);
    let listed = &list.pairs;
    if listed.is_empty() {
        return bad(path, "lists no pair");
    }
    let root = role(files, "the folder of images", |n| {
        n.ends_with('/') && !n.contains("Split/")
    })?;
    let root = names_from(
        files,
        root,
        listed.iter().flat_map(|p| [&p.first, &p.second]),
    );
    // An image may be in many pairs; it is one image.
    let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
    let mut paths: Vec<String> = Vec::new();
    let mut pairs = Vec::with_capacity(listed.len());
    for pair in listed {
        steps.next()?;
        let [a, b] = [&pair.first, &pair.second].map(|name| {
            *numbers.entry(name).or_insert_with(|| {
                paths.push(name.clone());
                paths.len() as u32 - 1
            })
        });
        pairs.push((a, b));
    }
    let source = FileSource::new(&root, paths.clone(), None);
    // The number that each image keeps, where it is there.
    let part = (DataFormat::Pairs, "images");
    let gone = absent(&source, path, part, rules, &mut findings, watch)?;
    let gone: BTreeSet<u32> = gone.into_iter().collect();
    let mut next = 0..;
    let kept: Vec<Option<u32>> = (0..paths.len() as u32)
        .map(|i| (!gone.contains(&i)).then(|| next.next()).flatten())
        .collect();
    let there = |i: u32| kept[i as usize];
    let used: Vec<usize> = (0..paths.len()).filter(|i| kept[*i].is_some()).collect();
    let used_paths: Vec<String> = used.iter().map(|&i| paths[i].clone()).collect();
    let points = landmarks(files, &used_paths, watch)?;
    let source = FileSource::new(&root, used_paths, None);
    let wants_aligned = points.is_none() && !rules.aligned;
    let source: Images = match points {
        Some(points) => Arc::new(AlignedSource::new(source, points)),
        None => Arc::new(source),
    };
    let of = |name: &String| there(numbers[name.as_str()]);
    let both = |pair: &ListedPair| Ok(of(&pair.first).zip(of(&pair.second)));
    let data = list.data(path, used.len(), both)?;
    odd_pairs(listed, &pairs, &mut findings);
    let place = |k: usize| format!("{}: {}", path.display(), listed[list.order[k]].place);
    let mut set = finish(files, source, data, findings, &place, watch)?;
    set.wants_aligned = wants_aligned;
    Ok(set)
}

/// Published lists have such pairs, and published numbers contain them.
fn odd_pairs(listed: &[ListedPair], pairs: &[(u32, u32)], findings: &mut Findings) {
    let place = |k: usize| listed[k].place.clone();
    let all = || 0..listed.len();
    findings.odd(
        "pairs are of a picture with itself",
        all().filter(|&k| pairs[k].0 == pairs[k].1).map(place),
    );
    let mut seen: BTreeSet<(u32, u32)> = BTreeSet::new();
    findings.odd(
        "pairs are listed before already",
        all()
            .filter(|&k| !seen.insert((pairs[k].0.min(pairs[k].1), pairs[k].0.max(pairs[k].1))))
            .map(place),
    );
    let contradicts = |k: &usize| {
        let people = listed[*k].people.as_ref();
        people.is_some_and(|(a, b)| (a == b) != listed[*k].same)
    };
    findings.odd(
        "pairs say another thing than the names on them (one person on both sides of a pair of \
         different people, or two people in a pair of one); the people of pairs are taken as not known",
        all().filter(contradicts).map(place),
    );
}

/// Landmarks of each image, if the set has them: in pixels of the picture as it is stored.
fn landmarks(files: &Files, paths: &[String], watch: Watch) -> Result<Option<Vec<Landmarks>>> {
    let Some(path) = files.find(|n| n == LANDMARKS) else {
        return Ok(None);
    };
    let text = list::read(&path)?;
    let listed = list::parse_landmarks(Text::watched(&text, watch), &path)?;
    let of: BTreeMap<&str, _> = listed.iter().map(|d| (d.0.as_str(), d.1)).collect();
    if of.len() != listed.len() {
        return bad(&path, "lists an image twice");
    }
    let found = paths.iter().map(|p| match of.get(p.as_str()) {
        Some(points) => Ok(*points),
        None => bad(&path, format!("has no landmarks of `{p}`")),
    });
    found.collect::<Result<_>>().map(Some)
}

/// The set with the people of `identities.txt`, if it has one. `place` says where pair `k` is.
fn finish(
    files: &Files,
    source: Images,
    mut data: PairData,
    findings: Findings,
    place: &dyn Fn(usize) -> String,
    watch: Watch,
) -> Result<DataSet> {
    if let Some(path) = files.find(|n| n == IDENTITIES) {
        if data.pairs.iter().any(Option::is_none) {
            return bad(&path, "is one line an image, but images are missing");
        }
        let ids = list::parse_identities(&path, data.images, watch)?;
        let mut numbers = Numbers::default();
        let ids: Vec<u32> = ids.iter().map(|id| numbers.of(id)).collect();
        let people: Vec<(u32, u32)> = data
            .pairs
            .iter()
            .flatten()
            .map(|&(a, b)| (ids[a as usize], ids[b as usize]))
            .collect();
        let wrong = (0..people.len()).find(|&k| (people[k].0 == people[k].1) != data.same[k]);
        if let Some(k) = wrong {
            let said = if data.same[k] {
                "the same"
            } else {
                "not the same"
            };
            return bad(
                &path,
                format!(
                    "contradicts the label of pair {k} ({}), which says {said} person",
                    place(k)
                ),
            );
        }
        data.identities = Some(people);
    }
    Ok(DataSet {
        findings,
        ..DataSet::new(vec![("images", source)], Description::Pairs(data))
    })
}
