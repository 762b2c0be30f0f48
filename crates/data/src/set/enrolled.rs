//! Who is enrolled and who is searched, in the lists of bob.bio.base.

use super::absent::absent;
use super::gallery;
use super::open::{Reader, is_top_folder, names_from, role};
use super::{DataSet, Files, Findings, Images, bad};
use crate::list::{self, Enrolled, Text};
use crate::source::FileSource;
use crate::watch::Watch;
use frbench_base::Result;
use frbench_job::{DataFormat, Rules};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) static LISTS: Reader = Reader {
    name: "lists of bob.bio.base",
    format: DataFormat::Gallery,
    wants: "for_enrolling.csv and for_probing.csv (or for_models.csv and for_probes.csv) with the \
            columns `path` and `subject_id`, and the folder of images that their paths are relative to",
    recognises: |names| {
        let any = |list: &List| names.iter().any(|n| list.is(n));
        any(&GALLERY) && any(&PROBES)
    },
    takes: |n| GALLERY.is(n) || PROBES.is(n) || is_top_folder(n),
    optional: &[],
    open,
};

/// A list by its names, new and old, and the part that it lists.
struct List {
    part: &'static str,
    names: [&'static str; 2],
}

const GALLERY: List = List {
    part: "gallery",
    names: ["for_enrolling.csv", "for_models.csv"],
};
const PROBES: List = List {
    part: "probes",
    names: ["for_probing.csv", "for_probes.csv"],
};

impl List {
    fn is(&self, name: &str) -> bool {
        let file = name.rsplit('/').next().unwrap_or(name);
        self.names.contains(&file)
    }
}

fn open(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let root = role(files, "the folder of images", |n| n.ends_with('/'))?;
    let mut findings = Findings::default();
    let mut gone = BTreeMap::new();
    // Numbers of people, in the order in which lists name them.
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let mut read = |list: &List| -> Result<(Images, Vec<u32>)> {
        let path = role(files, list.names[0], |n| list.is(n))?;
        let rows = list::parse_enrolled(Text::watched(&list::read(&path)?, watch), &path)?;
        let people = rows.iter().map(|row| {
            let next = numbers.len() as u32;
            *numbers.entry(row.person.clone()).or_insert(next)
        });
        let people: Vec<u32> = people.collect();
        let twice = repeated(&rows);
        findings.odd(
            &format!("images of {} are listed before already", path.display()),
            twice.map(|row| format!("line {}", row.line)),
        );
        let root = names_from(files, root.clone(), rows.iter().map(|row| &row.file));
        let source = FileSource::new(root, rows.into_iter().map(|r| r.file).collect(), None);
        let part = (DataFormat::Gallery, list.part);
        let lost = absent(&source, &path, part, rules, &mut findings, watch)?;
        gone.insert(list.part.to_string(), lost);
        Ok((Arc::new(source.labelled(people.clone())), people))
    };
    let (enrolled, searched) = (read(&GALLERY)?, read(&PROBES)?);
    if enrolled.1.is_empty() {
        return bad(&files.dir, "nobody is enrolled");
    }
    let set = gallery::set(files, searched, enrolled, gallery::none(files))?;
    set.found(findings).without(&gone, &files.dir)
}

/// Rows whose image a row before has.
fn repeated(rows: &[Enrolled]) -> impl Iterator<Item = &Enrolled> {
    let mut seen = std::collections::BTreeSet::new();
    rows.iter()
        .filter(move |row| !seen.insert(row.file.as_str()))
}
