//! A decoded image.

use frbench_base::{Error, Result};

/// 8-bit RGB, rows from the top, channels interleaved.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    /// `3 * width * height` values.
    pub pixels: Vec<u8>,
}

impl Image {
    /// # Errors
    /// The number of pixels does not fit the size, or a side is 0.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self> {
        if width == 0 || height == 0 || pixels.len() != 3 * width * height {
            return Err(Error::Compute(format!(
                "an RGB image of {width} x {height} does not have {} values",
                pixels.len()
            )));
        }
        Ok(Image {
            width,
            height,
            pixels,
        })
    }

    pub fn black(width: usize, height: usize) -> Self {
        Image {
            width,
            height,
            pixels: vec![0; 3 * width * height],
        }
    }

    /// `width` columns from `x` on of `height` rows from `y` on; panics outside the image, like a
    /// slice.
    pub fn part(&self, x: usize, y: usize, width: usize, height: usize) -> Image {
        let rows = self
            .pixels
            .chunks_exact(3 * self.width)
            .skip(y)
            .take(height);
        let pixels = rows.flat_map(|row| &row[3 * x..3 * (x + width)]);
        Image {
            width,
            height,
            pixels: pixels.copied().collect(),
        }
    }

    /// Red, green and blue at column `x` of row `y`; panics outside the image, like a slice.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({} x {})", self.width, self.height)
    }
}
