//! Work that is recorded once and launched as one, as often as wanted ("CUDA graphs").
//!
//! All that computes on a GPU goes through one stream, which takes down whatever it is given while
//! it records, from any thread: who records has it for himself ([`Turns`]). What is recorded uses
//! the same memory at every launch, which nobody else may get in between (`memory::apart`).

use super::gpu::{Gpu, failed};
use super::memory::{self, Kept};
use crate::{Error, Result};
use cudarc::driver::{CudaGraph, CudaSlice, sys};
use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The variable that forbids recordings, if it is `never`.
const VARIABLE: &str = "FRBENCH_GRAPHS";

/// Whether the user allows recordings.
///
/// # Errors
/// [`Error::Usage`] for anything else than `never`.
pub(super) fn are_allowed() -> Result<bool> {
    match std::env::var(VARIABLE) {
        Err(_) => Ok(true),
        Ok(value) if value == "never" => Ok(false),
        Ok(value) => Err(Error::Usage(format!(
            "{VARIABLE}: `{value}` is not `never`, which is all that it can be"
        ))),
    }
}

/// Who may give a stream work: everybody, or who records.
#[derive(Debug, Default)]
pub(super) struct Turns(RwLock<()>);

thread_local! {
    /// Turns that this thread has, one inside the other; a lock is taken for the outermost.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static RECORDING: Cell<bool> = const { Cell::new(false) };
}

/// Whether what this thread asks for is recorded instead of done.
pub(super) fn is_recording() -> bool {
    RECORDING.get()
}

/// A turn lasts as long as this.
pub(super) struct Turn<'a>(#[expect(dead_code, reason = "held")] Option<RwLockReadGuard<'a, ()>>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl Turns {
    /// Waits until nobody records.
    pub fn take(&self) -> Turn<'_> {
        let outermost = DEPTH.get() == 0;
        let lock = outermost.then(|| self.0.read().unwrap_or_else(PoisonError::into_inner));
        DEPTH.set(DEPTH.get() + 1);
        Turn(lock)
    }

    /// Calls `f` while nobody else has a turn.
    fn alone<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Recording;
        impl Drop for Recording {
            fn drop(&mut self) {
                RECORDING.set(false);
                DEPTH.set(0);
            }
        }
        debug_assert_eq!(DEPTH.get(), 0, "a recording inside of other work");
        let _lock = self.0.write().unwrap_or_else(PoisonError::into_inner);
        DEPTH.set(1);
        RECORDING.set(true);
        let _recording = Recording;
        f()
    }
}

/// What was recorded, with the memory that it uses beside that of whoever recorded it.
pub(super) struct Recorded {
    graph: CudaGraph,
    _workspace: Option<Arc<CudaSlice<u8>>>,
    _memory: Arc<Kept>,
}

// SAFETY: a graph may be used from any thread, by one at a time; whoever launches or drops it has
// it behind a lock.
unsafe impl Send for Recorded {}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("recorded work")
    }
}

impl Gpu {
    /// Records what `f` asks for, with memory from `kept` alone. None of it is done; what `f` makes
    /// has its numbers after each launch.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Compute`] if something of it cannot be recorded. The GPU is then as
    /// it was before.
    pub(super) fn record<R>(
        &self,
        kept: &Arc<Kept>,
        f: impl FnOnce() -> Result<R>,
    ) -> Result<(R, Recorded)> {
        let (made, graph) = self.turns().alone(|| {
            // Other threads may go on with other streams, and libraries with what is none of the
            // stream's business.
            let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
            let begun = self.stream().begin_capture(mode);
            begun.map_err(failed("recording"))?;
            let made = memory::apart(kept, f);
            let graph = self.stream().end_capture(sys::CUgraphInstantiate_flags(0));
            Ok::<_, Error>((made, graph))
        })?;
        let (made, graph) = (made?, graph.map_err(failed("recording"))?);
        let graph = graph.ok_or_else(|| Error::Compute("the GPU: nothing was recorded".into()))?;
        let recorded = Recorded {
            graph,
            _workspace: self.convolutions().workspace(),
            _memory: Arc::clone(kept),
        };
        Ok((made, recorded))
    }

    pub(super) fn launch_recorded(&self, recorded: &Recorded) -> Result<()> {
        let _turn = self.turn();
        self.count_graph();
        let launched = recorded.graph.launch();
        launched.map_err(failed("launching what was recorded"))
    }
}
