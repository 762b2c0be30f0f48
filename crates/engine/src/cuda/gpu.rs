//! A GPU: opening it, launching kernels, new memory.

use super::conv::Convolutions;
use super::gemm::Blas;
use super::memory::Kept;
use super::record::{self, Turn, Turns};
use super::{compile, libraries};
use crate::device::Counts;
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, LaunchConfig, PushKernelArg, sys,
};
use frbench_base::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The program of all kernels, in the order that `kernels/common.cuh` states.
const KERNELS: &str = concat!(
    include_str!("kernels/common.cuh"),
    include_str!("kernels/affine.cu"),
    include_str!("kernels/angles.cu"),
    include_str!("kernels/classes.cu"),
    include_str!("kernels/depthwise.cu"),
    include_str!("kernels/elementwise.cu"),
    include_str!("kernels/input.cu"),
    include_str!("kernels/norm.cu"),
    include_str!("kernels/pairs.cu"),
    include_str!("kernels/pool.cu"),
    include_str!("kernels/rank.cu"),
    include_str!("kernels/relations.cu"),
    include_str!("kernels/sgd.cu"),
    include_str!("kernels/taps.cu"),
);

#[derive(Debug, Default)]
struct Counters {
    launches: AtomicU64,
    library_calls: AtomicU64,
    graphs: AtomicU64,
    allocations: AtomicU64,
    allocated: AtomicU64,
    uploads: AtomicU64,
    downloads: AtomicU64,
}

/// One GPU with the stream that all it computes goes through.
pub struct Gpu {
    name: String,
    ordinal: usize,
    counters: Counters,
    turns: Arc<Turns>,
    /// Whether passes may be recorded.
    records: AtomicBool,
    // Dropped in this order: the context goes last.
    convolutions: Mutex<Convolutions>,
    blas: Mutex<Blas>,
    kept: Arc<Kept>,
    functions: Mutex<BTreeMap<&'static str, CudaFunction>>,
    module: Arc<cudarc::driver::CudaModule>,
    stream: Arc<CudaStream>,
    /// Through which memory comes that the other one, as it records, cannot take.
    aside: Arc<CudaStream>,
    context: Arc<CudaContext>,
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // Handles are given back to the context of the thread. There is nobody to tell of a
        // failure.
        let _ = self.context.bind_to_thread();
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "cuda:{} ({})", self.ordinal, self.name)
    }
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg {
    Pointer(u64),
    U32(u32),
    I32(i32),
    F32(f32),
}

impl From<u32> for Arg {
    fn from(v: u32) -> Self {
        Arg::U32(v)
    }
}

impl From<bool> for Arg {
    fn from(v: bool) -> Self {
        Arg::I32(v.into())
    }
}

impl From<i32> for Arg {
    fn from(v: i32) -> Self {
        Arg::I32(v)
    }
}

impl From<f32> for Arg {
    fn from(v: f32) -> Self {
        Arg::F32(v)
    }
}

impl From<u64> for Arg {
    fn from(v: u64) -> Self {
        Arg::Pointer(v)
    }
}

/// What a thread that panicked has left is as good as before: nothing is half done here.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks of a kernel in its second and third dimension.
const MOST_ACROSS: u32 = 65_535;

/// Turns an error of a library into ours.
pub(super) fn failed<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Error {
    move |e| Error::Compute(format!("the GPU: {what}: {e}"))
}

impl Gpu {
    /// The GPU with this number.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no driver, a library is missing, or there is no such GPU;
    /// [`Error::Compute`] if it does not take our kernels.
    pub fn open(ordinal: usize) -> Result<Arc<Gpu>> {
        let records = AtomicBool::new(record::are_allowed()?);
        libraries::check()?;
        let count = libraries::gpus()?;
        if ordinal >= count {
            return Err(Error::Usage(format!(
                "there is no GPU cuda:{ordinal}; this machine has {count}, counted from 0"
            )));
        }
        let opening = |what: &'static str| failed(what);
        let context = CudaContext::new(ordinal).map_err(opening("opening it"))?;
        // SAFETY: all that computes is in one stream, and what uploads beside it has events of its
        // own to be ordered by.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(opening("making a stream"))?;
        keep_memory(ordinal).map_err(opening("its memory pool"))?;
        let name = context.name().map_err(opening("its name"))?;
        let capability = context
            .compute_capability()
            .map_err(opening("its compute capability"))?;
        let compiled = compile::for_gpu(KERNELS, &name, capability)?;
        let module = context
            .load_module(compiled)
            .map_err(opening("loading the kernels"))?;
        let convolutions = Convolutions::new(&stream)?;
        let blas = Blas::new(&stream)?;
        let turns = Arc::new(Turns::default());
        let aside = context.new_stream().map_err(opening("making a stream"))?;
        let kept = Kept::new(&context, &turns, usize::MAX);
        Ok(Arc::new(Gpu {
            name,
            ordinal,
            context,
            stream,
            functions: Mutex::default(),
            module,
            kept,
            aside,
            turns,
            records,
            counters: Counters::default(),
            convolutions: Mutex::new(convolutions),
            blas: Mutex::new(blas),
        }))
    }

    /// Why this machine has no GPU, if it has none.
    pub fn absent() -> Option<String> {
        libraries::no_gpu()
    }

    /// Allows cuDNN's faster algorithms that add in no fixed order, and so do not give the same
    /// bits every time; or forbids them again, as it is at first.
    pub fn allow_nondeterministic(&self, any: bool) {
        self.convolutions().allow_any(any);
    }

    pub fn is_deterministic(&self) -> bool {
        !self.convolutions().allows_any()
    }

    /// What NVIDIA calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// Bytes of memory that are free, and of all memory.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.context.mem_get_info().map_err(failed("its memory"))
    }

    /// The most memory that was ever reserved for this process, in bytes: what is in use, what
    /// is kept to be used again, and workspaces, without the libraries themselves.
    pub fn peak_memory(&self) -> Result<u64> {
        let device = cudarc::driver::result::device::get(self.ordinal as i32)
            .map_err(failed("its memory pool"))?;
        let (mut pool, mut peak) = (std::ptr::null_mut(), 0u64);
        // SAFETY: the device is open, and the attribute takes a pointer to 64 bits.
        unsafe {
            sys::cuDeviceGetDefaultMemPool(&mut pool, device)
                .result()
                .map_err(failed("its memory pool"))?;
            let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH;
            sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut peak).cast())
                .result()
                .map_err(failed("its memory pool"))?;
        }
        Ok(peak)
    }

    /// What `f` gives, and the milliseconds between two events around all that it asked for.
    pub fn time<R>(&self, f: impl FnOnce() -> Result<R>) -> Result<(R, f64)> {
        let event = || {
            let _turn = self.turn();
            let flags = sys::CUevent_flags::CU_EVENT_DEFAULT;
            let event = self.stream.record_event(Some(flags));
            event.map_err(failed("an event"))
        };
        self.synchronize()?;
        let start = event()?;
        let result = f()?;
        let end = event()?;
        end.synchronize().map_err(failed("an event"))?;
        let ms = libraries::elapsed_ms(&start, &end).map_err(failed("an event"))?;
        Ok((result, f64::from(ms)))
    }

    pub fn counts(&self) -> Counts {
        let c = &self.counters;
        let [
            launches,
            library_calls,
            graphs,
            allocations,
            allocated,
            uploads,
            downloads,
        ] = [
            &c.launches,
            &c.library_calls,
            &c.graphs,
            &c.allocations,
            &c.allocated,
            &c.uploads,
            &c.downloads,
        ]
        .map(|n| n.load(Relaxed));
        Counts {
            launches,
            library_calls,
            graphs,
            allocations,
            allocated,
            uploads,
            downloads,
        }
    }

    pub(super) fn count_upload(&self) {
        self.counters.uploads.fetch_add(1, Relaxed);
    }

    pub(super) fn count_download(&self) {
        self.counters.downloads.fetch_add(1, Relaxed);
    }

    pub(super) fn count_graph(&self) {
        self.counters.graphs.fetch_add(1, Relaxed);
    }

    pub(super) fn count_library_call(&self) {
        if !self.turns.is_recording() {
            self.counters.library_calls.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    pub(super) fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }

    /// What is given back by everybody.
    pub(super) fn kept(&self) -> &Arc<Kept> {
        &self.kept
    }

    pub(super) fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }

    /// Whoever gives the stream work has one.
    pub(super) fn turn(&self) -> Turn<'_> {
        self.turns.take()
    }

    /// Allows or forbids to record what takes longer to ask for than it does; allowed at first,
    /// unless the variable `FRBENCH_GRAPHS` is `never`. No result depends on it.
    pub fn allow_recording(&self, allowed: bool) {
        self.records.store(allowed, Relaxed);
    }

    /// Whether passes that take longer to ask for than they do may be recorded.
    pub(super) fn records(&self) -> bool {
        self.records.load(Relaxed)
    }

    /// Library calls act on the context of the thread they are made from.
    pub(super) fn bind(&self) -> Result<()> {
        self.context
            .bind_to_thread()
            .map_err(failed("binding a thread"))
    }

    pub(super) fn convolutions(&self) -> MutexGuard<'_, Convolutions> {
        locked(&self.convolutions)
    }

    pub(super) fn blas(&self) -> MutexGuard<'_, Blas> {
        locked(&self.blas)
    }

    /// Waits for everything that was asked for.
    pub fn synchronize(&self) -> Result<()> {
        let _turn = self.turn();
        self.stream.synchronize().map_err(failed("waiting for it"))
    }

    /// Launches a kernel over `grid` blocks of `block` threads.
    ///
    /// The callers, all in this folder, pass the arguments that the kernel's declaration lists,
    /// with pointers to arrays as large as the sizes beside them say.
    pub(super) fn launch(
        &self,
        kernel: &'static str,
        grid: [u32; 3],
        block: [u32; 3],
        args: &[Arg],
    ) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        if grid[1..].iter().any(|blocks| *blocks > MOST_ACROSS) {
            return Err(Error::Compute(format!(
                "the GPU: {kernel} over {grid:?} blocks, which counts {MOST_ACROSS} in the second \
                 and third; take a smaller batch"
            )));
        }
        let function = {
            let mut all = locked(&self.functions);
            match all.get(kernel) {
                Some(function) => function.clone(),
                None => {
                    let function = self.module.load_function(kernel).map_err(failed(kernel))?;
                    all.insert(kernel, function.clone());
                    function
                }
            }
        };
        let mut launch = self.stream.launch_builder(&function);
        for arg in args {
            match arg {
                Arg::Pointer(v) => launch.arg(v),
                Arg::U32(v) => launch.arg(v),
                Arg::I32(v) => launch.arg(v),
                Arg::F32(v) => launch.arg(v),
            };
        }
        let config = LaunchConfig {
            grid_dim: grid.into(),
            block_dim: block.into(),
            shared_mem_bytes: 0,
        };
        let _turn = self.turn();
        if !self.turns.is_recording() {
            self.counters.launches.fetch_add(1, Relaxed);
        }
        // SAFETY: types and number of the arguments are those of the kernel, and pointers lead
        // to arrays of the sizes that are passed along; see above.
        unsafe { launch.launch(config) }.map_err(failed(kernel))?;
        Ok(())
    }

    /// Fresh memory for work in `stream`, for which all that is kept for later may have to go.
    pub(super) fn allocate(&self, stream: &Arc<CudaStream>, bytes: usize) -> Result<CudaSlice<u8>> {
        if self.turns.is_recording() {
            // What is recorded would take it anew at every launch.
            return Err(Error::Bug(
                "new memory through a stream that records".into(),
            ));
        }
        let _turn = self.turn();
        self.counters.allocations.fetch_add(1, Relaxed);
        self.counters.allocated.fetch_add(bytes as u64, Relaxed);
        // SAFETY: what a buffer holds beforehand is nobody's to read: kernels write what they make
        // in full, and sums begin with `clear`.
        let attempt = || unsafe { stream.alloc::<u8>(bytes) };
        attempt().or_else(|_| {
            // What is kept for later may be what is missing now.
            self.kept.clear();
            self.synchronize()?;
            attempt().map_err(|e| {
                let (free, all) = self.memory().unwrap_or((0, 0));
                let mib = |bytes: usize| bytes.div_ceil(1 << 20);
                Error::Compute(format!(
                    "the GPU has no {} MiB left ({} of {} MiB are free: {e}); a smaller batch \
                     takes less",
                    mib(bytes),
                    free >> 20,
                    mib(all)
                ))
            })
        })
    }
}

impl Gpu {
    /// Memory for what is recorded, once and for all.
    pub(super) fn allocate_aside(&self, bytes: usize) -> Result<CudaSlice<u8>> {
        self.counters.allocations.fetch_add(1, Relaxed);
        self.counters.allocated.fetch_add(bytes as u64, Relaxed);
        // SAFETY: the stream is alive, and so many bytes come, which whoever has them frees in the
        // order of the other stream. `wait_for_memory` sees to it that they are there when it uses
        // them.
        unsafe {
            let memory = cudarc::driver::result::malloc_async(self.aside.cu_stream(), bytes);
            let memory = memory.map_err(failed("memory for a recording"))?;
            Ok(self.stream.upgrade_device_ptr(memory, bytes))
        }
    }

    /// Waits for all that [`Gpu::allocate_aside`] has asked for.
    pub(super) fn wait_for_memory(&self) -> Result<()> {
        self.aside.synchronize().map_err(failed("memory"))
    }
}

/// Freed memory stays with the process: by default every synchronisation hands it back.
fn keep_memory(ordinal: usize) -> std::result::Result<(), cudarc::driver::DriverError> {
    let device = cudarc::driver::result::device::get(ordinal as i32)?;
    let mut pool = std::ptr::null_mut();
    let mut all = u64::MAX;
    // SAFETY: the device is open, and the attribute takes a pointer to 64 bits.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&mut pool, device).result()?;
        sys::cuMemPoolSetAttribute(
            pool,
            sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
            (&raw mut all).cast(),
        )
        .result()
    }
}
