//! A GPU: opening it, launching kernels, memory.

use super::conv::Convolutions;
use super::gemm::Blas;
use super::{compile, libraries};
use crate::{Error, Result};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr, LaunchConfig,
    PushKernelArg, sys,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
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

/// What a GPU was asked to do since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Launches of our own kernels.
    pub launches: u64,
    /// Calls of cuDNN and cuBLAS that compute.
    pub library_calls: u64,
    /// Allocations that no kept buffer could serve.
    pub allocations: u64,
    /// Bytes of those.
    pub allocated: u64,
    pub uploads: u64,
    pub downloads: u64,
}

impl std::ops::Sub for Counts {
    type Output = Counts;

    /// What came after `earlier`.
    fn sub(self, earlier: Counts) -> Counts {
        Counts {
            launches: self.launches - earlier.launches,
            library_calls: self.library_calls - earlier.library_calls,
            allocations: self.allocations - earlier.allocations,
            allocated: self.allocated - earlier.allocated,
            uploads: self.uploads - earlier.uploads,
            downloads: self.downloads - earlier.downloads,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    launches: AtomicU64,
    library_calls: AtomicU64,
    allocations: AtomicU64,
    allocated: AtomicU64,
    uploads: AtomicU64,
    downloads: AtomicU64,
}

/// Recycled memory by size in bytes. All work on it is in one stream, so that a buffer may be given
/// away as soon as the last call that uses it is on its way. What another stream writes
/// (`uploads`) is never here.
type Free = BTreeMap<usize, Vec<CudaSlice<u8>>>;

/// One GPU with the stream that all it computes goes through.
pub struct Gpu {
    name: String,
    ordinal: usize,
    counters: Counters,
    // Dropped in this order: the context goes last.
    convolutions: Mutex<Convolutions>,
    blas: Mutex<Blas>,
    free: Mutex<Free>,
    functions: Mutex<BTreeMap<&'static str, CudaFunction>>,
    module: Arc<cudarc::driver::CudaModule>,
    stream: Arc<CudaStream>,
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
        Ok(Arc::new(Gpu {
            name,
            ordinal,
            context,
            stream,
            functions: Mutex::default(),
            module,
            free: Mutex::default(),
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
            allocations,
            allocated,
            uploads,
            downloads,
        ] = [
            &c.launches,
            &c.library_calls,
            &c.allocations,
            &c.allocated,
            &c.uploads,
            &c.downloads,
        ]
        .map(|n| n.load(Relaxed));
        Counts {
            launches,
            library_calls,
            allocations,
            allocated,
            uploads,
            downloads,
        }
    }

    pub(super) fn count_upload(&self) {
        self.counters.uploads.fetch_add(1, Relaxed);
    }

    pub(super) fn count_library_call(&self) {
        self.counters.library_calls.fetch_add(1, Relaxed);
    }

    pub(super) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    pub(super) fn context(&self) -> &Arc<CudaContext> {
        &self.context
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
        self.counters.launches.fetch_add(1, Relaxed);
        // SAFETY: types and number of the arguments are those of the kernel, and pointers lead
        // to arrays of the sizes that are passed along; see above.
        unsafe { launch.launch(config) }.map_err(failed(kernel))?;
        Ok(())
    }

    /// A buffer of `bytes` with arbitrary contents.
    ///
    /// # Errors
    /// [`Error::Compute`] if its memory does not suffice.
    pub(super) fn buffer(self: &Arc<Self>, bytes: usize) -> Result<Buffer> {
        let bytes = bytes.max(1).next_multiple_of(512);
        let kept = { take(&mut locked(&self.free), bytes) };
        let memory = match kept {
            Some(memory) => memory,
            None => self.allocate(&self.stream, bytes)?,
        };
        let pointer = memory.device_ptr(&self.stream).0;
        Ok(Buffer {
            memory: Some(memory),
            pointer,
            gpu: Arc::clone(self),
        })
    }

    /// Fresh memory for work in `stream`, for which all that is kept for later may have to go.
    pub(super) fn allocate(&self, stream: &Arc<CudaStream>, bytes: usize) -> Result<CudaSlice<u8>> {
        self.counters.allocations.fetch_add(1, Relaxed);
        self.counters.allocated.fetch_add(bytes as u64, Relaxed);
        // SAFETY: what a buffer holds beforehand is nobody's to read: kernels write what they make
        // in full, and sums begin with `clear`.
        let attempt = || unsafe { stream.alloc::<u8>(bytes) };
        attempt().or_else(|_| {
            // What is kept for later may be what is missing now.
            locked(&self.free).clear();
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

    /// A buffer with these numbers.
    pub(super) fn upload<T: DeviceRepr>(self: &Arc<Self>, data: &[T]) -> Result<Buffer> {
        let mut buffer = self.buffer(size_of_val(data))?;
        buffer.write(0, data)?;
        Ok(buffer)
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

/// A kept buffer of at least `bytes`, and not much more.
fn take(free: &mut Free, bytes: usize) -> Option<CudaSlice<u8>> {
    let (&size, _) = free.range(bytes..=bytes + bytes / 8).next()?;
    let list = free.get_mut(&size)?;
    let memory = list.pop();
    if list.is_empty() {
        free.remove(&size);
    }
    memory
}

/// Memory of a GPU that goes back to its keeper when dropped.
pub(crate) struct Buffer {
    memory: Option<CudaSlice<u8>>,
    pointer: u64,
    gpu: Arc<Gpu>,
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} bytes on the GPU", self.bytes())
    }
}

impl Buffer {
    pub fn pointer(&self) -> u64 {
        self.pointer
    }

    pub fn bytes(&self) -> usize {
        self.memory.as_ref().map_or(0, CudaSlice::len)
    }

    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Writes `data` from byte `at` on.
    pub fn write<T: DeviceRepr>(&mut self, at: usize, data: &[T]) -> Result<()> {
        let bytes = size_of_val(data);
        assert!(
            at + bytes <= self.bytes(),
            "written past the end of a buffer"
        );
        if bytes == 0 {
            return Ok(());
        }
        self.gpu.bind()?;
        self.gpu.count_upload();
        // SAFETY: the range is inside the buffer, as was just asserted, and `data` lives until the
        // stream is done.
        unsafe {
            cudarc::driver::result::memcpy_htod_async(
                self.pointer + at as u64,
                data,
                self.gpu.stream.cu_stream(),
            )
        }
        .map_err(failed("an upload"))?;
        // Only then has the driver read it for certain.
        self.gpu.synchronize()
    }

    /// Reads `len` numbers from byte `at` on, when everything asked for before is done.
    pub fn read<T: DeviceRepr + Clone + Default>(&self, at: usize, len: usize) -> Result<Vec<T>> {
        let mut out = vec![T::default(); len];
        let bytes = size_of_val(&out[..]);
        assert!(at + bytes <= self.bytes(), "read past the end of a buffer");
        if bytes == 0 {
            return Ok(out);
        }
        self.gpu.bind()?;
        self.gpu.counters.downloads.fetch_add(1, Relaxed);
        // SAFETY: the range is inside the buffer, as was just asserted, and `out` lives until
        // the stream is done.
        unsafe {
            cudarc::driver::result::memcpy_dtoh_async(
                &mut out,
                self.pointer + at as u64,
                self.gpu.stream.cu_stream(),
            )
        }
        .map_err(failed("a download"))?;
        self.gpu.synchronize()?;
        Ok(out)
    }

    /// Zeroes all bytes.
    pub fn clear(&mut self) -> Result<()> {
        self.gpu.bind()?;
        // SAFETY: the range is the buffer.
        unsafe {
            cudarc::driver::result::memset_d8_async(
                self.pointer,
                0,
                self.bytes(),
                self.gpu.stream.cu_stream(),
            )
        }
        .map_err(failed("clearing memory"))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            let mut free = locked(&self.gpu.free);
            free.entry(memory.len()).or_default().push(memory);
        }
    }
}
