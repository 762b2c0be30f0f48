//! Stands in for `cuda` in builds without it. Of its types there can be no value, so that the
//! code that uses them needs no conditions. A GPU that nobody can open answers whatever `device`
//! asks.

use super::backward::Gradients;
use super::device::{self, Counts, OpError, Rates};
use super::network::{Network, Output, OutputGrads, TrainMode};
use super::sgd::Sgd;
use super::value::Value;
use crate::settings::Precision;
use frbench_base::{Error, Result, Size};
use std::sync::Arc;

const ABSENT: &str = "this frbench was built without CUDA (`cargo build --release --features \
                      cuda` builds one with)";

pub(crate) const UNTIL_SETTLED: usize = 0;

#[derive(Debug)]
pub(crate) enum Gpu {}

impl Gpu {
    /// # Errors
    /// [`Error::Usage`], always.
    pub fn open(_ordinal: usize) -> Result<Arc<Gpu>> {
        Err(Error::Usage(ABSENT.into()))
    }

    /// Why there is none.
    pub fn absent() -> Option<String> {
        Some(ABSENT.into())
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

    pub fn synchronize(&self) -> Result<()> {
        match *self {}
    }

    pub fn memory(&self) -> Result<(usize, usize)> {
        match *self {}
    }

    pub fn counts(&self) -> Counts {
        match *self {}
    }

    pub fn allow_recording(&self, _: bool) {
        match *self {}
    }

    pub fn classes(&self, _: &[f32], _: usize, _: Precision) -> Result<Box<dyn device::Classes>> {
        match *self {}
    }

    pub fn bank(&self, _: &[f32], _: usize) -> Result<Box<dyn device::Bank>> {
        match *self {}
    }

    pub fn gram(&self, _: &[f64], _: usize) -> Result<Box<dyn device::Gram>> {
        match *self {}
    }

    pub fn angles(&self, _: usize, _: [&[f64]; 4]) -> Result<Box<dyn device::Angles>> {
        match *self {}
    }

    pub fn search(
        &self,
        _: (&[f32], &[f64]),
        _: &[&[f64]],
        _: usize,
        _: bool,
    ) -> Result<Box<dyn device::Search>> {
        match *self {}
    }

    pub fn pair_scores(&self, _: &[f64], _: usize, _: [&[u32]; 2]) -> Result<Vec<f64>> {
        match *self {}
    }

    pub fn image_set(
        &self,
        _: &[u8],
        _: Size,
        _: (&[f32; 256], bool),
        _: Precision,
    ) -> Result<Option<Arc<dyn device::ImageSet>>> {
        match *self {}
    }
}

#[derive(Debug)]
pub enum Products {}

#[derive(Debug)]
pub enum Softmax {}

#[derive(Clone, Debug)]
pub(crate) enum Array {}

impl Array {
    pub fn download(&self) -> Result<Vec<f32>> {
        match *self {}
    }

    pub fn channel_powers(&self, _: u32) -> Result<Vec<f32>> {
        match *self {}
    }

    pub fn channel_powers_backward(&self, _: u32, _: &[f32]) -> Result<Value> {
        match *self {}
    }

    pub fn square_distance(&self, _: &Value) -> Result<f64> {
        match *self {}
    }

    pub fn square_distance_backward(&self, _: &Value, _: f32) -> Result<Value> {
        match *self {}
    }

    pub fn plus(self, _: &Value) -> Result<Value> {
        match self {}
    }

    pub fn beside(&self, _: &Value) -> Result<Value> {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Tape {}

#[derive(Debug)]
pub(crate) enum Replica {}

impl Replica {
    pub fn new(_: &Network, gpu: &Arc<Gpu>, _: Precision) -> Result<Replica> {
        match **gpu {}
    }

    pub fn is_recorded(&self) -> bool {
        match *self {}
    }

    pub fn push(&mut self, _: &Network, _: Option<&Sgd>) -> Result<()> {
        match *self {}
    }

    pub fn pull(&self, _: &mut Network, _: Option<&mut Sgd>) -> Result<()> {
        match *self {}
    }

    pub fn uploads(&self, _: &[f32; 256], _: bool) -> Result<Arc<dyn device::Uploads>> {
        match *self {}
    }

    pub fn inputs_serve(&self, _: &Replica) -> bool {
        match *self {}
    }

    pub fn add_grads(&mut self, _: &Network, _: &[f32]) -> Result<()> {
        match *self {}
    }

    pub fn step(&mut self, _: &Network, _: &Sgd, _: f64) -> Result<Option<f64>> {
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
