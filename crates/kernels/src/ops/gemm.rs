//! Matrix products on one thread; callers split the work.
//!
//! `b` is read in *panels*: a few vectors of columns, `[k][columns]`, so that a block of the
//! product stays in registers while the panel streams by. Weights are packed once per use;
//! other matrices are packed piece by piece on the way.

use super::act::Prologue;
use super::prefetch::{CacheLines, Prefetch};
use super::scratch;
use super::simd::{Kernel, Simd, dispatch, lanes, panel};
use crate::team::OneByOne;
use rayon::prelude::*;

/// Rows of `b` per pass: a panel of them stays in the first- and second-level caches.
const DEPTH: usize = 256;
/// Columns of `b` that are packed at once on the way.
const WIDTH: usize = 256;
/// Floats of rows of `b` that are near enough to each other to be read where they lie.
const NEAR: usize = 256;

/// Elements of a row of `a` that are multiplied at once.
const UNROLL: usize = 4;

/// A matrix inside a slice: element `(i, j)` at `i * row + j * col`.
#[derive(Clone, Copy)]
pub struct Mat<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub col: usize,
}

impl<'a> Mat<'a> {
    /// Row-major with rows of `row` floats.
    pub fn rows(data: &'a [f32], row: usize) -> Self {
        Mat { data, row, col: 1 }
    }

    pub fn transposed(self) -> Self {
        Mat {
            data: self.data,
            row: self.col,
            col: self.row,
        }
    }

    fn holds(&self, rows: usize, cols: usize) -> bool {
        rows == 0 || cols == 0 || (rows - 1) * self.row + (cols - 1) * self.col < self.data.len()
    }
}

/// Floats that a packed `[k, n]` matrix takes.
pub fn packed_len(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(lanes())
}

/// First float of the panel that holds column `j` (a multiple of the vector length) of a
/// packed `[k, n]` matrix, that panel's columns, and `j` within it.
pub fn panel_of(k: usize, n: usize, j: usize) -> (usize, usize, usize) {
    let wide = panel();
    let first = j / wide * wide;
    let columns = wide.min(n.next_multiple_of(lanes()) - first);
    (first * k, columns, j - first)
}

/// Packs a `[k, n]` matrix, panels in parallel: `fill` writes the columns from its first
/// argument on to the panel (rows of as many floats as its second), which is 0 otherwise.
pub fn pack_panels(
    [k, n]: [usize; 2],
    fill: impl Fn(std::ops::Range<usize>, usize, &mut [f32]) + Sync,
    out: &mut [f32],
) {
    debug_assert_eq!(out.len(), packed_len(k, n));
    out.par_chunks_mut(k * panel())
        .enumerate()
        .one_by_one()
        .for_each(|(i, out)| {
            let (first, columns) = (i * panel(), out.len() / k);
            if first + columns > n {
                out.fill(0.0);
            }
            fill(first..n.min(first + columns), columns, out);
        });
}

/// Packs a `[k, n]` matrix with the elements `value(p, j)`.
pub fn pack([k, n]: [usize; 2], value: impl Fn(usize, usize) -> f32 + Sync, out: &mut [f32]) {
    let fill = |range: std::ops::Range<usize>, columns: usize, out: &mut [f32]| {
        for (p, out) in out.chunks_exact_mut(columns).enumerate() {
            for (out, j) in out.iter_mut().zip(range.clone()) {
                *out = value(p, j);
            }
        }
    };
    pack_panels([k, n], fill, out);
}

/// `out = a b`, or `out += a b` if `add`: `[m, k] x [k, n]`, `b` packed by [`pack`], `out`
/// row-major with rows of `out_row` floats. Meanwhile what is wanted next (`prefetch`) is fetched.
pub fn gemm_packed(
    [m, n, k]: [usize; 3],
    a: Mat,
    b: &[f32],
    out: &mut [f32],
    out_row: usize,
    add: bool,
    prefetch: Option<&Prefetch>,
) {
    assert!(a.holds(m, k) && Mat::rows(out, out_row).holds(m, n) && out_row >= n);
    assert!(b.len() >= packed_len(k, n));
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        return clear([m, n], out, out_row, add);
    }
    let panel = |from: usize, depth: usize, first: usize| {
        let (start, columns, _) = panel_of(k, n, first);
        let rows = start + from * columns..start + (from + depth) * columns;
        (&b[rows], columns)
    };
    blocks([m, n, k], a, panel, out, out_row, add, prefetch);
}

/// Block by block; `b` gives the rows from its first argument on, as many as its second says, of
/// the panel that starts at the column of its third, and the floats from row to row.
fn blocks<'b>(
    [m, n, k]: [usize; 3],
    a: Mat,
    b: impl Fn(usize, usize, usize) -> (&'b [f32], usize),
    out: &mut [f32],
    out_row: usize,
    add: bool,
    prefetch: Option<&Prefetch>,
) {
    assert!(a.holds(m, k) && Mat::rows(out, out_row).holds(m, n) && out_row >= n);
    for from in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - from);
        for first in (0..n).step_by(panel()) {
            let (b, b_row) = b(from, depth, first);
            let columns = panel().min(n - first);
            let vectors = columns.next_multiple_of(lanes());
            assert!(b_row >= vectors && b.len() >= (depth - 1) * b_row + vectors);
            let block = Block {
                m,
                n: columns,
                k: depth,
                a: a.data[from * a.col..].as_ptr(),
                a_row: a.row,
                a_col: a.col,
                b: b.as_ptr(),
                b_row,
                c: out[first..].as_mut_ptr(),
                c_row: out_row,
                add: add || from > 0,
                prefetch,
            };
            // SAFETY: the assertions keep `a` and `out` inside their slices for all m rows, and
            // whole vectors of `depth` rows inside of `b`.
            unsafe { dispatch(block) };
        }
    }
}

/// As [`gemm_packed`] for a row-major `b` (rows of `b_row` floats), mapped on the way.
pub fn gemm_rows(
    [m, n, k]: [usize; 3],
    a: Mat,
    (b, b_row, map): (&[f32], usize, Option<Prologue>),
    out: &mut [f32],
    out_row: usize,
    add: bool,
    prefetch: Option<&Prefetch>,
) {
    assert!(a.holds(m, k) && Mat::rows(out, out_row).holds(m, n) && out_row >= n);
    assert!(Mat::rows(b, b_row).holds(k, n) && b_row >= n);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        return clear([m, n], out, out_row, add);
    }
    if b_row <= NEAR && n.is_multiple_of(lanes()) {
        let Some(map) = map else {
            let rows = |from: usize, _: usize, first: usize| (&b[from * b_row + first..], b_row);
            return blocks([m, n, k], a, rows, out, out_row, add, prefetch);
        };
        if b_row == n {
            return scratch::with(k * n, |mapped| {
                map.write(&b[..k * n], mapped);
                let mapped = &*mapped;
                let rows = |from: usize, _: usize, first: usize| (&mapped[from * n + first..], n);
                blocks([m, n, k], a, rows, out, out_row, add, prefetch);
            });
        }
    }
    scratch::with(
        DEPTH.min(k) * WIDTH.min(n.next_multiple_of(lanes())),
        |packed| {
            for from in (0..k).step_by(DEPTH) {
                let depth = DEPTH.min(k - from);
                for left in (0..n).step_by(WIDTH) {
                    let width = WIDTH.min(n - left);
                    let packed = &mut packed[..packed_len(depth, width)];
                    pack_rows(&b[from * b_row + left..], b_row, [depth, width], packed);
                    if let Some(map) = map {
                        map_packed([depth, width], left, map, packed);
                    }
                    let a = Mat {
                        data: &a.data[from * a.col..],
                        ..a
                    };
                    let add = add || from > 0;
                    let out = &mut out[left..];
                    gemm_packed([m, width, depth], a, packed, out, out_row, add, prefetch);
                }
            }
        },
    );
}

fn clear([m, n]: [usize; 2], out: &mut [f32], out_row: usize, add: bool) {
    if !add {
        out.chunks_mut(out_row)
            .take(m)
            .for_each(|r| r[..n].fill(0.0));
    }
}

/// Packs `[k, n]` of a row-major matrix.
fn pack_rows(b: &[f32], b_row: usize, [k, n]: [usize; 2], out: &mut [f32]) {
    for first in (0..n).step_by(panel()) {
        let (start, columns, _) = panel_of(k, n, first);
        let real = columns.min(n - first);
        let out = &mut out[start..start + k * columns];
        for (p, out) in out.chunks_exact_mut(columns).enumerate() {
            out[..real].copy_from_slice(&b[p * b_row + first..][..real]);
            out[real..].fill(0.0);
        }
    }
}

/// Applies a map to the columns `left..` that have just been packed.
fn map_packed([k, n]: [usize; 2], left: usize, map: Prologue, packed: &mut [f32]) {
    for first in (0..n).step_by(panel()) {
        let (start, columns, _) = panel_of(k, n, first);
        let real = columns.min(n - first);
        let map = map.channels(left + first, real);
        for row in packed[start..start + k * columns].chunks_exact_mut(columns) {
            map.apply(&mut row[..real]);
        }
    }
}

/// One panel of a product: `c (+)= a b`, `[m, k] x [k, n]`, `n` at most a panel's columns.
struct Block<'a> {
    m: usize,
    n: usize,
    k: usize,
    a: *const f32,
    a_row: usize,
    a_col: usize,
    b: *const f32,
    b_row: usize,
    c: *mut f32,
    c_row: usize,
    add: bool,
    prefetch: Option<&'a Prefetch>,
}

impl Kernel for Block<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        debug_assert!(self.n <= S::LANES * S::PANEL && self.n <= self.b_row);
        // Rows per register block, so that rows x vectors accumulators, the vectors of `b` and
        // one of `a` fill the 32 (AVX-512) or 16 registers.
        // SAFETY: this block's constructor has checked all three matrices.
        unsafe {
            match (S::LANES == 16, self.n.div_ceil(S::LANES)) {
                (true, 4) => self.rows::<S, 6, 4>(),
                (true, 3) => self.rows::<S, 8, 3>(),
                (true, 2) => self.rows::<S, 12, 2>(),
                (false, 2) => self.rows::<S, 6, 2>(),
                _ => self.rows::<S, 12, 1>(),
            }
        }
    }
}

impl Block<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const V: usize>(&self) {
        let mut row = 0;
        // SAFETY: rows `row..row + R` (8, 4, 2, 1) exist.
        unsafe {
            while row + R <= self.m {
                self.tile::<S, R, V>(row);
                row += R;
            }
            if R > 8 && row + 8 <= self.m {
                self.tile::<S, 8, V>(row);
                row += 8;
            }
            if R > 4 && row + 4 <= self.m {
                self.tile::<S, 4, V>(row);
                row += 4;
            }
            if row + 2 <= self.m {
                self.tile::<S, 2, V>(row);
                row += 2;
            }
            if row < self.m {
                self.tile::<S, 1, V>(row);
            }
        }
    }

    /// `R` rows by `V` vectors of the product.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(&self, row: usize) {
        let tail = self.n % S::LANES;
        // SAFETY: the caller has these rows of `a` and `c`; rows of `b` are whole vectors; the
        // last vector of `c` is read and written in part where `n` is no multiple.
        unsafe {
            let mut sum = [[S::splat(0.0); V]; R];
            let c = self.c.add(row * self.c_row);
            if self.add {
                for (i, sum) in sum.iter_mut().enumerate() {
                    for (j, sum) in sum.iter_mut().enumerate() {
                        let p = c.add(i * self.c_row + j * S::LANES);
                        *sum = if j == V - 1 && tail > 0 {
                            S::load_first(p, tail)
                        } else {
                            S::load(p)
                        };
                    }
                }
            }
            let a = self.a.add(row * self.a_row);
            match self.prefetch {
                None => self.sum::<S, R, V, false>(a, &mut sum, CacheLines::near(a)),
                Some(prefetch) => {
                    self.sum::<S, R, V, true>(a, &mut sum, prefetch.lines(self.k, a));
                }
            }
            for (i, sum) in sum.iter().enumerate() {
                for (j, sum) in sum.iter().enumerate() {
                    let p = c.add(i * self.c_row + j * S::LANES);
                    if j == V - 1 && tail > 0 {
                        S::store_first(p, tail, *sum);
                    } else {
                        S::store(p, *sum);
                    }
                }
            }
        }
    }

    /// Adds the products of `R` rows, the first at `a`, with `V` vectors of `b`.
    #[inline(always)]
    unsafe fn sum<S: Simd, const R: usize, const V: usize, const FETCH: bool>(
        &self,
        a: *const f32,
        sum: &mut [[S::V; V]; R],
        mut lines: CacheLines,
    ) {
        let mut b = self.b;
        let mut done = 0;
        // SAFETY: as `tile`.
        unsafe {
            // Rows that lie side by side in memory, `UNROLL` elements of each at once: few
            // instructions are left beside the multiplications. More rows have more pointers than
            // there are registers.
            if self.a_col == 1 && R <= 8 {
                let mut rows: [*const f32; R] = std::array::from_fn(|i| a.add(i * self.a_row));
                while done + UNROLL <= self.k {
                    for at in 0..UNROLL {
                        let a = rows.map(|row| row.add(at));
                        step::<S, R, V, FETCH>(a, b, sum, &mut lines);
                        b = b.wrapping_add(self.b_row);
                    }
                    rows = rows.map(|row| row.wrapping_add(UNROLL));
                    done += UNROLL;
                }
            }
            let mut a = a.wrapping_add(done * self.a_col);
            for _ in done..self.k {
                let rows = std::array::from_fn(|i| a.add(i * self.a_row));
                step::<S, R, V, FETCH>(rows, b, sum, &mut lines);
                a = a.wrapping_add(self.a_col);
                b = b.wrapping_add(self.b_row);
            }
        }
    }
}

/// Adds the products of one element of each row with `V` vectors of one row of `b`.
///
/// # Safety
/// As [`Simd`]; all of these lie within their matrices.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize, const V: usize, const FETCH: bool>(
    a: [*const f32; R],
    b: *const f32,
    sum: &mut [[S::V; V]; R],
    lines: &mut CacheLines,
) {
    // SAFETY: the caller's.
    unsafe {
        if FETCH {
            lines.fetch::<S>();
        }
        let mut bs = [S::splat(0.0); V];
        for (j, v) in bs.iter_mut().enumerate() {
            *v = S::load(b.add(j * S::LANES));
        }
        for (sum, a) in sum.iter_mut().zip(a) {
            let x = S::splat(*a);
            for (sum, b) in sum.iter_mut().zip(bs) {
                *sum = S::fma(x, b, *sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::act::Act;
    use super::*;
    use frbench_base::rng::Stream;
    use proptest::prelude::*;

    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut stream = Stream::derive(seed, "gemm", &[]);
        (0..len).map(|_| stream.normal() as f32).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn products_are_those_of_64_bits(
            m in 1usize..40, n in 1usize..150, k in 0usize..600, seed: u64, add: bool, flip: bool,
        ) {
            let (a, b) = (noise(seed, m * k), noise(seed ^ 1, k * n));
            let start = noise(seed ^ 2, m * n);
            // Row-major, or the same numbers column-major.
            let a_mat = if flip {
                Mat { data: &a, row: 1, col: m }
            } else {
                Mat::rows(&a, k)
            };
            let at = |i: usize, p: usize| a[i * a_mat.row + p * a_mat.col];
            let mut packed = vec![f32::NAN; packed_len(k, n)];
            if k > 0 {
                pack([k, n], |p, j| b[p * n + j], &mut packed);
            }
            let (mut one, mut two) = (start.clone(), start.clone());
            gemm_packed([m, n, k], a_mat, &packed, &mut one, n, add, None);
            gemm_rows([m, n, k], a_mat, (&b, n, None), &mut two, n, add, None);
            for i in 0..m {
                for j in 0..n {
                    let mut want = if add { f64::from(start[i * n + j]) } else { 0.0 };
                    let mut scale = 1.0;
                    for p in 0..k {
                        let x = f64::from(at(i, p)) * f64::from(b[p * n + j]);
                        want += x;
                        scale += x.abs();
                    }
                    for got in [one[i * n + j], two[i * n + j]] {
                        prop_assert!((f64::from(got) - want).abs() < 1e-5 * scale, "{got} {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn columns_are_mapped_on_the_way() {
        let (m, n, k) = (3, 70, 5);
        let (a, b) = (noise(1, m * k), noise(2, k * n));
        let (scale, shift, slope) = (noise(3, n), noise(4, n), noise(5, n));
        let map = Prologue {
            scale: &scale,
            shift: &shift,
            act: Act::Prelu(&slope),
        };
        let mapped: Vec<f32> = (0..k * n)
            .map(|i| {
                let z = b[i] * scale[i % n] + shift[i % n];
                if z > 0.0 { z } else { z * slope[i % n] }
            })
            .collect();
        let (mut got, mut want) = (vec![0.0; m * n], vec![0.0; m * n]);
        gemm_rows(
            [m, n, k],
            Mat::rows(&a, k),
            (&b, n, Some(map)),
            &mut got,
            n,
            false,
            None,
        );
        gemm_rows(
            [m, n, k],
            Mat::rows(&a, k),
            (&mapped, n, None),
            &mut want,
            n,
            false,
            None,
        );
        for (a, b) in got.iter().zip(&want) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}
