//! Pairs as a folder of pictures with a list, and as a pack.

use super::{Counter, lines, pictures, stored};
use crate::bin::{BinWriter, Protocol, in_blocks};
use crate::set::DataSet;
use crate::set::listed::{by_class, in_turns};
use crate::source::ImageSource;
use crate::watch::Watch;
use frbench_base::{Error, Result, files};
use frbench_job::description::PairData;
use std::collections::BTreeSet;
use std::path::Path;

/// The folds that readers of packs make.
const FOLDS: usize = 10;

/// Pictures, and a table of their pairs, `pairs.csv`.
pub(super) fn folder(
    set: &DataSet,
    data: &PairData,
    out: &Path,
    counter: &Counter,
) -> Result<Vec<String>> {
    let pairs = whole(data)?;
    let paths = pictures(set.part("images")?.as_ref(), out, counter)?;
    let mut notes = Vec::new();
    let mut folds = data.folds.clone();
    let order = listed(data, &pairs);
    // Such a list would be taken in turns, unless it states folds.
    let same: Vec<bool> = order.iter().map(|&k| data.same[k]).collect();
    if folds.is_none() && order.is_sorted() && by_class(&same) {
        notes.push(
            "its pairs are ordered by class; the list states their ten blocks as folds".into(),
        );
        folds = Some(PairData::blocks(pairs.len(), FOLDS));
    }
    let mut table = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Error::Bug(format!("pairs.csv: {e}"));
    let mut heading = vec!["first", "second", "same"];
    heading.extend(folds.is_some().then_some("fold"));
    heading.extend(data.groups.is_some().then_some("group"));
    table.write_record(heading).map_err(failed)?;
    for &k in &order {
        let (a, b) = pairs[k];
        let same = u8::from(data.same[k]).to_string();
        let mut record = vec![paths[a as usize].clone(), paths[b as usize].clone(), same];
        record.extend(folds.as_ref().map(|folds| folds[k].to_string()));
        let group = data.groups.as_ref();
        record.extend(group.map(|g| g.names[g.of[k] as usize].clone()));
        table.write_record(record).map_err(failed)?;
    }
    let table = table.into_inner();
    let table = table.map_err(|e| Error::Bug(format!("pairs.csv: {e}")))?;
    files::write_atomic(&out.join("pairs.csv"), &table)?;
    let named = named(&pairs, &order);
    notes.extend(renumbered(
        &named,
        data.images,
        "a list numbers them as it names them",
    ));
    identities(data, &pairs, &named, out, &mut notes)?;
    Ok(notes)
}

/// The order of the lines of a list, as places in the set: one of which a reader makes the same pairs
/// and the same numbers of images, where there is one.
fn listed(data: &PairData, pairs: &[(u32, u32)]) -> Vec<usize> {
    let own: Vec<usize> = (0..pairs.len()).collect();
    let keeps_numbers = |order: &[usize]| {
        named(pairs, order)
            .iter()
            .copied()
            .eq(0..data.images as u32)
    };
    if data.folds.is_some() || keeps_numbers(&own) {
        return own;
    }
    // That of a list that is ordered by class, which is taken in turns.
    let by = |first: bool| {
        let (mut order, rest): (Vec<usize>, Vec<usize>) =
            own.iter().partition(|&&k| data.same[k] == first);
        order.extend(rest);
        order
    };
    let taken = |order: &[usize]| -> Vec<usize> {
        let same: Vec<bool> = order.iter().map(|&k| data.same[k]).collect();
        match by_class(&same) {
            true => in_turns(&same).into_iter().map(|k| order[k]).collect(),
            false => order.to_vec(),
        }
    };
    let mut others = [true, false].map(by).into_iter();
    let fits = others.find(|order| keeps_numbers(order) && taken(order) == own);
    fits.unwrap_or(own)
}

/// Images in the order in which pairs first name them.
fn named(pairs: &[(u32, u32)], order: &[usize]) -> Vec<u32> {
    let mut seen = BTreeSet::new();
    let images = order.iter().flat_map(|&k| [pairs[k].0, pairs[k].1]);
    images.filter(|image| seen.insert(*image)).collect()
}

/// Why images do not keep their numbers, of which there are `images` in the set.
fn renumbered(named: &[u32], images: usize, rule: &str) -> Option<String> {
    let lost = images - named.len();
    if lost > 0 {
        return Some(format!(
            "{lost} images are in no pair, and what is written names pairs alone: its identity is \
             another one"
        ));
    }
    (!named.is_sorted()).then(|| {
        format!(
            "its images are not numbered in the order of its pairs, and {rule}: its identity is \
             another one"
        )
    })
}

/// The person of each image, where pairs agree on it.
fn identities(
    data: &PairData,
    pairs: &[(u32, u32)],
    named: &[u32],
    out: &Path,
    notes: &mut Vec<String>,
) -> Result<()> {
    let Some(people) = &data.identities else {
        return Ok(());
    };
    let mut of: Vec<Option<u32>> = vec![None; data.images];
    for ((a, b), (first, second)) in pairs.iter().zip(people) {
        for (image, person) in [(a, first), (b, second)] {
            let known = of[*image as usize].get_or_insert(*person);
            if known != person {
                notes.push(
                    "its pairs name an image twice, with two people: no people are written".into(),
                );
                return Ok(());
            }
        }
    }
    let people = named.iter().filter_map(|&image| of[image as usize]);
    lines(&out.join("identities.txt"), people)
}

/// A `.bin` pack, and beside it the people on its images and the groups of its pairs.
pub(super) fn pack(
    set: &DataSet,
    data: &PairData,
    out: &Path,
    watch: Watch,
) -> Result<Vec<String>> {
    let source = set.part("images")?;
    let (order, mut notes) = write_pack(source.as_ref(), data, &out.join("pairs.bin"), watch)?;
    let pairs = whole(data)?;
    let named = named(&pairs, &order);
    notes.extend(match 2 * pairs.len() - named.len() {
        0 => renumbered(&named, data.images, "a pack has them in that order"),
        _ => Some(
            "images are in several pairs, and a pack repeats them: its identity is another one"
                .into(),
        ),
    });
    if let Some(people) = &data.identities {
        let people = order.iter().flat_map(|&k| [people[k].0, people[k].1]);
        lines(&out.join("identities.txt"), people)?;
    }
    if let Some(groups) = &data.groups {
        let odd = |name: &&String| {
            name.is_empty() || name.trim() != name.as_str() || name.contains(char::is_control)
        };
        match groups.names.iter().find(odd) {
            Some(name) => notes.push(format!(
                "groups are not written: {name:?} is no name that fits a line"
            )),
            None => {
                let names = order.iter().map(|&k| &groups.names[groups.of[k] as usize]);
                lines(&out.join("groups.txt"), names)?;
            }
        }
    }
    Ok(notes)
}

/// Writes pairs of `source` as a pack. Stated folds become its blocks, if they have the sizes of
/// these. Returned are the order of its pairs, and what a reader must know.
///
/// # Errors
/// [`Error::Data`] for images that are missing or damaged; what `watch` returns.
pub fn write_pack(
    source: &dyn ImageSource,
    data: &PairData,
    path: &Path,
    watch: Watch,
) -> Result<(Vec<usize>, Vec<String>)> {
    let pairs = whole(data)?;
    let mut notes = Vec::new();
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    match data.folds.as_deref().map(in_blocks) {
        None => {}
        Some(Some(of_folds)) => {
            if of_folds != order {
                notes.push(
                    "pairs are put in the order of their folds, so that the ten blocks of the pack \
                     are these"
                        .into(),
                );
            }
            order = of_folds;
        }
        Some(None) => notes.push(
            "a pack states no folds, and its ten blocks are not those that are stated: they are lost"
                .into(),
        ),
    }
    let counter = Counter::images(2 * pairs.len() as u64, watch);
    let mut writer = BinWriter::create(path, Protocol::Python2)?;
    for &k in &order {
        let image = |i: u32| stored(source, i as usize);
        let (a, b) = pairs[k];
        writer.push(&image(a)?.0, &image(b)?.0, data.same[k])?;
        counter.add(2)?;
    }
    writer.finish()?;
    Ok((order, notes))
}

/// The two images of each pair.
fn whole(data: &PairData) -> Result<Vec<(u32, u32)>> {
    let all: Option<Vec<(u32, u32)>> = data.pairs.iter().copied().collect();
    all.ok_or_else(|| {
        let lost = data.pairs.iter().filter(|p| p.is_none()).count();
        Error::Data(format!(
            "{lost} pairs have an image that is missing or damaged; such a set is not exported"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::encode_png;
    use crate::export::{Form, export};
    use crate::image::Image;
    use crate::manifest::{hash_facts, hash_pixels};
    use crate::set::{self, Files};
    use crate::watch::UNWATCHED;
    use frbench_job::{DataFormat, Description, Rules};

    /// A set of so many pairs of a list, in a folder of its own.
    fn made(dir: &Path, list: &str, text: &str, images: usize) -> DataSet {
        std::fs::create_dir_all(dir.join("faces")).unwrap();
        for i in 0..images {
            let mut image = Image::black(8, 8);
            image.pixels[i] = 200;
            std::fs::write(
                dir.join(format!("faces/{i}.png")),
                encode_png(&image).unwrap(),
            )
            .unwrap();
        }
        std::fs::write(dir.join(list), text).unwrap();
        opened(dir, &[list, "faces/"])
    }

    fn opened(dir: &Path, names: &[&str]) -> DataSet {
        let mut names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        if dir.join("identities.txt").exists() {
            names.push("identities.txt".into());
        }
        let dir = dir.to_path_buf();
        let files = Files { dir, names };
        let reader = set::reader(DataFormat::Pairs, &files).unwrap();
        (reader.open)(&files, &Rules::default(), UNWATCHED).unwrap()
    }

    fn data(set: &DataSet) -> &PairData {
        match &set.description {
            Description::Pairs(data) => data,
            _ => panic!("no pairs"),
        }
    }

    fn same(a: &DataSet, b: &DataSet) -> bool {
        hash_pixels(a, UNWATCHED).unwrap() == hash_pixels(b, UNWATCHED).unwrap()
    }

    #[test]
    fn a_list_ordered_by_class_keeps_its_identity_in_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let rows =
            (0..12).map(|k| format!("{}.png,{}.png,{}\n", 2 * k, 2 * k + 1, u8::from(k < 6)));
        let text = format!("first,second,same\n{}", rows.collect::<String>());
        let set = made(&dir.path().join("set"), "pairs.csv", &text, 24);
        let out = dir.path().join("out");
        let notes = export(&set, Form::Folder, &out, UNWATCHED).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        let again = opened(&out, &["pairs.csv", "images/"]);
        assert!(same(&set, &again));
        assert_eq!(data(&set), data(&again));
        // A pack has its pictures in another order; no picture is in two pairs.
        let out = dir.path().join("pack");
        let notes = export(&set, Form::Pack, &out, UNWATCHED).unwrap();
        assert!(notes[0].contains("not numbered in the order"), "{notes:?}");
        assert_eq!(data(&opened(&out, &["pairs.bin"])).same, data(&set).same);
    }

    #[test]
    fn folds_and_groups_are_written() {
        let dir = tempfile::tempdir().unwrap();
        // 23 pairs of ten folds, one after the other of each.
        let rows = (0..23).map(|k| {
            let group = if k % 2 == 0 { "a, b" } else { "c" };
            format!(
                "{}.png,{}.png,{},{},\"{group}\"\n",
                2 * k,
                2 * k + 1,
                k % 3 % 2,
                k % 10
            )
        });
        let text = format!("first,second,same,fold,group\n{}", rows.collect::<String>());
        let set = made(&dir.path().join("set"), "pairs.csv", &text, 46);
        let out = dir.path().join("out");
        let notes = export(&set, Form::Folder, &out, UNWATCHED).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        let again = opened(&out, &["pairs.csv", "images/"]);
        assert!(same(&set, &again));
        assert_eq!(hash_facts(&set.description), hash_facts(&again.description));
        // The blocks of the pack are the folds.
        let out = dir.path().join("pack");
        let notes = export(&set, Form::Pack, &out, UNWATCHED)
            .unwrap()
            .join("\n");
        assert!(notes.contains("in the order of their folds"), "{notes}");
        let pack = opened(&out, &["pairs.bin", "groups.txt"]);
        let group_of = |data: &PairData| {
            let groups = data.groups.as_ref().unwrap();
            let name = |g: &u32| groups.names[*g as usize].clone();
            let mut of: Vec<String> = groups.of.iter().map(name).collect();
            of.sort();
            of
        };
        assert_eq!(group_of(data(&pack)), group_of(data(&set)));
        let blocks = PairData::blocks(23, 10);
        for fold in 0..10 {
            let of = |same: &[bool], folds: &[u32]| -> Vec<bool> {
                let own = same.iter().zip(folds).filter(|(_, f)| **f == fold);
                own.map(|(same, _)| *same).collect()
            };
            let stated = data(&set).folds.as_ref().unwrap();
            assert_eq!(
                of(&data(&pack).same, &blocks),
                of(&data(&set).same, stated),
                "{fold}"
            );
        }
    }

    #[test]
    fn groups_whose_names_fit_no_line_are_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let text = "first,second,same,group\n0.png,1.png,1,a\n2.png,3.png,0,b\n";
        let mut set = made(&dir.path().join("set"), "pairs.csv", text, 4);
        for (i, name) in ["", " ", " b", "b\n"].into_iter().enumerate() {
            let Description::Pairs(data) = &mut set.description else {
                panic!("no pairs")
            };
            data.groups.as_mut().unwrap().names[1] = name.into();
            let out = dir.path().join(i.to_string());
            let notes = export(&set, Form::Pack, &out, UNWATCHED)
                .unwrap()
                .join("\n");
            assert!(
                notes.contains(&format!("groups are not written: {name:?}")),
                "{notes}"
            );
            assert!(!out.join("groups.txt").exists());
        }
    }

    #[test]
    fn a_pack_ordered_by_class_states_its_blocks() {
        let data = PairData::packed((0..23).map(|k| k < 11).collect());
        let pairs = whole(&data).unwrap();
        assert!(listed(&data, &pairs).is_sorted());
        let blocks = PairData::blocks(23, 10);
        let sizes: Vec<usize> = (0..10)
            .map(|f| blocks.iter().filter(|b| **b == f).count())
            .collect();
        assert_eq!(sizes, [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]);
    }
}
