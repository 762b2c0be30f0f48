//! Networks on a GPU against the same networks on the CPU: every backbone, forward, backward and
//! optimiser.

use crate::common::gpu::{gpu, own};
use frbench::Size;
use frbench::backbone::{self, BACKBONES};
use frbench::compare::relative_error;
use frbench::engine::device::Counts;
use frbench::engine::{Device, Graph, Network, Output, OutputGrads, Sgd, TrainMode, Value};
use frbench::job::{BackboneSpec, OptimizerSpec, Precision};
use frbench::rng::Stream;
use serde_json::json;
use std::collections::BTreeMap;

fn graph(name: &str, size: impl Into<Size>, width: f64) -> Graph {
    let mut params = json!({ "width": width });
    if name == "mobilenetv2" {
        params["stem_stride"] = json!(1);
    }
    let spec = BackboneSpec {
        name: name.into(),
        embedding: 16,
        params: serde_json::from_value(params).unwrap(),
        conv: Default::default(),
    };
    backbone::build(&spec, size).unwrap()
}

fn normal(seed: &str, n: usize) -> Vec<f32> {
    let mut stream = Stream::derive(7, seed, &[]);
    (0..n).map(|_| stream.normal() as f32).collect()
}

fn value(seed: &str, shape: [usize; 4]) -> Value {
    Value::new(shape, normal(seed, shape.iter().product())).unwrap()
}

/// A network whose parameters and statistics are all of no special value.
fn network(graph: Graph) -> Network {
    let mut net = Network::new(graph);
    net.init(3);
    let mut state = net.state_dict();
    for (name, (_, values)) in &mut state {
        let noise = normal(name, values.len());
        for (v, e) in values.iter_mut().zip(noise) {
            *v = match name.ends_with("running_var") {
                true => *v * (0.2 * e).exp(),
                false => *v + 0.02 * e,
            };
        }
    }
    net.load_state_dict(&state).unwrap();
    net
}

/// The same network on the GPU.
fn moved(net: &Network, gpu: &Device, precision: Precision) -> Network {
    let mut twin = net.clone();
    twin.move_to(gpu, precision).unwrap();
    twin
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Distances by what is compared, for as many batches as it takes, of which the nearest is judged.
///
/// Activations have kinks and maxima have rivals: in deep networks rounding now and then decides
/// between two slopes, and the gradients of that batch are off by far more than rounding. What is
/// wrong is wrong for every batch. Batch norms over a handful of values magnify rounding, too;
/// what the CPU's own values do when images and parameters move by one rounding is allowed for.
#[derive(Default)]
struct Distances(BTreeMap<String, Vec<f64>>);

const ALLOWANCE: &str = "the CPU's own";
/// Where more is allowed, nothing is told.
const TELLING: f64 = 0.02;

impl Distances {
    fn add(&mut self, what: &str, got: &[f32], want: &[f32]) {
        let off = relative_error(&wide(got), &wide(want));
        self.0.entry(what.into()).or_default().push(off);
    }

    fn add_outputs(&mut self, what: &str, got: &Output, want: &Output) {
        let (e, f) = (&got.embedding, &want.embedding);
        self.add(&format!("{what}: embedding"), e.data(), f.data());
        assert_eq!(got.taps.len(), want.taps.len());
        for (name, tap) in &got.taps {
            let want = &want.taps[name];
            assert_eq!(tap.shape(), want.shape());
            let what = format!("{what}: tap {name}");
            self.add(&what, &tap.numbers().unwrap(), want.data());
        }
    }

    fn allow(&mut self, sensitivity: f64) {
        let all = self.0.entry(ALLOWANCE.into()).or_default();
        all.push(sensitivity);
    }

    /// What is off by most, by how much, and what is allowed.
    fn worst(&self) -> (&str, f64, f64) {
        let allowed = self.0.get(ALLOWANCE);
        let mut allowance = allowed.cloned().unwrap_or(vec![0.0]);
        allowance.sort_by(f64::total_cmp);
        let most = TOLERANCE + 4.0 * allowance[allowance.len() / 2];
        let least = |all: &Vec<f64>| all.iter().copied().fold(f64::INFINITY, f64::min);
        let compared = self.0.iter().filter(|(what, _)| *what != ALLOWANCE);
        let nearest = compared.map(|(what, all)| (what.as_str(), least(all)));
        let (what, worst) = nearest.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        (what, worst, most)
    }

    /// Whether no further batch is needed.
    fn are_small(&self) -> bool {
        let (_, worst, most) = self.worst();
        worst < most && most < TELLING
    }

    fn check(self) {
        let (what, worst, most) = self.worst();
        println!("{what}: {worst:.1e} of {most:.1e}");
        assert!(worst < most, "{what}: off by {worst}, more than {most}");
        assert!(most < TELLING, "{what}: nothing would be wrong");
    }
}

/// Gradients at the embedding and at all taps.
fn grads(output: &Output) -> OutputGrads {
    let of = |name: &str, v: &Value| value(&format!("gradient {name}"), v.shape());
    OutputGrads {
        embedding: Some(of("embedding", &output.embedding)),
        taps: output
            .taps
            .iter()
            .map(|(name, tap)| (name.clone(), of(name, tap)))
            .collect(),
    }
}

/// What rounding may cost: how far the CPU's own embeddings and gradients of the parameters move
/// when images and parameters move by a part `by` of their size. In training batch norms are over
/// `group` images; without a group it is evaluation.
fn sensitivity(
    net: &Network,
    x: &Value,
    group: Option<usize>,
    seed: &OutputGrads,
    by: f32,
) -> [f64; 2] {
    let shake = |what: &str, values: &mut [f32]| {
        let noise = normal(what, values.len());
        for (v, e) in values.iter_mut().zip(noise) {
            *v *= 1.0 + by * e;
        }
    };
    let pass = |net: &Network, x: &Value| {
        let traced = match group {
            Some(group) => net.trace_training(x, mode(group)),
            None => net.trace_evaluation(x),
        };
        let (output, tape) = traced.unwrap();
        let params = net.gradients(tape, seed.clone()).unwrap().params;
        [output.embedding.to_vec(), params]
    };
    let mut images = x.to_vec();
    shake("shaken images", &mut images);
    let images = Value::new(x.shape(), images).unwrap();
    let mut shaken = net.clone();
    shake("shaken parameters", &mut shaken.params_mut().values);
    let (moved, still) = (pass(&shaken, &images), pass(net, x));
    [0, 1].map(|i| relative_error(&wide(&moved[i]), &wide(&still[i])))
}

fn optimiser() -> OptimizerSpec {
    OptimizerSpec {
        momentum: 0.9,
        nesterov: true,
        weight_decay: 5e-4,
        clip: Some(5.0),
        spare_norms: false,
    }
}

/// Of a 32-bit float.
const ROUNDING: f32 = 6e-8;
/// Of a bfloat16.
const LOW_ROUNDING: f32 = 2e-3;
/// Of whole networks; it is the CPU that has the larger part of it, in its Winograd transforms.
const TOLERANCE: f64 = 3e-5;
const SIZE: usize = 32;
const BATCH: usize = 8;
/// Where images know nothing of each other.
const FEW: usize = 2;
const BATCHES: [&str; 3] = ["images", "other images", "more images"];

fn mode(bn_group: usize) -> TrainMode {
    TrainMode {
        bn_group,
        seed: 5,
        step: 2,
    }
}

/// Evaluation, with and without a way back, by statistics that are those of images: by any others
/// the values of a deep network grow from block to block, and rounding with them.
#[test]
fn every_backbone_evaluates_as_the_cpu_does() {
    let Some(gpu) = gpu() else { return };
    for entry in BACKBONES {
        let name = entry.info.name;
        let mut cpu = network(graph(name, SIZE, 0.25));
        let seen = value("seen images", [BATCH, SIZE, SIZE, 3]);
        for _ in 0..20 {
            cpu.forward_train(&seen, mode(BATCH)).unwrap();
        }
        let there = moved(&cpu, &gpu, Precision::F32);
        let (mut off, mut back) = (Distances::default(), Distances::default());
        for batch in BATCHES {
            let x = value(batch, [FEW, SIZE, SIZE, 3]);
            let (got, want) = (there.infer(&x).unwrap(), cpu.infer(&x).unwrap());
            off.add_outputs(&format!("{name}: evaluation"), &got, &want);
            let (got, tape) = there.trace_evaluation(&x).unwrap();
            let (want, cpu_tape) = cpu.trace_evaluation(&x).unwrap();
            off.add_outputs(&format!("{name}: traced evaluation"), &got, &want);
            let seed = grads(&want);
            let got = there.gradients(tape, seed.clone()).unwrap();
            let want = cpu.gradients(cpu_tape, seed.clone()).unwrap();
            let [outputs, gradients] = sensitivity(&cpu, &x, None, &seed, ROUNDING);
            off.allow(outputs);
            back.allow(gradients);
            back.add(&format!("{name}: parameters"), &got.params, &want.params);
            back.add(
                &format!("{name}: images"),
                got.input.data(),
                want.input.data(),
            );
            if off.are_small() && back.are_small() {
                break;
            }
        }
        off.check();
        back.check();
    }
}

/// With batch norms over parts of the batch, as all of it is one of them.
#[test]
fn every_backbone_learns_as_the_cpu_does() {
    let names = BACKBONES.iter().map(|entry| entry.info.name);
    learn_as_the_cpu_does(names, BATCH / 2, SIZE.into());
}

/// The last maps of both are read by one kernel as large as they are, or by a dense layer.
#[test]
fn images_that_are_not_square_are_learned_as_on_the_cpu() {
    let size = Size {
        height: 48,
        width: 32,
    };
    learn_as_the_cpu_does(["iresnet18", "mobilefacenet"], BATCH / 2, size);
}

/// Of each way to be made, one.
#[test]
fn backbones_learn_from_whole_batches_as_the_cpu_does() {
    let names = ["cbam-iresnet18", "mobilefacenet", "mobilenetv2"];
    learn_as_the_cpu_does(names, BATCH, SIZE.into());
}

/// Training with gradients of everything, and two optimiser steps.
fn learn_as_the_cpu_does(names: impl IntoIterator<Item = &'static str>, group: usize, size: Size) {
    let Some(gpu) = gpu() else { return };
    for name in names {
        let start = network(graph(name, size, 0.25));
        let what = format!("{name} in groups of {group}");
        let (mut off, mut back) = (Distances::default(), Distances::default());
        for batch in BATCHES {
            let x = value(batch, [BATCH, size.height, size.width, 3]);
            let mut cpu = start.clone();
            let mut there = moved(&cpu, &gpu, Precision::F32);
            let mut sgd = Sgd::new(&optimiser(), cpu.params().values.len());
            let mut cpu_sgd = sgd.clone();
            let (got, tape) = there.forward_train(&x, mode(group)).unwrap();
            let (want, cpu_tape) = cpu.forward_train(&x, mode(group)).unwrap();
            off.add_outputs(&what, &got, &want);
            let seed = grads(&want);
            let [forth, and_back] = sensitivity(&cpu, &x, Some(group), &seed, ROUNDING);
            off.allow(forth);
            back.allow(and_back);
            let got = there.backward(tape, seed.clone(), true).unwrap().unwrap();
            let want = cpu.backward(cpu_tape, seed, true).unwrap().unwrap();
            back.add(&format!("{what}: images"), got.data(), want.data());
            // The second is of momentum and decay alone.
            for _ in 0..2 {
                let norm = there.step(&mut sgd, 0.01).unwrap().unwrap() as f32;
                let cpu_norm = cpu.step(&mut cpu_sgd, 0.01).unwrap().unwrap() as f32;
                back.add(&format!("{what}: norm"), &[norm], &[cpu_norm]);
            }
            there.pull(&mut sgd).unwrap();
            back.add(
                &format!("{what}: velocity"),
                sgd.velocity(),
                cpu_sgd.velocity(),
            );
            let (got, want) = (there.state_dict(), cpu.state_dict());
            for (tensor, (_, values)) in &got {
                back.add(&format!("{what}: {tensor}"), values, &want[tensor].1);
            }
            if off.are_small() && back.are_small() {
                break;
            }
        }
        off.check();
        back.check();
    }
}

/// bfloat16 has 8 bits of fraction; what is summed is in 32.
#[test]
fn bfloat16_is_near_and_learns_the_same() {
    let Some(gpu) = gpu() else { return };
    for name in ["iresnet18", "mobilefacenet"] {
        let mut cpu = network(graph(name, SIZE, 0.25));
        let mut there = moved(&cpu, &gpu, Precision::Bf16);
        let x = value("images", [BATCH, SIZE, SIZE, 3]);
        let (got, want) = (there.infer(&x).unwrap(), cpu.infer(&x).unwrap());
        let (got, want) = (wide(got.embedding.data()), wide(want.embedding.data()));
        let off = relative_error(&got, &want);
        assert!(off < 3e-2, "{name}: evaluation off by {off}");
        let spec = OptimizerSpec {
            clip: None,
            ..optimiser()
        };
        let mut sgd = Sgd::new(&spec, cpu.params().values.len());
        let mut cpu_sgd = sgd.clone();
        let (output, tape) = there.forward_train(&x, mode(BATCH)).unwrap();
        let (_, cpu_tape) = cpu.forward_train(&x, mode(BATCH)).unwrap();
        let seed = OutputGrads {
            embedding: grads(&output).embedding,
            ..OutputGrads::default()
        };
        let [_, params] = sensitivity(&cpu, &x, Some(BATCH), &seed, LOW_ROUNDING);
        there.backward(tape, seed.clone(), false).unwrap();
        cpu.backward(cpu_tape, seed, false).unwrap();
        there.step(&mut sgd, 0.01).unwrap();
        cpu.step(&mut cpu_sgd, 0.01).unwrap();
        there.pull(&mut sgd).unwrap();
        let off = relative_error(&wide(sgd.velocity()), &wide(cpu_sgd.velocity()));
        assert!(
            off < 3.0 * params,
            "{name}: gradients off by {off}, {params} by rounding"
        );
        // Master weights are in 32 bits: they are those of bfloat16 nowhere.
        let whole = there.params().values.iter();
        assert!(whole.clone().any(|v| v.to_bits() & 0xffff != 0));
        assert!(off > 1e-4, "{name}: that is not bfloat16");
    }
}

#[test]
fn the_same_twice_is_the_same_bits() {
    let Some(gpu) = gpu() else { return };
    let run = || {
        let mut net = moved(
            &network(graph("mobilefacenet", SIZE, 0.25)),
            &gpu,
            Precision::F32,
        );
        let mut sgd = Sgd::new(&optimiser(), net.params().values.len());
        let x = value("images", [BATCH, SIZE, SIZE, 3]);
        for _ in 0..2 {
            let (output, tape) = net.forward_train(&x, mode(BATCH)).unwrap();
            net.backward(tape, grads(&output), false).unwrap();
            net.step(&mut sgd, 0.1).unwrap();
        }
        net.pull(&mut sgd).unwrap();
        (net.state_dict(), sgd.velocity().to_vec())
    };
    assert_eq!(run(), run());
}

/// Which parameters are batch norms' is the host's affair; the device knows of it.
#[test]
fn batch_norms_can_be_spared_the_decay() {
    let Some(gpu) = gpu() else { return };
    let mut cpu = network(graph("mobilefacenet", SIZE, 0.25));
    let mut there = moved(&cpu, &gpu, Precision::F32);
    let spec = OptimizerSpec {
        weight_decay: 0.5,
        spare_norms: true,
        ..optimiser()
    };
    let (mut sgd, mut cpu_sgd) = (there.sgd(&spec), cpu.sgd(&spec));
    let grads: Vec<f32> = cpu.params().values.iter().map(|v| 0.1 - v / 3.0).collect();
    for _ in 0..2 {
        there.add_grads(&grads).unwrap();
        cpu.add_grads(&grads).unwrap();
        there.step(&mut sgd, 0.1).unwrap();
        cpu.step(&mut cpu_sgd, 0.1).unwrap();
    }
    there.pull(&mut sgd).unwrap();
    let off = relative_error(&wide(&there.params().values), &wide(&cpu.params().values));
    assert!(off < 1e-6, "off by {off}");
}

/// What a training step asks of the GPU where it is not recorded, after the first, which finds its
/// memory.
fn per_step(gpu: &Device, name: &str, precision: Precision) -> Counts {
    let mut net = moved(&network(graph(name, SIZE, 0.25)), gpu, precision);
    let spec = OptimizerSpec {
        clip: None,
        ..optimiser()
    };
    let mut sgd = Sgd::new(&spec, net.params().values.len());
    let x = value("images", [BATCH, SIZE, SIZE, 3]);
    let mut step = || {
        let before = gpu.counts();
        let (output, tape) = net.forward_train(&x, mode(BATCH)).unwrap();
        let seed = OutputGrads {
            embedding: Some(value("gradient", output.embedding.shape())),
            ..OutputGrads::default()
        };
        drop(output);
        net.backward(tape, seed, false).unwrap();
        net.step(&mut sgd, 0.1).unwrap();
        gpu.counts() - before
    };
    step();
    step()
}

/// A GPU takes some microseconds for each launch: the step of iResNet-50 (53 convolutions, 54
/// batch norms, a linear layer) is to take no more than these.
#[test]
fn a_training_step_of_iresnet50_takes_few_launches_and_no_new_memory() {
    let Some(gpu) = own() else { return };
    gpu.allow_recording(false);
    let counts = per_step(&gpu, "iresnet50", Precision::F32);
    let low = per_step(&gpu, "iresnet50", Precision::Bf16);
    println!("f32: {counts:?}\nbf16: {low:?}");
    // Three calls for each convolution but the first, which has no gradient of its input, and
    // three products of the linear layer.
    assert_eq!(counts.library_calls, 53 * 3 - 1 + 3);
    assert_eq!(low.library_calls, counts.library_calls);
    assert!(counts.launches <= 520, "{counts:?}");
    // One more for each weight, whose gradient joins the others in 32 bits.
    assert!(low.launches <= 580, "{low:?}");
    for counts in [counts, low] {
        assert_eq!(counts.allocations, 0, "{counts:?}");
        // Images and gradient go there, the embedding comes back.
        assert_eq!((counts.uploads, counts.downloads), (2, 1));
    }
}
