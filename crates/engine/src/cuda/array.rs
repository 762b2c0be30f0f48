//! Activations and gradients on a GPU.

use super::super::value::Value;
use super::gpu::Gpu;
use super::memory::Buffer;
use frbench_base::{Error, Result};
use std::sync::Arc;

/// Numbers in NHWC order, in 32 bits or bfloat16. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(super) shape: [usize; 4],
    /// bfloat16.
    pub(super) low: bool,
    data: Arc<Buffer>,
}

impl Array {
    /// With arbitrary contents.
    ///
    /// # Errors
    /// [`Error::Compute`] for 2^31 elements or more, which kernels do not count.
    pub fn new(gpu: &Arc<Gpu>, shape: [usize; 4], low: bool) -> Result<Array> {
        let len: usize = shape.iter().product();
        if len >= 1 << 31 {
            return Err(Error::Compute(format!(
                "an activation of {shape:?} has {len} numbers, more than a kernel counts; take a \
                 smaller batch"
            )));
        }
        let data = gpu.buffer(len * if low { 2 } else { 4 })?;
        Ok(Array {
            shape,
            low,
            data: Arc::new(data),
        })
    }

    /// The numbers of `value`, wherever they are, in this precision.
    pub fn upload(gpu: &Arc<Gpu>, value: &Value, low: bool) -> Result<Array> {
        let here = match value.array() {
            Some(array) => array.clone(),
            None => Array {
                shape: value.shape(),
                low: false,
                data: Arc::new(gpu.upload(&value.numbers()?)?),
            },
        };
        match here.low == low {
            true => Ok(here),
            false => gpu.convert(&here, low),
        }
    }

    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Rows of channels.
    pub fn rows(&self) -> usize {
        self.shape[..3].iter().product()
    }

    pub fn channels(&self) -> usize {
        self.shape[3]
    }

    pub fn batch(&self) -> usize {
        self.shape[0]
    }

    /// `[h * w, c]`.
    pub fn pixels(&self) -> [usize; 2] {
        [self.shape[1] * self.shape[2], self.shape[3]]
    }

    pub fn pointer(&self) -> u64 {
        self.data.pointer()
    }

    pub fn gpu(&self) -> &Arc<Gpu> {
        self.data.gpu()
    }

    /// Whether nobody else has these numbers, so that they may be written over.
    pub fn is_unshared(&mut self) -> bool {
        Arc::get_mut(&mut self.data).is_some()
    }

    /// How many have these numbers.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.data)
    }

    /// In 32 bits, in host memory.
    pub fn download(&self) -> Result<Vec<f32>> {
        if self.low {
            return self.gpu().convert(self, false)?.download();
        }
        self.data.read(0, self.len())
    }
}
