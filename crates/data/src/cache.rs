//! Decoded pixels at a network's input size, made once per run.

use super::degrade::Degrade;
use super::resize::fitted;
use super::source::ImageSource;
use frbench_base::{Error, Result, Size};
use frbench_job::{Color, InputSpec};
use memmap2::{Mmap, MmapMut};
use rayon::prelude::*;
use std::path::Path;

/// All images of a collection in RGB, at one size, one after the other.
pub struct PixelCache {
    size: Size,
    len: usize,
    store: Store,
}

enum Store {
    Memory(Vec<u8>),
    /// An unlinked temporary file.
    File(Mmap),
}

impl PixelCache {
    /// Decodes and resizes all of `source` into memory.
    ///
    /// # Errors
    /// An image that cannot be decoded, named by its place.
    pub fn build(source: &dyn ImageSource, size: Size) -> Result<Self> {
        let mut pixels = vec![0; source.len() * 3 * size.area()];
        fill(source, size, &mut pixels)?;
        Ok(PixelCache {
            size,
            len: source.len(),
            store: Store::Memory(pixels),
        })
    }

    /// The same, in a temporary file in `dir` if it takes more than `limit` bytes.
    pub fn build_within(
        source: &dyn ImageSource,
        size: Size,
        dir: &Path,
        limit: u64,
    ) -> Result<Self> {
        let bytes = source.len() as u64 * 3 * size.area() as u64;
        if bytes <= limit || bytes == 0 {
            return Self::build(source, size);
        }
        let failed = |e| Error::io(dir, e);
        let file = tempfile::tempfile_in(dir).map_err(failed)?;
        file.set_len(bytes).map_err(failed)?;
        // SAFETY: the file has no name, so nobody else can change or shorten it.
        let mut map = unsafe { MmapMut::map_mut(&file) }.map_err(failed)?;
        fill(source, size, &mut map)?;
        Ok(PixelCache {
            size,
            len: source.len(),
            store: Store::File(map.make_read_only().map_err(failed)?),
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Of an image.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Pixels of all images, `[len, height, width, 3]`, in RGB.
    pub fn pixels(&self) -> &[u8] {
        match &self.store {
            Store::Memory(pixels) => pixels,
            Store::File(map) => map,
        }
    }

    /// Pixels of image `i`, `height * width * 3` values; panics if there is no such image.
    pub fn image(&self, i: usize) -> &[u8] {
        let n = 3 * self.size.area();
        &self.pixels()[i * n..(i + 1) * n]
    }

    /// Writes the pixels of images, `[indices.len(), height, width, 3]`, in RGB.
    ///
    /// # Errors
    /// The sizes do not fit each other, or an index is out of range.
    pub fn read(&self, indices: &[u32], out: &mut [u8]) -> Result<()> {
        let n = 3 * self.size.area();
        if out.len() != n * indices.len() || indices.iter().any(|&i| i as usize >= self.len) {
            return Err(Error::Bug(format!(
                "{} images in {} bytes from a cache of {} of {}",
                indices.len(),
                out.len(),
                self.len,
                self.size
            )));
        }
        let all = out.par_chunks_exact_mut(n).zip(indices);
        all.for_each(|(out, &i)| out.copy_from_slice(self.image(i as usize)));
        Ok(())
    }

    /// Writes a network's input, `[indices.len(), height, width, 3]` (NHWC): normalised, in the
    /// channel order of `input`, mirrored where `flips` says so.
    ///
    /// # Errors
    /// The sizes do not fit each other, or an index is out of range.
    pub fn fill_batch(
        &self,
        indices: &[u32],
        flips: &[bool],
        input: &InputSpec,
        out: &mut [f32],
    ) -> Result<()> {
        let n = 3 * self.size.area();
        let fits = input.size == self.size
            && flips.len() == indices.len()
            && out.len() == n * indices.len()
            && indices.iter().all(|&i| (i as usize) < self.len);
        if !fits {
            return Err(Error::Bug(format!(
                "a batch of {} images of {} ({} flips, {} values) from a cache of {} of {}",
                indices.len(),
                input.size,
                flips.len(),
                out.len(),
                self.len,
                self.size
            )));
        }
        let table = levels(input);
        let degrade = input.degrade.as_ref();
        let degrade = degrade.map(|spec| Degrade::new(spec, self.size));
        out.par_chunks_exact_mut(n)
            .zip(indices)
            .zip(flips)
            .for_each(|((out, &i), &flip)| {
                let image = self.image(i as usize);
                normalise(image, self.size.width, flip, input.color, &table, out);
                if let Some(degrade) = &degrade {
                    degrade.apply(out);
                }
            });
        Ok(())
    }
}

/// The input value of each grey level.
pub fn levels(input: &InputSpec) -> [f32; 256] {
    std::array::from_fn(|v| ((v as f64 / 255.0 - input.mean) / input.std) as f32)
}

fn normalise(
    image: &[u8],
    width: usize,
    flip: bool,
    color: Color,
    table: &[f32; 256],
    out: &mut [f32],
) {
    for (row, out) in image
        .chunks_exact(3 * width)
        .zip(out.chunks_exact_mut(3 * width))
    {
        for (x, out) in out.chunks_exact_mut(3).enumerate() {
            let x = if flip { width - 1 - x } else { x };
            let [r, g, b] = [0, 1, 2].map(|c| table[usize::from(row[3 * x + c])]);
            out.copy_from_slice(&match color {
                Color::Rgb => [r, g, b],
                Color::Bgr => [b, g, r],
            });
        }
    }
}

/// Decodes and resizes all of `source` into `pixels`, `[source.len(), height, width, 3]` in RGB.
///
/// # Errors
/// An image that cannot be decoded, named by its place; [`Error::Bug`] if `pixels` has another
/// size.
pub fn fill(source: &dyn ImageSource, size: Size, pixels: &mut [u8]) -> Result<()> {
    if pixels.len() != source.len() * 3 * size.area() {
        return Err(Error::Bug(format!(
            "{} images of {size} in {} bytes",
            source.len(),
            pixels.len()
        )));
    }
    pixels
        .par_chunks_exact_mut(3 * size.area())
        .enumerate()
        .try_for_each(|(i, out)| {
            out.copy_from_slice(&fitted(&source.image(i)?, size).pixels);
            Ok(())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::encode_png;
    use crate::image::Image;
    use crate::source::Pictures;
    use frbench_job::{DegradeKind, DegradeSpec};

    fn pictures() -> Pictures {
        let picture = |k: u8| {
            let pixels = (0..12u8).map(|v| 20 * v + k).collect();
            encode_png(&Image::new(2, 2, pixels).unwrap()).unwrap()
        };
        Pictures((0..3).map(picture).collect())
    }

    fn input(color: Color) -> InputSpec {
        InputSpec {
            size: 2.into(),
            color,
            mean: 0.5,
            std: 0.5,
            degrade: None,
        }
    }

    #[test]
    fn a_batch_is_normalised_ordered_and_mirrored() {
        let cache = PixelCache::build(&pictures(), 2.into()).unwrap();
        let value = |v: u8| ((f64::from(v) / 255.0 - 0.5) / 0.5) as f32;
        let mut out = vec![0.0; 24];
        cache
            .fill_batch(&[2, 0], &[false, true], &input(Color::Rgb), &mut out)
            .unwrap();
        assert_eq!(out[..3], [2, 22, 42].map(value));
        // Mirrored: the second pixel of the first row comes first.
        assert_eq!(out[12..15], [60, 80, 100].map(value));
        cache
            .fill_batch(&[0, 0], &[false, false], &input(Color::Bgr), &mut out)
            .unwrap();
        assert_eq!(out[..3], [40, 20, 0].map(value));
        assert!(
            cache
                .fill_batch(&[3], &[false], &input(Color::Rgb), &mut out[..12])
                .is_err()
        );
    }

    #[test]
    fn a_file_holds_the_same_pixels_as_memory() {
        let dir = tempfile::tempdir().unwrap();
        let memory = PixelCache::build(&pictures(), 5.into()).unwrap();
        let file = PixelCache::build_within(&pictures(), 5.into(), dir.path(), 10).unwrap();
        assert!(matches!(file.store, Store::File(_)));
        assert!((0..3).all(|i| memory.image(i) == file.image(i)));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_broken_image_is_named() {
        let broken = Pictures(vec![b"nothing".to_vec()]);
        let message = PixelCache::build(&broken, 2.into())
            .err()
            .unwrap()
            .to_string();
        assert!(message.starts_with("picture 0: "), "{message}");
    }

    /// Teacher and student see one image, mirrored alike; what is taken from the student's is
    /// taken after that. The nearest pixel is not the same one from either side.
    #[test]
    fn resolution_is_lost_after_mirroring() {
        let side = 6;
        let pixels = (0..3 * side * side).map(|i| (i * 67 % 251) as u8).collect();
        let image = encode_png(&Image::new(side, side, pixels).unwrap()).unwrap();
        let cache = PixelCache::build(&Pictures(vec![image]), side.into()).unwrap();
        let whole = InputSpec {
            size: side.into(),
            color: Color::Rgb,
            mean: 0.5,
            std: 0.5,
            degrade: None,
        };
        let spec = DegradeSpec {
            kind: DegradeKind::NearestBlur,
            side: 3,
        };
        let small = InputSpec {
            degrade: Some(spec),
            ..whole.clone()
        };
        let fill = |input: &InputSpec, flip: bool| {
            let mut out = vec![0.0; 3 * side * side];
            cache.fill_batch(&[0], &[flip], input, &mut out).unwrap();
            out
        };
        for flip in [false, true] {
            let mut teacher = fill(&whole, flip);
            Degrade::new(&spec, side.into()).apply(&mut teacher);
            assert_eq!(teacher, fill(&small, flip));
        }
        let mut mirrored = fill(&small, false);
        mirrored.chunks_exact_mut(3 * side).for_each(|row| {
            let pixels: Vec<f32> = row.chunks_exact(3).rev().flatten().copied().collect();
            row.copy_from_slice(&pixels);
        });
        assert_ne!(mirrored, fill(&small, true));
        assert!(small.is_compatible(&whole));
        let other = InputSpec {
            size: 8.into(),
            ..whole
        };
        assert!(!small.is_compatible(&other));
    }
}
