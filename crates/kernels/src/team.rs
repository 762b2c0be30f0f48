//! How threads share the blocks of a kernel: work stealing over fixed sections.
//!
//! A training step is some 200 kernels of 0.1 ms and more, each of which waits for the last block
//! of the one before. What counts there is that a thread waits for no more than that, that it is
//! awake when the next kernel starts, and that it finds in its cache what it has written there
//! itself. rayon by itself cuts work into a few long pieces, gives them to whoever comes first,
//! and lets threads that find nothing fall asleep. Here, each thread has a section of the blocks,
//! the same one in every kernel, takes them one by one, and then helps where some are left. The
//! threads are rayon's, and so are the iterators.

use rayon::iter::plumbing::{Producer, ProducerCallback};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a thread stays awake for a step that has nothing for it to do, and how long at most:
/// a thread that waits for another takes up whatever there is to be done, and that may be to stay
/// awake for a step of another training, which waits in turn for what lies beneath: without an
/// end, both would wait for good. Steps that take longer have kernels that are worth waking up for.
const PATIENCE: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// Runs `work` on one of rayon's threads, and has the others stay awake for it.
pub fn together<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| {
        let me = rayon::current_thread_index();
        let done = Done::default();
        let over = done.0.clone();
        rayon::spawn_broadcast(move |thread| {
            if Some(thread.index()) != me {
                stay_awake(&over);
            }
        });
        work()
    })
}

fn stay_awake(over: &AtomicBool) {
    let start = Instant::now();
    let mut busy = start;
    while !over.load(Ordering::Relaxed) {
        let found = rayon::yield_now() == Some(rayon::Yield::Executed);
        let now = Instant::now();
        if found {
            busy = now;
        } else {
            // Others may want the core: another process, or a thread that decodes images.
            std::thread::yield_now();
        }
        if now - busy > PATIENCE || now - start > LONGEST {
            return;
        }
    }
}

/// Says at its end, however that comes, that the work is done.
#[derive(Default)]
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Parallel iterators over the blocks of a kernel.
pub trait OneByOne: IndexedParallelIterator {
    /// The blocks, for threads to take one by one.
    fn one_by_one(self) -> Blocks<Self> {
        Blocks {
            items: self,
            backwards: false,
        }
    }
}

impl<I: IndexedParallelIterator> OneByOne for I {}

/// Blocks that threads take one by one.
pub struct Blocks<I> {
    items: I,
    backwards: bool,
}

impl<I: IndexedParallelIterator> Blocks<I> {
    /// Every thread begins at the end of its section, with what it has met last.
    pub fn backwards(self) -> Self {
        Self {
            backwards: true,
            ..self
        }
    }

    /// Does `work` for each block.
    pub fn for_each(self, work: impl Fn(I::Item) + Sync) {
        let Self { items, backwards } = self;
        let len = items.len();
        items.with_producer(Shared {
            work,
            len,
            backwards,
        });
    }

    /// What `work` makes of each block, in the order of the blocks.
    pub fn map<T: Send>(self, work: impl Fn(I::Item) -> T + Sync) -> Vec<T> {
        let mut made: Vec<Option<T>> = Vec::new();
        made.resize_with(self.items.len(), || None);
        Blocks {
            items: self.items.zip(made.par_iter_mut()),
            backwards: self.backwards,
        }
        .for_each(|(block, made)| *made = Some(work(block)));
        made.into_iter().flatten().collect()
    }
}

struct Shared<F> {
    work: F,
    len: usize,
    backwards: bool,
}

impl<T, F: Fn(T) + Sync> ProducerCallback<T> for Shared<F> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, blocks: P) {
        let threads = rayon::current_num_threads().min(self.len);
        if threads <= 1 {
            let blocks = blocks.into_iter();
            if self.backwards {
                blocks.rev().for_each(self.work);
            } else {
                blocks.for_each(self.work);
            }
            return;
        }
        let sections = Sections::new(blocks, self.len, threads);
        let busy = AtomicUsize::new(0);
        let help = || {
            busy.fetch_add(1, Ordering::Relaxed);
            let _end = Less(&busy);
            let me = rayon::current_thread_index().unwrap_or(0);
            sections.work(me, self.backwards, &self.work);
        };
        // What others do not come for is done here.
        rayon::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| help());
            }
            help();
            // Their last blocks take less time than falling asleep and waking up.
            while busy.load(Ordering::Relaxed) > 0 {
                std::thread::yield_now();
            }
        });
    }
}

/// Counts down at its end.
struct Less<'a>(&'a AtomicUsize);

impl Drop for Less<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Blocks in as many sections as there are threads.
struct Sections<P>(Vec<Mutex<Section<P>>>);

/// What is left of a section: that many blocks.
struct Section<P> {
    blocks: Option<P>,
    len: usize,
}

impl<P: Producer> Sections<P> {
    fn new(mut blocks: P, len: usize, threads: usize) -> Self {
        let mut sections = Vec::with_capacity(threads);
        for i in 0..threads {
            let len = len * (i + 1) / threads - len * i / threads;
            let (section, rest) = blocks.split_at(len);
            blocks = rest;
            sections.push(Mutex::new(Section {
                blocks: Some(section),
                len,
            }));
        }
        Self(sections)
    }

    /// Works through the section of thread `me`, then from the far ends of the others.
    fn work(&self, me: usize, backwards: bool, work: impl Fn(P::Item)) {
        let n = self.0.len();
        for i in 0..n {
            let section = &self.0[(me + i) % n];
            let from_end = backwards != (i > 0);
            loop {
                let block = section
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(from_end);
                match block {
                    Some(block) => block.into_iter().for_each(&work),
                    None => break,
                }
            }
        }
    }
}

impl<P: Producer> Section<P> {
    /// The first block or the last one.
    fn take(&mut self, from_end: bool) -> Option<P> {
        self.len = self.len.checked_sub(1)?;
        let blocks = self.blocks.take()?;
        let (block, rest) = if from_end {
            let (rest, block) = blocks.split_at(self.len);
            (block, rest)
        } else {
            blocks.split_at(1)
        };
        self.blocks = Some(rest);
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::AssertUnwindSafe;
    use std::sync::mpsc::RecvTimeoutError;

    fn pool(threads: usize) -> rayon::ThreadPool {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap()
    }

    #[test]
    fn every_block_is_done_once_by_however_many_threads() {
        for threads in [1, 2, 3, 8] {
            pool(threads).install(|| {
                for len in [0, 1, 2, 7, 8, 100] {
                    for backwards in [false, true] {
                        let mut times = vec![0; len];
                        let blocks = times.par_iter_mut().one_by_one();
                        let blocks = Blocks {
                            backwards,
                            ..blocks
                        };
                        let numbers: Vec<usize> = (0..len).collect();
                        blocks.for_each(|times| *times += 1);
                        assert_eq!(times, vec![1; len], "{threads} {len} {backwards}");
                        let blocks = numbers.par_iter().one_by_one();
                        let squares = Blocks {
                            backwards,
                            ..blocks
                        }
                        .map(|i| i * i);
                        assert!(squares.iter().enumerate().all(|(i, s)| *s == i * i));
                        assert_eq!(squares.len(), len);
                    }
                }
            });
        }
    }

    /// What thread `me` meets, in order, of ten blocks among three threads when it is alone.
    struct Alone {
        me: usize,
        backwards: bool,
    }

    impl ProducerCallback<usize> for Alone {
        type Output = Vec<usize>;
        fn callback<P: Producer<Item = usize>>(self, blocks: P) -> Vec<usize> {
            let met = Mutex::new(Vec::new());
            let sections = Sections::new(blocks, 10, 3);
            sections.work(self.me, self.backwards, |i| met.lock().unwrap().push(i));
            met.into_inner().unwrap()
        }
    }

    #[test]
    fn a_thread_works_through_its_own_section_and_then_helps_from_the_far_ends() {
        let met = |me, backwards| {
            let blocks = (0..10usize).into_par_iter();
            blocks.with_producer(Alone { me, backwards })
        };
        assert_eq!(met(1, false), [3, 4, 5, 9, 8, 7, 6, 2, 1, 0]);
        assert_eq!(met(2, true), [9, 8, 7, 6, 0, 1, 2, 3, 4, 5]);
    }

    /// Runs `test`, which may hang where it should fail.
    fn in_time(test: impl FnOnce() + Send + 'static) {
        let (ended, end) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            test();
            let _ = ended.send(());
        });
        if end.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
            panic!("still waiting");
        }
        assert!(thread.join().is_ok());
    }

    #[test]
    fn a_kernel_waits_for_nobody_who_is_busy_elsewhere() {
        in_time(|| {
            let (started, over) = (AtomicBool::new(false), AtomicBool::new(false));
            let wait = |flag: &AtomicBool| {
                while !flag.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            };
            let squares = pool(2).scope(|scope| {
                scope.spawn(|_| {
                    started.store(true, Ordering::SeqCst);
                    wait(&over);
                });
                wait(&started);
                let squares = together(|| (0..50).into_par_iter().one_by_one().map(|i| i * i));
                over.store(true, Ordering::SeqCst);
                squares
            });
            assert_eq!(squares[49], 49 * 49);
        });
    }

    /// Threads that wait take up whatever there is, the other step's call to stay awake included,
    /// and may so come to wait for each other.
    #[test]
    fn steps_of_one_pool_come_to_an_end() {
        in_time(|| {
            let pool = pool(3);
            let step = || {
                let plain: usize = (0..1000usize).into_par_iter().with_max_len(50).sum();
                assert_eq!(plain, 999 * 500);
                together(|| {
                    for _ in 0..50 {
                        let blocks = (0..6).into_par_iter().one_by_one();
                        assert_eq!(blocks.map(|i| i + 1), [1, 2, 3, 4, 5, 6]);
                    }
                });
            };
            std::thread::scope(|threads| {
                for _ in 0..3 {
                    threads.spawn(|| (0..30_000).for_each(|_| pool.install(|| together(step))));
                }
            });
        });
    }

    #[test]
    fn a_panic_in_a_block_is_that_of_its_kernel_and_ends_the_step() {
        in_time(|| {
            let pool = pool(3);
            let step = || {
                together(|| {
                    let blocks = (0..8).into_par_iter().one_by_one();
                    blocks.for_each(|i| assert!(i != 5, "block five"));
                });
            };
            let caught = std::panic::catch_unwind(AssertUnwindSafe(|| pool.install(step)));
            assert!(caught.is_err());
            // All three threads meet: none of them is kept awake by what is over.
            let here = AtomicUsize::new(0);
            pool.broadcast(|_| {
                here.fetch_add(1, Ordering::SeqCst);
                while here.load(Ordering::SeqCst) < 3 {
                    std::thread::yield_now();
                }
            });
        });
    }
}
