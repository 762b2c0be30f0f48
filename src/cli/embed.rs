//! `frbench embed`

use super::exit::ExitStatus;
use super::network::How;
use super::output::{self, print, print_json};
use super::text::duration;
use crate::data::bin::BinReader;
use crate::data::decode::sniff;
use crate::data::list::safe_path;
use crate::data::source::{FileSource, ImageSource, RecSource};
use crate::data::walk::{in_words, regular, walk};
use crate::data::watch::Watch;
use crate::files::NewFile;
use crate::job::Views;
use crate::key::Key;
use crate::protocol::Embeddings;
use crate::protocol::embeddings::{EmbeddingWriter, Resumed};
use crate::run::Stop;
use crate::run::embedder::{Embedder, normalize};
use crate::run::given::feature;
use crate::{Error, Result, files};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

#[derive(Args, Debug)]
pub struct EmbedArgs {
    /// File of weights, as PATH[@INPUT]
    model: String,
    /// Pictures: one, a folder, a text file with a path on each line, a verification pack (.bin), a
    /// record file (.rec)
    images: PathBuf,
    /// File of embeddings, .npy or .csv: float32, one row per picture; names go beside it (.txt), in a
    /// .csv also before the numbers of a row. Stopped, the same command goes on where it was, at the
    /// last full 1,024 pictures
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Write feature files of MegaFace's development kit: --out is a folder, in which a picture PATH has
    /// PATH_NAME.bin with its L2-normalised embedding
    #[arg(long, value_name = "NAME")]
    devkit: Option<String>,
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
    let form = Form::of(&args)?;
    let pictures = Pictures::open(&args.images, &|_, _, _| stop.check("reading"))?;
    match &form {
        Form::Npy => {}
        Form::Csv => pictures.refuse_in_csv()?,
        Form::Devkit(algorithm) => pictures.refuse_in_devkit(algorithm, &args)?,
    }
    let names = names_of(&args.out);
    let text: String = pictures.names.iter().map(|n| format!("{n}\n")).collect();
    if form.has_names() {
        refuse_other_names(&names, &text, &args.out)?;
    }
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
    // Two views are two rows of a picture, as `eval --embeddings` reads them.
    let shape = match views {
        Views::Both => vec![count, 2, dim / 2],
        Views::Original | Views::Sum => vec![count, dim],
    };
    match &form {
        Form::Npy => {
            let parts = matrix.chunks().map(|chunk| chunk.data);
            crate::weights::npy::write_parts(&args.out, &shape, parts)?;
        }
        Form::Csv => write_csv(&args.out, &matrix, &pictures)?,
        Form::Devkit(algorithm) => {
            write_features(&args.out, algorithm, (&matrix, &pictures), &stop)?;
        }
    }
    drop(matrix);
    std::fs::remove_file(&rows.path).map_err(|e| Error::io(&rows.path, e))?;
    let names = form.has_names().then_some(names);
    if let Some(names) = &names {
        files::write_atomic(names, text.as_bytes())?;
    }
    if args.json {
        return print_json(&json!({
            "embeddings": args.out, "names": names, "pictures": count, "dim": dim,
            "resumed_at": first, "notes": embedder.notes,
        }))
        .map(|()| ExitStatus::Success);
    }
    let what = match names {
        Some(names) => format!("the picture of each row: {}", names.display()),
        None => "a file of each picture".into(),
    };
    print(&format!(
        "{}: {count} x {dim}; {what}\n",
        args.out.display()
    ))?;
    Ok(ExitStatus::Success)
}

/// How embeddings are written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Npy,
    Csv,
    /// Feature files, with the name of the algorithm.
    Devkit(String),
}

impl Form {
    /// By the ending of the file.
    ///
    /// # Errors
    /// A usage error for another ending, and where the pictures lie at the place of what is written.
    fn of(args: &EmbedArgs) -> Result<Form> {
        let (out, names) = (&args.out, names_of(&args.out));
        let ending = out.extension().and_then(|ending| ending.to_str());
        let form = match (&args.devkit, ending) {
            (Some(algorithm), _) => Form::Devkit(algorithm.clone()),
            (None, Some("npy")) => Form::Npy,
            (None, Some("csv")) => Form::Csv,
            (None, _) => {
                return Err(Error::Usage(format!(
                    "{}: embeddings are written as .npy or .csv, or into a folder with --devkit",
                    out.display()
                )));
            }
        };
        let read = files::resolved(&args.images)?;
        let written = [Some(out), form.has_names().then_some(&names)];
        for path in written.into_iter().flatten() {
            if files::resolved(path)? == read {
                return Err(Error::Usage(format!(
                    "{} would be written over the pictures that are read from it; give --out another \
                     name",
                    path.display()
                )));
            }
        }
        Ok(form)
    }

    /// Whether the names of pictures lie beside.
    fn has_names(&self) -> bool {
        !matches!(self, Form::Devkit(_))
    }
}

/// The file of the names of pictures, beside that of their embeddings.
fn names_of(out: &Path) -> PathBuf {
    out.with_extension("txt")
}

/// Refuses a list that lies where the names of pictures go and that is of no embeddings.
fn refuse_other_names(names: &Path, text: &str, out: &Path) -> Result<()> {
    let other = || std::fs::read(names).is_ok_and(|there| there != text.as_bytes());
    match out.exists() || !other() {
        true => Ok(()),
        false => Err(Error::Usage(format!(
            "{} is there already and belongs to no {}; the names of the pictures would be written \
             over it: give --out another name, or remove it",
            names.display(),
            out.display()
        ))),
    }
}

/// Rows of numbers, after the name of the picture where it has one.
fn write_csv(out: &Path, matrix: &Embeddings, pictures: &Pictures) -> Result<()> {
    let failed = |e| Error::io(out, e);
    let mut file = NewFile::create(out)?;
    let named = pictures.root.is_some();
    let numbers = (0..matrix.dim()).map(|column| format!("d{column}"));
    let heading: Vec<String> = named
        .then(|| "name".into())
        .into_iter()
        .chain(numbers)
        .collect();
    writeln!(file, "{}", heading.join(",")).map_err(failed)?;
    let rows = matrix
        .chunks()
        .flat_map(|chunk| chunk.data.chunks(matrix.dim()));
    for (row, name) in rows.zip(&pictures.names) {
        // The shortest digits that are read as the same number.
        let numbers = row.iter().map(|v| format!("{v:?}"));
        let cells: Vec<String> = named
            .then(|| name.clone())
            .into_iter()
            .chain(numbers)
            .collect();
        writeln!(file, "{}", cells.join(",")).map_err(failed)?;
    }
    file.publish()
}

/// A feature file of each picture, in folders as pictures lie in.
fn write_features(
    out: &Path,
    algorithm: &str,
    (matrix, pictures): (&Embeddings, &Pictures),
    stop: &Stop,
) -> Result<()> {
    let rows = matrix
        .chunks()
        .flat_map(|chunk| chunk.data.chunks(matrix.dim()));
    for (row, name) in rows.zip(&pictures.names) {
        stop.check("writing features")?;
        let path = out.join(format!("{name}_{algorithm}.bin"));
        let mut unit = row.to_vec();
        normalize(&mut unit).map_err(|e| Error::Compute(format!("{name}: {e}")))?;
        files::write_atomic(&path, &feature::encode(&unit))?;
    }
    Ok(())
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
        if is_picture(path)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| not_utf8(path))?.to_string();
            let folder = path.parent().unwrap_or(Path::new(""));
            return Self::files(folder, vec![name], path, watch);
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
        let name = |p: &&PathBuf| match p.to_str() {
            Some(name) => Ok(name.to_string()),
            None => Err(not_utf8(&path.join(p))),
        };
        let names = pictures.iter().map(name).collect::<Result<_>>()?;
        Self::files(path, names, path, watch)
    }

    fn list(path: &Path, watch: Watch) -> Result<Pictures> {
        let text = crate::data::list::read(path)?;
        let text = std::str::from_utf8(&text).map_err(|_| {
            Error::Data(format!(
                "{}: neither a picture (JPEG, PNG) nor a list of paths in UTF-8",
                path.display()
            ))
        })?;
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

    /// Refuses names that a table of numbers cannot hold before them.
    ///
    /// # Errors
    /// A usage error with the first of them.
    fn refuse_in_csv(&self) -> Result<()> {
        let unfit = |name: &&String| {
            name.contains([',', '"', '\n', '\r'])
                || name.trim() != *name
                || name.parse::<f32>().is_ok()
        };
        match self
            .names
            .iter()
            .find(unfit)
            .filter(|_| self.root.is_some())
        {
            None => Ok(()),
            Some(name) => Err(Error::Usage(format!(
                "`{name}` cannot stand before numbers in a .csv; write embeddings as .npy"
            ))),
        }
    }

    /// Refuses what feature files cannot be named after, or cannot be of.
    ///
    /// # Errors
    /// A usage error that says what would be right.
    fn refuse_in_devkit(&self, algorithm: &str, args: &EmbedArgs) -> Result<()> {
        let wrong = |what: String| Err(Error::Usage(format!("--devkit: {what}")));
        if algorithm.is_empty() || algorithm.contains(['/', '\\', '_']) {
            return wrong(format!(
                "`{algorithm}` is no name of an algorithm: it ends the names of files behind `_`, and has \
                 no `_` and no slash itself"
            ));
        }
        if matches!(args.views, View::Both) {
            return wrong("a feature is one vector; want --views sum or original".into());
        }
        if args.out.is_file() {
            return wrong(format!("{} is a file, want a folder", args.out.display()));
        }
        if self.root.is_none() {
            return wrong(format!(
                "the pictures of {} have numbers and no paths, after which feature files are named; want \
                 a folder or a list of pictures",
                args.images.display()
            ));
        }
        match self.names.iter().find_map(|name| safe_path(name).err()) {
            None => Ok(()),
            Some(what) => wrong(what),
        }
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

/// Whether a file begins as a picture does.
fn is_picture(path: &Path) -> Result<bool> {
    regular(path)?;
    let failed = |e| Error::io(path, e);
    let mut start = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(16).read_to_end(&mut start).map_err(failed)?;
    Ok(sniff(&start).is_some())
}

fn not_utf8(path: &Path) -> Error {
    Error::Data(format!(
        "{}: the name is not UTF-8, and names of pictures are written as such: rename it",
        path.display()
    ))
}
