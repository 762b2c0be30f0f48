//! Distillation losses: what a student should have in common with a teacher.
//!
//! One file per loss, one line per loss in [`DISTILL`]. A loss says what it wants
//! ([`Wants`]), is built for a training ([`Setup`]), and takes the loss of a step
//! ([`Distill::loss`]). It may remember (feature memories, moving averages) and learn (a
//! regressor, projections: [`adapter`]); both are saved with the training. What several
//! losses share: [`outputs`] and [`sites`] what is compared, [`maths`] how, [`bank`] and
//! [`relation`] the relations of a feature to others that are remembered, [`gram`] those inside
//! a batch, [`mining`] which rows are worth relating to.
//! Losses that are known by name only are in [`DECLARED`].

mod a_skd;
pub mod adapter;
mod angles;
mod at;
mod at_gradient;
pub mod bank;
mod cckd;
mod cosine;
mod crd;
mod darkrank;
mod declared;
mod ekd;
mod f_kd;
pub(crate) mod fcd;
mod fitnet;
pub mod gram;
mod logit_kd;
mod margin_distillation;
pub mod maths;
pub mod mining;
pub mod outputs;
pub(crate) mod rad;
pub mod relation;
mod rkd;
mod shrinkteanet;
pub mod sites;
mod sp;
mod triplet_distillation;

pub use bank::Bank;
pub use declared::{DECLARED, Declared};
pub use outputs::{Outputs, Taps};

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use frbench_base::entries;
use frbench_base::registry::{self, Info, Params, Proof};
use frbench_base::{Error, Result};
use frbench_engine as engine;
use frbench_job::OptimizerSpec;
use frbench_job::artefact::{Artefact, DeriveNeed, Matrix};
use std::collections::BTreeMap;

/// What a loss sees of one step. Only the student gets a gradient.
#[derive(Clone, Copy)]
pub struct DistillInput<'a> {
    pub student: Outputs<'a>,
    pub teacher: Outputs<'a>,
    /// 0-based; with the seed it keys what a loss draws at random.
    pub step: u64,
    /// Index of each sample in the training set, `[B]`.
    pub samples: &'a [u32],
    /// Identity of each sample, `[B]`.
    pub labels: &'a [u32],
    pub relations: Option<Relations<'a>>,
    /// Where products of every two samples are worth taking.
    pub device: &'a engine::Device,
}

impl<'a> DistillInput<'a> {
    /// Embeddings alone, outside of a training.
    pub fn of_embeddings(student: &'a Tensor, teacher: &'a Tensor) -> Self {
        DistillInput {
            student: Outputs::of_embeddings(student),
            teacher: Outputs::of_embeddings(teacher),
            step: 0,
            samples: &[],
            labels: &[],
            relations: None,
            device: &engine::Device::CPU,
        }
    }
}

/// The other identities that each sample is related to.
#[derive(Clone, Copy)]
pub struct Relations<'a> {
    /// `[M, K]`: for each identity the bank rows it is related to.
    pub neighbors: &'a Matrix<u32>,
    /// `[M, D]`, what the student's features are related to: one feature per identity.
    pub student_bank: &'a Bank,
    /// `[M, D]`, what the teacher's features are related to.
    pub teacher_bank: &'a Bank,
}

/// What a loss is built from.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    pub params: &'a Params,
    pub seed: u64,
    /// Identity of each image of the training set, `[N]`; empty outside of a training.
    pub labels: &'a [u32],
    /// How what the loss learns is trained, beside the student.
    pub optimizer: &'a OptimizerSpec,
    /// The whole-set statistics that it wants, by name.
    pub derived: &'a BTreeMap<String, Artefact>,
}

/// What a loss wants to be given, beyond the embeddings of student and teacher.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wants {
    /// Logits of both networks: both need a classifier.
    pub logits: bool,
    /// The class weights of the teacher, which needs a classifier of one centre per class.
    pub classes: bool,
    /// Taps of both networks: the teacher is run in every step.
    pub taps: bool,
    /// Input gradients of the classification losses of both networks: both need a classifier,
    /// and the teacher is run in every step.
    pub input_gradients: bool,
    /// [`DistillInput::relations`], which a method with a feature bank has to give.
    pub relations: bool,
    /// Whole-set statistics made before training.
    pub derive: Vec<DeriveNeed>,
}

/// A distillation loss, with whatever it remembers and learns.
pub trait Distill: Send {
    /// Scalar, on the device and of the type of the student's embeddings.
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor>;

    /// One optimiser step of what the loss itself learns, after the gradients of the losses
    /// returned since the last one were taken.
    fn learn(&mut self, _grads: &GradStore, _lr: f64) -> Result<()> {
        Ok(())
    }

    /// Computes what is worth it on `device` from now on, with what it remembers.
    fn move_to(&mut self, _device: &engine::Device) -> Result<()> {
        Ok(())
    }

    /// What it remembers and has learned, by name, to checkpoint.
    fn state(&self) -> BTreeMap<String, Matrix<f32>> {
        BTreeMap::new()
    }

    /// Goes on from what [`Distill::state`] returned, to the bit.
    fn restore(&mut self, _state: BTreeMap<String, Matrix<f32>>) -> Result<()> {
        Ok(())
    }
}

/// A line of the table of distillation losses.
pub struct DistillEntry {
    pub info: Info,
    pub proof: Proof,
    /// What the loss wants, from its parameters alone.
    pub wants: fn(&Params) -> Wants,
    pub build: fn(&Setup) -> Result<Box<dyn Distill>>,
}

entries! {
    /// Every distillation loss a method may use.
    pub static DISTILL: DistillEntry, ORIGINS = [
        a_skd::ENTRY,
        at::ENTRY,
        at_gradient::ENTRY,
        cckd::ENTRY,
        cosine::ENTRY,
        crd::ENTRY,
        darkrank::ENTRY,
        ekd::ENTRY,
        f_kd::ENTRY,
        fcd::ENTRY,
        fitnet::ENTRY,
        logit_kd::ENTRY,
        margin_distillation::ENTRY,
        rad::ENTRY,
        rkd::ENTRY,
        shrinkteanet::ENTRY,
        sp::ENTRY,
        triplet_distillation::ENTRY built_on ["distill/margin_distillation"],
    ]
}

/// The declaration of a loss that is known by name only.
pub fn declared(name: &str) -> Option<&'static Declared> {
    DECLARED.iter().find(|d| d.name == name)
}

/// The table line of a loss. [`Error::Usage`] for an unknown name, and for one that is only
/// declared.
pub fn find(name: &str) -> Result<&'static DistillEntry> {
    if let Some(declared) = declared(name) {
        return Err(Error::Usage(format!(
            "`{name}` is declared but cannot be run: {}",
            declared.reason
        )));
    }
    registry::named(DISTILL, |d| d.info.name, "distillation loss", name)
}

/// The loss of that name for a training. [`Error::Usage`] for an unknown name or a parameter
/// that is unknown, missing or out of range.
pub fn for_training(name: &str, setup: &Setup) -> Result<Box<dyn Distill>> {
    let entry = find(name)?;
    registry::check(&entry.info, setup.params)?;
    (entry.build)(setup)
}

/// The same outside of a training: what it learns or draws starts from seed 0.
pub fn build(name: &str, params: &Params) -> Result<Box<dyn Distill>> {
    for_training(
        name,
        &Setup {
            params,
            seed: 0,
            labels: &[],
            optimizer: &OptimizerSpec {
                momentum: 0.0,
                nesterov: false,
                weight_decay: 0.0,
                clip: None,
                spare_norms: false,
            },
            derived: &BTreeMap::new(),
        },
    )
}

/// For losses on embeddings alone.
fn embeddings_only(_params: &Params) -> Wants {
    Wants::default()
}

/// Where embeddings are compared element by element, their sizes must agree.
fn same_shape(input: &DistillInput) -> Result<()> {
    maths::same_shape(input.student.embeddings, input.teacher.embeddings)
}
