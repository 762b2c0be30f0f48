//! What face.evoLVe's evaluation does to pictures before a network sees them (util/utils.py,
//! `ccrop_batch` and `hflip_batch`): its tensors in [-1, 1] go back to 8 bits, which cuts fractions
//! off and loses a level of the dark half; Pillow enlarges them by 8/7, bilinearly, and the middle
//! of the old size is kept. The mirrored picture goes through 8 bits once more.

use super::image::Image;
use super::source::ImageSource;
use frbench_base::Result;
use std::borrow::Cow;
use std::sync::Arc;

/// Another collection, as face.evoLVe evaluates it.
pub struct Zoomed {
    source: Arc<dyn ImageSource>,
    /// Whether its pictures are to be mirrored.
    mirrored: bool,
}

impl Zoomed {
    /// `source`, of pictures that will be mirrored if so.
    pub fn new(source: Arc<dyn ImageSource>, mirrored: bool) -> Zoomed {
        Zoomed { source, mirrored }
    }
}

impl ImageSource for Zoomed {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        self.source.bytes(i)
    }

    fn label(&self, i: usize) -> Option<u32> {
        self.source.label(i)
    }

    fn describe(&self, i: usize) -> String {
        self.source.describe(i)
    }

    fn is_renamed(&self, i: usize) -> bool {
        self.source.is_renamed(i)
    }

    fn decoded(&self, i: usize, bytes: &[u8]) -> Result<Image> {
        let mut image = zoom(&self.source.decoded(i, bytes)?);
        if self.mirrored {
            cut(&mut image);
        }
        Ok(image)
    }
}

/// The picture through 8 bits, enlarged, and cut to its size.
pub fn zoom(image: &Image) -> Image {
    let mut image = image.clone();
    cut(&mut image);
    let large = |side: usize| (side * 8 + 3) / 7;
    let (width, height) = (image.width, image.height);
    let wide = across(&image, large(width));
    let tall = turned(&across(&turned(&wide), large(height)));
    // What torchvision's CenterCrop keeps: of an odd rest, halves are rounded to even.
    let first = |large: usize, side: usize| {
        let rest = large - side;
        rest / 2 + usize::from(rest % 4 == 3)
    };
    let (left, top) = (first(tall.width, width), first(tall.height, height));
    tall.part(left, top, width, height)
}

/// Levels to [-1, 1] and back, in 32 bits and without rounding.
fn cut(image: &mut Image) {
    let through = |level: usize| {
        let there = (level as f32 / 255.0 - 0.5) / 0.5;
        ((there * 0.5 + 0.5) * 255.0) as u8
    };
    let levels: [u8; 256] = std::array::from_fn(through);
    image
        .pixels
        .iter_mut()
        .for_each(|p| *p = levels[usize::from(*p)]);
}

/// Bits of the fraction of a weight.
const FRACTION: u32 = 22;

/// Rows enlarged to `to` pixels as Pillow's BILINEAR does on 8 bits: weights of 22 bits.
fn across(image: &Image, to: usize) -> Image {
    let from = image.width;
    let scale = from as f64 / to as f64;
    let taps: Vec<(usize, Vec<i64>)> = (0..to)
        .map(|x| {
            let centre = (x as f64 + 0.5) * scale;
            let first = (centre - 1.0 + 0.5).max(0.0) as usize;
            let end = ((centre + 1.0 + 0.5) as usize).min(from);
            let weight = |i: usize| (1.0 - (i as f64 - centre + 0.5).abs()).max(0.0);
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let total: f64 = weights.iter().sum();
            let fixed = |w: f64| (0.5 + w / total * f64::from(1 << FRACTION)) as i64;
            (first, weights.into_iter().map(fixed).collect())
        })
        .collect();
    let mut pixels = Vec::with_capacity(3 * to * image.height);
    for row in image.pixels.chunks_exact(3 * from) {
        for (first, weights) in &taps {
            for channel in 0..3 {
                let values = row[3 * first + channel..].iter().step_by(3);
                let sum: i64 = weights
                    .iter()
                    .zip(values)
                    .map(|(w, v)| w * i64::from(*v))
                    .sum();
                let level = (sum + (1 << (FRACTION - 1))) >> FRACTION;
                pixels.push(level.clamp(0, 255) as u8);
            }
        }
    }
    Image {
        width: to,
        height: image.height,
        pixels,
    }
}

/// Rows become columns.
fn turned(image: &Image) -> Image {
    let pixel = |i: usize| image.pixel(i / image.height, i % image.height);
    Image {
        width: image.height,
        height: image.width,
        pixels: (0..image.width * image.height).flat_map(pixel).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By PyTorch 2.15 and Pillow 13.0: the steps of face.evoLVe on one picture.
    #[test]
    fn pixels_are_those_of_pillow() {
        let value = |y: usize, x: usize, c: usize| ((y * 37 + x * x * 11 + c * 50) % 256) as u8;
        let pixels = (0..14 * 14 * 3).map(|i| value(i / 42, i / 3 % 14, i % 3));
        let image = Image::new(14, 14, pixels.collect()).unwrap();
        let zoomed = zoom(&image);
        const FIRST: [u8; 15] = [
            38, 89, 139, 63, 114, 164, 105, 155, 205, 163, 121, 150, 157, 63, 80,
        ];
        assert_eq!(zoomed.pixels[..15], FIRST);
        let sum: u64 = zoomed.pixels.iter().map(|p| u64::from(*p)).sum();
        let weighted = zoomed.pixels.iter().enumerate();
        let weighted: u64 = weighted.map(|(i, p)| u64::from(*p) * (i as u64 % 97)).sum();
        assert_eq!((sum, weighted), (75_627, 3_621_738));
        let mut levels = Image::new(256, 1, (0..768).map(|i| (i / 3) as u8).collect()).unwrap();
        cut(&mut levels);
        let lost: Vec<usize> = (0..256)
            .filter(|&v| usize::from(levels.pixels[3 * v]) != v)
            .collect();
        assert_eq!(lost, (1..64).collect::<Vec<_>>());
    }
}
