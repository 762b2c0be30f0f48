//! What losses take of a tap.

use super::super::array::Array;
use super::super::gpu::{Arg, Gpu};
use super::super::memory::Buffer;
use super::{BLOCKS, LINE, THREADS, args, over, quads};
use frbench_base::Result;
use std::sync::Arc;

/// Threads of a block that sums over channels: channels by pixels.
const PIXELS: [u32; 3] = [32, 8, 1];

impl Gpu {
    /// The mean over the channels of `x^p` for every pixel, `[n h w]` in 32 bits.
    pub(in crate::cuda) fn channel_powers(self: &Arc<Self>, x: &Array, p: u32) -> Result<Buffer> {
        let (pixels, c) = (x.rows(), x.channels());
        let y = self.buffer(pixels * 4)?;
        let args = args![
            x.pointer(),
            y.pointer(),
            pixels as u32,
            c as u32,
            p as i32,
            x.low,
            quads(c),
        ];
        let grid = [pixels.div_ceil(PIXELS[1] as usize) as u32, 1, 1];
        self.launch("channel_powers", grid, PIXELS, args)?;
        Ok(y)
    }

    /// From the gradient of those means that of `x`, in its precision.
    pub(in crate::cuda) fn channel_powers_back(
        self: &Arc<Self>,
        x: &Array,
        dy: &Buffer,
        p: u32,
    ) -> Result<Array> {
        let dx = Array::new(self, x.shape, x.low)?;
        let (n, c) = (x.len(), x.channels());
        let per = if quads(c) { 4 } else { 1 };
        let args = args![
            x.pointer(),
            dy.pointer(),
            dx.pointer(),
            n as u32,
            c as u32,
            p as i32,
            p as f32 / c as f32,
            x.low,
            quads(c),
        ];
        self.launch("channel_powers_back", over(n / per), LINE, args)?;
        Ok(dx)
    }

    /// The sum of the squared differences of `a` and `b`, which are alike in shape, in 64 bits.
    pub(in crate::cuda) fn square_distance(self: &Arc<Self>, a: &Array, b: &Array) -> Result<f64> {
        let n = a.len();
        let per = if quads(n) { 4 } else { 1 };
        let blocks = (n / per).div_ceil(THREADS as usize).clamp(1, BLOCKS);
        let partial = self.buffer(blocks * 8)?;
        let args = args![
            a.pointer(),
            a.low,
            b.pointer(),
            b.low,
            partial.pointer(),
            n as u32,
            quads(n),
        ];
        self.launch("square_distances", [blocks as u32, 1, 1], LINE, args)?;
        Ok(partial.read::<f64>(0, blocks)?.iter().sum())
    }

    /// `factor (a - b)`, in the precision of `a`.
    pub(in crate::cuda) fn square_distance_back(
        self: &Arc<Self>,
        a: &Array,
        b: &Array,
        factor: f32,
    ) -> Result<Array> {
        let da = Array::new(self, a.shape, a.low)?;
        let n = a.len();
        let per = if quads(n) { 4 } else { 1 };
        let args = args![
            a.pointer(),
            a.low,
            b.pointer(),
            b.low,
            da.pointer(),
            n as u32,
            factor,
            quads(n),
        ];
        self.launch("square_distances_back", over(n / per), LINE, args)?;
        Ok(da)
    }
}
