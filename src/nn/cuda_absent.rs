//! Stands in for `cuda` in builds without it. Of its types there can be no value, so that the
//! code that uses them needs no conditions.

use super::backward::Gradients;
use super::device::{OpError, Rates};
use super::network::{Network, Output, OutputGrads, TrainMode};
use super::sgd::Sgd;
use super::value::Value;
use crate::plan::spec::Precision;
use crate::{Error, Result};
use std::sync::Arc;

#[derive(Debug)]
pub enum Gpu {}

impl Gpu {
    /// # Errors
    /// [`Error::Usage`], always.
    pub fn open(_ordinal: usize) -> Result<Arc<Gpu>> {
        Err(Error::Usage(
            "this frbench was built without CUDA, so it cannot use a GPU; build it with `cargo \
             build --release --features cuda`, or say `--device cpu`"
                .into(),
        ))
    }

    pub fn allow_nondeterministic(&self, _: bool) {
        match *self {}
    }

    pub fn is_deterministic(&self) -> bool {
        match *self {}
    }

    pub fn name(&self) -> &str {
        match *self {}
    }

    pub fn ordinal(&self) -> usize {
        match *self {}
    }

    pub fn time<R>(&self, _: impl FnOnce() -> Result<R>) -> Result<(R, f64)> {
        match *self {}
    }

    pub fn peak_memory(&self) -> Result<u64> {
        match *self {}
    }

    pub fn check(&self, _: u64) -> Vec<OpError> {
        match *self {}
    }

    pub fn rates(&self, _: usize) -> Result<Rates> {
        match *self {}
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Array {}

impl Array {
    pub fn download(&self) -> Result<Vec<f32>> {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Tape {}

#[derive(Debug)]
pub(super) enum Twin {}

impl Twin {
    pub fn new(_: &Network, gpu: &Arc<Gpu>, _: Precision) -> Result<Twin> {
        match **gpu {}
    }

    pub fn push(&mut self, _: &Network, _: Option<&Sgd>) -> Result<()> {
        match *self {}
    }

    pub fn pull(&self, _: &mut Network, _: Option<&mut Sgd>) -> Result<()> {
        match *self {}
    }

    pub fn add_grads(&mut self, _: &Network, _: &[f32]) -> Result<()> {
        match *self {}
    }

    pub fn step(&mut self, _: &Sgd, _: f64) -> Result<Option<f64>> {
        match *self {}
    }

    pub fn infer(&self, _: &Network, _: &Value) -> Result<Output> {
        match *self {}
    }

    pub fn train(&self, _: &Network, _: &Value, _: TrainMode, _: bool) -> Result<(Output, Tape)> {
        match *self {}
    }

    pub fn trace_evaluation(&self, _: &Network, _: &Value) -> Result<(Output, Tape)> {
        match *self {}
    }

    pub fn backward(
        &mut self,
        _: &Network,
        tape: Tape,
        _: OutputGrads,
        _: bool,
    ) -> Result<Option<Value>> {
        match tape {}
    }

    pub fn gradients(&self, _: &Network, tape: Tape, _: OutputGrads) -> Result<Gradients> {
        match tape {}
    }
}
