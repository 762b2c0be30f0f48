//! A bounded queue of things that are made ahead of their use, by a thread, while something else is computed.

use frbench_base::{Error, Result};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Things that are ready and not yet taken; one more is being made.
pub(super) const DEPTH: usize = 2;

/// A thread that makes things in order, a few of them ahead. Dropping it ends the thread.
pub struct Queue<T> {
    /// Number of the thing to be taken next.
    at: u64,
    ready: Option<Receiver<Result<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Queue<T> {
    /// Starts to `make` the things with these numbers, with `threads` threads for work that is
    /// shared out by rayon.
    ///
    /// # Errors
    /// [`Error::Compute`] if the system has no thread to give.
    pub fn start(
        numbers: Range<u64>,
        threads: usize,
        make: impl FnMut(u64) -> Result<T> + Send + 'static,
    ) -> Result<Self> {
        let failed = |e: &dyn std::fmt::Display| {
            Error::Compute(format!("cannot start a thread for the input: {e}"))
        };
        // The caller's own threads must not be caught in a decoder while a step waits for them.
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("input {i}"))
            .build()
            .map_err(|e| failed(&e))?;
        let (sender, ready) = sync_channel(DEPTH);
        let at = numbers.start;
        let thread = std::thread::Builder::new()
            .name("input".into())
            .spawn(move || workers.install(|| send_all(numbers, make, &sender)))
            .map_err(|e| failed(&e))?;
        Ok(Queue {
            at,
            ready: Some(ready),
            thread: Some(thread),
        })
    }

    /// The number of the thing that comes next.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next thing, and how long it was waited for.
    ///
    /// # Errors
    /// What went wrong when this very thing was made; nothing comes after it.
    pub fn take(&mut self) -> Result<(T, Duration)> {
        let started = Instant::now();
        let ended = || Error::Bug("the thread that makes the input has ended".into());
        let ready = self.ready.as_ref().ok_or_else(ended)?;
        let made = ready.recv().map_err(|_| ended())??;
        self.at += 1;
        Ok((made, started.elapsed()))
    }
}

/// Sends all of them, up to the first that cannot be made, for as long as somebody listens.
fn send_all<T>(
    numbers: Range<u64>,
    mut make: impl FnMut(u64) -> Result<T>,
    sender: &SyncSender<Result<T>>,
) {
    for number in numbers {
        let made = make(number);
        let failed = made.is_err();
        if sender.send(made).is_err() || failed {
            return;
        }
    }
}

impl<T> Drop for Queue<T> {
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn the_thread_stays_a_few_ahead_and_ends_when_dropped() {
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let make = move |number| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(number)
        };
        let mut ahead = Queue::start(0..1_000_000, 1, make).unwrap();
        assert_eq!(ahead.take().unwrap().0, 0);
        // The one that was taken, the queue, and the one that waits for room.
        let full = 1 + DEPTH + 1;
        let so_far = || made.load(Ordering::SeqCst);
        while so_far() < full {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(so_far(), full);
        drop(ahead);
        assert_eq!(Arc::strong_count(&made), 1, "the thread still runs");
    }

    #[test]
    fn an_error_arrives_in_its_turn_and_is_the_last() {
        let make = |number| match number {
            5 => Err(Error::Data("five".into())),
            other => Ok(other),
        };
        let mut ahead = Queue::start(3..9, 1, make).unwrap();
        for number in [3, 4] {
            assert_eq!(ahead.at(), number);
            assert_eq!(ahead.take().unwrap().0, number);
        }
        assert_eq!(ahead.take().unwrap_err().to_string(), "five");
        assert_eq!(ahead.at(), 5);
        assert!(ahead.take().is_err());
        let mut short = Queue::start(0..1, 1, Ok).unwrap();
        short.take().unwrap();
        assert!(short.take().is_err(), "beyond the last");
    }

    #[test]
    fn waiting_is_told() {
        let make = |number| {
            std::thread::sleep(Duration::from_millis(200));
            Ok(number)
        };
        let mut ahead = Queue::start(0..3, 1, make).unwrap();
        let (_, waited) = ahead.take().unwrap();
        assert!(waited >= Duration::from_millis(100), "{waited:?}");
        std::thread::sleep(Duration::from_millis(600));
        let (_, waited) = ahead.take().unwrap();
        assert!(waited < Duration::from_millis(100), "{waited:?}");
    }
}
