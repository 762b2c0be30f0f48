//! Kernels on NHWC slices. Each splits its work into blocks that depend on shapes only and
//! adds partial sums in block order, so that the number of threads never shows.

pub mod act;
pub mod conv;
pub mod elementwise;
pub mod gemm;
pub mod linear;
pub mod moments;
pub mod norm;
pub mod pool;
mod prefetch;
mod rows;
mod scratch;
pub mod simd;
pub mod taps;

/// Floats per block of an elementwise kernel: small enough for a core's second-level cache.
const BLOCK: usize = 32 * 1024;

/// Rows of `row` floats per block.
fn block_rows(row: usize) -> usize {
    (BLOCK / row).max(1)
}
