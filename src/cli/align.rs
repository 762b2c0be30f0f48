//! `frbench align`

use super::exit::ExitStatus;
use super::output::{note, print, print_json};
use super::progress::Progress;
use crate::data::align::{ALIGNED, Landmarks, Similarity, template, warp_to_template};
use crate::data::decode::encode_png;
use crate::data::export;
use crate::data::image::Image;
use crate::data::list;
use crate::data::set::listed::{Listed, read_listed};
use crate::data::source::{FileSource, ImageSource};
use crate::data::watch::Watch;
use crate::run::Stop;
use crate::{Error, Result, Size, files};
use clap::Args;
use rayon::prelude::*;
use serde_json::json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Args, Debug)]
pub struct AlignArgs {
    /// Pictures with five landmarks each (left eye, right eye, nose, corners of the mouth): text
    /// (IJB's list), CSV or JSON
    list: PathBuf,
    /// Folder for the crops, as PNG under the names of the pictures; or a pack, NAME.bin
    #[arg(long, short, value_name = "DIR|FILE.bin")]
    out: PathBuf,
    /// Folder that the list names pictures from [default: that of the list]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Size of a crop: a side, or HEIGHTxWIDTH
    #[arg(long, default_value = "112", value_parser = size)]
    size: Size,
    /// Of a pack: the pairs, as a table `first,second,same` or a list of LFW's or AgeDB-30's form
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

fn size(text: &str) -> Result<Size, String> {
    let side = |text: &str| {
        text.parse::<usize>()
            .ok()
            .filter(|n| (8..=4096).contains(n))
    };
    let size = match text.split_once('x') {
        Some((height, width)) => side(height).zip(side(width)).map(|(h, w)| [h, w].into()),
        None => side(text).map(Size::square),
    };
    size.ok_or_else(|| "want a side from 8 to 4096, or HEIGHTxWIDTH such as 112x96".into())
}

pub fn align(args: AlignArgs) -> Result<ExitStatus> {
    let pack = args.out.extension().is_some_and(|e| e == "bin");
    let pairs = match (pack, &args.pairs) {
        (true, None) => {
            return Err(Error::Usage(
                "a pack holds pairs; --pairs says which pictures are one".into(),
            ));
        }
        (false, Some(_)) => {
            return Err(Error::Usage(
                "--pairs is of packs; write to NAME.bin, or leave it out".into(),
            ));
        }
        (_, pairs) => pairs.as_deref(),
    };
    let progress = Progress::new(args.json);
    let done = write(&args, pairs, &progress);
    progress.clear();
    let (written, crops) = done?;
    written.notes.iter().for_each(|said| note(said));
    let outside = crops.outside().len();
    if outside > 0 {
        note(&format!(
            "{outside} of {} pictures have a landmark outside of the picture",
            written.pictures
        ));
    }
    let written = written.crops;
    if args.json {
        print_json(&json!({
            "out": args.out, "pictures": written, "landmarks_outside": outside,
            "size": args.size,
        }))?;
    } else {
        print(&format!(
            "{}: {written} crops of {} pixels, bilinear, black outside of the picture{}\n",
            args.out.display(),
            args.size,
            match args.size == ALIGNED {
                true => "",
                false => "; of another size than 112 x 112, so a declaration says `aligned = true`",
            }
        ))?;
    }
    Ok(ExitStatus::Success)
}

/// Writes all crops, and returns how many there are. What can be refused is refused before a picture
/// is decoded.
fn write(args: &AlignArgs, pairs: Option<&Path>, progress: &Progress) -> Result<(Written, Crops)> {
    let stop = Stop::on_signals()?;
    let watch = |done, total, unit: &'static str| {
        if total > 0 {
            progress.advance("align", done, total, unit, "aligned");
        }
        stop.check_anew("aligning")
    };
    let marked = list::parse_marked(&list::read(&args.list)?, &args.list)?;
    let (names, points): (Vec<String>, Vec<Landmarks>) = marked.into_iter().unzip();
    refuse_without_similarity(&args.list, (&names, &points), args.size)?;
    let own = args.list.parent().unwrap_or(Path::new(""));
    let root = args.root.as_deref().unwrap_or(own);
    let loose = FileSource::new(root, names.clone(), None);
    loose.refuse_missing(&args.list, &watch)?;
    let crops = Crops {
        loose,
        points,
        size: args.size,
        outside: Mutex::default(),
    };
    let written = match pairs {
        Some(pairs) => into_pack(&crops, &names, pairs, &args.out, &watch)?,
        None => {
            let targets = targets(&crops.loose, &names, root, &args.out)?;
            into_folder(&crops, &targets, (progress, &stop))?
        }
    };
    Ok((written, crops))
}

/// What was written.
struct Written {
    crops: usize,
    /// Pictures that were cut.
    pictures: usize,
    /// What there is to say of it.
    notes: Vec<String>,
}

/// Pictures as they are cut out.
struct Crops {
    loose: FileSource,
    points: Vec<Landmarks>,
    size: Size,
    /// Pictures that have a landmark outside of them, of those that were cut.
    outside: Mutex<BTreeSet<usize>>,
}

impl Crops {
    fn outside(&self) -> std::sync::MutexGuard<'_, BTreeSet<usize>> {
        self.outside.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl ImageSource for Crops {
    fn len(&self) -> usize {
        self.loose.len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        self.loose.bytes(i)
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn describe(&self, i: usize) -> String {
        self.loose.describe(i)
    }

    fn decoded(&self, i: usize, bytes: &[u8]) -> Result<Image> {
        let image = self.loose.decoded(i, bytes)?;
        let (width, height) = (image.width as f64, image.height as f64);
        let beyond =
            |p: &[f64; 2]| !(0.0..=width).contains(&p[0]) || !(0.0..=height).contains(&p[1]);
        if self.points[i].iter().any(beyond) {
            self.outside().insert(i);
        }
        warp_to_template(&image, &self.points[i], self.size)
            .ok_or_else(|| Error::Bug(format!("{}: no similarity", self.describe(i))))
    }
}

/// Refuses landmarks that no similarity moves to the template.
fn refuse_without_similarity(
    list: &Path,
    (names, points): (&[String], &[Landmarks]),
    size: Size,
) -> Result<()> {
    let to = template(size);
    let wrong = names.iter().zip(points);
    let wrong = wrong.filter(|(_, points)| Similarity::fit(points, &to).is_none());
    let wrong: Vec<&str> = wrong.map(|(name, _)| name.as_str()).collect();
    match wrong.len() {
        0 => Ok(()),
        n => Err(Error::Data(format!(
            "{}: the landmarks of {n} of {} pictures lie in one point, so that nothing can be \
             aligned by them: {}{}",
            list.display(),
            names.len(),
            wrong[..n.min(5)].join(", "),
            if n > 5 { ", ..." } else { "" }
        ))),
    }
}

/// The file of each crop.
///
/// # Errors
/// A usage error for the folder that the pictures are read from, and for crops that would be written
/// over pictures; [`Error::Data`] for two crops of one name.
fn targets(loose: &FileSource, names: &[String], root: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    if files::resolved(out)? == files::resolved(root)? {
        return Err(Error::Usage(format!(
            "{} is the folder that the pictures are read from, and crops have their names: write \
             them into another one",
            out.display()
        )));
    }
    let target = |name: &String| out.join(name).with_extension("png");
    let targets: Vec<PathBuf> = names.iter().map(target).collect();
    let distinct: BTreeSet<&PathBuf> = targets.iter().collect();
    if distinct.len() < targets.len() {
        return Err(Error::Data(
            "two pictures of the list differ in their ending alone, and crops are .png".into(),
        ));
    }
    let there: BTreeMap<PathBuf, &PathBuf> = targets
        .iter()
        .filter_map(|path| Some((path.canonicalize().ok()?, path)))
        .collect();
    let mut read = (0..names.len()).filter(|_| !there.is_empty());
    let over = read.find_map(|i| there.get(&loose.path(i).canonicalize().ok()?));
    match over {
        None => Ok(targets),
        Some(path) => Err(Error::Usage(format!(
            "{} is a picture of the list, and a crop would be written over it: write crops into \
             another folder",
            path.display()
        ))),
    }
}

/// A crop that is there already is left there, and another file of its name is not replaced.
fn into_folder(
    crops: &Crops,
    targets: &[PathBuf],
    (progress, stop): (&Progress, &Stop),
) -> Result<Written> {
    let done = AtomicU64::new(0);
    targets.par_iter().enumerate().try_for_each(|(i, path)| {
        stop.check_anew("aligning")?;
        let crop = encode_png(&crops.image(i)?)?;
        match path.symlink_metadata() {
            Err(_) => files::write_atomic(path, &crop)?,
            Ok(_) if std::fs::read(path).is_ok_and(|there| there == crop) => {}
            Ok(_) => {
                return Err(Error::Usage(format!(
                    "{} is there already and is not the crop that belongs there; it is not \
                     replaced: remove it, or write into another folder",
                    path.display()
                )));
            }
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress.advance("align", done, targets.len() as u64, "images", "aligned");
        Ok(())
    })?;
    Ok(Written {
        crops: targets.len(),
        pictures: targets.len(),
        notes: Vec::new(),
    })
}

fn into_pack(
    crops: &Crops,
    names: &[String],
    pairs: &Path,
    out: &Path,
    watch: Watch,
) -> Result<Written> {
    if out.symlink_metadata().is_ok() {
        return Err(Error::Usage(format!(
            "{} is there already, and is not replaced: remove it, or name another file",
            out.display()
        )));
    }
    let listed: Listed = read_listed(pairs, watch)?;
    let numbers: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let data = listed.data(pairs, names.len(), |pair| {
        let find = |name: &String| {
            numbers.get(name.as_str()).copied().ok_or_else(|| {
                let (path, place) = (pairs.display(), &pair.place);
                Error::Data(format!("{path}: {place}: `{name}` has no landmarks"))
            })
        };
        Ok(Some((find(&pair.first)?, find(&pair.second)?)))
    })?;
    let (order, said) = export::write_pack(crops, &data, out, watch)?;
    let named = data.pairs.iter().flatten().flat_map(|(a, b)| [a, b]);
    let named: BTreeSet<&u32> = named.collect();
    let mut notes = listed.findings.notes();
    notes.extend(said);
    if data.groups.is_some() {
        notes.push("a pack alone states no groups: they are lost".into());
    }
    if named.len() < names.len() {
        notes.push(format!(
            "{} of {} pictures are in no pair, and not in the pack",
            names.len() - named.len(),
            names.len()
        ));
    }
    Ok(Written {
        crops: 2 * order.len(),
        pictures: named.len(),
        notes,
    })
}
