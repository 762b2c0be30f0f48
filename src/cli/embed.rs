//! `frbench embed`

use super::exit::ExitStatus;
use super::network::How;
use super::output::{self, print, print_json};
use super::text::duration;
use clap::{Args, ValueEnum};
use frbench::data::bin::BinReader;
use frbench::data::source::{FileSource, ImageSource, RecSource};
use frbench::data::walk::{in_words, walk};
use frbench::data::watch::Watch;
use frbench::job::Views;
use frbench::run::Stop;
use frbench::{Error, Result, files};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Args, Debug)]
pub struct EmbedArgs {
    /// File of weights, as PATH[@INPUT]
    model: String,
    /// Pictures: a folder, a text file with a path on each line, a verification pack (.bin), a
    /// record file (.rec)
    images: PathBuf,
    /// File of embeddings: float32, one row per picture; names go beside it
    #[arg(long, short, value_name = "FILE.npy")]
    out: PathBuf,
    #[command(flatten)]
    how: How,
    /// What is embedded of a picture
    #[arg(long, value_enum, default_value = "sum")]
    views: View,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum View {
    /// The picture
    Original,
    /// The sum of the embeddings of the picture and of its mirror image
    Sum,
    /// Both, side by side
    Both,
}

pub fn embed(args: EmbedArgs) -> Result<ExitStatus> {
    let stop = Stop::on_signals()?;
    let pictures = Pictures::open(&args.images, &|_, _, _| stop.check("reading"))?;
    let embedder = args.how.open(&args.model)?;
    let started = Instant::now();
    let (mut values, mut told) = (Vec::new(), Instant::now());
    let count = pictures.source.len();
    let views = match args.views {
        View::Original => Views::Original,
        View::Sum => Views::Sum,
        View::Both => Views::Both,
    };
    embedder.embed(&pictures.source, views, |rows, done| {
        values.extend_from_slice(rows);
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            let left = started.elapsed().as_secs_f64() / done as f64 * (count - done) as f64;
            output::note(&format!(
                "{done} of {count} pictures, {} left",
                duration(left)
            ));
        }
        stop.check("embedding")
    })?;
    let dim = values.len() / count.max(1);
    frbench::weights::npy::write(&args.out, &[count, dim], &values)?;
    let names = args.out.with_extension("txt");
    let text: String = pictures.names.iter().map(|n| format!("{n}\n")).collect();
    files::write_atomic(&names, text.as_bytes())?;
    if args.json {
        return print_json(&json!({
            "embeddings": args.out, "names": names, "pictures": count, "dim": dim,
            "notes": embedder.notes,
        }))
        .map(|()| ExitStatus::Success);
    }
    print(&format!(
        "{}: {count} x {dim}; the picture of each row: {}\n",
        args.out.display(),
        names.display()
    ))?;
    Ok(ExitStatus::Success)
}

/// Pictures and what they are called.
struct Pictures {
    source: Arc<dyn ImageSource>,
    names: Vec<String>,
}

impl Pictures {
    fn open(path: &Path, watch: Watch) -> Result<Pictures> {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        let numbered = |source: Arc<dyn ImageSource>| {
            let names = (0..source.len()).map(|i| i.to_string()).collect();
            Ok(Pictures { source, names })
        };
        if path.is_dir() {
            return Self::folder(path, watch);
        }
        match ending.to_str() {
            Some("bin") => numbered(Arc::new(BinReader::open(path)?)),
            Some("rec") => numbered(Arc::new(RecSource::open(path, watch)?)),
            _ => Self::list(path, watch),
        }
    }

    fn folder(path: &Path, watch: Watch) -> Result<Pictures> {
        let found = walk(path, watch)?;
        let is_picture = |p: &&PathBuf| {
            let ending = p.extension().unwrap_or_default().to_ascii_lowercase();
            matches!(ending.to_str(), Some("jpg" | "jpeg" | "png"))
        };
        let (pictures, others): (Vec<_>, Vec<_>) = found.files.iter().partition(is_picture);
        if !others.is_empty() || !found.ignored.is_empty() {
            output::note(&format!(
                "{}: left out are {} files that are neither .jpg nor .png{}",
                path.display(),
                others.len(),
                match found.ignored.is_empty() {
                    true => String::new(),
                    false => format!(", and {}", in_words(&found.ignored)),
                }
            ));
        }
        let names: Vec<String> = pictures
            .iter()
            .map(|p| p.to_string_lossy().into_owned())
            .collect();
        Self::files(path, names, path, watch)
    }

    fn list(path: &Path, watch: Watch) -> Result<Pictures> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::files(folder, lines.map(String::from).collect(), path, watch)
    }

    fn files(root: &Path, names: Vec<String>, list: &Path, watch: Watch) -> Result<Pictures> {
        if names.is_empty() {
            return Err(Error::Data(format!("{}: no picture", list.display())));
        }
        let source = FileSource::new(root, names.clone(), None);
        source.refuse_missing(list, watch)?;
        Ok(Pictures {
            source: Arc::new(source),
            names,
        })
    }
}
