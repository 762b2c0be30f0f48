//! Refuses embeddings and pairs that carry no information.

use super::input::Part;
use frbench_base::{Error, Result};
use rayon::prelude::*;

/// Least share of the unit embeddings' length that must not be common to all of them:
/// 1 - |mean|^2. A network at initialisation has about 1e-3, a collapsed one about 1e-14.
const LEAST_VARIANCE: f64 = 1e-6;

/// Fails a model that gives every image about the same embedding: under rules that favour
/// the genuine pair in a tie it would score 100 %. Also fails on NaN or infinity. Returns
/// how many embeddings are zero vectors.
///
/// # Errors
/// [`Error::Compute`].
pub fn spread(part: &Part, name: &str) -> Result<usize> {
    let rows = part.matrix.rows();
    if rows == 0 {
        return Err(Error::Data(format!("there are no embeddings of `{name}`")));
    }
    // Fixed blocks and a sequential sum over them: the same bits for any number of threads.
    let blocks: Vec<Result<(Vec<f64>, usize)>> = (0..rows.div_ceil(1024))
        .into_par_iter()
        .map(|block| {
            let mut sum = vec![0.0; part.dim()];
            let mut zeros = 0;
            for i in block * 1024..rows.min((block + 1) * 1024) {
                let row = part.fused(i);
                let square: f64 = row.iter().map(|v| v * v).sum();
                if !square.is_finite() {
                    return Err(Error::Compute(format!(
                        "embedding {i} of `{name}` holds NaN or infinity: the training diverged"
                    )));
                }
                if square == 0.0 {
                    zeros += 1;
                    continue;
                }
                let scale = 1.0 / square.sqrt();
                sum.iter_mut().zip(&row).for_each(|(s, v)| *s += v * scale);
            }
            Ok((sum, zeros))
        })
        .collect();
    let mut mean = vec![0.0; part.dim()];
    let mut zeros = 0;
    for block in blocks {
        let (sum, z) = block?;
        mean.iter_mut().zip(&sum).for_each(|(m, s)| *m += s);
        zeros += z;
    }
    let count = rows as f64;
    let variance = 1.0 - mean.iter().map(|m| (m / count) * (m / count)).sum::<f64>();
    if rows > 1 && (zeros == rows || variance < LEAST_VARIANCE) {
        return Err(Error::Compute(format!(
            "the {rows} embeddings of `{name}` are all alike (variance of the unit vectors \
             {variance:.1e}, least {LEAST_VARIANCE:.0e}): the model has collapsed and is not scored"
        )));
    }
    Ok(zeros)
}

/// A note on zero vectors: they have no direction, so their similarity to anything is 0.
pub fn zero_note(zeros: usize, name: &str) -> Option<String> {
    (zeros > 0).then(|| format!("{zeros} embeddings of `{name}` are zero vectors"))
}

/// Refuses pairs that are all of one kind.
///
/// # Errors
/// [`Error::Data`].
pub fn both_kinds(same: &[bool]) -> Result<()> {
    let genuine = same.iter().filter(|s| **s).count();
    let (all, lacking) = match (genuine, same.len() - genuine) {
        (0, 0) => return Err(Error::Data("there are no pairs".into())),
        (0, _) => ("an impostor pair", "genuine"),
        (_, 0) => ("a genuine pair", "impostor"),
        _ => return Ok(()),
    };
    Err(Error::Data(format!(
        "each of the {} pairs is {all}: without {lacking} pairs there is nothing to tell apart",
        same.len()
    )))
}
