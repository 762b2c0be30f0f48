//! Sub-center ArcFace (Deng et al., ECCV 2020, eq. 2): K centres per class, of which the
//! nearest speaks for the class.
//!
//! Cleaning, section 3.4 of the paper: after training, a class's dominant centre is the one that
//! most of its samples are nearest to; samples further from it than 75 degrees are dropped,
//! and a network is trained anew on what is left, with K = 1. [`kept`] is that step, from
//! embeddings and class weights; a suite's `keep` names the training that they come from.

use super::angular::{Angular, EASY, MARGIN};
use super::cosine::{cosines, cosines_of};
use super::margin::{Cosines, SCALE};
use super::rowwise::slice;
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset, entropy};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, DType, Layout, Result as CandleResult, Shape, Tensor,
    WithDType,
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
    fn at<T: WithDType>(group: &[T]) -> usize {
        let mut best = 0;
        for i in 1..group.len() {
            if group[i] > group[best] {
                best = i;
            }
        }
        best
    }

    fn forward<T: WithDType>(&self, all: &[T]) -> Vec<T> {
        let groups = all.par_chunks_exact(self.0).with_min_len(4096);
        groups.map(|group| group[Self::at(group)]).collect()
    }

    fn backward<T: WithDType>(&self, all: &[T], grad: &[T]) -> Vec<T> {
        let mut out = vec![T::zero(); all.len()];
        out.par_chunks_exact_mut(self.0)
            .with_min_len(4096)
            .zip(all.par_chunks_exact(self.0))
            .zip(grad)
            .for_each(|((out, group), &g)| out[Self::at(group)] = g);
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

/// The samples to keep, in order: those within `degrees` of the dominant centre of their class.
///
/// `embeddings` `[N, D]` of the training set by the trained network, `weight` `[C K, D]` of
/// its head with `k` centres per class, `labels` `[N]`. Of centres that are nearest to equally
/// many samples the first is dominant.
///
/// # Errors
/// [`Error::Data`] for a label that is no class, [`Error::Compute`] for shapes that do not fit.
pub fn kept(
    embeddings: &Tensor,
    weight: &Tensor,
    labels: &[u32],
    k: usize,
    degrees: f64,
) -> Result<Vec<u32>> {
    let (rows, _) = weight.dims2()?;
    if k == 0 || !rows.is_multiple_of(k) {
        return Err(Error::Compute(format!(
            "{rows} rows of class weights are no multiple of {k} centres"
        )));
    }
    let (samples, _) = embeddings.dims2()?;
    if samples == 0 {
        return Ok(Vec::new());
    }
    entropy::positions(labels, (samples, rows / k))?;
    // In blocks, for all cosines of a training set at once may not fit.
    const BLOCK: usize = 1024;
    let mut own: Vec<f64> = Vec::with_capacity(samples * k);
    for first in (0..samples).step_by(BLOCK) {
        let block = embeddings.narrow(0, first, BLOCK.min(samples - first))?;
        let block = cosines(&block, weight)?
            .to_dtype(DType::F64)?
            .to_vec2::<f64>()?;
        for (row, &label) in block.iter().zip(&labels[first..]) {
            let at = label as usize * k;
            own.extend_from_slice(&row[at..at + k]);
        }
    }
    let mut votes = vec![0u32; rows];
    for (own, &label) in own.chunks_exact(k).zip(labels) {
        votes[label as usize * k + Largest::at(own)] += 1;
    }
    let dominant: Vec<usize> = votes.chunks_exact(k).map(Largest::at).collect();
    let nearest = libm::cos(degrees.to_radians());
    let near = own.chunks_exact(k).zip(labels).enumerate();
    Ok(near
        .filter(|(_, (own, label))| own[dominant[**label as usize]] >= nearest)
        .map(|(i, _)| i as u32)
        .collect())
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

    /// One class with a clean and a noisy centre, one class of a single direction.
    #[test]
    fn samples_far_from_the_dominant_centre_are_dropped() {
        let at = |degrees: f64| {
            let angle = degrees.to_radians();
            [angle.cos() as f32, angle.sin() as f32]
        };
        let embeddings: [[f32; 2]; 8] = [5.0, 70.0, 110.0, 3.0, 200.0, 178.0, 90.0, 92.0].map(at);
        let labels = [0, 0, 0, 0, 1, 1, 1, 0];
        let embeddings = Tensor::new(&embeddings, &Device::Cpu).unwrap();
        let weight =
            Tensor::new(&[at(0.0), at(120.0), at(180.0), at(270.0)], &Device::Cpu).unwrap();
        // Class 0: samples 0, 3 and - as 70 is nearer to 120 than to 0 - one more, two more at
        // 120: the votes are 2 to 3, and the centre at 120 is dominant.
        let kept_at = |degrees| kept(&embeddings, &weight, &labels, 2, degrees).unwrap();
        assert_eq!(kept_at(75.0), [1, 2, 4, 5, 7]);
        assert_eq!(kept_at(45.0), [2, 4, 5, 7]);
        assert_eq!(kept_at(180.0), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
