//! The NVIDIA libraries that are loaded at run time.

use cudarc::driver::{CudaContext, CudaEvent, DriverError, sys};
use cudarc::{cublas, cudnn, driver, nvrtc};
use frbench_base::{Error, Result};

/// The oldest cuDNN with the calls that are made.
const CUDNN: usize = 90_000;

/// Why this machine has no GPU, if it has none: no driver, or nothing that it drives. A GPU that
/// is there and does not work is another matter.
pub(super) fn no_gpu() -> Option<String> {
    if !has_driver() {
        return Some(NO_DRIVER.into());
    }
    match CudaContext::device_count() {
        Ok(0) => Some("the NVIDIA driver has no GPU".into()),
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => {
            Some("the NVIDIA driver has no GPU".into())
        }
        _ => None,
    }
}

const NO_DRIVER: &str = "no NVIDIA driver was found on this machine (libcuda cannot be loaded)";

fn has_driver() -> bool {
    // SAFETY: loading a library runs its initialisers; NVIDIA's have no preconditions.
    unsafe { driver::sys::is_culib_present() }
}

/// How many GPUs the driver has.
pub(super) fn gpus() -> Result<usize> {
    let count = CudaContext::device_count();
    let count =
        count.map_err(|e| Error::Usage(format!("the NVIDIA driver does not start ({e})")))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Milliseconds between two events that have come to pass. cudarc calls it by a name that drivers
/// before CUDA 12.8 do not have.
pub(super) fn elapsed_ms(
    start: &CudaEvent,
    end: &CudaEvent,
) -> std::result::Result<f32, Box<dyn std::error::Error>> {
    type Elapsed = unsafe extern "C" fn(*mut f32, sys::CUevent, sys::CUevent) -> sys::CUresult;
    let mut ms = 0.0;
    // SAFETY: the function has had this type since CUDA's beginnings; both events are alive.
    unsafe {
        let elapsed = sys::culib().get::<Elapsed>(b"cuEventElapsedTime\0")?;
        elapsed(&mut ms, start.cu_event(), end.cu_event()).result()?;
    }
    Ok(ms)
}

/// Fails unless all of them can be loaded.
///
/// # Errors
/// [`Error::Usage`] that says which is missing and what to do.
pub(super) fn check() -> Result<()> {
    // SAFETY: loading a library runs its initialisers; those of NVIDIA's have no preconditions.
    let present = unsafe {
        [
            ("libnvrtc", nvrtc::sys::is_culib_present()),
            ("libcublas", cublas::sys::is_culib_present()),
            ("libcudnn", cudnn::sys::is_culib_present()),
        ]
    };
    if !has_driver() {
        return Err(Error::Usage(NO_DRIVER.into()));
    }
    let missing: Vec<&str> = present.iter().filter(|p| !p.1).map(|p| p.0).collect();
    if missing.is_empty() {
        let version = cudnn::result::get_version();
        if version >= CUDNN {
            return Ok(());
        }
        return Err(Error::Usage(format!(
            "the cuDNN on LD_LIBRARY_PATH is of version {version}; take cuDNN 9"
        )));
    }
    Err(Error::Usage(format!(
        "{} cannot be loaded; a GPU needs NVRTC and cuBLAS of CUDA 12 or 13 and cuDNN 9 on \
         LD_LIBRARY_PATH (a CUDA toolkit has the first two; `scripts/gpu/run` finds those that \
         came with PyTorch)",
        missing.join(", ")
    )))
}
