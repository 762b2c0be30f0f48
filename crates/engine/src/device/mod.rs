//! Where networks are computed, and all that anybody outside of this crate can ask of a GPU.
//!
//! A [`Device`] is the CPU or a GPU. What a GPU can do beside running a network has one interface
//! each, in one file each. Asked for it, the CPU answers `None`: whoever asks has the plain way,
//! and takes that. Matrices are row-major in host memory, and their shapes are stated; where one
//! does not fit the others, the result is arbitrary, or a panic. All that fails is
//! [`Error::Compute`] unless another error is stated: mostly for want of memory.
//!
//! | file | what it asks for |
//! |---|---|
//! | `choice` | a device by name |
//! | `classes` | products with class weights, which stay there and learn |
//! | `bank` | rows of a memory that losses relate each sample to |
//! | `gram`, `angles` | what every two or three samples of a batch have to do with each other |
//! | `search` | scores of probes against a gallery, and of pairs |
//! | `images` | sets of images that lie there, and images on their way there |
//! | `measure` | times, memory, errors, rates and counts |

mod angles;
mod bank;
mod choice;
mod classes;
mod gram;
mod images;
mod measure;
mod search;

pub use angles::Angles;
pub use bank::{Bank, Selected};
pub use choice::DeviceChoice;
pub use classes::{Classes, Products, Softmax};
pub use gram::Gram;
pub use images::{ImageSet, Upload, Uploads};
pub use measure::{Counts, OpError, Rates};
pub use search::Search;

use crate::cuda::Gpu;
use crate::settings::Precision;
use crate::{ops, team};
use frbench_base::{Error, Result};
use std::sync::Arc;

/// A device that computes. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Device(Place);

#[derive(Clone, Debug, Default)]
enum Place {
    #[default]
    Cpu,
    Cuda(Arc<Gpu>),
}

impl Device {
    /// The CPU, with all threads that there are.
    pub const CPU: Device = Device(Place::Cpu);

    /// Opens the device that is asked for; with `auto`, also says what was chosen and why. Each
    /// call opens a GPU anew, with counts and kept memory of its own.
    ///
    /// # Errors
    /// [`Error::Usage`] if a GPU is asked for and there is none, or this build has no CUDA;
    /// [`Error::Compute`] if a GPU that is there cannot be used.
    pub fn open(choice: DeviceChoice) -> Result<(Device, Option<String>)> {
        match choice {
            DeviceChoice::Cpu => Ok((Device::CPU, None)),
            DeviceChoice::Cuda(n) => match Gpu::open(n) {
                Ok(gpu) => Ok((Device(Place::Cuda(gpu)), None)),
                Err(Error::Usage(why)) => Err(Error::Usage(format!(
                    "{why}; say `--device cpu` to compute without a GPU"
                ))),
                Err(other) => Err(other),
            },
            // A GPU that is there and does not work is for the user to decide about.
            DeviceChoice::Auto => match Gpu::absent() {
                Some(why) => Ok((Device::CPU, Some(format!("device: cpu (auto: {why})")))),
                None => {
                    let (device, _) = Device::open(DeviceChoice::Cuda(0))?;
                    let why = format!("device: {} (auto: the first GPU)", device.kernels());
                    Ok((device, Some(why)))
                }
            },
        }
    }

    /// The GPU, if it is one.
    pub(crate) fn gpu(&self) -> Option<&Arc<Gpu>> {
        match &self.0 {
            Place::Cpu => None,
            Place::Cuda(gpu) => Some(gpu),
        }
    }

    /// Whether it is a GPU.
    pub fn is_gpu(&self) -> bool {
        self.gpu().is_some()
    }

    /// `cpu`, or `cuda:N`.
    pub fn name(&self) -> String {
        match self.gpu() {
            None => "cpu".into(),
            Some(gpu) => format!("cuda:{}", gpu.ordinal()),
        }
    }

    /// What its maker calls a GPU; `cpu` for the CPU.
    pub fn model(&self) -> &str {
        self.gpu().map_or("cpu", |gpu| gpu.name())
    }

    /// The kernels that compute here, which have bits of their own: the CPU's set, or the GPU.
    pub fn kernels(&self) -> String {
        match self.gpu() {
            None => ops::simd::name().into(),
            Some(gpu) if gpu.is_deterministic() => format!("cuda, {}", gpu.name()),
            Some(gpu) => format!("cuda, {}, not deterministic", gpu.name()),
        }
    }

    /// Whether it has an arithmetic.
    ///
    /// # Errors
    /// [`Error::Usage`] for a precision that it does not have.
    pub fn takes(&self, precision: Precision) -> Result<()> {
        if self.is_gpu() || precision == Precision::F32 {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "only GPUs do {} arithmetic; say `--device cuda:0`, too, or take f32",
            precision.name()
        )))
    }

    /// Allows algorithms that are faster and do not give the same bits every time.
    pub fn allow_nondeterministic(&self) {
        if let Some(gpu) = self.gpu() {
            gpu.allow_nondeterministic(true);
        }
    }

    /// Images per pass where embeddings are made, as many as keep it busy.
    pub fn embedding_batch(&self) -> usize {
        if self.is_gpu() { 512 } else { 64 }
    }

    /// Whether it leaves cores of the host free, so that the next input is worth making while this
    /// one is computed.
    pub fn leaves_cores_free(&self) -> bool {
        self.is_gpu()
    }

    /// Runs a training step on one of rayon's threads. Where the CPU computes it, the others stay
    /// awake for it; beside a GPU the host does little but wait.
    pub fn run_step<R: Send>(&self, step: impl FnOnce() -> R + Send) -> R {
        match self.is_gpu() {
            false => team::together(step),
            true => rayon::scope(|_| step()),
        }
    }
}
