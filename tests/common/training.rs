//! Small trainings, as tests state them.

use frbench::job::*;
use frbench::key::Key;
use serde_json::{Value, json};

/// RGB images of that side, mapped to [-1, 1].
pub fn input(side: usize) -> InputSpec {
    InputSpec {
        size: side.into(),
        color: Color::Rgb,
        mean: 0.5,
        std: 0.5,
        degrade: None,
    }
}

pub fn network(name: &str, embedding: usize, width: f64) -> BackboneSpec {
    BackboneSpec {
        name: name.into(),
        embedding,
        params: [("width".into(), json!(width))].into(),
        conv: Default::default(),
    }
}

pub fn head(name: &str, params: Value) -> HeadSpec {
    HeadSpec {
        name: name.into(),
        params: serde_json::from_value(params).unwrap(),
    }
}

pub fn method(name: &str, params: Value) -> MethodSpec {
    MethodSpec {
        name: name.into(),
        params: serde_json::from_value(params).unwrap(),
    }
}

/// So many steps at one rate.
pub fn constant(steps: u64) -> ScheduleSpec {
    ScheduleSpec {
        length: Length::Steps(steps),
        lr: 0.05,
        warmup: 0.0,
        decay: Decay::Constant,
    }
}

/// Six steps of a margin softmax on batches of ten. What a test is about it states instead, by
/// `TrainSpec { seed: 3, ..training(network, head) }`.
pub fn training(network: BackboneSpec, head: HeadSpec) -> TrainSpec {
    TrainSpec {
        method: method("margin-softmax", json!({})),
        backbone: network,
        input: input(32),
        head: Some(head),
        data: Key("0".repeat(64)),
        teacher: None,
        start: None,
        derived: Default::default(),
        seed: 2,
        schedule: constant(6),
        optimizer: OptimizerSpec {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 5e-4,
            clip: None,
            spare_norms: false,
        },
        batch: 10,
        bn_group: 10,
        balanced: None,
        keep_last: false,
        precision: Default::default(),
        flip: true,
    }
}
