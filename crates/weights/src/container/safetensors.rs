//! safetensors: a header in JSON, then the numbers.

use super::{Contents, Reader};
use crate::tensor::{Dtype, Tensor};
use crate::tree::{Budget, Tree};
use safetensors::SafeTensors;

pub(super) const READER: Reader = Reader {
    name: "safetensors",
    recognises,
    read,
};

/// A length of eight bytes, and an object in JSON behind it.
fn recognises(file: &[u8]) -> bool {
    let Some((len, rest)) = file.split_first_chunk::<8>() else {
        return false;
    };
    rest.first() == Some(&b'{') && u64::from_le_bytes(*len) <= rest.len() as u64
}

fn read(file: &[u8]) -> Result<Contents, String> {
    let (header, metadata) = SafeTensors::read_metadata(file).map_err(|e| e.to_string())?;
    // It sees to it that tensors lie one behind the other up to the end of the file.
    let start = 8 + header;
    let mut budget = Budget::new(file.len());
    let mut entries = Vec::new();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else {
            continue;
        };
        budget.entry(&name)?;
        let dtype = match info.dtype {
            safetensors::Dtype::F64 => Dtype::F64,
            safetensors::Dtype::F32 => Dtype::F32,
            safetensors::Dtype::F16 => Dtype::F16,
            safetensors::Dtype::BF16 => Dtype::Bf16,
            safetensors::Dtype::I64 => Dtype::I64,
            safetensors::Dtype::I32 => Dtype::I32,
            safetensors::Dtype::I16 => Dtype::I16,
            safetensors::Dtype::I8 => Dtype::I8,
            safetensors::Dtype::U8 => Dtype::U8,
            safetensors::Dtype::BOOL => Dtype::Bool,
            other => {
                return Err(format!(
                    "tensor `{name}` is of type {other:?}, which is not read"
                ));
            }
        };
        let (from, to) = info.data_offsets;
        let tensor = Tensor::row_major(dtype, start + from..start + to, info.shape.clone())
            .map_err(|what| format!("tensor `{name}`: {what}"))?;
        budget.tensor(&tensor)?;
        entries.push((name, Tree::Tensor(tensor)));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Contents {
        tree: Tree::Dict(entries),
        notes: Vec::new(),
    })
}
