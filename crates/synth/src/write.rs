//! Rendering a twin to the files that the field's data sets come in.

use super::twin::{Arrangement, Twin, twin};
use super::world::CROP;
use frbench_base::files;
use frbench_base::{Error, Result};
use frbench_data::bin::{BinWriter, Protocol};
use frbench_data::record::{RecWriter, RecordLayout};
use frbench_job::SynthSpec;
use rayon::prelude::*;
use std::path::Path;

/// Images rendered at a time: bounds memory, and is enough for many threads.
const CHUNK: u64 = 512;

/// Told how many images of how many are done; an error stops the writing.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// Renders a data set into `dir`, which is made if need be:
///
/// | twin | files |
/// |---|---|
/// | `train` | `train.rec`, `train.idx`, `property` (insightface layout) |
/// | `noisy-train` | the same, and `identities.txt` |
/// | pairs | `<twin>.bin` (`cfp_fp.bin`), and `identities.txt`: a line per image with its person |
/// | `megaface` | `probes.rec/.idx` (label = person) and `distractors.rec/.idx` (label = index) |
/// | `outliers` | `train.rec`, `train.idx`, `property` (label = index) |
/// | `tinyface` | the files of `megaface`, and `gallery.rec/.idx` (label = person) |
///
/// The bytes do not depend on the number of threads. Memory stays bounded. No file has its
/// final name before it is complete.
///
/// # Errors
/// What [`twin`] refuses, what the disk refuses, and what `progress` returns.
pub fn write(spec: &SynthSpec, dir: &Path, progress: Progress) -> Result<()> {
    let twin = twin(spec)?;
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    match twin.layout.clone() {
        Arrangement::Train { .. } => {
            let mut out = RecWriter::create(dir.join("train.rec"), RecordLayout::Insightface)?;
            records(&twin, 0..twin.len(), &mut out, progress)?;
            write_identities(&twin, dir)?;
            out.finish(CROP)
        }
        Arrangement::Pairs { pairs } => {
            let name = format!("{}.bin", spec.twin.replace('-', "_"));
            let mut out = BinWriter::create(dir.join(name), Protocol::Python2)?;
            let mut first = Vec::new();
            each(&twin, 0..twin.len(), progress, |i, image| {
                if i.is_multiple_of(2) {
                    first = image;
                    return Ok(());
                }
                out.push(&first, &image, pairs[(i / 2) as usize].same())
            })?;
            write_identities(&twin, dir)?;
            out.finish()
        }
        several => {
            for (name, part) in several.parts() {
                let file = dir.join(format!("{name}.rec"));
                let mut out = RecWriter::create(file, RecordLayout::Plain)?;
                records(&twin, part, &mut out, &mut *progress)?;
                out.finish(CROP)?;
            }
            Ok(())
        }
    }
}

fn records(
    twin: &Twin,
    part: std::ops::Range<u64>,
    out: &mut RecWriter,
    progress: Progress,
) -> Result<()> {
    each(twin, part, progress, |i, image| {
        // Sizes are limited far below u32.
        out.push(twin.label(i) as u32, &image)
    })
}

/// Renders a range in parallel, chunk by chunk, and hands the images over in order.
fn each(
    twin: &Twin,
    part: std::ops::Range<u64>,
    progress: Progress,
    mut take: impl FnMut(u64, Vec<u8>) -> Result<()>,
) -> Result<()> {
    let mut start = part.start;
    while start < part.end {
        let end = part.end.min(start + CHUNK);
        let images: Vec<Vec<u8>> = (start..end)
            .into_par_iter()
            .map(|i| twin.render_jpeg(i))
            .collect::<Result<_>>()?;
        for (i, image) in (start..end).zip(images) {
            take(i, image)?;
        }
        progress(end, twin.len())?;
        start = end;
    }
    Ok(())
}

/// The file of the people on the images of a set.
pub const IDENTITIES: &str = "identities.txt";

/// The person in each image, a line each, for sets that have such a file: for bootstraps that
/// resample people, and to tell wrong labels.
///
/// # Errors
/// What [`twin`] refuses.
pub fn identities(spec: &SynthSpec) -> Result<Option<String>> {
    Ok(people(&twin(spec)?))
}

fn people(twin: &Twin) -> Option<String> {
    let stated = twin.is_noisy() || matches!(twin.layout, Arrangement::Pairs { .. });
    stated.then(|| {
        let lines = (0..twin.len()).map(|i| format!("{}\n", twin.identity(i)));
        lines.collect()
    })
}

fn write_identities(twin: &Twin, dir: &Path) -> Result<()> {
    match people(twin) {
        Some(text) => files::write_atomic(&dir.join(IDENTITIES), text.as_bytes()),
        None => Ok(()),
    }
}
