//! A loss of resolution: an input is reduced and enlarged again, as what a network sees of it.
//!
//! It works on the network's input (normalised, mirrored) in floats, nothing is rounded to
//! bytes and nothing clamped.

use super::resize;
use frbench_base::Size;
use frbench_job::{DegradeKind, DegradeSpec};

/// Takes the resolution from images of one size.
pub struct Degrade {
    size: Size,
    way: Way,
}

/// What is known of rows, and of columns.
struct Axes<T> {
    rows: T,
    columns: T,
}

enum Way {
    /// The pixel that each pixel of a row or column shows, and what a column is blurred by.
    NearestBlur {
        source: Axes<Vec<usize>>,
        across: [f32; 5],
        down: [f32; 5],
    },
    Bicubic {
        reduce: Axes<Vec<Taps>>,
        enlarge: Axes<Vec<Taps>>,
    },
}

/// What one pixel is made of along one axis: weights of the pixels from `first` on.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Degrade {
    /// For images of `size`; `spec.side` is between 1 and their height. The width is reduced in
    /// proportion.
    pub fn new(spec: &DegradeSpec, size: Size) -> Self {
        let Size { height, width } = size;
        let high = spec.side.clamp(1, height);
        let wide = ((2 * width * high + height) / (2 * height)).clamp(1, width);
        fn axes<T>(of: impl Fn(usize, usize) -> T, y: [usize; 2], x: [usize; 2]) -> Axes<T> {
            Axes {
                rows: of(y[0], y[1]),
                columns: of(x[0], x[1]),
            }
        }
        let way = match spec.kind {
            DegradeKind::NearestBlur => {
                let shown = |size: usize, side: usize| {
                    let from = |i| nearest(nearest(i, side, size), size, side);
                    (0..size).map(from).collect()
                };
                Way::NearestBlur {
                    source: axes(shown, [height, high], [width, wide]),
                    across: gaussian(0.1),
                    down: gaussian(2.0),
                }
            }
            DegradeKind::Bicubic => Way::Bicubic {
                reduce: axes(cubic, [height, high], [width, wide]),
                enlarge: axes(cubic, [high, height], [wide, width]),
            },
        };
        Degrade { size, way }
    }

    /// Replaces one image, `[height, width, 3]`.
    pub fn apply(&self, image: &mut [f32]) {
        let Size { height, width } = self.size;
        match &self.way {
            Way::NearestBlur {
                source,
                across,
                down,
            } => {
                let coarse: Vec<f32> = (0..height * width)
                    .flat_map(|i| {
                        let (y, x) = (source.rows[i / width], source.columns[i % width]);
                        let at = 3 * (y * width + x);
                        [image[at], image[at + 1], image[at + 2]]
                    })
                    .collect();
                let mut blurred = vec![0.0; image.len()];
                for (y, row) in blurred.chunks_exact_mut(3 * width).enumerate() {
                    for (k, w) in down.iter().enumerate() {
                        let from = reflect(y + k, height);
                        let from = &coarse[3 * width * from..3 * width * (from + 1)];
                        row.iter_mut().zip(from).for_each(|(v, f)| *v += w * f);
                    }
                }
                for (row, out) in blurred
                    .chunks_exact(3 * width)
                    .zip(image.chunks_exact_mut(3 * width))
                {
                    for (x, out) in out.chunks_exact_mut(3).enumerate() {
                        let mut sum = [0.0; 3];
                        for (k, w) in across.iter().enumerate() {
                            let at = 3 * reflect(x + k, width);
                            (0..3).for_each(|c| sum[c] += w * row[at + c]);
                        }
                        out.copy_from_slice(&sum);
                    }
                }
            }
            Way::Bicubic { reduce, enlarge } => {
                let small = resample(image, width, reduce);
                let large = resample(&small, reduce.columns.len(), enlarge);
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
fn resample(image: &[f32], width: usize, taps: &Axes<Vec<Taps>>) -> Vec<f32> {
    let (height, to) = (image.len() / (3 * width), taps.columns.len());
    let mut rows = vec![0.0f32; 3 * height * to];
    for (row, out) in image
        .chunks_exact(3 * width)
        .zip(rows.chunks_exact_mut(3 * to))
    {
        for (t, out) in taps.columns.iter().zip(out.chunks_exact_mut(3)) {
            for (w, p) in t.weights.iter().zip(row[3 * t.first..].chunks_exact(3)) {
                (0..3).for_each(|c| out[c] += w * p[c]);
            }
        }
    }
    let mut columns = vec![0.0f32; 3 * to * taps.rows.len()];
    for (t, out) in taps.rows.iter().zip(columns.chunks_exact_mut(3 * to)) {
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
        Degrade::new(&DegradeSpec { kind, side }, size.into())
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

    /// What changes along one axis alone loses what it does in a square.
    #[test]
    fn each_side_is_reduced_in_proportion() {
        let columns = |width: usize, image: &mut Vec<f32>| {
            let value = |i: usize| ((i / 3 % width * 37) % 11) as f32;
            image.extend((0..3 * 16 * width).map(value));
        };
        for kind in KINDS {
            let (mut square, mut narrow) = (Vec::new(), Vec::new());
            columns(8, &mut narrow);
            columns(8, &mut square);
            Degrade::new(&DegradeSpec { kind, side: 8 }, [16, 8].into()).apply(&mut narrow);
            Degrade::new(&DegradeSpec { kind, side: 4 }, [8, 8].into())
                .apply(&mut square[..3 * 64]);
            for (a, b) in narrow.iter().zip(&square[..24]) {
                assert!((a - b).abs() < 1e-5, "{kind}: {a} {b}");
            }
        }
    }

    #[test]
    fn a_reflection_has_its_mirror_on_the_last_pixel() {
        let seen: Vec<usize> = (0..9).map(|i| reflect(i, 5)).collect();
        assert_eq!(seen, [2, 1, 0, 1, 2, 3, 4, 3, 2]);
    }
}
