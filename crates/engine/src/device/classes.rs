//! Products of a batch with class weights: the largest matrix of a training on many classes, which
//! stays on the GPU with its gradient and its velocity, and learns there.

use super::Device;
use crate::settings::Precision;
use crate::sgd::Sgd;
use frbench_base::Result;
use std::fmt::Debug;

pub use crate::cuda::{Products, Softmax};

impl Device {
    /// Copies class weights, `[classes, d]`, to the GPU, with a velocity of 0 and no gradient.
    /// Their products are in the arithmetic `precision`.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if they do not fit, or are more numbers
    /// than a kernel counts.
    pub fn classes(
        &self,
        weight: &[f32],
        d: usize,
        precision: Precision,
    ) -> Result<Option<Box<dyn Classes>>> {
        let classes = self.gpu().map(|gpu| gpu.classes(weight, d, precision));
        classes.transpose()
    }
}

/// Class weights, `[classes, d]`, on a GPU. [`Products`] are what a forward pass leaves there for
/// its way back, [`Softmax`] what a cross-entropy over them does; both are of the classes that
/// made them.
pub trait Classes: Debug + Send {
    /// The weights, and their velocity, `[classes, d]` each.
    fn pull(&self) -> Result<[Vec<f32>; 2]>;

    /// Takes over weights and velocity, `[classes, d]` each.
    fn push(&mut self, weight: &[f32], velocity: &[f32]) -> Result<()>;

    /// Products of a batch `x`, `[B, d]`, with all classes, or cosines.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if they do not fit, or are more numbers
    /// than a kernel counts.
    fn forward(&self, x: &[f32], cosines: bool) -> Result<Products>;

    /// The products in host memory, `[B, classes]`.
    fn products(&self, products: &Products) -> Result<Vec<f32>>;

    /// The product of each of the batch with its label, `[B]`.
    ///
    /// # Errors
    /// [`Error::Bug`](frbench_base::Error::Bug) for a label that is no class, or not one for each
    /// of the batch.
    fn targets(&self, products: &Products, labels: &[u32]) -> Result<Vec<f32>>;

    /// The mean cross-entropy over the products, in nats: the logit of a class is `scale` times
    /// its product, that of the label is `target`, `[B]`, and `slope`, `[B]`, its derivative with
    /// respect to the product.
    ///
    /// # Errors
    /// As [`Classes::targets`].
    fn softmax(
        &self,
        products: &Products,
        labels: &[u32],
        targets_and_slopes: [&[f32]; 2],
        scale: f32,
    ) -> Result<(f64, Softmax)>;

    /// From the gradient of that mean, the gradient of the batch, as [`Classes::backward`].
    fn softmax_backward(
        &mut self,
        products: &Products,
        softmax: &Softmax,
        grad: f64,
    ) -> Result<Vec<f32>>;

    /// From the gradient of the products, `[B, classes]`, that of the batch, `[B, d]`; that of
    /// the weights is added to what there is.
    fn backward(&mut self, products: &Products, grad: &[f32]) -> Result<Vec<f32>>;

    /// One optimiser step, where there is a gradient, which is then forgotten. Momentum and decay
    /// are those of `sgd`; the velocity is the one here.
    fn step(&mut self, sgd: &Sgd, lr: f64) -> Result<()>;
}
