//! Sets of pairs: packs, tables, and the lists of the field with their folder of images.

use super::absent::absent;
use super::open::{Reader, any_ends, is_top_folder, only, role};
use super::{DataSet, Files, Findings, IDENTITIES, Images, LANDMARKS, bad};
use crate::align::Landmarks;
use crate::bin::BinReader;
use crate::list::{self, ListedPair, Text};
use crate::source::{AlignedSource, FileSource};
use crate::watch::{Steps, Watch};
use frbench_base::Result;
use frbench_job::description::{PairData, PairGroups};
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
    optional: &[IDENTITIES],
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
    list && name != IDENTITIES && name != LANDMARKS
}

fn pack(files: &Files, _: &Rules, watch: Watch) -> Result<DataSet> {
    let path = only(files, "a .bin pack", |n| n.ends_with(".bin"))?;
    let reader = BinReader::open(&path)?;
    let data = PairData::packed(reader.same().to_vec());
    let findings = Findings::default();
    let place = |k: usize| format!("pair {k}");
    finish(files, Arc::new(reader), data, findings, &place, watch)
}

fn table(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let path = only(files, "a table of pairs", |n| n.ends_with(".csv"))?;
    let text = list::read(&path)?;
    let table = list::parse_pair_table(Text::watched(&text, watch), &path)?;
    let mut findings = Findings::default();
    let order = order(&path, &table.pairs, &mut findings);
    if !table.unread.is_empty() {
        findings.say(format!(
            "{}: not read are the columns {}",
            path.display(),
            table.unread.join(", ")
        ));
    }
    assemble(files, &path, table.pairs, &order, findings, rules, watch)
}

fn listed(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let path = only(files, "a list of pairs", is_list)?;
    let mut findings = Findings::default();
    let list = list::parse_pair_list(Text::watched(&list::read(&path)?, watch), &path)?;
    if let Some((line, announced)) = list.announced.filter(|a| a.1 != list.pairs.len()) {
        findings.say_odd(format!(
            "line {line} of {} announces {announced} pairs, and {} are listed",
            path.display(),
            list.pairs.len()
        ));
    }
    let order = order(&path, &list.pairs, &mut findings);
    assemble(files, &path, list.pairs, &order, findings, rules, watch)
}

/// The order in which pairs are taken: that of the list, or in turns where it is ordered by class.
pub(super) fn order(path: &Path, pairs: &[ListedPair], findings: &mut Findings) -> Vec<usize> {
    if !by_class(pairs) {
        return (0..pairs.len()).collect();
    }
    findings.say(format!(
        "{} is ordered by class, so that its blocks would be folds of one kind of pair: genuine \
         and impostor pairs are taken in turns",
        path.display()
    ));
    in_turns(pairs)
}

/// Whether a list names its images from the folder of the set on, and not from the folder of
/// images `root` in it: all names begin with that folder's.
fn from_set(dir: &Path, root: &Path, listed: &[ListedPair]) -> bool {
    let Some(folder) = root.strip_prefix(dir).ok().and_then(Path::to_str) else {
        return false;
    };
    let folder = format!("{}/", folder.trim_matches('/'));
    let names = listed.iter().flat_map(|p| [&p.first, &p.second]);
    folder.len() > 1 && names.into_iter().all(|name| name.starts_with(&folder))
}

/// Whether all genuine pairs come before all impostor pairs, or after them, and no fold is
/// stated.
pub fn by_class(pairs: &[ListedPair]) -> bool {
    let changes = pairs.windows(2).filter(|w| w[0].same != w[1].same).count();
    changes == 1 && pairs.len() > 2 && pairs.iter().all(|p| p.fold.is_none())
}

/// An order in which genuine and impostor pairs are spread evenly, each in theirs: any number of
/// contiguous folds holds the same shares of both.
pub fn in_turns(pairs: &[ListedPair]) -> Vec<usize> {
    let genuine = pairs.iter().filter(|p| p.same).count().max(1);
    let impostor = (pairs.len() - genuine.min(pairs.len())).max(1);
    // Pair k of n stands at (k + 1/2) / n of the list, genuine first where both stand alike.
    let mut seen = [0usize; 2];
    let mut placed: Vec<(u128, bool, usize)> = Vec::with_capacity(pairs.len());
    for (i, pair) in pairs.iter().enumerate() {
        let k = &mut seen[usize::from(pair.same)];
        let others = if pair.same { impostor } else { genuine };
        placed.push(((2 * *k + 1) as u128 * others as u128, !pair.same, i));
        *k += 1;
    }
    placed.sort_unstable();
    placed.into_iter().map(|p| p.2).collect()
}

/// A set of listed pairs with their folder of images, in this order. Images are numbered as the
/// list first names them.
pub(super) fn assemble(
    files: &Files,
    path: &Path,
    listed: Vec<ListedPair>,
    order: &[usize],
    mut findings: Findings,
    rules: &Rules,
    watch: Watch,
) -> Result<DataSet> {
    let steps = Steps::new(watch);
    if listed.is_empty() {
        return bad(path, "lists no pair");
    }
    let root = role(files, "the folder of images", |n| {
        n.ends_with('/') && !n.contains("Split/")
    })?;
    let root = match from_set(&files.dir, &root, &listed) {
        true => files.dir.clone(),
        false => root,
    };
    // An image may be in many pairs; it is one image.
    let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
    let mut paths: Vec<String> = Vec::new();
    let mut pairs = Vec::with_capacity(listed.len());
    for pair in &listed {
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
    let data = PairData {
        images: used.len(),
        pairs: order
            .iter()
            .map(|&k| Some((there(pairs[k].0)?, there(pairs[k].1)?)))
            .collect(),
        same: order.iter().map(|&k| listed[k].same).collect(),
        folds: folds(path, &listed)?,
        identities: people(order.iter().map(|&k| &listed[k])),
        groups: groups(path, order.iter().map(|&k| &listed[k]))?,
    };
    odd_pairs(&listed, &pairs, &mut findings);
    let place = |k: usize| format!("{}: {}", path.display(), listed[order[k]].place);
    let mut set = finish(files, source, data, findings, &place, watch)?;
    set.wants_aligned = wants_aligned;
    Ok(set)
}

/// Folds, if they are stated; then of every pair, numbered from 0 or from 1.
///
/// # Errors
/// Folds of some pairs alone, and other numbers.
pub fn folds(path: &Path, listed: &[ListedPair]) -> Result<Option<Vec<u32>>> {
    if listed.iter().all(|p| p.fold.is_none()) {
        return Ok(None);
    }
    if let Some(pair) = listed.iter().find(|p| p.fold.is_none()) {
        let what = format!("{} states no fold, though other pairs do", pair.place);
        return bad(path, what);
    }
    let stated = || listed.iter().filter_map(|p| p.fold);
    let first = stated().min().unwrap_or(0);
    if first > 1 {
        return bad(
            path,
            format!("folds are numbered from {first}, want 0 or 1"),
        );
    }
    Ok(Some(stated().map(|f| f - first).collect()))
}

/// The groups of pairs, if they are stated; then of every pair.
fn groups<'a>(
    path: &Path,
    listed: impl Iterator<Item = &'a ListedPair> + Clone,
) -> Result<Option<PairGroups>> {
    if listed.clone().all(|p| p.group.is_none()) {
        return Ok(None);
    }
    let mut numbers = Numbers::default();
    let mut groups = PairGroups::default();
    for pair in listed {
        let Some(name) = &pair.group else {
            let what = format!("{} states no group, though other pairs do", pair.place);
            return bad(path, what);
        };
        let number = numbers.of(name);
        if number as usize == groups.names.len() {
            groups.names.push(name.clone());
        }
        groups.of.push(number);
    }
    Ok(Some(groups))
}

/// Numbers for names, in the order in which they are first asked for.
struct Numbers<'a, T>(BTreeMap<&'a T, u32>);

impl<T> Default for Numbers<'_, T> {
    fn default() -> Self {
        Numbers(BTreeMap::new())
    }
}

impl<'a, T: Ord> Numbers<'a, T> {
    fn of(&mut self, name: &'a T) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(name).or_insert(next)
    }
}

/// The people of each pair where the list names them and they agree with its labels.
fn people<'a>(listed: impl Iterator<Item = &'a ListedPair>) -> Option<Vec<(u32, u32)>> {
    let mut numbers = Numbers::default();
    listed
        .map(|pair| {
            let (a, b) = pair.people.as_ref()?;
            ((a == b) == pair.same).then(|| (numbers.of(a), numbers.of(b)))
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(same: bool, line: usize) -> ListedPair {
        ListedPair {
            first: format!("a{line}"),
            second: format!("b{line}"),
            same,
            people: None,
            fold: None,
            group: None,
            place: format!("line {line}"),
        }
    }

    #[test]
    fn pairs_in_turns_give_every_fold_its_share() {
        let listed: Vec<ListedPair> = (0..60).map(|k| pair(k < 30, k)).collect();
        assert!(by_class(&listed));
        let order = in_turns(&listed);
        for fold in order.chunks(6) {
            assert_eq!(fold.iter().filter(|&&k| listed[k].same).count(), 3);
        }
        let genuine: Vec<usize> = order.iter().copied().filter(|&k| listed[k].same).collect();
        assert!(genuine.is_sorted());
        let mut all = order.clone();
        all.sort_unstable();
        assert_eq!(all, (0..60).collect::<Vec<_>>());
        // Twice as many of one kind: two in every three.
        let listed: Vec<ListedPair> = (0..30).map(|k| pair(k < 20, k)).collect();
        for fold in in_turns(&listed).chunks(6) {
            assert_eq!(fold.iter().filter(|&&k| listed[k].same).count(), 4);
        }
    }
}
