//! Products of every two samples of a batch, and the distances that follow from them.

use crate::head::rowwise::slice;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use frbench_base::{Error, Result};
use frbench_engine::{self as engine, device};

/// Products of every two rows of `x` `[B, D]` (f64), `[B, B]`, computed on `device`.
pub fn gram(x: &Tensor, device: &engine::Device) -> Result<Tensor> {
    let (_, dim) = x.dims2()?;
    let features = || match x.dtype() {
        DType::F64 => Ok(x.flatten_all()?.to_vec1()?),
        _ => Err(Error::Bug("a Gram matrix that is not in 64 bits".into())),
    };
    match device.gram(dim, features)? {
        None => Ok(x.matmul(&x.t()?)?),
        Some(gram) => Ok(x.contiguous()?.apply_op1(Gram(gram))?),
    }
}

/// Squared distances of every two rows of `x` `[B, D]` from their [`gram`] matrix, `[B, B]`. They
/// are rounded as `|x|^2` is, and may be a little below 0.
pub fn squared_distances(x: &Tensor, gram: &Tensor) -> Result<Tensor> {
    let square = x.sqr()?.sum(1)?;
    let sums = square.unsqueeze(0)?.broadcast_add(&square.unsqueeze(1)?)?;
    Ok((sums - (gram * 2.0)?)?)
}

struct Gram(Box<dyn device::Gram>);

impl CustomOp1 for Gram {
    fn name(&self) -> &'static str {
        "gram"
    }

    fn cpu_fwd(&self, _: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (batch, _) = layout.shape().dims2()?;
        let products = self.0.products().map_err(candle_core::Error::wrap)?;
        Ok((CpuStorage::F64(products), Shape::from((batch, batch))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (storage, layout) = grad.storage_and_layout();
        let candle_core::Storage::Cpu(storage) = &*storage else {
            candle_core::bail!("a gradient that is not in host memory");
        };
        let dx = self.0.backward(slice::<f64>(storage, layout)?);
        let dx = dx.map_err(candle_core::Error::wrap)?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
