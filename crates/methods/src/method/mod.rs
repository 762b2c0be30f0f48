//! Methods: which teacher, which losses, which whole-set passes. One file each, one line
//! each in [`METHODS`]; the passes themselves are in [`mod@derive`].

mod classification;
mod coupleface;
pub mod derive;
mod distill;
mod fcd;
mod margin_softmax;

use crate::distill::Taps;
use crate::head::{Head, WeightGrad};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};
use frbench_base::entries;
use frbench_base::registry::{self, Info, Params};
use frbench_base::{Error, Result};
use frbench_engine as engine;
use frbench_job::artefact::{Artefact, DeriveNeed, Matrix};
use frbench_job::{HeadSpec, MethodSpec, OptimizerSpec};
use std::collections::BTreeMap;

/// What a method asks of the planner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    pub teacher: bool,
    pub head: bool,
    /// The teacher's taps: it is run in every step.
    pub teacher_taps: bool,
    /// The logits of the teacher's classifier.
    pub teacher_logits: bool,
    /// The class weights of the teacher's classifier.
    pub teacher_classes: bool,
    /// The input gradients of the classification losses of student and teacher, which see the
    /// same input: both need a classifier, the teacher is run in every step, and the student
    /// once more to have them and twice more for what depends on them.
    pub input_gradients: bool,
    /// In the order in which they are derived.
    pub derive: Vec<DeriveNeed>,
}

impl Needs {
    /// Whether the teacher is run in every step.
    pub fn teacher_network(&self) -> bool {
        self.teacher_taps || self.input_gradients
    }

    /// Whether the teacher's head or class weights are used in every step.
    pub fn teacher_classifier(&self) -> bool {
        self.teacher_logits || self.teacher_classes || self.input_gradients
    }
}

/// What an objective is built from.
pub struct Inputs<'a> {
    pub spec: &'a MethodSpec,
    pub seed: u64,
    pub classes: usize,
    pub embedding: usize,
    /// Identity of each image of the training set.
    pub labels: &'a [u32],
    /// How the student is trained, and what a loss learns beside it.
    pub optimizer: &'a OptimizerSpec,
    /// Length of the training in optimiser steps.
    pub total_steps: u64,
    /// Derived artefacts by name, loaded.
    pub derived: &'a BTreeMap<String, Artefact>,
}

/// The classifier of the student: a margin head and its class weights, a leaf of autograd.
pub struct Classifier<'a> {
    pub head: &'a mut dyn Head,
    /// `[C, D]`.
    pub weight: &'a Tensor,
    /// Where their gradient goes, as far as the head can; else to candle's.
    pub weight_grad: Option<&'a WeightGrad>,
}

/// What a change of the images of a step would change, `[B, h w c]`: the gradient of each
/// image's own classification loss with respect to the image as the network sees it.
#[derive(Clone, Copy)]
pub struct InputGradients<'a> {
    /// A leaf of autograd: of the student in training mode and its margin head.
    pub student: &'a Tensor,
    /// Constant: of the teacher in evaluation mode and its own head and class weights.
    pub teacher: &'a Tensor,
}

/// One optimiser step as a method sees it. The loss it leads to need not depend on the class
/// weights in every step; where the gradients hold none for them, they stay as they are.
pub struct Step<'a> {
    /// 0-based.
    pub step: u64,
    /// 1-based.
    pub epoch: u64,
    pub steps_per_epoch: u64,
    /// Index of each sample in the training set.
    pub samples: &'a [u32],
    pub labels: &'a [u32],
    /// `[B, D]`, raw embeddings of the student, a leaf of autograd.
    pub student: &'a Tensor,
    /// How many samples, from the first on, the head sees; none means all.
    pub classified: Option<usize>,
    /// Taps of the student, leaves of autograd where a loss asks for them.
    pub taps: Option<&'a Taps>,
    /// `[B, Dt]`, raw embeddings of the teacher for the same images and flips, constant.
    pub teacher: Option<&'a Tensor>,
    /// Constant; for methods that need them ([`Needs::teacher_taps`]).
    pub teacher_taps: Option<&'a Taps>,
    /// `[B, C]`, after margin and scale of the teacher's head, constant; for methods that need
    /// them ([`Needs::teacher_logits`]).
    pub teacher_logits: Option<&'a Tensor>,
    /// `[C, D]`, constant; for methods that need them ([`Needs::teacher_classes`]).
    pub teacher_classes: Option<&'a Tensor>,
    /// For methods that need them ([`Needs::input_gradients`]).
    pub input_gradients: Option<InputGradients<'a>>,
    pub classifier: Option<Classifier<'a>>,
    /// What the training computes on.
    pub device: &'a engine::Device,
}

pub struct StepLoss {
    /// Scalar to differentiate.
    pub loss: Tensor,
    /// Its parts before weighting, for curves.
    pub parts: Vec<(&'static str, f64)>,
    /// The labels that the head took its loss against, where it rewrites any, `[B]`.
    pub labels: Option<Vec<u32>>,
}

/// The training objective of a method, with whatever it remembers from step to step.
pub trait Objective: Send {
    fn step(&mut self, step: Step) -> Result<StepLoss>;

    /// One optimiser step of what the objective itself learns (regressors, projections), from
    /// the gradients of the loss of the last step, at the student's learning rate.
    fn learn(&mut self, _grads: &GradStore, _lr: f64) -> Result<()> {
        Ok(())
    }

    /// Computes what is worth it on `device` from now on, with what it remembers.
    fn move_to(&mut self, _device: &engine::Device) -> Result<()> {
        Ok(())
    }

    /// State to checkpoint, by name, row-major (feature banks, counters).
    fn state(&self) -> BTreeMap<String, Matrix<f32>> {
        BTreeMap::new()
    }

    fn restore(&mut self, _state: BTreeMap<String, Matrix<f32>>) -> Result<()> {
        Ok(())
    }
}

/// A line of the table of methods.
pub struct MethodEntry {
    pub info: Info,
    /// What the method needs, from its parameters alone.
    pub needs: fn(&MethodSpec, Option<&HeadSpec>) -> Result<Needs>,
    pub build: fn(&Inputs) -> Result<Box<dyn Objective>>,
}

entries! {
    /// Every method a suite may name.
    pub static METHODS: MethodEntry, ORIGINS = [
        margin_softmax::ENTRY,
        fcd::ENTRY built_on ["distill/fcd"],
        coupleface::ENTRY built_on ["distill/fcd", "distill/rad"],
        distill::ENTRY,
    ]
}

/// The table line of a method.
pub fn find(name: &str) -> Result<&'static MethodEntry> {
    registry::named(METHODS, |m| m.info.name, "method", name)
}

impl<'a> Step<'a> {
    /// The teacher's embeddings. The trainer feeds them to every method that needs a teacher.
    fn teacher(&self) -> Result<&'a Tensor> {
        self.teacher
            .ok_or_else(|| Error::Bug("a distilling method was given no teacher".into()))
    }
}

/// A loss as it is shown in curves.
fn scalar(loss: &Tensor) -> Result<f64> {
    Ok(loss.to_dtype(DType::F64)?.to_scalar()?)
}

/// The parameters of a method that are those of one of its losses.
fn only(params: &Params, names: &[&str]) -> Params {
    params
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
