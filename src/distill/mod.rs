//! Distillation losses: what a student's embeddings should have in common with a teacher's.
//!
//! One file per loss, one line per loss in [`DISTILL`]. [`relation`] holds the relation of a
//! feature to rows of a bank, [`mining`] finds which rows are worth relating to.

mod cosine;
mod fcd;
pub mod mining;
mod rad;
pub mod relation;

pub use fcd::NORMALIZE;
pub use rad::{FORM, Q};

use crate::method::Matrix;
use crate::registry::{self, Info, Params};
use crate::{Error, Result};
use candle_core::Tensor;

/// What a distillation loss sees of one step. Only `student` gets a gradient.
pub struct DistillInput<'a> {
    /// `[B, D]`, raw.
    pub student: &'a Tensor,
    /// `[B, D]`, raw.
    pub teacher: &'a Tensor,
    pub relations: Option<Relations<'a>>,
}

/// The other identities that each sample is related to.
pub struct Relations<'a> {
    /// Identity of each sample, `[B]`.
    pub labels: &'a [u32],
    /// `[M, K]`: for each identity the bank rows it is related to.
    pub neighbors: &'a Matrix<u32>,
    /// `[M, D]`, what the student's features are related to: one feature per identity.
    pub student_bank: &'a Matrix<f32>,
    /// `[M, D]`, what the teacher's features are related to.
    pub teacher_bank: &'a Matrix<f32>,
}

/// A distillation loss.
pub trait Distill: Send {
    /// Scalar, on the device of the student.
    fn loss(&self, input: &DistillInput) -> Result<Tensor>;
}

/// A line of the table of distillation losses.
pub struct DistillEntry {
    pub info: Info,
    pub build: fn(&Params) -> Result<Box<dyn Distill>>,
}

/// Every distillation loss a method may use.
pub static DISTILL: &[DistillEntry] = &[cosine::ENTRY, fcd::ENTRY, rad::ENTRY];

/// The loss of that name. [`Error::Usage`] for an unknown name or a parameter that is unknown,
/// missing or out of range.
pub fn build(name: &str, params: &Params) -> Result<Box<dyn Distill>> {
    let entry = DISTILL
        .iter()
        .find(|d| d.info.name == name)
        .ok_or_else(|| {
            registry::unknown(
                "distillation loss",
                name,
                DISTILL.iter().map(|d| d.info.name),
            )
        })?;
    registry::check(&entry.info, params)?;
    (entry.build)(params)
}

/// Embeddings are compared element by element, so their sizes must agree.
fn same_shape(input: &DistillInput) -> Result<()> {
    let (student, teacher) = (input.student.dims2()?, input.teacher.dims2()?);
    if student == teacher {
        return Ok(());
    }
    Err(Error::Compute(format!(
        "the student's embeddings are {student:?} and the teacher's {teacher:?}; \
         this loss wants equal shapes"
    )))
}
