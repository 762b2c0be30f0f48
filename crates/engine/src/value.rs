//! Values that flow through a network.

use super::cuda::Array;
use super::ops::elementwise::accumulate;
use super::pool::Buffer;
use candle_core::Tensor;
use frbench_base::{Error, Result};
use std::borrow::Cow;
use std::sync::Arc;

/// An activation or a gradient: shape `[n, h, w, c]`, NHWC in memory. A batch of vectors is
/// `[n, 1, 1, c]`. Cloning shares the data.
///
/// What a network on a GPU yields beside its embedding stays there until somebody asks for the
/// [numbers](Value::numbers).
#[derive(Clone, Debug)]
pub struct Value {
    shape: [usize; 4],
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    Host(Arc<Buffer>),
    #[cfg_attr(
        not(feature = "cuda"),
        expect(dead_code, reason = "no GPU makes values")
    )]
    Device(Array),
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

    /// A value in memory of the engine's pools. `data` holds the numbers of `shape`.
    pub fn from_buffer(shape: [usize; 4], data: Buffer) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Value {
            shape,
            data: Data::Host(Arc::new(data)),
        }
    }

    #[cfg(feature = "cuda")]
    pub(crate) fn on_device(array: Array) -> Self {
        Value {
            shape: array.shape(),
            data: Data::Device(array),
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

    /// The numbers on a GPU, if that is where they are.
    pub(super) fn array(&self) -> Option<&Array> {
        match &self.data {
            Data::Host(_) => None,
            Data::Device(array) => Some(array),
        }
    }

    /// The numbers, NHWC, wherever they are.
    ///
    /// # Errors
    /// [`Error::Compute`] if they cannot be fetched from a GPU.
    pub fn numbers(&self) -> Result<Cow<'_, [f32]>> {
        Ok(match &self.data {
            Data::Host(buffer) => Cow::Borrowed(buffer),
            Data::Device(array) => Cow::Owned(array.download()?),
        })
    }

    /// The numbers of a value in host memory, NHWC.
    ///
    /// # Panics
    /// If the value is on a GPU.
    pub fn data(&self) -> &[f32] {
        match &self.data {
            Data::Host(buffer) => buffer,
            Data::Device(array) => panic!("the numbers of {array:?} were not asked for"),
        }
    }

    /// The data for writing, if no other value shares it.
    pub(crate) fn unshared(&mut self) -> Option<&mut [f32]> {
        match &mut self.data {
            Data::Host(buffer) => Arc::get_mut(buffer).map(|b| &mut **b),
            Data::Device(_) => None,
        }
    }

    /// The data itself, if no other value shares it; else the value again.
    pub(crate) fn into_buffer(self) -> std::result::Result<Buffer, Value> {
        match self.data {
            Data::Host(buffer) => Arc::try_unwrap(buffer).map_err(|buffer| Value {
                data: Data::Host(buffer),
                ..self
            }),
            Data::Device(_) => Err(self),
        }
    }

    /// Room in host memory for as many numbers, which are arbitrary, from the pool of this value if
    /// it has one.
    pub(super) fn room(&self) -> Buffer {
        let len = self.shape.iter().product();
        match &self.data {
            Data::Host(buffer) => buffer.another(len),
            Data::Device(_) => vec![0.0; len].into(),
        }
    }

    /// The sum with a value of the same shape: on a GPU, if either is there.
    ///
    /// # Errors
    /// [`Error::Compute`] for another shape, and if the GPU fails.
    pub fn plus(self, other: Value) -> Result<Value> {
        self.same_shape(&other)?;
        if self.array().is_none() && other.array().is_some() {
            return other.plus(self);
        }
        match self.data {
            Data::Device(array) => array.plus(&other),
            Data::Host(mut buffer) => {
                if Arc::get_mut(&mut buffer).is_none() {
                    buffer = Arc::new(buffer.to_vec().into());
                }
                if let Some(sum) = Arc::get_mut(&mut buffer) {
                    accumulate(sum, &other.numbers()?);
                }
                Ok(Value {
                    data: Data::Host(buffer),
                    ..self
                })
            }
        }
    }

    /// The same numbers where `other` lies.
    ///
    /// # Errors
    /// [`Error::Compute`] if a GPU fails.
    pub fn beside(&self, other: &Value) -> Result<Value> {
        match (other.array(), self.array()) {
            (Some(there), _) => there.beside(self),
            (None, Some(array)) => Value::new(self.shape, array.download()?),
            (None, None) => Ok(self.clone()),
        }
    }

    /// # Errors
    /// [`Error::Compute`] for another shape.
    pub(super) fn same_shape(&self, other: &Value) -> Result<()> {
        if self.shape == other.shape {
            return Ok(());
        }
        Err(Error::Compute(format!(
            "values of shapes {:?} and {:?} are taken together",
            self.shape, other.shape
        )))
    }

    /// A copy of the numbers of a value in host memory; see [`Value::data`].
    pub fn to_vec(&self) -> Vec<f32> {
        self.data().to_vec()
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
            &self.numbers()?,
            (n, c),
            &candle_core::Device::Cpu,
        )?)
    }

    /// The value as a contiguous candle tensor `[n, c, h, w]`.
    pub fn to_nchw(&self) -> Result<Tensor> {
        let [n, h, w, c] = self.shape;
        let numbers = self.numbers()?;
        let nhwc = Tensor::from_slice(&numbers, (n, h, w, c), &candle_core::Device::Cpu)?;
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

    #[test]
    fn a_sum_leaves_alone_what_others_share() {
        let [one, two] = [1.0, 2.0].map(|v| Value::new([1, 1, 1, 2], vec![v; 2]).unwrap());
        let shared = one.clone();
        assert_eq!(one.plus(two.clone()).unwrap().data(), [3.0; 2]);
        assert_eq!(shared.data(), [1.0; 2]);
        assert_eq!(shared.plus(two.clone()).unwrap().data(), [3.0; 2]);
        let other = Value::new([1, 1, 2, 1], vec![0.0; 2]).unwrap();
        assert!(two.plus(other).is_err());
    }
}
