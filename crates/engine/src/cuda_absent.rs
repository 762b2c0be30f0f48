//! Stands in for `cuda` in builds without it. Of its types there can be no value, so that the
//! code that uses them needs no conditions.

use super::backward::Gradients;
use super::device::{OpError, Rates};
use super::network::{Network, Output, OutputGrads, TrainMode};
use super::sgd::Sgd;
use super::value::Value;
use crate::settings::Precision;
use frbench_base::{Error, Result};
use std::sync::Arc;

const ABSENT: &str = "this frbench was built without CUDA (`cargo build --release --features \
                      cuda` builds one with)";

pub const UNTIL_SETTLED: usize = 0;

#[derive(Debug)]
pub enum Gpu {}

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

    pub fn pair_scores(&self, _: &[f64], _: usize, _: [&[u32]; 2]) -> Result<Vec<f64>> {
        match *self {}
    }
}

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
pub enum ImageSet {}

impl ImageSet {
    pub fn new(
        gpu: &Arc<Gpu>,
        _: &[u8],
        _: usize,
        _: (&[f32; 256], bool),
        _: Precision,
    ) -> Result<Option<ImageSet>> {
        match **gpu {}
    }

    pub fn gather(&self, _: &[u32], _: &[bool]) -> Result<Value> {
        match *self {}
    }
}

#[derive(Clone, Debug)]
pub enum Uploads {}

impl Uploads {
    pub fn bytes(
        &self,
        _: [usize; 2],
        _: &[&[bool]],
        _: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Upload> {
        match *self {}
    }

    pub fn floats(
        &self,
        _: [usize; 2],
        _: usize,
        _: impl FnOnce(&mut [f32]) -> Result<()>,
    ) -> Result<Upload> {
        match *self {}
    }
}

#[derive(Debug)]
pub enum Upload {}

impl Upload {
    pub fn value(&self, _: usize) -> Result<Value> {
        match *self {}
    }
}

#[derive(Debug)]
pub enum Bank {}

impl Bank {
    pub fn new(gpu: &Arc<Gpu>, _: &[f32], _: usize) -> Result<Bank> {
        match **gpu {}
    }

    pub fn push(&mut self, _: &[f32]) -> Result<()> {
        match *self {}
    }

    pub fn write(&mut self, _: &[u32], _: &[f32]) -> Result<()> {
        match *self {}
    }

    pub fn select(&self, _: &[u32], _: usize, _: bool) -> Result<Selected> {
        match *self {}
    }
}

#[derive(Debug)]
pub enum Selected {}

impl Selected {
    pub fn shape(&self) -> [usize; 3] {
        match *self {}
    }

    pub fn dots(&self, _: &[f32]) -> Result<Vec<f32>> {
        match *self {}
    }

    pub fn sums(&self, _: &[f32]) -> Result<Vec<f32>> {
        match *self {}
    }
}

#[derive(Debug)]
pub enum Features {}

impl Features {
    pub fn new(gpu: &Arc<Gpu>, _: &[f64], _: usize) -> Result<Features> {
        match **gpu {}
    }

    pub fn gram(&self) -> Result<Vec<f64>> {
        match *self {}
    }

    pub fn gram_back(&self, _: &[f64]) -> Result<Vec<f64>> {
        match *self {}
    }
}

#[derive(Debug)]
pub enum Angles {}

impl Angles {
    pub fn new(gpu: &Arc<Gpu>, _: usize, _: [&[f64]; 4]) -> Result<Angles> {
        match **gpu {}
    }

    pub fn gap(&self) -> Result<Vec<f64>> {
        match *self {}
    }

    pub fn gradient(&self) -> Result<[Vec<f64>; 2]> {
        match *self {}
    }
}

#[derive(Debug)]
pub enum Products {}

#[derive(Debug)]
pub enum Softmax {}

#[derive(Debug)]
pub enum Classes {}

impl Classes {
    pub fn new(gpu: &Arc<Gpu>, _: &[f32], _: usize, _: Precision) -> Result<Classes> {
        match **gpu {}
    }

    pub fn pull(&self) -> Result<[Vec<f32>; 2]> {
        match *self {}
    }

    pub fn push(&mut self, _: &[f32], _: &[f32]) -> Result<()> {
        match *self {}
    }

    pub fn forward(&self, _: &[f32], _: bool) -> Result<Products> {
        match *self {}
    }

    pub fn products(&self, _: &Products) -> Result<Vec<f32>> {
        match *self {}
    }

    pub fn targets(&self, _: &Products, _: &[u32]) -> Result<Vec<f32>> {
        match *self {}
    }

    pub fn softmax(
        &self,
        _: &Products,
        _: &[u32],
        _: [&[f32]; 2],
        _: f32,
    ) -> Result<(f64, Softmax)> {
        match *self {}
    }

    pub fn softmax_backward(&mut self, _: &Products, _: &Softmax, _: f64) -> Result<Vec<f32>> {
        match *self {}
    }

    pub fn backward(&mut self, _: &Products, _: &[f32]) -> Result<Vec<f32>> {
        match *self {}
    }

    pub fn step(&mut self, _: &Sgd, _: f64) -> Result<()> {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Tape {}

#[derive(Debug)]
pub(super) enum Replica {}

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

    pub fn uploads(&self, _: &[f32; 256], _: bool) -> Result<Uploads> {
        match *self {}
    }

    pub fn inputs_serve(&self, _: &Replica) -> bool {
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

#[derive(Debug)]
pub enum Search {}

impl Search {
    pub fn new(
        gpu: &Arc<Gpu>,
        _: (&[f32], &[f64]),
        _: &[&[f64]],
        _: usize,
        _: bool,
    ) -> Result<Search> {
        match **gpu {}
    }

    pub fn room(&self) -> usize {
        match *self {}
    }

    pub fn clear(&mut self) {
        match *self {}
    }

    pub fn push(&mut self, _: &[f32], _: &[f64]) -> Result<()> {
        match *self {}
    }

    pub fn start(&mut self) -> Result<()> {
        match *self {}
    }

    pub fn pass(&mut self, _: f64, _: impl FnMut(&mut Vec<f64>) -> f64) -> Result<()> {
        match *self {}
    }

    pub fn found(&self) -> Result<Vec<(Vec<u64>, u64)>> {
        match *self {}
    }
}
