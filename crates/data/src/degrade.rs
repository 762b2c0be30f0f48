//! A loss of resolution: an input is reduced and enlarged again, as what a network sees of it.
//!
//! It works on the network's input (normalised, mirrored) in floats, nothing is rounded to
//! bytes and nothing clamped.

use super::resize;
use frbench_job::{DegradeKind, DegradeSpec};

/// Takes the resolution from square images of one size.
pub struct Degrade {
    size: usize,
    way: Way,
}

enum Way {
    /// The pixel that each pixel of a row or column shows, and what a column is blurred by.
    NearestBlur {
        source: Vec<usize>,
        across: [f32; 5],
        down: [f32; 5],
    },
    Bicubic {
        reduce: Vec<Taps>,
        enlarge: Vec<Taps>,
    },
}

/// What one pixel is made of along one axis: weights of the pixels from `first` on.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Degrade {
    /// For images of `size` x `size` pixels; `spec.side` is between 1 and `size`.
    pub fn new(spec: &DegradeSpec, size: usize) -> Self {
        let side = spec.side.clamp(1, size);
        let way = match spec.kind {
            DegradeKind::NearestBlur => Way::NearestBlur {
                source: (0..size)
                    .map(|i| nearest(nearest(i, side, size), size, side))
                    .collect(),
                across: gaussian(0.1),
                down: gaussian(2.0),
            },
            DegradeKind::Bicubic => Way::Bicubic {
                reduce: cubic(size, side),
                enlarge: cubic(side, size),
            },
        };
        Degrade { size, way }
    }

    /// Replaces one image, `[size, size, 3]`.
    pub fn apply(&self, image: &mut [f32]) {
        let n = self.size;
        match &self.way {
            Way::NearestBlur {
                source,
                across,
                down,
            } => {
                let coarse: Vec<f32> = (0..n * n)
                    .flat_map(|i| {
                        let at = 3 * (source[i / n] * n + source[i % n]);
                        [image[at], image[at + 1], image[at + 2]]
                    })
                    .collect();
                let mut blurred = vec![0.0; image.len()];
                for (y, row) in blurred.chunks_exact_mut(3 * n).enumerate() {
                    for (k, w) in down.iter().enumerate() {
                        let from = reflect(y + k, n);
                        let from = &coarse[3 * n * from..3 * n * (from + 1)];
                        row.iter_mut().zip(from).for_each(|(v, f)| *v += w * f);
                    }
                }
                for (row, out) in blurred
                    .chunks_exact(3 * n)
                    .zip(image.chunks_exact_mut(3 * n))
                {
                    for (x, out) in out.chunks_exact_mut(3).enumerate() {
                        let mut sum = [0.0; 3];
                        for (k, w) in across.iter().enumerate() {
                            let at = 3 * reflect(x + k, n);
                            (0..3).for_each(|c| sum[c] += w * row[at + c]);
                        }
                        out.copy_from_slice(&sum);
                    }
                }
            }
            Way::Bicubic { reduce, enlarge } => {
                let side = reduce.len();
                let small = resample(image, [n, n], reduce);
                let large = resample(&small, [side, side], enlarge);
                image.copy_from_slice(&large);
            }
        }
    }
}

/// The pixel of `from` pixels that pixel `i` of `to` pixels shows, as PyTorch's `interpolate`
/// has it by default: the scale in 32 bits, rounded down.
fn nearest(i: usize, from: usize, to: usize) -> usize {
    let scale = from as f32 / to as f32;
    ((i as f32 * scale).floor() as usize).min(from - 1)
}

/// Five weights of a Gaussian that add up to 1.
fn gaussian(sigma: f64) -> [f32; 5] {
    let density = |k: usize| libm::exp(-0.5 * ((k as f64 - 2.0) / sigma).powi(2));
    let total: f64 = (0..5).map(density).sum();
    std::array::from_fn(|k| (density(k) / total) as f32)
}

/// Position `i - 2` of `n` pixels that go on as in a mirror in the middle of the last pixel.
fn reflect(i: usize, n: usize) -> usize {
    let at = i.abs_diff(2);
    let over = (at + 1).saturating_sub(n);
    (at - over).saturating_sub(over)
}

/// Cubic convolution (Keys, 1981, a = -1/2), its kernel widened where an axis is reduced so that
/// nothing aliases, and cut at the border: as Pillow's BICUBIC and PyTorch's `interpolate` with
/// `antialias=True` have it.
fn cubic(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    (0..to)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - 2.0 * stretch + 0.5).max(0.0) as usize;
            let end = ((centre + 2.0 * stretch + 0.5) as usize).min(from);
            let weights: Vec<f64> = (first..end)
                .map(|j| resize::cubic((j as f64 + 0.5 - centre) / stretch))
                .collect();
            let total: f64 = weights.iter().sum();
            Taps {
                first,
                weights: weights.iter().map(|w| (w / total) as f32).collect(),
            }
        })
        .collect()
}

/// Both axes of `[height, width, 3]`, first along rows.
fn resample(image: &[f32], [height, width]: [usize; 2], taps: &[Taps]) -> Vec<f32> {
    let to = taps.len();
    let mut rows = vec![0.0f32; 3 * height * to];
    for (row, out) in image
        .chunks_exact(3 * width)
        .zip(rows.chunks_exact_mut(3 * to))
    {
        for (t, out) in taps.iter().zip(out.chunks_exact_mut(3)) {
            for (w, p) in t.weights.iter().zip(row[3 * t.first..].chunks_exact(3)) {
                (0..3).for_each(|c| out[c] += w * p[c]);
            }
        }
    }
    let mut columns = vec![0.0f32; 3 * to * to];
    for (t, out) in taps.iter().zip(columns.chunks_exact_mut(3 * to)) {
        for (w, row) in t
            .weights
            .iter()
            .zip(rows[3 * to * t.first..].chunks_exact(3 * to))
        {
            out.iter_mut().zip(row).for_each(|(o, v)| *o += w * v);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn degrade(kind: DegradeKind, side: usize, size: usize) -> Degrade {
        Degrade::new(&DegradeSpec { kind, side }, size)
    }

    const KINDS: [DegradeKind; 2] = [DegradeKind::NearestBlur, DegradeKind::Bicubic];

    /// The images that the golden numbers were made of.
    fn image(size: usize) -> Vec<f32> {
        let value = |i: usize| ((i * 37 + i * i * 11) % 101) as f32 / 50.0 - 1.0;
        (0..3 * size * size).map(value).collect()
    }

    /// Made with PyTorch 2.15: `interpolate` and the blur of A-SKD's utility/noise.py, and
    /// `interpolate(mode="bicubic", antialias=True)` twice, in 32 bits.
    #[test]
    fn values_are_those_of_pytorch() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/degrade.json")).unwrap();
        let cases = golden.as_array().unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let number = |key: &str| case[key].as_u64().unwrap() as usize;
            let (size, side) = (number("size"), number("side"));
            let kind: DegradeKind = serde_json::from_value(case["kind"].clone()).unwrap();
            let mut pixels = image(size);
            degrade(kind, side, size).apply(&mut pixels);
            let want = case["values"].as_array().unwrap();
            assert_eq!(want.len(), pixels.len());
            for (i, (got, want)) in pixels.iter().zip(want).enumerate() {
                let want = want.as_f64().unwrap();
                assert!(
                    (f64::from(*got) - want).abs() < 1e-5,
                    "{kind} {size} {side}, value {i}: {got} and {want}"
                );
            }
        }
    }

    proptest! {
        /// What has no detail loses none, and nothing else grows out of bounds.
        #[test]
        fn a_flat_image_stays_as_it_is(size in 4usize..40, part in 0.05f64..1.0, level in -1.0f32..1.0) {
            let side = ((size as f64 * part) as usize).max(2);
            for kind in KINDS {
                let mut flat = vec![level; 3 * size * size];
                degrade(kind, side, size).apply(&mut flat);
                prop_assert!(flat.iter().all(|v| (v - level).abs() < 1e-5));
            }
        }
    }

    #[test]
    fn a_reflection_has_its_mirror_on_the_last_pixel() {
        let seen: Vec<usize> = (0..9).map(|i| reflect(i, 5)).collect();
        assert_eq!(seen, [2, 1, 0, 1, 2, 3, 4, 3, 2]);
    }
}
