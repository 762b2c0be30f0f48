//! Products of every two samples of a batch, in 64 bits.

use super::Device;
use frbench_base::Result;
use std::fmt::Debug;

impl Device {
    /// Copies the features of a batch, `[B, d]`, to the GPU; `features` gives them, and is called
    /// only where there is one.
    ///
    /// # Errors
    /// Those of `features`; [`Error::Compute`](frbench_base::Error::Compute) if they do not fit.
    pub fn gram(
        &self,
        d: usize,
        features: impl FnOnce() -> Result<Vec<f64>>,
    ) -> Result<Option<Box<dyn Gram>>> {
        let gram = self.gpu().map(|gpu| gpu.gram(&features()?, d));
        gram.transpose()
    }
}

/// The features of a batch, `[B, d]`, on a GPU.
pub trait Gram: Debug + Send + Sync {
    /// Products of every two samples, `[B, B]`.
    fn products(&self) -> Result<Vec<f64>>;

    /// From the gradient of those products, `[B, B]`, that of the features, `[B, d]`.
    fn backward(&self, grad: &[f64]) -> Result<Vec<f64>>;
}
