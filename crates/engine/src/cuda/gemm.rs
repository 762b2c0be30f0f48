//! Matrix products by cuBLAS.

use super::array::Array;
use super::gpu::{Gpu, failed};
use crate::settings::Precision;
use cudarc::cublas::{result, sys};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use frbench_base::Result;
use std::sync::Arc;

/// How 32-bit floats are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Math {
    /// In 32 bits.
    Full,
    /// On tensor cores, which read 10 of their 23 bits.
    Tf32,
}

impl From<Precision> for Math {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Tf32 => Math::Tf32,
            Precision::F32 | Precision::Bf16 => Math::Full,
        }
    }
}

/// The library's handle, for one thread at a time.
pub(super) struct Blas {
    handle: sys::cublasHandle_t,
    _workspace: CudaSlice<u8>,
}

/// As much as the library recommends for its largest GPUs. One of its own would be another for
/// products that are recorded, and with another one it may choose other algorithms.
const WORKSPACE: usize = 32 << 20;

// SAFETY: a handle may be used from any thread, by one at a time; it lives behind a lock.
unsafe impl Send for Blas {}

impl Blas {
    pub fn new(stream: &Arc<CudaStream>) -> Result<Blas> {
        let handle = result::create_handle().map_err(failed("starting cuBLAS"))?;
        // SAFETY: handle and stream are alive; cudart's and the driver's streams are the same.
        unsafe { result::set_stream(handle, stream.cu_stream().cast()) }
            .map_err(failed("starting cuBLAS"))?;
        // SAFETY: nobody reads it before the library has written it.
        let workspace = unsafe { stream.alloc::<u8>(WORKSPACE) };
        let workspace = workspace.map_err(failed("memory for cuBLAS"))?;
        let (start, _) = workspace.device_ptr(stream);
        // SAFETY: the memory lives as long as the handle; setting a stream would take it away.
        unsafe { sys::cublasSetWorkspace_v2(handle, start as *mut _, WORKSPACE).result() }
            .map_err(failed("starting cuBLAS"))?;
        Ok(Blas {
            handle,
            _workspace: workspace,
        })
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more. What could go wrong at the end does not matter.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

/// A row-major matrix somewhere on a GPU.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub pointer: u64,
    pub rows: usize,
    pub cols: usize,
    pub low: bool,
    /// Read as its transpose.
    pub transposed: bool,
}

impl Matrix {
    pub fn new(pointer: u64, [rows, cols]: [usize; 2], low: bool) -> Matrix {
        Matrix {
            pointer,
            rows,
            cols,
            low,
            transposed: false,
        }
    }

    /// The images of an array as rows.
    pub fn of(array: &Array) -> Matrix {
        let rows = array.batch();
        let cols = array.len() / rows.max(1);
        Matrix::new(array.pointer(), [rows, cols], array.low)
    }

    pub fn t(self) -> Matrix {
        Matrix {
            transposed: !self.transposed,
            ..self
        }
    }

    /// Rows and columns as read.
    fn seen(&self) -> [usize; 2] {
        match self.transposed {
            true => [self.cols, self.rows],
            false => [self.rows, self.cols],
        }
    }
}

impl Gpu {
    /// `c = a b`, or `c += a b`. `a` and `b` are of the same precision; sums are in 32 bits.
    pub(super) fn product(
        &self,
        a: Matrix,
        b: Matrix,
        c: Matrix,
        add: bool,
        math: Math,
    ) -> Result<()> {
        let ([m, k], [k_too, n]) = (a.seen(), b.seen());
        assert!(
            k == k_too && c.seen() == [m, n] && !c.transposed && a.low == b.low,
            "matrices that do not fit each other"
        );
        let kind = |low| match low {
            true => sys::cudaDataType::CUDA_R_16BF,
            false => sys::cudaDataType::CUDA_R_32F,
        };
        let turn = |m: &Matrix| match m.transposed {
            true => sys::cublasOperation_t::CUBLAS_OP_T,
            false => sys::cublasOperation_t::CUBLAS_OP_N,
        };
        let compute = match (a.low, math) {
            (false, Math::Tf32) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
            _ => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        };
        let (alpha, beta) = (1.0f32, if add { 1.0f32 } else { 0.0 });
        let _turn = self.turn();
        self.bind()?;
        self.count_library_call();
        let blas = self.blas();
        // cuBLAS counts columns first: c^T = b^T a^T.
        // SAFETY: the matrices are as large as stated, and the factors live through the call.
        unsafe {
            result::gemm_ex(
                blas.handle,
                turn(&b),
                turn(&a),
                n as i32,
                m as i32,
                k as i32,
                (&raw const alpha).cast(),
                b.pointer as *const _,
                kind(b.low),
                b.cols as i32,
                a.pointer as *const _,
                kind(a.low),
                a.cols as i32,
                (&raw const beta).cast(),
                c.pointer as *mut _,
                kind(c.low),
                c.cols as i32,
                compute,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .map_err(failed("a matrix product"))
    }
}
