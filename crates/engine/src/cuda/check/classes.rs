//! Images of a set, and what products with class weights need beside the product.

use super::super::array::Array;
use super::super::memory::Buffer;
use super::{Check, Floats, bound};
use crate::settings::Precision;
use frbench_base::Result;

impl Check<'_> {
    pub(super) fn images(&mut self) -> Result<()> {
        let (count, [height, width]) = (5, [7, 6]);
        let bytes = |_| self.noise.next_u64() as u8;
        let set: Vec<u8> = (0..count * height * width * 3).map(bytes).collect();
        let levels = self.floats(256, 0.0, 1.0)?;
        let (indices, flips) = ([4u32, 0, 2, 4], [1u8, 0, 1, 0]);
        for bgr in [false, true] {
            let y = Array::new(self.gpu, [indices.len(), height, width, 3], self.low())?;
            let there = [self.gpu.upload(&set)?, self.gpu.upload(&indices)?];
            let turned = self.gpu.upload(&flips)?;
            let all = [&there[0], &there[1], &turned, &levels.there];
            let all = all.map(Buffer::pointer);
            let image = |image: usize, i: usize| {
                let (pixel, channel) = (i / 3, i % 3);
                let (column, row) = (pixel % width, pixel / width % height);
                let column = match flips[pixel / (height * width)] {
                    0 => column,
                    _ => width - 1 - column,
                };
                let at = (image * height + row) * width + column;
                let channel = if bgr { 2 - channel } else { channel };
                levels.here[usize::from(set[at * 3 + channel])]
            };
            let len = height * width * 3;
            let some = (0..y.len()).map(|i| image(indices[i / len] as usize, i));
            let some: Vec<f64> = some.collect();
            let first: Vec<f64> = (0..y.len()).map(|i| image(i / len, i)).collect();
            self.gpu.gather_images(all, &y, bgr)?;
            self.compare("images of a set", &y, &some)?;
            let [pixels, _, turned, levels] = all;
            self.gpu
                .gather_images([pixels, 0, turned, levels], &y, bgr)?;
            self.compare("images of a batch", &y, &first)?;
        }
        Ok(())
    }

    /// Norms, dots and scalings of rows that are longer than a block.
    pub(super) fn rows(&mut self) -> Result<()> {
        let gpu = self.gpu;
        let (rows, d) = (6, 300);
        let size = [rows, d];
        let (a, b) = (
            self.floats(rows * d, 0.0, 1.0)?,
            self.floats(rows * d, 0.0, 1.0)?,
        );
        let (by_row, by_column) = (self.floats(rows, 1.0, 0.5)?, self.floats(d, 1.0, 0.5)?);
        let dots = |a: &[f64], b: &[f64]| -> Vec<f64> {
            let dot = |r: usize| (r * d..(r + 1) * d).map(|i| a[i] * b[i]).sum();
            (0..rows).map(dot).collect()
        };
        let each = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..rows * d).map(f).collect() };

        let norms = [gpu.buffer(4 * rows)?, gpu.buffer(4 * rows)?];
        gpu.row_norms(&a.there, &norms, size)?;
        let inverse: Vec<f64> = dots(&a.here, &a.here);
        let inverse: Vec<f64> = inverse.iter().map(|n| 1.0 / n.sqrt()).collect();
        for norm in &norms {
            self.compare_f32("norms of rows", norm, &inverse)?;
        }
        let out = gpu.buffer(4 * d)?;
        gpu.row_dots(&a.there, &b.there, &out, size)?;
        let along = dots(&a.here, &b.here);
        self.compare_f32("products along rows", &out, &along)?;
        gpu.column_dots(&a.there, &b.there, &out, size)?;
        let mut columns = vec![0.0; d];
        (0..rows * d).for_each(|i| columns[i % d] += a.here[i] * b.here[i]);
        self.compare_f32("products along columns", &out, &columns)?;
        let scaled = gpu.buffer(4 * rows * d)?;
        gpu.scale_columns(&a.there, &by_column.there, &scaled, size)?;
        let want = each(&|i| a.here[i] * by_column.here[i % d]);
        self.compare_f32("columns times numbers", &scaled, &want)?;
        gpu.scale_rows(&scaled, &by_row.there, size)?;
        let want = each(&|i| want[i] * by_row.here[i / d]);
        self.compare_f32("rows times numbers", &scaled, &want)?;
        for b in [None, Some(&by_row)] {
            let y = self.floats(rows * d, 0.0, 1.0)?;
            let factors = [&a.there, &by_row.there, &by_row.there];
            gpu.project_rows(&y.there, factors, b.map(|b| &b.there), size)?;
            let by = |r: usize| by_row.here[r].powi(2) * b.map_or(1.0, |b: &Floats| b.here[r]);
            let want = each(&|i| y.here[i] - a.here[i] * by(i / d));
            self.compare_floats("rows without a part", &y, &want)?;
        }
        Ok(())
    }

    /// The softmax over more classes than a block has threads, and its way back.
    pub(super) fn softmax(&mut self) -> Result<()> {
        let gpu = self.gpu;
        let (rows, classes) = (5, 301);
        let size = [rows, classes];
        let (scale, factor) = (16.0f32, 0.2f32);
        let scores = self.floats(rows * classes, 0.0, 0.3)?;
        let target = self.floats(rows, 4.0, 2.0)?;
        let slope = self.floats(rows, 16.0, 2.0)?;
        let labels: Vec<u32> = (0..rows)
            .map(|_| self.noise.below(classes as u64) as u32)
            .collect();
        let there = gpu.upload(&labels)?;
        let own = |r: usize| r * classes + labels[r] as usize;
        let picked = gpu.buffer(4 * rows)?;
        gpu.pick([&scores.there, &there, &picked], size)?;
        let want: Vec<f64> = (0..rows).map(|r| scores.here[own(r)]).collect();
        self.compare_f32("scores of labels", &picked, &want)?;

        let (loss, sums) = (gpu.buffer(8 * rows)?, gpu.buffer(8 * rows)?);
        let largest = gpu.buffer(4 * rows)?;
        let from = [&scores.there, &there, &target.there];
        gpu.softmax_loss(from, scale, [&loss, &largest, &sums], size)?;
        let grad = gpu.buffer(4 * rows * classes)?;
        let from = [&scores.there, &there, &target.there, &slope.there];
        gpu.softmax_back(from, [scale, factor], [&largest, &sums], &grad, size)?;

        let (scale, factor) = (f64::from(scale), f64::from(factor));
        let (mut losses, mut grads) = (Vec::new(), vec![0.0; rows * classes]);
        for r in 0..rows {
            let all = r * classes..(r + 1) * classes;
            let logit = |i: usize| match i == own(r) {
                true => target.here[r],
                false => scores.here[i] * scale,
            };
            let sum: f64 = all.clone().map(|i| logit(i).exp()).sum();
            losses.push(sum.ln() - target.here[r]);
            for i in all {
                let share = logit(i).exp() / sum;
                grads[i] = factor
                    * match i == own(r) {
                        true => (share - 1.0) * slope.here[r],
                        false => share * scale,
                    };
            }
        }
        let got: Vec<f64> = loss.read(0, rows)?;
        let got: Vec<f32> = got.iter().map(|l| *l as f32).collect();
        self.row("softmax, losses", &got, &losses, bound(Precision::F32));
        self.compare_f32("softmax, gradient", &grad, &grads)
    }

    fn compare_f32(&mut self, op: &str, got: &Buffer, want: &[f64]) -> Result<()> {
        let got: Vec<f32> = got.read(0, want.len())?;
        self.row(op, &got, want, bound(Precision::F32));
        Ok(())
    }
}
