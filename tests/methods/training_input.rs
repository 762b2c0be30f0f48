//! Training on input that is made ahead: the same bits, errors in their place, a clean end.

use crate::common::training::{constant, head, input, network, training};
use frbench::data::sampler::Batches;
use frbench::job::{Decay, InputSpec, ScheduleSpec, TrainSpec};
use frbench::key::Key;
use frbench::train::{Images, Teacher, Trainer};
use frbench::{Error, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIDE: usize = 16;
const IMAGES: usize = 10;
const CLASSES: usize = 3;
const LABELS: [u32; IMAGES] = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0];

/// Ten patterns; some batches take longer to make than others.
#[derive(Default)]
struct Patterns {
    broken: Option<u32>,
    slow: bool,
}

impl Images for Patterns {
    fn len(&self) -> usize {
        IMAGES
    }

    fn read(&self, _: &[u32], _: &mut [u8]) -> Result<()> {
        Err(Error::Bug("patterns are no bytes".into()))
    }

    fn fill(&self, indices: &[u32], flips: &[bool], _: &InputSpec, out: &mut [f32]) -> Result<()> {
        if self.slow {
            std::thread::sleep(Duration::from_millis(10 * u64::from(indices[0] % 3)));
        }
        let images = out.chunks_exact_mut(3 * SIDE * SIDE);
        for ((&i, &flip), out) in indices.iter().zip(flips).zip(images) {
            if self.broken == Some(i) {
                return Err(Error::Data(format!("image {i} is broken")));
            }
            let phase = if flip { 0.5 } else { 0.0 };
            for (p, v) in out.iter_mut().enumerate() {
                *v = (p as f32 * 0.01 * (i + 1) as f32 + phase).sin();
            }
        }
        Ok(())
    }
}

fn spec() -> TrainSpec {
    let head = head("arcface", json!({"s": 16.0, "m": 0.3}));
    TrainSpec {
        input: input(SIDE),
        data: Key::of(&"patterns"),
        seed: 5,
        schedule: ScheduleSpec {
            warmup: 2.0,
            decay: Decay::Cosine,
            ..constant(9)
        },
        batch: 4,
        bn_group: 4,
        ..training(network("mobilefacenet", 16, 0.125), head)
    }
}

fn trainer<'a>(spec: &'a TrainSpec, images: Arc<Patterns>) -> Trainer<'a> {
    Trainer::new(
        spec,
        images,
        &LABELS,
        CLASSES,
        Teacher::default(),
        &BTreeMap::new(),
    )
    .unwrap()
}

#[test]
fn what_was_made_ahead_never_shows() {
    let spec = spec();
    let mut straight = trainer(&spec, Arc::default());
    while straight.step_count() < straight.total_steps() {
        straight.step().unwrap();
    }
    // A fresh process for every step: nothing was made ahead that is used.
    let slow = Arc::new(Patterns {
        slow: true,
        ..Patterns::default()
    });
    let mut state = trainer(&spec, slow.clone()).save().unwrap();
    for step in 0..9 {
        let mut resumed = trainer(&spec, slow.clone());
        resumed.restore(&state).unwrap();
        assert_eq!(resumed.step_count(), step);
        resumed.step().unwrap();
        state = resumed.save().unwrap();
    }
    assert!(state.to_bytes() == straight.save().unwrap().to_bytes());
    // Back to an earlier step in the same process.
    let mut again = trainer(&spec, slow);
    let start = again.save().unwrap();
    let losses = |t: &mut Trainer| [t.step().unwrap().loss, t.step().unwrap().loss];
    let first = losses(&mut again);
    again.restore(&start).unwrap();
    assert_eq!(losses(&mut again), first);
}

#[test]
fn a_broken_image_stops_the_step_that_needs_it() {
    let spec = spec();
    let batches = Batches::new(spec.seed, spec.batch, IMAGES).unwrap();
    let in_step = |step| batches.clone().at(step);
    // Needed in the second step and not in the first.
    let victim = *in_step(1).iter().find(|i| !in_step(0).contains(i)).unwrap();
    let images = Arc::new(Patterns {
        broken: Some(victim),
        ..Patterns::default()
    });
    let mut trainer = trainer(&spec, images);
    trainer.step().unwrap();
    for _ in 0..2 {
        let error = trainer.step().unwrap_err();
        assert_eq!(error.to_string(), format!("image {victim} is broken"));
        assert_eq!(error.exit_code(), 5);
        assert_eq!(trainer.step_count(), 1);
    }
}

#[test]
fn a_training_that_is_left_leaves_no_thread() {
    let spec = spec();
    let images = Arc::new(Patterns::default());
    let mut left = trainer(&spec, images.clone());
    let started = Instant::now();
    let report = left.step().unwrap();
    assert!(report.waited <= started.elapsed());
    drop(left);
    assert_eq!(Arc::strong_count(&images), 1);
}
