//! Images of a set, what products with class weights need beside the product, and relations.

use super::super::array::Array;
use super::super::gpu::Buffer;
use super::super::relations::{Bank, Features};
use super::{Check, Floats, bound, wide};
use crate::Result;
use crate::plan::spec::Precision;

impl Check<'_> {
    pub(super) fn images(&mut self) -> Result<()> {
        let (count, side) = (5, 7);
        let bytes = |_| self.noise.next_u64() as u8;
        let set: Vec<u8> = (0..count * side * side * 3).map(bytes).collect();
        let levels = self.floats(256, 0.0, 1.0)?;
        let (indices, flips) = ([4u32, 0, 2, 4], [1u8, 0, 1, 0]);
        for bgr in [false, true] {
            let y = Array::new(self.gpu, [indices.len(), side, side, 3], self.low())?;
            let there = [self.gpu.upload(&set)?, self.gpu.upload(&indices)?];
            let turned = self.gpu.upload(&flips)?;
            let all = [&there[0], &there[1], &turned, &levels.there];
            self.gpu.gather_images(all, &y, bgr)?;
            let want = (0..y.len()).map(|i| {
                let (pixel, channel) = (i / 3, i % 3);
                let (column, row) = (pixel % side, pixel / side % side);
                let image = pixel / (side * side);
                let column = match flips[image] {
                    0 => column,
                    _ => side - 1 - column,
                };
                let at = (indices[image] as usize * side + row) * side + column;
                let channel = if bgr { 2 - channel } else { channel };
                levels.here[usize::from(set[at * 3 + channel])]
            });
            self.compare("images of a set", &y, &want.collect::<Vec<_>>())?;
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

    /// Relations to more rows than a block has lanes, of more dimensions than it has threads.
    pub(super) fn relations(&mut self) -> Result<()> {
        let (count, d) = (9, 300);
        let (batch, k) = (3, 11);
        let mut bank = self.floats(count * d, 0.0, 1.0)?;
        let there: Vec<f32> = bank.read()?;
        let mut device = Bank::new(self.gpu, &there, d)?;
        let new = self.draw(2 * d, 0.0, 1.0);
        let which = [7u32, 2];
        device.write(&which, &new)?;
        for (row, new) in which.iter().zip(wide(&new).chunks(d)) {
            bank.here[*row as usize * d..][..d].copy_from_slice(new);
        }
        let index: Vec<u32> = (0..batch * k)
            .map(|_| self.noise.below(count as u64) as u32)
            .collect();
        let (x, grad) = (
            self.floats(batch * d, 0.0, 1.0)?,
            self.floats(batch * k, 0.0, 1.0)?,
        );
        for unit in [false, true] {
            let row = |i: usize| {
                let row = &bank.here[index[i] as usize * d..][..d];
                let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                row.iter().map(move |v| if unit { v / norm } else { *v })
            };
            let dot = |i: usize| {
                let x = &x.here[i / k * d..][..d];
                x.iter().zip(row(i)).map(|(x, r)| x * r).sum()
            };
            let dots: Vec<f64> = (0..batch * k).map(dot).collect();
            let mut sums = vec![0.0; batch * d];
            for i in 0..batch * k {
                let sums = &mut sums[i / k * d..][..d];
                sums.iter_mut()
                    .zip(row(i))
                    .for_each(|(s, r)| *s += grad.here[i] * r);
            }
            let selected = device.select(&index, batch, unit)?;
            let got = [selected.dots(&x.read()?)?, selected.sums(&grad.read()?)?];
            let bound = bound(Precision::F32);
            self.row("relations", &got[0], &dots, bound);
            self.row("relations, gradient", &got[1], &sums, bound);
        }
        Ok(())
    }

    /// Products of every two samples, of more samples and dimensions than a tile has.
    pub(super) fn gram(&mut self) -> Result<()> {
        let (b, d) = (19, 37);
        let x = wide(&self.draw(b * d, 0.0, 1.0));
        let grad = wide(&self.draw(b * b, 0.0, 1.0));
        let (mut products, mut back) = (vec![0.0; b * b], vec![0.0; b * d]);
        for (i, j) in (0..b * b).map(|at| (at / b, at % b)) {
            for k in 0..d {
                products[i * b + j] += x[i * d + k] * x[j * d + k];
                back[i * d + k] += (grad[i * b + j] + grad[j * b + i]) * x[j * d + k];
            }
        }
        let features = Features::new(self.gpu, &x, d)?;
        for (op, got, want) in [
            ("products of samples", features.gram()?, products),
            (
                "products of samples, gradient",
                features.gram_back(&grad)?,
                back,
            ),
        ] {
            let got: Vec<f32> = got.iter().map(|v| *v as f32).collect();
            self.row(op, &got, &want, bound(Precision::F32));
        }
        Ok(())
    }

    fn compare_f32(&mut self, op: &str, got: &Buffer, want: &[f64]) -> Result<()> {
        let got: Vec<f32> = got.read(0, want.len())?;
        self.row(op, &got, want, bound(Precision::F32));
        Ok(())
    }
}
