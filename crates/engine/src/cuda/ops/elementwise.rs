//! Sums, products, sigmoid, conversions; images of a set.

use super::super::array::Array;
use super::super::gpu::{Arg, Gpu};
use super::{LINE, alike, args, over};
use frbench_base::Result;
use std::sync::Arc;

impl Gpu {
    /// The same numbers in the other precision.
    pub(in crate::cuda) fn convert(self: &Arc<Self>, x: &Array, low: bool) -> Result<Array> {
        let y = Array::new(self, x.shape, low)?;
        self.convert_to(&y, (x.pointer(), x.low))?;
        Ok(y)
    }

    /// Writes `y`: the numbers at `x`, which are in bfloat16 if `low`, in its own precision.
    pub(in crate::cuda) fn convert_to(&self, y: &Array, (x, low): (u64, bool)) -> Result<()> {
        let n = y.len();
        let args = args![y.pointer(), y.low, x, low, n as u32];
        self.launch("convert", over(n), LINE, args)
    }

    /// Writes the bfloat16 copy of `n` numbers.
    pub(in crate::cuda) fn copy_low(&self, y: u64, x: u64, n: usize) -> Result<()> {
        let args = args![y, true, x, false, n as u32];
        self.launch("convert", over(n), LINE, args)
    }

    /// `n` numbers at `x`, in bfloat16 if `low`, are added to as many at `y` in 32 bits.
    pub(in crate::cuda) fn add_to(&self, y: u64, (x, low): (u64, bool), n: usize) -> Result<()> {
        let args = args![y, false, x, low, n as u32];
        self.launch("accumulate", over(n), LINE, args)
    }

    /// `y += x`.
    pub(in crate::cuda) fn accumulate(&self, y: &mut Array, x: &Array) -> Result<()> {
        let n = x.len();
        let args = args![y.pointer(), y.low, x.pointer(), x.low, n as u32];
        self.launch("accumulate", over(n), LINE, args)
    }

    /// `a * b` with `b` spread as `spread` says: 0 in full, 1 per channel, 2 per pixel.
    pub(in crate::cuda) fn multiply(
        self: &Arc<Self>,
        a: &Array,
        b: &Array,
        spread: i32,
    ) -> Result<Array> {
        alike(a, b)?;
        let y = Array::new(self, a.shape, a.low)?;
        let ([hw, c], n) = (a.pixels(), a.len());
        let args = args![
            a.pointer(),
            b.pointer(),
            y.pointer(),
            n as u32,
            hw as u32,
            c as u32,
            spread,
            a.low,
        ];
        self.launch("multiply", over(n), LINE, args)?;
        Ok(y)
    }

    /// The gradient of the second factor, of shape `shape`.
    pub(in crate::cuda) fn multiply_back(
        self: &Arc<Self>,
        a: &Array,
        dy: &Array,
        shape: [usize; 4],
        spread: i32,
    ) -> Result<Array> {
        if spread == 0 {
            return self.multiply(a, dy, 0);
        }
        alike(a, dy)?;
        let db = Array::new(self, shape, a.low)?;
        let ([hw, c], n) = (a.pixels(), db.len());
        let pointers = [a.pointer(), dy.pointer(), db.pointer()].map(Arg::from);
        let sizes: &[Arg] = match spread {
            1 => args![a.batch() as u32, hw as u32, c as u32, a.low],
            _ => args![n as u32, c as u32, a.low],
        };
        let kernel = match spread {
            1 => "multiply_back_channel",
            _ => "multiply_back_pixel",
        };
        self.launch(kernel, over(n), LINE, &[&pointers[..], sizes].concat())?;
        Ok(db)
    }

    pub(in crate::cuda) fn sigmoid(self: &Arc<Self>, x: &Array) -> Result<Array> {
        let y = Array::new(self, x.shape, x.low)?;
        let n = x.len();
        let args = args![x.pointer(), y.pointer(), n as u32, x.low];
        self.launch("sigmoid", over(n), LINE, args)?;
        Ok(y)
    }

    pub(in crate::cuda) fn sigmoid_back(self: &Arc<Self>, y: &Array, dy: &Array) -> Result<Array> {
        let dx = Array::new(self, y.shape, y.low)?;
        let n = y.len();
        let args = args![y.pointer(), dy.pointer(), dx.pointer(), n as u32, y.low];
        self.launch("sigmoid_back", over(n), LINE, args)?;
        Ok(dx)
    }

    /// Images `y` of a set: where its pixels lie, which of them, which mirrored, and levels; see
    /// `input.cu`. Without which of them, at 0, they are the first.
    pub(in crate::cuda) fn gather_images(
        &self,
        [pixels, indices, flips, levels]: [u64; 4],
        y: &Array,
        bgr: bool,
    ) -> Result<()> {
        let [n, height, width, _] = y.shape;
        let args = args![
            pixels,
            indices,
            flips,
            levels,
            y.pointer(),
            (n * height * width) as u32,
            height as u32,
            width as u32,
            bgr,
            y.low,
        ];
        self.launch("gather_images", over(n * height * width), LINE, args)
    }
}
