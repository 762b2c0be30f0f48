//! Sub-center ArcFace (Deng et al., ECCV 2020, eq. 2): K centres per class, of which the
//! nearest speaks for the class.
//!
//! Cleaning, section 3.4 of the paper: after training, a class's dominant centre is the one that
//! most of its samples are nearest to; samples further from it than 75 degrees are dropped,
//! and a network is trained anew on what is left, with K = 1. [`super::cleaning`] is that step; a
//! suite's `keep` names the training that embeddings and class weights come from.

use super::angular::{Angular, EASY, MARGIN};
use super::cleaning::first_largest;
use super::cosine::cosines_of;
use super::margin::{Cosines, SCALE};
use super::rowwise::slice;
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset, entropy};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, Layout, Result as CandleResult, Shape, Tensor, WithDType,
};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};
use frbench_job::HeadSpec;
use rayon::prelude::*;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "subcenter-arcface",
        summary: "ArcFace with several centres per class",
        source: "Deng et al., Sub-center ArcFace, ECCV 2020, eq. 2",
        params: &[
            SCALE,
            MARGIN,
            EASY,
            Param {
                name: "k",
                kind: Kind::Int { min: 1, max: 64 },
                required: true,
                doc: "centres per class; 3 in the paper",
            },
        ],
    },
    proof: Proof::Recomputed,
    presets: &[Preset {
        name: "paper",
        source: "Deng et al., ECCV 2020",
        params: r#"{"s": 64, "m": 0.5, "k": 3}"#,
    }],
    build,
};

struct SubCenter {
    scale: f64,
    margin: Angular,
    centres: usize,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(SubCenter {
        scale: args.f64("s")?,
        margin: Angular::new(args.f64("m")?, args.bool_or("easy_margin", false)?),
        centres: args.usize("k")?,
    }))
}

impl Head for SubCenter {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn rows_per_class(&self) -> usize {
        self.centres
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let all = cosines_of(input)?;
        let cosines = Cosines::new(nearest_centre(&all, self.centres)?, input.labels)?;
        let targets = cosines.targets(self.scale, |c| self.margin.at(c));
        cosines.plain_softmax(targets, self.scale)
    }
}

/// `[B, C K]` to `[B, C]`: the largest of each class's `K`, which lie side by side.
fn nearest_centre(all: &Tensor, k: usize) -> Result<Tensor> {
    let (b, rows) = all.dims2()?;
    if !rows.is_multiple_of(k) {
        return Err(Error::Compute(format!(
            "{rows} rows of class weights are no multiple of {k} centres"
        )));
    }
    if k > 1 && entropy::fused(all) {
        return Ok(all.contiguous()?.apply_op1(Largest(k))?);
    }
    Ok(all.reshape((b, rows / k, k))?.max(D::Minus1)?)
}

/// The largest of each `K` consecutive numbers. The first of equals gets the gradient.
struct Largest(usize);

impl Largest {
    fn forward<T: WithDType>(&self, all: &[T]) -> Vec<T> {
        let groups = all.par_chunks_exact(self.0).with_min_len(4096);
        groups.map(|group| group[first_largest(group)]).collect()
    }

    fn backward<T: WithDType>(&self, all: &[T], grad: &[T]) -> Vec<T> {
        let mut out = vec![T::zero(); all.len()];
        out.par_chunks_exact_mut(self.0)
            .with_min_len(4096)
            .zip(all.par_chunks_exact(self.0))
            .zip(grad)
            .for_each(|((out, group), &g)| out[first_largest(group)] = g);
        out
    }
}

impl CustomOp1 for Largest {
    fn name(&self) -> &'static str {
        "nearest-centre"
    }

    fn cpu_fwd(&self, all: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let (b, rows) = layout.shape().dims2()?;
        let out = match all {
            CpuStorage::F32(_) => CpuStorage::F32(self.forward::<f32>(slice(all, layout)?)),
            _ => CpuStorage::F64(self.forward::<f64>(slice(all, layout)?)),
        };
        Ok((out, Shape::from((b, rows / self.0))))
    }

    fn bwd(&self, all: &Tensor, _out: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        let backward = Backward(self);
        let grad = all
            .detach()
            .apply_op2_no_bwd(&grad.contiguous()?, &backward)?;
        Ok(Some(grad))
    }
}

struct Backward<'a>(&'a Largest);

impl CustomOp2 for Backward<'_> {
    fn name(&self) -> &'static str {
        "nearest-centre-gradient"
    }

    fn cpu_fwd(
        &self,
        all: &CpuStorage,
        layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        let out = match all {
            CpuStorage::F32(_) => CpuStorage::F32(
                self.0
                    .backward::<f32>(slice(all, layout)?, slice(grad, grad_layout)?),
            ),
            _ => CpuStorage::F64(
                self.0
                    .backward::<f64>(slice(all, layout)?, slice(grad, grad_layout)?),
            ),
        };
        Ok((out, layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn the_first_of_the_nearest_centres_gets_the_gradient() {
        let all = [
            [0.1f64, 0.4, 0.2, 0.2, -0.5, -0.1],
            [0.3, 0.3, 0.0, 0.1, 0.9, 0.8],
        ];
        let all = Var::new(&all, &Device::Cpu).unwrap();
        let out = nearest_centre(&all, 2).unwrap();
        assert_eq!(
            out.to_vec2::<f64>().unwrap(),
            [[0.4, 0.2, -0.1], [0.3, 0.1, 0.9]]
        );
        let weights = Tensor::new(&[[1.0f64, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
        let grads = (out * weights)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        assert_eq!(
            grads.get(&all).unwrap().to_vec2::<f64>().unwrap(),
            [
                [0.0, 1.0, 2.0, 0.0, 0.0, 3.0],
                [4.0, 0.0, 0.0, 5.0, 6.0, 0.0]
            ]
        );
    }
}
