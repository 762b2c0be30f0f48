//! Weights of an evaluated network as its kernels read them, made on first use and kept.

use super::ops::conv::Algorithm;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

type ByConvolution = BTreeMap<(usize, Algorithm), Arc<Vec<f32>>>;

/// By node and algorithm. Dropped whenever the weights may change.
#[derive(Debug, Default)]
pub(super) struct PackedWeights(Mutex<ByConvolution>);

impl PackedWeights {
    /// The packed weights of a node; `pack` makes them.
    pub fn get(
        &self,
        node: usize,
        algorithm: Algorithm,
        pack: impl FnOnce() -> Vec<f32>,
    ) -> Arc<Vec<f32>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = kept.entry((node, algorithm));
        Arc::clone(entry.or_insert_with(|| Arc::new(pack())))
    }
}

impl Clone for PackedWeights {
    /// A copy may get other weights: it starts empty.
    fn clone(&self) -> Self {
        PackedWeights::default()
    }
}
