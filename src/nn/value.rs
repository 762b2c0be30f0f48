//! Values that flow through a network.

use super::pool::Buffer;
use crate::{Error, Result};
use candle_core::Tensor;
use std::sync::Arc;

/// Element type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    F32,
}

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Cpu,
}

/// An activation or a gradient: shape `[n, h, w, c]`, NHWC in memory. A batch of vectors is
/// `[n, 1, 1, c]`. Cloning shares the data.
#[derive(Clone, Debug)]
pub struct Value {
    shape: [usize; 4],
    dtype: DType,
    device: Device,
    data: Arc<Buffer>,
}

impl Value {
    /// `data` in NHWC order. Fails if its length is not the product of `shape`.
    pub fn new(shape: [usize; 4], data: Vec<f32>) -> Result<Self> {
        let want: usize = shape.iter().product();
        if data.len() != want {
            return Err(Error::Compute(format!(
                "a value of shape {shape:?} holds {want} numbers, got {}",
                data.len()
            )));
        }
        Ok(Value::from_buffer(shape, data.into()))
    }

    pub(crate) fn from_buffer(shape: [usize; 4], data: Buffer) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Value {
            shape,
            dtype: DType::F32,
            device: Device::Cpu,
            data: Arc::new(data),
        }
    }

    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Images in the batch.
    pub fn batch(&self) -> usize {
        self.shape[0]
    }

    pub fn channels(&self) -> usize {
        self.shape[3]
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// The numbers, NHWC.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The data for writing, if no other value shares it.
    pub(crate) fn unshared(&mut self) -> Option<&mut [f32]> {
        Arc::get_mut(&mut self.data).map(|b| &mut **b)
    }

    /// The data itself, if no other value shares it; else the value again.
    pub(crate) fn into_buffer(self) -> std::result::Result<Buffer, Value> {
        match Arc::try_unwrap(self.data) {
            Ok(buffer) => Ok(buffer),
            Err(data) => Err(Value { data, ..self }),
        }
    }

    pub fn to_vec(&self) -> Vec<f32> {
        self.data.to_vec()
    }

    /// From a candle tensor: `[n, c]` (vectors) or `[n, c, h, w]` (maps).
    pub fn from_tensor(tensor: &Tensor) -> Result<Self> {
        let tensor = tensor
            .detach()
            .to_device(&candle_core::Device::Cpu)?
            .to_dtype(candle_core::DType::F32)?;
        let (shape, nhwc) = match *tensor.dims() {
            [n, c] => ([n, 1, 1, c], tensor),
            [n, c, h, w] => ([n, h, w, c], tensor.permute((0, 2, 3, 1))?),
            ref other => {
                return Err(Error::Compute(format!(
                    "a value is made from a tensor [n, c] or [n, c, h, w], got {other:?}"
                )));
            }
        };
        Value::new(shape, nhwc.flatten_all()?.to_vec1()?)
    }

    /// The vectors as a candle tensor `[n, c]`. Fails on maps.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let [n, h, w, c] = self.shape;
        if (h, w) != (1, 1) {
            return Err(Error::Compute(format!(
                "a value of shape {:?} is a map, not a batch of vectors",
                self.shape
            )));
        }
        Ok(Tensor::from_slice(
            self.data(),
            (n, c),
            &candle_core::Device::Cpu,
        )?)
    }

    /// The value as a contiguous candle tensor `[n, c, h, w]`.
    pub fn to_nchw(&self) -> Result<Tensor> {
        let [n, h, w, c] = self.shape;
        let nhwc = Tensor::from_slice(self.data(), (n, h, w, c), &candle_core::Device::Cpu)?;
        Ok(nhwc.permute((0, 3, 1, 2))?.contiguous()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_survive_the_way_through_candle() {
        let value = Value::new([2, 2, 3, 2], (0..24).map(|i| i as f32).collect()).unwrap();
        let tensor = value.to_nchw().unwrap();
        assert_eq!(tensor.dims(), [2, 2, 2, 3]);
        let plane: Vec<f32> = tensor
            .get(0)
            .unwrap()
            .get(1)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        assert_eq!(plane, [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]);
        assert_eq!(Value::from_tensor(&tensor).unwrap().data(), value.data());
        assert!(value.to_tensor().is_err());
        assert!(Value::new([1, 2, 2, 1], vec![0.0; 3]).is_err());
    }
}
