//! What a training is: a method, a network, data, and how long at which rates.

use crate::{BackboneSpec, HeadSpec, InputSpec};
use frbench_base::key::Key;
use frbench_base::registry::Params;
use frbench_engine::settings::{OptimizerSpec, Precision, ScheduleSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Training one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    pub method: MethodSpec,
    pub backbone: BackboneSpec,
    pub input: InputSpec,
    pub head: Option<HeadSpec>,
    /// The data job of the training set.
    pub data: Key,
    /// The training job of the teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Key>,
    /// The job whose network it starts from, instead of random weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Key>,
    /// Derived artefacts by the name under which the method knows them; [`KEPT_IMAGES`] is the
    /// training's own.
    #[serde(default)]
    pub derived: BTreeMap<String, Key>,
    pub seed: u64,
    pub schedule: ScheduleSpec,
    pub optimizer: OptimizerSpec,
    /// Images per optimiser step.
    pub batch: usize,
    /// Images over which batch norm takes its statistics; divides `batch`.
    pub bn_group: usize,
    /// Random horizontal flip.
    pub flip: bool,
    /// What is left of a pass over the images is a smaller batch at its end, not left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_last: bool,
    /// The part of a batch that is not drawn at random; none means no part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced: Option<BalancedSpec>,
    /// The arithmetic of the network.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
}

impl TrainSpec {
    /// How many images of a batch, from its first on, the head sees, where it does not see all.
    pub fn classified(&self) -> Option<usize> {
        let balanced = self.balanced.filter(|b| b.unclassified)?;
        Some(self.batch.saturating_sub(balanced.images))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodSpec {
    pub name: String,
    #[serde(default)]
    pub params: Params,
}

/// A part of every batch that shows several images of each of some identities, as EKD (Huang
/// et al., CVPR 2022) fills half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancedSpec {
    /// Images of a batch that are drawn so, a multiple of `per_identity`.
    pub images: usize,
    pub per_identity: usize,
    /// The head does not see these images; the losses that compare networks do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unclassified: bool,
}

/// The derived artefact that confines a training to some images of its set: their numbers,
/// ascending, `[kept, 1]`.
pub const KEPT_IMAGES: &str = "kept-images";
