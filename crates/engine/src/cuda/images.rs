//! A set of images that lies on a GPU as bytes: a step then sends numbers of images, not images.

use super::array::Array;
use super::gpu::Gpu;
use super::memory::Buffer;
use crate::Value;
use crate::device;
use crate::settings::Precision;
use frbench_base::{Error, Result, Size};
use std::sync::Arc;

/// Images in RGB, with what a network sees of them.
#[derive(Debug)]
pub(super) struct ImageSet {
    gpu: Arc<Gpu>,
    /// `[count, height, width, 3]`.
    pixels: Buffer,
    /// The input value of each grey level.
    levels: Buffer,
    count: usize,
    size: Size,
    bgr: bool,
    low: bool,
}

impl ImageSet {
    /// Of `pixels`, `[count, height, width, 3]`, if they take no more than half of the memory that is
    /// free. `bgr` turns the channels round.
    ///
    /// # Errors
    /// [`Error::Compute`] if the GPU fails.
    pub fn new(
        gpu: &Arc<Gpu>,
        pixels: &[u8],
        size: Size,
        (levels, bgr): (&[f32; 256], bool),
        precision: Precision,
    ) -> Result<Option<ImageSet>> {
        if pixels.len() > gpu.memory()?.0 / 2 {
            return Ok(None);
        }
        Ok(Some(ImageSet {
            gpu: Arc::clone(gpu),
            pixels: gpu.upload(pixels)?,
            levels: gpu.upload(levels)?,
            count: pixels.len() / (size.area() * 3).max(1),
            size,
            bgr,
            low: precision == Precision::Bf16,
        }))
    }
}

impl device::ImageSet for ImageSet {
    fn gather(&self, indices: &[u32], flips: &[bool]) -> Result<Value> {
        let there = |i: &u32| (*i as usize) < self.count;
        if flips.len() != indices.len() || !indices.iter().all(there) {
            return Err(Error::Bug(format!(
                "{} flips for {} of {} images, or an image of another set",
                flips.len(),
                indices.len(),
                self.count
            )));
        }
        let shape = [indices.len(), self.size.height, self.size.width, 3];
        let y = Array::new(&self.gpu, shape, self.low)?;
        let flips: Vec<u8> = flips.iter().map(|f| u8::from(*f)).collect();
        let (indices, flips) = (self.gpu.upload(indices)?, self.gpu.upload(&flips)?);
        let all = [&self.pixels, &indices, &flips, &self.levels];
        self.gpu
            .gather_images(all.map(Buffer::pointer), &y, self.bgr)?;
        Ok(Value::on_device(y))
    }
}
