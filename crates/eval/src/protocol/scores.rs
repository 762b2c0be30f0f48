//! Dot products of f32 embeddings in f64, tile by tile.
//!
//! The product of two f32 is exact in f64, so a fused and an unfused multiply-add give the
//! same bits; each dot product is summed in column order. Scores therefore do not depend on
//! the tile they fall into, the instruction set or the number of threads, and equal
//! embeddings get equal scores: ties are real ties.

use super::input::Part;

/// Which code multiplies. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    Avx512,
    Avx2,
    Plain,
}

impl Kernel {
    /// The fastest one that this machine can run.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Kernel::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Kernel::Avx2;
            }
        }
        Kernel::Plain
    }

    /// Tile shape: rows of the left and of the right operand.
    pub const fn tile(self) -> (usize, usize) {
        match self {
            Kernel::Avx512 => (8, 16),
            Kernel::Avx2 => (4, 8),
            Kernel::Plain => (4, 4),
        }
    }

    /// `out[r * NR + c]` = dot product of row r of `left` and row c of `right`, two panels
    /// packed by [`Panels`] with this kernel's tile shape.
    pub fn multiply(self, left: &[f64], right: &[f64], out: &mut [f64]) {
        match self {
            // SAFETY: `best` found the instructions; a caller who picks a kernel by hand
            // meets the assertion.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe {
                assert!(is_x86_feature_detected!("avx512f"));
                avx512(left, right, out);
            },
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe {
                assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"));
                avx2(left, right, out);
            },
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx512 => plain::<8, 16>(left, right, out),
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 => plain::<4, 8>(left, right, out),
            Kernel::Plain => plain::<4, 4>(left, right, out),
        }
    }
}

/// 8 x 16: sixteen registers of sums.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(left: &[f64], right: &[f64], out: &mut [f64]) {
    use std::arch::x86_64::*;
    let mut sums = [[_mm512_setzero_pd(); 2]; 8];
    for (a, b) in left.chunks_exact(8).zip(right.chunks_exact(16)) {
        // SAFETY: `b` holds 16 values.
        let b = unsafe {
            [
                _mm512_loadu_pd(b.as_ptr()),
                _mm512_loadu_pd(b[8..].as_ptr()),
            ]
        };
        for (sum, &a) in sums.iter_mut().zip(a) {
            let a = _mm512_set1_pd(a);
            *sum = [
                _mm512_fmadd_pd(a, b[0], sum[0]),
                _mm512_fmadd_pd(a, b[1], sum[1]),
            ];
        }
    }
    for (out, sum) in out.chunks_exact_mut(16).zip(&sums) {
        // SAFETY: `out` holds 16 values.
        unsafe {
            _mm512_storeu_pd(out.as_mut_ptr(), sum[0]);
            _mm512_storeu_pd(out[8..].as_mut_ptr(), sum[1]);
        }
    }
}

/// 4 x 8: eight registers of sums.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(left: &[f64], right: &[f64], out: &mut [f64]) {
    use std::arch::x86_64::*;
    let mut sums = [[_mm256_setzero_pd(); 2]; 4];
    for (a, b) in left.chunks_exact(4).zip(right.chunks_exact(8)) {
        // SAFETY: `b` holds 8 values.
        let b = unsafe {
            [
                _mm256_loadu_pd(b.as_ptr()),
                _mm256_loadu_pd(b[4..].as_ptr()),
            ]
        };
        for (sum, &a) in sums.iter_mut().zip(a) {
            let a = _mm256_set1_pd(a);
            *sum = [
                _mm256_fmadd_pd(a, b[0], sum[0]),
                _mm256_fmadd_pd(a, b[1], sum[1]),
            ];
        }
    }
    for (out, sum) in out.chunks_exact_mut(8).zip(&sums) {
        // SAFETY: `out` holds 8 values.
        unsafe {
            _mm256_storeu_pd(out.as_mut_ptr(), sum[0]);
            _mm256_storeu_pd(out[4..].as_mut_ptr(), sum[1]);
        }
    }
}

/// Plain code for any machine.
fn plain<const MR: usize, const NR: usize>(left: &[f64], right: &[f64], out: &mut [f64]) {
    let mut sums = [[0.0f64; NR]; MR];
    for (a, b) in left.chunks_exact(MR).zip(right.chunks_exact(NR)) {
        for (row, &a) in sums.iter_mut().zip(a) {
            for (sum, &b) in row.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    for (out, row) in out.chunks_exact_mut(NR).zip(&sums) {
        out.copy_from_slice(row);
    }
}

/// Rows packed for a [`Kernel`]: groups of `width` rows, column by column, zero-padded.
#[derive(Clone, Debug)]
pub struct Panels {
    width: usize,
    dim: usize,
    data: Vec<f64>,
}

impl Panels {
    /// Packs row-major `rows` of `dim` columns.
    pub fn pack(rows: &[f32], dim: usize, width: usize) -> Self {
        let count = (rows.len() / dim).div_ceil(width);
        let mut data = vec![0.0; count * width * dim];
        for (r, row) in rows.chunks_exact(dim).enumerate() {
            let panel = &mut data[(r / width) * width * dim..];
            for (k, &v) in row.iter().enumerate() {
                panel[k * width + r % width] = f64::from(v);
            }
        }
        Panels { width, dim, data }
    }

    pub fn count(&self) -> usize {
        self.data.len() / (self.width * self.dim)
    }

    pub fn panel(&self, i: usize) -> &[f64] {
        let size = self.width * self.dim;
        &self.data[i * size..(i + 1) * size]
    }
}

/// Dot product in column order: the same bits as a [`Kernel`] gives.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .fold(0.0, |sum, (&a, &b)| f64::from(a) * f64::from(b) + sum)
}

/// Rows that [`dots`] takes: a sum by itself waits for the term before.
pub const SIDE: usize = 8;

/// [`dot`] of one row with several, as long: the same bits.
pub fn dots(a: &[f32], rows: [&[f32]; SIDE]) -> [f64; SIDE] {
    let rows = rows.map(|row| &row[..a.len()]);
    match Kernel::best() {
        // SAFETY: `best` found the instructions.
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512 | Kernel::Avx2 => unsafe { dots_avx2(a, rows) },
        _ => dots_plain(a, rows),
    }
}

fn dots_plain(a: &[f32], rows: [&[f32]; SIDE]) -> [f64; SIDE] {
    let mut sums = [0.0; SIDE];
    for (k, &a) in a.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum += f64::from(a) * f64::from(row[k]);
        }
    }
    sums
}

/// Four columns of four rows at a time are transposed.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn dots_avx2(a: &[f32], rows: [&[f32]; SIDE]) -> [f64; SIDE] {
    use std::arch::x86_64::*;
    let mut sums = [_mm256_setzero_pd(); SIDE / 4];
    let whole = a.len() / 4 * 4;
    for k in (0..whole).step_by(4) {
        let a = &a[k..k + 4];
        for (sum, rows) in sums.iter_mut().zip(rows.chunks_exact(4)) {
            // SAFETY: four columns are there.
            let row = |i: usize| unsafe { _mm_loadu_ps(rows[i][k..k + 4].as_ptr()) };
            let (low, high) = (
                [
                    _mm_unpacklo_ps(row(0), row(1)),
                    _mm_unpacklo_ps(row(2), row(3)),
                ],
                [
                    _mm_unpackhi_ps(row(0), row(1)),
                    _mm_unpackhi_ps(row(2), row(3)),
                ],
            );
            let columns = [
                _mm_movelh_ps(low[0], low[1]),
                _mm_movehl_ps(low[1], low[0]),
                _mm_movelh_ps(high[0], high[1]),
                _mm_movehl_ps(high[1], high[0]),
            ];
            for (&a, column) in a.iter().zip(columns) {
                let a = _mm256_set1_pd(f64::from(a));
                *sum = _mm256_fmadd_pd(a, _mm256_cvtps_pd(column), *sum);
            }
        }
    }
    let mut out = [0.0; SIDE];
    for (out, sum) in out.chunks_exact_mut(4).zip(sums) {
        // SAFETY: four values fit.
        unsafe { _mm256_storeu_pd(out.as_mut_ptr(), sum) };
    }
    for (out, row) in out.iter_mut().zip(rows) {
        for (&a, &b) in a[whole..].iter().zip(&row[whole..]) {
            *out += f64::from(a) * f64::from(b);
        }
    }
    out
}

/// Dot product of f64 rows in eight interleaved sums: fixed order, and fast.
pub fn dot_f64(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8
        .remainder()
        .iter()
        .zip(b8.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a8.zip(b8) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Rows of a part in f32, row-major, their views added, and 1 / norm of each.
pub fn fused(part: &Part, rows: impl Iterator<Item = usize>) -> (Vec<f32>, Vec<f64>) {
    let mut flat = Vec::with_capacity(rows.size_hint().0 * part.dim());
    rows.for_each(|row| part.append_fused(row, &mut flat));
    let norms = flat.chunks_exact(part.dim()).map(inverse_norm).collect();
    (flat, norms)
}

/// 1 / L2 norm, or 0 for the zero vector (as scikit-learn's `normalize` leaves it).
pub fn inverse_norm(row: &[f32]) -> f64 {
    let square = dot(row, row);
    if square > 0.0 {
        1.0 / square.sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_base::rng::Stream;

    #[test]
    fn every_kernel_gives_the_bits_of_the_plain_dot_product() {
        let dim = 37;
        let mut s = Stream::derive(1, "scores", &[]);
        let mut draw = |n: usize| -> Vec<f32> { (0..n * dim).map(|_| s.normal() as f32).collect() };
        let (left, right) = (draw(11), draw(21));
        let mut kernels = vec![Kernel::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                kernels.push(Kernel::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                kernels.push(Kernel::Avx512);
            }
        }
        for kernel in kernels {
            let (mr, nr) = kernel.tile();
            let a = Panels::pack(&left, dim, mr);
            let b = Panels::pack(&right, dim, nr);
            let mut out = vec![0.0; mr * nr];
            for i in 0..a.count() {
                for j in 0..b.count() {
                    kernel.multiply(a.panel(i), b.panel(j), &mut out);
                    for (r, row) in left.chunks(dim).enumerate().skip(i * mr).take(mr) {
                        for (c, col) in right.chunks(dim).enumerate().skip(j * nr).take(nr) {
                            let got = out[(r - i * mr) * nr + c - j * nr];
                            assert_eq!(got.to_bits(), dot(row, col).to_bits(), "{kernel:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_side_by_side_are_summed_like_one() {
        let mut stream = Stream::derive(2, "scores", &[]);
        for dim in [1, 3, 4, 37, 512] {
            let mut row = || (0..dim).map(|_| stream.normal() as f32).collect::<Vec<_>>();
            let (one, several): (_, [Vec<f32>; SIDE]) = (row(), std::array::from_fn(|_| row()));
            let rows = std::array::from_fn(|i| several[i].as_slice());
            let want = rows.map(|row| dot(&one, row).to_bits());
            assert_eq!(dots(&one, rows).map(f64::to_bits), want);
            assert_eq!(dots_plain(&one, rows).map(f64::to_bits), want);
        }
    }
}
