//! Stochastic gradient descent as `torch.optim.SGD` defines it, over a flat store.

use super::ops::simd::simd;
use crate::settings::OptimizerSpec;
use crate::team::OneByOne;
use frbench_base::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;

const BLOCK: usize = 64 * 1024;

/// The optimiser of one store. Its velocity is state to save and restore.
#[derive(Clone, Debug)]
pub struct Sgd {
    spec: OptimizerSpec,
    velocity: Vec<f32>,
    /// Values without weight decay, ascending and apart.
    spared: Vec<Range<usize>>,
}

impl Sgd {
    /// For a store of `len` values, all of which are decayed. [`super::Network::sgd`] makes one
    /// for a network, which knows its batch norms.
    pub fn new(spec: &OptimizerSpec, len: usize) -> Self {
        Sgd {
            spec: spec.clone(),
            velocity: vec![0.0; len],
            spared: Vec::new(),
        }
    }

    /// The same without weight decay on `values`, which are ascending and apart.
    pub(crate) fn sparing(mut self, values: Vec<Range<usize>>) -> Self {
        self.spared = values;
        self
    }

    /// For each value of the store 1, or 0 where there is no weight decay; none where there is
    /// on all.
    #[cfg(feature = "cuda")]
    pub(crate) fn decayed(&self) -> Option<Vec<f32>> {
        if self.spared.is_empty() {
            return None;
        }
        let mut share = vec![1.0; self.velocity.len()];
        for range in &self.spared {
            share[range.clone()].fill(0.0);
        }
        Some(share)
    }

    #[cfg(feature = "cuda")]
    pub(crate) fn spec(&self) -> &OptimizerSpec {
        &self.spec
    }

    /// What gradients of L2 norm `norm` are multiplied with, as `clip_grad_norm_` does.
    pub(crate) fn clip_factor(&self, norm: Option<f64>) -> f64 {
        match (self.spec.clip, norm) {
            (Some(clip), Some(norm)) => (clip / (norm + 1e-6)).min(1.0),
            _ => 1.0,
        }
    }

    pub fn velocity(&self) -> &[f32] {
        &self.velocity
    }

    /// # Errors
    /// [`Error::Data`] if the length is not that of the store.
    pub fn restore(&mut self, velocity: &[f32]) -> Result<()> {
        if velocity.len() != self.velocity.len() {
            return Err(Error::Data(format!(
                "the optimiser's velocity has {} values, want {}",
                velocity.len(),
                self.velocity.len()
            )));
        }
        self.velocity.copy_from_slice(velocity);
        Ok(())
    }

    /// One update at learning rate `lr`; clears the gradients. Gives their L2 norm before
    /// clipping, if the optimiser clips.
    ///
    /// # Panics
    /// If the slices are not as long as the store this optimiser was made for.
    pub fn step(&mut self, values: &mut [f32], grads: &mut [f32], lr: f64) -> Option<f64> {
        assert!(values.len() == self.velocity.len() && grads.len() == values.len());
        let norm = self.spec.clip.map(|_| l2_norm(grads));
        let factor = self.clip_factor(norm);
        let (mu, decay) = (self.spec.momentum as f32, self.spec.weight_decay as f32);
        let constants = [lr as f32, mu, decay, factor as f32];
        let nesterov = self.spec.nesterov;
        values
            .par_chunks_mut(BLOCK)
            .zip(grads.par_chunks_mut(BLOCK))
            .zip(self.velocity.par_chunks_mut(BLOCK))
            .enumerate()
            .one_by_one()
            .for_each(|(block, ((p, g), v))| {
                for (part, decayed) in parts(&self.spared, block * BLOCK, p.len()) {
                    let mut constants = constants;
                    if !decayed {
                        constants[2] = 0.0;
                    }
                    let (p, g) = (&mut p[part.clone()], &mut g[part.clone()]);
                    update(p, g, &mut v[part], constants, nesterov);
                }
            });
        norm
    }
}

/// The `len` values from `start` on in parts, counted from `start`, and whether each is decayed.
fn parts(
    spared: &[Range<usize>],
    start: usize,
    len: usize,
) -> impl Iterator<Item = (Range<usize>, bool)> {
    let first = spared.partition_point(|r| r.end <= start);
    let within = move |at: usize| at.clamp(start, start + len) - start;
    let mut from = 0;
    let here = spared[first..]
        .iter()
        .take_while(move |r| r.start < start + len);
    let ends = here
        .map(move |r| within(r.start)..within(r.end))
        .chain(std::iter::once(len..len));
    ends.flat_map(move |r| {
        let before = from..r.start;
        from = r.end;
        [(before, true), (r, false)]
    })
    .filter(|(part, _)| !part.is_empty())
}

simd! {
    fn update(p: &mut [f32], g: &mut [f32], v: &mut [f32], constants: [f32; 4], nesterov: bool) {
        let _ = FMA;
        let [lr, mu, decay, factor] = constants;
        for ((p, g), v) in p.iter_mut().zip(g).zip(v) {
            let d = *g * factor + decay * *p;
            *v = mu * *v + d;
            *p -= lr * if nesterov { d + mu * *v } else { *v };
            *g = 0.0;
        }
    }
}

/// L2 norm, in 64 bits and a fixed order.
pub fn l2_norm(values: &[f32]) -> f64 {
    let partial: Vec<f64> = values
        .par_chunks(BLOCK)
        .one_by_one()
        .map(|block| block.iter().map(|&g| f64::from(g) * f64::from(g)).sum());
    partial.iter().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(nesterov: bool, clip: Option<f64>) -> OptimizerSpec {
        OptimizerSpec {
            momentum: 0.9,
            nesterov,
            weight_decay: 0.1,
            clip,
            spare_norms: false,
        }
    }

    fn run(spec: &OptimizerSpec) -> f32 {
        let mut sgd = Sgd::new(spec, 1);
        let mut p = [1.0];
        sgd.step(&mut p, &mut [0.5], 0.1);
        let mut g = [-0.25];
        sgd.step(&mut p, &mut g, 0.1);
        assert_eq!(g, [0.0]);
        p[0]
    }

    #[test]
    fn two_steps_by_hand() {
        // d1 = 0.5 + 0.1 = 0.6, v1 = 0.6, p1 = 0.94
        // d2 = -0.25 + 0.094 = -0.156, v2 = 0.384, p2 = 0.9016
        assert!((run(&spec(false, None)) - 0.9016).abs() < 1e-6);
        // p1 = 1 - 0.1 (0.6 + 0.54) = 0.886; d2 = -0.1614, v2 = 0.3786
        // p2 = 0.886 - 0.1 (-0.1614 + 0.34074) = 0.868066
        assert!((run(&spec(true, None)) - 0.868_066).abs() < 1e-6);
    }

    #[test]
    fn spared_values_move_as_if_there_were_no_decay() {
        let n = 2 * BLOCK + 100;
        // Inside a block, across the end of one, and to the end.
        let spared = [10..20, BLOCK - 5..BLOCK + 5, n - 1..n];
        let values: Vec<f32> = (0..n).map(|i| (i % 97) as f32 - 40.0).collect();
        let run = |spec: &OptimizerSpec, spared: &[Range<usize>]| {
            let mut sgd = Sgd::new(spec, n).sparing(spared.to_vec());
            let mut p = values.clone();
            for _ in 0..2 {
                sgd.step(&mut p, &mut vec![0.25; n], 0.1);
            }
            p
        };
        let decayed = spec(false, None);
        let free = OptimizerSpec {
            weight_decay: 0.0,
            ..decayed.clone()
        };
        let (all, none) = (run(&decayed, &[]), run(&free, &[]));
        let some = run(&decayed, &spared);
        for i in 0..n {
            let want = match spared.iter().any(|r| r.contains(&i)) {
                true => none[i],
                false => all[i],
            };
            assert_eq!(some[i], want, "value {i}");
        }
        assert_ne!(all[12], none[12]);
    }

    #[test]
    fn clipping_scales_the_whole_gradient() {
        let mut sgd = Sgd::new(&spec(false, Some(1.0)), 2);
        let mut p = [0.0, 0.0];
        let norm = sgd.step(&mut p, &mut [3.0, 4.0], 1.0).unwrap();
        assert!((norm - 5.0).abs() < 1e-9);
        assert!((p[0] + 0.6).abs() < 1e-6 && (p[1] + 0.8).abs() < 1e-6);
        assert!(sgd.restore(&[0.0]).is_err());
    }
}
