//! `frbench align`

use super::exit::ExitStatus;
use super::output::{note, print, print_json};
use clap::Args;
use frbench::data::align::ALIGNED;
use frbench::data::bin::{BinWriter, Protocol};
use frbench::data::decode::{decode, encode_png};
use frbench::data::list::{self, ListedPair};
use frbench::data::source::{AlignedSource, FileSource, ImageSource};
use frbench::run::Stop;
use frbench::{Error, Result, Size, files};
use rayon::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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
    let stop = Stop::on_signals()?;
    let marked = list::parse_marked(&list::read(&args.list)?, &args.list)?;
    let (names, points): (Vec<String>, Vec<_>) = marked.into_iter().unzip();
    let own = args.list.parent().unwrap_or(Path::new(""));
    let root = args.root.as_deref().unwrap_or(own);
    let loose = FileSource::new(root, names.clone(), None);
    let watch = |_, _, _: &'static str| stop.check("aligning");
    loose.refuse_missing(&args.list, &watch)?;
    let outside = outside(&loose, &points)?;
    if outside > 0 {
        note(&format!(
            "{outside} of {} pictures have a landmark outside of the picture",
            names.len()
        ));
    }
    let source = AlignedSource::sized(loose, points, args.size);
    let pack = args.out.extension().is_some_and(|e| e == "bin");
    let written = match (pack, &args.pairs) {
        (true, Some(pairs)) => into_pack(&source, &names, pairs, &args.out, &stop)?,
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
        (false, None) => into_folder(&source, &names, &args.out, &stop)?,
    };
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

/// How many pictures have a landmark that lies outside of them.
fn outside(source: &FileSource, points: &[[[f64; 2]; 5]]) -> Result<usize> {
    let look = |i: usize| -> Result<usize> {
        let image = source.image(i)?;
        let (width, height) = (image.width as f64, image.height as f64);
        let beyond =
            |p: &[f64; 2]| !(0.0..=width).contains(&p[0]) || !(0.0..=height).contains(&p[1]);
        Ok(usize::from(points[i].iter().any(beyond)))
    };
    (0..points.len()).into_par_iter().map(look).sum()
}

fn into_folder(source: &AlignedSource, names: &[String], out: &Path, stop: &Stop) -> Result<usize> {
    let targets: Vec<PathBuf> = names
        .iter()
        .map(|name| out.join(name).with_extension("png"))
        .collect();
    let distinct: BTreeSet<&PathBuf> = targets.iter().collect();
    if distinct.len() < targets.len() {
        return Err(Error::Data(
            "two pictures of the list differ in their ending alone, and crops are .png".into(),
        ));
    }
    targets.par_iter().enumerate().try_for_each(|(i, path)| {
        stop.check("aligning")?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        files::write_atomic(path, &encode_png(&source.image(i)?)?)
    })?;
    Ok(targets.len())
}

fn into_pack(
    source: &AlignedSource,
    names: &[String],
    pairs: &Path,
    out: &Path,
    stop: &Stop,
) -> Result<usize> {
    let text = list::read(pairs)?;
    let listed: Vec<ListedPair> = match pairs.extension().is_some_and(|e| e == "csv") {
        true => list::parse_pair_table(&text, pairs)?.pairs,
        false => list::parse_pair_list(&text, pairs)?.pairs,
    };
    let numbers: BTreeMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    let find = |pair: &ListedPair, name: &str| {
        numbers.get(name).copied().ok_or_else(|| {
            let (path, place) = (pairs.display(), &pair.place);
            Error::Data(format!("{path}: {place}: `{name}` has no landmarks"))
        })
    };
    let mut wanted = Vec::with_capacity(listed.len());
    for pair in &listed {
        wanted.push((
            find(pair, &pair.first)?,
            find(pair, &pair.second)?,
            pair.same,
        ));
    }
    let mut writer = BinWriter::create(out, Protocol::Python2)?;
    for (a, b, same) in wanted {
        stop.check("aligning")?;
        let png = |i: usize| encode_png(&source.image(i)?);
        let (a, b) = (png(a)?, png(b)?);
        debug_assert!(decode(&a).is_ok());
        writer.push(&a, &b, same)?;
    }
    writer.finish()?;
    Ok(2 * listed.len())
}
