//! A face seen from afar: few pixels, with their noise and compression, enlarged again.

use super::condition::Condition;
use super::world::CROP;
use frbench_base::Result;
use frbench_base::rng::Stream;
use frbench_data::decode::{decode, encode_jpeg};
use frbench_data::image::Image;
use frbench_data::resize::{cubic, resize};

/// Quality at which the enlarged picture is kept.
pub const JPEG: u8 = 95;

/// Least and largest side of the face, pixels of the aligned crop.
const SIDES: [u64; 2] = [14, 28];

/// An aligned crop as a distant camera sees it: reduced by area to a side drawn from
/// `SIDES`, with that camera's noise and compression, and enlarged to 112 x 112 by cubic
/// convolution. `number` and the condition's seed address what is drawn.
///
/// # Errors
/// What the JPEG encoder and decoder return.
pub fn tiny(crop: &Image, number: u64, c: &Condition) -> Result<Image> {
    let mut s = Stream::derive(u64::from(c.seed), "synth-tiny", &[number]);
    let side = (SIDES[0] + s.below(SIDES[1] - SIDES[0] + 1)) as usize;
    let mut small = resize(crop, side, side);
    let noise = s.range(1.0, 6.0);
    for v in &mut small.pixels {
        *v = (f64::from(*v) + noise * s.normal() + 0.5).clamp(0.0, 255.0) as u8;
    }
    let seen = decode(&encode_jpeg(&small, c.camera.jpeg)?)?;
    Ok(enlarge(&seen, CROP))
}

/// Weights of the four pixels around target pixel `j`, and the first of them.
fn taps(from: usize, to: usize, j: usize) -> (isize, [f64; 4]) {
    let at = (j as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let below = at.floor();
    let t = at - below;
    (
        below as isize - 1,
        [t + 1.0, t, 1.0 - t, 2.0 - t].map(cubic),
    )
}

/// A larger square by cubic convolution along either axis; edges repeat.
fn enlarge(image: &Image, side: usize) -> Image {
    let (width, height) = (image.width, image.height);
    let mut wide = vec![[0.0f64; 3]; side * height];
    for x in 0..side {
        let (first, weights) = taps(width, side, x);
        for y in 0..height {
            for (k, w) in (first..).zip(weights) {
                let pixel = image.pixel(k.clamp(0, width as isize - 1) as usize, y);
                for (sum, v) in wide[y * side + x].iter_mut().zip(pixel) {
                    *sum += w * f64::from(v);
                }
            }
        }
    }
    let mut out = Image::black(side, side);
    for y in 0..side {
        let (first, weights) = taps(height, side, y);
        for x in 0..side {
            let mut sum = [0.5; 3];
            for (k, w) in (first..).zip(weights) {
                let row = k.clamp(0, height as isize - 1) as usize;
                for (sum, v) in sum.iter_mut().zip(wide[row * side + x]) {
                    *sum += w * v;
                }
            }
            let at = 3 * (y * side + x);
            out.pixels[at..at + 3].copy_from_slice(&sum.map(|v| v.clamp(0.0, 255.0) as u8));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(side: usize, of: impl Fn(usize, usize) -> u8) -> Image {
        let pixels = (0..side * side).flat_map(|i| [of(i % side, i / side); 3]);
        Image::new(side, side, pixels.collect()).unwrap()
    }

    #[test]
    fn enlarging_keeps_ramps_and_meets_keys_weights_halfway() {
        // Four times: target 4 i + k lies at i + (k - 1.5) / 4.
        let big = enlarge(&grey(12, |x, y| (20 * x + y) as u8), 48);
        for (x, y) in [(8, 9), (21, 30), (39, 38)] {
            let want = |v: usize| (v as f64 - 1.5) / 4.0;
            let want = 20.0 * want(x) + want(y);
            assert!(
                (f64::from(big.pixel(x, y)[0]) - want).abs() <= 0.51,
                "{x} {y}"
            );
        }
        // Three times: of pixel 1, target 4 is the middle. Twice and a half between them:
        // (-1, 9, 9, -1) / 16.
        let edge = enlarge(&grey(5, |x, _| if x < 2 { 0 } else { 160 }), 15);
        assert_eq!((edge.pixel(4, 7)[1], edge.pixel(7, 7)[1]), (0, 160));
        let (_, half) = taps(2, 2 * 2 * 2, 3);
        let (_, middle) = taps(4, 8, 3);
        assert_eq!(middle.iter().sum::<f64>(), 1.0);
        assert_eq!(half.iter().sum::<f64>(), 1.0);
    }
}
