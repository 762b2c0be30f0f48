//! Softmax over cosines, with a function of the cosine for the target and one for the other
//! classes: the form that all margin heads share.
//!
//! On the CPU each direction is one pass over the `[B, C]` matrix ([`Logits`], and
//! [`CrossEntropy`](super::entropy::CrossEntropy)). [`composed`] says the same in
//! candle's operations: it serves other devices, and the fused form is tested against it.

use super::cosine::cosines_of;
use super::device_products::OnDevice;
use super::entropy;
use super::logits::{Logits, Negative};
use super::{HeadInput, HeadOutput};
use candle_core::{DType, Tensor};
use frbench_base::registry::{Kind, Param};
use frbench_base::{Error, Result};

/// A logit as a function of a cosine, at one cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margined {
    pub value: f64,
    /// Its derivative with respect to the cosine.
    pub slope: f64,
}

impl Margined {
    pub fn scaled(self, by: f64) -> Margined {
        Margined {
            value: by * self.value,
            slope: by * self.slope,
        }
    }

    /// Within `[-limit, limit]`, with no slope outside, as PyTorch's `clamp`.
    pub fn clamped(self, limit: f64) -> Margined {
        if self.value.abs() <= limit {
            return self;
        }
        Margined {
            value: self.value.clamp(-limit, limit),
            slope: 0.0,
        }
    }
}

/// Slopes of functions of the angle carry a factor `1 / sin`; sines below this (angles under
/// 0.006 degrees) count as this, which keeps gradients finite at cosines of +-1.
pub const SIN_FLOOR: f64 = 1e-4;

/// `sin` of the angle whose cosine is `c`, and the same floored for use in a denominator.
pub fn sine(c: f64) -> (f64, f64) {
    let sin = (1.0 - c * c).max(0.0).sqrt();
    (sin, sin.max(SIN_FLOOR))
}

pub(super) const SCALE: Param = Param {
    name: "s",
    kind: Kind::Float {
        min: 1.0,
        max: 1000.0,
    },
    required: true,
    doc: "scale of the cosines; 64 in insightface, 32 in FaceX-Zoo and BoundaryFace",
};

/// Logit of a class that is not the target: the scaled cosine.
pub(super) fn plain(scale: f64) -> impl Negative {
    move |_, c| Margined {
        value: scale * c,
        slope: scale,
    }
}

/// The cosines of a batch with every class.
pub(super) struct Cosines {
    place: Place,
    /// Whether somebody wants the logits beside the loss.
    logits: bool,
    /// Target class of each sample, `[B]`.
    pub labels: Vec<u32>,
    /// Cosine with the target class, `[B]`.
    pub target: Vec<f64>,
}

/// Where the cosines are.
enum Place {
    /// `[B, C]`.
    Here(Tensor),
    Device(OnDevice),
}

impl Cosines {
    /// Of embeddings with class weights.
    pub fn of(input: &HeadInput) -> Result<Cosines> {
        let Some(products) = OnDevice::of(input, true)? else {
            return Cosines::new(cosines_of(input)?, input.labels);
        };
        entropy::positions(
            input.labels,
            (input.embeddings.dim(0)?, input.weight.dim(0)?),
        )?;
        Ok(Cosines {
            target: products.targets(input.labels)?,
            labels: input.labels.to_vec(),
            place: Place::Device(products),
            logits: input.logits,
        })
    }

    /// The matrix, `[B, C]`.
    pub fn matrix(&self) -> Result<Tensor> {
        match &self.place {
            Place::Here(matrix) => Ok(matrix.clone()),
            Place::Device(products) => products.matrix(),
        }
    }

    /// Classes.
    pub fn classes(&self, input: &HeadInput) -> Result<usize> {
        match &self.place {
            Place::Here(matrix) => Ok(matrix.dim(1)?),
            Place::Device(_) => Ok(input.weight.dim(0)?),
        }
    }

    /// Of a matrix `[B, C]`. Fails if a label is no class.
    pub fn new(matrix: Tensor, labels: &[u32]) -> Result<Cosines> {
        let positions = entropy::positions(labels, matrix.dims2()?)?;
        let index = Tensor::from_vec(positions, labels.len(), matrix.device())?;
        let target = matrix.detach().flatten_all()?.index_select(&index, 0)?;
        Ok(Cosines {
            target: target.to_dtype(DType::F64)?.to_vec1()?,
            labels: labels.to_vec(),
            place: Place::Here(matrix),
            logits: true,
        })
    }

    /// Logits `[B, C]`: of the target classes as given, scale included, of the others by
    /// `negative` from sample and cosine. `lift` `[B]`, zero in value, is added to the target
    /// logits for what they depend on besides the cosine.
    pub fn logits(
        &self,
        targets: Vec<Margined>,
        negative: impl Negative,
        lift: Option<&Tensor>,
    ) -> Result<Tensor> {
        let rule = Logits {
            labels: self.labels.clone(),
            targets,
            negative,
        };
        let matrix = self.matrix()?;
        let lift = match lift {
            Some(lift) => lift.contiguous()?,
            None => Tensor::zeros(self.labels.len(), matrix.dtype(), matrix.device())?,
        };
        if entropy::fused(&matrix) {
            return Ok(matrix.contiguous()?.apply_op2(&lift, rule)?);
        }
        composed(&matrix, &lift, &rule)
    }

    /// Those logits and the mean cross-entropy.
    pub fn softmax(
        &self,
        targets: Vec<Margined>,
        negative: impl Negative,
        lift: Option<&Tensor>,
    ) -> Result<HeadOutput> {
        let logits = self.logits(targets, negative, lift)?;
        self.loss(logits)
    }

    /// The same where all but the targets have `scale` times the cosine. On a GPU nothing but
    /// the targets then leaves it, unless somebody wants the logits.
    pub fn plain_softmax(&self, targets: Vec<Margined>, scale: f64) -> Result<HeadOutput> {
        match &self.place {
            Place::Device(products) if !self.logits => Ok(HeadOutput {
                loss: products.softmax(&self.labels, &targets, scale)?,
                logits: None,
                labels: None,
                aux_loss: None,
            }),
            _ => self.softmax(targets, plain(scale), None),
        }
    }

    /// The mean cross-entropy of logits made from these cosines.
    pub fn loss(&self, logits: Tensor) -> Result<HeadOutput> {
        Ok(HeadOutput {
            loss: entropy::cross_entropy(&logits, &self.labels)?,
            logits: Some(logits),
            labels: None,
            aux_loss: None,
        })
    }

    /// Target logits, one by one, from a function of the target cosine.
    pub fn targets(&self, scale: f64, margin: impl Fn(f64) -> Margined) -> Vec<Margined> {
        let cosines = self.target.iter();
        cosines.map(|&c| margin(c).scaled(scale)).collect()
    }
}

/// Logits `scale * cos`, with the target's cosine replaced by `margin(cos)`, and the mean
/// cross-entropy.
pub(super) fn margin_softmax(
    input: &HeadInput,
    scale: f64,
    margin: impl Fn(f64) -> Margined,
) -> Result<HeadOutput> {
    let cosines = Cosines::of(input)?;
    let targets = cosines.targets(scale, margin);
    cosines.plain_softmax(targets, scale)
}

/// [`Logits`] in candle's operations: values as constants, slopes on a term that is zero.
fn composed(cosines: &Tensor, lift: &Tensor, rule: &Logits<impl Negative>) -> Result<Tensor> {
    let (_, classes) = cosines.dims2()?;
    let data: Vec<f64> = cosines.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
    let mut logits: Vec<Margined> = data
        .iter()
        .enumerate()
        .map(|(at, &c)| (rule.negative)(at / classes, c))
        .collect();
    for (i, (&label, &target)) in rule.labels.iter().zip(&rule.targets).enumerate() {
        logits[i * classes + label as usize] = target;
    }
    let tensor = |of: fn(&Margined) -> f64| -> Result<Tensor> {
        let data: Vec<f64> = logits.iter().map(of).collect();
        let tensor = Tensor::from_vec(data, cosines.shape(), cosines.device())?;
        Ok(tensor.to_dtype(cosines.dtype())?)
    };
    let moved = (tensor(|m| m.slope)? * (cosines - cosines.detach())?)?;
    let flat = (tensor(|m| m.value)? + moved)?.flatten_all()?;
    let positions = entropy::positions(&rule.labels, cosines.dims2()?)?;
    let index = Tensor::from_vec(positions, rule.labels.len(), cosines.device())?;
    // `index_add`, not `scatter_add`: candle drops the gradient of the latter's first argument
    // at the indexed places.
    let lifted = flat.index_add(&index, lift, 0)?;
    Ok(lifted.reshape(cosines.shape())?)
}

/// The error for a head that is restored from the state of another.
pub(super) fn wrong_state(head: &str, name: &str) -> Error {
    Error::Data(format!(
        "the saved state of `{head}` has no number `{name}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};
    use frbench_base::rng::Stream;

    fn leaf(rows: usize, cols: usize, dtype: DType) -> Var {
        let mut stream = Stream::derive(3, "margin-test", &[cols as u64]);
        let data: Vec<f64> = (0..rows * cols).map(|_| stream.range(-1.0, 1.0)).collect();
        let tensor = Tensor::from_vec(data, (rows, cols), &Device::Cpu).unwrap();
        Var::from_tensor(&tensor.to_dtype(dtype).unwrap()).unwrap()
    }

    fn off(a: &Tensor, b: &Tensor) -> f64 {
        let flat = |t: &Tensor| -> Vec<f64> {
            let t = t.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
            t.to_vec1().unwrap()
        };
        frbench_base::compare::relative_error(&flat(a), &flat(b))
    }

    /// Curved and clamped negatives, targets of any slope, a lift with a gradient.
    #[test]
    fn one_pass_is_what_candle_composes() {
        for (dtype, tolerance) in [(DType::F32, 2e-6), (DType::F64, 1e-13)] {
            let (cosines, lift) = (leaf(5, 83, dtype), leaf(5, 1, dtype));
            let labels = [0, 82, 7, 7, 40];
            let rule = || Logits {
                labels: labels.to_vec(),
                targets: (0..5)
                    .map(|i| Margined {
                        value: f64::from(i) - 2.0,
                        slope: 0.5 + f64::from(i),
                    })
                    .collect(),
                negative: |row: usize, c: f64| {
                    Margined {
                        value: 9.0 * c * (c + row as f64 * 0.1),
                        slope: 9.0 * (2.0 * c + row as f64 * 0.1),
                    }
                    .clamped(4.0)
                },
            };
            let flat = lift.flatten_all().unwrap();
            let ours = cosines.apply_op2(&flat, rule()).unwrap();
            let stock = composed(&cosines, &flat, &rule()).unwrap();
            assert!(off(&ours, &stock) < tolerance);

            let ours = entropy::cross_entropy(&ours, &labels).unwrap();
            let stock = entropy::composed(&stock, &labels).unwrap();
            assert!(off(&ours, &stock) < tolerance);
            let (ours, stock) = (ours.backward().unwrap(), stock.backward().unwrap());
            for leaf in [&cosines, &lift] {
                assert!(off(ours.get(leaf).unwrap(), stock.get(leaf).unwrap()) < tolerance);
            }
        }
    }
}
