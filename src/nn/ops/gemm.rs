//! Matrix products on one thread; callers split the work.

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

/// `out = a b`, or `out += a b` if `add`: `[m, k] x [k, n]`, `out` row-major with rows of
/// `out_row` floats.
pub fn gemm([m, n, k]: [usize; 3], a: Mat, b: Mat, out: &mut [f32], out_row: usize, add: bool) {
    let target = Mat::rows(out, out_row);
    assert!(a.holds(m, k) && b.holds(k, n) && target.holds(m, n) && out_row >= n);
    // SAFETY: the assertion above keeps every access inside its slice.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_row as isize,
            add,
            a.data.as_ptr(),
            a.col as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.col as isize,
            b.row as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
