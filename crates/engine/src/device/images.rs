//! Images that lie on a GPU as bytes, and images on their way there while it computes something
//! else.

use super::Device;
use crate::Value;
use crate::settings::Precision;
use frbench_base::{Result, Size};
use std::fmt::Debug;
use std::sync::Arc;

impl Device {
    /// Copies images in RGB, `[count, height, width, 3]`, to the GPU, for networks of
    /// `precision`. `levels` are the input values of grey levels, `bgr` turns the channels round.
    /// `None`, too, if they take more than half of the memory that is free.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if the GPU fails.
    pub fn image_set(
        &self,
        pixels: &[u8],
        size: Size,
        (levels, bgr): (&[f32; 256], bool),
        precision: Precision,
    ) -> Result<Option<Arc<dyn ImageSet>>> {
        let Some(gpu) = self.gpu() else {
            return Ok(None);
        };
        gpu.image_set(pixels, size, (levels, bgr), precision)
    }
}

/// Images on a GPU, with what a network sees of them.
pub trait ImageSet: Debug + Send + Sync {
    /// `indices.len()` images as a network takes them, `[n, height, width, 3]`, mirrored where
    /// `flips` says so.
    ///
    /// # Errors
    /// [`Error::Bug`](frbench_base::Error::Bug) for an image that is not in the set, or if there is
    /// not a flip for each.
    fn gather(&self, indices: &[u32], flips: &[bool]) -> Result<Value>;
}

/// The way that the inputs of one network take to its GPU; see
/// [`Network::uploads`](crate::Network::uploads).
pub trait Uploads: Debug + Send + Sync {
    /// Sends `n` images of this size that `write` writes as bytes, `[n, height, width, 3]` in RGB,
    /// to be taken once for each of `flips`, which says what is mirrored, `[n]`.
    ///
    /// # Errors
    /// Those of `write`; [`Error::Bug`](frbench_base::Error::Bug) if there is not a flip for each
    /// image; [`Error::Compute`](frbench_base::Error::Compute) if the GPU fails.
    fn bytes(
        &self,
        images: (usize, Size),
        flips: &[&[bool]],
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<Box<dyn Upload>>;

    /// Sends `turns` inputs of `n` images of this size, which `write` writes as numbers,
    /// `[turns, n, height, width, 3]`.
    ///
    /// # Errors
    /// Those of `write`; [`Error::Compute`](frbench_base::Error::Compute) if the GPU fails.
    fn floats(
        &self,
        images: (usize, Size),
        turns: usize,
        write: &mut dyn FnMut(&mut [f32]) -> Result<()>,
    ) -> Result<Box<dyn Upload>>;
}

/// Images on their way to a GPU. What holds them is used again when it is dropped.
pub trait Upload: Debug + Send {
    /// The input `[n, height, width, 3]` of turn `k`, as soon as it is there: what computes waits,
    /// the caller does not.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if the GPU fails,
    /// [`Error::Bug`](frbench_base::Error::Bug) if there is no such turn.
    fn value(&self, k: usize) -> Result<Value>;
}
