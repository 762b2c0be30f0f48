//! Cleaning a training set by a network that was trained on it (Deng et al., Sub-center ArcFace,
//! ECCV 2020, section 3.4): samples far from the dominant centre of their class are dropped.

use super::cosine::cosines;
use super::entropy;
use candle_core::{DType, Tensor};
use frbench_base::{Error, Result};

/// The place of the largest number; of the first of equals.
pub(super) fn first_largest<T: PartialOrd>(group: &[T]) -> usize {
    let mut best = 0;
    for i in 1..group.len() {
        if group[i] > group[best] {
            best = i;
        }
    }
    best
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
        votes[label as usize * k + first_largest(own)] += 1;
    }
    let dominant: Vec<usize> = votes.chunks_exact(k).map(first_largest).collect();
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
    use candle_core::Device;

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
        // Class 0: samples 0 and 3 are nearest to the centre at 0, samples 1, 2 and 7 to that at
        // 120. By 3 votes to 2 the latter is dominant.
        let kept_at = |degrees| kept(&embeddings, &weight, &labels, 2, degrees).unwrap();
        assert_eq!(kept_at(75.0), [1, 2, 4, 5, 7]);
        assert_eq!(kept_at(45.0), [2, 4, 5, 7]);
        assert_eq!(kept_at(180.0), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
