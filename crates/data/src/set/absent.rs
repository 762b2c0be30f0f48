//! Images that a list names and that are not there, and what becomes of images that are lost.

use super::Findings;
use crate::source::FileSource;
use crate::watch::Watch;
use frbench_base::Result;
use frbench_job::{DataFormat, Missing, Rules};
use std::path::Path;

/// What becomes of images of a part that are missing or damaged, in words; nothing is said of
/// those to train on.
pub(crate) fn becomes(format: DataFormat, part: &str) -> &'static str {
    match (format, part) {
        (DataFormat::Train, _) => "",
        (DataFormat::Pairs, _) => {
            "; each pair with one is a non-match at every threshold (failure to acquire)"
        }
        (DataFormat::Templates, _) => {
            "; a template without any other image is a non-match with every other template \
             (failure to acquire)"
        }
        (_, "probes") => "; each is a miss at every rank and threshold (failure to acquire)",
        _ => "; the gallery is without them (failure to enrol)",
    }
}

/// The images of `source`, a part of a set, that are not there, ascending. `list` is what names
/// them.
///
/// # Errors
/// `Error::Data` where there are any and the rules refuse them; what `watch` returns.
pub(super) fn absent(
    source: &FileSource,
    list: &Path,
    (format, part): (DataFormat, &str),
    rules: &Rules,
    findings: &mut Findings,
    watch: Watch,
) -> Result<Vec<u32>> {
    match rules.missing {
        Missing::Refuse => source.refuse_missing(list, watch).map(|()| Vec::new()),
        Missing::Miss => {
            let gone = source.missing(watch)?;
            let names = gone.iter().map(|&i| source.listed(i as usize).to_string());
            let what = match part {
                "probes" | "distractors" => part,
                "gallery" => "images of the gallery",
                _ => "images",
            };
            let becomes = becomes(format, part);
            findings.note(
                &format!("{what} that the list names are missing{becomes}"),
                names,
            );
            Ok(gone)
        }
    }
}
