//! Images of random bytes.

use frbench::Result;
use frbench::data::cache::PixelCache;
use frbench::data::image::Image;
use frbench::data::source::ImageSource;
use frbench::job::InputSpec;
use frbench::rng::Stream;
use frbench::train::Images;
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Source {
    images: usize,
    side: usize,
}

impl ImageSource for Source {
    fn len(&self) -> usize {
        self.images
    }

    fn bytes(&self, _: usize) -> Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(&[]))
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn describe(&self, i: usize) -> String {
        format!("image {i}")
    }

    fn decoded(&self, i: usize, _: &[u8]) -> Result<Image> {
        let mut stream = Stream::derive(1, "bytes", &[i as u64]);
        let bytes = (0..3 * self.side * self.side).map(|_| stream.next_u64() as u8);
        Image::new(self.side, self.side, bytes.collect())
    }
}

/// A set that may lie on a GPU as a whole, or may not; it counts how often it is asked for a
/// batch.
pub struct Bytes {
    pub pixels: PixelCache,
    pub resident: bool,
    /// Batches of bytes, and of numbers.
    pub read: AtomicUsize,
    pub filled: AtomicUsize,
}

impl Bytes {
    pub fn new(images: usize, side: usize, resident: bool) -> Self {
        Bytes {
            pixels: PixelCache::build(&Source { images, side }, side.into()).unwrap(),
            resident,
            read: AtomicUsize::new(0),
            filled: AtomicUsize::new(0),
        }
    }
}

impl Images for Bytes {
    fn len(&self) -> usize {
        self.pixels.len()
    }

    fn pixels(&self) -> Option<&PixelCache> {
        self.resident.then_some(&self.pixels)
    }

    fn read(&self, indices: &[u32], out: &mut [u8]) -> Result<()> {
        self.read.fetch_add(1, Relaxed);
        self.pixels.read(indices, out)
    }

    fn fill(
        &self,
        indices: &[u32],
        flips: &[bool],
        input: &InputSpec,
        out: &mut [f32],
    ) -> Result<()> {
        self.filled.fetch_add(1, Relaxed);
        self.pixels.fill_batch(indices, flips, input, out)
    }
}
