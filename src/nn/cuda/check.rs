//! Every operation of a GPU by itself, on fresh random numbers and small odd shapes, against the
//! same in plain loops and 64 bits. Inputs are rounded to the precision at hand before either
//! side reads them, so that errors are those of the operation.

use super::array::Array;
use super::conv::Pass;
use super::gemm::{Math, Matrix};
use super::gpu::{Buffer, Gpu};
use super::ops::{Act, Affine, NormPointers, ParamGrads};
use super::reference::{self, Norm, product, transposed};
use crate::Result;
use crate::nn::device::OpError;
use crate::nn::ops::act::{NONE, PRELU, RELU, RELU6};
use crate::nn::ops::conv::Shape;
use crate::nn::ops::norm::MOMENTUM;
use crate::nn::value::Value;
use crate::plan::spec::Precision;
use crate::rng::Stream;
use std::sync::Arc;

/// What errors may be: of sums in 32 bits, of factors with 10 bits of fraction, of results with
/// 7.
fn bound(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-5,
        Precision::Tf32 => 5e-3,
        Precision::Bf16 => 2e-2,
    }
}

const ACTS: [(u8, &str); 4] = [
    (NONE, ""),
    (PRELU, " + PReLU"),
    (RELU, " + ReLU"),
    (RELU6, " + ReLU6"),
];

impl Gpu {
    /// The errors of all operations in all precisions; one that fails says so in its row.
    pub fn check(self: &Arc<Self>, seed: u64) -> Vec<OpError> {
        let precisions = [Precision::F32, Precision::Tf32, Precision::Bf16];
        let rows = precisions.map(|precision| {
            let mut check = Check {
                gpu: self,
                noise: Stream::derive(seed, "check", &[]),
                precision,
                rows: Vec::new(),
            };
            check.dense();
            // The rest knows no TF32.
            if precision != Precision::Tf32 {
                check.others();
            }
            check.rows
        });
        rows.concat()
    }
}

struct Check<'a> {
    gpu: &'a Arc<Gpu>,
    noise: Stream,
    precision: Precision,
    rows: Vec<OpError>,
}

/// An activation on the GPU, and its numbers in 64 bits.
struct Tensor {
    there: Array,
    here: Vec<f64>,
}

/// Parameters likewise, which are in 32 bits.
struct Floats {
    there: Buffer,
    here: Vec<f64>,
}

impl Floats {
    fn pointer(&self) -> u64 {
        self.there.pointer()
    }

    /// What is there now.
    fn read(&self) -> Result<Vec<f32>> {
        self.there.read(0, self.here.len())
    }

    /// What was there at first, and `more`.
    fn plus(&self, more: &[f64]) -> Vec<f64> {
        self.here.iter().zip(more).map(|(a, b)| a + b).collect()
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// `f` of every two elements.
fn map2(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
}

impl Check<'_> {
    fn low(&self) -> bool {
        self.precision == Precision::Bf16
    }

    fn math(&self) -> Math {
        match self.precision {
            Precision::Tf32 => Math::Tf32,
            _ => Math::Full,
        }
    }

    /// Normal numbers around `mean`.
    fn draw(&mut self, n: usize, mean: f64, std: f64) -> Vec<f32> {
        let mut next = || (mean + std * self.noise.normal()) as f32;
        (0..n).map(|_| next()).collect()
    }

    fn floats(&mut self, n: usize, mean: f64, std: f64) -> Result<Floats> {
        let values = self.draw(n, mean, std);
        Ok(Floats {
            there: self.gpu.upload(&values)?,
            here: wide(&values),
        })
    }

    fn upload(&self, shape: [usize; 4], values: Vec<f32>, low: bool) -> Result<Tensor> {
        let there = Array::upload(self.gpu, &Value::new(shape, values)?, low)?;
        let here = wide(&there.download()?);
        Ok(Tensor { there, here })
    }

    fn tensor(&mut self, shape: [usize; 4]) -> Result<Tensor> {
        let values = self.draw(shape.iter().product(), 0.0, 1.0);
        self.upload(shape, values, self.low())
    }

    fn row(&mut self, op: &str, got: &[f32], want: &[f64]) {
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let off = norm(&map2(&wide(got), want, |g, w| g - w));
        let relative = if off == 0.0 { 0.0 } else { off / norm(want) };
        let same = got.len() == want.len() && !relative.is_nan();
        let error = if same { relative } else { f64::INFINITY };
        match self.rows.iter_mut().find(|row| row.op == op) {
            Some(row) => row.error = row.error.max(error),
            None => self.rows.push(OpError {
                op: op.into(),
                precision: self.precision,
                error,
                bound: bound(self.precision),
                failed: None,
            }),
        }
    }

    fn compare(&mut self, op: &str, got: &Array, want: &[f64]) -> Result<()> {
        self.row(op, &got.download()?, want);
        Ok(())
    }

    fn compare_floats(&mut self, op: &str, got: &Floats, want: &[f64]) -> Result<()> {
        self.row(op, &got.read()?, want);
        Ok(())
    }

    /// A failure is a row, so that the other operations are still looked at.
    fn attempt(&mut self, op: &str, f: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(e) = f(self) {
            self.rows.push(OpError {
                op: op.into(),
                precision: self.precision,
                error: f64::INFINITY,
                bound: bound(self.precision),
                failed: Some(e.to_string()),
            });
        }
    }

    /// Convolutions and products, which libraries compute.
    fn dense(&mut self) {
        for (op, image, [ci, co], [kernel, stride, pad], groups) in [
            ("conv 3x3, stem", [11, 9], [3, 8], [3, 1, 1], 1),
            ("conv 3x3", [9, 7], [8, 16], [3, 1, 1], 1),
            ("conv 3x3 stride 2", [9, 7], [16, 8], [3, 2, 1], 1),
            ("conv 1x1", [5, 7], [24, 16], [1, 1, 0], 1),
            ("conv 1x1 stride 2", [9, 7], [16, 24], [1, 2, 0], 1),
            ("depthwise 3x3", [9, 7], [16, 16], [3, 1, 1], 16),
            ("depthwise 3x3 stride 2", [9, 7], [16, 16], [3, 2, 1], 16),
            ("depthwise 7x7", [7, 7], [16, 16], [7, 1, 0], 16),
        ] {
            let [h, w] = image;
            let out = |side: usize| (side + 2 * pad - kernel) / stride + 1;
            let (oh, ow) = (out(h), out(w));
            let shape = Shape {
                n: 3,
                h,
                w,
                ci,
                oh,
                ow,
                co,
                kernel,
                stride,
                pad,
                groups,
            };
            self.attempt(op, |c| c.convolution(op, &shape));
        }
        self.attempt("linear", Self::linear);
    }

    fn others(&mut self) {
        // Channels that are read one by one and four at once.
        for (channels, groups) in [(5, 1), (8, 1), (5, 2), (8, 2)] {
            for act in ACTS {
                let op = format!("batch norm{}", act.1);
                self.attempt(&op, |c| c.norm(&op, channels, groups, act.0));
                if act.0 != NONE && groups == 1 {
                    let op = act.1.trim_start_matches(" + ");
                    self.attempt(op, |c| c.activation(op, channels, act.0));
                }
            }
        }
        self.attempt("sigmoid", Self::sigmoid);
        self.attempt("product", Self::multiply);
        self.attempt("sum", Self::sum);
        self.attempt("pooling", Self::pooling);
        self.attempt("SGD", Self::sgd);
    }

    fn convolution(&mut self, op: &str, s: &Shape) -> Result<()> {
        let gpu = self.gpu;
        let x = self.tensor([s.n, s.h, s.w, s.ci])?;
        let w = self.tensor([s.co, s.kernel, s.kernel, s.ci / s.groups])?;
        let dy = self.tensor([s.n, s.oh, s.ow, s.co])?;
        let dw = self.floats(w.here.len(), 0.0, 1.0)?;
        let key = (*s, self.low(), self.math());
        let (mut y, mut dx) = (vec![0.0; dy.here.len()], vec![0.0; x.here.len()]);
        let mut more = vec![0.0; w.here.len()];
        reference::products(s, |xi, wi, yi| {
            y[yi] += x.here[xi] * w.here[wi];
            dx[xi] += dy.here[yi] * w.here[wi];
            more[wi] += x.here[xi] * dy.here[yi];
        });
        let got = gpu.convolution(s, &x.there, w.there.pointer(), self.math())?;
        self.compare(&format!("{op}, forward"), &got, &y)?;
        let got = Array::new(gpu, x.there.shape(), self.low())?;
        let arrays = [dy.there.pointer(), w.there.pointer(), got.pointer()];
        gpu.convolve(Pass::Input, key, arrays, false)?;
        self.compare(&format!("{op}, dx"), &got, &dx)?;
        // Gradients of weights join those that are there, in 32 bits.
        let [x, dy] = [&x, &dy].map(|t| t.there.pointer());
        if self.low() {
            let fresh = Array::new(gpu, w.there.shape(), true)?;
            gpu.convolve(Pass::Weight, key, [x, dy, fresh.pointer()], false)?;
            gpu.accumulate_low(dw.pointer(), fresh.pointer(), w.here.len())?;
        } else {
            gpu.convolve(Pass::Weight, key, [x, dy, dw.pointer()], true)?;
        }
        self.compare_floats(&format!("{op}, dw"), &dw, &dw.plus(&more))
    }

    fn linear(&mut self) -> Result<()> {
        let (gpu, math) = (self.gpu, self.math());
        let [n, inputs, out] = [5, 3 * 2 * 8, 13];
        let x = self.tensor([n, 3, 2, 8])?;
        let w = self.tensor([out, 1, 1, inputs])?;
        let [rows, weight] = [&x, &w].map(|t| Matrix::of(&t.there));
        let y = Array::new(gpu, [n, 1, 1, out], false)?;
        gpu.product(rows, weight.t(), Matrix::of(&y), false, math)?;
        let turned = transposed(&w.here, [out, inputs]);
        let want = product(&x.here, &turned, [n, inputs, out]);
        self.compare("linear, forward", &y, &want)?;
        // The bias comes on top, in place.
        let bias = self.floats(out, 0.0, 1.0)?;
        let shift = Affine {
            shift: bias.pointer(),
            ..Affine::NONE
        };
        let y = gpu.affine(y, shift, Act::default(), None)?;
        let biased = want.iter().zip(bias.here.iter().cycle());
        let biased: Vec<f64> = biased.map(|(a, b)| a + b).collect();
        self.compare("linear, bias", &y, &biased)?;

        let dy = self.tensor([n, 1, 1, out])?;
        let grad = Matrix::of(&dy.there);
        let dx = Array::new(gpu, x.there.shape(), self.low())?;
        gpu.product(grad, weight, Matrix::of(&dx), false, math)?;
        let want = product(&dy.here, &w.here, [n, out, inputs]);
        self.compare("linear, dx", &dx, &want)?;
        let dw = self.floats(out * inputs, 0.0, 1.0)?;
        let to = Matrix::new(dw.pointer(), [out, inputs], false);
        gpu.product(grad.t(), rows, to, true, math)?;
        let turned = transposed(&dy.here, [n, out]);
        let want = dw.plus(&product(&turned, &x.here, [out, n, inputs]));
        self.compare_floats("linear, dw", &dw, &want)?;
        let db = self.floats(out, 0.0, 1.0)?;
        gpu.bias_gradient(&dy.there, db.pointer())?;
        let sums = product(&vec![1.0; n], &dy.here, [1, n, out]);
        self.compare_floats("linear, db", &db, &db.plus(&sums))
    }

    fn norm(&mut self, op: &str, c: usize, groups: usize, kind: u8) -> Result<()> {
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

    fn activation(&mut self, op: &str, c: usize, kind: u8) -> Result<()> {
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

    fn sigmoid(&mut self) -> Result<()> {
        let x = self.tensor([3, 5, 7, 3])?;
        let dy = self.tensor([3, 5, 7, 3])?;
        let y = self.gpu.sigmoid(&x.there)?;
        let want: Vec<f64> = x.here.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
        self.compare("sigmoid, forward", &y, &want)?;
        // The way back starts from what was written.
        let y_here = wide(&y.download()?);
        let dx = self.gpu.sigmoid_back(&y, &dy.there)?;
        let want = map2(&y_here, &dy.here, |y, dy| dy * y * (1.0 - y));
        self.compare("sigmoid, dx", &dx, &want)
    }

    fn multiply(&mut self) -> Result<()> {
        let shape = [3, 5, 7, 6];
        let [n, h, w, c] = shape;
        let a = self.tensor(shape)?;
        let dy = self.tensor(shape)?;
        for (spread, second, op) in [
            (0, shape, "product"),
            (1, [n, 1, 1, c], "product per channel"),
            (2, [n, h, w, 1], "product per pixel"),
        ] {
            let b = self.tensor(second)?;
            let place = |i: usize| match spread {
                0 => i,
                1 => i / (h * w * c) * c + i % c,
                _ => i / c,
            };
            let y: Vec<f64> = (0..a.here.len())
                .map(|i| a.here[i] * b.here[place(i)])
                .collect();
            let got = self.gpu.multiply(&a.there, &b.there, spread)?;
            self.compare(&format!("{op}, forward"), &got, &y)?;
            let mut db = vec![0.0; b.here.len()];
            for i in 0..a.here.len() {
                db[place(i)] += a.here[i] * dy.here[i];
            }
            let got = self
                .gpu
                .multiply_back(&a.there, &dy.there, second, spread)?;
            self.compare(&format!("{op}, second factor's gradient"), &got, &db)?;
        }
        Ok(())
    }

    fn sum(&mut self) -> Result<()> {
        let shape = [3, 5, 7, 6];
        let (a, b) = (self.tensor(shape)?, self.tensor(shape)?);
        let want = map2(&a.here, &b.here, |a, b| a + b);
        let add = |x| {
            self.gpu
                .affine(x, Affine::NONE, Act::default(), Some(&b.there))
        };
        let got = add(a.there.clone())?;
        self.compare("sum", &got, &want)?;
        let mut there = a.there;
        self.gpu.accumulate(&mut there, &b.there)?;
        self.compare("sum in place", &there, &want)
    }

    fn pooling(&mut self) -> Result<()> {
        let gpu = self.gpu;
        let shape = [3, 5, 7, 6];
        let [n, h, w, c] = shape;
        let (hw, x) = (h * w, self.tensor(shape)?);
        let len = x.here.len();
        let channel = |i: usize| i / (hw * c) * c + i % c;
        let dy = self.tensor([n, 1, 1, c])?;
        for (op, factor) in [
            ("sum over pixels", 1.0),
            ("mean over pixels", 1.0 / hw as f32),
        ] {
            let mut y = vec![0.0; n * c];
            (0..len).for_each(|i| y[channel(i)] += x.here[i] * f64::from(factor));
            let got = gpu.sum_pixels(&x.there, factor)?;
            self.compare(&format!("{op}, forward"), &got, &y)?;
            let dx = (0..len).map(|i| dy.here[channel(i)] * f64::from(factor));
            let got = gpu.sum_pixels_back(&dy.there, shape, factor)?;
            self.compare(&format!("{op}, dx"), &got, &dx.collect::<Vec<_>>())?;
        }
        // Mean and maximum of parts: what a part is, and where its two results lie.
        for (op, over_channels, shape) in [
            ("mean and maximum over pixels", false, [n, 2, 1, c]),
            ("mean and maximum over channels", true, [n, h, w, 2]),
        ] {
            let dy = self.tensor(shape)?;
            let parts: Vec<(Vec<usize>, [usize; 2])> = match over_channels {
                true => (0..n * hw)
                    .map(|p| ((p * c..(p + 1) * c).collect(), [2 * p, 2 * p + 1]))
                    .collect(),
                false => (0..n * c)
                    .map(|p| {
                        let (image, channel) = (p / c, p % c);
                        let pixels = (0..hw).map(|q| (image * hw + q) * c + channel);
                        let mean = image * 2 * c + channel;
                        (pixels.collect(), [mean, mean + c])
                    })
                    .collect(),
            };
            let (mut y, mut dx) = (vec![0.0; dy.here.len()], vec![0.0; len]);
            for (part, [mean, most]) in parts {
                let count = part.len() as f64;
                let mut best = part[0];
                for &i in &part {
                    y[mean] += x.here[i] / count;
                    dx[i] += dy.here[mean] / count;
                    if x.here[i] > x.here[best] {
                        best = i;
                    }
                }
                y[most] = x.here[best];
                dx[best] += dy.here[most];
            }
            let got = gpu.mean_max(&x.there, over_channels)?;
            self.compare(&format!("{op}, forward"), &got, &y)?;
            let got = gpu.mean_max_back(&x.there, &dy.there, over_channels)?;
            self.compare(&format!("{op}, dx"), &got, &dx)?;
        }
        Ok(())
    }

    fn sgd(&mut self) -> Result<()> {
        let n = 1003;
        for nesterov in [false, true] {
            let [p, g, v] = [0; 3].map(|_| self.floats(n, 0.0, 1.0));
            let (p, g, v) = (p?, g?, v?);
            let norm = self.gpu.l2_norm(g.pointer(), n)?;
            let want = g.here.iter().map(|g| g * g).sum::<f64>().sqrt();
            self.row("L2 norm", &[norm as f32], &[want]);
            let copy = self.gpu.buffer(2 * n)?;
            let low = if self.low() { copy.pointer() } else { 0 };
            let constants = [0.1f32, 0.9, 5e-4, 0.5];
            let pointers = [p.pointer(), g.pointer(), v.pointer(), low];
            self.gpu.sgd(pointers, n, constants, nesterov)?;
            let [lr, momentum, decay, factor] = constants.map(f64::from);
            let d = map2(&p.here, &g.here, |p, g| g * factor + decay * p);
            let velocity = map2(&v.here, &d, |v, d| momentum * v + d);
            let step = match nesterov {
                true => map2(&d, &velocity, |d, v| d + momentum * v),
                false => velocity.clone(),
            };
            let params = map2(&p.here, &step, |p, step| p - lr * step);
            self.compare_floats("SGD, parameters", &p, &params)?;
            self.compare_floats("SGD, velocity", &v, &velocity)?;
            self.compare_floats("SGD, gradients are cleared", &g, &vec![0.0; n])?;
            if self.low() {
                let bits = copy.read::<u16>(0, n)?;
                let copy = bits.iter().map(|b| f32::from_bits(u32::from(*b) << 16));
                self.row("SGD, bfloat16 copy", &copy.collect::<Vec<_>>(), &params);
            }
        }
        Ok(())
    }
}
