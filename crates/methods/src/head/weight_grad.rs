//! The gradient of class weights, added up outside of candle.

use frbench_engine::device::Classes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a head leaves the gradient of class weights. By itself candle would zero a matrix as
/// large as the weights, copy it and add to it, in fresh memory and in every step.
///
/// A head that knows how ([`cosines_of`](super::cosine::cosines_of)) leaves it here and none
/// in candle's gradients; the whole gradient is the sum of the two.
///
/// Class weights that lie on a GPU are used and learn there; the tensor of weights that the head
/// is given beside them has no more than their shape.
#[derive(Clone, Default)]
pub struct WeightGrad {
    sum: Arc<Mutex<Sum>>,
    device: Option<Arc<Mutex<Box<dyn Classes>>>>,
}

#[derive(Default)]
struct Sum {
    grad: Vec<f32>,
    /// Whether `grad` holds anything; else it is to be written over.
    some: bool,
}

impl WeightGrad {
    /// For class weights on a GPU.
    pub fn on_device(classes: Box<dyn Classes>) -> WeightGrad {
        WeightGrad {
            sum: Arc::default(),
            device: Some(Arc::new(Mutex::new(classes))),
        }
    }

    /// The class weights, if they lie on a GPU.
    pub fn device(&self) -> Option<MutexGuard<'_, Box<dyn Classes>>> {
        let device = self.device.as_ref()?;
        Some(device.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `f` with the `len` numbers, and whether there is a gradient to be added to; else
    /// they are to be written over.
    pub(super) fn gather(&self, len: usize, f: impl FnOnce(&mut [f32], bool)) {
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        let some = sum.some && sum.grad.len() == len;
        sum.grad.resize(len, 0.0);
        f(&mut sum.grad, some);
        sum.some = true;
    }

    /// Gives `f` the gradient, if there is one, and forgets it.
    pub fn take<R>(&self, f: impl FnOnce(&mut [f32]) -> R) -> Option<R> {
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut sum.some) {
            return None;
        }
        Some(f(&mut sum.grad))
    }

    /// Adds what came another way.
    pub fn add(&self, grad: &[f32]) {
        self.gather(grad.len(), |sum, some| {
            if some {
                frbench_engine::ops::act::add_into(sum, grad);
            } else {
                sum.copy_from_slice(grad);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_add_up_until_they_are_taken() {
        let sum = WeightGrad::default();
        assert!(sum.take(|_| ()).is_none());
        sum.add(&[1.0, 2.0]);
        sum.add(&[0.5, 0.5]);
        assert_eq!(sum.take(|g| g.to_vec()), Some(vec![1.5, 2.5]));
        assert!(sum.take(|_| ()).is_none());
        sum.gather(2, |g, some| {
            assert!(!some);
            g.fill(3.0);
        });
        assert_eq!(sum.take(|g| g.to_vec()), Some(vec![3.0, 3.0]));
    }
}
