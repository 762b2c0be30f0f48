//! Passes that are recorded and launched as one do what they do without that, to the bit, whatever
//! comes in between.

use crate::common::gpu::{self, gpu, in_little_memory, passes_with_memory};
use frbench::backbone;
use frbench::engine::device::Counts;
use frbench::engine::{Device, Network, Output, OutputGrads, Sgd, Tape, TrainMode, Value};
use frbench::job::{BackboneSpec, OptimizerSpec, Precision};
use frbench::rng::Stream;
use serde_json::{Value as Json, json};
use std::process::Command;

const SIZE: usize = 32;
const BATCH: usize = 8;

/// A GPU of its own, whose counts nobody else moves.
fn own(recording: bool) -> Option<Device> {
    let gpu = gpu::own()?;
    gpu.allow_recording(recording);
    Some(gpu)
}

fn value(seed: &str, shape: [usize; 4]) -> Value {
    let mut stream = Stream::derive(7, seed, &[]);
    let len = shape.iter().product();
    Value::new(shape, (0..len).map(|_| stream.normal() as f32).collect()).unwrap()
}

fn images(step: u64, n: usize) -> Value {
    value(&format!("images {step}"), [n, SIZE, SIZE, 3])
}

struct Training {
    gpu: Device,
    net: Network,
    sgd: Sgd,
}

impl Training {
    fn new(gpu: &Device, name: &str, params: Json, precision: Precision) -> Training {
        let spec = BackboneSpec {
            name: name.into(),
            embedding: 16,
            params: serde_json::from_value(params).unwrap(),
            conv: Default::default(),
        };
        let mut net = Network::new(backbone::build(&spec, SIZE).unwrap());
        net.init(3);
        net.move_to(gpu, precision).unwrap();
        let spec = OptimizerSpec {
            momentum: 0.9,
            nesterov: true,
            weight_decay: 5e-4,
            clip: None,
            spare_norms: false,
        };
        let sgd = Sgd::new(&spec, net.params().values.len());
        let gpu = gpu.clone();
        Training { gpu, net, sgd }
    }

    fn forward(&mut self, x: &Value) -> (Output, Tape) {
        let mode = TrainMode {
            bn_group: x.batch() / 2,
            seed: 5,
            step: 0,
        };
        self.net.forward_train(x, mode).unwrap()
    }

    /// From gradients at the embedding and, in half of the steps, at a tap.
    fn backward(&mut self, step: u64, output: &Output, tape: Tape) {
        let mut grads = OutputGrads {
            embedding: Some(value(&format!("gradient {step}"), output.embedding.shape())),
            ..OutputGrads::default()
        };
        if let Some((name, tap)) = output
            .taps
            .first_key_value()
            .filter(|_| step.is_multiple_of(2))
        {
            grads.taps.insert(name.clone(), value(name, tap.shape()));
        }
        self.net.backward(tape, grads, false).unwrap();
        self.net.step(&mut self.sgd, 0.05).unwrap();
    }

    fn step(&mut self, step: u64, n: usize) -> Vec<f32> {
        let (output, tape) = self.forward(&images(step, n));
        self.backward(step, &output, tape);
        output.embedding.to_vec()
    }

    fn embed(&self, step: u64, n: usize) -> Vec<f32> {
        let output = self.net.infer(&images(step, n)).unwrap();
        let mut all = output.embedding.to_vec();
        for tap in output.taps.values() {
            all.extend_from_slice(&tap.numbers().unwrap());
        }
        all
    }

    /// All numbers that training has changed.
    fn end(&mut self) -> Vec<f32> {
        self.net.pull(&mut self.sgd).unwrap();
        let state = self.net.state_dict().into_values();
        let mut all: Vec<f32> = state.flat_map(|(_, values)| values).collect();
        all.extend_from_slice(self.sgd.velocity());
        all
    }

    fn counted(&mut self, f: impl FnOnce(&mut Self)) -> Counts {
        let before = self.gpu.counts();
        f(self);
        self.gpu.counts() - before
    }
}

fn same(recorded: &[Vec<f32>], plain: &[Vec<f32>]) {
    assert_eq!(recorded.len(), plain.len());
    for (i, (recorded, plain)) in recorded.iter().zip(plain).enumerate() {
        assert!(recorded.iter().all(|v| v.is_finite()), "{i}");
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert!(bits(recorded) == bits(plain), "{i} is not the same");
    }
}

#[test]
fn trainings_are_the_same_to_the_bit() {
    for (name, precision) in [
        ("mobilefacenet", Precision::F32),
        ("iresnet18", Precision::Bf16),
    ] {
        let params = json!({ "width": 0.25 });
        let run = |recording: bool| {
            let gpu = own(recording)?;
            let mut training = Training::new(&gpu, name, params.clone(), precision);
            // Batches of another size, and embeddings, which move memory about.
            let mut all = Vec::new();
            for step in 0..12 {
                let n = if step % 5 == 4 { BATCH - 2 } else { BATCH };
                all.push(training.step(step, n));
                if step % 3 == 1 {
                    all.push(training.embed(step, BATCH));
                }
            }
            all.push(training.end());
            // Of ten batches of one size, two come before the first that is recorded, with its way
            // back, over a tap, too; those without it want another one. And two of four embeddings.
            let want = if recording { 8 + 4 + 2 } else { 0 };
            assert_eq!(gpu.counts().graphs, want, "{name}");
            Some(all)
        };
        let (Some(recorded), Some(plain)) = (run(true), run(false)) else {
            return;
        };
        same(&recorded, &plain);
    }
}

/// Tapes, and taps, of several passes at once: none is overwritten by the next.
#[test]
fn what_somebody_has_stays_as_it_is() {
    let run = |recording: bool| {
        let gpu = own(recording)?;
        let params = json!({ "width": 0.25 });
        let mut training = Training::new(&gpu, "iresnet18", params, Precision::F32);
        for step in 0..6 {
            training.step(step, BATCH);
        }
        let (first, first_tape) = training.forward(&images(6, BATCH));
        let (second, second_tape) = training.forward(&images(7, BATCH));
        let held = second.taps.clone();
        training.backward(7, &second, second_tape);
        training.backward(6, &first, first_tape);
        drop((first, second));
        training.step(8, BATCH);
        training.step(9, BATCH);
        let mut all = vec![training.end()];
        all.extend(held.values().map(|tap| tap.numbers().unwrap().into_owned()));
        // Embeddings: the taps of one are kept while others are made.
        for step in 0..5 {
            training.embed(step, BATCH);
        }
        let kept = training.net.infer(&images(10, BATCH)).unwrap();
        training.embed(11, BATCH);
        all.extend(
            kept.taps
                .values()
                .map(|tap| tap.numbers().unwrap().into_owned()),
        );
        // A way back to the images, which is not recorded, of a pass that was.
        let (output, tape) = training.forward(&images(12, BATCH));
        let grads = OutputGrads {
            embedding: Some(value("gradient", output.embedding.shape())),
            ..OutputGrads::default()
        };
        let dx = training.net.backward(tape, grads, true).unwrap().unwrap();
        all.push(dx.to_vec());
        Some(all)
    };
    if let (Some(recorded), Some(plain)) = (run(true), run(false)) {
        same(&recorded, &plain);
    }
}

/// A step of iResNet-50 is 660 calls; recorded, it is a handful. The numbers that go in and out
/// travel as before, and no memory is taken.
#[test]
fn a_step_takes_two_launches_of_what_was_recorded() {
    let Some(gpu) = own(true) else { return };
    let params = json!({ "width": 0.25 });
    let mut training = Training::new(&gpu, "iresnet50", params, Precision::F32);
    // Once, timed, and recorded from then on.
    let counts: Vec<Counts> = (0..8)
        .map(|step| training.counted(|t| drop(t.step(2 * step + 1, BATCH))))
        .collect();
    for (step, counts) in counts.iter().enumerate() {
        println!("step {step}: {counts:?}");
        assert_eq!(counts.graphs, if step < 2 { 0 } else { 2 });
        assert_eq!((counts.uploads, counts.downloads), (2, 1));
    }
    for counts in &counts[5..] {
        assert_eq!((counts.library_calls, counts.allocations), (0, 0));
        // The images, the gradient and the optimiser.
        assert_eq!(counts.launches, 3);
    }
    let embed: Vec<Counts> = (0..6)
        .map(|step| training.counted(|t| drop(t.net.infer(&images(step, BATCH)).unwrap())))
        .collect();
    assert_eq!((embed[5].graphs, embed[5].launches), (1, 1));
}

/// Masks of dropout come from the host: such trainings are not recorded, and learn all the same.
#[test]
fn dropout_is_drawn_anew_in_every_step() {
    let run = |recording: bool| {
        let gpu = own(recording)?;
        let params = json!({ "width": 0.25, "dropout": 0.4 });
        let mut training = Training::new(&gpu, "iresnet18", params, Precision::F32);
        let mut all: Vec<Vec<f32>> = (0..6).map(|step| training.step(step, BATCH)).collect();
        assert_eq!(gpu.counts().graphs, 0);
        all.push(training.end());
        Some(all)
    };
    if let (Some(recorded), Some(plain)) = (run(true), run(false)) {
        same(&recorded, &plain);
    }
}

/// Whoever mistypes the variable is told.
#[test]
fn the_variable_that_forbids_recordings_has_one_value() {
    if gpu().is_none() {
        return;
    }
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("frbench"));
    command.args(["bench", "--device", "cuda:0", "--check"]);
    let out = command.env("FRBENCH_GRAPHS", "0").output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr);
    let why = "error: FRBENCH_GRAPHS: `0` is not `never`, which is all that it can be";
    assert!(text.starts_with(why), "{text}");
}

/// A network may be dropped by a thread that has never used the GPU; nobody else hears of it.
#[test]
fn what_was_recorded_is_dropped_anywhere() {
    let Some(gpu) = own(true) else { return };
    let params = json!({ "width": 0.25 });
    let new = || Training::new(&gpu, "mobilefacenet", params.clone(), Precision::F32);
    let (mut one, other) = (new(), new());
    for step in 0..4 {
        one.step(step, BATCH);
    }
    assert!(one.net.is_recorded());
    std::thread::spawn(move || drop(one)).join().unwrap();
    other.embed(0, BATCH);
}

/// Many threads on one GPU, some of which record: what they give it ends up where it belongs.
#[test]
fn threads_that_record_have_the_gpu_for_themselves() {
    let run = |recording: bool| {
        let gpu = own(recording)?;
        let train = |name: &'static str| {
            let gpu = gpu.clone();
            std::thread::spawn(move || {
                let params = json!({ "width": 0.25 });
                let mut training = Training::new(&gpu, name, params, Precision::F32);
                for step in 0..7 {
                    training.step(2 * step + 1, BATCH);
                }
                training.end()
            })
        };
        let threads = ["mobilefacenet", "iresnet18", "mobilefacenet"].map(train);
        Some(threads.map(|thread| thread.join().unwrap()))
    };
    if let (Some(recorded), Some(plain)) = (run(true), run(false)) {
        same(&recorded, &plain);
    }
}

/// In a process of its own, on a stand-in with little memory.
#[test]
fn a_training_that_fits_is_not_driven_out_by_recordings() {
    passes_with_memory((2 * 32 + 18) << 20, "passes::a_training_in_little_memory");
}

/// The process of the test before.
#[test]
fn a_training_in_little_memory() {
    if !in_little_memory() {
        return;
    }
    let gpu = own(true).expect("a GPU");
    let params = json!({ "width": 0.25 });
    let mut training = Training::new(&gpu, "iresnet18", params, Precision::F32);
    for step in 0..6 {
        training.step(step, BATCH);
        training.embed(step, BATCH);
    }
    let (free, all) = gpu.memory().unwrap().unwrap();
    println!("{free} of {all} bytes are free");
    assert!(all > 100 << 20 || free < 6 << 20, "that is not little");
}
