//! Where networks are computed.

use super::cuda::Gpu;
use crate::settings::Precision;
use frbench_base::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

/// A device as it is asked for: `auto`, `cpu`, `cuda` (the first GPU) or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU if there is one, else the CPU.
    Auto,
    #[default]
    Cpu,
    Cuda(usize),
}

impl DeviceChoice {
    /// What is meant where nothing is said: a build for GPUs looks for one.
    pub fn of_build() -> DeviceChoice {
        match cfg!(feature = "cuda") {
            true => DeviceChoice::Auto,
            false => DeviceChoice::Cpu,
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let number = |n: &str| n.parse().map(DeviceChoice::Cuda).ok();
        let choice = match text {
            "auto" => Some(DeviceChoice::Auto),
            "cpu" => Some(DeviceChoice::Cpu),
            "cuda" => Some(DeviceChoice::Cuda(0)),
            _ => text.strip_prefix("cuda:").and_then(number),
        };
        choice.ok_or_else(|| "want auto, cpu, cuda or cuda:N with N counted from 0".into())
    }
}

/// A device that computes.
#[derive(Clone, Debug, Default)]
pub enum Device {
    #[default]
    Cpu,
    Cuda(Arc<Gpu>),
}

impl Device {
    /// Opens the device that is asked for; with `auto`, also says what was chosen and why.
    ///
    /// # Errors
    /// [`Error::Usage`] if a GPU is asked for and there is none, or this build has no CUDA;
    /// [`Error::Compute`] if a GPU that is there cannot be used.
    pub fn open(choice: DeviceChoice) -> Result<(Device, Option<String>)> {
        match choice {
            DeviceChoice::Cpu => Ok((Device::Cpu, None)),
            DeviceChoice::Cuda(n) => match Gpu::open(n) {
                Ok(gpu) => Ok((Device::Cuda(gpu), None)),
                Err(Error::Usage(why)) => Err(Error::Usage(format!(
                    "{why}; say `--device cpu` to compute without a GPU"
                ))),
                Err(other) => Err(other),
            },
            // A GPU that is there and does not work is for the user to decide about.
            DeviceChoice::Auto => match Gpu::absent() {
                Some(why) => Ok((Device::Cpu, Some(format!("device: cpu (auto: {why})")))),
                None => {
                    let (device, _) = Device::open(DeviceChoice::Cuda(0))?;
                    let why = format!("device: {} (auto: the first GPU)", device.kernels());
                    Ok((device, Some(why)))
                }
            },
        }
    }

    /// # Errors
    /// [`Error::Usage`] for a precision that it does not have.
    pub fn takes(&self, precision: Precision) -> Result<()> {
        match self {
            Device::Cpu if precision != Precision::F32 => Err(Error::Usage(format!(
                "only GPUs do {} arithmetic; say `--device cuda:0`, too, or take f32",
                precision.name()
            ))),
            _ => Ok(()),
        }
    }

    /// Allows algorithms that are faster and do not give the same bits every time.
    pub fn allow_nondeterministic(&self) {
        if let Device::Cuda(gpu) = self {
            gpu.allow_nondeterministic(true);
        }
    }

    /// What `f` gives, and the milliseconds until all that it asked of the device was done.
    pub fn time<R>(&self, f: impl FnOnce() -> Result<R>) -> Result<(R, f64)> {
        match self {
            Device::Cpu => {
                let started = Instant::now();
                let result = f()?;
                Ok((result, started.elapsed().as_secs_f64() * 1e3))
            }
            Device::Cuda(gpu) => gpu.time(f),
        }
    }

    /// Iterations until each is done as the one before: memory is there, and what is worth
    /// recording is recorded.
    pub fn warm_ups(&self) -> usize {
        match self {
            Device::Cpu => 1,
            Device::Cuda(_) => super::cuda::UNTIL_SETTLED,
        }
    }

    /// `cpu`, or `cuda:N`.
    pub fn name(&self) -> String {
        match self {
            Device::Cpu => "cpu".into(),
            Device::Cuda(gpu) => format!("cuda:{}", gpu.ordinal()),
        }
    }

    /// The kernels that compute here, which have bits of their own: the CPU's set, or the GPU.
    pub fn kernels(&self) -> String {
        match self {
            Device::Cpu => super::ops::simd::name().into(),
            Device::Cuda(gpu) if gpu.is_deterministic() => format!("cuda, {}", gpu.name()),
            Device::Cuda(gpu) => format!("cuda, {}, not deterministic", gpu.name()),
        }
    }
}

/// How far an operation of a GPU is from the same in 64 bits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpError {
    pub op: String,
    pub precision: Precision,
    /// Relative, in the L2 norm; the worst of all results of that name.
    pub error: f64,
    pub bound: f64,
    /// Why there is no result, if there is none.
    pub failed: Option<String>,
}

impl OpError {
    pub fn holds(&self) -> bool {
        self.failed.is_none() && self.error <= self.bound
    }
}

/// What a GPU reaches where nothing else is in the way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Of a copy within its memory, which is read and written: GB/s of both.
    pub copy_gb_per_s: f64,
    /// Of a large matrix product, by the name of the precision.
    pub matmul_tflops: BTreeMap<&'static str, f64>,
    /// Kernels that do little but read and write: GB/s by name.
    pub kernels_gb_per_s: BTreeMap<String, f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_asked_for_by_name() {
        let choice = |t: &str| t.parse::<DeviceChoice>();
        assert_eq!(choice("auto"), Ok(DeviceChoice::Auto));
        assert_eq!(choice("cuda"), Ok(DeviceChoice::Cuda(0)));
        assert_eq!(choice("cuda:3"), Ok(DeviceChoice::Cuda(3)));
        for bad in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert!(choice(bad).is_err(), "{bad}");
        }
    }
}
