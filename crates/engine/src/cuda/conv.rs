//! Convolutions by cuDNN, but for depthwise ones: NHWC images, filters `[k, r, s, c / groups]`.

use super::array::Array;
use super::gemm::Math;
use super::gpu::{Gpu, failed};
use crate::ops::conv::Shape;
use cudarc::cudnn::{result, sys};
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};
use frbench_base::{Error, Result};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// What is computed from what.
#[derive(Clone, Copy, Debug)]
enum Pass {
    /// `(x, w)` to `y`.
    Forward,
    /// `(dy, w)` to `dx`.
    Input,
    /// `(x, dy)` to `dw`, which is added to if it is in 32 bits.
    Weight,
}

/// Sizes, whether in bfloat16, and how 32-bit floats are multiplied.
type Key = (Shape, bool, Math);

/// cuDNN's handle, with all that it was asked for so far.
pub(super) struct Convolutions {
    handle: sys::cudnnHandle_t,
    plans: HashMap<Key, Plan>,
    /// What is recorded goes on using the one that there was.
    workspace: Option<Arc<CudaSlice<u8>>>,
    /// Whether algorithms that add in no fixed order may be chosen.
    fast: bool,
}

// SAFETY: a handle and its descriptors may be used from any thread, by one at a time; they live
// behind a lock.
unsafe impl Send for Convolutions {}

/// The descriptors of one convolution, and its algorithms.
struct Plan {
    x: sys::cudnnTensorDescriptor_t,
    y: sys::cudnnTensorDescriptor_t,
    w: sys::cudnnFilterDescriptor_t,
    /// One for each pass, as the algorithm's kind of arithmetic is set on it.
    conv: [sys::cudnnConvolutionDescriptor_t; 3],
    /// What is left to be tried, best first; empty before cuDNN was asked.
    forward: Vec<Candidate<sys::cudnnConvolutionFwdAlgo_t>>,
    input: Vec<Candidate<sys::cudnnConvolutionBwdDataAlgo_t>>,
    weight: Vec<Candidate<sys::cudnnConvolutionBwdFilterAlgo_t>>,
}

/// The fields that the results of the three heuristics have in common.
struct Candidate<A> {
    algorithm: A,
    usable: bool,
    deterministic: bool,
    memory: usize,
    math: sys::cudnnMathType_t,
}

macro_rules! candidate {
    ($perf:expr) => {{
        let perf = $perf;
        Candidate {
            algorithm: perf.algo,
            usable: perf.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS,
            deterministic: perf.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC,
            memory: perf.memory,
            math: perf.mathType,
        }
    }};
}

/// Workspaces of more than this are not worth what they gain.
const WORKSPACE: usize = 1 << 30;

/// What cuDNN expects to work and is allowed, fastest first.
fn allowed<A>(
    candidates: impl Iterator<Item = Candidate<A>>,
    fast: bool,
    (shape, low, math): &Key,
    pass: Pass,
) -> Result<Vec<Candidate<A>>> {
    let mut left: Vec<_> = candidates.filter(|c| c.usable).collect();
    let mut lacks = match low {
        true => "one for bfloat16 on this GPU",
        false => "one on this GPU",
    };
    if !left.is_empty() {
        left.retain(|c| fast || c.deterministic);
        lacks = "one that gives the same bits every time; `--nondeterministic` allows others";
    }
    if !left.is_empty() {
        left.retain(|c| c.memory <= WORKSPACE);
        lacks = "one that does with a workspace of 1 GiB; take a smaller batch";
    }
    if left.is_empty() {
        return Err(Error::Compute(format!(
            "of all cuDNN's algorithms for the {pass:?} pass ({math:?}) of the convolution \
             {shape:?} there is not {lacks}"
        )));
    }
    Ok(left)
}

/// Runs the first candidate that works; those before it are forgotten.
/// While it records, nothing is tried.
fn first_that_works<A: Copy>(
    candidates: &mut Vec<Candidate<A>>,
    records: bool,
    mut run: impl FnMut(&Candidate<A>) -> Result<()>,
) -> Result<()> {
    loop {
        let Some(best) = candidates.first() else {
            return Err(Error::Bug("a convolution without an algorithm".into()));
        };
        match run(best) {
            // The list says what is expected to work, not what does.
            Err(_) if candidates.len() > 1 && !records => candidates.remove(0),
            result => return result,
        };
    }
}

fn ok<T>(result: std::result::Result<T, result::CudnnError>) -> Result<T> {
    result.map_err(failed("cuDNN"))
}

impl Convolutions {
    pub fn new(stream: &Arc<CudaStream>) -> Result<Convolutions> {
        let handle = ok(result::create_handle())?;
        // SAFETY: handle and stream are alive; cudart's and the driver's streams are the same.
        ok(unsafe { result::set_stream(handle, stream.cu_stream().cast()) })?;
        Ok(Convolutions {
            handle,
            plans: HashMap::new(),
            workspace: None,
            fast: false,
        })
    }

    /// Allows algorithms that do not give the same bits every time, or forbids them.
    pub fn allow_any(&mut self, any: bool) {
        if self.fast != any {
            self.plans.clear();
            self.fast = any;
        }
    }

    pub fn workspace(&self) -> Option<Arc<CudaSlice<u8>>> {
        self.workspace.clone()
    }

    pub fn allows_any(&self) -> bool {
        self.fast
    }
}

impl Drop for Convolutions {
    fn drop(&mut self) {
        self.plans.clear();
        // SAFETY: nobody uses it any more. What could go wrong at the end does not matter.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

impl Plan {
    fn new((shape, low, math): &Key) -> Result<Plan> {
        let kind = match low {
            true => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
            false => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
        };
        let math = match (low, math) {
            (true, _) => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
            (false, Math::Tf32) => sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
            (false, Math::Full) => sys::cudnnMathType_t::CUDNN_FMA_MATH,
        };
        let nhwc = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let int = |sizes: [usize; 4]| sizes.map(|s| s as i32);
        let s = shape;
        let plan = Plan {
            x: ok(result::create_tensor_descriptor())?,
            y: ok(result::create_tensor_descriptor())?,
            w: ok(result::create_filter_descriptor())?,
            conv: [
                ok(result::create_convolution_descriptor())?,
                ok(result::create_convolution_descriptor())?,
                ok(result::create_convolution_descriptor())?,
            ],
            forward: Vec::new(),
            input: Vec::new(),
            weight: Vec::new(),
        };
        // SAFETY: the descriptors were just made. Dimensions are n, c, h, w in any format.
        unsafe {
            ok(result::set_tensor4d_descriptor(
                plan.x,
                nhwc,
                kind,
                int([s.n, s.ci, s.h, s.w]),
            ))?;
            ok(result::set_tensor4d_descriptor(
                plan.y,
                nhwc,
                kind,
                int([s.n, s.co, s.oh, s.ow]),
            ))?;
            ok(result::set_filter4d_descriptor(
                plan.w,
                kind,
                nhwc,
                int([s.co, s.ci / s.groups, s.kernel.height, s.kernel.width]),
            ))?;
            for conv in plan.conv {
                let set = sys::cudnnSetConvolution2dDescriptor(
                    conv,
                    s.pad as i32,
                    s.pad as i32,
                    s.stride as i32,
                    s.stride as i32,
                    1,
                    1,
                    sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
                    sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
                );
                ok(set.result())?;
                ok(sys::cudnnSetConvolutionGroupCount(conv, s.groups as i32).result())?;
                ok(sys::cudnnSetConvolutionMathType(conv, math).result())?;
            }
        }
        Ok(plan)
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: nobody uses them any more. What could go wrong at the end does not matter.
        unsafe {
            let _ = result::destroy_tensor_descriptor(self.x);
            let _ = result::destroy_tensor_descriptor(self.y);
            let _ = result::destroy_filter_descriptor(self.w);
            for conv in self.conv {
                let _ = result::destroy_convolution_descriptor(conv);
            }
        }
    }
}

/// Results of a heuristic at most.
const CANDIDATES: usize = 16;

/// Asks a heuristic of cuDNN for its candidates, best first.
macro_rules! ask {
    ($call:path, $perf:ty, [$($given:expr),+]) => {{
        let mut found = 0;
        let mut results = [std::mem::MaybeUninit::<$perf>::zeroed(); CANDIDATES];
        // SAFETY: the descriptors are alive, and there is room for as many results as stated.
        // The structures are plain numbers, of which zero is a value.
        let status =
            unsafe { $call($($given),+, CANDIDATES as i32, &mut found, results.as_mut_ptr().cast()) };
        ok(status.result())?;
        let found = usize::try_from(found).unwrap_or(0).min(CANDIDATES);
        // SAFETY: the library has written that many.
        results.into_iter().take(found).map(|r| candidate!(unsafe { r.assume_init() }))
    }};
}

impl Gpu {
    /// One pass of a convolution, from two arrays' pointers into a third's; `add` adds.
    fn convolve(&self, pass: Pass, key: Key, [a, b, out]: [u64; 3], add: bool) -> Result<()> {
        let _turn = self.turn();
        self.bind()?;
        self.count_library_call();
        let mut all = self.convolutions();
        let records = self.turns().is_recording();
        let Convolutions {
            handle,
            plans,
            workspace,
            fast,
        } = &mut *all;
        let (handle, fast) = (*handle, *fast);
        let plan = match plans.entry(key) {
            Entry::Occupied(plan) => plan.into_mut(),
            Entry::Vacant(none) => none.insert(Plan::new(&key)?),
        };
        let (x, y, w) = (plan.x, plan.y, plan.w);
        let conv = plan.conv[pass as usize];
        let (alpha, beta) = (1.0f32, if add { 1.0f32 } else { 0.0 });
        let (alpha, beta) = ((&raw const alpha).cast(), (&raw const beta).cast());
        let (a, b, out) = (a as *const _, b as *const _, out as *mut _);
        // In full 32 bits nothing may be multiplied otherwise; else the algorithm knows best.
        let full = !key.1 && key.2 == Math::Full;
        // What every candidate needs before its call: its arithmetic, its workspace.
        let mut prepare = |math: sys::cudnnMathType_t, bytes: usize| -> Result<_> {
            if !full {
                // SAFETY: the descriptor is alive.
                ok(unsafe { sys::cudnnSetConvolutionMathType(conv, math).result() })?;
            }
            self.space(workspace, bytes)
        };
        // SAFETY of the calls: descriptors describe the arrays, and the workspace is as large as
        // the algorithm has said.
        match pass {
            Pass::Forward => {
                if plan.forward.is_empty() {
                    let found = ask!(
                        sys::cudnnGetConvolutionForwardAlgorithm_v7,
                        sys::cudnnConvolutionFwdAlgoPerf_t,
                        [handle, x, w, conv, y]
                    );
                    plan.forward = allowed(found, fast, &key, pass)?;
                }
                first_that_works(&mut plan.forward, records, |c| {
                    let (space, bytes) = (prepare(c.math, c.memory)?, c.memory);
                    ok(unsafe {
                        result::convolution_forward(
                            handle,
                            alpha,
                            x,
                            a,
                            w,
                            b,
                            conv,
                            c.algorithm,
                            space,
                            bytes,
                            beta,
                            y,
                            out,
                        )
                    })
                })
            }
            Pass::Input => {
                if plan.input.is_empty() {
                    let found = ask!(
                        sys::cudnnGetConvolutionBackwardDataAlgorithm_v7,
                        sys::cudnnConvolutionBwdDataAlgoPerf_t,
                        [handle, w, y, conv, x]
                    );
                    plan.input = allowed(found, fast, &key, pass)?;
                }
                first_that_works(&mut plan.input, records, |c| {
                    let (space, bytes) = (prepare(c.math, c.memory)?, c.memory);
                    ok(unsafe {
                        result::convolution_backward_data(
                            handle,
                            alpha,
                            w,
                            b,
                            y,
                            a,
                            conv,
                            c.algorithm,
                            space,
                            bytes,
                            beta,
                            x,
                            out,
                        )
                    })
                })
            }
            Pass::Weight => {
                if plan.weight.is_empty() {
                    let found = ask!(
                        sys::cudnnGetConvolutionBackwardFilterAlgorithm_v7,
                        sys::cudnnConvolutionBwdFilterAlgoPerf_t,
                        [handle, x, y, conv, w]
                    );
                    plan.weight = allowed(found, fast, &key, pass)?;
                }
                first_that_works(&mut plan.weight, records, |c| {
                    let (space, bytes) = (prepare(c.math, c.memory)?, c.memory);
                    ok(unsafe {
                        result::convolution_backward_filter(
                            handle,
                            alpha,
                            x,
                            a,
                            y,
                            b,
                            conv,
                            c.algorithm,
                            space,
                            bytes,
                            beta,
                            w,
                            out,
                        )
                    })
                })
            }
        }
    }

    /// `bytes` of a scratch buffer that all convolutions of the stream share, grown when needed.
    fn space(
        &self,
        workspace: &mut Option<Arc<CudaSlice<u8>>>,
        bytes: usize,
    ) -> Result<*mut std::ffi::c_void> {
        if bytes == 0 {
            return Ok(std::ptr::null_mut());
        }
        if workspace.as_ref().is_none_or(|w| w.len() < bytes) {
            *workspace = None;
            *workspace = Some(Arc::new(self.allocate(self.stream(), bytes)?));
        }
        let space = workspace
            .as_ref()
            .map_or(0, |w| w.device_ptr(self.stream()).0);
        Ok(space as *mut _)
    }

    /// `y` of a convolution, with the filter at `w`.
    pub(super) fn convolution(
        self: &Arc<Self>,
        shape: &Shape,
        x: &Array,
        w: u64,
        math: Math,
    ) -> Result<Array> {
        if is_depthwise(shape) {
            return self.depthwise(shape, x, w);
        }
        let y = Array::new(self, [shape.n, shape.oh, shape.ow, shape.co], x.low)?;
        let arrays = [x.pointer(), w, y.pointer()];
        self.convolve(Pass::Forward, (*shape, x.low, math), arrays, false)?;
        Ok(y)
    }

    /// The gradient of its input.
    pub(super) fn convolution_input(
        self: &Arc<Self>,
        shape: &Shape,
        dy: &Array,
        w: u64,
        math: Math,
    ) -> Result<Array> {
        if is_depthwise(shape) {
            return self.depthwise_input(shape, dy, w);
        }
        let dx = Array::new(self, [shape.n, shape.h, shape.w, shape.ci], dy.low)?;
        let arrays = [dy.pointer(), w, dx.pointer()];
        self.convolve(Pass::Input, (*shape, dy.low, math), arrays, false)?;
        Ok(dx)
    }

    /// Adds the gradient of its filter to what is at `grad`, in 32 bits.
    pub(super) fn convolution_weight(
        self: &Arc<Self>,
        shape: &Shape,
        x: &Array,
        dy: &Array,
        grad: u64,
        math: Math,
    ) -> Result<()> {
        if is_depthwise(shape) {
            return self.depthwise_weight(shape, x, dy, grad);
        }
        let key = (*shape, x.low, math);
        if !x.low {
            let arrays = [x.pointer(), dy.pointer(), grad];
            return self.convolve(Pass::Weight, key, arrays, true);
        }
        // cuDNN gives gradients in the precision of the weights.
        let len = shape.co * shape.ci / shape.groups * shape.kernel.area();
        let dw = self.buffer(len * 2)?;
        let arrays = [x.pointer(), dy.pointer(), dw.pointer()];
        self.convolve(Pass::Weight, key, arrays, false)?;
        self.add_to(grad, (dw.pointer(), true), len)
    }
}

/// Whether our own kernels do it: cuDNN has none for depthwise filters in NHWC that come near to
/// what the memory allows.
fn is_depthwise(shape: &Shape) -> bool {
    shape.groups == shape.ci && shape.ci == shape.co && shape.groups > 1
}
