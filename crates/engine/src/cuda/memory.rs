//! Memory of a GPU, which is used again.

use super::gpu::{Gpu, failed, locked};
use super::record::Turns;
use cudarc::driver::{CudaContext, CudaSlice, DevicePtr, DeviceRepr};
use frbench_base::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Memory that was given back, by size in bytes. All work on it is in one stream, so that it may be
/// given away as soon as the last call that uses it is on its way. What another stream writes
/// (`uploads`) is never here.
pub(super) struct Kept {
    free: Mutex<BTreeMap<usize, Vec<CudaSlice<u8>>>>,
    /// Bytes that are new may come to so many, given back or not.
    most: usize,
    new: AtomicUsize,
    context: Arc<CudaContext>,
    turns: Arc<Turns>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let bytes = |(size, list): (&usize, &Vec<_>)| size * list.len();
        let all: usize = locked(&self.free).iter().map(bytes).sum();
        write!(f, "{all} bytes kept on the GPU")
    }
}

impl Kept {
    /// For at most so many bytes.
    pub fn new(context: &Arc<CudaContext>, turns: &Arc<Turns>, most: usize) -> Arc<Kept> {
        Arc::new(Kept {
            free: Mutex::default(),
            most,
            new: AtomicUsize::new(0),
            context: Arc::clone(context),
            turns: Arc::clone(turns),
        })
    }

    /// At least `bytes`, and not much more.
    fn take(&self, bytes: usize) -> Option<CudaSlice<u8>> {
        let mut free = locked(&self.free);
        let (&size, _) = free.range(bytes..=bytes + bytes / 8).next()?;
        let list = free.get_mut(&size)?;
        let memory = list.pop();
        if list.is_empty() {
            free.remove(&size);
        }
        memory
    }

    /// # Errors
    /// [`Error::Compute`] if more new memory is not allowed.
    fn grow(&self, bytes: usize) -> Result<()> {
        let all = self.new.fetch_add(bytes, Relaxed) + bytes;
        if all <= self.most {
            return Ok(());
        }
        Err(Error::Compute(format!(
            "the GPU: {all} bytes where {} were allowed",
            self.most
        )))
    }

    fn put(&self, memory: CudaSlice<u8>) {
        let mut free = locked(&self.free);
        free.entry(memory.len()).or_default().push(memory);
    }

    /// Hands all of it back to the driver.
    pub fn clear(&self) {
        let _turn = self.turns.take();
        // A thread that drops a network need not have used the GPU. There is nobody to tell of a
        // failure.
        let _ = self.context.bind_to_thread();
        locked(&self.free).clear();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clear();
    }
}

thread_local! {
    /// Where this thread takes memory from, instead of what the GPU keeps for everybody.
    static APART: RefCell<Option<Arc<Kept>>> = const { RefCell::new(None) };
}

/// All memory that `f` takes is from `kept`, or new, and goes there when it is given back.
pub(super) fn apart<R>(kept: &Arc<Kept>, f: impl FnOnce() -> R) -> R {
    struct Before(Option<Arc<Kept>>);
    impl Drop for Before {
        fn drop(&mut self) {
            APART.set(self.0.take());
        }
    }
    let _before = Before(APART.replace(Some(Arc::clone(kept))));
    f()
}

/// Memory of a GPU that goes back to its keeper when dropped.
pub(crate) struct Buffer {
    memory: Option<CudaSlice<u8>>,
    pointer: u64,
    home: Arc<Kept>,
    gpu: Arc<Gpu>,
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} bytes on the GPU", self.bytes())
    }
}

impl Gpu {
    /// A buffer of `bytes` with arbitrary contents.
    ///
    /// # Errors
    /// [`Error::Compute`] if its memory does not suffice.
    pub(super) fn buffer(self: &Arc<Self>, bytes: usize) -> Result<Buffer> {
        let bytes = bytes.max(1).next_multiple_of(512);
        let apart = APART.with_borrow(Clone::clone);
        let apart = apart.filter(|kept| Arc::ptr_eq(&kept.turns, self.turns()));
        let home = apart.unwrap_or_else(|| Arc::clone(self.kept()));
        let memory = match home.take(bytes) {
            Some(memory) => memory,
            None => {
                home.grow(bytes)?;
                match self.turns().is_recording() {
                    true => self.allocate_aside(bytes)?,
                    false => self.allocate(self.stream(), bytes)?,
                }
            }
        };
        let pointer = memory.device_ptr(self.stream()).0;
        Ok(Buffer {
            memory: Some(memory),
            pointer,
            home,
            gpu: Arc::clone(self),
        })
    }

    /// A buffer with these numbers.
    pub(super) fn upload<T: DeviceRepr>(self: &Arc<Self>, data: &[T]) -> Result<Buffer> {
        let mut buffer = self.buffer(size_of_val(data))?;
        buffer.write(0, data)?;
        Ok(buffer)
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
        let _turn = self.gpu.turn();
        self.gpu.bind()?;
        self.gpu.count_upload();
        // SAFETY: the range is inside the buffer, as was just asserted, and `data` lives until the
        // stream is done.
        unsafe {
            cudarc::driver::result::memcpy_htod_async(
                self.pointer + at as u64,
                data,
                self.gpu.stream().cu_stream(),
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
        let _turn = self.gpu.turn();
        self.gpu.bind()?;
        self.gpu.count_download();
        // SAFETY: the range is inside the buffer, as was just asserted, and `out` lives until
        // the stream is done.
        unsafe {
            cudarc::driver::result::memcpy_dtoh_async(
                &mut out,
                self.pointer + at as u64,
                self.gpu.stream().cu_stream(),
            )
        }
        .map_err(failed("a download"))?;
        self.gpu.synchronize()?;
        Ok(out)
    }

    /// Zeroes all bytes.
    pub fn clear(&mut self) -> Result<()> {
        let _turn = self.gpu.turn();
        self.gpu.bind()?;
        // SAFETY: the range is the buffer.
        unsafe {
            cudarc::driver::result::memset_d8_async(
                self.pointer,
                0,
                self.bytes(),
                self.gpu.stream().cu_stream(),
            )
        }
        .map_err(failed("clearing memory"))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.home.put(memory);
        }
    }
}
