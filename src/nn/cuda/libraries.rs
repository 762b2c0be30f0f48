//! The NVIDIA libraries that are loaded at run time.

use crate::{Error, Result};
use cudarc::{cublas, cudnn, driver, nvrtc};

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
    // SAFETY: as above.
    if !unsafe { driver::sys::is_culib_present() } {
        return Err(Error::Usage(
            "no NVIDIA driver was found on this machine (libcuda cannot be loaded)".into(),
        ));
    }
    let missing: Vec<&str> = present.iter().filter(|p| !p.1).map(|p| p.0).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{} cannot be loaded; a GPU needs NVRTC and cuBLAS of CUDA 12 or 13 and cuDNN 9 on \
         LD_LIBRARY_PATH (a CUDA toolkit has the first two; `scripts/gpu/run` finds those that \
         came with PyTorch)",
        missing.join(", ")
    )))
}
