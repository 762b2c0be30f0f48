//! Probes and distractors: as records, or as MegaFace's lists and folders.

use super::absent::absent;
use super::open::{Reader, any_ends, role};
use super::{DISTRACTOR_NOISE, DataSet, Files, Findings, PROBE_NOISE, bad};
use crate::list::{self, Noise, Text};
use crate::source::{FileSource, RecSource};
use crate::watch::Watch;
use frbench_base::{Error, Result};
use frbench_job::description::IdentificationData;
use frbench_job::{DataFormat, Description, Rules};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) static RECORDS: Reader = Reader {
    name: "records of probes and distractors",
    format: DataFormat::Identification,
    wants: "probes.rec and distractors.rec",
    recognises: |names| any_ends(names, "probes.rec") && !any_ends(names, "gallery.rec"),
    takes: |n| n == "probes.rec" || n == "distractors.rec",
    optional: &[],
    open: records,
};

pub(super) static LISTS: Reader = Reader {
    name: "MegaFace",
    format: DataFormat::Identification,
    wants: "facescrub*.json and megaface*.json*, the folders facescrub*/ and megaface*/, and \
            facescrub_noises.txt and megaface_noises.txt where they exist",
    recognises: |names| names.iter().any(|n| is_list(n, PROBES)),
    takes: |n| {
        let of = |prefix| is_list(n, prefix) || (n.starts_with(prefix) && n.ends_with('/'));
        of(PROBES) || of(DISTRACTORS)
    },
    optional: &[PROBE_NOISE, DISTRACTOR_NOISE],
    open: lists,
};

const PROBES: &str = "facescrub";
const DISTRACTORS: &str = "megaface";

fn is_list(name: &str, prefix: &str) -> bool {
    name.starts_with(prefix) && name.contains(".json")
}

fn records(files: &Files, _: &Rules, watch: Watch) -> Result<DataSet> {
    let open = |name: &str| RecSource::open(&role(files, name, |n| n.ends_with(name))?, watch);
    let (probes, distractors) = (open("probes.rec")?, open("distractors.rec")?);
    let data = IdentificationData {
        probe_ids: probes.classes().to_vec(),
        distractors: distractors.classes().len(),
        ..IdentificationData::default()
    };
    Ok(DataSet::new(
        vec![
            ("probes", Arc::new(probes)),
            ("distractors", Arc::new(distractors)),
        ],
        Description::Identification(data),
    ))
}

fn lists(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let list_of = |prefix: &str| {
        let path = role(files, &format!("{prefix}*.json*"), |n| is_list(n, prefix))?;
        let text = list::read(&path)?;
        let names = list::parse_names(Text::watched(&text, watch), &path)?;
        Ok::<_, Error>((names, path))
    };
    let folder = |prefix: &str| {
        role(files, &format!("the folder {prefix}*/"), |n| {
            n.starts_with(prefix) && n.ends_with('/')
        })
    };
    let mut findings = Findings::default();
    let mut noise = |name: &str, paths: &[String], what: &str| -> Result<Vec<usize>> {
        let Some(path) = files.find(|n| n == name) else {
            return Ok(Vec::new());
        };
        let text = list::read(&path)?;
        let noise = Noise::parse(Text::watched(&text, watch), &path)?;
        let hits = noise.hits(paths, watch)?;
        let (found, all) = (hits.paths.len(), paths.len());
        let said = format!(
            "{}: of {} names {} are {what}, {found} of {all}",
            path.display(),
            noise.len(),
            hits.names
        );
        // Lists are much longer than what they name of a set; one that names nothing is of another.
        match found == 0 && !noise.is_empty() {
            true => findings.say_odd(format!("{said}; it may be the list of other files")),
            false => findings.say(said),
        }
        Ok(hits.paths)
    };
    let (probes, path) = list_of(PROBES)?;
    let Some(probe_ids) = probes.ids else {
        return bad(
            &path,
            "has no `id` list, so it is not known who the probes are",
        );
    };
    let (distractors, distractor_list) = list_of(DISTRACTORS)?;
    let data = IdentificationData {
        noisy_probes: noise(PROBE_NOISE, &probes.paths, "probes")?,
        noisy_distractors: noise(DISTRACTOR_NOISE, &distractors.paths, "distractors")?,
        probe_ids: probe_ids.clone(),
        distractors: distractors.paths.len(),
        ..IdentificationData::default()
    };
    let probes = FileSource::new(folder(PROBES)?, probes.paths, Some(probe_ids));
    let distractors = FileSource::new(folder(DISTRACTORS)?, distractors.paths, None);
    let mut gone = BTreeMap::new();
    for (part, source, list) in [
        ("probes", &probes, &path),
        ("distractors", &distractors, &distractor_list),
    ] {
        let of = (DataFormat::Identification, part);
        let images = absent(source, list, of, rules, &mut findings, watch)?;
        gone.insert(part.to_string(), images);
    }
    let set = DataSet::new(
        vec![
            ("probes", Arc::new(probes)),
            ("distractors", Arc::new(distractors)),
        ],
        Description::Identification(data),
    );
    set.found(findings).without(&gone, &files.dir)
}
