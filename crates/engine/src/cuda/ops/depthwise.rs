//! Depthwise convolutions.

use super::super::array::Array;
use super::super::gpu::{Arg, Gpu};
use super::{LANES, LINE, SQUARE, args, over, quads, slices};
use crate::ops::conv::Shape;
use frbench_base::{Result, Size};
use std::sync::Arc;

/// Sizes of a depthwise convolution, as `Window` in `depthwise.cu` has them.
fn sizes(s: &Shape) -> [Arg; 9] {
    let Size { height, width } = s.kernel;
    [s.h, s.w, s.oh, s.ow, s.ci, height, width, s.stride, s.pad].map(|n| Arg::U32(n as u32))
}

impl Gpu {
    /// A depthwise convolution with the filter at `w`.
    pub(in crate::cuda) fn depthwise(
        self: &Arc<Self>,
        shape: &Shape,
        x: &Array,
        w: u64,
    ) -> Result<Array> {
        let y = Array::new(self, [shape.n, shape.oh, shape.ow, shape.co], x.low)?;
        self.window("depthwise", shape, [x.pointer(), w], &y)?;
        Ok(y)
    }

    /// The gradient of its input.
    pub(in crate::cuda) fn depthwise_input(
        self: &Arc<Self>,
        shape: &Shape,
        dy: &Array,
        w: u64,
    ) -> Result<Array> {
        let dx = Array::new(self, [shape.n, shape.h, shape.w, shape.ci], dy.low)?;
        self.window("depthwise_input", shape, [dy.pointer(), w], &dx)?;
        Ok(dx)
    }

    fn window(&self, kernel: &'static str, s: &Shape, from: [u64; 2], to: &Array) -> Result<()> {
        let (n, c) = (to.len(), to.channels());
        let per = if quads(c) { 4 } else { 1 };
        let pointers = args![from[0], from[1], to.pointer(), n as u32];
        let rest = args![to.low, quads(c)];
        self.launch(
            kernel,
            over(n / per),
            LINE,
            &[&pointers[..], &sizes(s), rest].concat(),
        )
    }

    /// Adds the gradient of its filter to what is at `grad`.
    pub(in crate::cuda) fn depthwise_weight(
        self: &Arc<Self>,
        shape: &Shape,
        x: &Array,
        dy: &Array,
        grad: u64,
    ) -> Result<()> {
        let (c, taps) = (shape.ci, shape.kernel.area());
        let pixels = dy.rows();
        let [tiles, slices] = slices(taps, pixels, c);
        let partial = self.buffer(slices * taps * c * 8)?;
        let pointers = args![x.pointer(), dy.pointer(), partial.pointer(), pixels as u32];
        let rest = args![x.low, quads(c)];
        let grid = [tiles as u32, slices as u32, taps as u32];
        let all = [&pointers[..], &sizes(shape), rest].concat();
        self.launch("depthwise_weight", grid, SQUARE, &all)?;
        let args = args![
            partial.pointer(),
            grad,
            slices as u32,
            taps as u32,
            c as u32
        ];
        let grid = [c.div_ceil(LANES) as u32, taps as u32, 1];
        self.launch("depthwise_finish", grid, SQUARE, args)
    }
}
