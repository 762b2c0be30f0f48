//! The optimiser.

use super::super::gpu::{Arg, Gpu};
use super::{BLOCKS, LINE, THREADS, args, over};
use frbench_base::Result;
use std::sync::Arc;

impl Gpu {
    /// One optimiser step over `n` flat parameters; see `sgd.cu`. `low` is null or the copy,
    /// `decayed` null or which are decayed.
    pub(in crate::cuda) fn sgd(
        &self,
        [params, grads, velocity, low, decayed]: [u64; 5],
        n: usize,
        [lr, momentum, decay, factor]: [f32; 4],
        nesterov: bool,
    ) -> Result<()> {
        let args = args![
            params, grads, velocity, low, decayed, n as u32, lr, momentum, decay, factor, nesterov,
        ];
        self.launch("sgd", over(n), LINE, args)
    }

    /// The L2 norm of `n` numbers, in 64 bits.
    pub(in crate::cuda) fn l2_norm(self: &Arc<Self>, x: u64, n: usize) -> Result<f64> {
        let blocks = n.div_ceil(THREADS as usize).clamp(1, BLOCKS);
        let partial = self.buffer(blocks * 8)?;
        let args = args![x, partial.pointer(), n as u32];
        self.launch("square_sums", [blocks as u32, 1, 1], LINE, args)?;
        Ok(partial.read::<f64>(0, blocks)?.iter().sum::<f64>().sqrt())
    }
}
