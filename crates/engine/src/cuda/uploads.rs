//! Inputs that go to a GPU while it computes something else.
//!
//! A [`Slot`] is memory on either side with a copy between them, which goes through a stream of
//! its own. Three waits keep whoever writes and whoever reads apart:
//!
//! - what computes waits for the copy (`sent`) before it reads the device's side,
//! - the next copy waits for what has computed (`read`) before it writes there,
//! - the host waits for the copy (`sent`) before it writes its own side again.
//!
//! All of them wait for work that is on its way already, and nobody waits for a slot: one more is
//! made where all are out. There are as many as inputs that are made and not yet taken.

use super::array::Array;
use super::gpu::{Gpu, failed, locked};
use super::memory::Buffer;
use crate::Value;
use crate::device;
use cudarc::driver::{CudaContext, CudaEvent, CudaSlice, CudaStream, DevicePtr, PinnedHostSlice};
use frbench_base::{Error, Result, Size};
use std::sync::{Arc, Mutex};

/// The way that the inputs of one network take.
#[derive(Debug)]
pub(super) struct Uploads(Arc<Ring>);

struct Ring {
    /// The input value of each grey level.
    levels: Buffer,
    bgr: bool,
    low: bool,
    free: Mutex<Vec<Slot>>,
    stream: Arc<CudaStream>,
    gpu: Arc<Gpu>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "uploads to {:?}", self.gpu)
    }
}

/// Memory that the host writes.
enum Host {
    /// Page-locked: the GPU fetches it by itself. It is ordinary memory otherwise; write-combined
    /// memory would save the bus some snooping, but takes the CPU ages to read, and an image that
    /// loses resolution is read where it lies.
    Locked(PinnedHostSlice<f32>),
    /// Where the system has no more of that: the driver copies it first.
    Pageable(Vec<f32>),
}

impl Host {
    fn new(context: &Arc<CudaContext>, len: usize) -> Result<Host> {
        // SAFETY: it is filled below, before anybody can read it.
        let Ok(mut memory) = (unsafe { context.alloc_pinned_with_flags::<f32>(len, 0) }) else {
            return Ok(Host::Pageable(vec![0.0; len]));
        };
        let start = memory.as_mut_ptr().map_err(failed("page-locked memory"))?;
        // SAFETY: `len` floats were just allocated there; bytes of 0 make floats of 0.
        unsafe { start.write_bytes(0, len) };
        Ok(Host::Locked(memory))
    }

    fn floats(&mut self) -> Result<&mut [f32]> {
        match self {
            Host::Locked(memory) => memory.as_mut_slice().map_err(failed("page-locked memory")),
            Host::Pageable(memory) => Ok(memory),
        }
    }
}

/// The bytes of these floats.
fn bytes_of(floats: &mut [f32]) -> &mut [u8] {
    let bytes = size_of_val(floats);
    // SAFETY: it is the same memory, bytes have no alignment, and any bytes make floats.
    unsafe { std::slice::from_raw_parts_mut(floats.as_mut_ptr().cast(), bytes) }
}

struct Slot {
    host: Host,
    device: CudaSlice<u8>,
    /// The last copy from `host` to `device` is done.
    sent: CudaEvent,
    /// All that was to read `device` has done so.
    read: CudaEvent,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Memory is freed on both sides. There is nobody to tell of a failure.
        let _ = self.sent.synchronize();
        let _ = self.read.synchronize();
    }
}

impl Ring {
    fn slot(&self, bytes: usize) -> Result<Slot> {
        let bytes = bytes.max(1).next_multiple_of(512);
        let kept = {
            let mut free = locked(&self.free);
            let fits = free.iter().position(|slot| slot.device.len() >= bytes);
            // One that is too small makes room for its successor.
            let at = fits.or(free.len().checked_sub(1));
            at.map(|at| free.swap_remove(at))
        };
        if let Some(slot) = kept.filter(|slot| slot.device.len() >= bytes) {
            return Ok(slot);
        }
        let context = self.gpu.context();
        let event = || context.new_event(None).map_err(failed("an event"));
        Ok(Slot {
            host: Host::new(context, bytes / 4)?,
            device: self.gpu.allocate(&self.stream, bytes)?,
            sent: event()?,
            read: event()?,
        })
    }
}

/// How a slot holds the inputs of some images.
#[derive(Clone, Copy, Debug)]
enum Holds {
    /// Bytes, and after them what is mirrored in each turn.
    Bytes,
    /// The numbers of each turn.
    Floats,
}

/// Images on their way. Its slot is used again when it is dropped.
pub(super) struct Upload {
    ring: Arc<Ring>,
    slot: Option<Slot>,
    holds: Holds,
    /// How many images, and their size.
    images: (usize, Size),
    /// Inputs that are made of them.
    turns: usize,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let (n, size) = self.images;
        write!(f, "{n} of {size} as {:?} in {:?}", self.holds, self.ring)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        locked(&self.ring.free).extend(self.slot.take());
    }
}

impl Uploads {
    /// For inputs in bfloat16 if `low`. `levels` are the input values of grey levels, `bgr` turns
    /// the channels round.
    pub(super) fn new(
        gpu: &Arc<Gpu>,
        levels: &[f32; 256],
        bgr: bool,
        low: bool,
    ) -> Result<Uploads> {
        let stream = gpu.context().new_stream();
        Ok(Uploads(Arc::new(Ring {
            levels: gpu.upload(levels)?,
            bgr,
            low,
            free: Mutex::default(),
            stream: stream.map_err(failed("making a stream"))?,
            gpu: Arc::clone(gpu),
        })))
    }

    fn upload(&self, holds: Holds, images: (usize, Size), turns: usize) -> Result<Upload> {
        let mut upload = Upload {
            ring: Arc::clone(&self.0),
            slot: None,
            holds,
            images,
            turns,
        };
        upload.slot = Some(self.0.slot(upload.bytes())?);
        Ok(upload)
    }
}

impl device::Uploads for Uploads {
    fn bytes(
        &self,
        (n, size): (usize, Size),
        flips: &[&[bool]],
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<Box<dyn device::Upload>> {
        if flips.iter().any(|f| f.len() != n) {
            return Err(Error::Bug(format!("{n} images with other flips")));
        }
        let upload = self.upload(Holds::Bytes, (n, size), flips.len())?;
        let sent = upload.send(|out| {
            let (pixels, mirrored) = bytes_of(out).split_at_mut(n * size.area() * 3);
            write(pixels)?;
            for (to, from) in mirrored.iter_mut().zip(flips.concat()) {
                *to = from.into();
            }
            Ok(())
        })?;
        Ok(Box::new(sent))
    }

    fn floats(
        &self,
        (n, size): (usize, Size),
        turns: usize,
        write: &mut dyn FnMut(&mut [f32]) -> Result<()>,
    ) -> Result<Box<dyn device::Upload>> {
        let upload = self.upload(Holds::Floats, (n, size), turns)?;
        let sent = upload.send(|out| write(&mut out[..turns * n * size.area() * 3]))?;
        Ok(Box::new(sent))
    }
}

impl Upload {
    /// Numbers of one input.
    fn len(&self) -> usize {
        let (n, size) = self.images;
        n * size.area() * 3
    }

    /// Bytes that are sent.
    fn bytes(&self) -> usize {
        match self.holds {
            Holds::Bytes => self.len() + self.turns * self.images.0,
            Holds::Floats => self.turns * self.len() * 4,
        }
    }

    /// Lets `write` write the host's side, and sends that on its way.
    fn send(mut self, write: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<Upload> {
        let bytes = self.bytes();
        let Ring { gpu, stream, .. } = &*self.ring;
        let slot = self.slot.as_mut().ok_or_else(lost)?;
        slot.sent.synchronize().map_err(failed("an upload"))?;
        let host = slot.host.floats()?;
        write(host)?;
        stream.wait(&slot.read).map_err(failed("an upload"))?;
        gpu.bind()?;
        gpu.count_upload();
        // SAFETY: either side of the slot has at least `bytes`, and lives until the copy is done,
        // which `sent` says: whoever writes or frees the host's side waits for that.
        unsafe {
            cudarc::driver::result::memcpy_htod_async(
                slot.device.device_ptr(stream).0,
                &bytes_of(host)[..bytes],
                stream.cu_stream(),
            )
        }
        .map_err(failed("an upload"))?;
        if let Err(e) = slot.sent.record(stream) {
            // Without the event, nothing else says when the host's side may be written again.
            let _ = stream.synchronize();
            return Err(failed("an upload")(e));
        }
        Ok(self)
    }
}

impl device::Upload for Upload {
    fn value(&self, k: usize) -> Result<Value> {
        let Ring {
            gpu, levels, bgr, ..
        } = &*self.ring;
        let slot = self.slot.as_ref().ok_or_else(lost)?;
        if k >= self.turns {
            return Err(Error::Bug(format!("turn {k} of {}", self.turns)));
        }
        let ((n, size), stream) = (self.images, gpu.stream());
        let y = Array::new(gpu, [n, size.height, size.width, 3], self.ring.low)?;
        let _turn = gpu.turn();
        stream.wait(&slot.sent).map_err(failed("an upload"))?;
        let (start, _) = slot.device.device_ptr(stream);
        let read = match self.holds {
            Holds::Bytes => {
                let flips = start + (self.len() + k * n) as u64;
                gpu.gather_images([start, 0, flips, levels.pointer()], &y, *bgr)
            }
            Holds::Floats => gpu.convert_to(&y, (start + (4 * k * self.len()) as u64, false)),
        };
        slot.read.record(stream).map_err(failed("an upload"))?;
        read?;
        Ok(Value::on_device(y))
    }
}

fn lost() -> Error {
    Error::Bug("an upload without its slot".into())
}
