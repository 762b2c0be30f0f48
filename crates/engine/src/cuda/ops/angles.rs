//! Angles between every three samples.

use super::super::gpu::{Arg, Gpu};
use super::super::memory::Buffer;
use super::{LINE, args, over};
use frbench_base::Result;

impl Gpu {
    /// Sums, `[n]`, of what the student's cosines are off by; see `angles.cu`.
    pub(in crate::cuda) fn angle_gap(
        &self,
        networks: &[Buffer; 4],
        out: &Buffer,
        n: usize,
    ) -> Result<()> {
        let all = arguments(networks, out, n);
        self.launch("angle_gap", [n as u32, 1, 1], LINE, &all)
    }

    /// The gradient of the products, `[n, n]`, as those opposite all other samples.
    pub(in crate::cuda) fn angle_products(
        &self,
        networks: &[Buffer; 4],
        out: &Buffer,
        n: usize,
    ) -> Result<()> {
        let grid = [over(n)[0], n as u32, 1];
        let all = arguments(networks, out, n);
        self.launch("angle_products", grid, LINE, &all)
    }

    /// For each `j` and `i` what the angles at `i` with a side to `j` share, `[n, n, 2]`.
    pub(in crate::cuda) fn angle_sides(
        &self,
        networks: &[Buffer; 4],
        out: &Buffer,
        n: usize,
    ) -> Result<()> {
        let grid = [n as u32, n as u32, 1];
        let all = arguments(networks, out, n);
        self.launch("angle_sides", grid, LINE, &all)
    }
}

/// The student's and the teacher's products and inverse distances, then where to, and how many.
fn arguments(networks: &[Buffer; 4], out: &Buffer, n: usize) -> Vec<Arg> {
    let networks = networks.iter().map(|b| Arg::from(b.pointer()));
    let rest: &[Arg] = args![out.pointer(), n as u32];
    networks.chain(rest.iter().copied()).collect()
}
