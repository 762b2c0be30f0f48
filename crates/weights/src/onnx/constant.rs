//! Constants of a model: initialisers in the file or beside it, and constants of its nodes.

use super::proto;
use crate::container::{Bytes, map};
use crate::tensor::{Dtype, MOST_DIMENSIONS, Tensor};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// An array of numbers that are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    pub shape: Vec<usize>,
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

impl Constant {
    pub fn ints(data: Vec<i64>) -> Self {
        Constant {
            shape: vec![data.len()],
            data: Data::Ints(data),
        }
    }

    /// Its numbers, as f32.
    pub fn floats(&self) -> Vec<f32> {
        match &self.data {
            Data::Floats(floats) => floats.clone(),
            Data::Ints(ints) => ints.iter().map(|n| *n as f32).collect(),
        }
    }
}

/// Files beside a model that hold its numbers.
pub struct Beside {
    folder: PathBuf,
    files: BTreeMap<String, Bytes>,
}

impl Beside {
    /// For the model at `path`.
    pub fn of(path: &Path) -> Self {
        Beside {
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            files: BTreeMap::new(),
        }
    }

    /// Bytes of all of them together.
    pub fn bytes(&self) -> usize {
        self.files.values().map(|file| file.len()).sum()
    }

    /// The sha256 of each, in hexadecimal.
    pub fn sha256(&self) -> BTreeMap<String, String> {
        let hash = |(name, file): (&String, &Bytes)| (name.clone(), crate::container::sha256(file));
        self.files.iter().map(hash).collect()
    }

    /// The file at a path that leads nowhere out of the model's folder.
    fn file(&mut self, location: &str) -> Result<&Bytes, String> {
        if !self.files.contains_key(location) {
            let inside = Path::new(location)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            let refused = || format!("`{location}` is no path within the model's folder");
            if location.is_empty() || !inside {
                return Err(refused());
            }
            let folder = match self.folder.as_os_str().is_empty() {
                true => Path::new("."),
                false => &self.folder,
            };
            let path = folder.join(location);
            let missing = |e: std::io::Error| format!("`{location}` beside the model: {e}");
            // Links may lead out of it, too.
            let (folder, real) = (folder.canonicalize(), path.canonicalize());
            if !real.map_err(missing)?.starts_with(folder.map_err(missing)?) {
                return Err(refused());
            }
            let bytes = map(&path).map_err(|e| e.to_string())?;
            self.files.insert(location.to_string(), bytes);
        }
        self.files
            .get(location)
            .ok_or_else(|| "no file".to_string())
    }
}

/// Reads a tensor of a model.
///
/// # Errors
/// A type that is not read, a shape that is not that of its numbers, or what is wrong with the
/// file beside the model.
pub fn constant(tensor: &proto::Tensor, beside: &mut Beside) -> Result<Constant, String> {
    if tensor.dims.len() > MOST_DIMENSIONS {
        return Err(format!("{} dimensions", tensor.dims.len()));
    }
    let sides = tensor.dims.iter().map(|side| usize::try_from(*side));
    let shape: Vec<usize> = sides
        .collect::<Result<_, _>>()
        .map_err(|_| format!("a shape of {:?}", tensor.dims))?;
    let count = shape
        .iter()
        .try_fold(1usize, |n, side| n.checked_mul(*side));
    let count = count.ok_or_else(|| format!("a shape of {shape:?}"))?;
    const EXTERNAL: i32 = 1;
    let data = match tensor.data_location {
        EXTERNAL => {
            let entry = |key: &str| {
                let mut entries = tensor.external_data.iter().filter(|e| e.key == key);
                entries.next().map(|e| e.value.as_str())
            };
            let number = |key: &str, usual: usize| match entry(key) {
                None => Ok(usual),
                Some(text) => text.parse().map_err(|_| format!("`{text}` is no {key}")),
            };
            let location = entry("location").ok_or("numbers in no file")?;
            let file = beside.file(location)?;
            let offset = number("offset", 0)?;
            let rest = file.len().checked_sub(offset);
            let len = number("length", rest.unwrap_or(0))?;
            let bytes = offset
                .checked_add(len)
                .and_then(|end| file.get(offset..end));
            let bytes = bytes.ok_or_else(|| {
                format!(
                    "{len} bytes from byte {offset} on of `{location}`, which has {}",
                    file.len()
                )
            })?;
            of_bytes(tensor.data_type, bytes, &shape)?
        }
        _ if !tensor.raw_data.is_empty() => of_bytes(tensor.data_type, &tensor.raw_data, &shape)?,
        _ => of_fields(tensor)?,
    };
    let found = match &data {
        Data::Floats(all) => all.len(),
        Data::Ints(all) => all.len(),
    };
    if found != count {
        return Err(format!("{found} numbers for a shape of {shape:?}"));
    }
    Ok(Constant { shape, data })
}

/// ONNX's number of a type of numbers.
fn dtype(number: i32) -> Result<Dtype, String> {
    Ok(match number {
        1 => Dtype::F32,
        2 => Dtype::U8,
        3 => Dtype::I8,
        5 => Dtype::I16,
        6 => Dtype::I32,
        7 => Dtype::I64,
        9 => Dtype::Bool,
        10 => Dtype::F16,
        11 => Dtype::F64,
        16 => Dtype::Bf16,
        other => return Err(format!("numbers of ONNX's type {other}, which is not read")),
    })
}

fn of_bytes(kind: i32, bytes: &[u8], shape: &[usize]) -> Result<Data, String> {
    let dtype = dtype(kind)?;
    let tensor = Tensor::row_major(dtype, 0..bytes.len(), shape.to_vec())?;
    Ok(match dtype {
        dtype if dtype.is_float() => Data::Floats(tensor.values(bytes)),
        Dtype::I64 => {
            let all = bytes.chunks_exact(8);
            Data::Ints(
                all.map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
                    .collect(),
            )
        }
        _ => Data::Ints(tensor.numbers(bytes).map(|n| n as i64).collect()),
    })
}

/// Numbers in fields of their type.
fn of_fields(tensor: &proto::Tensor) -> Result<Data, String> {
    let bits = || tensor.int32_data.iter().map(|bits| *bits as u16);
    Ok(match dtype(tensor.data_type)? {
        Dtype::F32 => Data::Floats(tensor.float_data.clone()),
        Dtype::F64 => Data::Floats(tensor.double_data.iter().map(|n| *n as f32).collect()),
        Dtype::F16 => Data::Floats(bits().map(|b| half::f16::from_bits(b).to_f32()).collect()),
        Dtype::Bf16 => Data::Floats(bits().map(|b| half::bf16::from_bits(b).to_f32()).collect()),
        Dtype::I64 => Data::Ints(tensor.int64_data.clone()),
        _ => Data::Ints(tensor.int32_data.iter().map(|n| i64::from(*n)).collect()),
    })
}
