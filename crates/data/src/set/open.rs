//! The table of layouts, and opening a set by it.

use super::files::{OPTIONAL, SAYING_MORE};
use super::{DataSet, Files, bad, cfp, enrolled, gallery, grouped, locate, megaface, pairs};
use super::{templates, train};
use crate::noise;
use crate::watch::{UNWATCHED, Watch};
use frbench_base::{Error, Result};
use frbench_job::{DataFormat, DataSource, DataSpec, Missing, Rules};
use std::path::{Path, PathBuf};

/// A layout of files, and what reads it.
pub struct Reader {
    /// What the layout is called.
    pub name: &'static str,
    pub format: DataFormat,
    /// The files that it wants, in words.
    pub wants: &'static str,
    /// Whether a set of these files is in this layout; folders end in `/`.
    pub recognises: fn(&[String]) -> bool,
    /// Whether a file of this name, of a folder without a declaration, could be one of the layout.
    pub takes: fn(&str) -> bool,
    /// Files of these names are read where they exist.
    pub optional: &'static [&'static str],
    pub open: fn(&Files, &Rules, Watch) -> Result<DataSet>,
}

/// Every layout that is read, the more particular before the more general. Of those of a format
/// the first that recognises the files opens them.
pub static READERS: &[&Reader] = &[
    &gallery::RECORDS,
    &gallery::FOLDERS,
    &enrolled::LISTS,
    &megaface::RECORDS,
    &megaface::LISTS,
    &templates::IJB,
    &train::RECORDS,
    &pairs::PACK,
    &cfp::SPLITS,
    &grouped::LISTS,
    &pairs::TABLE,
    &pairs::LIST,
    &train::LIST,
    &train::FOLDER,
];

/// Opens the set `spec` from its folder under the data root and checks that its parts fit.
///
/// # Errors
/// `Error::Data`: files are missing (all of them are listed), malformed, or contradict each
/// other.
pub fn open(spec: &DataSpec, root: &Path) -> Result<DataSet> {
    open_watched(spec, root, UNWATCHED)
}

/// The same, asking while lists and folders are read whether to go on.
///
/// # Errors
/// As [`open`], and what `watch` returns.
pub fn open_watched(spec: &DataSpec, root: &Path, watch: Watch) -> Result<DataSet> {
    open_located(spec, root, &locate(spec, root, watch)?, watch)
}

/// The same from files that have been located.
///
/// # Errors
/// As [`open_watched`].
pub fn open_located(spec: &DataSpec, root: &Path, files: &Files, watch: Watch) -> Result<DataSet> {
    let rules = match &spec.source {
        DataSource::Noisy(noisy) => {
            return noise::open(noisy, &root.join(&spec.name), root, watch).map(DataSet::from);
        }
        DataSource::Files { rules, .. } => *rules,
        DataSource::Synth(_) => Rules::default(),
    };
    let (reader, files, unused) = reads(spec, files)?;
    let mut set = (reader.open)(&files, &rules, watch)?;
    set.made_from = Some(made_from(spec, &files));
    for name in unused {
        let path = files.dir.join(&name);
        let what = format!(
            "{} is not used: sets in this layout ({}) have no such file",
            path.display(),
            reader.name
        );
        set.findings.say(what);
    }
    if rules.strict {
        set.findings.refuse_odd(&files.dir)?;
    }
    Ok(set)
}

/// The files on which the images of a set depend: those that must be there, and of the others all
/// but those that only say more of its images.
fn made_from(spec: &DataSpec, files: &Files) -> Vec<String> {
    let declared: &[String] = match &spec.source {
        DataSource::Files { files, .. } => files,
        _ => &[],
    };
    let subjects = |n: &str| spec.format == DataFormat::Templates && n.ends_with(".csv");
    let says_more = |n: &String| SAYING_MORE.contains(&n.as_str()) || subjects(n);
    let names = files.names.iter();
    names
        .filter(|n| declared.contains(n) || !says_more(n))
        .cloned()
        .collect()
}

/// What reads a set, the files that are for it, and those that another layout would read.
fn reads(spec: &DataSpec, files: &Files) -> Result<(&'static Reader, Files, Vec<String>)> {
    let declared: &[String] = match &spec.source {
        DataSource::Files { files, .. } => files,
        _ => &[],
    };
    let optional = |n: &&String| OPTIONAL.contains(&n.as_str()) && !declared.contains(n);
    let less = |gone: &[String]| Files {
        dir: files.dir.clone(),
        names: files
            .names
            .iter()
            .filter(|n| !gone.contains(n))
            .cloned()
            .collect(),
    };
    let optional: Vec<String> = files.names.iter().filter(optional).cloned().collect();
    let reader = reader(spec.format, &less(&optional))?;
    let mut unused = optional;
    unused.retain(|name| !reader.optional.contains(&name.as_str()));
    Ok((reader, less(&unused), unused))
}

/// What reads a set of `format` that is made of these files.
///
/// # Errors
/// `Error::Data` with the layouts of that format.
pub fn reader(format: DataFormat, files: &Files) -> Result<&'static Reader> {
    let mut of = READERS.iter().filter(|r| r.format == format);
    let found = of.find(|r| (r.recognises)(&files.names));
    found.copied().ok_or_else(|| {
        let known = READERS.iter().filter(|r| r.format == format);
        let known: Vec<String> = known.map(|r| format!("{} ({})", r.wants, r.name)).collect();
        Error::Data(format!(
            "{}: the declared files ({}) are in no layout that is read as `{}`; want {}",
            files.dir.display(),
            files.names.join(", "),
            format.name(),
            known.join("; or ")
        ))
    })
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

/// The only file for a role.
pub(super) fn only(files: &Files, what: &str, test: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let found: Vec<&String> = files.names.iter().filter(|n| test(n)).collect();
    match found.len() {
        0 | 1 => role(files, what, test),
        n => bad(
            &files.dir,
            format!(
                "{n} of the declared files could be {what} ({}, {}, ...); declare one of them",
                found[0], found[1]
            ),
        ),
    }
}

/// The folder that a list names its images from: that of the set, where all names begin with the
/// folder of images `root` in it; else that one.
pub(super) fn names_from<'a>(
    files: &Files,
    root: PathBuf,
    mut names: impl Iterator<Item = &'a String>,
) -> PathBuf {
    let folder = root.strip_prefix(&files.dir).ok().and_then(Path::to_str);
    let folder = format!("{}/", folder.unwrap_or_default().trim_matches('/'));
    match folder.len() > 1 && names.all(|name| name.starts_with(&folder)) {
        true => files.dir.clone(),
        false => root,
    }
}

/// Whether a name is that of a folder right below that of the set.
pub(super) fn is_top_folder(name: &str) -> bool {
    name.ends_with('/') && name.matches('/').count() == 1
}

/// Whether one of these names ends so.
pub(super) fn any_ends(names: &[String], suffix: &str) -> bool {
    names.iter().any(|n| n.ends_with(suffix))
}

/// The layout of a folder that no declaration describes, and the files that a declaration would
/// list: of the first layout that opens. None if none does.
pub fn recognise(dir: &Path) -> Option<(&'static Reader, Vec<String>)> {
    let names = names(dir)?;
    READERS.iter().find_map(|reader| {
        let mut layouts = layouts(reader, &names).into_iter();
        layouts
            .find(|names| (reader.recognises)(names) && opens(reader, dir, names).is_ok())
            .map(|names| (*reader, names))
    })
}

/// A list of pairs in the folder that no layout of pairs opens, and why: what `recognise` has made
/// of the folder is then not what was meant.
pub fn misread(dir: &Path) -> Option<(String, Error)> {
    let names = names(dir)?;
    let called = |name: &String| !name.contains('/') && name.to_lowercase().contains("pair");
    names.iter().filter(|name| called(name)).find_map(|name| {
        let readers = READERS.iter().filter(|r| r.format == DataFormat::Pairs);
        let failures: Option<Vec<Error>> = readers
            .flat_map(|reader| {
                layouts(reader, &names)
                    .into_iter()
                    .map(move |l| (reader, l))
            })
            .filter(|(reader, layout)| layout.contains(name) && (reader.recognises)(layout))
            .map(|(reader, layout)| opens(reader, dir, &layout).err())
            .collect();
        let first = failures?.into_iter().next()?;
        Some((name.clone(), first))
    })
}

/// Names that layouts are told by.
fn names(dir: &Path) -> Option<Vec<String>> {
    let mut names = listing(dir, "")?;
    for below in ["meta/", "Protocol/", "Protocol/Split/", "txts/"] {
        names.extend(listing(dir, below).into_iter().flatten());
    }
    // RFW has a folder of lists for each group.
    let folders: Vec<String> = names
        .iter()
        .filter(|n| n.starts_with("txts/"))
        .cloned()
        .collect();
    for below in folders.iter().filter(|n| n.ends_with('/') && *n != "txts/") {
        names.extend(listing(dir, below).into_iter().flatten());
    }
    Some(names)
}

/// Files of these names that a reader may be given.
fn layouts(reader: &Reader, names: &[String]) -> Vec<Vec<String>> {
    let taken = names.iter().filter(|n| (reader.takes)(n)).cloned();
    let taken: Vec<String> = taken.collect();
    // A text beside a list is not part of it, and a training set may lie in the folder itself.
    let (folders, single): (Vec<String>, Vec<String>) =
        taken.iter().cloned().partition(|n| n.ends_with('/'));
    let alone = single.into_iter().map(|name| {
        let mut names = vec![name];
        names.extend(folders.iter().cloned());
        names
    });
    let whole = [taken, vec!["./".into()]];
    whole.into_iter().chain(alone).collect()
}

fn opens(reader: &Reader, dir: &Path, names: &[String]) -> Result<DataSet> {
    let files = Files {
        dir: dir.to_path_buf(),
        names: names.to_vec(),
    };
    // That a picture is missing does not make a list of pairs something else.
    let rules = Rules {
        missing: Missing::Miss,
        ..Rules::default()
    };
    (reader.open)(&files, &rules, UNWATCHED)
}

/// Names in a folder below `dir`, those of folders with `/` behind, bytewise order.
fn listing(dir: &Path, below: &str) -> Option<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(dir.join(below))
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let folder = std::fs::metadata(entry.path()).ok()?.is_dir();
            let hidden = name.starts_with('.') || name == "__MACOSX";
            let end = if folder { "/" } else { "" };
            (!hidden).then(|| format!("{below}{name}{end}"))
        })
        .collect();
    names.sort_unstable();
    Some(names)
}
