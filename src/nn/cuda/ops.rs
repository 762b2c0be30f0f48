//! Our own kernels as functions: sizes, grids and arguments. `kernels/*.cu` say what each does.

use super::array::Array;
use super::gpu::{Arg, Buffer, Gpu};
use crate::Result;
use crate::nn::ops::conv::Shape;
use crate::nn::ops::norm::{EPS, MOMENTUM};
use std::sync::Arc;

pub(super) const THREADS: u32 = 256;
/// Threads along either side of a block that sums over rows; `LANES` in `norm.cu`.
const LANES: usize = 16;
/// Blocks that keep a large GPU busy; more only leave more sums to add up.
const BLOCKS: usize = 1024;

/// An activation with the pointer to its slopes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Act {
    /// As [`crate::nn::ops::act::Act::kind`].
    pub kind: i32,
    pub slope: u64,
}

/// Scales and shifts, one row of `c` for every group of images; null leaves one out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
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

/// Statistics of a batch norm on the GPU: mean, 1 / std, scale and shift, `[4, groups, c]`.
#[derive(Clone, Debug)]
pub(super) struct Stats {
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
pub(super) struct NormPointers {
    pub weight: u64,
    pub bias: u64,
    pub mean: u64,
    pub var: u64,
}

/// Where the gradients of a step's parameters are added; null where none is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ParamGrads {
    pub weight: u64,
    pub bias: u64,
    pub slope: u64,
}

/// Whether four channels can be read at once.
fn quads(channels: usize) -> bool {
    channels.is_multiple_of(4)
}

/// A grid of one thread for each of `n`.
pub(super) fn over(n: usize) -> [u32; 3] {
    [n.div_ceil(THREADS as usize) as u32, 1, 1]
}

pub(super) const LINE: [u32; 3] = [THREADS, 1, 1];
const SQUARE: [u32; 3] = [LANES as u32, LANES as u32, 1];

/// How the sums over `groups` times `rows` rows of `channels` are shared out: tiles of channels,
/// and slices of rows.
pub(super) fn slices(groups: usize, rows: usize, channels: usize) -> [usize; 2] {
    let width = LANES * if quads(channels) { 4 } else { 1 };
    let tiles = channels.div_ceil(width);
    // A slice of fewer rows than this is not worth a block.
    let most = rows.div_ceil(4 * LANES);
    let slices = (BLOCKS / (tiles * groups).max(1)).clamp(1, most.max(1));
    [tiles, slices]
}

/// Sizes of a depthwise convolution, as `Window` in `depthwise.cu` has them.
fn sizes(s: &Shape) -> [Arg; 8] {
    [s.h, s.w, s.oh, s.ow, s.ci, s.kernel, s.stride, s.pad].map(|n| Arg::U32(n as u32))
}

macro_rules! args {
    ($($arg:expr),* $(,)?) => { &[$(Arg::from($arg)),*] };
}
pub(super) use args;

impl Gpu {
    /// A depthwise convolution with the filter at `w`.
    pub(super) fn depthwise(self: &Arc<Self>, shape: &Shape, x: &Array, w: u64) -> Result<Array> {
        let y = Array::new(self, [shape.n, shape.oh, shape.ow, shape.co], x.low)?;
        self.window("depthwise", shape, [x.pointer(), w], &y)?;
        Ok(y)
    }

    /// The gradient of its input.
    pub(super) fn depthwise_input(
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
    pub(super) fn depthwise_weight(
        self: &Arc<Self>,
        shape: &Shape,
        x: &Array,
        dy: &Array,
        grad: u64,
    ) -> Result<()> {
        let (c, taps) = (shape.ci, shape.kernel * shape.kernel);
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

    /// The same numbers in the other precision.
    pub(super) fn convert(self: &Arc<Self>, x: &Array, low: bool) -> Result<Array> {
        let y = Array::new(self, x.shape, low)?;
        let n = x.len();
        let args = args![y.pointer(), low, x.pointer(), x.low, n as u32];
        self.launch("convert", over(n), LINE, args)?;
        Ok(y)
    }

    /// `n` numbers at `x` are added to as many at `y`, both in 32 bits.
    pub(super) fn add_floats(&self, y: u64, x: u64, n: usize) -> Result<()> {
        let args = args![y, false, x, false, n as u32];
        self.launch("accumulate", over(n), LINE, args)
    }

    /// `n` numbers at `x` in bfloat16 are added to as many at `y` in 32 bits.
    pub(super) fn accumulate_low(&self, y: u64, x: u64, n: usize) -> Result<()> {
        let args = args![y, false, x, true, n as u32];
        self.launch("accumulate", over(n), LINE, args)
    }

    /// `y += x`.
    pub(super) fn accumulate(&self, y: &mut Array, x: &Array) -> Result<()> {
        let n = x.len();
        let args = args![y.pointer(), y.low, x.pointer(), x.low, n as u32];
        self.launch("accumulate", over(n), LINE, args)
    }

    /// `act(x * scale + shift) + residual`; `x` itself is written over where nobody else has it.
    pub(super) fn affine(
        self: &Arc<Self>,
        mut x: Array,
        affine: Affine,
        act: Act,
        residual: Option<&Array>,
    ) -> Result<Array> {
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

    /// Statistics of `groups` equal parts of a batch; running statistics move, if given.
    pub(super) fn norm_stats(
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
    pub(super) fn running_stats(self: &Arc<Self>, norm: NormPointers, c: usize) -> Result<Stats> {
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
    pub(super) fn gradient(
        self: &Arc<Self>,
        x: &Array,
        dy: &Array,
        (stats, constant): (Option<&Stats>, bool),
        act: Act,
        grads: ParamGrads,
    ) -> Result<Array> {
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
    pub(super) fn bias_gradient(self: &Arc<Self>, dy: &Array, grad: u64) -> Result<()> {
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

    /// Images `y` of a set: its pixels, which of them, which mirrored, and levels; see `input.cu`.
    pub(super) fn gather_images(
        &self,
        [pixels, indices, flips, levels]: [&Buffer; 4],
        y: &Array,
        bgr: bool,
    ) -> Result<()> {
        let [n, side, _, _] = y.shape;
        let args = args![
            pixels.pointer(),
            indices.pointer(),
            flips.pointer(),
            levels.pointer(),
            y.pointer(),
            (n * side * side) as u32,
            side as u32,
            bgr,
            y.low,
        ];
        self.launch("gather_images", over(n * side * side), LINE, args)
    }

    /// `a * b` with `b` spread as `spread` says: 0 in full, 1 per channel, 2 per pixel.
    pub(super) fn multiply(self: &Arc<Self>, a: &Array, b: &Array, spread: i32) -> Result<Array> {
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
    pub(super) fn multiply_back(
        self: &Arc<Self>,
        a: &Array,
        dy: &Array,
        shape: [usize; 4],
        spread: i32,
    ) -> Result<Array> {
        if spread == 0 {
            return self.multiply(a, dy, 0);
        }
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

    pub(super) fn sigmoid(self: &Arc<Self>, x: &Array) -> Result<Array> {
        let y = Array::new(self, x.shape, x.low)?;
        let n = x.len();
        let args = args![x.pointer(), y.pointer(), n as u32, x.low];
        self.launch("sigmoid", over(n), LINE, args)?;
        Ok(y)
    }

    pub(super) fn sigmoid_back(self: &Arc<Self>, y: &Array, dy: &Array) -> Result<Array> {
        let dx = Array::new(self, y.shape, y.low)?;
        let n = y.len();
        let args = args![y.pointer(), dy.pointer(), dx.pointer(), n as u32, y.low];
        self.launch("sigmoid_back", over(n), LINE, args)?;
        Ok(dx)
    }

    /// Sums over the pixels times `factor`, `[n, 1, 1, c]`.
    pub(super) fn sum_pixels(self: &Arc<Self>, x: &Array, factor: f32) -> Result<Array> {
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

    pub(super) fn sum_pixels_back(
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

    /// Mean and maximum over the pixels, or over the channels.
    pub(super) fn mean_max(self: &Arc<Self>, x: &Array, over_channels: bool) -> Result<Array> {
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

    pub(super) fn mean_max_back(
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

    /// One optimiser step over `n` flat parameters; see `sgd.cu`. `low` is null or the copy.
    pub(super) fn sgd(
        &self,
        [params, grads, velocity, low]: [u64; 4],
        n: usize,
        [lr, momentum, decay, factor]: [f32; 4],
        nesterov: bool,
    ) -> Result<()> {
        let args = args![
            params, grads, velocity, low, n as u32, lr, momentum, decay, factor, nesterov,
        ];
        self.launch("sgd", over(n), LINE, args)
    }

    /// The L2 norm of `n` numbers, in 64 bits.
    pub(super) fn l2_norm(self: &Arc<Self>, x: u64, n: usize) -> Result<f64> {
        let blocks = n.div_ceil(THREADS as usize).clamp(1, BLOCKS);
        let partial = self.buffer(blocks * 8)?;
        let args = args![x, partial.pointer(), n as u32];
        self.launch("square_sums", [blocks as u32, 1, 1], LINE, args)?;
        Ok(partial.read::<f64>(0, blocks)?.iter().sum::<f64>().sqrt())
    }

    /// `1 / |row|` of every row of `x`, and once more for rows whose norm has a gradient, else 0.
    pub(super) fn row_norms(
        &self,
        x: &Buffer,
        [inverse, free]: &[Buffer; 2],
        [rows, d]: [usize; 2],
    ) -> Result<()> {
        let args = args![x.pointer(), inverse.pointer(), free.pointer(), d as u32];
        self.launch("row_norms", [rows as u32, 1, 1], LINE, args)
    }

    /// Every row of `x` times a number of its own, in place.
    pub(super) fn scale_rows(&self, x: &Buffer, by: &Buffer, [rows, d]: [usize; 2]) -> Result<()> {
        let (x, n) = (x.pointer(), rows * d);
        let args = args![x, by.pointer(), x, n as u32, d as u32];
        self.launch("scale_rows", over(n), LINE, args)
    }

    /// Every column of `x` times a number of its own, to `y`.
    pub(super) fn scale_columns(
        &self,
        x: &Buffer,
        by: &Buffer,
        y: &Buffer,
        [rows, columns]: [usize; 2],
    ) -> Result<()> {
        let n = rows * columns;
        let pointers = [x, by, y].map(|b| Arg::from(b.pointer()));
        let sizes: &[Arg] = args![n as u32, columns as u32];
        self.launch("scale_columns", over(n), LINE, &[&pointers, sizes].concat())
    }

    /// Sums of `a b` along each row.
    pub(super) fn row_dots(
        &self,
        a: &Buffer,
        b: &Buffer,
        out: &Buffer,
        [rows, d]: [usize; 2],
    ) -> Result<()> {
        let args = args![a.pointer(), b.pointer(), out.pointer(), d as u32];
        self.launch("row_dots", [rows as u32, 1, 1], LINE, args)
    }

    /// Sums of `a b` along each column.
    pub(super) fn column_dots(
        &self,
        a: &Buffer,
        b: &Buffer,
        out: &Buffer,
        [rows, columns]: [usize; 2],
    ) -> Result<()> {
        let pointers = [a, b, out].map(|b| Arg::from(b.pointer()));
        let sizes: &[Arg] = args![rows as u32, columns as u32];
        self.launch(
            "column_dots",
            over(columns),
            LINE,
            &[&pointers, sizes].concat(),
        )
    }

    /// Takes `x along a b`, by row, off `y`.
    pub(super) fn project_rows(
        &self,
        y: &Buffer,
        [x, along, a]: [&Buffer; 3],
        b: Option<&Buffer>,
        [rows, d]: [usize; 2],
    ) -> Result<()> {
        let n = rows * d;
        let args = args![
            y.pointer(),
            x.pointer(),
            along.pointer(),
            a.pointer(),
            b.map_or(0, Buffer::pointer),
            n as u32,
            d as u32,
        ];
        self.launch("project_rows", over(n), LINE, args)
    }

    /// The score of each row of `scores` with its label.
    pub(super) fn pick(
        &self,
        [scores, labels, out]: [&Buffer; 3],
        [rows, classes]: [usize; 2],
    ) -> Result<()> {
        let pointers = [scores, labels, out].map(|b| Arg::from(b.pointer()));
        let sizes: &[Arg] = args![rows as u32, classes as u32];
        self.launch("pick", over(rows), LINE, &[&pointers, sizes].concat())
    }

    /// Losses of rows, with what the way back needs; see `softmax_loss` in `classes.cu`.
    pub(super) fn softmax_loss(
        &self,
        [scores, labels, target]: [&Buffer; 3],
        scale: f32,
        [loss, largest, sums]: [&Buffer; 3],
        [rows, classes]: [usize; 2],
    ) -> Result<()> {
        let args = args![
            scores.pointer(),
            labels.pointer(),
            target.pointer(),
            scale,
            loss.pointer(),
            largest.pointer(),
            sums.pointer(),
            classes as u32,
        ];
        self.launch("softmax_loss", [rows as u32, 1, 1], LINE, args)
    }

    /// The gradient of the scores, times `factor`.
    pub(super) fn softmax_back(
        &self,
        [scores, labels, target, slope]: [&Buffer; 4],
        [scale, factor]: [f32; 2],
        [largest, sums]: [&Buffer; 2],
        grad: &Buffer,
        [rows, classes]: [usize; 2],
    ) -> Result<()> {
        let n = rows * classes;
        let args = args![
            scores.pointer(),
            labels.pointer(),
            target.pointer(),
            slope.pointer(),
            scale,
            largest.pointer(),
            sums.pointer(),
            factor,
            grad.pointer(),
            n as u32,
            classes as u32,
        ];
        self.launch("softmax_back", over(n), LINE, args)
    }

    /// Writes the bfloat16 copy of `n` numbers.
    pub(super) fn copy_low(&self, y: u64, x: u64, n: usize) -> Result<()> {
        let args = args![y, true, x, false, n as u32];
        self.launch("convert", over(n), LINE, args)
    }
}
