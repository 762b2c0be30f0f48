//! Our own kernels as functions: sizes, grids and arguments. Each file has the name of the one in
//! `kernels` that says what they do.

mod affine;
mod angles;
mod classes;
mod depthwise;
mod elementwise;
mod norm;
mod pool;
mod relations;
mod sgd;
mod taps;

pub(super) use affine::{Act, Affine};
pub(super) use norm::{NormPointers, ParamGrads, Stats};

use super::array::Array;
use frbench_base::{Error, Result};

pub(in crate::cuda) const THREADS: u32 = 256;
/// Threads along either side of a block that sums over rows; `LANES` in `common.cuh`.
const LANES: usize = 16;
/// Blocks that keep a large GPU busy; more only leave more sums to add up.
const BLOCKS: usize = 1024;

/// Whether four channels can be read at once.
fn quads(channels: usize) -> bool {
    channels.is_multiple_of(4)
}

/// A grid of one thread for each of `n`.
pub(in crate::cuda) fn over(n: usize) -> [u32; 3] {
    [n.div_ceil(THREADS as usize) as u32, 1, 1]
}

pub(in crate::cuda) const LINE: [u32; 3] = [THREADS, 1, 1];
const SQUARE: [u32; 3] = [LANES as u32, LANES as u32, 1];

/// How the sums over `groups` times `rows` rows of `channels` are shared out: tiles of channels,
/// and slices of rows.
pub(in crate::cuda) fn slices(groups: usize, rows: usize, channels: usize) -> [usize; 2] {
    let width = LANES * if quads(channels) { 4 } else { 1 };
    let tiles = channels.div_ceil(width);
    // A slice of fewer rows than this is not worth a block.
    let most = rows.div_ceil(4 * LANES);
    let slices = (BLOCKS / (tiles * groups).max(1)).clamp(1, most.max(1));
    [tiles, slices]
}

/// Kernels read all of their operands in one precision.
fn alike(a: &Array, b: &Array) -> Result<()> {
    match a.low == b.low {
        true => Ok(()),
        false => Err(Error::Bug(
            "a kernel with operands of two precisions".into(),
        )),
    }
}

macro_rules! args {
    ($($arg:expr),* $(,)?) => { &[$(Arg::from($arg)),*] };
}
pub(in crate::cuda) use args;
