//! Templates and their pairs: the files of IJB-B and IJB-C as insightface distributes them.

use super::absent::absent;
use super::open::{Reader, any_ends, role};
use super::{DataSet, Files, Findings, bad};
use crate::list::{self, Text};
use crate::source::{AlignedSource, FileSource};
use crate::watch::{Steps, Watch};
use frbench_base::{Error, Result};
use frbench_job::description::{SearchData, TemplateData, TemplateList};
use frbench_job::{DataFormat, Description, Rules};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) static IJB: Reader = Reader {
    name: "IJB-B and IJB-C",
    format: DataFormat::Templates,
    wants: "meta/*_face_tid_mid.txt, meta/*_template_pair_label.txt, meta/*_name_5pts_score.txt \
            and the folder of loose crops",
    recognises: |names| any_ends(names, MEMBERS),
    takes: |n| {
        let meta = [MEMBERS, "_template_pair_label.txt", "_name_5pts_score.txt"];
        meta.iter().any(|m| n.ends_with(m)) || n == "loose_crop/"
    },
    optional: &[],
    open,
};

/// Tables of 1:N, by how their names end: those of galleries, and that of probes.
const GALLERIES: [&str; 4] = [
    "_gallery_G1.csv",
    "_gallery_G2.csv",
    "_gallery_S1.csv",
    "_gallery_S2.csv",
];
const PROBES: &str = "_probe_mixed.csv";

/// The tables of 1:N by the names of their files.
type Tables<'a> = BTreeMap<&'a str, TemplateList>;

fn tables<'a>(files: &'a Files, watch: Watch) -> Result<Tables<'a>> {
    let table = |name: &String| -> Result<TemplateList> {
        let path = files.dir.join(name);
        let listed = list::parse_templates(Text::watched(&list::read(&path)?, watch), &path)?;
        let (templates, subjects) = listed.into_iter().unzip();
        Ok(TemplateList {
            templates,
            subjects,
        })
    };
    let names = files.names.iter().filter(|n| n.ends_with(".csv"));
    names.map(|n| Ok((n.as_str(), table(n)?))).collect()
}

/// The person of each template that a table names.
///
/// # Errors
/// [`Error::Data`] for a template that two tables say is of different people.
fn subjects(files: &Files, tables: &Tables) -> Result<BTreeMap<u32, u32>> {
    let mut of: BTreeMap<u32, (u32, &str)> = BTreeMap::new();
    for (name, table) in tables {
        for (&template, &subject) in table.templates.iter().zip(&table.subjects) {
            let (before, first) = *of.entry(template).or_insert((subject, name));
            if before != subject {
                let what = format!(
                    "template {template} is of person {subject}, but of {before} in {first}"
                );
                return bad(&files.dir.join(name), what);
            }
        }
    }
    Ok(of
        .into_iter()
        .map(|(t, (subject, _))| (t, subject))
        .collect())
}

/// What is searched in what, where the set has the tables of 1:N.
fn search(files: &Files, tables: &Tables, findings: &mut Findings) -> Option<SearchData> {
    let ends = |names: &[&str]| -> Vec<&TemplateList> {
        let is = |n: &str| names.iter().any(|end| n.ends_with(end));
        let own = tables.iter().filter(|(name, _)| is(name));
        own.map(|(_, table)| table).collect()
    };
    let (galleries, probes) = (ends(&GALLERIES), ends(&[PROBES]));
    match (&galleries[..], &probes[..]) {
        ([], []) => None,
        ([_, ..], [probes]) => Some(SearchData {
            galleries: galleries.into_iter().cloned().collect(),
            probes: (*probes).clone(),
        }),
        _ => {
            findings.say(format!(
                "{}: there are {} tables of galleries (*{}, ...) and {} of probes (*{PROBES}); a search \
                 takes galleries and one table of probes, so that none can be made",
                files.dir.display(),
                galleries.len(),
                GALLERIES[0],
                probes.len()
            ));
            None
        }
    }
}

const MEMBERS: &str = "_face_tid_mid.txt";

fn open(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let meta = |suffix: &str| {
        let path = role(files, suffix, |n| n.ends_with(suffix))?;
        Ok::<_, Error>((list::read(&path)?, path))
    };
    let (text, path) = meta(MEMBERS)?;
    let members = list::parse_members(Text::watched(&text, watch), &path)?;
    let (text, detections_path) = meta("_name_5pts_score.txt")?;
    let detections = list::parse_detections(Text::watched(&text, watch), &detections_path)?;
    let same_order = members.len() == detections.len()
        && members
            .iter()
            .zip(&detections)
            .all(|(m, d)| m.file == d.file);
    if !same_order {
        return bad(
            &detections_path,
            "does not list the same images in the same order as the template list",
        );
    }
    let (text, pairs_path) = meta("_template_pair_label.txt")?;
    let listed = list::parse_pairs(Text::watched(&text, watch), &pairs_path)?;
    let known: BTreeSet<u32> = members.iter().map(|m| m.template).collect();
    let steps = Steps::new(watch);
    for (n, pair) in listed.iter().enumerate() {
        steps.next()?;
        let unknown = [pair.first, pair.second];
        if let Some(t) = unknown.into_iter().find(|t| !known.contains(t)) {
            return bad(
                &pairs_path,
                format!("pair {n} names template {t}, which has no image"),
            );
        }
    }
    let mut findings = Findings::default();
    let tables = tables(files, watch)?;
    let subjects = subjects(files, &tables)?;
    let search = search(files, &tables, &mut findings);
    let images = role(files, "the folder of loose crops", |n| n.ends_with('/'))?;
    let paths = members.iter().map(|m| m.file.clone()).collect();
    let points = detections.iter().map(|d| d.points).collect();
    let source = FileSource::new(images, paths, None);
    let part = (DataFormat::Templates, "images");
    let gone = absent(&source, &path, part, rules, &mut findings, watch)?;
    let data = TemplateData {
        template: members.iter().map(|m| m.template).collect(),
        media: members.iter().map(|m| m.media).collect(),
        detector: Some(detections.iter().map(|d| d.score).collect()),
        pair_a: listed.iter().map(|p| p.first).collect(),
        pair_b: listed.iter().map(|p| p.second).collect(),
        same: listed.iter().map(|p| p.same).collect(),
        subjects: Some(subjects).filter(|s| !s.is_empty()),
        lost: Vec::new(),
        search,
    };
    let set = DataSet::new(
        vec![("images", Arc::new(AlignedSource::new(source, points)))],
        Description::Templates(data),
    );
    let gone = [("images".to_string(), gone)];
    set.found(findings).without(&gone.into(), &files.dir)
}
