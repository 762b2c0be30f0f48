//! What losses relate a batch to, on a GPU: a bank of features, of which each sample is related to
//! many, or the batch itself. Features stay there, and only products leave.

use super::gpu::Gpu;
use super::memory::Buffer;
use crate::device;
use frbench_base::{Error, Result};
use std::sync::Arc;

/// Features, `[rows, d]`.
#[derive(Debug)]
pub(super) struct Bank {
    gpu: Arc<Gpu>,
    d: usize,
    features: Buffer,
}

/// Rows of a bank as they were when they were selected, `[B, K, d]`.
#[derive(Debug)]
pub(super) struct Selected {
    gpu: Arc<Gpu>,
    shape: [usize; 3],
    rows: Buffer,
}

impl Bank {
    /// `features` is `[rows, d]`.
    ///
    /// # Errors
    /// [`Error::Compute`] if the GPU has no room for them, as everywhere here.
    pub fn new(gpu: &Arc<Gpu>, features: &[f32], d: usize) -> Result<Bank> {
        Ok(Bank {
            gpu: Arc::clone(gpu),
            d,
            features: gpu.upload(features)?,
        })
    }
}

impl device::Bank for Bank {
    fn push(&mut self, features: &[f32]) -> Result<()> {
        self.features.write(0, features)
    }

    fn write(&mut self, which: &[u32], rows: &[f32]) -> Result<()> {
        let (there, rows) = (self.gpu.upload(which)?, self.gpu.upload(rows)?);
        let size = [which.len(), self.d];
        self.gpu.write_rows([&self.features, &there, &rows], size)
    }

    fn select(&self, index: &[u32], batch: usize, unit: bool) -> Result<Box<dyn device::Selected>> {
        if index.len() >= 1 << 31 {
            return Err(Error::Compute(format!(
                "a batch of {batch} is related to {} rows, more than a kernel counts; take a \
                 smaller batch",
                index.len()
            )));
        }
        let rows = self.gpu.buffer(index.len() * self.d * 4)?;
        let there = self.gpu.upload(index)?;
        let size = [index.len(), self.d];
        self.gpu
            .select_rows([&self.features, &there, &rows], size, unit)?;
        Ok(Box::new(Selected {
            gpu: Arc::clone(&self.gpu),
            shape: [batch, index.len() / batch.max(1), self.d],
            rows,
        }))
    }
}

impl device::Selected for Selected {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn dots(&self, x: &[f32]) -> Result<Vec<f32>> {
        let [b, k, _] = self.shape;
        let out = self.gpu.buffer(b * k * 4)?;
        let x = self.gpu.upload(x)?;
        self.gpu.relate([&x, &self.rows, &out], self.shape)?;
        out.read(0, b * k)
    }

    fn sums(&self, grad: &[f32]) -> Result<Vec<f32>> {
        let [b, _, d] = self.shape;
        let out = self.gpu.buffer(b * d * 4)?;
        let grad = self.gpu.upload(grad)?;
        self.gpu
            .relate_back([&grad, &self.rows, &out], self.shape)?;
        out.read(0, b * d)
    }
}

/// The features of a batch, `[B, d]`, in 64 bits.
#[derive(Debug)]
pub(super) struct Gram {
    gpu: Arc<Gpu>,
    size: [usize; 2],
    features: Buffer,
}

impl Gram {
    /// `features` is `[B, d]`.
    pub fn new(gpu: &Arc<Gpu>, features: &[f64], d: usize) -> Result<Gram> {
        Ok(Gram {
            gpu: Arc::clone(gpu),
            size: [features.len() / d.max(1), d],
            features: gpu.upload(features)?,
        })
    }
}

impl device::Gram for Gram {
    fn products(&self) -> Result<Vec<f64>> {
        let [b, _] = self.size;
        let out = self.gpu.buffer(b * b * 8)?;
        self.gpu.gram_products([&self.features, &out], self.size)?;
        out.read(0, b * b)
    }

    fn backward(&self, grad: &[f64]) -> Result<Vec<f64>> {
        let [b, d] = self.size;
        let out = self.gpu.buffer(b * d * 8)?;
        let grad = self.gpu.upload(grad)?;
        self.gpu
            .gram_back([&self.features, &grad, &out], self.size)?;
        out.read(0, b * d)
    }
}

/// What the angles between every three of `n` samples are compared by: of a student and of a
/// teacher, the products of every two samples and the inverses of their distances.
#[derive(Debug)]
pub(super) struct Angles {
    gpu: Arc<Gpu>,
    n: usize,
    networks: [Buffer; 4],
}

impl Angles {
    /// All of `networks` are `[n, n]`: the student's products and inverse distances, then the
    /// teacher's.
    pub fn new(gpu: &Arc<Gpu>, n: usize, [a, b, c, d]: [&[f64]; 4]) -> Result<Angles> {
        // Pairs of numbers for every two samples, counted in 32 bits.
        if 2 * n * n > 1 << 32 {
            return Err(Error::Compute(format!(
                "a batch of {n} has more angles than a kernel counts; take a smaller one"
            )));
        }
        Ok(Angles {
            gpu: Arc::clone(gpu),
            n,
            networks: [
                gpu.upload(a)?,
                gpu.upload(b)?,
                gpu.upload(c)?,
                gpu.upload(d)?,
            ],
        })
    }
}

impl device::Angles for Angles {
    fn gap(&self) -> Result<Vec<f64>> {
        let out = self.gpu.buffer(self.n * 8)?;
        self.gpu.angle_gap(&self.networks, &out, self.n)?;
        out.read(0, self.n)
    }

    fn gradient(&self) -> Result<[Vec<f64>; 2]> {
        let n = self.n;
        let products = self.gpu.buffer(n * n * 8)?;
        let sides = self.gpu.buffer(n * n * 16)?;
        self.gpu.angle_products(&self.networks, &products, n)?;
        self.gpu.angle_sides(&self.networks, &sides, n)?;
        Ok([products.read(0, n * n)?, sides.read(0, n * n * 2)?])
    }
}
