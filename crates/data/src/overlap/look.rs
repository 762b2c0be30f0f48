//! What pictures are compared by.

use super::{NEAR, SAME};
use crate::image::Image;
use crate::resize::resize;
use crate::source::ImageSource;
use frbench_base::Result;
use sha2::{Digest, Sha256};

/// Side of the grey picture that is kept and that windows are taken from.
const BASE: usize = 96;
/// Side of the thumbnail of a window, and of the blocks that it has in a coarse one.
const SIDE: usize = 24;
const BLOCK: usize = 3;
const BLOCKS: usize = SIDE / BLOCK;
/// Parts of the sides of a picture that windows take.
const SCALES: [f64; 3] = [0.9, 0.8, 0.7];
/// The whole, and nine places of each part.
const WINDOWS: usize = 1 + 9 * SCALES.len();

/// All that is kept of a picture.
pub(super) struct Look {
    pub bytes: [u8; 32],
    pub pixels: [u8; 32],
    /// dHash of the whole picture, then of its windows.
    hashes: [u64; WINDOWS],
    coarse: Vec<Coarse>,
    base: Vec<u8>,
}

/// The part of a thumbnail that is constant in blocks, and the length of the rest. The product of two
/// is at least the correlation of the thumbnails (Cauchy's inequality, for the rests).
type Coarse = [f32; BLOCKS * BLOCKS + 1];

impl Look {
    /// Decodes picture `i`.
    pub fn of(source: &dyn ImageSource, i: usize) -> Result<Look> {
        let bytes = source.bytes(i)?;
        let image = source.decoded(i, &bytes)?;
        let mut pixels = Sha256::new();
        pixels.update((image.width as u64).to_le_bytes());
        pixels.update(&image.pixels);
        let base = grey(&resize(&image, BASE, BASE));
        let sums = Sums::of(&base);
        Ok(Look {
            bytes: Sha256::digest(&bytes).into(),
            pixels: pixels.finalize().into(),
            hashes: std::array::from_fn(|w| hash(&sums, w)),
            coarse: (0..WINDOWS).map(|w| coarse(&thumbnail(&sums, w))).collect(),
            base,
        })
    }

    /// How the pictures correlate, if they are one: the whole of one with a window of the other whose
    /// hash is near, at best.
    pub fn correlation(&self, other: &Look) -> Option<f64> {
        let mut best = 0.0;
        for (whole, parts) in [(self, other), (other, self)] {
            for (w, hash) in parts.hashes.iter().enumerate() {
                let near = (whole.hashes[0] ^ hash).count_ones() <= NEAR;
                if near && bound(&whole.coarse[0], &parts.coarse[w]) >= SAME {
                    let [a, b] = [(whole, 0), (parts, w)]
                        .map(|(look, w)| thumbnail(&Sums::of(&look.base), w));
                    best = f64::max(best, a.iter().zip(&b).map(|(a, b)| a * b).sum());
                }
            }
        }
        (best >= SAME).then_some(best)
    }
}

/// No less than the correlation of two thumbnails; rounding to f32 is far below what is added.
fn bound(a: &Coarse, b: &Coarse) -> f64 {
    f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>()) + 1e-4
}

fn grey(image: &Image) -> Vec<u8> {
    let level = |p: &[u8]| {
        let sum = 299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]);
        (sum / 1000) as u8
    };
    image.pixels.chunks_exact(3).map(level).collect()
}

/// Sums of a grey picture of [`BASE`] pixels over all that is above and left of a point.
struct Sums(Vec<u32>);

impl Sums {
    const STRIDE: usize = BASE + 1;

    fn of(base: &[u8]) -> Sums {
        let mut sums = vec![0; Self::STRIDE * Self::STRIDE];
        for (y, row) in base.chunks_exact(BASE).enumerate() {
            let mut left = 0;
            for (x, level) in row.iter().enumerate() {
                left += u32::from(*level);
                let at = (y + 1) * Self::STRIDE + x + 1;
                sums[at] = sums[at - Self::STRIDE] + left;
            }
        }
        Sums(sums)
    }

    /// Between pixels in proportion to what is covered of them.
    fn at(&self, x: f64, y: f64) -> f64 {
        let split = |v: f64| {
            let whole = (v as usize).min(BASE - 1);
            (whole, v - whole as f64)
        };
        let ((x, fx), (y, fy)) = (split(x), split(y));
        let sum = |x: usize, y: usize| f64::from(self.0[y * Self::STRIDE + x]);
        let row = |y: usize| sum(x, y) * (1.0 - fx) + sum(x + 1, y) * fx;
        row(y) * (1.0 - fy) + row(y + 1) * fy
    }

    /// Mean levels of `columns` by `rows` equal cells of a window, rounded.
    fn cells(&self, window: usize, columns: usize, rows: usize) -> Vec<u8> {
        let [left, top, side] = place(window);
        let [wide, high] = [columns, rows].map(|n| side / n as f64);
        let mut corners = Vec::with_capacity((columns + 1) * (rows + 1));
        for row in 0..=rows {
            let y = top + row as f64 * high;
            corners.extend((0..=columns).map(|column| self.at(left + column as f64 * wide, y)));
        }
        let lines: Vec<&[f64]> = corners.chunks_exact(columns + 1).collect();
        let levels = lines.windows(2).flat_map(|lines| {
            let across = lines[0].windows(2).zip(lines[1].windows(2));
            across.map(|(above, below)| below[1] - below[0] - above[1] + above[0])
        });
        levels
            .map(|sum| (sum / (wide * high) + 0.5) as u8)
            .collect()
    }
}

/// Left, top and side of a window in the grey picture.
fn place(window: usize) -> [f64; 3] {
    let side = BASE as f64;
    let Some(part) = window.checked_sub(1) else {
        return [0.0, 0.0, side];
    };
    let scale = SCALES[part / 9];
    let free = side * (1.0 - scale) / 2.0;
    let [x, y] = [part % 3, part % 9 / 3];
    [free * x as f64, free * y as f64, side * scale]
}

/// dHash: whether a level is below that of its neighbour to the right.
fn hash(sums: &Sums, window: usize) -> u64 {
    let levels = sums.cells(window, 9, 8);
    let rows = levels.chunks_exact(9);
    let bits = rows.flat_map(|row| row.windows(2).map(|w| w[0] < w[1]));
    bits.fold(0, |hash, bit| hash << 1 | u64::from(bit))
}

/// A small grey picture less its mean, of length 1.
fn thumbnail(sums: &Sums, window: usize) -> Vec<f64> {
    let levels = sums.cells(window, SIDE, SIDE);
    let mean = levels.iter().map(|v| f64::from(*v)).sum::<f64>() / levels.len() as f64;
    let centred: Vec<f64> = levels.iter().map(|v| f64::from(*v) - mean).collect();
    let norm = centred.iter().map(|v| v * v).sum::<f64>().sqrt();
    // A picture of one level is like no other.
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    centred.iter().map(|v| v * scale).collect()
}

fn coarse(thumbnail: &[f64]) -> Coarse {
    let mut out = [0.0; BLOCKS * BLOCKS + 1];
    let mut blocks = [0.0; BLOCKS * BLOCKS];
    for (i, value) in thumbnail.iter().enumerate() {
        blocks[i / SIDE / BLOCK * BLOCKS + i % SIDE / BLOCK] += value / BLOCK as f64;
    }
    let square = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
    let rest = (square(thumbnail) - square(&blocks)).max(0.0).sqrt();
    for (to, from) in out.iter_mut().zip(blocks.iter().chain([&rest])) {
        *to = *from as f32;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_base::rng::Stream;

    fn noise(seed: u64) -> Vec<u8> {
        let mut stream = Stream::derive(seed, "noise", &[]);
        (0..BASE * BASE)
            .map(|_| (256.0 * stream.uniform()) as u8)
            .collect()
    }

    #[test]
    fn cells_are_means_of_areas() {
        let base = noise(1);
        let sums = Sums::of(&base);
        assert_eq!(sums.cells(0, BASE, BASE), base);
        let quarter = |x: usize, y: usize| {
            let half = BASE / 2;
            let of =
                (0..half * half).map(|i| base[(y * half + i / half) * BASE + x * half + i % half]);
            let mean = of.map(f64::from).sum::<f64>() / (half * half) as f64;
            (mean + 0.5) as u8
        };
        let wanted = [quarter(0, 0), quarter(1, 0), quarter(0, 1), quarter(1, 1)];
        assert_eq!(sums.cells(0, 2, 2), wanted);
        let wanted = [0.3, 0.3, 0.7].map(|part| part * BASE as f64);
        let found = place(27).into_iter().zip(wanted);
        assert!(found.into_iter().all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn a_coarse_product_is_no_less_than_the_correlation() {
        for seed in 0..20 {
            let (a, b) = (Sums::of(&noise(seed)), Sums::of(&noise(seed + 1)));
            for (v, w) in [(0, 0), (0, 9), (5, 20)] {
                let (a, b) = (thumbnail(&a, v), thumbnail(&b, w));
                let correlation: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
                let bound = bound(&coarse(&a), &coarse(&b));
                assert!(bound >= correlation, "{bound} {correlation}");
                let own = super::bound(&coarse(&a), &coarse(&a));
                assert!((own - 1.0).abs() < 1e-3, "{own}");
            }
        }
    }
}
