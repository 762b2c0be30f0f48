//! What can be stated of a network's arithmetic and of its optimiser, as plain data.

pub use frbench_kernels::ops::conv::ConvMode;
use serde::{Deserialize, Serialize};

/// The arithmetic of a network. Parameters, statistics, losses and similarities are in 32 bits
/// in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// All of it in 32 bits.
    #[default]
    F32,
    /// Convolutions and products of 32-bit floats on tensor cores, which read 10 bits of their
    /// fractions. On a GPU.
    Tf32,
    /// Activations, and the weights that convolutions and products read, in bfloat16. On a GPU.
    Bf16,
}

impl Precision {
    pub fn is_default(&self) -> bool {
        *self == Precision::default()
    }

    /// As suites write it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }
}

/// Length of training and the learning rate over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    pub length: Length,
    /// Peak learning rate.
    pub lr: f64,
    /// Linear warm-up from 0, in the unit of `length`.
    #[serde(default)]
    pub warmup: f64,
    pub decay: Decay,
}

/// How long to train. Epochs are passes over the set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    Steps(u64),
    Epochs(f64),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Decay {
    Constant,
    /// Multiply by `gamma` at each milestone (unit of `length`).
    Step {
        milestones: Vec<f64>,
        gamma: f64,
    },
    /// `lr * (1 - progress)^power`.
    Polynomial {
        power: f64,
    },
    Cosine,
}

/// SGD, as PyTorch defines it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSpec {
    pub momentum: f64,
    pub nesterov: bool,
    pub weight_decay: f64,
    /// Largest L2 norm of the backbone's gradient; none means no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// No weight decay on the scales and shifts of batch norms.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spare_norms: bool,
}
