//! Files of embeddings that others wrote: rows of numbers, and perhaps the name of each row.
//!
//! | file | what is read |
//! |---|---|
//! | `.npy` | `[rows, columns]`, or `[rows, 2, columns]`: of images, then of their mirrors |
//! | `.csv`, `.tsv` | a row a line, perhaps with a name before the numbers, perhaps under a heading |
//! | `.safetensors` | the only matrix, or `embeddings` and perhaps `embeddings_flip` |
//! | MegaFace's | 16 bytes of header and the numbers; a folder of them is a row each, by path |
//! | an embedding job's | as `runs/` holds them |

use super::feature::Feature;
use frbench_base::{Error, Result};
use frbench_data::walk::walk;
use frbench_data::watch::UNWATCHED;
use frbench_eval::protocol::Embeddings;
use frbench_eval::protocol::embeddings::Numbers;
use frbench_job::Views;
use frbench_weights::npy::Npy;
use frbench_weights::{Tensor, WeightsFile};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Rows of embeddings.
#[derive(Debug)]
pub struct Matrix {
    pub rows: Embeddings,
    /// How the views of an image lie in a row.
    pub views: Views,
    /// Of each row, where the file has them or a list lies beside it.
    pub names: Option<Vec<String>>,
    /// Things a reader must know.
    pub notes: Vec<String>,
}

/// What a file holds: numbers row by row, columns, views, names.
struct Contents {
    numbers: Numbers,
    columns: usize,
    views: Views,
    names: Option<Vec<String>>,
}

impl Contents {
    fn plain(numbers: Vec<f32>, columns: usize) -> Contents {
        Contents {
            numbers: Box::new(numbers),
            columns,
            views: Views::Original,
            names: None,
        }
    }
}

impl Matrix {
    /// Opens a file or a folder of embeddings. `views` says what its columns are, where they are
    /// not what the file's form says.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is nothing; [`Error::Data`] for what is no embeddings.
    pub fn open(path: &Path, views: Option<Views>) -> Result<Matrix> {
        if !path.exists() {
            return Err(Error::Usage(format!("{}: no such file", path.display())));
        }
        let wrong = |what: String| Error::Data(format!("{}: {what}", path.display()));
        let contents = match path.is_dir() {
            true => folder(path)?,
            false => file(path)?,
        };
        let Contents {
            numbers,
            columns,
            views: found,
            names,
        } = contents;
        let views = views.unwrap_or(found);
        if views == Views::Both && !columns.is_multiple_of(2) {
            return Err(wrong(format!(
                "two views side by side in an odd number of columns ({columns})"
            )));
        }
        let all = (*numbers).as_ref().par_chunks(columns.max(1));
        if let Some(row) = all.position_first(|row| row.iter().any(|v| !v.is_finite())) {
            return Err(wrong(format!(
                "row {row} (from 0) holds NaN or infinity; an embedding is finite numbers"
            )));
        }
        let rows = Embeddings::of_rows(path, numbers, columns)?;
        let (names, note) = match names {
            Some(names) => (Some(names), None),
            None => beside(path, rows.rows())?,
        };
        Ok(Matrix {
            rows,
            views,
            names,
            notes: note.into_iter().collect(),
        })
    }

    /// No rows of the same columns.
    pub(super) fn without_rows(&self) -> Result<Matrix> {
        let none: Numbers = Box::<Vec<f32>>::default();
        Ok(Matrix {
            rows: Embeddings::of_rows("no rows", none, self.rows.dim())?,
            views: self.views,
            names: None,
            notes: Vec::new(),
        })
    }

    /// The same with names from a list, one a line.
    ///
    /// # Errors
    /// [`Error::Data`] if there are not as many as rows.
    pub fn named(mut self, list: &Path) -> Result<Matrix> {
        let names = lines(list)?;
        if names.len() != self.rows.rows() {
            return Err(Error::Data(format!(
                "{}: {} names for the {} rows of {}",
                list.display(),
                names.len(),
                self.rows.rows(),
                self.rows.path().display()
            )));
        }
        self.names = Some(names);
        self.notes.clear();
        Ok(self)
    }
}

/// The lines of a list.
pub(super) fn lines(path: &Path) -> Result<Vec<String>> {
    let text = frbench_data::list::read(path)?;
    let text = std::str::from_utf8(&text)
        .map_err(|_| Error::Data(format!("{}: not UTF-8 text", path.display())))?;
    let lines = text.lines().map(str::trim_end).filter(|l| !l.is_empty());
    Ok(lines.map(String::from).collect())
}

/// The names that `frbench embed` leaves beside a file of so many rows, and what is to be said of the
/// list that lies there.
fn beside(path: &Path, rows: usize) -> Result<(Option<Vec<String>>, Option<String>)> {
    let list = path.with_extension("txt");
    if path.is_dir() || list == path || !list.is_file() {
        return Ok((None, None));
    }
    let names = lines(&list)?;
    let (found, shown) = (names.len(), list.display());
    Ok(match found == rows {
        true => (
            Some(names),
            Some(format!("{shown}: taken as the names of the rows")),
        ),
        false => (
            None,
            Some(format!(
                "{shown}: {found} lines for {rows} rows, so that it is not taken as their names \
                 (--names states a list)"
            )),
        ),
    })
}

fn file(path: &Path) -> Result<Contents> {
    let wrong = |what: String| Error::Data(format!("{}: {what}", path.display()));
    let mut start = [0; 16];
    let len = {
        use std::io::Read;
        let mut file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        let read = file.read(&mut start).map_err(|e| Error::io(path, e))?;
        start[read..].fill(0);
        file.metadata().map_err(|e| Error::io(path, e))?.len()
    };
    if start.starts_with(b"\x93NUMPY") {
        return npy(path);
    }
    if start.starts_with(b"FRBEMBED") {
        let rows = Embeddings::open(path)?;
        let numbers = rows.chunks().flat_map(|c| c.data.to_vec()).collect();
        return Ok(Contents::plain(numbers, rows.dim()));
    }
    if let Some(header) = Feature::of(&start, len) {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let (rows, columns) = header.shape();
        let numbers = header.numbers(&bytes[16..]);
        if numbers.len() != rows * columns {
            return Err(wrong(format!(
                "{} numbers for {rows} rows of {columns}: it was changed while it was read",
                numbers.len()
            )));
        }
        return Ok(Contents::plain(numbers, columns));
    }
    if start[8] == b'{' {
        return tensors(path);
    }
    let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let text = std::str::from_utf8(&text).map_err(|_| {
        wrong(
            "no embeddings: want .npy, .csv, .safetensors, a feature file of MegaFace or a \
             folder of those"
                .into(),
        )
    })?;
    table(text).map_err(wrong)
}

fn npy(path: &Path) -> Result<Contents> {
    let array = Npy::open(path)?;
    let (columns, views) = match *array.shape() {
        [_, columns] => (columns, Views::Original),
        [_, 2, columns] => (2 * columns, Views::Both),
        ref other => {
            return Err(Error::Data(format!(
                "{}: an array of {other:?}, want [rows, columns], or [rows, 2, columns] of images \
                 and their mirrors",
                path.display()
            )));
        }
    };
    Ok(Contents {
        numbers: array.into_numbers(),
        columns,
        views,
        names: None,
    })
}

/// The only matrix of a file of tensors, or the one called `embeddings`.
fn tensors(path: &Path) -> Result<Contents> {
    let file = WeightsFile::open(path)?;
    let all = file.tree.tensors();
    let matrices: Vec<&(String, &Tensor)> =
        all.iter().filter(|(_, t)| t.shape().len() == 2).collect();
    let called = |name: &str| matrices.iter().find(|(n, _)| n == name).map(|(_, t)| *t);
    let only = match matrices.as_slice() {
        [(_, only)] => Some(*only),
        _ => None,
    };
    let images = match called("embeddings").or(only) {
        Some(images) => images,
        None => {
            let names: Vec<&str> = all.iter().take(8).map(|(n, _)| n.as_str()).collect();
            return Err(Error::Data(format!(
                "{}: want one matrix, or one called `embeddings`; there are {}",
                path.display(),
                names.join(", ")
            )));
        }
    };
    let columns = images.shape()[1];
    let numbers = images.values(file.bytes());
    let Some(mirrors) = called("embeddings_flip") else {
        return Ok(Contents::plain(numbers, columns));
    };
    if mirrors.shape() != images.shape() {
        return Err(Error::Data(format!(
            "{}: `embeddings` is {:?} and `embeddings_flip` {:?}",
            path.display(),
            images.shape(),
            mirrors.shape()
        )));
    }
    let mirrors = mirrors.values(file.bytes());
    let pairs = numbers
        .chunks(columns.max(1))
        .zip(mirrors.chunks(columns.max(1)));
    let both: Vec<f32> = pairs.flat_map(|(a, b)| [a, b].concat()).collect();
    Ok(Contents {
        views: Views::Both,
        ..Contents::plain(both, 2 * columns)
    })
}

/// Rows of numbers in text.
fn table(text: &str) -> Result<Contents, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut numbers = Vec::new();
    let mut names = Vec::new();
    let mut columns = None;
    let mut first = true;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let between = [',', '\t', ';'].into_iter().find(|c| line.contains(*c));
        let fields: Vec<&str> = match between {
            Some(between) => line.split(between).map(str::trim).collect(),
            None => line.split_whitespace().collect(),
        };
        let number = |text: &&str| text.parse::<f32>().ok();
        let heading = fields.iter().skip(1).all(|f| number(f).is_none());
        if std::mem::take(&mut first) && heading && fields.iter().any(|f| number(f).is_none()) {
            continue;
        }
        let (name, rest) = match fields.split_first() {
            Some((name, rest)) if number(name).is_none() => (Some(*name), rest),
            _ => (None, fields.as_slice()),
        };
        let row: Option<Vec<f32>> = rest.iter().map(number).collect();
        let place = at + 1;
        let row = row.ok_or_else(|| {
            format!("line {place}: want numbers, or a name and numbers, separated by commas")
        })?;
        if *columns.get_or_insert(row.len()) != row.len() {
            let want = columns.unwrap_or_default();
            return Err(format!(
                "line {place}: {} numbers, and {want} before",
                row.len()
            ));
        }
        names.extend(name.map(String::from));
        numbers.extend(row);
        let rows = numbers.len() / columns.unwrap_or_default().max(1);
        if !names.is_empty() && names.len() != rows {
            return Err(format!(
                "line {place}: some lines have a name and some have none"
            ));
        }
    }
    let columns = columns.filter(|c| *c > 0).ok_or("there are no numbers")?;
    Ok(Contents {
        names: Some(names).filter(|n| !n.is_empty()),
        ..Contents::plain(numbers, columns)
    })
}

/// One embedding from each feature file below a folder, in the order of their paths.
fn folder(path: &Path) -> Result<Contents> {
    let found = walk(path, UNWATCHED)?;
    let is_feature = |p: &&PathBuf| p.extension().is_some_and(|e| e == "bin");
    let files: Vec<&PathBuf> = found.files.iter().filter(is_feature).collect();
    if files.is_empty() {
        return Err(Error::Data(format!(
            "{}: no feature file (.bin) below this folder",
            path.display()
        )));
    }
    let mut numbers = Vec::new();
    let mut columns = None;
    for relative in &files {
        let full = path.join(relative);
        let wrong = |what: String| Error::Data(format!("{}: {what}", full.display()));
        let bytes = std::fs::read(&full).map_err(|e| Error::io(&full, e))?;
        let start = bytes.first_chunk::<16>();
        let header = start.and_then(|start| Feature::of(start, bytes.len() as u64));
        let header = header.ok_or_else(|| wrong("no feature file of MegaFace".into()))?;
        let row = header.numbers(&bytes[16..]);
        if *columns.get_or_insert(row.len()) != row.len() {
            return Err(wrong(format!(
                "{} numbers, and {} in the files before",
                row.len(),
                columns.unwrap_or_default()
            )));
        }
        numbers.extend(row);
    }
    let stems: Vec<String> = files
        .iter()
        .map(|p| p.with_extension("").to_string_lossy().into_owned())
        .collect();
    // `PATH_ALGORITHM.bin`: what is the same of all is the algorithm.
    let ending = |name: &str| name.rsplit_once('_').map(|(_, e)| format!("_{e}"));
    let common = stems.first().and_then(|s| ending(s));
    let common = common.filter(|e| stems.iter().all(|s| s.ends_with(e.as_str())));
    let names = stems.iter().map(|s| match &common {
        Some(end) => s[..s.len() - end.len()].to_string(),
        None => s.clone(),
    });
    Ok(Contents {
        names: Some(names.collect()),
        ..Contents::plain(numbers, columns.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    fn rows(matrix: &Matrix) -> Vec<Vec<f32>> {
        (0..matrix.rows.rows())
            .map(|i| matrix.rows.row(i).to_vec())
            .collect()
    }

    #[test]
    fn text_with_and_without_names_and_heading() {
        for text in ["1,2\n3,4\n", "x,y\n1,2\n3,4\n", "1 2\n3 4"] {
            let (_dir, path) = written("a.csv", text.as_bytes());
            let matrix = Matrix::open(&path, None).unwrap();
            assert_eq!(rows(&matrix), [[1.0, 2.0], [3.0, 4.0]], "{text}");
            assert!(matrix.names.is_none());
        }
        let (_dir, path) = written("a.csv", b"name,d0,d1\na.png,1,2\nb.png,3,4\n");
        let matrix = Matrix::open(&path, None).unwrap();
        assert_eq!(matrix.names.unwrap(), ["a.png", "b.png"]);
        for (wrong, what) in [
            ("1,2\n3\n", "line 2: 1 numbers, and 2"),
            ("1,2\nb,3,4\n", "line 2: some lines have a name"),
            ("1,x\n2,y\n", "line 2: want numbers"),
            ("", "there are no numbers"),
        ] {
            let (_dir, path) = written("a.csv", wrong.as_bytes());
            let error = Matrix::open(&path, None).unwrap_err().to_string();
            assert!(error.contains(what), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn arrays_are_mapped_and_say_what_their_views_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let numbers: Vec<f32> = (0..12).map(|v| v as f32).collect();
        frbench_weights::npy::write(&path, &[2, 2, 3], &numbers).unwrap();
        let matrix = Matrix::open(&path, None).unwrap();
        assert_eq!(matrix.views, Views::Both);
        assert_eq!(matrix.rows.row(1), &numbers[6..]);
        frbench_weights::npy::write(&path, &[4, 3], &numbers).unwrap();
        fs::write(dir.path().join("a.txt"), "a\nb\nc\nd\n").unwrap();
        let matrix = Matrix::open(&path, None).unwrap();
        assert_eq!(matrix.views, Views::Original);
        assert_eq!(matrix.names.unwrap().len(), 4);
        assert!(Matrix::open(&path, Some(Views::Both)).is_err());
    }

    fn feature(values: &[f64], wide: bool) -> Vec<u8> {
        let size = if wide { 8 } else { 4 };
        let mut out = Vec::new();
        for n in [values.len() as i32, 1, size, if wide { 6 } else { 5 }] {
            out.extend(n.to_le_bytes());
        }
        for v in values {
            match wide {
                true => out.extend(v.to_le_bytes()),
                false => out.extend((*v as f32).to_le_bytes()),
            }
        }
        out
    }

    #[test]
    fn feature_files_of_megaface() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        for (name, values, wide) in [
            ("a.jpg_net.bin", [1.0, 2.0, 3.0], false),
            ("b/c.png_net.bin", [4.0, 5.0, 6.0], true),
        ] {
            fs::write(dir.path().join(name), feature(&values, wide)).unwrap();
        }
        let matrix = Matrix::open(dir.path(), None).unwrap();
        assert_eq!(rows(&matrix), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_eq!(matrix.names.unwrap(), ["a.jpg", "b/c.png"]);
        let one = Matrix::open(&dir.path().join("a.jpg_net.bin"), None).unwrap();
        assert_eq!(rows(&one), [[1.0, 2.0, 3.0]]);
        fs::write(dir.path().join("d.bin"), b"no feature").unwrap();
        let error = Matrix::open(dir.path(), None).unwrap_err().to_string();
        assert!(error.contains("d.bin: no feature file"), "{error}");
    }
}
