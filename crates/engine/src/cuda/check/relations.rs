//! Relations of a batch: to a bank, of every two samples, and of every three.

use super::super::relations::{Angles, Bank, Gram};
use super::{Check, bound, wide};
use crate::device::{Angles as _, Bank as _, Gram as _};
use crate::settings::Precision;
use frbench_base::Result;

impl Check<'_> {
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
        let gram = Gram::new(self.gpu, &x, d)?;
        for (op, got, want) in [
            ("products of samples", gram.products()?, products),
            ("products of samples, gradient", gram.backward(&grad)?, back),
        ] {
            let got: Vec<f32> = got.iter().map(|v| *v as f32).collect();
            self.row(op, &got, &want, bound(Precision::F32));
        }
        Ok(())
    }

    /// Angles between every three of more samples than a block counts in one go.
    pub(super) fn angles(&mut self) -> Result<()> {
        let n = 21;
        let networks = [0; 4].map(|_| wide(&self.draw(n * n, 0.0, 1.0)));
        let [a, a_inverse, b, b_inverse] = &networks;
        let (mut gaps, mut products) = (vec![0.0; n], vec![0.0; n * n]);
        let mut sides = vec![0.0; 2 * n * n];
        for (i, j, k) in (0..n * n * n).map(|at| (at / n / n, at / n % n, at % n)) {
            let of = |gram: &[f64], inverse: &[f64]| {
                let product = gram[j * n + k] - gram[i * n + k] + gram[i * n + i] - gram[i * n + j];
                (product, product * inverse[i * n + j] * inverse[i * n + k])
            };
            let (product, cosine) = of(a, a_inverse);
            let gap: f64 = cosine - of(b, b_inverse).1;
            let slope = gap.clamp(-1.0, 1.0);
            gaps[j] += match gap.abs() < 1.0 {
                true => gap * gap / 2.0,
                false => gap.abs() - 0.5,
            };
            let (to_j, to_k) = (a_inverse[i * n + j], a_inverse[i * n + k]);
            products[j * n + k] += slope * to_j * to_k;
            sides[2 * (j * n + i)] += slope * to_j * to_k;
            sides[2 * (j * n + i) + 1] -= slope * product * to_k * to_j.powi(3);
        }
        let all = [a, a_inverse, b, b_inverse].map(Vec::as_slice);
        let angles = Angles::new(self.gpu, n, all)?;
        let [products_there, sides_there] = angles.gradient()?;
        for (op, got, want) in [
            ("angles", angles.gap()?, gaps),
            ("angles, gradient", products_there, products),
            ("angles, gradient", sides_there, sides),
        ] {
            let got: Vec<f32> = got.iter().map(|v| *v as f32).collect();
            self.row(op, &got, &want, bound(Precision::F32));
        }
        Ok(())
    }
}
