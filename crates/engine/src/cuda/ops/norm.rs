//! Batch norm, and the way back through it and through activations.

use super::super::array::Array;
use super::super::gpu::{Arg, Gpu};
use super::super::memory::Buffer;
use super::{Act, Affine, LANES, LINE, SQUARE, alike, args, over, quads, slices};
use crate::ops::norm::{EPS, MOMENTUM};
use frbench_base::Result;
use std::sync::Arc;

/// Statistics of a batch norm on the GPU: mean, 1 / std, scale and shift, `[4, groups, c]`.
#[derive(Clone, Debug)]
pub(in crate::cuda) struct Stats {
    buffer: Arc<Buffer>,
    pub groups: usize,
    channels: usize,
}

impl Stats {
    fn new(gpu: &Arc<Gpu>, groups: usize, channels: usize) -> Result<Stats> {
        Ok(Stats {
            buffer: Arc::new(gpu.buffer(4 * groups * channels * 4)?),
            groups,
            channels,
        })
    }

    pub fn pointer(&self) -> u64 {
        self.buffer.pointer()
    }

    pub fn affine(&self) -> Affine {
        let plane = (self.groups * self.channels * 4) as u64;
        Affine {
            scale: self.pointer() + 2 * plane,
            shift: self.pointer() + 3 * plane,
            groups: self.groups,
        }
    }
}

/// Pointers of a batch norm's parameters; null where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cuda) struct NormPointers {
    pub weight: u64,
    pub bias: u64,
    pub mean: u64,
    pub var: u64,
}

/// Where the gradients of a step's parameters are added; null where none is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cuda) struct ParamGrads {
    pub weight: u64,
    pub bias: u64,
    pub slope: u64,
}

impl Gpu {
    /// Statistics of `groups` equal parts of a batch; running statistics move, if given.
    pub(in crate::cuda) fn norm_stats(
        self: &Arc<Self>,
        x: &Array,
        groups: usize,
        norm: NormPointers,
    ) -> Result<Stats> {
        let (c, rows) = (x.channels(), x.rows() / groups);
        let [tiles, slices] = slices(groups, rows, c);
        let partial = self.buffer(groups * slices * 2 * c * 8)?;
        let args = args![
            x.pointer(),
            partial.pointer(),
            rows as u32,
            c as u32,
            x.low,
            quads(c),
        ];
        let grid = [tiles as u32, slices as u32, groups as u32];
        self.launch("norm_moments", grid, SQUARE, args)?;
        let stats = Stats::new(self, groups, c)?;
        let args = args![
            x.pointer(),
            partial.pointer(),
            norm.weight,
            norm.bias,
            stats.pointer(),
            norm.mean,
            norm.var,
            groups as u32,
            slices as u32,
            rows as u32,
            c as u32,
            EPS as f32,
            MOMENTUM as f32,
            x.low,
        ];
        let grid = [c.div_ceil(LANES) as u32, 1, 1];
        self.launch("norm_finish", grid, SQUARE, args)?;
        Ok(stats)
    }

    /// The same from running statistics.
    pub(in crate::cuda) fn running_stats(
        self: &Arc<Self>,
        norm: NormPointers,
        c: usize,
    ) -> Result<Stats> {
        let stats = Stats::new(self, 1, c)?;
        let args = args![
            norm.mean,
            norm.var,
            norm.weight,
            norm.bias,
            stats.pointer(),
            c as u32,
            EPS as f32,
        ];
        self.launch("norm_running", over(c), LINE, args)?;
        Ok(stats)
    }

    /// The way back through an activation, behind a batch norm if there are `stats`: adds the
    /// gradients of the parameters and gives that of `x`. `constant` statistics have none.
    pub(in crate::cuda) fn gradient(
        self: &Arc<Self>,
        x: &Array,
        dy: &Array,
        (stats, constant): (Option<&Stats>, bool),
        act: Act,
        grads: ParamGrads,
    ) -> Result<Array> {
        alike(x, dy)?;
        let (n, c) = (x.len(), x.channels());
        let groups = stats.map_or(1, |s| s.groups);
        let through = stats.filter(|_| !constant);
        let wanted = [grads.weight, grads.bias, grads.slope];
        let back = if through.is_some() || wanted.iter().any(|p| *p != 0) {
            let back = through
                .map(|s| self.buffer(2 * s.groups * c * 4))
                .transpose()?;
            let sums = (Some(x), dy, stats, act);
            self.gradient_sums(sums, groups, grads, back.as_ref())?;
            back
        } else {
            None
        };
        let dx = Array::new(self, x.shape, x.low)?;
        let per = if quads(c) { 4 } else { 1 };
        let args = args![
            x.pointer(),
            dy.pointer(),
            stats.map_or(0, Stats::pointer),
            back.as_ref().map_or(0, Buffer::pointer),
            act.slope,
            dx.pointer(),
            n as u32,
            c as u32,
            (n / groups) as u32,
            groups as u32,
            act.kind,
            x.low,
            quads(c),
        ];
        self.launch("gradient", over(n / per), LINE, args)?;
        Ok(dx)
    }

    /// Adds the sums over all rows of `dy` to `grad`, `[c]`: the gradient of a bias.
    pub(in crate::cuda) fn bias_gradient(self: &Arc<Self>, dy: &Array, grad: u64) -> Result<()> {
        let grads = ParamGrads {
            bias: grad,
            ..ParamGrads::default()
        };
        self.gradient_sums((None, dy, None, Act::default()), 1, grads, None)
    }

    fn gradient_sums(
        self: &Arc<Self>,
        (x, dy, stats, act): (Option<&Array>, &Array, Option<&Stats>, Act),
        groups: usize,
        grads: ParamGrads,
        back: Option<&Buffer>,
    ) -> Result<()> {
        let (c, rows) = (dy.channels(), dy.rows() / groups);
        let [tiles, slices] = slices(groups, rows, c);
        let partial = self.buffer(groups * slices * 3 * c * 8)?;
        let args = args![
            x.map_or(0, Array::pointer),
            dy.pointer(),
            stats.map_or(0, Stats::pointer),
            act.slope,
            partial.pointer(),
            rows as u32,
            c as u32,
            act.kind,
            dy.low,
            quads(c),
        ];
        let grid = [tiles as u32, slices as u32, groups as u32];
        self.launch("gradient_sums", grid, SQUARE, args)?;
        let args = args![
            partial.pointer(),
            grads.weight,
            grads.bias,
            grads.slope,
            back.map_or(0, Buffer::pointer),
            groups as u32,
            slices as u32,
            rows as u32,
            c as u32,
        ];
        let grid = [c.div_ceil(LANES) as u32, 1, 1];
        self.launch("gradient_finish", grid, SQUARE, args)
    }
}
