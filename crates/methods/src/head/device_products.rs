//! Cosines (or plain products) of a batch with class weights that lie on a GPU, and the softmax
//! over them. The equations are those of [`class_products`](super::class_products).

use super::margin::Margined;
use super::rowwise::slice;
use super::{HeadInput, WeightGrad};
use candle_core::{CpuStorage, CustomOp1, DType, Error, Layout, Result, Shape, Tensor};
use frbench_engine::device::{self, Classes, Products};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A batch's products with all classes, on the GPU.
#[derive(Clone)]
pub(super) struct OnDevice {
    /// The batch, `[B, D]`.
    x: Tensor,
    classes: WeightGrad,
    products: Arc<Products>,
}

impl OnDevice {
    /// Of a head's input; nothing where its class weights are in host memory.
    pub fn of(input: &HeadInput, cosines: bool) -> frbench_base::Result<Option<OnDevice>> {
        let Some(grad) = input.weight_grad else {
            return Ok(None);
        };
        let Some(classes) = grad.device() else {
            return Ok(None);
        };
        let x = input.embeddings.contiguous()?;
        let products = classes.forward(&x.flatten_all()?.to_vec1::<f32>()?, cosines)?;
        Ok(Some(OnDevice {
            x,
            classes: grad.clone(),
            products: Arc::new(products),
        }))
    }

    /// The products as a tensor, `[B, C]`, in host memory.
    pub fn matrix(&self) -> frbench_base::Result<Tensor> {
        Ok(self.x.apply_op1(Matrix(self.clone()))?)
    }

    /// Those with the labels, `[B]`.
    pub fn targets(&self, labels: &[u32]) -> frbench_base::Result<Vec<f64>> {
        let targets = self.classes()?.targets(&self.products, labels)?;
        Ok(targets.into_iter().map(f64::from).collect())
    }

    /// The mean cross-entropy where the label's logit is its target and that of all others
    /// `scale` times the product.
    pub fn softmax(
        &self,
        labels: &[u32],
        targets: &[Margined],
        scale: f64,
    ) -> frbench_base::Result<Tensor> {
        let op = Softmax {
            of: self.clone(),
            labels: labels.to_vec(),
            targets: targets.to_vec(),
            scale: scale as f32,
            left: Mutex::new(None),
        };
        Ok(self.x.apply_op1(op)?)
    }

    fn classes(&self) -> Result<MutexGuard<'_, Box<dyn Classes>>> {
        let missing = || Error::Msg("class weights that are on no device".into());
        self.classes.device().ok_or_else(missing)
    }
}

/// The way of products to the host, and that of their gradient back.
struct Matrix(OnDevice);

impl CustomOp1 for Matrix {
    fn name(&self) -> &'static str {
        "class-products-on-device"
    }

    fn cpu_fwd(&self, _: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, _) = layout.shape().dims2()?;
        let products = self.0.classes()?.products(&self.0.products);
        let products = products.map_err(Error::wrap)?;
        let shape = Shape::from((batch, products.len() / batch.max(1)));
        Ok((CpuStorage::F32(products), shape))
    }

    fn bwd(&self, x: &Tensor, _products: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.flatten_all()?.to_vec1::<f32>()?;
        let dx = self.0.classes()?.backward(&self.0.products, &grad);
        let dx = dx.map_err(Error::wrap)?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

/// A cross-entropy whose logits never leave the GPU.
struct Softmax {
    of: OnDevice,
    labels: Vec<u32>,
    targets: Vec<Margined>,
    scale: f32,
    /// What the forward pass has left for the way back.
    left: Mutex<Option<device::Softmax>>,
}

impl Softmax {
    fn left(&self) -> MutexGuard<'_, Option<device::Softmax>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "margin-softmax-on-device"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        slice::<f32>(x, layout)?;
        let of = |part: fn(&Margined) -> f64| -> Vec<f32> {
            self.targets.iter().map(|m| part(m) as f32).collect()
        };
        let (values, slopes) = (of(|m| m.value), of(|m| m.slope));
        let labels = [&values[..], &slopes];
        let classes = self.of.classes()?;
        let (loss, left) = classes
            .softmax(&self.of.products, &self.labels, labels, self.scale)
            .map_err(Error::wrap)?;
        *self.left() = Some(left);
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, _loss: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let left = self.left();
        let Some(left) = left.as_ref() else {
            candle_core::bail!("a softmax goes back before it has gone forward");
        };
        let mut classes = self.of.classes()?;
        let dx = classes.softmax_backward(&self.of.products, left, grad);
        let dx = dx.map_err(Error::wrap)?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
