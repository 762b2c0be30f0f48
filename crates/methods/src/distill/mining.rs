//! Informative mutual relation mining (CoupleFace, ECCV 2022): which other identities the
//! features of an identity are related to.

use super::relation::normalize;
use crate::head::rowwise::dot;
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_job::artefact::Matrix;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Accumulates prototypes sample by sample, so that a set of millions of embeddings can be
/// streamed: the prototype of an identity is the mean of its L2-normalised features.
pub struct Prototypes {
    sums: Vec<f64>,
    counts: Vec<u64>,
    dim: usize,
    scratch: Vec<f32>,
}

impl Prototypes {
    pub fn new(classes: usize, dim: usize) -> Self {
        Prototypes {
            sums: vec![0.0; classes * dim],
            counts: vec![0; classes],
            dim,
            scratch: vec![0.0; dim],
        }
    }

    /// Adds one sample's raw feature. The order of calls is the order of summation.
    pub fn add(&mut self, label: u32, feature: &[f32]) -> Result<()> {
        let class = label as usize;
        if class >= self.counts.len() {
            return Err(Error::Data(format!(
                "label {label} is outside the {} identities",
                self.counts.len()
            )));
        }
        if feature.len() != self.dim || feature.iter().any(|v| !v.is_finite()) {
            return Err(Error::Compute(format!(
                "a feature of identity {label} is not {} finite numbers",
                self.dim
            )));
        }
        self.scratch.copy_from_slice(feature);
        normalize(&mut self.scratch);
        let sums = &mut self.sums[class * self.dim..][..self.dim];
        for (sum, v) in sums.iter_mut().zip(&self.scratch) {
            *sum += f64::from(*v);
        }
        self.counts[class] += 1;
        Ok(())
    }

    /// `[classes, dim]`. Fails if an identity had no sample.
    pub fn finish(self) -> Result<Matrix<f32>> {
        if let Some(empty) = self.counts.iter().position(|&n| n == 0) {
            return Err(Error::Data(format!(
                "identity {empty} of {} has no image, so it has no prototype",
                self.counts.len()
            )));
        }
        let dim = self.dim.max(1);
        let data = self
            .sums
            .chunks(dim)
            .zip(&self.counts)
            .flat_map(|(sums, &n)| sums.iter().map(move |s| (s / n as f64) as f32))
            .collect();
        Ok(Matrix {
            rows: self.counts.len(),
            cols: self.dim,
            data,
        })
    }
}

/// The `k` most similar other identities of each, and those similarities.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    /// `[M, k]`, most similar first; of equal ones the lower index first.
    pub index: Matrix<u32>,
    /// `[M, k]`, cosines.
    pub similarity: Matrix<f32>,
}

/// Identities per block of the similarity matrix: rows that are one task, and columns that are
/// multiplied at once. Fixed, so that results do not depend on the number of threads.
const ROWS: usize = 128;
const COLUMNS: usize = 2048;

/// Candidates kept beyond `k` by their f32 similarity. They are scored again in f64, so that
/// rounding in the matrix product does not decide the order.
const SPARE: usize = 16;

/// Mines `k` neighbours of every row of `prototypes` `[M, D]` by cosine, itself excluded.
///
/// The `M x M` similarity matrix is made block by block and never held: 91k identities take
/// a few MB per thread beyond the prototypes.
pub fn neighbors(prototypes: &Matrix<f32>, k: usize) -> Result<Neighbors> {
    let (m, d) = (prototypes.rows, prototypes.cols);
    check_k(k, m)?;
    if d == 0 {
        return Err(Error::Compute("prototypes have no dimensions".into()));
    }
    let mut unit = prototypes.clone();
    if let Some(row) = (0..m).find(|&i| !dot(unit.row(i), unit.row(i)).is_finite()) {
        return Err(Error::Compute(format!(
            "the prototype of identity {row} is not finite"
        )));
    }
    unit.data.par_chunks_mut(d).for_each(normalize);

    let mut index = vec![0u32; m * k];
    let mut similarity = vec![0f32; m * k];
    index
        .par_chunks_mut(ROWS * k)
        .zip(similarity.par_chunks_mut(ROWS * k))
        .enumerate()
        .for_each(|(block, (index, similarity))| {
            let first = block * ROWS;
            let best = block_candidates(&unit, first, index.len() / k, k + SPARE);
            let rows = index.chunks_mut(k).zip(similarity.chunks_mut(k));
            for ((row, candidates), (index, similarity)) in (first..).zip(best).zip(rows) {
                let mut exact: Vec<(f64, u32)> = candidates
                    .into_iter()
                    .map(|j| (dot(unit.row(row), unit.row(j as usize)), j))
                    .collect();
                exact.sort_unstable_by(most_similar_first);
                for (at, (s, j)) in exact.into_iter().take(k).enumerate() {
                    index[at] = j;
                    similarity[at] = s as f32;
                }
            }
        });
    Ok(Neighbors {
        index: Matrix {
            rows: m,
            cols: k,
            data: index,
        },
        similarity: Matrix {
            rows: m,
            cols: k,
            data: similarity,
        },
    })
}

/// `k` other identities of each of `classes`, drawn at random without repetition: the ablation
/// of mining. Each identity has a stream of its own.
pub fn random_neighbors(classes: usize, k: usize, seed: u64) -> Result<Matrix<u32>> {
    check_k(k, classes)?;
    let others = classes as u64 - 1;
    let data = (0..classes as u64)
        .flat_map(|identity| {
            let mut stream = Stream::derive(seed, "random-neighbors", &[identity]);
            // Floyd's sampling: k draws, whatever the number of classes.
            let mut drawn = BTreeSet::new();
            let mut order = Vec::with_capacity(k);
            for last in others - k as u64..others {
                let draw = stream.below(last + 1);
                let pick = if drawn.insert(draw) { draw } else { last };
                drawn.insert(pick);
                order.push((pick + u64::from(pick >= identity)) as u32);
            }
            order
        })
        .collect();
    Ok(Matrix {
        rows: classes,
        cols: k,
        data,
    })
}

fn check_k(k: usize, classes: usize) -> Result<()> {
    if k == 0 {
        return Err(Error::Usage("k is 0: an identity needs a neighbour".into()));
    }
    if k >= classes {
        return Err(Error::Usage(format!(
            "k is {k}, but with {classes} identities each has only {} others; \
             state a smaller k or take a training set with more identities",
            classes.saturating_sub(1)
        )));
    }
    Ok(())
}

fn most_similar_first<T: PartialOrd>(a: &(T, u32), b: &(T, u32)) -> Ordering {
    b.0.partial_cmp(&a.0)
        .unwrap_or(Ordering::Equal)
        .then(a.1.cmp(&b.1))
}

/// For `count` rows from `first`, the `keep` most similar other rows by f32 cosine (all others
/// if they are fewer), in no particular order.
fn block_candidates(unit: &Matrix<f32>, first: usize, count: usize, keep: usize) -> Vec<Vec<u32>> {
    let (m, d) = (unit.rows, unit.cols);
    let mut product = vec![0f32; count * COLUMNS.min(m)];
    let mut best: Vec<Vec<(f32, u32)>> = vec![Vec::with_capacity(2 * keep); count];
    // The similarity below which a row's candidate cannot be among the best any more.
    let mut floor = vec![f32::NEG_INFINITY; count];
    for start in (0..m).step_by(COLUMNS) {
        let width = COLUMNS.min(m - start);
        let rows = &unit.data[first * d..(first + count) * d];
        let columns = &unit.data[start * d..(start + width) * d];
        multiply_transposed(rows, columns, d, &mut product[..count * width]);
        for (at, row) in product[..count * width].chunks(width).enumerate() {
            for (j, &s) in (start as u32..).zip(row) {
                if s >= floor[at] && j as usize != first + at {
                    best[at].push((s, j));
                    if best[at].len() == 2 * keep {
                        best[at].select_nth_unstable_by(keep - 1, most_similar_first);
                        best[at].truncate(keep);
                        floor[at] = best[at][keep - 1].0;
                    }
                }
            }
        }
    }
    for row in &mut best {
        row.sort_unstable_by(most_similar_first);
        row.truncate(keep);
    }
    best.into_iter()
        .map(|row| row.into_iter().map(|(_, j)| j).collect())
        .collect()
}

/// `out[i, j] = <a_i, b_j>` for rows of length `d`, on the calling thread.
fn multiply_transposed(a: &[f32], b: &[f32], d: usize, out: &mut [f32]) {
    let (m, n) = (a.len() / d, b.len() / d);
    assert_eq!(out.len(), m * n);
    let (d_stride, n_stride) = (d as isize, n as isize);
    // SAFETY: `a` is m x d, `b` is n x d and `out` is m x n, all row-major and of those
    // lengths; `out` is written only and overlaps neither.
    unsafe {
        gemm::gemm(
            m,
            n,
            d,
            out.as_mut_ptr(),
            1,
            n_stride,
            false,
            a.as_ptr(),
            1,
            d_stride,
            b.as_ptr(),
            d_stride,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
