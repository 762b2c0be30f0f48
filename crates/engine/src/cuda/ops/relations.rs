//! Relations of a batch: to rows of a bank, and of every two samples.

use super::super::gpu::{Arg, Gpu};
use super::super::memory::Buffer;
use super::{LANES, LINE, SQUARE, args};
use frbench_base::Result;

impl Gpu {
    /// `count` rows of a bank of `d` dimensions, named by `index`; L2-normalised where `unit`.
    pub(in crate::cuda) fn select_rows(
        &self,
        [bank, index, out]: [&Buffer; 3],
        [count, d]: [usize; 2],
        unit: bool,
    ) -> Result<()> {
        let pointers = [bank, index, out].map(|b| Arg::from(b.pointer()));
        let rest: &[Arg] = args![d as u32, unit];
        let grid = [count as u32, 1, 1];
        self.launch("select_rows", grid, LINE, &[&pointers, rest].concat())
    }

    /// Overwrites `count` rows of a bank, named by `which`, all different.
    pub(in crate::cuda) fn write_rows(
        &self,
        [bank, which, rows]: [&Buffer; 3],
        [count, d]: [usize; 2],
    ) -> Result<()> {
        let args = args![bank.pointer(), which.pointer(), rows.pointer(), d as u32];
        self.launch("write_rows", [count as u32, 1, 1], LINE, args)
    }

    /// Products of each of `x`, `[b, d]`, with its rows, `[b, k, d]`.
    pub(in crate::cuda) fn relate(
        &self,
        [x, rows, out]: [&Buffer; 3],
        [b, k, d]: [usize; 3],
    ) -> Result<()> {
        let pointers = [x, rows, out].map(|b| Arg::from(b.pointer()));
        let sizes: &[Arg] = args![k as u32, d as u32];
        let grid = [(b * k) as u32, 1, 1];
        self.launch("relate", grid, LINE, &[&pointers, sizes].concat())
    }

    /// From the gradient of the products, `[b, k]`, that of `x`.
    pub(in crate::cuda) fn relate_back(
        &self,
        [grad, rows, dx]: [&Buffer; 3],
        [b, k, d]: [usize; 3],
    ) -> Result<()> {
        let pointers = [grad, rows, dx].map(|b| Arg::from(b.pointer()));
        let sizes: &[Arg] = args![k as u32, d as u32];
        let grid = [d.div_ceil(32) as u32, b as u32, 1];
        let block = [32, 8, 1];
        self.launch("relate_back", grid, block, &[&pointers, sizes].concat())
    }

    /// Products of every two rows of `x`, `[b, d]`, in 64 bits.
    pub(in crate::cuda) fn gram_products(
        &self,
        [x, out]: [&Buffer; 2],
        [b, d]: [usize; 2],
    ) -> Result<()> {
        let args = args![x.pointer(), out.pointer(), b as u32, d as u32];
        let tiles = b.div_ceil(LANES) as u32;
        self.launch("gram", [tiles, tiles, 1], SQUARE, args)
    }

    /// From the gradient of those products, `[b, b]`, that of `x`.
    pub(in crate::cuda) fn gram_back(
        &self,
        [x, grad, dx]: [&Buffer; 3],
        [b, d]: [usize; 2],
    ) -> Result<()> {
        let pointers = [x, grad, dx].map(|b| Arg::from(b.pointer()));
        let sizes: &[Arg] = args![b as u32, d as u32];
        let grid = [d.div_ceil(LANES) as u32, b.div_ceil(LANES) as u32, 1];
        self.launch("gram_back", grid, SQUARE, &[&pointers, sizes].concat())
    }
}
