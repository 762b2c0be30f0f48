//! Angles between every three samples of a batch, of two networks that are compared by them, in 64
//! bits.

use super::Device;
use frbench_base::Result;
use std::fmt::Debug;

impl Device {
    /// Copies what angles of `n` samples follow from to the GPU, `[n, n]` each: the student's
    /// products of every two samples and inverses of their distances, then the teacher's.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if they do not fit, or there are more
    /// angles than a kernel counts.
    pub fn angles(&self, n: usize, networks: [&[f64]; 4]) -> Result<Option<Box<dyn Angles>>> {
        self.gpu().map(|gpu| gpu.angles(n, networks)).transpose()
    }
}

/// What the angles between every three of `n` samples follow from, of a student and of a teacher,
/// on a GPU.
pub trait Angles: Debug + Send + Sync {
    /// For each sample `j` what the cosines of all angles with a side to it are off by, in smooth
    /// L1, `[n]`.
    fn gap(&self) -> Result<Vec<f64>>;

    /// The gradient of the sum of those: of the products of `j` and `k`, `[j, k]`, as those
    /// opposite all `i`; and `[j, i, 2]`, of what all angles at `i` with a side to `j` share, and
    /// of their squared distance.
    fn gradient(&self) -> Result<[Vec<f64>; 2]>;
}
