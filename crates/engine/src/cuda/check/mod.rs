//! Every operation of a GPU by itself, on fresh random numbers and small odd shapes, against the
//! same in plain loops and 64 bits. Inputs are rounded to the precision at hand before either
//! side reads them, so that errors are those of the operation.

mod classes;
mod dense;
mod norms;
mod reference;
mod relations;
mod simple;
mod taps;

use super::array::Array;
use super::gemm::Math;
use super::gpu::Gpu;
use super::memory::Buffer;
use crate::device::OpError;
use crate::ops::act::{NONE, PRELU, RELU, RELU6};
use crate::ops::conv::Shape;
use crate::settings::Precision;
use crate::value::Value;
use frbench_base::rng::Stream;
use frbench_base::{Result, Size};
use std::sync::Arc;

/// What errors may be: of sums in 32 bits, of factors with 10 bits of fraction, of results with 7.
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
        self.precision.into()
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

    fn row(&mut self, op: &str, got: &[f32], want: &[f64], bound: f64) {
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
                bound,
                failed: None,
            }),
        }
    }

    fn compare(&mut self, op: &str, got: &Array, want: &[f64]) -> Result<()> {
        self.row(op, &got.download()?, want, bound(self.precision));
        Ok(())
    }

    /// Sums of our own, which are in 32 bits whatever they are of.
    fn compare_floats(&mut self, op: &str, got: &Floats, want: &[f64]) -> Result<()> {
        self.row(op, &got.read()?, want, bound(Precision::F32));
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

    /// Convolutions and products.
    fn dense(&mut self) {
        for (op, image, [ci, co], [kernel, stride, pad], groups) in [
            ("conv 3x3, stem", [11, 9], [3, 8], [3, 1, 1], 1),
            ("conv 3x3", [9, 7], [8, 16], [3, 1, 1], 1),
            ("conv 3x3 stride 2", [9, 7], [16, 8], [3, 2, 1], 1),
            ("conv 1x1", [5, 7], [24, 16], [1, 1, 0], 1),
            ("conv 1x1 stride 2", [9, 7], [16, 24], [1, 2, 0], 1),
            ("depthwise 3x3", [9, 7], [16, 16], [3, 1, 1], 16),
            ("depthwise 3x3", [9, 7], [5, 5], [3, 1, 1], 5),
            ("depthwise 3x3 stride 2", [9, 7], [16, 16], [3, 2, 1], 16),
            ("depthwise 7x7", [7, 7], [16, 16], [7, 1, 0], 16),
            // As large as a map that is not square, which 0 stands for.
            ("depthwise 7x6", [7, 6], [16, 16], [0, 1, 0], 16),
        ] {
            let [h, w] = image;
            let kernel = match kernel {
                0 => Size::from(image),
                side => side.into(),
            };
            let out = |side: usize, kernel: usize| (side + 2 * pad - kernel) / stride + 1;
            let (oh, ow) = (out(h, kernel.height), out(w, kernel.width));
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
        self.attempt("subsampling", Self::subsampling);
        self.attempt("SGD", Self::sgd);
        self.attempt("images of a set", Self::images);
        self.attempt("powers of a tap", Self::powers);
        self.attempt("distance of taps", Self::distance);
        // These are in 32 bits in every training.
        if !self.low() {
            self.attempt("rows", Self::rows);
            self.attempt("softmax", Self::softmax);
            self.attempt("relations", Self::relations);
            self.attempt("products of samples", Self::gram);
            self.attempt("angles", Self::angles);
        }
    }
}
