//! Rendering a twin to the files that the field's data sets come in.

use super::spool::Spool;
use super::twin::{Arrangement, Twin, templates, twin};
use super::world::CROP;
use frbench_base::files;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::bin::{BinWriter, Protocol};
use frbench_data::record::{RecWriter, RecordLayout};
use frbench_job::SynthSpec;
use rayon::prelude::*;
use std::path::Path;

/// Images rendered at a time: bounds memory and what a kill loses, and is enough for many
/// threads.
const CHUNK: u64 = 256;

/// Told how many images of how many are done; an error stops the rendering.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// Renders a data set into `dir`, which is made if need be; see [`assemble`] for its files.
///
/// # Errors
/// What [`twin`] refuses, what the disk refuses, and what `progress` returns.
pub fn write(spec: &SynthSpec, dir: &Path, progress: Progress) -> Result<()> {
    twin(spec)?;
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    let file = tempfile::tempfile_in(dir).map_err(|e| Error::io(dir, e))?;
    let (mut spool, _) = Spool::open(file, dir, &Key::of(spec))?;
    render(spec, &mut spool, progress)?;
    assemble(spec, &spool, dir)
}

/// Renders the images of a data set that `spool` does not hold yet: in parallel, chunk by chunk,
/// and kept in order. What is kept when `progress` returns an error stays in the spool.
///
/// # Errors
/// What [`twin`] refuses, what the disk refuses, and what `progress` returns.
pub fn render(spec: &SynthSpec, spool: &mut Spool, progress: Progress) -> Result<()> {
    let twin = twin(spec)?;
    while spool.len() < twin.len() {
        let start = spool.len();
        let end = twin.len().min(start + CHUNK);
        let images: Vec<Vec<u8>> = (start..end)
            .into_par_iter()
            .map(|i| twin.render_jpeg(i))
            .collect::<Result<_>>()?;
        spool.append(&images)?;
        progress(end, twin.len())?;
    }
    Ok(())
}

/// Writes the files of a data set whose images are all in `spool` into `dir`, which is there:
///
/// | twin | files |
/// |---|---|
/// | `train` | `train.rec`, `train.idx`, `property` (insightface layout) |
/// | `noisy-train` | the same, and `identities.txt` |
/// | pairs | `<twin>.bin` (`cfp_fp.bin`), and `identities.txt`: a line per image with its person |
/// | `rfw` | the same, and `groups.txt`: a line per pair with its group |
/// | `megaface` | `probes.rec/.idx` (label = person) and `distractors.rec/.idx` (label = index) |
/// | `outliers` | `train.rec`, `train.idx`, `property` (label = index) |
/// | `tinyface` | the files of `megaface`, and `gallery.rec/.idx` (label = person) |
/// | `watchlist` | `probes.rec/.idx` and `gallery.rec/.idx` (label = person) |
/// | `ijb` | `loose_crop/1.jpg`, ..., and the lists and tables of IJB in `meta/` |
///
/// The bytes do not depend on the number of threads. Memory stays bounded. No file but
/// an image of `ijb` has its final name before it is complete.
///
/// # Errors
/// What [`twin`] and the disk refuse, and a spool that does not hold the images.
pub fn assemble(spec: &SynthSpec, spool: &Spool, dir: &Path) -> Result<()> {
    let twin = twin(spec)?;
    if spool.len() != twin.len() {
        let (kept, all) = (spool.len(), twin.len());
        return Err(Error::Bug(format!("{kept} of {all} images are rendered")));
    }
    let label = |i: u64| twin.label(i) as u32; // Sizes are limited far below u32.
    match twin.layout.clone() {
        Arrangement::Train { .. } => {
            let mut out = RecWriter::create(dir.join("train.rec"), RecordLayout::Insightface)?;
            spool.each(|i, image| out.push(label(i), &image))?;
            write_side_files(&twin, dir)?;
            out.finish(CROP)
        }
        Arrangement::Pairs { pairs } | Arrangement::Groups { pairs } => {
            let name = format!("{}.bin", spec.twin.replace('-', "_"));
            let mut out = BinWriter::create(dir.join(name), Protocol::Python2)?;
            let mut first = Vec::new();
            spool.each(|i, image| {
                if i.is_multiple_of(2) {
                    first = image;
                    return Ok(());
                }
                out.push(&first, &image, pairs[(i / 2) as usize].same())
            })?;
            write_side_files(&twin, dir)?;
            out.finish()
        }
        Arrangement::Templates { .. } => {
            let images = dir.join(templates::IMAGES);
            std::fs::create_dir_all(&images).map_err(|e| Error::io(&images, e))?;
            // Images are many, and their lists, which name them, come last.
            spool.each(|i, image| {
                let file = images.join(format!("{}.jpg", i + 1));
                std::fs::write(&file, &image).map_err(|e| Error::io(&file, e))
            })?;
            let mut lists = templates::lists(&twin).into_iter();
            lists.try_for_each(|(name, text)| files::write_atomic(&dir.join(name), text.as_bytes()))
        }
        several => {
            let mut outs = Vec::new();
            for (name, part) in several.parts() {
                let file = dir.join(format!("{name}.rec"));
                outs.push((part.end, RecWriter::create(file, RecordLayout::Plain)?));
            }
            let mut at = 0;
            spool.each(|i, image| {
                while i >= outs[at].0 {
                    at += 1;
                }
                outs[at].1.push(label(i), &image)
            })?;
            outs.into_iter().try_for_each(|(_, out)| out.finish(CROP))
        }
    }
}

/// The person on each image of a set, a line each: for intervals about people, and to tell wrong
/// labels.
const IDENTITIES: &str = "identities.txt";

/// The group of each pair of a set, a line each.
const GROUPS: &str = "groups.txt";

/// Names of such files; those of tables end in `.csv`.
pub const SIDE_FILES: &[&str] = &[IDENTITIES, GROUPS];

/// What a set states beyond its images, labels and pairs: the files with it, each with its text.
///
/// # Errors
/// What [`twin`] refuses.
pub fn side_files(spec: &SynthSpec) -> Result<Vec<(&'static str, String)>> {
    Ok(side_texts(&twin(spec)?))
}

fn side_texts(twin: &Twin) -> Vec<(&'static str, String)> {
    let lines = |lines: &mut dyn Iterator<Item = String>| lines.map(|line| line + "\n").collect();
    let mut texts = templates::tables(twin);
    let paired = match &twin.layout {
        Arrangement::Pairs { .. } => true,
        Arrangement::Groups { pairs } => {
            let groups = &mut pairs.iter().map(|pair| pair.group().to_owned());
            texts.push((GROUPS, lines(groups)));
            true
        }
        _ => false,
    };
    if paired || twin.is_noisy() {
        let people = &mut (0..twin.len()).map(|i| twin.identity(i).to_string());
        texts.push((IDENTITIES, lines(people)));
    }
    texts
}

fn write_side_files(twin: &Twin, dir: &Path) -> Result<()> {
    let mut texts = side_texts(twin).into_iter();
    texts.try_for_each(|(name, text)| files::write_atomic(&dir.join(name), text.as_bytes()))
}
