//! Poolings over pixels and over channels.

use super::super::array::Array;
use super::super::gpu::{Arg, Gpu};
use super::{LINE, args, over};
use frbench_base::Result;
use std::sync::Arc;

impl Gpu {
    /// Sums over the pixels times `factor`, `[n, 1, 1, c]`.
    pub(in crate::cuda) fn sum_pixels(self: &Arc<Self>, x: &Array, factor: f32) -> Result<Array> {
        let ([hw, c], n) = (x.pixels(), x.batch());
        let y = Array::new(self, [n, 1, 1, c], x.low)?;
        let args = args![
            x.pointer(),
            y.pointer(),
            n as u32,
            hw as u32,
            c as u32,
            factor,
            x.low,
        ];
        self.launch("sum_pixels", over(n * c), LINE, args)?;
        Ok(y)
    }

    pub(in crate::cuda) fn sum_pixels_back(
        self: &Arc<Self>,
        dy: &Array,
        shape: [usize; 4],
        factor: f32,
    ) -> Result<Array> {
        let dx = Array::new(self, shape, dy.low)?;
        let ([hw, c], n) = (dx.pixels(), dx.len());
        let args = args![
            dy.pointer(),
            dx.pointer(),
            n as u32,
            hw as u32,
            c as u32,
            factor,
            dy.low,
        ];
        self.launch("sum_pixels_back", over(n), LINE, args)?;
        Ok(dx)
    }

    /// The pixels whose row and column `stride` divides.
    pub(in crate::cuda) fn subsample(self: &Arc<Self>, x: &Array, stride: usize) -> Result<Array> {
        let [n, h, w, c] = x.shape;
        let y = Array::new(self, [n, h.div_ceil(stride), w.div_ceil(stride), c], x.low)?;
        self.subsample_launch("subsample", x, &y, stride)?;
        Ok(y)
    }

    pub(in crate::cuda) fn subsample_back(
        self: &Arc<Self>,
        dy: &Array,
        shape: [usize; 4],
        stride: usize,
    ) -> Result<Array> {
        let dx = Array::new(self, shape, dy.low)?;
        self.subsample_launch("subsample_back", &dx, dy, stride)?;
        Ok(dx)
    }

    /// `whole` has the pixels that `part` has of it.
    fn subsample_launch(
        &self,
        kernel: &'static str,
        whole: &Array,
        part: &Array,
        stride: usize,
    ) -> Result<()> {
        let [_, h, w, c] = whole.shape;
        let threads = match kernel {
            "subsample" => part.len(),
            _ => whole.len(),
        };
        let args = args![
            whole.pointer(),
            part.pointer(),
            threads as u32,
            h as u32,
            w as u32,
            c as u32,
            stride as u32,
            whole.low,
        ];
        self.launch(kernel, over(threads), LINE, args)
    }

    /// Mean and maximum over the pixels, or over the channels.
    pub(in crate::cuda) fn mean_max(
        self: &Arc<Self>,
        x: &Array,
        over_channels: bool,
    ) -> Result<Array> {
        let [n, h, w, c] = x.shape;
        let shape = if over_channels {
            [n, h, w, 2]
        } else {
            [n, 2, 1, c]
        };
        let y = Array::new(self, shape, x.low)?;
        self.pool_launch("", [x.pointer(), y.pointer(), 0], x, over_channels)?;
        Ok(y)
    }

    pub(in crate::cuda) fn mean_max_back(
        self: &Arc<Self>,
        x: &Array,
        dy: &Array,
        over_channels: bool,
    ) -> Result<Array> {
        let dx = Array::new(self, x.shape, x.low)?;
        let pointers = [x.pointer(), dy.pointer(), dx.pointer()];
        self.pool_launch("back", pointers, x, over_channels)?;
        Ok(dx)
    }

    fn pool_launch(
        &self,
        direction: &str,
        pointers: [u64; 3],
        x: &Array,
        over_channels: bool,
    ) -> Result<()> {
        let ([hw, c], n) = (x.pixels(), x.batch());
        let back = direction == "back";
        let pointers = pointers.map(Arg::from);
        let pointers = &pointers[..if back { 3 } else { 2 }];
        let (kernel, threads, sizes): (_, _, &[Arg]) = match (over_channels, back) {
            (true, false) => (
                "mean_max_channels",
                n * hw,
                args![(n * hw) as u32, c as u32, x.low],
            ),
            (true, true) => (
                "mean_max_channels_back",
                n * hw,
                args![(n * hw) as u32, c as u32, x.low],
            ),
            (false, false) => (
                "mean_max_pixels",
                n * c,
                args![n as u32, hw as u32, c as u32, x.low],
            ),
            (false, true) => (
                "mean_max_pixels_back",
                n * c,
                args![n as u32, hw as u32, c as u32, x.low],
            ),
        };
        self.launch(kernel, over(threads), LINE, &[pointers, sizes].concat())
    }
}
