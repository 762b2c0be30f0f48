//! Margin heads: from embeddings and class weights to logits and a loss.
//!
//! One file per head, one line per head in [`HEADS`]; what they share is in [`cosine`] and
//! `margin`. Constants that implementations disagree on have names, too: [`Preset`].

mod adaface;
pub(crate) mod angular;
mod arcface;
mod boundary;
mod class_products;
pub mod cleaning;
mod combined_margin;
mod cosface;
pub mod cosine;
mod curricularface;
mod device_products;
mod elasticface;
mod entropy;
mod logits;
mod magface;
mod margin;
mod mv_softmax;
mod normface;
mod presets;
pub(crate) mod rowwise;
mod softmax;
mod sphereface;
mod subcenter;
mod weight_grad;

pub use presets::Preset;
pub use weight_grad::WeightGrad;

use candle_core::Tensor;
use frbench_base::entries;
use frbench_base::registry::{self, Info, Proof};
use frbench_base::{Error, Result};
use frbench_job::HeadSpec;
use std::collections::BTreeMap;

/// What a head sees in one step.
pub struct HeadInput<'a> {
    /// `[B, D]`, not normalised.
    pub embeddings: &'a Tensor,
    /// `[C, D]`, not normalised; `[C K, D]` for a head with `K` rows per class.
    pub weight: &'a Tensor,
    /// Where the gradient of the weights goes, as far as the head can; else to candle's.
    pub weight_grad: Option<&'a WeightGrad>,
    pub labels: &'a [u32],
    /// Whether the logits are wanted, beside the loss.
    pub logits: bool,
    /// 1-based, as published schedules count.
    pub epoch: u64,
    pub step: u64,
}

pub struct HeadOutput {
    /// `[B, C]` after margin and scale. Given where the input asks for them, and often besides.
    pub logits: Option<Tensor>,
    /// Scalar: mean cross-entropy, plus the auxiliary loss where the head has one.
    pub loss: Tensor,
    /// Labels the loss was taken against, where the head rewrote any.
    pub labels: Option<Vec<u32>>,
    pub aux_loss: Option<Tensor>,
}

impl HeadOutput {
    /// The logits of a head that was asked for them.
    pub fn logits(&self) -> Result<&Tensor> {
        let missing = || Error::Bug("a head that was asked for its logits gives none".into());
        self.logits.as_ref().ok_or_else(missing)
    }
}

/// A margin head. State that lives over steps (moving averages, counters) is saved and
/// restored through [`Head::state`], so that a resumed run is the undisturbed run.
pub trait Head: Send {
    /// The name of its line in [`HEADS`]; its loss goes by this name in curves.
    fn name(&self) -> &'static str;

    /// The seed of the training, told once before its first step. Heads that draw random
    /// numbers derive them from it and from the step.
    fn seed(&mut self, _seed: u64) {}

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput>;

    /// State by name; empty for stateless heads.
    fn state(&self) -> BTreeMap<String, Vec<f64>> {
        BTreeMap::new()
    }

    fn restore(&mut self, _state: &BTreeMap<String, Vec<f64>>) -> Result<()> {
        Ok(())
    }

    /// Whether it may take its loss against other labels than those of the set.
    fn rewrites_labels(&self) -> bool {
        false
    }

    /// Rows of class weights that each class has, side by side.
    fn rows_per_class(&self) -> usize {
        1
    }

    /// Standard deviation of the normal distribution that class weights start from.
    fn init_std(&self) -> f64 {
        0.01
    }
}

/// A line of the table of heads.
pub struct HeadEntry {
    pub info: Info,
    pub proof: Proof,
    pub presets: &'static [Preset],
    pub build: fn(&HeadSpec) -> Result<Box<dyn Head>>,
}

entries! {
    /// Every head a suite may name.
    pub static HEADS: HeadEntry, ORIGINS = [
        softmax::ENTRY,
        normface::ENTRY,
        sphereface::ENTRY,
        cosface::ENTRY,
        arcface::ENTRY,
        combined_margin::ENTRY,
        subcenter::ENTRY,
        mv_softmax::AM,
        mv_softmax::ARC,
        curricularface::ENTRY,
        adaface::ENTRY,
        magface::ENTRY,
        elasticface::ENTRY,
        boundary::F1,
        boundary::FACE,
    ]
}

/// The head that `spec` describes. [`Error::Usage`] for an unknown name
/// or a parameter that is unknown, missing or out of range.
pub fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let entry = registry::named(HEADS, |h| h.info.name, "head", &spec.name)?;
    registry::check(&entry.info, &spec.params)?;
    (entry.build)(spec)
}
