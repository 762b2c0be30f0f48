//! Checkpoints: safetensors files with sorted names, so that equal contents are equal bytes.

use super::network::StateDict;
use frbench_base::{Error, Result};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Named tensors and remarks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// By name; parts of a training state take prefixes such as `model/`, `velocity/`.
    pub tensors: StateDict,
    pub metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Adds all tensors of `state` under `prefix`.
    pub fn insert_all(&mut self, prefix: &str, state: StateDict) {
        let named = state.into_iter().map(|(k, v)| (format!("{prefix}{k}"), v));
        self.tensors.extend(named);
    }

    /// The tensors whose names start with `prefix`, without it.
    pub fn subset(&self, prefix: &str) -> StateDict {
        let of = |(k, v): (&String, &(Vec<usize>, Vec<f32>))| {
            Some((k.strip_prefix(prefix)?.to_owned(), v.clone()))
        };
        self.tensors.iter().filter_map(of).collect()
    }

    /// The tensor `name`.
    ///
    /// # Errors
    /// [`Error::Data`] if there is none.
    pub fn tensor(&self, name: &str) -> Result<&(Vec<usize>, Vec<f32>)> {
        let missing = || Error::Data(format!("the checkpoint has no tensor `{name}`"));
        self.tensors.get(name).ok_or_else(missing)
    }

    /// The file's contents.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut header = BTreeMap::<&str, Json>::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__", json!(self.metadata));
        }
        let mut end = 0;
        for (name, (shape, values)) in &self.tensors {
            let start = end;
            end += 4 * values.len();
            let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
            header.insert(name, entry);
        }
        let mut header = frbench_base::key::canonical(&json!(header)).into_bytes();
        // The data start at a multiple of 8.
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = Vec::with_capacity(8 + header.len() + end);
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        for (_, values) in self.tensors.values() {
            values.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        }
        bytes
    }

    /// Writes the file under a temporary name, syncs it, and renames it.
    pub fn save(&self, path: &Path) -> Result<()> {
        frbench_base::files::write_atomic(path, &self.to_bytes())
    }

    /// Reads a safetensors file; `F64` and `BF16` are converted, other types left out.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Data`] if the file is no safetensors file.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Checkpoint::from_bytes(&bytes).map_err(|e| Error::Data(format!("{}: {e}", path.display())))
    }

    /// The same of a file's contents.
    ///
    /// # Errors
    /// [`Error::Data`], which does not name the file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Checkpoint::parse(bytes).map_err(|e| Error::Data(format!("not a safetensors file: {e}")))
    }

    fn parse(bytes: &[u8]) -> std::result::Result<Self, safetensors::SafeTensorError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let mut tensors = StateDict::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
            if let Some(values) = floats(view.dtype(), view.data()) {
                tensors.insert(name.to_owned(), (view.shape().to_vec(), values));
            }
        }
        Ok(Checkpoint {
            tensors,
            metadata: metadata.into_iter().collect(),
        })
    }
}

fn floats(dtype: Dtype, data: &[u8]) -> Option<Vec<f32>> {
    fn each<const N: usize>(data: &[u8], f: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let (chunks, _) = data.as_chunks::<N>();
        chunks.iter().map(|c| f(*c)).collect()
    }
    Some(match dtype {
        Dtype::F32 => each(data, f32::from_le_bytes),
        Dtype::F64 => each(data, |b| f64::from_le_bytes(b) as f32),
        Dtype::BF16 => each(data, |b| {
            f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let mut c = Checkpoint::default();
        c.metadata.insert("step".into(), "17".into());
        c.metadata.insert("kind".into(), "training".into());
        let one = [(
            "b.weight".to_owned(),
            (vec![2, 2], vec![1.0, f32::MIN_POSITIVE, -0.0, 4.5]),
        )];
        c.insert_all("model/", one.into());
        c.insert_all(
            "velocity/",
            [("all".to_owned(), (vec![1], vec![0.25]))].into(),
        );
        c
    }

    #[test]
    fn files_are_read_back_and_equal_contents_are_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        sample().save(&path).unwrap();
        let read = Checkpoint::load(&path).unwrap();
        assert_eq!(read, sample());
        assert_eq!(read.to_bytes(), std::fs::read(&path).unwrap());
        assert_eq!(read.subset("velocity/")["all"].1, [0.25]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes = sample().to_bytes();
        for cut in [0, 7, 20, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(Checkpoint::load(&path).unwrap_err().exit_code(), 5);
        }
        assert!(sample().tensor("absent").is_err());
    }
}
