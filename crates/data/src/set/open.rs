//! Opening a set of each format.

use super::{DataSet, Files, IdentificationSet, Images, PairSet, TemplateSet, TrainSet, locate};
use crate::bin::BinReader;
use crate::list::{self, Noise};
use crate::noise;
use crate::source::{AlignedSource, FileSource, RecSource};
use frbench_base::{Error, Result};
use frbench_job::{DataFormat, DataSource, DataSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens the set `spec` from its folder under the data root and checks that its parts fit.
///
/// # Errors
/// `Error::Data`: files are missing (all of them are listed), malformed, or contradict each
/// other.
pub fn open(spec: &DataSpec, root: &Path) -> Result<DataSet> {
    if let DataSource::Noisy(noisy) = &spec.source {
        return noise::open(noisy, &root.join(&spec.name), root).map(DataSet::Train);
    }
    let files = locate(spec, root)?;
    match spec.format {
        DataFormat::Train => train(&files).map(DataSet::Train),
        DataFormat::Pairs => pairs(&files).map(DataSet::Pairs),
        DataFormat::Identification => identification(&files).map(DataSet::Identification),
        DataFormat::Templates => templates(&files).map(DataSet::Templates),
        DataFormat::Gallery => super::gallery::gallery(&files).map(DataSet::Gallery),
    }
}

pub(super) fn bad<T>(path: &Path, what: impl std::fmt::Display) -> Result<T> {
    Err(Error::Data(format!("{}: {what}", path.display())))
}

/// The file for a role, among the files that a set declares.
pub(super) fn role(files: &Files, what: &str, test: impl Fn(&str) -> bool) -> Result<PathBuf> {
    match files.find(test) {
        Some(path) => Ok(path),
        None => bad(
            &files.dir,
            format!(
                "none of the declared files ({}) is {what}",
                files.names.join(", ")
            ),
        ),
    }
}

/// A number as an index; sets of more than 2^32 images do not exist.
fn index(i: usize) -> u32 {
    i as u32
}

/// From `train.rec`, a `path label` list, or a folder of one folder per class.
fn train(files: &Files) -> Result<TrainSet> {
    let (source, labels, path): (Images, Vec<u32>, PathBuf) =
        if let Some(rec) = files.ending(".rec") {
            let source = RecSource::open(&rec)?;
            let labels = source.classes().to_vec();
            (Arc::new(source), labels, rec)
        } else if let Some(path) =
            files.find(|n| [".txt", ".list", ".lst"].iter().any(|s| n.ends_with(s)))
        {
            let (paths, labels): (Vec<_>, Vec<_>) = list::parse_labels(&list::read(&path)?, &path)?
                .into_iter()
                .unzip();
            let source = FileSource::new(&files.dir, paths, Some(labels.clone()));
            (Arc::new(source), labels, path)
        } else {
            let dir = role(files, "a .rec file, a list or a folder", |n| {
                n.ends_with('/')
            })?;
            let folder = list::image_folder(&dir)?;
            let source = FileSource::new(&dir, folder.paths, Some(folder.labels.clone()));
            (Arc::new(source), folder.labels, dir)
        };
    let classes = count_classes(&labels).or_else(|what| bad(&path, what))?;
    if let Some(property) = files.find(|n| n == "property") {
        let text = String::from_utf8_lossy(&list::read(&property)?).into_owned();
        let stated = text
            .split(',')
            .next()
            .and_then(|n| n.trim().parse::<u32>().ok());
        if stated != Some(classes) {
            let start: String = text.lines().next().unwrap_or("").chars().take(40).collect();
            return bad(
                &property,
                format!("says `{start}`, but the images have {classes} classes"),
            );
        }
    }
    let identities = files
        .find(|n| n == "identities.txt")
        .map(|path| identities(&path, source.len()))
        .transpose()?;
    Ok(TrainSet {
        source,
        labels,
        classes,
        identities,
        notes: Vec::new(),
    })
}

/// The number of classes, all of which must have an image.
fn count_classes(labels: &[u32]) -> Result<u32, String> {
    let Some(max) = labels.iter().max() else {
        return Err("there are no images".into());
    };
    // Without a gap there are at least as many images as classes; this also keeps one absurd
    // label from allocating.
    let mut seen = vec![false; labels.len().max(1)];
    for label in labels {
        if let Some(s) = seen.get_mut(*label as usize) {
            *s = true;
        }
    }
    match seen
        .iter()
        .position(|s| !s)
        .filter(|gap| *gap <= *max as usize)
    {
        Some(gap) => Err(format!(
            "class {gap} has no image, though labels go up to {max}"
        )),
        None if *max as usize >= labels.len() => Err(format!(
            "labels go up to {max}, with {} images",
            labels.len()
        )),
        None => Ok(max + 1),
    }
}

/// From a `.bin` pack, or LFW's `pairs.txt` with its folder of images.
fn pairs(files: &Files) -> Result<PairSet> {
    let (source, pairs, same): (Images, Vec<(u32, u32)>, Vec<bool>) =
        if let Some(bin) = files.ending(".bin") {
            let reader = BinReader::open(&bin)?;
            let same = reader.same().to_vec();
            let pairs = (0..same.len())
                .map(|i| (index(2 * i), index(2 * i + 1)))
                .collect();
            (Arc::new(reader), pairs, same)
        } else {
            let path = role(files, "a .bin pack or pairs.txt", |n| {
                n.ends_with("pairs.txt")
            })?;
            let images = role(files, "the folder of images", |n| n.ends_with('/'))?;
            let listed = list::parse_lfw(&list::read(&path)?, &path)?;
            // An image may be in many pairs; it is one image.
            let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
            let mut paths = Vec::new();
            let mut number = |name| {
                *numbers.entry(name).or_insert_with(|| {
                    paths.push(str::to_string(name));
                    index(paths.len() - 1)
                })
            };
            let pairs = listed
                .iter()
                .map(|p| (number(&p.first), number(&p.second)))
                .collect();
            let same = listed.iter().map(|p| p.same).collect();
            (Arc::new(FileSource::new(images, paths, None)), pairs, same)
        };
    let identities = files
        .find(|n| n == "identities.txt")
        .map(|path| identities(&path, source.len()))
        .transpose()?;
    if let Some(ids) = &identities {
        let wrong = (0..pairs.len()).find(|&k| {
            let (a, b) = pairs[k];
            (ids[a as usize] == ids[b as usize]) != same[k]
        });
        if let Some(k) = wrong {
            return bad(
                &files.dir.join("identities.txt"),
                format!(
                    "contradicts the label of pair {k}, which says {} person",
                    if same[k] { "the same" } else { "not the same" }
                ),
            );
        }
    }
    Ok(PairSet {
        source,
        pairs,
        same,
        identities,
    })
}

/// One number a line, one line an image.
fn identities(path: &Path, images: usize) -> Result<Vec<u64>> {
    let text = list::read(path)?;
    let text = String::from_utf8_lossy(&text);
    let ids = text
        .lines()
        .enumerate()
        .map(|(n, l)| match l.trim().parse() {
            Ok(id) => Ok(id),
            Err(_) => bad(path, format!("line {}: not a whole number", n + 1)),
        })
        .collect::<Result<Vec<u64>>>()?;
    if ids.len() != images {
        return bad(path, format!("{} lines for {images} images", ids.len()));
    }
    Ok(ids)
}

/// From `probes.rec` and `distractors.rec`, or MegaFace's lists and folders.
fn identification(files: &Files) -> Result<IdentificationSet> {
    if let Some(path) = files.ending("probes.rec") {
        let probes = RecSource::open(path)?;
        let path = role(files, "distractors.rec", |n| n.ends_with("distractors.rec"))?;
        return Ok(IdentificationSet {
            probe_ids: probes.classes().to_vec(),
            probes: Arc::new(probes),
            distractors: Arc::new(RecSource::open(path)?),
            noisy_probes: Vec::new(),
            noisy_distractors: Vec::new(),
        });
    }
    let list_of = |prefix: &str| {
        let what = format!("{prefix}*.json*");
        let path = role(files, &what, |n| {
            n.starts_with(prefix) && n.contains(".json")
        })?;
        Ok::<_, Error>((list::parse_names(&list::read(&path)?, &path)?, path))
    };
    let folder = |prefix: &str| {
        role(files, &format!("the folder {prefix}*/"), |n| {
            n.starts_with(prefix) && n.ends_with('/')
        })
    };
    let noise = |name: &str, paths: &[String]| -> Result<Vec<usize>> {
        match files.find(|n| n == name) {
            None => Ok(Vec::new()),
            Some(path) => Ok(Noise::parse(&list::read(&path)?, &path)?.hits(paths)),
        }
    };
    let (probes, path) = list_of("facescrub")?;
    let Some(probe_ids) = probes.ids else {
        return bad(
            &path,
            "has no `id` list, so nobody knows who the probes are",
        );
    };
    let (distractors, _) = list_of("megaface")?;
    Ok(IdentificationSet {
        noisy_probes: noise("facescrub_noises.txt", &probes.paths)?,
        noisy_distractors: noise("megaface_noises.txt", &distractors.paths)?,
        probes: Arc::new(FileSource::new(
            folder("facescrub")?,
            probes.paths,
            Some(probe_ids.clone()),
        )),
        probe_ids,
        distractors: Arc::new(FileSource::new(
            folder("megaface")?,
            distractors.paths,
            None,
        )),
    })
}

/// From the files of IJB-B or IJB-C.
fn templates(files: &Files) -> Result<TemplateSet> {
    let meta = |suffix: &str| {
        let path = role(files, suffix, |n| n.ends_with(suffix))?;
        Ok::<_, Error>((list::read(&path)?, path))
    };
    let (text, path) = meta("_face_tid_mid.txt")?;
    let members = list::parse_members(&text, &path)?;
    let (text, path) = meta("_name_5pts_score.txt")?;
    let detections = list::parse_detections(&text, &path)?;
    let same_order = members.len() == detections.len()
        && members
            .iter()
            .zip(&detections)
            .all(|(m, d)| m.file == d.file);
    if !same_order {
        return bad(
            &path,
            "does not list the same images in the same order as the template list",
        );
    }
    let (text, path) = meta("_template_pair_label.txt")?;
    let listed = list::parse_pairs(&text, &path)?;
    let known: std::collections::BTreeSet<u32> = members.iter().map(|m| m.template).collect();
    for (n, pair) in listed.iter().enumerate() {
        if let Some(t) = [pair.first, pair.second]
            .into_iter()
            .find(|t| !known.contains(t))
        {
            return bad(
                &path,
                format!("pair {n} names template {t}, which has no image"),
            );
        }
    }
    let mut subjects = BTreeMap::new();
    for name in files.names.iter().filter(|n| n.ends_with(".csv")) {
        let path = files.dir.join(name);
        list::parse_subjects(&list::read(&path)?, &path, &mut subjects)?;
    }
    let images = role(files, "the folder of loose crops", |n| n.ends_with('/'))?;
    let paths = members.iter().map(|m| m.file.clone()).collect();
    let points = detections.iter().map(|d| d.points).collect();
    Ok(TemplateSet {
        source: Arc::new(AlignedSource::new(
            FileSource::new(images, paths, None),
            points,
        )),
        template: members.iter().map(|m| m.template).collect(),
        media: members.iter().map(|m| m.media).collect(),
        score: detections.iter().map(|d| d.score).collect(),
        pairs: listed.iter().map(|p| (p.first, p.second)).collect(),
        same: listed.iter().map(|p| p.same).collect(),
        subjects,
    })
}

#[cfg(test)]
mod tests {
    use super::count_classes;

    #[test]
    fn classes_have_no_gap() {
        assert_eq!(count_classes(&[0, 1, 1, 2]), Ok(3));
        assert!(count_classes(&[0, 2, 2]).unwrap_err().contains("class 1 "));
        assert!(count_classes(&[]).is_err());
        assert!(count_classes(&[0, u32::MAX]).is_err());
        assert!(count_classes(&[1]).is_err());
    }
}
