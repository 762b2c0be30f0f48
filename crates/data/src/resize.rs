//! Changing the size of an image, exactly: weights are whole numbers over a common
//! denominator and each value is rounded once (half up), so pixels are the same everywhere.
//!
//! Along an axis that shrinks, a pixel is the mean of the area it covers; along one that
//! grows, values are interpolated linearly between pixel centres, edges repeated.

use super::image::Image;
use frbench_base::Size;

/// The kernel of cubic convolution (Keys, 1981) with a = -1/2, at a distance in pixels.
pub fn cubic(distance: f64) -> f64 {
    let d = distance.abs();
    if d < 1.0 {
        (1.5 * d - 2.5) * d * d + 1.0
    } else if d < 2.0 {
        ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    } else {
        0.0
    }
}

/// The source pixels under one target pixel: the first, and the weights from there on.
struct Taps {
    start: usize,
    weights: Vec<u32>,
}

/// Taps of every target pixel, and the sum of the weights of each.
fn axis(from: usize, to: usize) -> (Vec<Taps>, u64) {
    let taps = |j| {
        if to <= from {
            area(from, to, j)
        } else {
            linear(from, to, j)
        }
    };
    let sum = if to <= from { from } else { 2 * to };
    ((0..to).map(taps).collect(), sum as u64)
}

/// In units of 1/`to` source pixel, target `j` covers `[j from, (j + 1) from)` and source `i`
/// covers `[i to, (i + 1) to)`.
fn area(from: usize, to: usize, j: usize) -> Taps {
    let (begin, end) = (j * from, (j + 1) * from);
    let start = begin / to;
    let overlap = |i: usize| (end.min((i + 1) * to) - begin.max(i * to)) as u32;
    Taps {
        start,
        weights: (start..end.div_ceil(to)).map(overlap).collect(),
    }
}

/// Target centre `j + 1/2` lies at `((2 j + 1) from - to) / (2 to)` source pixels from the
/// first centre.
fn linear(from: usize, to: usize, j: usize) -> Taps {
    let twice = 2 * to;
    let at = ((2 * j + 1) * from).saturating_sub(to);
    let (start, part) = (at / twice, (at % twice) as u32);
    if start + 1 >= from {
        return Taps {
            start: from - 1,
            weights: vec![twice as u32],
        };
    }
    Taps {
        start,
        weights: vec![twice as u32 - part, part],
    }
}

/// `image` at `width` x `height` pixels (both at least 1; sides below 2^16).
pub fn resize(image: &Image, width: usize, height: usize) -> Image {
    if (image.width, image.height) == (width, height) {
        return image.clone();
    }
    let (columns, sum_x) = axis(image.width, width);
    let (rows, sum_y) = axis(image.height, height);
    let (stride, total) = (3 * width, sum_x * sum_y);
    // Rows reduced along x, not yet divided. Weights sum to less than 2^17, times 255 fits.
    let mut narrow = vec![0u32; stride * image.height];
    let lines = image.pixels.chunks_exact(3 * image.width);
    for (line, out) in lines.zip(narrow.chunks_exact_mut(stride)) {
        for (taps, out) in columns.iter().zip(out.chunks_exact_mut(3)) {
            let mut sum = [0u32; 3];
            for (w, p) in taps
                .weights
                .iter()
                .zip(line[3 * taps.start..].chunks_exact(3))
            {
                for c in 0..3 {
                    sum[c] += w * u32::from(p[c]);
                }
            }
            out.copy_from_slice(&sum);
        }
    }
    let mut out = Image::black(width, height);
    let mut sums = vec![0u64; stride];
    for (taps, line) in rows.iter().zip(out.pixels.chunks_exact_mut(stride)) {
        sums.fill(total / 2);
        let lines = narrow[taps.start * stride..].chunks_exact(stride);
        for (&w, narrow) in taps.weights.iter().zip(lines) {
            for (sum, &v) in sums.iter_mut().zip(narrow) {
                *sum += u64::from(w) * u64::from(v);
            }
        }
        for (value, sum) in line.iter_mut().zip(&sums) {
            *value = (sum / total) as u8;
        }
    }
    out
}

/// `image` at `size`; of an image of other proportions, the middle.
pub fn fitted(image: &Image, size: Size) -> Image {
    let Size { height, width } = size;
    // The largest part of these proportions.
    let wide = image.width.min((image.height * width / height).max(1));
    let high = image.height.min((image.width * height / width).max(1));
    if (wide, high) == (image.width, image.height) {
        return resize(image, width, height);
    }
    let (x, y) = ((image.width - wide) / 2, (image.height - high) / 2);
    resize(&image.part(x, y, wide, high), width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, values: &[u8]) -> Image {
        let pixels = values.iter().flat_map(|&v| [v; 3]).collect();
        Image::new(width, values.len() / width, pixels).unwrap()
    }

    fn reds(image: &Image) -> Vec<u8> {
        image.pixels.iter().step_by(3).copied().collect()
    }

    #[test]
    fn shrinking_takes_the_mean_of_the_area() {
        // 3 -> 2: the middle pixel counts half to either side, (2 a + b) / 3.
        assert_eq!(reds(&resize(&grey(3, &[0, 90, 30]), 2, 1)), [30, 50]);
        // 4 x 2 -> 2 x 1: means of blocks, 2.5 rounds up.
        let image = grey(4, &[1, 2, 10, 20, 3, 4, 30, 40]);
        assert_eq!(reds(&resize(&image, 2, 1)), [3, 25]);
    }

    #[test]
    fn enlarging_interpolates_between_centres() {
        assert_eq!(reds(&resize(&grey(2, &[0, 100]), 4, 1)), [0, 25, 75, 100]);
        assert_eq!(reds(&resize(&grey(1, &[7]), 3, 2)), [7; 6]);
    }

    #[test]
    fn weights_sum_to_the_denominator() {
        for (from, to) in [
            (112, 64),
            (112, 112),
            (7, 5),
            (5, 7),
            (1, 9),
            (9, 1),
            (64, 112),
        ] {
            let (taps, sum) = axis(from, to);
            for t in taps {
                assert_eq!(
                    t.weights.iter().map(|w| u64::from(*w)).sum::<u64>(),
                    sum,
                    "{from} -> {to}"
                );
                assert!(t.start + t.weights.len() <= from);
            }
        }
    }

    #[test]
    fn other_proportions_are_cut_from_the_middle() {
        let wide = grey(4, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(reds(&fitted(&wide, 2.into())), [2, 3, 6, 7]);
        assert_eq!(reds(&fitted(&wide, [2, 4].into())), reds(&wide));
        let square = grey(4, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(
            reds(&fitted(&square, [4, 2].into())),
            [2, 3, 6, 7, 10, 11, 14, 15]
        );
    }
}
