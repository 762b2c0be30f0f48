//! Reads parity cases: one `.safetensors` file each, with the operation and its parameters in
//! the metadata and inputs and expected outputs as tensors. A case that lacks what a test
//! asks of it fails that test, so everything here panics.

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

/// One case of `tests/parity`.
pub struct Case {
    /// File name without `.safetensors`.
    pub name: String,
    /// `head/arcface`, `eval/verification`, ...
    pub op: String,
    /// Parameters of the operation, as a suite would state them.
    pub params: BTreeMap<String, serde_json::Value>,
    /// All of the metadata (`state_dict`, `fill`, `source`, ...).
    pub metadata: BTreeMap<String, String>,
    bytes: Vec<u8>,
}

impl Case {
    pub fn load(name: &str) -> Case {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/parity")
            .join(format!("{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors header");
        let metadata: BTreeMap<String, String> = header
            .metadata()
            .clone()
            .expect("metadata")
            .into_iter()
            .collect();
        assert_eq!(metadata["frbench.parity"], "1", "{name}: format version");
        Case {
            name: name.to_owned(),
            op: metadata["op"].clone(),
            params: serde_json::from_str(&metadata["params"]).expect("params are a JSON object"),
            metadata,
            bytes,
        }
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let tensors = self.tensors();
        let mut names: Vec<String> = tensors.names().into_iter().map(String::from).collect();
        names.sort();
        names
    }

    pub fn has(&self, tensor: &str) -> bool {
        self.tensors().tensor(tensor).is_ok()
    }

    pub fn shape(&self, tensor: &str) -> Vec<usize> {
        self.view(tensor).1
    }

    /// Any tensor as f64, row-major.
    pub fn f64(&self, tensor: &str) -> Vec<f64> {
        let (dtype, _, data) = self.view(tensor);
        match dtype {
            Dtype::F64 => each(&data, f64::from_le_bytes),
            Dtype::F32 => each(&data, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::I64 => each(&data, |b| i64::from_le_bytes(b) as f64),
            Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
            other => panic!("{}: `{tensor}` is {other:?}", self.name),
        }
    }

    /// A floating-point tensor as f32 (exact for the inputs of every case).
    pub fn f32(&self, tensor: &str) -> Vec<f32> {
        self.f64(tensor).into_iter().map(|v| v as f32).collect()
    }

    /// An integer or flag tensor.
    pub fn i64(&self, tensor: &str) -> Vec<i64> {
        let (dtype, _, data) = self.view(tensor);
        match dtype {
            Dtype::I64 => each(&data, i64::from_le_bytes),
            Dtype::U8 => data.iter().map(|&b| i64::from(b)).collect(),
            other => panic!("{}: `{tensor}` is {other:?}", self.name),
        }
    }

    /// Any tensor as a candle tensor on the CPU.
    pub fn tensor(&self, tensor: &str, dtype: DType) -> Tensor {
        Tensor::from_vec(self.f64(tensor), self.shape(tensor), &Device::Cpu)
            .and_then(|t| t.to_dtype(dtype))
            .unwrap_or_else(|e| panic!("{}: `{tensor}`: {e}", self.name))
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("a safetensors file")
    }

    fn view(&self, tensor: &str) -> (Dtype, Vec<usize>, Vec<u8>) {
        let tensors = self.tensors();
        let view = tensors
            .tensor(tensor)
            .unwrap_or_else(|e| panic!("{}: `{tensor}`: {e}", self.name));
        (view.dtype(), view.shape().to_vec(), view.data().to_vec())
    }
}

fn each<const N: usize, T>(data: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.chunks_exact(N)
        .map(|b| read(b.try_into().expect("N bytes")))
        .collect()
}

/// L2 norm of the difference over the L2 norm of what is expected.
pub fn relative_error(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len(), "lengths");
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut got.iter().zip(want).map(|(g, w)| g - w));
    difference / norm(&mut want.iter().copied()).max(f64::MIN_POSITIVE)
}
