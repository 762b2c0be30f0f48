//! Embeddings of pictures by a network from a file, outside of any plan.

use super::embed::laid_out;
use frbench_base::{Error, Result};
use frbench_data::cache::PixelCache;
use frbench_data::source::{ImageSource, Selected};
use frbench_engine::{Device, Network, Value};
use frbench_job::{InputSpec, Precision, Views};
use std::path::Path;
use std::sync::Arc;

/// A network, and how images become its input.
pub struct Embedder {
    pub network: Network,
    pub input: InputSpec,
    /// Things a reader must know of the file.
    pub notes: Vec<String>,
    /// sha256 of the file.
    pub sha256: String,
    device: Device,
}

impl Embedder {
    /// The network in the file of weights `path`, on `device`; the size of `input` is replaced
    /// by that of the network's input.
    ///
    /// # Errors
    /// What [`frbench_weights::read`] refuses, and a GPU that fails.
    pub fn open(path: &Path, input: InputSpec, device: &Device) -> Result<Embedder> {
        let read = frbench_weights::read(path)?;
        let mut network = read.network()?;
        network.move_to(device, Precision::F32)?;
        let (mean, std) = read.takes.unwrap_or((input.mean, input.std));
        Ok(Embedder {
            network,
            input: InputSpec {
                size: read.size,
                mean,
                std,
                ..input
            },
            notes: read.notes,
            sha256: read.sha256,
            device: device.clone(),
        })
    }

    /// Columns of what [`Embedder::embed`] makes.
    pub fn dim(&self, views: Views) -> usize {
        let one = self.network.graph().embedding_size();
        match views {
            Views::Original | Views::Sum => one,
            Views::Both => 2 * one,
        }
    }

    /// What computes: bits may differ on others.
    pub fn kernels(&self) -> String {
        self.device.kernels()
    }

    /// Embeddings of the images from `first` on, `[len - first, dim]` row-major, chunk by chunk:
    /// `take` gets the rows of each, and how many images are done.
    ///
    /// # Errors
    /// An image that cannot be decoded; what `take` returns.
    pub fn embed(
        &self,
        images: &Arc<dyn ImageSource>,
        (views, first): (Views, usize),
        mut take: impl FnMut(&[f32], usize) -> Result<()>,
    ) -> Result<()> {
        let chunk = self.device.embedding_batch();
        let size = self.input.size;
        for from in (first..images.len()).step_by(chunk) {
            let some: Vec<u32> = (from as u32..images.len().min(from + chunk) as u32).collect();
            let cache = PixelCache::build(
                &Selected {
                    source: images.clone(),
                    indices: &some,
                },
                size,
            )?;
            let rows = laid_out(views, |turn| {
                let indices: Vec<u32> = (0..some.len() as u32).collect();
                let mut pixels = vec![0.0; some.len() * size.area() * 3];
                let mirrored = vec![turn == 1; some.len()];
                cache.fill_batch(&indices, &mirrored, &self.input, &mut pixels)?;
                let input = Value::new([some.len(), size.height, size.width, 3], pixels)?;
                let embedding = self.network.infer(&input)?.embedding;
                Ok((embedding.to_vec(), embedding.channels()))
            })?;
            take(&rows, from + some.len())?;
        }
        Ok(())
    }
}

/// The cosine of two embeddings.
///
/// # Errors
/// [`Error::Compute`] for one that holds NaN or infinity, or that is 0, which has no direction.
pub fn cosine(a: &[f32], b: &[f32]) -> Result<f64> {
    Ok(dot(a, b) / directed(dot(a, a) * dot(b, b))?.sqrt())
}

/// Makes an embedding a unit vector.
///
/// # Errors
/// As [`cosine`].
pub fn normalize(row: &mut [f32]) -> Result<()> {
    let norm = directed(dot(row, row))?.sqrt();
    row.iter_mut()
        .for_each(|v| *v = (f64::from(*v) / norm) as f32);
    Ok(())
}

/// A sum in double precision, in which no square of a number overflows.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum()
}

/// The square of a norm, of what has a direction.
fn directed(square: f64) -> Result<f64> {
    if !square.is_finite() {
        return Err(Error::Compute(
            "an embedding holds NaN or infinity: the weights are damaged, or their input is not what \
             was stated"
                .into(),
        ));
    }
    if square == 0.0 {
        return Err(Error::Compute(
            "an embedding is 0, which has no direction".into(),
        ));
    }
    Ok(square)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_direction_has_no_cosine() {
        assert_eq!(cosine(&[1.0, 1.0], &[2.0, -2.0]).unwrap(), 0.0);
        assert!((cosine(&[1e30, 0.0], &[1e-30, 0.0]).unwrap() - 1.0).abs() < 1e-12);
        for wrong in [f32::NAN, f32::INFINITY] {
            let said = cosine(&[wrong, 1.0], &[1.0, 1.0]).unwrap_err().to_string();
            assert!(said.contains("NaN or infinity"), "{said}");
        }
        assert!(cosine(&[0.0], &[1.0]).is_err());
    }
}
