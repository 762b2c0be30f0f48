//! What losses over batches of features have in common.

use candle_core::{DType, Tensor};
use frbench_base::{Error, Result};

/// Where two tensors are compared element by element, their shapes must agree.
pub fn same_shape(student: &Tensor, teacher: &Tensor) -> Result<()> {
    if student.dims() == teacher.dims() {
        return Ok(());
    }
    Err(Error::Compute(format!(
        "the student's features are {} and the teacher's {}; this loss wants equal shapes",
        shape(student),
        shape(teacher)
    )))
}

fn shape(x: &Tensor) -> String {
    let sides: Vec<String> = x.dims().iter().map(usize::to_string).collect();
    format!("({})", sides.join(", "))
}

/// The number of samples in both, for losses over the relations inside a batch.
pub fn same_batch(student: &Tensor, teacher: &Tensor) -> Result<usize> {
    let (n, m) = (student.dim(0)?, teacher.dim(0)?);
    if n == m && n > 0 {
        return Ok(n);
    }
    Err(Error::Compute(format!(
        "{n} samples of the student and {m} of the teacher"
    )))
}

/// In f64, for losses that are small differences of large numbers where student and teacher
/// agree: in f32 the rounding of cosines would be what is left.
pub fn wide(x: &Tensor) -> Result<Tensor> {
    Ok(x.to_dtype(DType::F64)?)
}

/// `[B, everything else]`.
pub fn flat(x: &Tensor) -> Result<Tensor> {
    Ok(x.flatten_from(1)?)
}

/// Mean over all elements of the squared difference, as `F.mse_loss`.
pub fn mse(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    same_shape(a, b)?;
    Ok((a - b)?.sqr()?.mean_all()?)
}

/// The mean over the channels of the `p`-th power, `[B, 1, ...]` of `[B, C, ...]`.
pub fn mean_powers(x: &Tensor, p: u32) -> Result<Tensor> {
    let powers = match p {
        1 => x.clone(),
        2 => x.sqr()?,
        _ => x.powf(f64::from(p))?,
    };
    Ok(powers.mean_keepdim(1)?)
}

/// Mean over all elements of `d^2 / 2` where `|d| < 1` and `|d| - 1/2` elsewhere, as
/// `F.smooth_l1_loss`.
pub fn smooth_l1(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    same_shape(a, b)?;
    let distance = (a - b)?.abs()?;
    let capped = distance.minimum(1.0)?;
    Ok((&capped * (&distance - (&capped * 0.5)?)?)?.mean_all()?)
}

/// `[n, n]`: 0 on the diagonal, 1 elsewhere, of the type of `like`.
pub fn off_diagonal(n: usize, like: &Tensor) -> Result<Tensor> {
    let data: Vec<f32> = (0..n * n)
        .map(|i| f32::from(u8::from(i / n != i % n)))
        .collect();
    Ok(Tensor::from_vec(data, (n, n), like.device())?.to_dtype(like.dtype())?)
}

/// Both maps at the smaller of their sizes, as RepDistiller does: `F.adaptive_avg_pool2d` of
/// the larger one. `[B, C, H, W]`.
pub fn same_size(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (_, _, ha, wa) = a.dims4()?;
    let (_, _, hb, wb) = b.dims4()?;
    let size = (ha.min(hb), wa.min(wb));
    Ok((avg_pool_to(a, size)?, avg_pool_to(b, size)?))
}

/// `F.adaptive_avg_pool2d`: output pixel `i` of `n` is the mean of the input pixels from
/// `floor(i h / n)` to `ceil((i + 1) h / n)`.
fn avg_pool_to(x: &Tensor, (oh, ow): (usize, usize)) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    if (h, w) == (oh, ow) {
        return Ok(x.clone());
    }
    let means = |from: usize, to: usize| -> Result<Tensor> {
        let mut data = vec![0.0f64; from * to];
        for i in 0..to {
            let window = i * from / to..((i + 1) * from).div_ceil(to);
            for j in window.clone() {
                data[j * to + i] = 1.0 / window.len() as f64;
            }
        }
        Ok(Tensor::from_vec(data, (from, to), x.device())?.to_dtype(x.dtype())?)
    };
    let rows = x.reshape((n * c * h, w))?.matmul(&means(w, ow)?)?;
    let columns = rows.reshape((n * c, h, ow))?.transpose(1, 2)?;
    let pooled = columns
        .contiguous()?
        .reshape((n * c * ow, h))?
        .matmul(&means(h, oh)?)?;
    let pooled = pooled.reshape((n * c, ow, oh))?.transpose(1, 2)?;
    Ok(pooled.contiguous()?.reshape((n, c, oh, ow))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn pooling_takes_windows_as_pytorch_does() {
        let x: Vec<f64> = (0..15).map(f64::from).collect();
        let x = Tensor::from_vec(x, (1, 1, 3, 5), &Device::Cpu).unwrap();
        // Rows 0..2 and 1..3; columns 0..2, 1..4 and 3..5.
        let got = avg_pool_to(&x, (2, 3)).unwrap();
        let got: Vec<f64> = got.flatten_all().unwrap().to_vec1().unwrap();
        for (got, want) in got.iter().zip([3.0, 4.5, 6.0, 8.0, 9.5, 11.0]) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
    }

    #[test]
    fn smooth_l1_bends_at_one() {
        let a = Tensor::new(&[0.5f64, -3.0], &Device::Cpu).unwrap();
        let zero = a.zeros_like().unwrap();
        let got: f64 = smooth_l1(&a, &zero).unwrap().to_scalar().unwrap();
        assert!((got - (0.125 + 2.5) / 2.0).abs() < 1e-12);
    }
}
