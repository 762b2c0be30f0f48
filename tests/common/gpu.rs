//! The GPU that tests run on: a real one, or the CPU stand-in of `.ci/cuda-standin`.

use frbench::nn::cuda::Gpu;
use std::sync::{Arc, OnceLock};

/// The GPU, or nothing where there is none: then nothing can be tested. Where
/// `FRBENCH_TEST_GPU=required`, that is a failure.
pub fn gpu() -> Option<Arc<Gpu>> {
    static GPU: OnceLock<Option<Arc<Gpu>>> = OnceLock::new();
    GPU.get_or_init(|| match Gpu::open(0) {
        Ok(gpu) => Some(gpu),
        Err(why) if std::env::var("FRBENCH_TEST_GPU").as_deref() == Ok("required") => {
            panic!("a GPU is required: {why}")
        }
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    })
    .clone()
}
