//! Inputs on their way to a GPU: the numbers that were sent, whatever is under way at the time,
//! and trainings that are the same to the bit whichever way their images take. The stand-in copies
//! as late as it may.

use crate::common::bytes::Bytes;
use crate::common::gpu::{gpu, own};
use frbench::backbone;
use frbench::data::cache::levels;
use frbench::engine::device::Uploads;
use frbench::engine::{Device, Network, Value};
use frbench::job::{BackboneSpec, HeadSpec, InputSpec, Precision, TrainSpec};
use frbench::rng::Stream;
use frbench::train::{
    FrozenClassifier, FrozenNetwork, Images, InputPipeline, Queue, Teacher, Trainer,
};
use frbench::{Error, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const SIDE: usize = 32;
const IMAGES: usize = 23;
const CLASSES: usize = 5;

fn input(size: usize) -> InputSpec {
    serde_json::from_value(json!({"size": size, "color": "bgr", "mean": 0.4, "std": 0.3})).unwrap()
}

fn degraded(kind: &str) -> InputSpec {
    let mut spec = json!({"size": SIDE, "color": "bgr", "mean": 0.4, "std": 0.3});
    spec["degrade"] = json!({"kind": kind, "side": 10});
    serde_json::from_value(spec).unwrap()
}

/// A small network on the GPU.
fn network(gpu: &Device, size: usize, precision: Precision) -> Network {
    let spec: BackboneSpec = serde_json::from_value(json!({
        "name": "cbam-iresnet18", "embedding": 12, "params": {"width": 0.125},
    }))
    .unwrap();
    let mut network = Network::new(backbone::build(&spec, size).unwrap());
    network.init(9);
    network.move_to(gpu, precision).unwrap();
    network
}

fn uploads(gpu: &Device, precision: Precision) -> Arc<dyn Uploads> {
    let all = network(gpu, SIDE, precision).uploads(&levels(&input(SIDE)), true);
    all.unwrap().unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.numbers().unwrap().into_owned()
}

/// Chunks of one set through one slot, one after the other, without a look at any of them: each
/// is as it was when it was sent.
#[test]
fn what_is_sent_arrives_and_what_comes_next_stays_behind_it() {
    let Some(gpu) = gpu() else { return };
    let set = Bytes::new(IMAGES, SIDE, true);
    let chunks = [0..9u32, 9..18, 18..23, 3..12, 1..9, 7..16];
    for precision in [Precision::F32, Precision::Bf16] {
        let there = gpu.image_set(
            set.pixels.pixels(),
            SIDE.into(),
            (&levels(&input(SIDE)), true),
            precision,
        );
        let there = there.unwrap().unwrap();
        let (uploads, floats) = (uploads(&gpu, precision), uploads(&gpu, precision));
        let (mut got, mut want, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for chunk in chunks.clone() {
            let indices: Vec<u32> = chunk.collect();
            let n = indices.len();
            let some: Vec<bool> = indices.iter().map(|i| i % 3 == 0).collect();
            let others: Vec<bool> = some.iter().map(|f| !f).collect();
            let flips = [&some[..], &others];
            let sent = uploads.bytes((n, SIDE.into()), &flips, &mut |out| set.read(&indices, out));
            let sent = sent.unwrap();
            let sent_floats = floats.floats((n, SIDE.into()), 2, &mut |out| {
                let parts = out.chunks_exact_mut(n * SIDE * SIDE * 3);
                for (flips, out) in flips.iter().zip(parts) {
                    set.fill(&indices, flips, &input(SIDE), out)?;
                }
                Ok(())
            });
            let sent_floats = sent_floats.unwrap();
            for turn in [0, 1] {
                got.push(sent.value(turn).unwrap());
                plain.push(sent_floats.value(turn).unwrap());
                want.push((indices.clone(), flips[turn].to_vec()));
            }
            assert!(sent.value(2).is_err());
        }
        for ((got, plain), (indices, flips)) in got.iter().zip(&plain).zip(&want) {
            let want = numbers(&there.gather(indices, flips).unwrap());
            assert!(numbers(got) == want, "{precision:?}: bytes of {indices:?}");
            assert!(numbers(plain) == want, "{precision:?}: {indices:?}");
        }
    }
}

/// What is given up, or could not be made, leaves its slot to what comes next.
#[test]
fn a_slot_is_used_again_whatever_became_of_what_was_sent() {
    let Some(gpu) = own() else { return };
    let uploads = uploads(&gpu, Precision::F32);
    let none = [false; 4];
    let send = |level: u8| {
        uploads.bytes((4, SIDE.into()), &[&none], &mut |out| {
            out.fill(level);
            Ok(())
        })
    };
    let first = send(10).unwrap().value(0).unwrap();
    let before = gpu.counts();
    for level in 20..30 {
        drop(send(level).unwrap());
    }
    let mut broken = |_: &mut [u8]| Err(Error::Data("image 3 is broken".into()));
    let error = uploads
        .bytes((4, SIDE.into()), &[&none], &mut broken)
        .unwrap_err();
    assert_eq!(error.to_string(), "image 3 is broken");
    assert!(
        uploads
            .bytes((3, SIDE.into()), &[&none], &mut |_| Ok(()))
            .is_err()
    );
    let last = send(40).unwrap().value(0).unwrap();
    let counts = gpu.counts() - before;
    // The value that is still there takes memory of its own.
    assert_eq!((counts.uploads, counts.allocations), (11, 1), "{counts:?}");
    let levels = levels(&input(SIDE));
    for (value, level) in [(first, 10), (last, 40)] {
        assert!(numbers(&value).iter().all(|v| *v == levels[level]));
    }
    drop(send(50).unwrap());
    drop(uploads);
}

/// However far behind the GPU is, memory for a few inputs serves them all, and nobody waits for
/// ever: not the thread when nobody listens, and not what listens when an image is broken.
#[test]
fn a_thread_that_runs_ahead_takes_memory_for_a_few_inputs() {
    let Some(gpu) = own() else { return };
    let network = network(&gpu, SIDE, Precision::F32);
    let images = Arc::new(Bytes::new(IMAGES, SIDE, false));
    let view = InputPipeline::of(images.clone(), &input(SIDE), &network).unwrap();
    let start = |broken: u64| {
        let view = view.clone();
        let make = move |number: u64| match number == broken {
            true => Err(Error::Data("it is broken".into())),
            false => view.make(&[number as u32 % 20, 20], &[&[false; 2]]),
        };
        Queue::start(0..1000, 2, make).unwrap()
    };
    let before = gpu.counts();
    let mut ahead = start(40);
    for number in 0..40 {
        let (made, _) = ahead.take().unwrap();
        assert_eq!(ahead.at(), number + 1);
        let value = made.value(0).unwrap();
        if number % 10 == 0 {
            let first = images.pixels.image(number as usize % 20)[2];
            assert_eq!(numbers(&value)[0], levels(&input(SIDE))[usize::from(first)]);
        }
    }
    assert!(ahead.take().is_err() && ahead.take().is_err());
    drop(start(40));
    let mut left = start(40);
    left.take().unwrap();
    drop(left);
    // Two that are ready, one that is being made, one that is taken; and what is made of it.
    let counts = gpu.counts() - before;
    assert!(counts.allocations <= 4 + 1, "{counts:?}");
}

/// A view of every kind is, to the network, the one that is made in host memory.
#[test]
fn a_network_sees_what_it_would_see_from_host_memory() {
    let Some(gpu) = gpu() else { return };
    let images = Arc::new(Bytes::new(IMAGES, SIDE, false));
    let views = [input(SIDE), degraded("nearest+blur"), degraded("bicubic")];
    for precision in [Precision::F32, Precision::Bf16] {
        let network = network(&gpu, SIDE, precision);
        for input in &views {
            let indices: Vec<u32> = (4..15).collect();
            let flips: Vec<bool> = indices.iter().map(|i| i % 2 == 0).collect();
            let embed = |view: InputPipeline| {
                let made = view.make(&indices, &[&flips]).unwrap();
                let output = network.infer(&made.value(0).unwrap()).unwrap();
                output.embedding.to_vec()
            };
            let sent = embed(InputPipeline::of(images.clone(), input, &network).unwrap());
            let want = embed(InputPipeline::on_host(images.clone(), input));
            assert!(sent == want, "{precision:?} {input:?}");
        }
    }
}

fn spec(input: &InputSpec, method: serde_json::Value, precision: Precision) -> TrainSpec {
    serde_json::from_value(json!({
        "method": method,
        "backbone": {"name": "cbam-iresnet18", "embedding": 8, "params": {"width": 0.125}},
        "input": input,
        "head": {"name": "arcface", "params": {"s": 16, "m": 0.2}},
        "data": "0".repeat(64),
        "seed": 2,
        "schedule": {"length": {"steps": 7}, "lr": 0.02, "decay": {"kind": "constant"}},
        "optimizer": {"momentum": 0.9, "nesterov": false, "weight_decay": 5e-4},
        "batch": 8, "bn_group": 8, "flip": true, "precision": precision,
    }))
    .unwrap()
}

fn labels() -> Vec<u32> {
    (0..IMAGES as u32).map(|i| i % CLASSES as u32).collect()
}

/// Takes a training to its end, with what its network and classifier are then.
fn finish(trainer: &mut Trainer) -> Vec<u8> {
    while trainer.step_count() < trainer.total_steps() {
        trainer.step().unwrap();
    }
    trainer.save().unwrap().to_bytes()
}

fn trainer<'a>(
    gpu: &Device,
    spec: &'a TrainSpec,
    images: &Arc<Bytes>,
    labels: &'a [u32],
    teacher: Teacher<'a>,
) -> Result<Trainer<'a>> {
    let none = BTreeMap::new();
    let mut trainer = Trainer::new(spec, images.clone(), labels, CLASSES, teacher, &none)?;
    trainer.move_to(gpu)?;
    Ok(trainer)
}

#[test]
fn a_training_is_the_same_wherever_its_images_lie() {
    let Some(gpu) = gpu() else { return };
    let labels = labels();
    for precision in [Precision::F32, Precision::Bf16] {
        let spec = spec(&input(SIDE), json!({"name": "margin-softmax"}), precision);
        let [resident, sent] = [true, false].map(|r| Arc::new(Bytes::new(IMAGES, SIDE, r)));
        let run = |images: &Arc<Bytes>| {
            let mut all = trainer(&gpu, &spec, images, &labels, Teacher::default()).unwrap();
            finish(&mut all)
        };
        let want = run(&resident);
        assert!(run(&sent) == want, "{precision:?}");
        assert_eq!(sent.filled.load(Relaxed), 0, "numbers were sent");
        assert_eq!(sent.read.load(Relaxed), 7);
        assert_eq!(resident.read.load(Relaxed), 0);
        // Left and resumed, with inputs on their way each time.
        let start = || trainer(&gpu, &spec, &sent, &labels, Teacher::default()).unwrap();
        let mut saved = start().save().unwrap();
        for _ in 0..3 {
            let mut resumed = start();
            resumed.restore(&saved).unwrap();
            resumed.step().unwrap();
            saved = resumed.save().unwrap();
            // Back, in the same process.
            resumed.restore(&saved).unwrap();
            resumed.step().unwrap();
            resumed.restore(&saved).unwrap();
        }
        let mut last = start();
        last.restore(&saved).unwrap();
        assert!(finish(&mut last) == want, "{precision:?}, resumed");
        drop(last);
        assert_eq!(Arc::strong_count(&sent), 1, "a thread still runs");
    }
}

/// Each step sends its images, and once its memory is found, finds no more.
#[test]
fn a_step_takes_one_upload_for_its_images() {
    let Some(gpu) = own() else { return };
    let labels = labels();
    let spec = spec(
        &input(SIDE),
        json!({"name": "margin-softmax"}),
        Precision::F32,
    );
    let uploads = |resident: bool| {
        let images = Arc::new(Bytes::new(IMAGES, SIDE, resident));
        let mut all = trainer(&gpu, &spec, &images, &labels, Teacher::default()).unwrap();
        let before = gpu.counts();
        finish(&mut all);
        (gpu.counts() - before).uploads
    };
    // Which images, and which of them are mirrored, in two uploads; both of them and the grey
    // levels of the way.
    let (resident, sent) = (uploads(true), uploads(false));
    assert_eq!(resident - 2 * 7, sent - 7 - 1);
}

/// Of a training's seven steps the last five launch what was recorded: the student's passes there
/// and back, and the teacher's. A step leaves nothing behind that would keep the next from it.
#[test]
fn the_steps_of_a_training_are_recorded() {
    let Some(gpu) = own() else { return };
    let labels = labels();
    let images = Arc::new(Bytes::new(IMAGES, SIDE, true));
    let input = input(SIDE);
    let graphs = |method, teacher: Teacher| {
        let mut spec = spec(&input, method, Precision::F32);
        // Its masks would come from the host.
        spec.backbone.params.insert("dropout".into(), json!(0.0));
        let before = gpu.counts();
        finish(&mut trainer(&gpu, &spec, &images, &labels, teacher).unwrap());
        (gpu.counts() - before).graphs
    };
    let alone = graphs(json!({"name": "margin-softmax"}), Teacher::default());
    assert_eq!(alone, 5 * 2);
    let network = network(&gpu, SIDE, Precision::F32);
    let taught = graphs(distill(true), teacher(&network, &input, images.clone()));
    assert_eq!(taught, 5 * 3);
}

/// A teacher with what a training of the student asks of it.
fn teacher<'a>(network: &'a Network, input: &'a InputSpec, images: Arc<Bytes>) -> Teacher<'a> {
    let head: HeadSpec =
        serde_json::from_value(json!({"name": "arcface", "params": {"s": 16, "m": 0.2}})).unwrap();
    let mut stream = Stream::derive(1, "weight", &[]);
    let weight = (0..CLASSES * 12).map(|_| stream.normal() as f32).collect();
    let classifier = FrozenClassifier::new(&head, [CLASSES, 12], weight, BTreeMap::new());
    Teacher {
        rows: None,
        network: Some(FrozenNetwork {
            network,
            input,
            images,
        }),
        classifier: Some(classifier.unwrap()),
    }
}

/// With a loss on logits, and one on attention, which takes maps of one size.
fn distill(attention: bool) -> serde_json::Value {
    let logits = json!({"name": "logit-kd", "weight": 0.2, "temperature": 4});
    let attention = attention.then(|| json!({"name": "a-skd", "lambda": 5.0}));
    let losses: Vec<_> = attention.into_iter().chain([logits]).collect();
    json!({"name": "distill", "params": {"beta": 0.1, "losses": losses}})
}

#[test]
fn a_teacher_that_sees_what_the_student_sees_is_given_that() {
    let Some(gpu) = gpu() else { return };
    let labels = labels();
    let low = degraded("bicubic");
    for (student, frozen, alike) in [
        (input(SIDE), Precision::F32, true),
        (low, Precision::F32, true),
        // What was rounded for the student is not what the teacher would have got.
        (input(SIDE), Precision::Bf16, false),
    ] {
        let spec = spec(&student, distill(true), Precision::F32);
        let network = network(&gpu, SIDE, frozen);
        let run = |images: &Arc<Bytes>, of_teacher: &Arc<Bytes>| {
            let teacher = teacher(&network, &student, of_teacher.clone());
            finish(&mut trainer(&gpu, &spec, images, &labels, teacher).unwrap())
        };
        let new = |resident| Arc::new(Bytes::new(IMAGES, SIDE, resident));
        let [shared, student_only, teacher_only] = [false; 3].map(new);
        let want = run(&student_only, &teacher_only);
        assert!(run(&shared, &shared) == want, "{student:?} {frozen:?}");
        let asked = |images: &Bytes| images.read.load(Relaxed) + images.filled.load(Relaxed);
        assert_eq!(asked(&teacher_only), 7);
        assert_eq!(asked(&shared), if alike { 7 } else { 14 });
        let resident = new(true);
        assert!(run(&resident, &resident) == want, "resident {student:?}");
    }
}

/// Another size, and a teacher that keeps the resolution which the student loses.
#[test]
fn a_teacher_with_a_view_of_its_own_has_it_made_ahead() {
    let Some(gpu) = gpu() else { return };
    let labels = labels();
    for (student, frozen) in [
        (input(SIDE), input(SIDE)),
        (degraded("bicubic"), input(SIDE)),
        (input(SIDE), input(48)),
    ] {
        let side = frozen.size.height;
        let spec = spec(&student, distill(side == SIDE), Precision::F32);
        let network = network(&gpu, side, Precision::F32);
        let run = |resident: bool, of_teacher: &Arc<Bytes>| {
            let images = Arc::new(Bytes::new(IMAGES, SIDE, resident));
            let teacher = teacher(&network, &frozen, of_teacher.clone());
            let mut all = trainer(&gpu, &spec, &images, &labels, teacher).unwrap();
            finish(&mut all)
        };
        let of_teacher = Arc::new(Bytes::new(IMAGES, side, false));
        let want = run(true, &of_teacher);
        assert!(run(false, &of_teacher) == want, "{student:?} {frozen:?}");
        assert_eq!(of_teacher.read.load(Relaxed), 14);
        assert_eq!(of_teacher.filled.load(Relaxed), 0);
    }
}
