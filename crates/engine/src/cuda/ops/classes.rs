//! What products with class weights need beside the product; the softmax over them.

use super::super::gpu::{Arg, Gpu};
use super::super::memory::Buffer;
use super::{LINE, args, over};
use frbench_base::Result;

impl Gpu {
    /// `1 / |row|` of every row of `x`, and once more for rows whose norm has a gradient, else 0.
    pub(in crate::cuda) fn row_norms(
        &self,
        x: &Buffer,
        [inverse, free]: &[Buffer; 2],
        [rows, d]: [usize; 2],
    ) -> Result<()> {
        let args = args![x.pointer(), inverse.pointer(), free.pointer(), d as u32];
        self.launch("row_norms", [rows as u32, 1, 1], LINE, args)
    }

    /// Every row of `x` times a number of its own, in place.
    pub(in crate::cuda) fn scale_rows(
        &self,
        x: &Buffer,
        by: &Buffer,
        [rows, d]: [usize; 2],
    ) -> Result<()> {
        let (x, n) = (x.pointer(), rows * d);
        let args = args![x, by.pointer(), x, n as u32, d as u32];
        self.launch("scale_rows", over(n), LINE, args)
    }

    /// Every column of `x` times a number of its own, to `y`.
    pub(in crate::cuda) fn scale_columns(
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
    pub(in crate::cuda) fn row_dots(
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
    pub(in crate::cuda) fn column_dots(
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
    pub(in crate::cuda) fn project_rows(
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
    pub(in crate::cuda) fn pick(
        &self,
        [scores, labels, out]: [&Buffer; 3],
        [rows, classes]: [usize; 2],
    ) -> Result<()> {
        let pointers = [scores, labels, out].map(|b| Arg::from(b.pointer()));
        let sizes: &[Arg] = args![rows as u32, classes as u32];
        self.launch("pick", over(rows), LINE, &[&pointers, sizes].concat())
    }

    /// Losses of rows, with what the way back needs; see `softmax_loss` in `classes.cu`.
    pub(in crate::cuda) fn softmax_loss(
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
    pub(in crate::cuda) fn softmax_back(
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
}
