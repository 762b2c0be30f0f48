//! `.npy`, NumPy's file of one array: a header that is a Python dictionary, then the numbers.

use crate::container::{Bytes, map};
use crate::tensor::{Dtype, MOST_DIMENSIONS, Tensor};
use frbench_base::files::NewFile;
use frbench_base::{Error, Result};
use std::io::Write;
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is read. NumPy itself reads 10,000 characters.
const LONGEST: usize = 10_000;

/// An array of floating point numbers in row-major order, mapped.
pub struct Npy {
    bytes: Bytes,
    tensor: Tensor,
}

impl Npy {
    /// Opens a file of `<f2`, `<f4`, `<f8` or `|b1`.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such file; [`Error::Data`] for one that is no such array.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::read(map(path)?, path)
    }

    /// The same from memory; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Data`], as [`Npy::open`].
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self> {
        Self::read(Bytes::Owned(bytes), path.as_ref())
    }

    fn read(bytes: Bytes, path: &Path) -> Result<Self> {
        let tensor =
            parse(&bytes).map_err(|what| Error::Data(format!("{}: {what}", path.display())))?;
        Ok(Npy { bytes, tensor })
    }

    pub fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    pub fn dtype(&self) -> Dtype {
        self.tensor.dtype()
    }

    /// All numbers, row-major.
    pub fn values(&self) -> Vec<f32> {
        self.tensor.values(&self.bytes)
    }

    /// All numbers in their full precision, row-major.
    pub fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.tensor.numbers(&self.bytes)
    }

    /// All numbers, row-major, as they lie in the file where that is `<f4`, else in memory.
    pub fn into_numbers(self) -> Box<dyn AsRef<[f32]> + Send + Sync> {
        match self.mapped().is_some() {
            true => Box::new(MappedNumbers(self)),
            false => Box::new(self.values()),
        }
    }

    fn mapped(&self) -> Option<&[f32]> {
        let bytes = self.tensor.in_place(&self.bytes)?;
        // SAFETY: every bit pattern is a number; what is not aligned is refused below.
        let (before, numbers, after) = unsafe { bytes.align_to::<f32>() };
        (before.is_empty() && after.is_empty()).then_some(numbers)
    }

    /// The numbers of `self[i]`, row-major; none beyond the end.
    pub fn row(&self, i: usize) -> Option<Vec<f32>> {
        let row = self.tensor.row(i)?;
        Some(row.values(&self.bytes))
    }
}

/// A file whose numbers are used where they lie.
struct MappedNumbers(Npy);

impl AsRef<[f32]> for MappedNumbers {
    fn as_ref(&self) -> &[f32] {
        self.0.mapped().unwrap_or_default()
    }
}

#[cfg(target_endian = "big")]
compile_error!("arrays are mapped as little-endian f32");

/// Writes numbers of such a shape as `<f4`. The file gets its name when it is whole.
///
/// # Errors
/// [`Error::Bug`] if there are not as many numbers as the shape says; what cannot be written.
pub fn write(path: impl AsRef<Path>, shape: &[usize], values: &[f32]) -> Result<()> {
    write_parts(path, shape, std::iter::once(values))
}

/// The same from parts that follow each other.
///
/// # Errors
/// As [`write()`].
pub fn write_parts<'a>(
    path: impl AsRef<Path>,
    shape: &[usize],
    parts: impl Iterator<Item = &'a [f32]>,
) -> Result<()> {
    let path = path.as_ref();
    let sides: Vec<String> = shape.iter().map(|side| format!("{side},")).collect();
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}",
        sides.join(" ")
    );
    // The numbers begin at a multiple of 64.
    let len = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64);
    header += &" ".repeat(len - MAGIC.len() - 4 - header.len() - 1);
    header.push('\n');
    let mut out = NewFile::create(path)?;
    let mut put = |bytes: &[u8]| out.write_all(bytes).map_err(|e| Error::io(path, e));
    put(MAGIC)?;
    put(&[1, 0])?;
    put(&(header.len() as u16).to_le_bytes())?;
    put(header.as_bytes())?;
    let mut count = 0;
    for values in parts {
        count += values.len();
        for part in values.chunks(1 << 14) {
            let bytes: Vec<u8> = part.iter().flat_map(|v| v.to_le_bytes()).collect();
            put(&bytes)?;
        }
    }
    if shape.iter().product::<usize>() != count {
        return Err(Error::Bug(format!(
            "{count} numbers for a shape of {shape:?}"
        )));
    }
    out.publish()
}

fn parse(file: &[u8]) -> Result<Tensor, String> {
    let rest = file.strip_prefix(MAGIC).ok_or("not a .npy file")?;
    let cut = "the file ends within its header";
    let ([version, _], rest) = rest.split_first_chunk::<2>().ok_or(cut)?;
    let (len, rest) = match version {
        1 => {
            let (len, rest) = rest.split_first_chunk::<2>().ok_or(cut)?;
            (usize::from(u16::from_le_bytes(*len)), rest)
        }
        2 | 3 => {
            let (len, rest) = rest.split_first_chunk::<4>().ok_or(cut)?;
            (u32::from_le_bytes(*len) as usize, rest)
        }
        other => return Err(format!("version {other} of .npy; 1 to 3 exist")),
    };
    if len > LONGEST {
        return Err(format!("a header of {len} bytes; {LONGEST} are the most"));
    }
    let header = rest.get(..len).ok_or(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "a header that is no text")?;
    let start = file.len() - rest.len() + len;
    let (descr, fortran, shape) = fields(header)?;
    let dtype = match descr {
        "<f4" => Dtype::F32,
        "<f8" => Dtype::F64,
        "<f2" => Dtype::F16,
        "|b1" => Dtype::Bool,
        other => {
            return Err(format!(
                "numbers of type `{other}`, want `<f4`, `<f8` or `<f2`"
            ));
        }
    };
    if fortran {
        return Err("column-major order; save it with `numpy.ascontiguousarray`".into());
    }
    Tensor::row_major(dtype, start..file.len(), shape)
}

/// The type, whether the order is column-major, and the shape.
fn fields(header: &str) -> Result<(&str, bool, Vec<usize>), String> {
    let wrong = || "a header that is not `{'descr': ..., 'fortran_order': ..., 'shape': ...}`";
    let value = |key: &str| -> Option<&str> {
        let (_, rest) = header.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let descr = value("descr").and_then(|v| v.strip_prefix('\'')?.split_once('\''));
    let (descr, _) = descr.ok_or_else(wrong)?;
    let fortran = match value("fortran_order") {
        Some(v) if v.starts_with("False") => false,
        Some(v) if v.starts_with("True") => true,
        _ => return Err(wrong().into()),
    };
    let shape = value("shape").and_then(|v| v.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.ok_or_else(wrong)?;
    let sides = shape.split(',').map(str::trim).filter(|s| !s.is_empty());
    let sides: Vec<usize> = sides
        .map(|s| s.parse().map_err(|_| format!("`{s}` is no size")))
        .collect::<Result<_, _>>()?;
    if sides.len() > MOST_DIMENSIONS {
        return Err(format!(
            "{} dimensions; {MOST_DIMENSIONS} are the most",
            sides.len()
        ));
    }
    Ok((descr, fortran, sides))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, numbers: &[u8]) -> Vec<u8> {
        let len = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &len, header.as_bytes(), numbers].concat()
    }

    const HEADER: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        for shape in [&[2, 3][..], &[6], &[3, 1, 2]] {
            let values = [1.0, -2.5, 3.0, 0.0, 5.0, 6.0];
            write(&path, shape, &values).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!((bytes.len() - 24) % 64, 0);
            let found = Npy::open(&path).unwrap();
            assert_eq!((found.shape(), found.values()), (shape, values.to_vec()));
            let last = found.row(shape[0] - 1).unwrap();
            assert_eq!(last, values[6 - last.len()..]);
            assert!(found.row(shape[0]).is_none());
        }
        assert_eq!(write(&path, &[7], &[0.0]).unwrap_err().exit_code(), 1);
        write(&path, &[0, 4], &[]).unwrap();
        assert!(Npy::open(&path).unwrap().values().is_empty());
    }

    #[test]
    fn what_is_none_is_refused() {
        let cases = [
            (file(HEADER, &[0; 23]), "23 bytes for a shape [2, 3]"),
            (file(&HEADER.replace("<f4", ">f4"), &[0; 24]), "`>f4`"),
            (
                file(&HEADER.replace("False", "True"), &[0; 24]),
                "column-major",
            ),
            (
                file(&HEADER.replace("(2, 3)", "(4611686018427387904, 4)"), &[]),
                "too many",
            ),
            (
                file(&HEADER.replace("(2, 3)", "(2, -3)"), &[0; 24]),
                "`-3` is no size",
            ),
            (
                file(
                    &HEADER.replace("(2, 3)", &format!("({})", "1,".repeat(17))),
                    &[0; 4],
                ),
                "17 dim",
            ),
            (file("{}", &[]), "a header that is not"),
            (b"\x93NUMPY\x01\0\xff\xff{".to_vec(), "65535 bytes"),
            (b"\x93NUMPY\x09\0".to_vec(), "version 9"),
            (b"hello".to_vec(), "not a .npy"),
        ];
        for (bytes, says) in cases {
            let error = Npy::from_bytes(bytes, "a.npy").err().unwrap().to_string();
            assert!(
                error.starts_with("a.npy: ") && error.contains(says),
                "{error}"
            );
        }
        let whole = file(HEADER, &[7; 24]);
        for end in 0..whole.len() {
            assert!(
                Npy::from_bytes(whole[..end].to_vec(), "a.npy").is_err(),
                "{end}"
            );
        }
    }
}
