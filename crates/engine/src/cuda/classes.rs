//! Class weights on a GPU: the largest matrix of a training on many classes, which stays there
//! with its gradient and its velocity.
//!
//! What a head makes of the products is its own affair, on the host; `head::class_products` has
//! the equations. Where all classes but the target have the scaled product for a logit, the
//! softmax is taken here and the products need not leave.

use super::gemm::{Math, Matrix};
use super::gpu::Gpu;
use super::memory::Buffer;
use crate::device;
use crate::settings::Precision;
use crate::sgd::Sgd;
use frbench_base::{Error, Result};
use std::sync::Arc;

/// `[classes, d]` weights.
#[derive(Debug)]
pub(super) struct Classes {
    gpu: Arc<Gpu>,
    classes: usize,
    d: usize,
    math: Math,
    weight: Buffer,
    velocity: Buffer,
    grad: Buffer,
    /// Whether `grad` holds anything; else it is to be written over.
    some: bool,
}

/// What a forward pass leaves for its way back. On the GPU.
#[derive(Debug)]
pub struct Products {
    batch: usize,
    /// Rows of the batch, divided by their norms for cosines, `[B, d]`.
    units: Buffer,
    /// What `row_norms` in `classes.cu` says of the batch and of the classes.
    norms: Option<[Buffer; 4]>,
    /// `[B, classes]`.
    scores: Buffer,
}

/// A cross-entropy over the products: the logit of a class is `scale` times its product, that
/// of the label is as given.
#[derive(Debug)]
pub struct Softmax {
    scale: f32,
    labels: Buffer,
    target: Buffer,
    slope: Buffer,
    /// Of the logits.
    largest: Buffer,
    sums: Buffer,
}

impl Classes {
    /// `weight` is `[classes, d]`.
    pub fn new(gpu: &Arc<Gpu>, weight: &[f32], d: usize, precision: Precision) -> Result<Classes> {
        counted("class weights", weight.len())?;
        let mut velocity = gpu.buffer(size_of_val(weight))?;
        velocity.clear()?;
        Ok(Classes {
            gpu: Arc::clone(gpu),
            classes: weight.len() / d,
            d,
            math: precision.into(),
            weight: gpu.upload(weight)?,
            velocity,
            grad: gpu.buffer(size_of_val(weight))?,
            some: false,
        })
    }

    fn len(&self) -> usize {
        self.classes * self.d
    }

    fn norms(&self, rows: &Buffer, count: usize) -> Result<[Buffer; 2]> {
        let out = [self.gpu.buffer(count * 4)?, self.gpu.buffer(count * 4)?];
        self.gpu.row_norms(rows, &out, [count, self.d])?;
        Ok(out)
    }

    fn labels(&self, products: &Products, labels: &[u32]) -> Result<Buffer> {
        let known = labels.iter().all(|l| (*l as usize) < self.classes);
        if !known || labels.len() != products.batch {
            return Err(Error::Bug("labels that do not fit class products".into()));
        }
        self.gpu.upload(labels)
    }

    fn back(&mut self, products: &Products, g: &Buffer) -> Result<Vec<f32>> {
        let gpu = Arc::clone(&self.gpu);
        let (batch, d) = (products.batch, self.d);
        let sizes = [batch, self.classes];
        let dx = gpu.buffer(batch * d * 4)?;
        let (scaled, along) = match &products.norms {
            None => (None, None),
            Some([_, _, w, _]) => {
                let along = [gpu.buffer(batch * 4)?, gpu.buffer(self.classes * 4)?];
                gpu.row_dots(g, &products.scores, &along[0], sizes)?;
                gpu.column_dots(g, &products.scores, &along[1], sizes)?;
                let scaled = gpu.buffer(batch * self.classes * 4)?;
                gpu.scale_columns(g, w, &scaled, sizes)?;
                (Some(scaled), Some(along))
            }
        };
        let s = matrix(scaled.as_ref().unwrap_or(g), sizes);
        let units = matrix(&products.units, [batch, d]);
        let dw = matrix(&self.grad, [self.classes, d]);
        gpu.product(s.t(), units, dw, self.some, self.math)?;
        self.some = true;
        gpu.product(s, self.matrix(), matrix(&dx, [batch, d]), false, self.math)?;
        if let (Some([x, x_free, w, w_free]), Some([rows, columns])) = (&products.norms, &along) {
            gpu.scale_rows(&dx, x, [batch, d])?;
            let radial = [&products.units, rows, x_free];
            gpu.project_rows(&dx, radial, None, [batch, d])?;
            let radial = [&self.weight, columns, w];
            gpu.project_rows(&self.grad, radial, Some(w_free), [self.classes, d])?;
        }
        dx.read(0, batch * d)
    }

    fn matrix(&self) -> Matrix {
        matrix(&self.weight, [self.classes, self.d])
    }
}

impl device::Classes for Classes {
    fn pull(&self) -> Result<[Vec<f32>; 2]> {
        let n = self.len();
        Ok([self.weight.read(0, n)?, self.velocity.read(0, n)?])
    }

    fn push(&mut self, weight: &[f32], velocity: &[f32]) -> Result<()> {
        self.weight.write(0, weight)?;
        self.velocity.write(0, velocity)
    }

    fn forward(&self, x: &[f32], cosines: bool) -> Result<Products> {
        let batch = x.len() / self.d;
        counted("products of a batch with all classes", batch * self.classes)?;
        let units = self.gpu.upload(x)?;
        let mut norms = None;
        if cosines {
            let [x, x_free] = self.norms(&units, batch)?;
            let [w, w_free] = self.norms(&self.weight, self.classes)?;
            self.gpu.scale_rows(&units, &x, [batch, self.d])?;
            norms = Some([x, x_free, w, w_free]);
        }
        let scores = self.gpu.buffer(batch * self.classes * 4)?;
        let to = matrix(&scores, [batch, self.classes]);
        let (units_m, weight) = (matrix(&units, [batch, self.d]), self.matrix());
        self.gpu
            .product(units_m, weight.t(), to, false, self.math)?;
        if let Some([_, _, w, _]) = &norms {
            let sizes = [batch, self.classes];
            self.gpu.scale_columns(&scores, w, &scores, sizes)?;
        }
        Ok(Products {
            batch,
            units,
            norms,
            scores,
        })
    }

    fn products(&self, products: &Products) -> Result<Vec<f32>> {
        products.scores.read(0, products.batch * self.classes)
    }

    fn targets(&self, products: &Products, labels: &[u32]) -> Result<Vec<f32>> {
        let labels = self.labels(products, labels)?;
        let out = self.gpu.buffer(products.batch * 4)?;
        let sizes = [products.batch, self.classes];
        self.gpu.pick([&products.scores, &labels, &out], sizes)?;
        out.read(0, products.batch)
    }

    fn softmax(
        &self,
        products: &Products,
        labels: &[u32],
        [target, slope]: [&[f32]; 2],
        scale: f32,
    ) -> Result<(f64, Softmax)> {
        let gpu = &self.gpu;
        let batch = products.batch;
        let softmax = Softmax {
            scale,
            labels: self.labels(products, labels)?,
            target: gpu.upload(target)?,
            slope: gpu.upload(slope)?,
            largest: gpu.buffer(batch * 4)?,
            sums: gpu.buffer(batch * 8)?,
        };
        let losses = gpu.buffer(batch * 8)?;
        gpu.softmax_loss(
            [&products.scores, &softmax.labels, &softmax.target],
            scale,
            [&losses, &softmax.largest, &softmax.sums],
            [batch, self.classes],
        )?;
        let losses = losses.read::<f64>(0, batch)?;
        Ok((losses.iter().sum::<f64>() / batch as f64, softmax))
    }

    fn softmax_backward(
        &mut self,
        products: &Products,
        softmax: &Softmax,
        grad: f64,
    ) -> Result<Vec<f32>> {
        let sizes = [products.batch, self.classes];
        let g = self.gpu.buffer(products.batch * self.classes * 4)?;
        let s = softmax;
        self.gpu.softmax_back(
            [&products.scores, &s.labels, &s.target, &s.slope],
            [s.scale, (grad / products.batch as f64) as f32],
            [&s.largest, &s.sums],
            &g,
            sizes,
        )?;
        self.back(products, &g)
    }

    fn backward(&mut self, products: &Products, grad: &[f32]) -> Result<Vec<f32>> {
        let g = self.gpu.upload(grad)?;
        self.back(products, &g)
    }

    fn step(&mut self, sgd: &Sgd, lr: f64) -> Result<()> {
        if !std::mem::take(&mut self.some) {
            return Ok(());
        }
        let spec = sgd.spec();
        let constants = [lr, spec.momentum, spec.weight_decay, 1.0].map(|v| v as f32);
        let [weight, grad, velocity] =
            [&self.weight, &self.grad, &self.velocity].map(Buffer::pointer);
        let pointers = [weight, grad, velocity, 0, 0];
        self.gpu.sgd(pointers, self.len(), constants, spec.nesterov)
    }
}

/// Kernels count in 32 bits.
fn counted(what: &str, len: usize) -> Result<()> {
    if len < 1 << 31 {
        return Ok(());
    }
    Err(Error::Compute(format!(
        "the {what} are {len} numbers, more than a kernel counts; take a smaller batch, or fewer \
         classes"
    )))
}

fn matrix(buffer: &Buffer, sizes: [usize; 2]) -> Matrix {
    Matrix::new(buffer.pointer(), sizes, false)
}
