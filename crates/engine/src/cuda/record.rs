//! Work that is recorded once and launched as one, as often as wanted ("CUDA graphs").
//!
//! All that computes on a GPU goes through one stream, which takes down whatever it is given while
//! it records, from any thread: who records has it for himself ([`Turns`]). What is recorded uses
//! the same memory at every launch, which nobody else may get in between (`memory::apart`).

use super::gpu::{Gpu, failed};
use super::memory::{self, Kept};
use cudarc::driver::{CudaGraph, CudaSlice, sys};
use frbench_base::{Error, Result};
use std::cell::{Cell, RefCell};
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
        Ok(value) if value.is_empty() => Ok(true),
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
    /// The turns that this thread has, one inside the other; of each GPU's, a lock is taken for the
    /// outermost.
    static HELD: RefCell<Vec<*const Turns>> = const { RefCell::new(Vec::new()) };
    /// Where this thread records.
    static RECORDING: Cell<*const Turns> = const { Cell::new(std::ptr::null()) };
}

/// A turn lasts as long as this.
pub(super) struct Turn<'a>(#[expect(dead_code, reason = "held")] Option<RwLockReadGuard<'a, ()>>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        HELD.with_borrow_mut(Vec::pop);
    }
}

impl Turns {
    /// Waits until nobody records.
    pub fn take(&self) -> Turn<'_> {
        let outermost = HELD.with_borrow(|held| !held.contains(&std::ptr::from_ref(self)));
        let lock = outermost.then(|| self.0.read().unwrap_or_else(PoisonError::into_inner));
        HELD.with_borrow_mut(|held| held.push(self));
        Turn(lock)
    }

    /// Whether what this thread asks for is recorded instead of done.
    pub fn is_recording(&self) -> bool {
        std::ptr::eq(RECORDING.get(), self)
    }

    /// Calls `f`, which records, while nobody else has a turn.
    fn alone<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Recording;
        impl Drop for Recording {
            fn drop(&mut self) {
                RECORDING.set(std::ptr::null());
                HELD.with_borrow_mut(Vec::pop);
            }
        }
        let _lock = self.0.write().unwrap_or_else(PoisonError::into_inner);
        HELD.with_borrow_mut(|held| held.push(self));
        RECORDING.set(self);
        let _recording = Recording;
        f()
    }
}

/// Ends what a stream takes down, whatever has become of it: it would take down everything else.
struct Taking<'a>(&'a Gpu);

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        let _ = self.0.bind();
        let mut graph = std::ptr::null_mut();
        // SAFETY: the stream is alive; one that takes nothing down says so, and a graph that comes
        // out of it is nobody else's.
        unsafe {
            let _ = sys::cuStreamEndCapture(self.0.stream().cu_stream(), &mut graph);
            if !graph.is_null() {
                let _ = sys::cuGraphDestroy(graph);
            }
        }
    }
}

/// What was recorded, with the memory that it uses beside that of whoever recorded it.
pub(super) struct Recorded {
    graph: CudaGraph,
    workspace: Option<Arc<CudaSlice<u8>>>,
    _memory: Arc<Kept>,
    turns: Arc<Turns>,
}

// SAFETY: a graph may be used from any thread, by one at a time; whoever launches or drops it has
// it behind a lock.
unsafe impl Send for Recorded {}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("recorded work")
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // It may be the last to have it.
        let _turn = self.turns.take();
        self.workspace = None;
    }
}

impl Gpu {
    /// Records what `f` asks for, with memory from `kept` alone. None of it is done; what `f` makes
    /// has its numbers after each launch.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Compute`] if something of it cannot be recorded, or there is no
    /// memory for it. The GPU is then as it was before.
    pub(super) fn record<R>(
        &self,
        kept: &Arc<Kept>,
        f: impl FnOnce() -> Result<R>,
    ) -> Result<(R, Recorded)> {
        // An error that a drop has left would come up in between.
        self.bind()?;
        let (made, recorded) = self.turns().alone(|| {
            // Other threads may go on with other streams, and libraries with what is none of the
            // stream's business.
            let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
            let taking = Taking(self);
            let begun = self.stream().begin_capture(mode);
            begun.map_err(failed("recording"))?;
            let made = memory::apart(kept, f);
            let graph = self.stream().end_capture(sys::CUgraphInstantiate_flags(0));
            drop(taking);
            let (made, graph) = (made?, graph.map_err(failed("recording"))?);
            let graph =
                graph.ok_or_else(|| Error::Compute("the GPU: nothing was recorded".into()))?;
            let recorded = Recorded {
                graph,
                workspace: self.convolutions().workspace(),
                _memory: Arc::clone(kept),
                turns: Arc::clone(self.turns()),
            };
            Ok::<_, Error>((made, recorded))
        })?;
        self.wait_for_memory()?;
        Ok((made, recorded))
    }

    pub(super) fn launch_recorded(&self, recorded: &Recorded) -> Result<()> {
        let _turn = self.turn();
        self.count_graph();
        let launched = recorded.graph.launch();
        launched.map_err(failed("launching what was recorded"))
    }
}
