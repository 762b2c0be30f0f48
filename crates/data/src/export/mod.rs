//! Data sets written out in another layout: a folder of pictures with a list, records, a pack.
//!
//! Pictures keep their bytes, unless they are aligned as they are read: those are stored as PNG. The
//! identity of a set stays: order, labels and relations are written as they are, and what a layout
//! cannot say is refused or said.

mod pairs;

pub use pairs::write_pack;

use super::decode::{Kind, decode, encode_png, sniff};
use super::record::{RecWriter, RecordLayout};
use super::set::DataSet;
use super::source::ImageSource;
use super::watch::{Counter, Watch};
use frbench_base::{Error, Result, files};
use frbench_job::Description;
use frbench_job::description::TrainData;
use std::path::Path;

/// A layout to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Pictures, and a list of them: training sets and pairs.
    Folder,
    /// MXNet records: training sets, probes with distractors or a gallery.
    Records,
    /// A `.bin` pack of pairs.
    Pack,
}

/// Writes `set` into the folder `out`, which must be empty or missing, and returns what a reader
/// must know.
///
/// # Errors
/// [`Error::Usage`] for a layout that cannot hold such a set, and for a folder that is not empty;
/// [`Error::Data`] for a set of which images are missing or damaged; what `watch` returns.
pub fn export(set: &DataSet, form: Form, out: &Path, watch: Watch) -> Result<Vec<String>> {
    refuse(&set.description, form)?;
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    let mut there = std::fs::read_dir(out).map_err(|e| Error::io(out, e))?;
    if there.next().is_some() {
        return Err(Error::Usage(format!(
            "{} is not empty; a set is exported into a folder of its own",
            out.display()
        )));
    }
    let images = set.parts.iter().map(|(_, source)| source.len() as u64);
    let counter = Counter::images(images.sum(), watch);
    match (&set.description, form) {
        (Description::Train(data), Form::Folder) => train_folder(set, data, out, &counter),
        (Description::Train(data), Form::Records) => train_records(set, data, out, &counter),
        (Description::Pairs(data), Form::Folder) => pairs::folder(set, data, out, &counter),
        (Description::Pairs(data), Form::Pack) => pairs::pack(set, data, out, watch),
        (Description::Identification(_) | Description::Gallery(_), Form::Records) => {
            searched(set, out, &counter)
        }
        _ => Err(Error::Bug("a layout that was refused".into())),
    }
}

/// Refuses a layout that cannot hold such a set.
fn refuse(description: &Description, form: Form) -> Result<()> {
    let (fit, said): (&[Form], _) = match description {
        Description::Train(_) => (
            &[Form::Folder, Form::Records],
            "a folder or records hold it",
        ),
        Description::Pairs(_) => (&[Form::Folder, Form::Pack], "a folder or a pack holds it"),
        Description::Identification(_) | Description::Gallery(_) => {
            (&[Form::Records], "records hold it")
        }
        Description::Templates(_) => (&[], "its files are what others read"),
    };
    match fit.contains(&form) {
        true => Ok(()),
        false => Err(Error::Usage(format!(
            "a set of the format `{}` is not exported as {}; {said}",
            description.format().name(),
            form.words(),
        ))),
    }
}

impl Form {
    fn words(self) -> &'static str {
        match self {
            Form::Folder => "a folder",
            Form::Records => "records",
            Form::Pack => "a pack",
        }
    }
}

/// The bytes of an image as they are to be stored, and the ending of a file that holds them.
fn stored(source: &dyn ImageSource, i: usize) -> Result<(Vec<u8>, &'static str)> {
    let bytes = source.bytes(i)?;
    let image = source.decoded(i, &bytes)?;
    // What is aligned as it is read, is not what its bytes show.
    if decode(&bytes).is_ok_and(|plain| plain == image) {
        let ending = match sniff(&bytes) {
            Some(Kind::Png) => "png",
            _ => "jpg",
        };
        return Ok((bytes.into_owned(), ending));
    }
    Ok((encode_png(&image)?, "png"))
}

/// Writes all images of a part into `images/`, and returns their paths.
fn pictures(source: &dyn ImageSource, out: &Path, counter: &Counter) -> Result<Vec<String>> {
    let digits = source.len().to_string().len().max(6);
    let folder = out.join("images");
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    let mut paths = Vec::with_capacity(source.len());
    for i in 0..source.len() {
        let (bytes, ending) = stored(source, i)?;
        let path = format!("images/{i:0digits$}.{ending}");
        files::write_atomic(&out.join(&path), &bytes)?;
        paths.push(path);
        counter.add(1)?;
    }
    Ok(paths)
}

fn lines<T: std::fmt::Display>(path: &Path, lines: impl IntoIterator<Item = T>) -> Result<()> {
    let text: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
    files::write_atomic(path, text.as_bytes())
}

fn people(data: &TrainData, out: &Path) -> Result<()> {
    match &data.identities {
        Some(people) => lines(&out.join("identities.txt"), people),
        None => Ok(()),
    }
}

fn train_folder(
    set: &DataSet,
    data: &TrainData,
    out: &Path,
    counter: &Counter,
) -> Result<Vec<String>> {
    let paths = pictures(set.part("images")?.as_ref(), out, counter)?;
    let listed = paths.iter().zip(&data.labels);
    lines(
        &out.join("train.lst"),
        listed.map(|(path, label)| format!("{path} {label}")),
    )?;
    people(data, out)?;
    Ok(Vec::new())
}

fn train_records(
    set: &DataSet,
    data: &TrainData,
    out: &Path,
    counter: &Counter,
) -> Result<Vec<String>> {
    let source = set.part("images")?;
    // insightface's layout wants classes one after the other.
    let grouped = data.labels.is_sorted();
    let layout = match grouped {
        true => RecordLayout::Insightface,
        false => RecordLayout::Plain,
    };
    let side = match source.is_empty() {
        true => 112,
        false => source.image(0)?.height,
    };
    let mut writer = RecWriter::create(out.join("train.rec"), layout)?;
    for (i, label) in data.labels.iter().enumerate() {
        writer.push(*label, &stored(source.as_ref(), i)?.0)?;
        counter.add(1)?;
    }
    writer.finish(side)?;
    people(data, out)?;
    Ok(match grouped {
        true => Vec::new(),
        false => vec![
            "its classes are not one after the other, so the records are plain ones, without \
             ranges of identities"
                .into(),
        ],
    })
}

fn searched(set: &DataSet, out: &Path, counter: &Counter) -> Result<Vec<String>> {
    let lost = match &set.description {
        Description::Identification(d) => {
            if !d.noisy_probes.is_empty() || !d.noisy_distractors.is_empty() {
                return Err(Error::Data(
                    "its noise lists go by the names of files, which records have not".into(),
                ));
            }
            d.lost_probes.len() + d.lost_distractors
        }
        Description::Gallery(d) => d.lost_probes.len() + d.lost_gallery.len() + d.lost_distractors,
        _ => 0,
    };
    if lost > 0 {
        return Err(Error::Data(format!(
            "{lost} images are missing or damaged; such a set is not exported"
        )));
    }
    for (name, source) in set.parts.iter().filter(|(_, source)| !source.is_empty()) {
        let path = out.join(format!("{name}.rec"));
        let mut writer = RecWriter::create(path, RecordLayout::Plain)?;
        for i in 0..source.len() {
            let label = set.label(name, source.as_ref(), i).unwrap_or(0);
            writer.push(label, &stored(source.as_ref(), i)?.0)?;
            counter.add(1)?;
        }
        writer.finish(source.image(0)?.height)?;
    }
    Ok(Vec::new())
}
