//! Batch norms with what lies behind them, and activations alone.

use super::super::ops::{Act, Affine, NormPointers, ParamGrads};
use super::reference::{self, Norm};
use super::{Check, map2};
use crate::ops::act::{NONE, PRELU};
use crate::ops::norm::MOMENTUM;
use frbench_base::Result;

impl Check<'_> {
    pub(super) fn norm(&mut self, op: &str, c: usize, groups: usize, kind: u8) -> Result<()> {
        let gpu = self.gpu;
        // Enough rows for several blocks, and a mean that squares must not cancel against.
        let shape = [6, 11, 9, c];
        let len = shape.iter().product();
        let values = self.draw(len, 3.0, 1.0);
        let x = self.upload(shape, values, self.low())?;
        let residual = self.tensor(shape)?;
        let weight = self.floats(c, 3.0, 0.5)?;
        let bias = self.floats(c, 1.0, 1.0)?;
        let slope = self.floats(c, 0.25, 0.1)?;
        let mean = self.floats(c, 3.0, 0.3)?;
        let var = self.floats(c, 1.0, 0.1)?;
        let act = Act {
            kind: kind.into(),
            slope: slope.pointer(),
        };
        let pointers = NormPointers {
            weight: weight.pointer(),
            bias: bias.pointer(),
            mean: mean.pointer(),
            var: var.pointer(),
        };
        let batch = Norm {
            groups,
            weight: &weight.here,
            bias: &bias.here,
            act: kind,
            slope: &slope.here,
            running: None,
        };
        let running = Norm {
            groups: 1,
            running: Some((&mean.here, &var.here)),
            ..batch
        };
        let evaluated = gpu.running_stats(pointers, c)?;
        let stats = gpu.norm_stats(&x.there, groups, pointers)?;

        let keep = |before: f64, now: f64| before * (1.0 - MOMENTUM) + MOMENTUM * now;
        let rows = (len / c / groups) as f64;
        let over_groups = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            let mean = |channel| (0..groups).map(|g| f(g, channel)).sum::<f64>() / groups as f64;
            (0..c).map(mean).collect()
        };
        let means = over_groups(&|g, channel| batch.moments(&x.here, g, channel).0);
        let vars =
            over_groups(&|g, channel| batch.moments(&x.here, g, channel).1 * rows / (rows - 1.0));
        for (floats, now) in [(&mean, means), (&var, vars)] {
            let want = map2(&floats.here, &now, keep);
            self.compare_floats("batch norm, running statistics", floats, &want)?;
        }

        for (what, norm, stats) in [("", batch, &stats), (" in evaluation", running, &evaluated)] {
            let op = format!("{op}{what}");
            for residual in [None, Some(&residual)] {
                let there = residual.map(|r| &r.there);
                let got = gpu.affine(x.there.clone(), stats.affine(), act, there)?;
                let want = norm.forward(&x.here, residual.map(|r| &r.here[..]));
                let with = if residual.is_some() {
                    " + residual"
                } else {
                    ""
                };
                self.compare(&format!("{op}{with}, forward"), &got, &want)?;
            }
            // No gradient where rounding decides between two slopes.
            let plain = Norm { act: NONE, ..norm };
            let z = plain.forward(&x.here, None);
            let mut dy = self.draw(len, 0.0, 1.0);
            for (dy, z) in dy.iter_mut().zip(z) {
                if z.abs().min((z - 6.0).abs()) < 1e-4 {
                    *dy = 0.0;
                }
            }
            let dy = self.upload(shape, dy, self.low())?;
            let want = norm.backward(&x.here, &dy.here);
            let sums = [0.0; 3].map(|mean| self.floats(c, mean, 1.0));
            let [dw, db, ds] = sums;
            let (dw, db, ds) = (dw?, db?, ds?);
            let grads = ParamGrads {
                weight: dw.pointer(),
                bias: db.pointer(),
                slope: if kind == PRELU { ds.pointer() } else { 0 },
            };
            let through = (Some(stats), norm.running.is_some());
            let dx = gpu.gradient(&x.there, &dy.there, through, act, grads)?;
            self.compare(&format!("{op}, dx"), &dx, &want.x)?;
            self.compare_floats(&format!("{op}, dw"), &dw, &dw.plus(&want.weight))?;
            self.compare_floats(&format!("{op}, db"), &db, &db.plus(&want.bias))?;
            if kind == PRELU {
                let want = ds.plus(&want.slope);
                self.compare_floats(&format!("{op}, slopes"), &ds, &want)?;
            }
        }
        Ok(())
    }

    pub(super) fn activation(&mut self, op: &str, c: usize, kind: u8) -> Result<()> {
        let gpu = self.gpu;
        let shape = [3, 11, 9, c];
        let values = self.draw(shape.iter().product(), 0.0, 4.0);
        let x = self.upload(shape, values, self.low())?;
        let dy = self.tensor(shape)?;
        let slope = self.floats(c, 0.25, 0.1)?;
        let act = Act {
            kind: kind.into(),
            slope: slope.pointer(),
        };
        let at = |i: usize| reference::act(kind, x.here[i], slope.here[i % c]);
        let all = || 0..x.here.len();
        let y: Vec<f64> = all().map(|i| at(i).0).collect();
        let got = gpu.affine(x.there.clone(), Affine::NONE, act, None)?;
        self.compare(&format!("{op}, forward"), &got, &y)?;
        let ds = self.floats(c, 0.0, 1.0)?;
        let grads = ParamGrads {
            slope: if kind == PRELU { ds.pointer() } else { 0 },
            ..ParamGrads::default()
        };
        let got = gpu.gradient(&x.there, &dy.there, (None, true), act, grads)?;
        let dx: Vec<f64> = all().map(|i| dy.here[i] * at(i).1).collect();
        self.compare(&format!("{op}, dx"), &got, &dx)?;
        if kind == PRELU {
            let mut sums = vec![0.0; c];
            for i in all() {
                sums[i % c] += dy.here[i] * x.here[i].min(0.0);
            }
            self.compare_floats(&format!("{op}, slopes"), &ds, &ds.plus(&sums))?;
        }
        Ok(())
    }
}
