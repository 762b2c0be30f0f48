//! Compiling the kernels for the GPU at hand, by NVRTC. To machine code: what a newer NVRTC makes
//! for drivers to compile, an older driver would refuse.

use cudarc::nvrtc::{Ptx, result, sys};
use frbench_base::{Error, Result};
use std::ffi::CString;

/// The program `source` for a GPU called `name` of this compute capability.
///
/// # Errors
/// [`Error::Usage`] if NVRTC does not know the GPU, or cannot find its other half;
/// [`Error::Compute`] if it does not take the program.
pub(super) fn for_gpu(source: &str, name: &str, (major, minor): (i32, i32)) -> Result<Ptx> {
    let bug = |_| Error::Bug("kernels with a zero in their text".into());
    let source = CString::new(source).map_err(bug)?;
    let architecture = format!("--gpu-architecture=sm_{major}{minor}");
    let program = Program(
        result::create_program(&source, Some(c"frbench.cu")).map_err(|e| broken(name, &e))?,
    );
    let options = [architecture, "--std=c++17".into()];
    // SAFETY: the program is alive, and the options are text.
    let compiled = unsafe { result::compile_program(program.0, &options) };
    if let Err(e) = compiled {
        return Err(refused(name, (major, minor), &e, &program.log()));
    }
    program.machine_code().map_err(|e| broken(name, &e))
}

struct Program(sys::nvrtcProgram);

impl Program {
    fn log(&self) -> String {
        // SAFETY: the program is alive; the log is text that ends with a zero.
        let log = unsafe { result::get_program_log(self.0) };
        let bytes = log.unwrap_or_default();
        let bytes = bytes.iter().map(|&b| b as u8).take_while(|b| *b != 0);
        String::from_utf8_lossy(&bytes.collect::<Vec<u8>>())
            .trim()
            .to_owned()
    }

    fn machine_code(&self) -> std::result::Result<Ptx, result::NvrtcError> {
        let mut bytes = 0;
        // SAFETY: the program is alive and compiled, and there is room for what it has said.
        unsafe {
            sys::nvrtcGetCUBINSize(self.0, &mut bytes).result()?;
            let mut code = vec![0u8; bytes];
            sys::nvrtcGetCUBIN(self.0, code.as_mut_ptr().cast()).result()?;
            Ok(Ptx::from_binary(code))
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more. What could go wrong at the end does not matter.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

fn broken(name: &str, error: &result::NvrtcError) -> Error {
    Error::Compute(format!("compiling the kernels for {name}: {error}"))
}

fn refused(name: &str, (major, minor): (i32, i32), error: &result::NvrtcError, log: &str) -> Error {
    if log.contains("--gpu-architecture") {
        return Error::Usage(format!(
            "this NVRTC knows no GPU of compute capability {major}.{minor} ({name}); take one of \
             another CUDA release ({log})"
        ));
    }
    if error.0 == sys::nvrtcResult::NVRTC_ERROR_BUILTIN_OPERATION_FAILURE {
        return Error::Usage(format!(
            "NVRTC cannot load libnvrtc-builtins, which lies beside it; put their folder on \
             LD_LIBRARY_PATH ({log})"
        ));
    }
    Error::Compute(format!("compiling the kernels for {name}: {error}: {log}"))
}
