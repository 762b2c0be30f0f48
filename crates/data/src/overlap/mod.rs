//! Pictures that two collections have in common: the same bytes, the same pixels, or one picture
//! stored again, cut or scaled.
//!
//! A picture is known by the differences of neighbours in small grey windows of it (dHash, 64 bits):
//! the whole, and parts of 0.9, 0.8 and 0.7 of its sides in nine places. Two pictures are one where
//! the whole of one is near a window of the other and the grey thumbnails of both correlate by
//! [`SAME`] or more. Aligned faces of different people are well below that; heavy retouching is
//! above.
//!
//! Each picture is decoded once. All that is kept of those of the second collection is some 17 kB
//! each; those of the first are held against them and let go.

pub mod kept;
mod look;

use super::source::ImageSource;
use super::watch::{Counter, Watch};
use frbench_base::Result;
use look::Look;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Bits of 64 in which the hashes of one picture may differ.
const NEAR: u32 = 12;
/// The least correlation of the thumbnails of one picture.
pub const SAME: f64 = 0.97;

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
    pub first: Place,
    pub second: Place,
    pub likeness: Likeness,
    /// Of thumbnails; 1 where pixels are the same.
    pub correlation: f64,
}

/// A picture by its part of the collection and its number there.
pub type Place = (usize, usize);

/// The parts of a collection.
pub type Parts<'a> = &'a [&'a dyn ImageSource];

/// Every pair of images of both collections that show one picture, by the second collection.
///
/// # Errors
/// An image that cannot be read; what `watch` returns.
pub fn shared(first: Parts, second: Parts, watch: Watch) -> Result<Vec<Shared>> {
    let (ours, theirs) = (places(first), places(second));
    // The first ones go at another pace, for each is held against all of these.
    let counter = Counter::new(theirs.len() as u64, "images of the second set", 0, watch);
    let look = |&(part, i): &Place| {
        let look = Look::of(second[part], i)?;
        counter.add(1)?;
        Ok(look)
    };
    let looks: Vec<Look> = theirs.par_iter().map(look).collect::<Result<_>>()?;
    let mut bytes: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    let mut pixels: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (j, look) in looks.iter().enumerate() {
        bytes.entry(look.bytes).or_default().push(j);
        pixels.entry(look.pixels).or_default().push(j);
    }
    let counter = Counter::new(ours.len() as u64, "images of the first set", 0, watch);
    let found = ours.par_iter().map(|&place| {
        let own = Look::of(first[place.0], place.1)?;
        let mut alike: BTreeMap<usize, (Likeness, f64)> = BTreeMap::new();
        for (likeness, of) in [
            (Likeness::Bytes, bytes.get(&own.bytes)),
            (Likeness::Pixels, pixels.get(&own.pixels)),
        ] {
            for &j in of.into_iter().flatten() {
                alike.entry(j).or_insert((likeness, 1.0));
            }
        }
        for (j, look) in looks.iter().enumerate() {
            if !alike.contains_key(&j)
                && let Some(correlation) = own.correlation(look)
            {
                alike.insert(j, (Likeness::Picture, correlation));
            }
        }
        counter.add(1)?;
        let shared = alike
            .into_iter()
            .map(|(j, (likeness, correlation))| Shared {
                first: place,
                second: theirs[j],
                likeness,
                correlation,
            });
        Ok(shared.collect())
    });
    let found: Vec<Vec<Shared>> = found.collect::<Result<_>>()?;
    let mut found: Vec<Shared> = found.into_iter().flatten().collect();
    found.sort_by_key(|shared| (shared.second, shared.first));
    Ok(found)
}

fn places(parts: Parts) -> Vec<Place> {
    let all = parts.iter().enumerate();
    all.flat_map(|(part, source)| (0..source.len()).map(move |i| (part, i)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{decode, encode_jpeg, encode_png};
    use crate::image::Image;
    use crate::resize::resize;
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
        let cut = resize(&train[3].part(11, 0, 90, 101), 112, 112);
        let of_eval = vec![
            encode_png(&picture(100)).unwrap(),
            of_train[5].clone(),
            encode_png(&seen).unwrap(),
            encode_jpeg(&train[9], 40).unwrap(),
            encode_png(&resize(&train[11], 64, 64)).unwrap(),
            encode_jpeg(&cut, 80).unwrap(),
            encode_png(&picture(101)).unwrap(),
        ];
        let (train, eval) = (Pictures(of_train), Pictures(of_eval));
        let none = Pictures(Vec::new());
        let found = shared(&[&none, &train], &[&eval], UNWATCHED).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|s| (s.first.1, s.second.1, s.likeness))
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
