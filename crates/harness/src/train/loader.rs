//! The data loader, which runs ahead of training: a thread decodes, mirrors and normalises
//! what the next steps will see while the network works on this one.
//!
//! What a step sees is a function of `(seed, step)` alone, so that nothing depends on how far
//! ahead the thread is, or on whether a training was resumed in between.

use super::batch::Batch;
use super::pipeline::{InputPipeline, Made};
use super::queue::Queue;
use frbench_base::Result;
use frbench_data::sampler::Batches;
use std::ops::Range;

/// Which samples a step draws, and which of them mirrored.
#[derive(Clone)]
pub(super) struct Order {
    pub batches: Batches,
    pub flip: bool,
}

impl Order {
    /// The samples of step `step`.
    pub fn batch(&mut self, step: u64) -> Batch {
        let samples = self.batches.at(step);
        let flips = if self.flip {
            self.batches.flips(step, &samples)
        } else {
            vec![false; samples.len()]
        };
        Batch {
            step,
            epoch: step / self.batches.steps_per_epoch() + 1,
            samples,
            flips,
        }
    }
}

/// What makes the input of a step.
pub(super) struct Source {
    pub order: Order,
    pub student: InputPipeline,
    /// Where the teacher is run in the step and does not see what the student sees.
    pub teacher: Option<InputPipeline>,
}

/// The input of one step.
pub(super) struct Input {
    pub batch: Batch,
    pub student: Made,
    pub teacher: Option<Made>,
}

impl Source {
    /// Starts on the inputs of `steps`, on threads of its own.
    ///
    /// # Errors
    /// [`frbench_base::Error::Compute`] if the system has no thread to give.
    pub fn start(mut self, steps: Range<u64>) -> Result<Queue<Input>> {
        let views = [Some(&self.student), self.teacher.as_ref()];
        let threads = views
            .into_iter()
            .flatten()
            .map(InputPipeline::threads)
            .max();
        Queue::start(steps, threads.unwrap_or(1), move |step| self.input(step))
    }

    fn input(&mut self, step: u64) -> Result<Input> {
        let batch = self.order.batch(step);
        let made = |view: &InputPipeline| view.make(&batch.samples, &[&batch.flips]);
        Ok(Input {
            student: made(&self.student)?,
            teacher: self.teacher.as_ref().map(made).transpose()?,
            batch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Images;
    use frbench_base::Error;
    use frbench_job::{Color, InputSpec};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Ten images; filling one writes its number, or its negative if mirrored.
    #[derive(Default)]
    struct Numbers {
        filled: AtomicUsize,
        broken: Option<u32>,
    }

    impl Images for Numbers {
        fn len(&self) -> usize {
            10
        }

        fn read(&self, _: &[u32], _: &mut [u8]) -> Result<()> {
            Err(Error::Bug("numbers are no bytes".into()))
        }

        fn fill(
            &self,
            indices: &[u32],
            flips: &[bool],
            input: &InputSpec,
            out: &mut [f32],
        ) -> Result<()> {
            self.filled.fetch_add(1, Ordering::SeqCst);
            let n = 3 * input.size.area();
            for ((&i, &flip), out) in indices.iter().zip(flips).zip(out.chunks_exact_mut(n)) {
                if self.broken == Some(i) {
                    return Err(Error::Data(format!("image {i} is broken")));
                }
                out.fill(if flip { -1.0 - i as f32 } else { i as f32 });
            }
            Ok(())
        }
    }

    fn view(images: &Arc<Numbers>, size: usize) -> InputPipeline {
        let input = InputSpec {
            size: size.into(),
            color: Color::Rgb,
            mean: 0.5,
            std: 0.5,
            degrade: None,
        };
        InputPipeline::on_host(images.clone(), &input)
    }

    fn source(broken: Option<u32>) -> (Source, Arc<Numbers>) {
        let images = Arc::new(Numbers {
            broken,
            ..Numbers::default()
        });
        let source = Source {
            order: Order {
                batches: Batches::new(3, 4, 10).unwrap(),
                flip: true,
            },
            student: view(&images, 2),
            teacher: None,
        };
        (source, images)
    }

    fn numbers(made: &Made) -> Vec<f32> {
        made.value(0).unwrap().to_vec()
    }

    #[test]
    fn what_runs_ahead_is_what_the_step_would_have_made() {
        let (mut plain, _) = source(None);
        for first in [0, 3] {
            let mut feed = source(None).0.start(first..9).unwrap();
            for step in first..9 {
                assert_eq!(feed.at(), step);
                let (got, _) = feed.take().unwrap();
                let want = plain.input(step).unwrap();
                assert_eq!(got.batch, want.batch);
                assert_eq!(got.batch.step, step);
                assert_eq!(numbers(&got.student), numbers(&want.student));
                assert!(got.teacher.is_none());
            }
            assert!(feed.take().is_err(), "beyond the last step");
        }
    }

    #[test]
    fn the_teacher_sees_the_same_images_mirrored_alike_in_its_own_size() {
        let (mut source, images) = source(None);
        source.teacher = Some(view(&images, 3));
        let mut feed = source.start(0..4).unwrap();
        for _ in 0..4 {
            let (got, _) = feed.take().unwrap();
            let first = |numbers: Vec<f32>, size: usize| -> Vec<f32> {
                numbers
                    .chunks_exact(3 * size * size)
                    .map(|i| i[0])
                    .collect()
            };
            let teacher = numbers(got.teacher.as_ref().unwrap());
            assert_eq!(teacher.len(), 4 * 27);
            assert_eq!(first(teacher, 3), first(numbers(&got.student), 2));
        }
        assert_eq!(images.filled.load(Ordering::SeqCst), 8);
    }

    #[test]
    fn an_error_arrives_with_the_step_that_needs_the_image() {
        let (mut plain, _) = source(None);
        let victim = plain.order.batch(5).samples[2];
        let first = (0..).find(|&s| plain.order.batch(s).samples.contains(&victim));
        let first = first.unwrap();
        let mut feed = source(Some(victim)).0.start(0..9).unwrap();
        for _ in 0..first {
            feed.take().unwrap();
        }
        let error = feed.take().err().unwrap();
        assert_eq!(error.to_string(), format!("image {victim} is broken"));
        assert_eq!(error.exit_code(), 5);
        assert_eq!(feed.at(), first);
    }
}
