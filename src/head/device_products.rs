//! Cosines (or plain products) of a batch with class weights that lie on a GPU. The equations are
//! those of [`class_products`](super::class_products).

use super::WeightGrad;
use super::rowwise::slice;
use crate::nn::cuda::Products;
use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `[B, D]` embeddings to `[B, C]` cosines or products.
pub(super) struct DeviceProducts {
    cosines: bool,
    classes: WeightGrad,
    /// What the forward pass has left for the way back.
    left: Mutex<Option<Products>>,
}

impl DeviceProducts {
    pub fn new(cosines: bool, classes: WeightGrad) -> Self {
        DeviceProducts {
            cosines,
            classes,
            left: Mutex::new(None),
        }
    }

    fn left(&self) -> MutexGuard<'_, Option<Products>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CustomOp1 for DeviceProducts {
    fn name(&self) -> &'static str {
        "class-products-on-device"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, _) = layout.shape().dims2()?;
        let Some(classes) = self.classes.device() else {
            candle_core::bail!("class weights that are on no device");
        };
        let forward = classes.forward(slice::<f32>(x, layout)?, self.cosines);
        let (products, left) = forward.map_err(Error::wrap)?;
        *self.left() = Some(left);
        let shape = Shape::from((batch, products.len() / batch.max(1)));
        Ok((CpuStorage::F32(products), shape))
    }

    fn bwd(&self, x: &Tensor, _products: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.flatten_all()?.to_vec1::<f32>()?;
        let Some(mut classes) = self.classes.device() else {
            candle_core::bail!("class weights that are on no device");
        };
        let left = self.left();
        let Some(left) = left.as_ref() else {
            candle_core::bail!("class products go back before they have gone forward");
        };
        let dx = classes.backward(left, &grad).map_err(Error::wrap)?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
