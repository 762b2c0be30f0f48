//! A golden case: a `.safetensors` file whose metadata names an operation.
//!
//! | metadata | meaning |
//! |---|---|
//! | `frbench.parity` | version of the format, `1` |
//! | `op` | `head/arcface`, `distill/fcd`, `backbone/iresnet18`, `eval/verification`, ... |
//! | `params` | JSON object of the operation's parameters |
//! | `source` | repository and file that the expected values come from |
//!
//! `input.*` tensors go in, `weight.*` are parameters by their PyTorch name, `expect.*` must
//! come out, `grad.*` is the gradient of `expect.loss` with respect to the input or weight of
//! that name. Row-major, images and feature maps NCHW; f32 or f64, integers i64, flags u8.

use candle_core::{DType, Device, Tensor, Var};
use frbench_base::registry::Params;
use frbench_base::{Error, Result};
use frbench_job::artefact::Matrix;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the names of tensors start with.
const PREFIXES: [&str; 4] = ["input.", "weight.", "expect.", "grad."];

/// One case, read and held in memory.
#[derive(Clone, Debug)]
pub struct Case {
    pub path: PathBuf,
    /// File name without its extension.
    pub name: String,
    /// `head/arcface`, `eval/verification`, ...
    pub op: String,
    pub params: Params,
    pub source: String,
    /// All of the metadata (`state_dict`, `fill`, ...).
    pub metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Stored>,
}

#[derive(Clone, Debug)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    /// [`Error::Data`] if the file cannot be read or is no case of version 1.
    pub fn load(path: &Path) -> Result<Case> {
        let bytes = std::fs::read(path);
        let bytes = bytes.map_err(|e| Error::Data(format!("{}: {e}", path.display())))?;
        Case::parse(&bytes, path)
    }

    /// A case from the bytes of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Data`] if they are no case of version 1.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Case> {
        let wrong = |what: String| Error::Data(format!("{}: {what}", path.display()));
        let not_safetensors = |e| wrong(format!("not a safetensors file: {e}"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
        let metadata: BTreeMap<String, String> = header
            .metadata()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect();
        let text = |key: &str| {
            let value = metadata.get(key).cloned();
            value.ok_or_else(|| wrong(format!("no `{key}` in its metadata; not a parity case")))
        };
        let version = text("frbench.parity")?;
        if version != "1" {
            return Err(wrong(format!("parity format {version}, want 1")));
        }
        let params = serde_json::from_str(&text("params")?)
            .map_err(|e| wrong(format!("`params` is not a JSON object: {e}")))?;
        // A misspelt prefix would leave a tensor out of the proof, unseen.
        let known = |name: &&str| PREFIXES.iter().any(|p| name.starts_with(p));
        if let Some(name) = tensors.names().into_iter().find(|n| !known(n)) {
            let known = PREFIXES.join("*, ");
            return Err(wrong(format!("tensor `{name}` is none of {known}*")));
        }
        // Nothing is computed of nothing, and beside a size of 0 any other passes for right.
        if let Some((name, empty)) = tensors.iter().find(|(_, t)| t.shape().contains(&0)) {
            return Err(wrong(format!(
                "tensor `{name}` has shape {:?}: a size is 0, want at least 1",
                empty.shape()
            )));
        }
        let stem = path.file_stem().unwrap_or_default();
        Ok(Case {
            path: path.to_path_buf(),
            name: stem.to_string_lossy().into_owned(),
            op: text("op")?,
            params,
            source: metadata.get("source").cloned().unwrap_or_default(),
            tensors: tensors
                .iter()
                .map(|(name, view)| {
                    let stored = Stored {
                        dtype: view.dtype(),
                        shape: view.shape().to_vec(),
                        data: view.data().to_vec(),
                    };
                    (name.to_string(), stored)
                })
                .collect(),
            metadata,
        })
    }

    /// Refuses parameters other than these.
    ///
    /// # Errors
    /// [`Error::Usage`] with the first that is not known.
    pub fn only_params(&self, known: &[&str]) -> Result<()> {
        match self
            .params
            .keys()
            .find(|name| !known.contains(&name.as_str()))
        {
            None => Ok(()),
            Some(name) => Err(Error::Usage(format!(
                "`{}`: unknown parameter `{name}`; known: {}",
                self.op,
                known.join(", ")
            ))),
        }
    }

    /// The operation without its family.
    pub fn operation(&self) -> &str {
        self.op.split_once('/').map_or("", |(_, name)| name)
    }

    /// Names of the tensors `prefix.*` without the prefix, sorted.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.tensors.keys();
        names.filter_map(move |n| n.strip_prefix(prefix)?.strip_prefix('.'))
    }

    pub fn has(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    pub fn shape(&self, tensor: &str) -> Result<&[usize]> {
        Ok(&self.stored(tensor)?.shape)
    }

    /// The shape of a matrix.
    pub fn shape2(&self, tensor: &str) -> Result<(usize, usize)> {
        match *self.shape(tensor)? {
            [rows, cols] => Ok((rows, cols)),
            ref other => {
                Err(self.wrong(tensor, &format!("has shape {other:?}, want two dimensions")))
            }
        }
    }

    /// Any tensor as f64, row-major.
    pub fn f64(&self, tensor: &str) -> Result<Vec<f64>> {
        let stored = self.stored(tensor)?;
        Ok(match stored.dtype {
            Dtype::F64 => each(&stored.data, f64::from_le_bytes),
            Dtype::F32 => each(&stored.data, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::I64 => each(&stored.data, |b| i64::from_le_bytes(b) as f64),
            Dtype::U8 => stored.data.iter().map(|&b| f64::from(b)).collect(),
            other => {
                return Err(self.wrong(tensor, &format!("is {other:?}, want f32, f64, i64 or u8")));
            }
        })
    }

    /// A tensor of numbers as f32 (exact for the inputs of a case).
    pub fn f32(&self, tensor: &str) -> Result<Vec<f32>> {
        Ok(self.f64(tensor)?.into_iter().map(|v| v as f32).collect())
    }

    /// An integer or flag tensor.
    pub fn i64(&self, tensor: &str) -> Result<Vec<i64>> {
        let stored = self.stored(tensor)?;
        Ok(match stored.dtype {
            Dtype::I64 => each(&stored.data, i64::from_le_bytes),
            Dtype::U8 => stored.data.iter().map(|&b| i64::from(b)).collect(),
            other => return Err(self.wrong(tensor, &format!("is {other:?}, want i64 or u8"))),
        })
    }

    /// Labels, indices or ids.
    pub fn u32(&self, tensor: &str) -> Result<Vec<u32>> {
        let ids = self.i64(tensor)?.into_iter().map(u32::try_from);
        ids.collect::<Result<_, _>>()
            .map_err(|_| self.wrong(tensor, "holds a number that is no id (0 to 2^32 - 1)"))
    }

    /// Flags.
    pub fn flags(&self, tensor: &str) -> Result<Vec<bool>> {
        Ok(self.i64(tensor)?.into_iter().map(|v| v != 0).collect())
    }

    /// A tensor of one number.
    pub fn scalar(&self, tensor: &str) -> Result<f64> {
        match self.f64(tensor)?[..] {
            [value] => Ok(value),
            _ => Err(self.wrong(tensor, "should hold one number")),
        }
    }

    /// A matrix of f32.
    pub fn matrix(&self, tensor: &str) -> Result<Matrix<f32>> {
        let (rows, cols) = self.shape2(tensor)?;
        let data = self.f32(tensor)?;
        Ok(Matrix { rows, cols, data })
    }

    /// A tensor on the CPU, f32 as in a training.
    pub fn tensor(&self, tensor: &str) -> Result<Tensor> {
        let data = Tensor::from_vec(self.f64(tensor)?, self.shape(tensor)?, &Device::Cpu)?;
        Ok(data.to_dtype(DType::F32)?)
    }

    /// The same as a leaf that gradients are asked for.
    pub fn var(&self, tensor: &str) -> Result<Var> {
        Ok(Var::from_tensor(&self.tensor(tensor)?)?)
    }

    /// An error about one of its tensors.
    pub fn wrong(&self, tensor: &str, what: &str) -> Error {
        Error::Data(format!("{}: `{tensor}` {what}", self.path.display()))
    }

    fn stored(&self, tensor: &str) -> Result<&Stored> {
        let found = self.tensors.get(tensor);
        found.ok_or_else(|| self.wrong(tensor, "is missing"))
    }
}

fn each<const N: usize, T>(data: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|b| read(*b)).collect()
}
