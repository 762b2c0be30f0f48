//! The highest score of each probe.

use super::{BATCH, Gallery, Vectors};
use crate::protocol::scores::{Kernel, Panels};
use rayon::prelude::*;

/// The highest score of each probe among the rows of a gallery, minus infinity where it has none. Unlike
/// [`run`](super::run) it is computed on the CPU, whatever the device of the run: no device has an
/// interface for it yet. The memory that it takes does not grow with the gallery.
pub(in crate::protocol) fn highest(probes: &Vectors, gallery: Gallery) -> Vec<f64> {
    let kernel = Kernel::best();
    let (mr, nr) = kernel.tile();
    let left = Panels::pack(&probes.rows, probes.dim, mr);
    let mut found = vec![f64::NEG_INFINITY; probes.len()];
    for batch in gallery.rows.chunks(BATCH) {
        let right = gallery.panels(batch, nr);
        let groups = found
            .par_chunks_mut(mr)
            .zip(probes.inverse_norms.par_chunks(mr));
        groups.enumerate().for_each(|(p, (found, own))| {
            let mut tile = vec![0.0; mr * nr];
            for (panel, norms) in &right {
                kernel.multiply(left.panel(p), panel.panel(0), &mut tile);
                for ((found, own), row) in found.iter_mut().zip(own).zip(tile.chunks_exact(nr)) {
                    for (dot, norm) in row.iter().zip(norms) {
                        *found = found.max(dot * (own * norm));
                    }
                }
            }
        });
    }
    found
}
