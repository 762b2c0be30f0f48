//! Input that runs ahead of training: a thread decodes, mirrors and normalises the next
//! batches while the network works on this one.
//!
//! What a step sees is a function of `(seed, step)` alone, so that nothing depends on how far
//! ahead the thread is, or on whether a training was resumed in between.

use super::batch::{Batch, Images};
use crate::data::sampler::Batches;
use crate::nn::Value;
use crate::nn::pool::Pool;
use crate::plan::spec::InputSpec;
use crate::{Error, Result};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Batches that are ready and not yet taken; one more is being made.
const QUEUE: usize = 2;

/// What makes the input of a step.
#[derive(Clone)]
pub(super) struct Source {
    pub images: Arc<dyn Images>,
    pub input: InputSpec,
    pub batches: Batches,
    pub flip: bool,
}

/// The input of one step.
pub(super) struct Input {
    pub batch: Batch,
    /// `[n, side, side, 3]`.
    pub images: Value,
}

impl Source {
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

    fn input(&mut self, step: u64, pool: &Arc<Pool>) -> Result<Input> {
        let batch = self.batch(step);
        let (n, side) = (batch.samples.len(), self.input.size);
        let mut pixels = pool.take(n * side * side * 3);
        self.images
            .fill(&batch.samples, &batch.flips, &self.input, &mut pixels)?;
        Ok(Input {
            batch,
            images: Value::from_buffer([n, side, side, 3], pixels),
        })
    }
}

/// A thread that makes inputs ahead of time. Dropping it ends the thread.
pub(super) struct Feed {
    /// Next step to be taken.
    step: u64,
    ready: Option<Receiver<Result<Input>>>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Starts on the inputs of `steps`.
    ///
    /// # Errors
    /// [`Error::Compute`] if the system has no thread to give.
    pub fn start(source: Source, steps: Range<u64>) -> Result<Self> {
        let failed = |e: &dyn std::fmt::Display| {
            Error::Compute(format!("cannot start a thread for the input: {e}"))
        };
        // The training's own threads must not be caught in a decoder while a step waits for
        // them, so decoding has a few of its own.
        let threads = rayon::current_num_threads().div_ceil(4);
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("input {i}"))
            .build()
            .map_err(|e| failed(&e))?;
        let (sender, ready) = sync_channel(QUEUE);
        let first = steps.start;
        let thread = std::thread::Builder::new()
            .name("input".into())
            .spawn(move || workers.install(|| make(source, steps, &sender)))
            .map_err(|e| failed(&e))?;
        Ok(Feed {
            step: first,
            ready: Some(ready),
            thread: Some(thread),
        })
    }

    /// The step whose input comes next.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The next input, and how long it was waited for.
    ///
    /// # Errors
    /// What went wrong when this very input was made; the feed has then come to its end.
    pub fn next(&mut self) -> Result<(Input, Duration)> {
        let started = Instant::now();
        let ended = || Error::Bug("the thread that makes the input has ended".into());
        let ready = self.ready.as_ref().ok_or_else(ended)?;
        let input = ready.recv().map_err(|_| ended())??;
        self.step += 1;
        Ok((input, started.elapsed()))
    }
}

/// Sends the input of every step, up to the first that cannot be made, for as long as
/// somebody listens.
fn make(mut source: Source, steps: Range<u64>, sender: &SyncSender<Result<Input>>) {
    let pool = Pool::new();
    for step in steps {
        let input = source.input(step, &pool);
        let failed = input.is_err();
        if sender.send(input).is_err() || failed {
            return;
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // A thread that waits for room in the queue wakes up when nobody listens any more.
        drop(self.ready.take());
        if let Some(thread) = self.thread.take() {
            // It sends its errors; if it has panicked, that has been reported as it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::spec::Color;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Ten images; filling one writes its number, or its negative if mirrored.
    struct Numbers {
        filled: AtomicUsize,
        broken: Option<u32>,
        delay: Duration,
    }

    impl Images for Numbers {
        fn len(&self) -> usize {
            10
        }

        fn fill(
            &self,
            indices: &[u32],
            flips: &[bool],
            input: &InputSpec,
            out: &mut [f32],
        ) -> Result<()> {
            std::thread::sleep(self.delay);
            self.filled.fetch_add(1, Ordering::SeqCst);
            let n = 3 * input.size * input.size;
            for ((&i, &flip), out) in indices.iter().zip(flips).zip(out.chunks_exact_mut(n)) {
                if self.broken == Some(i) {
                    return Err(Error::Data(format!("image {i} is broken")));
                }
                out.fill(if flip { -1.0 - i as f32 } else { i as f32 });
            }
            Ok(())
        }
    }

    fn source(broken: Option<u32>, delay: u64) -> (Source, Arc<Numbers>) {
        let images = Arc::new(Numbers {
            filled: AtomicUsize::new(0),
            broken,
            delay: Duration::from_millis(delay),
        });
        let source = Source {
            images: images.clone(),
            input: InputSpec {
                size: 2,
                color: Color::Rgb,
                mean: 0.5,
                std: 0.5,
                degrade: None,
            },
            batches: Batches::new(3, 4, 10).unwrap(),
            flip: true,
        };
        (source, images)
    }

    #[test]
    fn what_runs_ahead_is_what_the_step_would_have_made() {
        let (mut plain, _) = source(None, 0);
        for first in [0, 3] {
            let mut feed = Feed::start(source(None, 0).0, first..9).unwrap();
            let pool = Pool::new();
            for step in first..9 {
                assert_eq!(feed.step(), step);
                let (got, _) = feed.next().unwrap();
                let want = plain.input(step, &pool).unwrap();
                assert_eq!(got.batch, want.batch);
                assert_eq!(got.batch.step, step);
                assert_eq!(got.images.data(), want.images.data());
            }
            assert!(feed.next().is_err(), "beyond the last step");
        }
    }

    #[test]
    fn the_thread_stays_a_few_batches_ahead_and_ends_when_dropped() {
        let (source, images) = source(None, 0);
        let mut feed = Feed::start(source, 0..1_000_000).unwrap();
        feed.next().unwrap();
        // The one that was taken, the queue, and the one that waits for room.
        let full = 1 + QUEUE + 1;
        let made = || images.filled.load(Ordering::SeqCst);
        while made() < full {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(made(), full);
        drop(feed);
        assert_eq!(Arc::strong_count(&images), 1, "the thread still runs");
    }

    #[test]
    fn an_error_arrives_with_the_step_that_needs_the_image() {
        let (mut plain, _) = source(None, 0);
        let victim = plain.batch(5).samples[2];
        let first = (0..).find(|&s| plain.batch(s).samples.contains(&victim));
        let first = first.unwrap();
        let mut feed = Feed::start(source(Some(victim), 0).0, 0..9).unwrap();
        for _ in 0..first {
            feed.next().unwrap();
        }
        let error = feed.next().err().unwrap();
        assert_eq!(error.to_string(), format!("image {victim} is broken"));
        assert_eq!(error.exit_code(), 5);
        assert_eq!(feed.step(), first);
    }

    #[test]
    fn waiting_is_told() {
        let mut feed = Feed::start(source(None, 200).0, 0..3).unwrap();
        let (_, waited) = feed.next().unwrap();
        assert!(waited >= Duration::from_millis(100), "{waited:?}");
        std::thread::sleep(Duration::from_millis(600));
        let (_, waited) = feed.next().unwrap();
        assert!(waited < Duration::from_millis(100), "{waited:?}");
    }
}
