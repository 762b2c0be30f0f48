//! A memory bank: one feature for each identity, or each image, that those of a batch are related to.

use super::relation::{Rows, normalize};
use candle_core::{DType, Tensor};
use frbench_base::{Error, Result};
use frbench_engine::{self as engine, device};
use frbench_job::artefact::Matrix;

/// Features `[M, D]` that change as a training goes on.
#[derive(Debug)]
pub struct Bank {
    features: Matrix<f32>,
    /// The same features where a training computes on a GPU: relations are taken there.
    device: Option<Box<dyn device::Bank>>,
}

impl Bank {
    /// These features, as they are.
    pub fn new(features: Matrix<f32>) -> Self {
        Bank {
            features,
            device: None,
        }
    }

    /// These features, L2-normalised.
    pub fn of_prototypes(prototypes: &Matrix<f32>) -> Self {
        let mut features = prototypes.clone();
        if features.cols > 0 {
            features.data.chunks_mut(features.cols).for_each(normalize);
        }
        Bank::new(features)
    }

    pub fn features(&self) -> &Matrix<f32> {
        &self.features
    }

    /// Takes relations on `device` from now on.
    ///
    /// # Errors
    /// [`Error::Compute`] if it has no memory for the features.
    pub fn move_to(&mut self, device: &engine::Device) -> Result<()> {
        self.device = device.bank(&self.features.data, self.features.cols)?;
        Ok(())
    }

    /// Overwrites rows with the features `[B, D]` of a batch, L2-normalised. Where a row is named
    /// more than once, the last in batch order stays.
    pub fn overwrite(&mut self, rows: &[u32], features: &Tensor) -> Result<()> {
        self.change(rows, features, |row, fresh| row.copy_from_slice(fresh))
    }

    /// Moves rows towards the features `[B, D]` of a batch, by `1 - momentum` of the way, and
    /// L2-normalises them.
    pub fn blend(&mut self, rows: &[u32], features: &Tensor, momentum: f64) -> Result<()> {
        self.change(rows, features, |row, fresh| {
            for (old, new) in row.iter_mut().zip(fresh) {
                let mixed = momentum * f64::from(*old) + (1.0 - momentum) * f64::from(*new);
                *old = mixed as f32;
            }
        })
    }

    fn change(
        &mut self,
        rows: &[u32],
        features: &Tensor,
        change: impl Fn(&mut [f32], &[f32]),
    ) -> Result<()> {
        let dim = self.features.cols;
        if features.dims2()? != (rows.len(), dim) {
            return Err(Error::Compute(format!(
                "features of shape {:?} for {} rows of a bank of {dim} dimensions",
                features.dims(),
                rows.len()
            )));
        }
        self.has(rows)?;
        let fresh: Vec<f32> = features
            .detach()
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1()?;
        for (&row, fresh) in rows.iter().zip(fresh.chunks(dim.max(1))) {
            let at = row as usize * dim;
            let row = &mut self.features.data[at..at + dim];
            change(row, fresh);
            normalize(row);
        }
        if let Some(device) = &mut self.device {
            let mut changed = rows.to_vec();
            changed.sort_unstable();
            changed.dedup();
            let new = changed.iter().flat_map(|&r| self.features.row(r as usize));
            device.write(&changed, &new.copied().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn has(&self, rows: &[u32]) -> Result<()> {
        match rows.iter().find(|r| **r as usize >= self.features.rows) {
            None => Ok(()),
            Some(row) => Err(Error::Compute(format!(
                "row {row} is wanted of a feature bank of {} rows",
                self.features.rows
            ))),
        }
    }

    /// The rows `index[b, k]`, `[B, K, D]`; as they are, or L2-normalised (`unit`).
    ///
    /// They are copied, so that the bank may change before the loss made from them is
    /// differentiated; at 512 samples, 100 rows and 512 dimensions that is 105 MB.
    pub fn select(&self, index: &Matrix<u32>, unit: bool) -> Result<Rows> {
        self.has(&index.data)?;
        match &self.device {
            None => Ok(Rows::of(&self.features, index, unit)),
            Some(device) => Ok(device.select(&index.data, index.rows, unit)?.into()),
        }
    }

    /// The rows `neighbors[label]` of every label, `[B, K, D]`, L2-normalised.
    pub fn related(&self, neighbors: &Matrix<u32>, labels: &[u32]) -> Result<Rows> {
        if let Some(label) = labels.iter().find(|l| **l as usize >= neighbors.rows) {
            return Err(Error::Compute(format!(
                "identity {label} has no neighbours: they are known for {} identities",
                neighbors.rows
            )));
        }
        let rows = labels.iter().flat_map(|&l| neighbors.row(l as usize));
        let index = Matrix {
            rows: labels.len(),
            cols: neighbors.cols,
            data: rows.copied().collect(),
        };
        self.select(&index, true)
    }

    /// Takes over the checkpointed features `name`.
    ///
    /// # Errors
    /// [`Error::Data`] if there are none, or not as many as there are here.
    pub fn restore(&mut self, saved: Option<Matrix<f32>>, name: &str) -> Result<()> {
        let want = (self.features.rows, self.features.cols);
        match saved {
            Some(m) if (m.rows, m.cols) == want && m.data.len() == m.rows * m.cols => {
                self.features = m;
            }
            Some(m) => {
                return Err(Error::Data(format!(
                    "the checkpoint's `{name}` is [{}, {}], want [{}, {}]",
                    m.rows, m.cols, want.0, want.1
                )));
            }
            None => {
                return Err(Error::Data(format!(
                    "the checkpoint has no `{name}`; it is not one of this method"
                )));
            }
        }
        match &mut self.device {
            Some(device) => device.push(&self.features.data),
            None => Ok(()),
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
        let bank = Bank::of_prototypes(&prototypes());
        let want = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0];
        assert_eq!(bank.features().data, want);
    }

    #[test]
    fn overwriting_touches_the_rows_of_the_batch_and_the_last_sample_wins() {
        let mut bank = Bank::of_prototypes(&prototypes());
        let rows = [[3.0f32, 4.0], [0.0, 2.0], [-4.0, 3.0]];
        let features = Tensor::new(&rows, &Device::Cpu).unwrap();
        bank.overwrite(&[2, 0, 2], &features).unwrap();
        let want = [0.0, 1.0, 0.0, 1.0, -0.8, 0.6, 0.0, -1.0];
        assert_eq!(bank.features().data, want);
    }

    #[test]
    fn blending_goes_part_of_the_way_and_back_to_the_sphere() {
        let mut bank = Bank::of_prototypes(&prototypes());
        let features = Tensor::new(&[[0.0f32, 1.0]], &Device::Cpu).unwrap();
        bank.blend(&[0], &features, 0.5).unwrap();
        let half = 0.5f32.sqrt();
        let got = bank.features().row(0);
        assert!(got.iter().all(|v| (v - half).abs() < 1e-7), "{got:?}");
        assert_eq!(bank.features().row(1), [0.0, 1.0]);
    }

    #[test]
    fn wrong_rows_and_shapes_are_errors() {
        let mut bank = Bank::of_prototypes(&prototypes());
        let features = Tensor::new(&[[1.0f32, 0.0]], &Device::Cpu).unwrap();
        assert!(bank.overwrite(&[4], &features).is_err());
        assert!(bank.overwrite(&[0, 1], &features).is_err());
        let index = |data: Vec<u32>| Matrix {
            rows: 1,
            cols: data.len(),
            data,
        };
        assert!(bank.select(&index(vec![0, 3]), false).is_ok());
        assert!(bank.select(&index(vec![0, 4]), false).is_err());
        assert!(bank.related(&index(vec![0, 4]), &[0]).is_err());
        assert!(bank.related(&index(vec![0, 3]), &[1]).is_err());
        assert!(bank.restore(None, "bank").is_err());
        let mut other = prototypes();
        other.rows = 2;
        assert!(bank.restore(Some(other), "bank").is_err());
        assert!(bank.restore(Some(prototypes()), "bank").is_ok());
    }
}
