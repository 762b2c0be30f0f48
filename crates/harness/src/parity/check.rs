//! One expected tensor against what came out.

use super::Case;
use candle_core::{DType, Tensor};
use frbench_base::compare::relative_error;
use frbench_base::{Error, Result};
use serde::Serialize;

/// Losses, logits and gradients in f32, relative.
pub(super) const LOSS: f64 = 2e-5;
/// Embeddings of a whole network in f32, relative.
pub(super) const BACKBONE: f64 = 1e-4;
/// Protocols, which score in f64; the largest absolute difference.
pub(super) const PROTOCOL: f64 = 1e-9;

/// An expected tensor, how far off it was, and how far it may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// `expect.logits`, `grad.weight`, ...
    pub tensor: String,
    pub error: f64,
    pub tolerance: f64,
    pub met: bool,
}

impl Check {
    fn new(tensor: &str, error: f64, tolerance: f64) -> Check {
        Check {
            tensor: tensor.to_string(),
            error,
            tolerance,
            // Not `error > tolerance`: a NaN is no pass.
            met: error <= tolerance,
        }
    }

    /// L2 norm of the difference over the L2 norm of the expected values.
    pub(super) fn relative(
        case: &Case,
        tensor: &str,
        got: &[f64],
        tolerance: f64,
    ) -> Result<Check> {
        let want = expected(case, tensor, got.len())?;
        Ok(Check::new(tensor, relative_error(got, &want), tolerance))
    }

    /// [`Check::relative`] of what candle computed.
    pub(super) fn tensor(case: &Case, tensor: &str, got: &Tensor) -> Result<Check> {
        let got = got.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        Check::relative(case, tensor, &got, LOSS)
    }

    /// The largest difference.
    pub(super) fn absolute(
        case: &Case,
        tensor: &str,
        got: &[f64],
        tolerance: f64,
    ) -> Result<Check> {
        let want = expected(case, tensor, got.len())?;
        let differences = got.iter().zip(&want).map(|(g, w)| (g - w).abs());
        // `max` would drop a NaN.
        let largest = differences.fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a });
        Ok(Check::new(tensor, largest, tolerance))
    }

    /// Whole numbers: the share that differs must be nothing.
    pub(super) fn exact(case: &Case, tensor: &str, got: &[i64]) -> Result<Check> {
        let want = case.i64(tensor)?;
        same_length(tensor, got.len(), want.len())?;
        let wrong = got.iter().zip(&want).filter(|(g, w)| g != w).count();
        Ok(Check::new(
            tensor,
            wrong as f64 / want.len().max(1) as f64,
            0.0,
        ))
    }
}

fn expected(case: &Case, tensor: &str, len: usize) -> Result<Vec<f64>> {
    let want = case.f64(tensor)?;
    same_length(tensor, len, want.len())?;
    Ok(want)
}

fn same_length(tensor: &str, got: usize, want: usize) -> Result<()> {
    if got == want {
        return Ok(());
    }
    Err(Error::Compute(format!(
        "`{tensor}` has {want} numbers, but {got} came out"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_and_nan_is_no_pass() {
        assert_eq!(relative_error(&[3.0, 4.5], &[3.0, 4.0]), 0.1);
        assert_eq!(relative_error(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative_error(&[1e-9], &[0.0]), f64::INFINITY);
        assert!(!Check::new("x", f64::NAN, 1.0).met);
    }
}
