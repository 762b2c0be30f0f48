//! Pictures that two collections have in common: the same bytes, the same pixels, or one picture
//! stored again, cut or scaled.
//!
//! A picture is known by the differences of neighbours in small grey windows of it (dHash, 64 bits):
//! the whole, and parts of 0.9, 0.8 and 0.7 of its sides in nine places. Two pictures are candidates
//! where the whole of one is near a window of the other, and are taken as one picture where the grey
//! thumbnails of those windows correlate by [`SAME`] or more. Aligned faces of different people are
//! well below that; heavy retouching is above.

use super::image::Image;
use super::resize::resize;
use super::source::ImageSource;
use super::watch::{Counter, Watch};
use frbench_base::Result;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Bits of 64 in which candidates may differ.
const NEAR: u32 = 12;
/// The least correlation of the thumbnails of one picture.
pub const SAME: f64 = 0.97;
/// Side of a thumbnail.
const SIDE: usize = 24;
/// Parts of the sides of a picture that windows take.
const SCALES: [f64; 3] = [0.9, 0.8, 0.7];

/// How two pictures are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// Their files are the same.
    Bytes,
    /// They are decoded to the same pixels.
    Pixels,
    /// They show one picture.
    Picture,
}

impl Likeness {
    pub fn name(self) -> &'static str {
        match self {
            Likeness::Bytes => "same bytes",
            Likeness::Pixels => "same pixels",
            Likeness::Picture => "same picture",
        }
    }
}

/// A picture of one collection that the other has, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    pub first: usize,
    pub second: usize,
    pub likeness: Likeness,
    /// Of thumbnails; 1 where pixels are the same.
    pub correlation: f64,
}

struct Look {
    bytes: [u8; 32],
    pixels: [u8; 32],
    /// Of the whole picture, then of its windows.
    hashes: Vec<u64>,
}

/// Every pair of images of both collections that show one picture, by the second collection.
///
/// # Errors
/// An image that cannot be read; what `watch` returns.
pub fn shared(
    first: &dyn ImageSource,
    second: &dyn ImageSource,
    watch: Watch,
) -> Result<Vec<Shared>> {
    let counter = Counter::images((first.len() + second.len()) as u64, watch);
    let looks = |source: &dyn ImageSource| -> Result<Vec<Look>> {
        let look = |i: usize| {
            let look = Look::of(source, i)?;
            counter.add(1)?;
            Ok(look)
        };
        (0..source.len()).into_par_iter().map(look).collect()
    };
    let (ours, theirs) = (looks(first)?, looks(second)?);
    let mut bytes: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    let mut pixels: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (i, look) in ours.iter().enumerate() {
        bytes.entry(look.bytes).or_default().push(i);
        pixels.entry(look.pixels).or_default().push(i);
    }
    let found: Vec<Vec<Shared>> = theirs
        .par_iter()
        .enumerate()
        .map(|(j, look)| {
            watch(0, 0, "")?;
            let mut found: BTreeMap<usize, Shared> = BTreeMap::new();
            for (likeness, of) in [
                (Likeness::Bytes, bytes.get(&look.bytes)),
                (Likeness::Pixels, pixels.get(&look.pixels)),
            ] {
                for &i in of.into_iter().flatten() {
                    found.entry(i).or_insert(Shared {
                        first: i,
                        second: j,
                        likeness,
                        correlation: 1.0,
                    });
                }
            }
            let mut image = None;
            for (i, own) in ours.iter().enumerate() {
                if found.contains_key(&i) || !own.is_near(look) {
                    continue;
                }
                let image = match &image {
                    Some(image) => image,
                    None => image.insert(second.image(j)?),
                };
                let correlation = correlation(&first.image(i)?, image);
                if correlation >= SAME {
                    let likeness = Likeness::Picture;
                    found.insert(
                        i,
                        Shared {
                            first: i,
                            second: j,
                            likeness,
                            correlation,
                        },
                    );
                }
            }
            Ok(found.into_values().collect())
        })
        .collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

impl Look {
    fn of(source: &dyn ImageSource, i: usize) -> Result<Look> {
        let bytes = source.bytes(i)?;
        let image = source.decoded(i, &bytes)?;
        let mut pixels = Sha256::new();
        pixels.update((image.width as u64).to_le_bytes());
        pixels.update(&image.pixels);
        let grey = grey(&image);
        let hashes = windows(image.width, image.height);
        let hashes = hashes.iter().map(|w| hash(&grey, w)).collect();
        Ok(Look {
            bytes: Sha256::digest(&bytes).into(),
            pixels: pixels.finalize().into(),
            hashes,
        })
    }

    /// Whether the whole of one is near a window of the other.
    fn is_near(&self, other: &Look) -> bool {
        let near = |whole: u64, of: &[u64]| of.iter().any(|h| (h ^ whole).count_ones() <= NEAR);
        near(self.hashes[0], &other.hashes) || near(other.hashes[0], &self.hashes)
    }
}

/// `[x, y, width, height]`.
type Window = [usize; 4];

/// The whole, and parts of it.
fn windows(width: usize, height: usize) -> Vec<Window> {
    let mut out = vec![[0, 0, width, height]];
    for scale in SCALES {
        let side = |n: usize| ((n as f64 * scale).round() as usize).clamp(1, n);
        let (w, h) = (side(width), side(height));
        for (y, x) in (0..9).map(|k| (k / 3, k % 3)) {
            out.push([(width - w) * x / 2, (height - h) * y / 2, w, h]);
        }
    }
    out
}

fn grey(image: &Image) -> Image {
    let level = |p: &[u8]| {
        let sum = 299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]);
        [(sum / 1000) as u8; 3]
    };
    Image {
        width: image.width,
        height: image.height,
        pixels: image.pixels.chunks_exact(3).flat_map(level).collect(),
    }
}

fn part(image: &Image, &[x, y, width, height]: &Window) -> Image {
    image.part(x, y, width, height)
}

/// dHash of a window of a grey picture.
fn hash(grey: &Image, window: &Window) -> u64 {
    let small = resize(&part(grey, window), 9, 8);
    let levels: Vec<u8> = small.pixels.iter().step_by(3).copied().collect();
    let rows = levels.chunks_exact(9);
    let bits = rows.flat_map(|row| row.windows(2).map(|w| w[0] < w[1]));
    bits.fold(0, |hash, bit| hash << 1 | u64::from(bit))
}

/// The largest correlation of the thumbnail of the whole of one picture with that of a window of
/// the other.
fn correlation(a: &Image, b: &Image) -> f64 {
    let (a, b) = (grey(a), grey(b));
    let all = |image: &Image| -> Vec<Vec<f64>> {
        let windows = windows(image.width, image.height);
        windows.iter().map(|w| thumbnail(&part(image, w))).collect()
    };
    let (a, b) = (all(&a), all(&b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let of = |whole: &[f64], others: &[Vec<f64>]| {
        let found = others.iter().map(|other| dot(whole, other));
        found.fold(-1.0, f64::max)
    };
    of(&a[0], &b).max(of(&b[0], &a))
}

/// A small grey picture less its mean, of length 1.
fn thumbnail(image: &Image) -> Vec<f64> {
    let small = resize(image, SIDE, SIDE);
    let levels: Vec<f64> = small
        .pixels
        .iter()
        .step_by(3)
        .map(|v| f64::from(*v))
        .collect();
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    let centred: Vec<f64> = levels.iter().map(|v| v - mean).collect();
    let norm = centred.iter().map(|v| v * v).sum::<f64>().sqrt();
    // A picture of one level is like no other.
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    centred.iter().map(|v| v * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{decode, encode_jpeg, encode_png};
    use crate::source::Pictures;
    use crate::watch::UNWATCHED;
    use frbench_base::rng::Stream;

    /// Something like a face: blobs whose places follow from the number.
    fn picture(k: usize) -> Image {
        let mut stream = Stream::derive(1, "blobs", &[k as u64]);
        let blobs: Vec<[f64; 4]> = (0..9)
            .map(|_| {
                let mut n = |from: f64, to: f64| stream.range(from, to);
                [n(20.0, 92.0), n(20.0, 92.0), n(8.0, 22.0), n(-100.0, 100.0)]
            })
            .collect();
        let level = |x: f64, y: f64| {
            let of = |b: &[f64; 4]| {
                let d = ((x - b[0]).powi(2) + (y - b[1]).powi(2)) / (b[2] * b[2]);
                b[3] / (1.0 + d * d)
            };
            (128.0 + blobs.iter().map(of).sum::<f64>()).clamp(0.0, 255.0) as u8
        };
        let pixels = (0..112 * 112).flat_map(|i| [level((i % 112) as f64, (i / 112) as f64); 3]);
        Image::new(112, 112, pixels.collect()).unwrap()
    }

    #[test]
    fn planted_copies_crops_and_encodings_are_found_and_nothing_else() {
        let train: Vec<Image> = (0..40).map(picture).collect();
        let mut of_train: Vec<Vec<u8>> = train.iter().map(|i| encode_png(i).unwrap()).collect();
        of_train[7] = encode_jpeg(&train[7], 95).unwrap();
        let seen = decode(&of_train[7]).unwrap();
        let cut = resize(&part(&train[3], &[11, 0, 90, 101]), 112, 112);
        let of_eval = vec![
            encode_png(&picture(100)).unwrap(),
            of_train[5].clone(),
            encode_png(&seen).unwrap(),
            encode_jpeg(&train[9], 40).unwrap(),
            encode_png(&resize(&train[11], 64, 64)).unwrap(),
            encode_jpeg(&cut, 80).unwrap(),
            encode_png(&picture(101)).unwrap(),
        ];
        let found = shared(&Pictures(of_train), &Pictures(of_eval), UNWATCHED).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|s| (s.first, s.second, s.likeness))
            .collect();
        assert_eq!(
            found,
            [
                (5, 1, Likeness::Bytes),
                (7, 2, Likeness::Pixels),
                (9, 3, Likeness::Picture),
                (11, 4, Likeness::Picture),
                (3, 5, Likeness::Picture),
            ]
        );
    }
}
