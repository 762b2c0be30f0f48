//! A feature bank: one L2-normalised feature per identity.

use super::Matrix;
use crate::distill::relation::normalize;
use crate::{Error, Result};
use candle_core::{DType, Tensor};

pub(super) struct Bank {
    /// `[classes, D]`.
    features: Matrix<f32>,
}

impl Bank {
    /// Rows are the prototypes, L2-normalised.
    pub fn from_prototypes(prototypes: &Matrix<f32>) -> Self {
        let mut features = prototypes.clone();
        if features.cols > 0 {
            features.data.chunks_mut(features.cols).for_each(normalize);
        }
        Bank { features }
    }

    pub fn features(&self) -> &Matrix<f32> {
        &self.features
    }

    /// Overwrites the row of every identity of the batch with its feature `[B, D]`. Where an
    /// identity occurs more than once, the last in batch order stays.
    pub fn update(&mut self, labels: &[u32], features: &Tensor) -> Result<()> {
        let dim = self.features.cols;
        if features.dims2()? != (labels.len(), dim) {
            return Err(Error::Compute(format!(
                "features of shape {:?} for {} samples and a bank of {dim} dimensions",
                features.dims(),
                labels.len()
            )));
        }
        let fresh: Vec<f32> = features.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        for (&label, feature) in labels.iter().zip(fresh.chunks(dim.max(1))) {
            let at = label as usize * dim;
            let Some(row) = self.features.data.get_mut(at..at + dim) else {
                return Err(Error::Data(format!(
                    "label {label} is outside the {} identities of the feature bank",
                    self.features.rows
                )));
            };
            row.copy_from_slice(feature);
            normalize(row);
        }
        Ok(())
    }

    /// Takes over a checkpointed bank.
    pub fn restore(&mut self, saved: Option<Matrix<f32>>, name: &str) -> Result<()> {
        let want = (self.features.rows, self.features.cols);
        match saved {
            Some(m) if (m.rows, m.cols) == want && m.data.len() == m.rows * m.cols => {
                self.features = m;
                Ok(())
            }
            Some(m) => Err(Error::Data(format!(
                "the checkpoint's `{name}` is [{}, {}], want [{}, {}]",
                m.rows, m.cols, want.0, want.1
            ))),
            None => Err(Error::Data(format!(
                "the checkpoint has no `{name}`; it is not one of this method"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn prototypes() -> Matrix<f32> {
        Matrix {
            rows: 4,
            cols: 2,
            data: vec![2.0, 0.0, 0.0, 0.5, -3.0, 0.0, 0.0, -1.0],
        }
    }

    #[test]
    fn it_starts_from_unit_prototypes() {
        let bank = Bank::from_prototypes(&prototypes());
        let want = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0];
        assert_eq!(bank.features().data, want);
    }

    #[test]
    fn an_update_touches_the_identities_of_the_batch_and_the_last_sample_wins() {
        let mut bank = Bank::from_prototypes(&prototypes());
        let rows = [[3.0f32, 4.0], [0.0, 2.0], [-4.0, 3.0]];
        let features = Tensor::new(&rows, &Device::Cpu).unwrap();
        bank.update(&[2, 0, 2], &features).unwrap();
        let want = [0.0, 1.0, 0.0, 1.0, -0.8, 0.6, 0.0, -1.0];
        assert_eq!(bank.features().data, want);
    }

    #[test]
    fn wrong_labels_and_shapes_are_errors() {
        let mut bank = Bank::from_prototypes(&prototypes());
        let features = Tensor::new(&[[1.0f32, 0.0]], &Device::Cpu).unwrap();
        assert!(bank.update(&[4], &features).is_err());
        assert!(bank.update(&[0, 1], &features).is_err());
        assert!(bank.restore(None, "bank").is_err());
        let mut other = prototypes();
        other.rows = 2;
        assert!(bank.restore(Some(other), "bank").is_err());
        assert!(bank.restore(Some(prototypes()), "bank").is_ok());
    }
}
