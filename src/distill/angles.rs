//! Angles between every three samples of a batch, for losses that compare them.
//!
//! The cosine at `i` between `j` and `k` follows from the products `G` of every two samples:
//! `(G_jk - G_ij - G_ik + G_ii) / (d_ij d_ik)`, where `d_ij^2 = G_ii + G_jj - 2 G_ij`. So neither
//! the `B^2` differences nor the `B^3` cosines are ever held, and a loss takes `B^3` steps instead
//! of `B^3 D`.

use crate::Result;
use crate::head::rowwise::slice;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Squared distances below this part of the squared norms are rounding: such samples lie at one
/// place, and what is at an angle to that has a cosine of 0 (as `F.normalize` makes it).
const SAME_PLACE: f64 = 1e-12;

/// The mean over all `i`, `j`, `k` of the smooth L1 distance of the student's cosine from the
/// teacher's, a scalar. Both are the products of every two samples, `[B, B]`, symmetric, in f64;
/// the teacher's are constants.
pub fn gap(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let teacher = Products::of(teacher)?;
    Ok(student.contiguous()?.apply_op1(Gap { teacher })?)
}

/// The products of one network, `[B, B]`, with `1 / d`, which is 0 for samples at one place.
struct Products {
    size: usize,
    gram: Vec<f64>,
    inverse: Vec<f64>,
}

impl Products {
    fn of(gram: &Tensor) -> candle_core::Result<Self> {
        let size = gram.dim(0)?;
        Ok(Products::new(size, gram.flatten_all()?.to_vec1()?))
    }

    fn new(size: usize, gram: Vec<f64>) -> Self {
        let inverse = |at: usize| {
            let (i, j) = (at / size, at % size);
            let norms = gram[i * size + i] + gram[j * size + j];
            let squared = norms - 2.0 * gram[at];
            match squared > SAME_PLACE * norms {
                true => 1.0 / squared.sqrt(),
                false => 0.0,
            }
        };
        let inverse = (0..gram.len()).map(inverse).collect();
        Products {
            size,
            gram,
            inverse,
        }
    }

    fn gram(&self, i: usize) -> &[f64] {
        &self.gram[i * self.size..][..self.size]
    }

    fn inverse(&self, i: usize) -> &[f64] {
        &self.inverse[i * self.size..][..self.size]
    }

    /// What all angles at `i` with a side to `j` share.
    fn side(&self, i: usize, j: usize) -> Side<'_> {
        Side {
            shift: self.gram(i)[i] - self.gram(i)[j],
            inverse: self.inverse(i)[j],
            to: self.gram(j),
            from: self.gram(i),
            inverses: self.inverse(i),
        }
    }
}

#[derive(Clone, Copy)]
struct Side<'a> {
    shift: f64,
    inverse: f64,
    to: &'a [f64],
    from: &'a [f64],
    inverses: &'a [f64],
}

impl Side<'_> {
    /// The product of the differences to `j` and to `k`, and of those over their lengths.
    #[inline(always)]
    fn at(&self, k: usize) -> (f64, f64) {
        let product = self.to[k] - self.from[k] + self.shift;
        (product, product * self.inverse * self.inverses[k])
    }
}

struct Gap {
    teacher: Products,
}

impl Gap {
    fn student(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<Products> {
        let gram = slice::<f64>(storage, layout)?.to_vec();
        let student = Products::new(layout.dims()[0], gram);
        match student.size == self.teacher.size {
            true => Ok(student),
            false => candle_core::bail!("angles of two batches"),
        }
    }
}

impl CustomOp1 for Gap {
    fn name(&self) -> &'static str {
        "angle-gap"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let student = self.student(storage, layout)?;
        let n = student.size;
        let of_row = |j: usize| -> f64 {
            let mut sum = 0.0;
            for i in 0..n {
                let (ours, theirs) = (student.side(i, j), self.teacher.side(i, j));
                for k in 0..n {
                    let distance = (ours.at(k).1 - theirs.at(k).1).abs();
                    let capped = distance.min(1.0);
                    sum += capped * (distance - 0.5 * capped);
                }
            }
            sum
        };
        // Added in order, so that threads do not matter.
        let sums: Vec<f64> = (0..n).into_par_iter().map(of_row).collect();
        let mean = sums.iter().sum::<f64>() / (n * n * n) as f64;
        Ok((CpuStorage::F64(vec![mean]), Shape::from(())))
    }

    fn bwd(
        &self,
        student: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let n = self.teacher.size;
        let grad = grad.to_dtype(DType::F64)?.to_scalar::<f64>()? / (n * n * n) as f64;
        let products = Products::of(student)?;
        let rows: Vec<Row> = (0..n)
            .into_par_iter()
            .map(|j| self.row(&products, j, grad))
            .collect();
        let mut out: Vec<f64> = rows.iter().flat_map(|r| &r.products).copied().collect();
        for (j, row) in rows.iter().enumerate() {
            for (i, (side, squared)) in row.sides.iter().enumerate() {
                // An angle is the same seen from either side, hence the 2.
                out[i * n + j] -= 2.0 * (side + squared);
                out[i * n + i] += side + squared;
                out[j * n + j] += squared;
            }
        }
        Ok(Some(Tensor::from_vec(out, (n, n), student.device())?))
    }
}

/// What the angles with a side to `j` give to the gradient.
struct Row {
    /// That of the products with `j`, as those opposite `i`: summed over `i`.
    products: Vec<f64>,
    /// For each `i`: of what all angles at `i` share, and of `d_ij^2` (both sides of an angle).
    sides: Vec<(f64, f64)>,
}

impl Gap {
    fn row(&self, student: &Products, j: usize, grad: f64) -> Row {
        let n = student.size;
        let mut products = vec![0.0; n];
        let side = |i: usize| {
            let (ours, theirs) = (student.side(i, j), self.teacher.side(i, j));
            let (mut shared, mut along) = (0.0, 0.0);
            for (k, out) in products.iter_mut().enumerate() {
                let (product, cosine) = ours.at(k);
                let slope = grad * (cosine - theirs.at(k).1).clamp(-1.0, 1.0);
                let part = slope * ours.inverse * ours.inverses[k];
                *out += part;
                shared += part;
                along += slope * product * ours.inverses[k];
            }
            (shared, -along * ours.inverse.powi(3))
        };
        let sides = (0..n).map(side).collect();
        Row { products, sides }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::cosine::l2_normalize;
    use crate::rng::Stream;
    use candle_core::{Device, Var};

    /// By their definition: from differences, `[B, B, D]`.
    fn cosines(x: &Tensor) -> Tensor {
        let differences = x.unsqueeze(0).unwrap();
        let differences = differences.broadcast_sub(&x.unsqueeze(1).unwrap());
        let unit = l2_normalize(&differences.unwrap()).unwrap();
        unit.matmul(&unit.transpose(1, 2).unwrap()).unwrap()
    }

    fn batch(seed: u64, rows: usize) -> Tensor {
        let mut stream = Stream::derive(seed, "angles", &[]);
        let data: Vec<f64> = (0..rows * 5).map(|_| 3.0 * stream.normal()).collect();
        Tensor::from_vec(data, (rows, 5), &Device::Cpu).unwrap()
    }

    fn gram(x: &Tensor) -> Tensor {
        super::super::gram::gram(x, &crate::nn::Device::Cpu).unwrap()
    }

    #[track_caller]
    fn alike(a: &Tensor, b: &Tensor) {
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let (a, b) = (flat(a), flat(b));
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let off: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        assert!(norm(&off) < 1e-10 * norm(&b), "{a:?} {b:?}");
    }

    fn compare(student: &Tensor, teacher: &Tensor) {
        let x = Var::from_tensor(student).unwrap();
        let here = gap(&gram(&x), &gram(teacher)).unwrap();
        let want = crate::distill::maths::smooth_l1(&cosines(&x), &cosines(teacher)).unwrap();
        alike(&here, &want);
        let grad = |loss: &Tensor| loss.backward().unwrap().get(&x).unwrap().clone();
        alike(&grad(&here), &grad(&want));
    }

    #[test]
    fn the_gap_and_its_gradient_are_those_of_the_differences() {
        for rows in [3, 4, 17] {
            compare(&batch(1, rows), &batch(2, rows));
        }
    }

    #[test]
    fn two_samples_at_one_place_have_no_angles() {
        let twice = |x: &Tensor| Tensor::cat(&[x, &x.narrow(0, 1, 2).unwrap()], 0).unwrap();
        compare(&batch(1, 6), &twice(&batch(2, 4)));
        let x = twice(&batch(1, 4));
        let here = gap(&gram(&x), &gram(&batch(2, 6))).unwrap();
        let want = crate::distill::maths::smooth_l1(&cosines(&x), &cosines(&batch(2, 6)));
        alike(&here, &want.unwrap());
    }

    #[test]
    fn another_batch_is_refused() {
        assert!(gap(&gram(&batch(1, 3)), &gram(&batch(1, 4))).is_err());
    }
}
