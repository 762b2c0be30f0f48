//! Whole-set artefacts: what a training asks to have derived before it starts, and the form
//! in which it gets it.

use frbench_base::registry::Params;

/// A whole-set pass that must be finished before training starts. Passes are jobs of their
/// own and shared by all methods and seeds that need the same one.
#[derive(Clone, Debug, PartialEq)]
pub struct DeriveNeed {
    /// The name under which the training holds it.
    pub name: &'static str,
    /// `embeddings` (the raw embeddings of the whole training set by the teacher, `[2N, D]`:
    /// row `2i` is image `i`, row `2i + 1` its mirror), or a line of the table of derivations.
    pub derivation: &'static str,
    pub params: Params,
    /// Names of earlier needs it is computed from.
    pub from: &'static [&'static str],
}

/// A dense row-major matrix, the form of every derived artefact.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<T> {
    pub rows: usize,
    pub cols: usize,
    pub data: Vec<T>,
}

impl<T> Matrix<T> {
    pub fn row(&self, i: usize) -> &[T] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }
}

/// A derived artefact.
#[derive(Clone, Debug, PartialEq)]
pub enum Artefact {
    F32(Matrix<f32>),
    U32(Matrix<u32>),
}
