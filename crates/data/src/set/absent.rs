//! Images that a list names and that are not there.

use super::Findings;
use crate::source::FileSource;
use crate::watch::Watch;
use frbench_base::Result;
use frbench_job::{Missing, Rules};
use std::path::Path;

/// What becomes of missing images of each kind, as `data verify` says it.
pub(super) const PROBES_MISSED: &str = "probes that the list names are missing; each is a miss at \
                                        every rank and threshold (failure to acquire)";
pub(super) const GALLERY_LEFT_OUT: &str = "images that the list of the gallery names are missing \
                                           and left out of it (failure to enrol)";
pub(super) const DISTRACTORS_LEFT_OUT: &str = "distractors that the list names are missing and \
                                               left out of the gallery (failure to enrol)";
pub(super) const TEMPLATES_LEFT_OUT: &str = "images that the list names are missing and left out \
                                             of their templates; a template without an image is a \
                                             non-match with every other (failure to acquire)";

/// The images of `source` that are not there, ascending; `what` says what they are and what
/// becomes of them. `list` is what names them.
///
/// # Errors
/// `Error::Data` where there are any and the rules refuse them; what `watch` returns.
pub(super) fn absent(
    source: &FileSource,
    list: &Path,
    what: &str,
    rules: &Rules,
    findings: &mut Findings,
    watch: Watch,
) -> Result<Vec<u32>> {
    match rules.missing {
        Missing::Refuse => source.refuse_missing(list, watch).map(|()| Vec::new()),
        Missing::Miss => {
            let gone = source.missing(watch)?;
            let names = gone.iter().map(|&i| source.listed(i as usize).to_string());
            findings.note(what, names);
            Ok(gone)
        }
    }
}
