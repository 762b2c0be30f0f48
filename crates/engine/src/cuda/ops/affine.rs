//! Scale, shift, activation and addition in one pass.

use super::super::array::Array;
use super::super::gpu::{Arg, Gpu};
use super::{LINE, alike, args, over, quads};
use frbench_base::Result;
use std::sync::Arc;

/// An activation with the pointer to its slopes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cuda) struct Act {
    /// As [`crate::ops::act::Act::kind`].
    pub kind: i32,
    pub slope: u64,
}

/// Scales and shifts, one row of `c` for every group of images; null leaves one out.
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct Affine {
    pub scale: u64,
    pub shift: u64,
    pub groups: usize,
}

impl Affine {
    pub const NONE: Affine = Affine {
        scale: 0,
        shift: 0,
        groups: 1,
    };
}

impl Gpu {
    /// `act(x * scale + shift) + residual`; `x` itself is written over where nobody else has it.
    pub(in crate::cuda) fn affine(
        self: &Arc<Self>,
        mut x: Array,
        affine: Affine,
        act: Act,
        residual: Option<&Array>,
    ) -> Result<Array> {
        residual.map_or(Ok(()), |r| alike(&x, r))?;
        let y = match x.is_unshared() {
            true => x.clone(),
            false => Array::new(self, x.shape, x.low)?,
        };
        let (n, c) = (x.len(), x.channels());
        let per = if quads(c) { 4 } else { 1 };
        let args = args![
            x.pointer(),
            affine.scale,
            affine.shift,
            act.slope,
            residual.map_or(0, Array::pointer),
            y.pointer(),
            n as u32,
            c as u32,
            (n / affine.groups) as u32,
            act.kind,
            x.low,
            quads(c),
        ];
        self.launch("affine", over(n / per), LINE, args)?;
        Ok(y)
    }
}
