//! From cosines to logits in one pass, and back in one.

use super::margin::Margined;
use super::rowwise::slice;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

/// The logit of a class that is not the target, from the sample and the cosine.
pub(super) trait Negative: Fn(usize, f64) -> Margined + Send + Sync + 'static {}

impl<F: Fn(usize, f64) -> Margined + Send + Sync + 'static> Negative for F {}

/// `[B, C]` cosines and a `[B]` lift of the targets to `[B, C]` logits.
pub(super) struct Logits<N> {
    /// `[B]`.
    pub labels: Vec<u32>,
    /// `[B]`.
    pub targets: Vec<Margined>,
    pub negative: N,
}

impl<N: Negative> Logits<N> {
    fn forward<T: WithDType>(&self, cosines: &[T], lift: &[T]) -> Vec<T> {
        let classes = cosines.len() / self.labels.len();
        let mut out = vec![T::zero(); cosines.len()];
        out.par_chunks_mut(classes)
            .zip(cosines.par_chunks(classes))
            .enumerate()
            .for_each(|(i, (out, cosines))| {
                for (out, c) in out.iter_mut().zip(cosines) {
                    *out = T::from_f64((self.negative)(i, c.to_f64()).value);
                }
                let target = self.targets[i].value + lift[i].to_f64();
                out[self.labels[i] as usize] = T::from_f64(target);
            });
        out
    }

    fn backward<T: WithDType>(&self, cosines: &[T], grad: &[T]) -> Vec<T> {
        let classes = cosines.len() / self.labels.len();
        let mut out = vec![T::zero(); cosines.len()];
        out.par_chunks_mut(classes)
            .zip(cosines.par_chunks(classes))
            .zip(grad.par_chunks(classes))
            .enumerate()
            .for_each(|(i, ((out, cosines), grad))| {
                for ((out, c), g) in out.iter_mut().zip(cosines).zip(grad) {
                    let slope = (self.negative)(i, c.to_f64()).slope;
                    *out = T::from_f64(slope * g.to_f64());
                }
                let label = self.labels[i] as usize;
                out[label] = T::from_f64(self.targets[i].slope * grad[label].to_f64());
            });
        out
    }
}

impl<N: Negative> CustomOp2 for Logits<N> {
    fn name(&self) -> &'static str {
        "margin-logits"
    }

    fn cpu_fwd(
        &self,
        cosines: &CpuStorage,
        layout: &Layout,
        lift: &CpuStorage,
        lift_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let out = match cosines {
            CpuStorage::F32(_) => CpuStorage::F32(
                self.forward::<f32>(slice(cosines, layout)?, slice(lift, lift_layout)?),
            ),
            _ => CpuStorage::F64(
                self.forward::<f64>(slice(cosines, layout)?, slice(lift, lift_layout)?),
            ),
        };
        Ok((out, layout.shape().clone()))
    }

    fn bwd(
        &self,
        cosines: &Tensor,
        _lift: &Tensor,
        _logits: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, classes) = cosines.dims2()?;
        let grad = grad.contiguous()?;
        let targets = self.labels.iter().enumerate();
        let targets: Vec<i64> = targets
            .map(|(i, &label)| (i * classes) as i64 + i64::from(label))
            .collect();
        let targets = Tensor::from_vec(targets, self.labels.len(), cosines.device())?;
        let lift = grad.flatten_all()?.index_select(&targets, 0)?;
        let cosines = cosines.detach().apply_op2_no_bwd(&grad, &Backward(self))?;
        Ok((Some(cosines), Some(lift)))
    }
}

/// The gradient with respect to the cosines, from the cosines and that of the logits.
struct Backward<'a, N>(&'a Logits<N>);

impl<N: Negative> CustomOp2 for Backward<'_, N> {
    fn name(&self) -> &'static str {
        "margin-logits-gradient"
    }

    fn cpu_fwd(
        &self,
        cosines: &CpuStorage,
        layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let out = match cosines {
            CpuStorage::F32(_) => CpuStorage::F32(
                self.0
                    .backward::<f32>(slice(cosines, layout)?, slice(grad, grad_layout)?),
            ),
            _ => CpuStorage::F64(
                self.0
                    .backward::<f64>(slice(cosines, layout)?, slice(grad, grad_layout)?),
            ),
        };
        Ok((out, layout.shape().clone()))
    }
}
