//! Memories that losses relate each sample to. The features stay on the GPU, and only products
//! leave.

use super::Device;
use frbench_base::Result;
use std::fmt::Debug;

impl Device {
    /// Copies features, `[rows, d]`, to the GPU.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if they do not fit.
    pub fn bank(&self, features: &[f32], d: usize) -> Result<Option<Box<dyn Bank>>> {
        self.gpu().map(|gpu| gpu.bank(features, d)).transpose()
    }
}

/// Features, `[rows, d]`, on a GPU.
pub trait Bank: Debug + Send + Sync {
    /// Takes over all features, `[rows, d]`.
    fn push(&mut self, features: &[f32]) -> Result<()>;

    /// Overwrites the rows `which`, all different, by `rows`, `[which.len(), d]`.
    fn write(&mut self, which: &[u32], rows: &[f32]) -> Result<()>;

    /// Copies the rows `index`, `[batch, K]`, L2-normalised where `unit`. The bank may change
    /// afterwards.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if they do not fit, or are more rows than a
    /// kernel counts.
    fn select(&self, index: &[u32], batch: usize, unit: bool) -> Result<Box<dyn Selected>>;
}

/// Rows of a bank as they were when they were selected, `[B, K, d]`, on a GPU.
pub trait Selected: Debug + Send + Sync {
    /// `[B, K, d]`.
    fn shape(&self) -> [usize; 3];

    /// Products of each of `x`, `[B, d]`, with its rows, `[B, K]`.
    fn dots(&self, x: &[f32]) -> Result<Vec<f32>>;

    /// From the gradient of those products, `[B, K]`, that of `x`, `[B, d]`: sums of the rows, each
    /// times a number of `grad`.
    fn sums(&self, grad: &[f32]) -> Result<Vec<f32>>;
}
