//! Images as one network takes them, made where that is best done: in host memory, on their way
//! to a GPU, or gathered from a set that lies there.

use super::batch::Images;
use frbench_base::{Error, Result};
use frbench_data::cache::levels;
use frbench_engine::device::{ImageSet, Upload, Uploads};
use frbench_engine::pool::Pool;
use frbench_engine::{Network, Value};
use frbench_job::{Color, InputSpec};
use std::sync::Arc;

/// A set of images, and how a network takes them.
#[derive(Clone)]
pub struct InputPipeline {
    images: Arc<dyn Images>,
    input: InputSpec,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Host(Arc<Pool>),
    Upload(Arc<dyn Uploads>),
    Resident(Arc<dyn ImageSet>),
}

/// Inputs that are made, or for which nothing is left to do but what the GPU does by itself.
pub struct Made(Where);

enum Where {
    Host(Vec<Value>),
    Sent(Box<dyn Upload>),
    Resident {
        set: Arc<dyn ImageSet>,
        indices: Vec<u32>,
        flips: Vec<Vec<bool>>,
    },
}

impl InputPipeline {
    /// In host memory, which every network takes.
    pub fn on_host(images: Arc<dyn Images>, input: &InputSpec) -> InputPipeline {
        InputPipeline {
            images,
            input: input.clone(),
            way: Way::Host(Pool::new()),
        }
    }

    /// As `network` takes them: sent to the GPU that it is on, if it is on one.
    ///
    /// # Errors
    /// [`Error::Compute`] if the GPU fails.
    pub fn of(
        images: Arc<dyn Images>,
        input: &InputSpec,
        network: &Network,
    ) -> Result<InputPipeline> {
        let mut view = InputPipeline::on_host(images, input);
        if let Some(uploads) = network.uploads(&levels(input), input.color == Color::Bgr)? {
            view.way = Way::Upload(uploads);
        }
        Ok(view)
    }

    /// From a set that lies on the GPU, seen as `input` says.
    pub(super) fn resident(
        images: Arc<dyn Images>,
        input: &InputSpec,
        set: Arc<dyn ImageSet>,
    ) -> InputPipeline {
        InputPipeline {
            way: Way::Resident(set),
            ..InputPipeline::on_host(images, input)
        }
    }

    /// How many threads should make it. A CPU that computes the network, too, has a few to
    /// spare; beside a GPU all but the one that launches have nothing else to do.
    pub fn threads(&self) -> usize {
        let all = rayon::current_num_threads();
        match self.way {
            Way::Host(_) => all.div_ceil(4),
            Way::Upload(_) => (all - 1).max(1),
            Way::Resident(_) => 1,
        }
    }

    /// The images `indices`, once for each of `flips`, which says what is mirrored.
    ///
    /// # Errors
    /// An image that cannot be decoded; [`Error::Compute`] if the GPU fails.
    pub fn make(&self, indices: &[u32], flips: &[&[bool]]) -> Result<Made> {
        let (n, size) = (indices.len(), self.input.size);
        let len = n * size.area() * 3;
        let fill =
            |flips: &[bool], out: &mut [f32]| self.images.fill(indices, flips, &self.input, out);
        Ok(Made(match &self.way {
            Way::Host(pool) => {
                let value = |flips: &&[bool]| {
                    let mut pixels = pool.take(len);
                    fill(flips, &mut pixels)?;
                    Ok(Value::from_buffer([n, size.height, size.width, 3], pixels))
                };
                Where::Host(flips.iter().map(value).collect::<Result<_>>()?)
            }
            // What has lost resolution is no longer a matter of levels.
            Way::Upload(uploads) if self.input.degrade.is_some() => {
                Where::Sent(uploads.floats((n, size), flips.len(), &mut |out| {
                    let parts = out.chunks_exact_mut(len.max(1));
                    flips
                        .iter()
                        .zip(parts)
                        .try_for_each(|(f, out)| fill(f, out))
                })?)
            }
            Way::Upload(uploads) => {
                let mut read = |out: &mut [u8]| self.images.read(indices, out);
                Where::Sent(uploads.bytes((n, size), flips, &mut read)?)
            }
            Way::Resident(set) => Where::Resident {
                set: set.clone(),
                indices: indices.to_vec(),
                flips: flips.iter().map(|f| f.to_vec()).collect(),
            },
        }))
    }
}

impl Made {
    /// The input, `[n, height, width, 3]`, of the turn `k` of those that were asked for.
    ///
    /// # Errors
    /// [`Error::Compute`] if the GPU fails, [`Error::Bug`] if there is no such turn.
    pub fn value(&self, k: usize) -> Result<Value> {
        let missing = || Error::Bug(format!("there is no input {k}"));
        match &self.0 {
            Where::Host(values) => values.get(k).cloned().ok_or_else(missing),
            Where::Sent(upload) => upload.value(k),
            Where::Resident {
                set,
                indices,
                flips,
            } => set.gather(indices, flips.get(k).ok_or_else(missing)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pixel is the number of its image, less one half where it is mirrored.
    struct Numbers;

    impl Images for Numbers {
        fn len(&self) -> usize {
            9
        }

        fn read(&self, _: &[u32], _: &mut [u8]) -> Result<()> {
            Err(Error::Bug("numbers are no bytes".into()))
        }

        fn fill(&self, all: &[u32], flips: &[bool], _: &InputSpec, out: &mut [f32]) -> Result<()> {
            let len = out.len() / all.len();
            for ((&i, &flip), out) in all.iter().zip(flips).zip(out.chunks_exact_mut(len)) {
                out.fill(i as f32 - if flip { 0.5 } else { 0.0 });
            }
            Ok(())
        }
    }

    #[test]
    fn images_are_made_once_for_each_way_of_mirroring_them() {
        let input = InputSpec {
            size: 2.into(),
            color: Color::Rgb,
            mean: 0.5,
            std: 0.5,
            degrade: None,
        };
        let view = InputPipeline::on_host(Arc::new(Numbers), &input);
        let made = view
            .make(&[7, 3], &[&[false, false], &[true, false]])
            .unwrap();
        let first = |turn: usize| {
            let value = made.value(turn).unwrap();
            assert_eq!(value.shape(), [2, 2, 2, 3]);
            [value.data()[0], value.data()[12]]
        };
        assert_eq!([first(0), first(1)], [[7.0, 3.0], [6.5, 3.0]]);
        assert!(made.value(2).is_err());
    }
}
