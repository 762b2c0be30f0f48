//! Heads with state, randomness or several rows per class: a training that is stopped and
//! resumed from its checkpoint is the undisturbed one, bit for bit.

use crate::common::noise::Noise;
use crate::common::training::{constant, head, network, training};
use frbench::engine::checkpoint::Checkpoint;
use frbench::job::{HeadSpec, Length, ScheduleSpec, TrainSpec};
use frbench::key::Key;
use frbench::train::{Teacher, Trainer};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const CLASSES: usize = 5;

fn spec(head: HeadSpec) -> TrainSpec {
    TrainSpec {
        data: Key("noise".into()),
        seed: 3,
        batch: 8,
        bn_group: 8,
        ..training(network("mobilefacenet", 16, 0.25), head)
    }
}

#[test]
fn a_training_resumed_from_its_checkpoint_is_the_undisturbed_one() {
    let sphere = json!({
        "magnitude": "scale", "s": 16, "m": 4, "lambda_base": 100, "lambda_gamma": 0.5,
        "lambda_power": 1, "lambda_min": 5
    });
    for (name, params, rows) in [
        ("sphereface", sphere, 1),
        (
            "curricularface",
            json!({"s": 16, "m": 0.3, "momentum": 0.3}),
            1,
        ),
        (
            "adaface",
            json!({"s": 16, "m": 0.3, "h": 0.3, "t_alpha": 0.3}),
            1,
        ),
        (
            "elasticface",
            json!({"s": 16, "form": "arc", "m": 0.3, "sigma": 0.1, "plus": "ranked"}),
            1,
        ),
        ("subcenter-arcface", json!({"s": 16, "m": 0.3, "k": 3}), 3),
    ] {
        let spec = spec(head(name, params));
        let labels: Vec<u32> = (0..40).map(|i| i % CLASSES as u32).collect();
        let derived = BTreeMap::new();
        let trainer = || {
            Trainer::new(
                &spec,
                Arc::new(Noise::of(40)),
                &labels,
                CLASSES,
                Teacher::default(),
                &derived,
            )
            .unwrap()
        };
        let steps = |trainer: &mut Trainer, n: u64| -> Vec<u64> {
            (0..n)
                .map(|_| trainer.step().unwrap().loss.to_bits())
                .collect()
        };
        let mut undisturbed = trainer();
        steps(&mut undisturbed, 3);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        undisturbed.save().unwrap().save(&path).unwrap();

        let mut resumed = trainer();
        resumed.restore(&Checkpoint::load(&path).unwrap()).unwrap();
        let losses = steps(&mut undisturbed, 3);
        assert_eq!(losses, steps(&mut resumed, 3), "{name}");
        let (a, b) = (undisturbed.save().unwrap(), resumed.save().unwrap());
        assert_eq!(a, b, "{name}");
        assert_eq!(a.tensor("head.weight").unwrap().0, [rows * CLASSES, 16]);
    }
}

/// 21 images in batches of 8 are two whole batches and one of 5, or of 6 where batch norms take
/// halves of a batch.
#[test]
fn an_epoch_can_end_with_a_smaller_batch() {
    let labels: Vec<u32> = (0..21).map(|i| i % CLASSES as u32).collect();
    let derived = BTreeMap::new();
    for (bn_group, last) in [(8, 5), (4, 6)] {
        let spec = TrainSpec {
            keep_last: true,
            bn_group,
            schedule: ScheduleSpec {
                length: Length::Epochs(2.0),
                ..constant(1)
            },
            ..spec(head("arcface", json!({"s": 16, "m": 0.3})))
        };
        let trainer = || {
            let images = Arc::new(Noise::of(21));
            Trainer::new(
                &spec,
                images,
                &labels,
                CLASSES,
                Teacher::default(),
                &derived,
            )
            .unwrap()
        };
        let mut straight = trainer();
        assert_eq!((straight.steps_per_epoch(), straight.total_steps()), (3, 6));
        assert_eq!(straight.total_images(), 2 * (16 + last));
        let sizes: Vec<usize> = (0..6).map(|s| straight.batch(s).samples.len()).collect();
        assert_eq!(sizes, [8, 8, last as usize, 8, 8, last as usize]);
        let epochs: Vec<u64> = (0..6).map(|_| straight.step().unwrap().epoch).collect();
        assert_eq!(epochs, [1, 1, 1, 2, 2, 2]);
        // Stopped before the smaller batch, it goes on with it.
        let mut first = trainer();
        (0..2).for_each(|_| drop(first.step().unwrap()));
        let mut resumed = trainer();
        resumed.restore(&first.save().unwrap()).unwrap();
        (0..4).for_each(|_| drop(resumed.step().unwrap()));
        assert_eq!(straight.save().unwrap(), resumed.save().unwrap());
    }
    // One image has no statistics: said before the first step.
    let spec = TrainSpec {
        keep_last: true,
        ..spec(head("arcface", json!({"s": 16, "m": 0.3})))
    };
    let images = Arc::new(Noise::of(17));
    let made = Trainer::new(
        &spec,
        images,
        &labels[..17],
        CLASSES,
        Teacher::default(),
        &derived,
    );
    let error = made.err().unwrap();
    assert_eq!(error.exit_code(), 2, "{error}");
    assert!(error.to_string().contains("keep-last"), "{error}");
}
