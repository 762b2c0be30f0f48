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
use frbench::key::Key;
use frbench::protocol::Embeddings;
use frbench::protocol::embeddings::{EmbeddingWriter, Resumed};
use frbench::run::Stop;
use frbench::run::embedder::Embedder;
use frbench::{Error, Result, files};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

#[derive(Args, Debug)]
pub struct EmbedArgs {
    /// File of weights, as PATH[@INPUT]
    model: String,
    /// Pictures: a folder, a text file with a path on each line, a verification pack (.bin), a
    /// record file (.rec)
    images: PathBuf,
    /// File of embeddings: float32, one row per picture; names go beside it. Stopped, the same
    /// command goes on where it was, at the last full 1,024 pictures
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
    let views = match args.views {
        View::Original => Views::Original,
        View::Sum => Views::Sum,
        View::Both => Views::Both,
    };
    let count = pictures.source.len();
    let rows = Rows::of(&args, &embedder, &pictures, views)?;
    let mut writer = rows.begin()?;
    let first = writer.rows();
    if first > 0 {
        output::note(&format!(
            "{}: goes on at picture {first} of {count}, where it was stopped",
            args.out.display()
        ));
    }
    let (started, mut told) = (Instant::now(), Instant::now());
    embedder.embed(&pictures.source, (views, first), |some, done| {
        writer.append(some)?;
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            let rate = (done - first) as f64 / started.elapsed().as_secs_f64();
            output::note(&format!(
                "{done} of {count} pictures, {rate:.0} a second, {} left",
                duration((count - done) as f64 / rate)
            ));
        }
        stop.check("embedding")
    })?;
    writer.finish()?;
    let matrix = Embeddings::open(&rows.path)?;
    let dim = matrix.dim();
    let parts = matrix.chunks().map(|chunk| chunk.data);
    // Two views are two rows of a picture, as `eval --embeddings` reads them.
    let shape = match views {
        Views::Both => vec![count, 2, dim / 2],
        Views::Original | Views::Sum => vec![count, dim],
    };
    frbench::weights::npy::write_parts(&args.out, &shape, parts)?;
    drop(matrix);
    std::fs::remove_file(&rows.path).map_err(|e| Error::io(&rows.path, e))?;
    let names = args.out.with_extension("txt");
    let text: String = pictures.names.iter().map(|n| format!("{n}\n")).collect();
    files::write_atomic(&names, text.as_bytes())?;
    if args.json {
        return print_json(&json!({
            "embeddings": args.out, "names": names, "pictures": count, "dim": dim,
            "resumed_at": first, "notes": embedder.notes,
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

/// The rows on their way, beside the file that they become: the same command goes on with what an
/// earlier one has left.
struct Rows {
    path: PathBuf,
    dim: usize,
    owner: Key,
    kernels: String,
}

impl Rows {
    fn of(
        args: &EmbedArgs,
        embedder: &Embedder,
        pictures: &Pictures,
        views: Views,
    ) -> Result<Rows> {
        let mut name = args.out.file_name().unwrap_or_default().to_os_string();
        name.push(".rows");
        // Whatever another row would follow from.
        let made_of = json!({
            "model": embedder.sha256, "input": embedder.input, "views": views,
            "pictures": pictures.names, "files": pictures.stamps(&args.images)?,
        });
        Ok(Rows {
            path: args.out.with_file_name(name),
            dim: embedder.dim(views),
            owner: Key::of(&made_of),
            kernels: embedder.kernels(),
        })
    }

    fn begin(&self) -> Result<EmbeddingWriter> {
        match EmbeddingWriter::resume(&self.path, self.dim, &self.owner, &self.kernels)? {
            Resumed::Writer { writer, .. } => Ok(writer),
            Resumed::Refused(why) => {
                let part = EmbeddingWriter::part(&self.path);
                output::note(&format!("{}: is begun again ({why})", part.display()));
                EmbeddingWriter::create(&self.path, self.dim)?;
                std::fs::remove_file(&part).map_err(|e| Error::io(&part, e))?;
                match EmbeddingWriter::resume(&self.path, self.dim, &self.owner, &self.kernels)? {
                    Resumed::Writer { writer, .. } => Ok(writer),
                    Resumed::Refused(why) => Err(Error::Bug(why)),
                }
            }
        }
    }
}

/// Pictures and what they are called.
struct Pictures {
    source: Arc<dyn ImageSource>,
    names: Vec<String>,
    /// The folder that names start from, where they are paths.
    root: Option<PathBuf>,
}

impl Pictures {
    fn open(path: &Path, watch: Watch) -> Result<Pictures> {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        let numbered = |source: Arc<dyn ImageSource>| {
            let names = (0..source.len()).map(|i| i.to_string()).collect();
            Ok(Pictures {
                source,
                names,
                root: None,
            })
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
            root: Some(root.to_path_buf()),
        })
    }

    /// Length and time of change of each file that is read.
    fn stamps(&self, given: &Path) -> Result<Vec<(u64, u128)>> {
        let stamp = |path: &Path| {
            let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
            let changed = meta.modified().map_err(|e| Error::io(path, e))?;
            let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok((meta.len(), changed.as_nanos()))
        };
        match &self.root {
            None => Ok(vec![stamp(given)?]),
            Some(root) => {
                let files = self.names.iter().map(|name| root.join(name));
                // A picture may lie under another ending than the list says.
                let there = files.filter(|path| path.exists());
                there.map(|path| stamp(&path)).collect()
            }
        }
    }
}
