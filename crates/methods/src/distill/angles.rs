//! Angles between every three samples of a batch, for losses that compare them.
//!
//! The cosine at `i` between `j` and `k` follows from the products `G` of every two samples:
//! `(G_jk - G_ij - G_ik + G_ii) / (d_ij d_ik)`, where `d_ij^2 = G_ii + G_jj - 2 G_ij`. So neither
//! the `B^2` differences nor the `B^3` cosines are ever held, and a loss takes `B^3` steps instead
//! of `B^3 D`.

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use frbench_base::{Error, Result};
use frbench_engine as engine;
use frbench_engine::device::Angles;
use rayon::prelude::*;

/// Squared distances below this part of the squared norms are rounding: such samples lie at one
/// place, and what is at an angle to that has a cosine of 0 (as `F.normalize` makes it).
const SAME_PLACE: f64 = 1e-12;

/// The mean over all `i`, `j`, `k` of the smooth L1 distance of the student's cosine from the
/// teacher's, a scalar, computed on `device`. Both are the products of every two samples,
/// `[B, B]`, symmetric, in f64; the teacher's are constants.
pub fn gap(student: &Tensor, teacher: &Tensor, device: &engine::Device) -> Result<Tensor> {
    let student = student.contiguous()?;
    let networks = [Products::of(&student)?, Products::of(teacher)?];
    let [ours, theirs] = &networks;
    if ours.size != theirs.size {
        return Err(Error::Bug("angles of two batches".into()));
    }
    let all = [&ours.gram, &ours.inverse, &theirs.gram, &theirs.inverse];
    let place = match device.angles(ours.size, all.map(|v| v.as_slice()))? {
        Some(angles) => Place::Device(angles),
        None => Place::Host(networks),
    };
    Ok(student.apply_op1(Gap(place))?)
}

/// The products of one network, `[B, B]`, with `1 / d`, which is 0 for samples at one place.
struct Products {
    size: usize,
    gram: Vec<f64>,
    inverse: Vec<f64>,
}

impl Products {
    fn of(gram: &Tensor) -> Result<Self> {
        let size = gram.dim(0)?;
        let gram: Vec<f64> = gram.flatten_all()?.to_vec1()?;
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
        Ok(Products {
            size,
            gram,
            inverse,
        })
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

/// Student and teacher, where their angles are computed.
enum Place {
    Host([Products; 2]),
    Device(Box<dyn Angles>),
}

/// What angles give to the gradient of their sum.
struct Slopes {
    /// That of the products of `j` and `k`, `[j, k]`, as those opposite all `i`.
    products: Vec<f64>,
    /// `[j, i, 2]`: of what all angles at `i` with a side to `j` share, and of `d_ij^2`.
    sides: Vec<f64>,
}

impl Place {
    /// The sum of all gaps.
    fn sum(&self) -> Result<f64> {
        let [student, teacher] = match self {
            Place::Host(networks) => networks,
            Place::Device(angles) => return Ok(angles.gap()?.iter().sum()),
        };
        let n = student.size;
        let of_row = |j: usize| -> f64 {
            let mut sum = 0.0;
            for i in 0..n {
                let (ours, theirs) = (student.side(i, j), teacher.side(i, j));
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
        Ok(sums.iter().sum())
    }

    fn slopes(&self) -> Result<Slopes> {
        let [student, teacher] = match self {
            Place::Host(networks) => networks,
            Place::Device(angles) => {
                let [products, sides] = angles.gradient()?;
                return Ok(Slopes { products, sides });
            }
        };
        let n = student.size;
        let (mut products, mut sides) = (vec![0.0; n * n], vec![0.0; 2 * n * n]);
        let rows = products.par_chunks_mut(n).zip(sides.par_chunks_mut(2 * n));
        rows.enumerate().for_each(|(j, (products, sides))| {
            for (i, side) in sides.chunks_exact_mut(2).enumerate() {
                let (ours, theirs) = (student.side(i, j), teacher.side(i, j));
                let (mut shared, mut along) = (0.0, 0.0);
                for (k, out) in products.iter_mut().enumerate() {
                    let (product, cosine) = ours.at(k);
                    let slope = (cosine - theirs.at(k).1).clamp(-1.0, 1.0) * ours.inverses[k];
                    *out += slope * ours.inverse;
                    shared += slope * ours.inverse;
                    along += slope * product;
                }
                side[0] = shared;
                side[1] = -along * ours.inverse.powi(3);
            }
        });
        Ok(Slopes { products, sides })
    }
}

struct Gap(Place);

impl CustomOp1 for Gap {
    fn name(&self) -> &'static str {
        "angle-gap"
    }

    fn cpu_fwd(&self, _: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, _) = layout.shape().dims2()?;
        let mean = self.0.sum().map_err(candle_core::Error::wrap)? / (n * n * n) as f64;
        Ok((CpuStorage::F64(vec![mean]), Shape::from(())))
    }

    fn bwd(
        &self,
        student: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let (n, _) = student.dims2()?;
        let Slopes { products, sides } = self.0.slopes().map_err(candle_core::Error::wrap)?;
        let mut out = products;
        for (at, side) in sides.chunks_exact(2).enumerate() {
            let (j, i) = (at / n, at % n);
            let (shared, squared) = (side[0], side[1]);
            // An angle is the same seen from either side, hence the 2.
            out[i * n + j] -= 2.0 * (shared + squared);
            out[i * n + i] += shared + squared;
            out[j * n + j] += squared;
        }
        let grad = grad.to_dtype(DType::F64)?.to_scalar::<f64>()? / (n * n * n) as f64;
        out.iter_mut().for_each(|v| *v *= grad);
        Ok(Some(Tensor::from_vec(out, (n, n), student.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::cosine::l2_normalize;
    use candle_core::{Device, Var};
    use frbench_base::rng::Stream;

    const CPU: &engine::Device = &engine::Device::CPU;

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
        super::super::gram::gram(x, CPU).unwrap()
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
        let here = gap(&gram(&x), &gram(teacher), CPU).unwrap();
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
        let here = gap(&gram(&x), &gram(&batch(2, 6)), CPU).unwrap();
        let want = crate::distill::maths::smooth_l1(&cosines(&x), &cosines(&batch(2, 6)));
        alike(&here, &want.unwrap());
    }

    #[test]
    fn another_batch_is_refused() {
        assert!(gap(&gram(&batch(1, 3)), &gram(&batch(1, 4)), CPU).is_err());
    }
}
