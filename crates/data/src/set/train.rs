//! Training sets: records, a list of images, a folder with one folder for each class.

use super::open::{Reader, any_ends, is_top_folder, only, role};
use super::{DataSet, Files, IDENTITIES, Images, PROPERTY, bad};
use crate::list::{self, Text};
use crate::source::{FileSource, RecSource};
use crate::watch::Watch;
use frbench_base::{Error, Result};
use frbench_job::description::TrainData;
use frbench_job::{DataFormat, Description, Rules};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

pub(super) static RECORDS: Reader = Reader {
    name: "MXNet records",
    format: DataFormat::Train,
    wants: "train.rec, and train.idx and property where they exist",
    recognises: |names| any_ends(names, ".rec") && !any_ends(names, "probes.rec"),
    takes: |n| n.ends_with(".rec"),
    optional: &[PROPERTY, IDENTITIES],
    open: records,
};

pub(super) static LIST: Reader = Reader {
    name: "a list of images with their classes",
    format: DataFormat::Train,
    wants: "a .list, .lst or .txt file",
    recognises: |names| names.iter().any(|n| is_list(n)),
    takes: |n| is_list(n) || is_top_folder(n),
    optional: &[PROPERTY, IDENTITIES],
    open: listed,
};

pub(super) static FOLDER: Reader = Reader {
    name: "a folder of images",
    format: DataFormat::Train,
    wants: "a folder with one folder for each class",
    recognises: |names| any_ends(names, "/"),
    takes: is_top_folder,
    optional: &[PROPERTY, IDENTITIES],
    open: folder,
};

fn is_list(name: &str) -> bool {
    let list = [".txt", ".list", ".lst"].iter().any(|s| name.ends_with(s));
    list && name != IDENTITIES
}

fn records(files: &Files, _: &Rules, watch: Watch) -> Result<DataSet> {
    let path = role(files, "a .rec file", |n| n.ends_with(".rec"))?;
    let source = RecSource::open(&path, watch)?;
    let labels = source.classes().to_vec();
    set(files, Arc::new(source), labels, &path, &[], watch)
}

fn listed(files: &Files, _: &Rules, watch: Watch) -> Result<DataSet> {
    let path = only(files, "the list of images", is_list)?;
    let text = list::read(&path)?;
    let listed = list::parse_labels(Text::watched(&text, watch), &path)?;
    let (paths, labels): (Vec<_>, Vec<_>) = listed.into_iter().unzip();
    files.hold(&paths, &path)?;
    let source = FileSource::new(&files.dir, paths, Some(labels.clone()));
    source.refuse_missing(&path, watch)?;
    set(files, Arc::new(source), labels, &path, &[], watch)
}

fn folder(files: &Files, _: &Rules, watch: Watch) -> Result<DataSet> {
    let dir = only(files, "the folder of classes", |n| n.ends_with('/'))?;
    let folder = list::image_folder(&dir, watch)?;
    let source = FileSource::new(&dir, folder.paths, Some(folder.labels.clone()));
    let images = Arc::new(source);
    let mut set = set(files, images, folder.labels, &dir, &folder.classes, watch)?;
    set.findings.walked(&dir, folder.links, &folder.ignored);
    Ok(set)
}

/// What the list of a training set names at the top of its folder, where a declaration lists no
/// folder of images: files and folders that belong to the set. A list that cannot be read is for
/// its reader to refuse.
///
/// # Errors
/// What `watch` returns.
pub(super) fn listed_below(dir: &Path, names: &[String], watch: Watch) -> Result<Vec<String>> {
    let path = names.iter().find(|n| is_list(n)).map(|n| dir.join(n));
    let Some(path) = path.filter(|_| !any_ends(names, "/") && !any_ends(names, ".rec")) else {
        return Ok(Vec::new());
    };
    let text = list::read(&path).unwrap_or_default();
    let listed = match list::parse_labels(Text::watched(&text, watch), &path) {
        Err(Error::Data(_)) => Vec::new(),
        other => other?,
    };
    let top = listed.iter().map(|(image, _)| {
        let image = image.trim_start_matches("./");
        match image.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => image.to_string(),
        }
    });
    let top: BTreeSet<String> = top.collect();
    Ok(match top.len() {
        // One entry for each of many classes would say no more than the folder itself.
        0..=MANY => top.into_iter().collect(),
        _ => vec!["./".into()],
    })
}

/// Of more folders than this, the folder that holds them stands in the record of a set.
const MANY: usize = 32;

/// `names` are those of the classes, where they have names.
fn set(
    files: &Files,
    source: Images,
    labels: Vec<u32>,
    path: &Path,
    names: &[String],
    watch: Watch,
) -> Result<DataSet> {
    let classes = count_classes(&labels, names).or_else(|what| bad(path, what))?;
    if let Some(property) = files.find(|n| n == PROPERTY) {
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
        .find(|n| n == IDENTITIES)
        .map(|path| list::parse_identities(&path, source.len(), watch))
        .transpose()?;
    let data = TrainData {
        labels,
        classes,
        identities,
    };
    Ok(DataSet::new(
        vec![("images", source)],
        Description::Train(data),
    ))
}

/// The number of classes, all of which must have an image.
fn count_classes(labels: &[u32], names: &[String]) -> Result<u32, String> {
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
    let gap = seen.iter().position(|s| !s);
    match gap.filter(|gap| *gap <= *max as usize) {
        Some(gap) => Err(match names.get(gap) {
            Some(name) => format!("the folder `{name}` of a class holds no image that is read"),
            None => format!("class {gap} has no image, though labels go up to {max}"),
        }),
        None if *max as usize >= labels.len() => Err(format!(
            "labels go up to {max}, with {} images",
            labels.len()
        )),
        None => Ok(max + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::count_classes;

    #[test]
    fn classes_have_no_gap() {
        let count = |labels: &[u32]| count_classes(labels, &[]);
        assert_eq!(count(&[0, 1, 1, 2]), Ok(3));
        assert!(count(&[0, 2, 2]).unwrap_err().contains("class 1 "));
        assert!(count(&[]).is_err());
        assert!(count(&[0, u32::MAX]).is_err());
        assert!(count(&[1]).is_err());
        let names = ["a", "b", "c"].map(String::from);
        assert!(count_classes(&[0, 2], &names).unwrap_err().contains("`b`"));
    }
}
