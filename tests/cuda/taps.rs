//! Losses that take less than whole maps of taps that lie on a GPU: they say and give back what
//! they do on the CPU, and the maps stay there.

use crate::common::gpu::{gpu, own};
use candle_core::{DType, Tensor};
use frbench::compare::relative_error;
use frbench::distill::{self, DistillInput, Outputs, Taps};
use frbench::engine::device::Counts;
use frbench::engine::{Conv, Device, GraphBuilder, Network, OutputGrads, TrainMode, Value};
use frbench::job::Precision;
use frbench::rng::Stream;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const BATCH: usize = 5;

/// Two taps with channels that are read one by one, and four at once, more than a block has lanes.
/// Without kinks, where rounding could decide.
fn network(seed: u64) -> Network {
    let mut b = GraphBuilder::new([11, 9, 3]);
    let x = b.input();
    let x = b.conv(x, "a", Conv::new(37, 3));
    b.tap("stage1", x);
    let x = b.sigmoid(x);
    let x = b.conv(x, "b", Conv::new(140, 3).stride(2));
    b.tap("stage2", x);
    let x = b.sigmoid(x);
    let x = b.global_avg_pool(x);
    let mut network = Network::new(b.finish(x).unwrap());
    network.init(seed);
    network
}

fn images() -> Value {
    let mut stream = Stream::derive(7, "images", &[]);
    let count = BATCH * 11 * 9 * 3;
    let numbers = (0..count).map(|_| stream.normal() as f32).collect();
    Value::new([BATCH, 11, 9, 3], numbers).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// A loss with its gradients of the taps and of the student's parameters.
struct Lesson {
    loss: f64,
    taps: BTreeMap<String, Vec<f64>>,
    params: Vec<f64>,
    /// What the loss and the gradients of the taps asked of the student's GPU.
    counts: Counts,
}

/// A place and an arithmetic for a network.
type Place<'a> = (&'a Device, Precision);

fn lesson(losses: &[(&str, Json)], [ours, theirs]: [Place; 2]) -> Lesson {
    let on = |seed: u64, (device, precision): Place| {
        let mut network = network(seed);
        network.move_to(device, precision).unwrap();
        network
    };
    let (student, teacher) = (on(3, ours), on(4, theirs));
    let mode = TrainMode {
        bn_group: BATCH,
        seed: 5,
        step: 2,
    };
    let (output, tape) = student.trace_training(&images(), mode).unwrap();
    let own = Taps::of_student(output.taps);
    let constant = Taps::of_teacher(teacher.infer(&images()).unwrap().taps);
    let before = ours.0.counts();
    let embeddings = Tensor::zeros((BATCH, 4), DType::F32, &candle_core::Device::Cpu).unwrap();
    let view = |taps| Outputs {
        taps: Some(taps),
        ..Outputs::of_embeddings(&embeddings)
    };
    let input = DistillInput {
        student: view(&own),
        teacher: view(&constant),
        ..DistillInput::of_embeddings(&embeddings, &embeddings)
    };
    let all = losses.iter().map(|(name, params)| {
        let params = serde_json::from_value(params.clone()).unwrap();
        let mut loss = distill::build(name, &params).unwrap();
        loss.loss(&input).unwrap()
    });
    let loss = all.reduce(|a, b| (a + b).unwrap()).unwrap();
    let grads = own.gradients(&loss.backward().unwrap()).unwrap();
    let counts = ours.0.counts() - before;
    let taps = grads.iter();
    let taps = taps.map(|(name, grad)| (name.clone(), wide(&grad.numbers().unwrap())));
    let taps = taps.collect();
    let seed = OutputGrads {
        embedding: None,
        taps: grads,
    };
    Lesson {
        loss: f64::from(loss.to_scalar::<f32>().unwrap()),
        taps,
        params: wide(&student.gradients(tape, seed).unwrap().params),
        counts,
    }
}

#[track_caller]
fn alike(what: &str, got: &Lesson, want: &Lesson, [loss, grads]: [f64; 2]) {
    let off = (got.loss - want.loss).abs() / want.loss;
    assert!(off < loss, "{what}: the loss is {off} off");
    assert!(got.taps.keys().eq(want.taps.keys()), "{what}");
    let taps = got.taps.iter().map(|(name, grad)| {
        let off = relative_error(grad, &want.taps[name]);
        (name.as_str(), off)
    });
    let params = relative_error(&got.params, &want.params);
    for (of, off) in taps.chain([("the parameters", params)]) {
        assert!(off < grads, "{what}: the gradient of {of} is {off} off");
    }
}

fn at(taps: &[&str], p: u32) -> (&'static str, Json) {
    ("at", json!({"taps": taps, "p": p}))
}

fn pooled() -> (&'static str, Json) {
    let params = json!({"lambda": 2.0, "maps": "channel-pooling"});
    ("a-skd", params)
}

fn fitnet() -> (&'static str, Json) {
    ("fitnet", json!({"taps": ["stage1", "stage2"]}))
}

const F32: Precision = Precision::F32;

#[test]
fn losses_over_taps_on_the_gpu_are_those_on_the_cpu_and_the_taps_stay_there() {
    let Some(device) = own() else { return };
    let both = ["stage1", "stage2"];
    // Launches, downloads and uploads, for each of two taps: a number a pixel of either network
    // comes, and one goes; or one number comes.
    for (loss, asked) in [
        (at(&both, 2), [3, 2, 1]),
        (at(&both, 3), [3, 2, 1]),
        (pooled(), [3, 2, 1]),
        (fitnet(), [2, 1, 0]),
    ] {
        let what = format!("{} {}", loss.0, loss.1);
        let loss = [loss];
        let there = lesson(&loss, [(&device, F32); 2]);
        let here = lesson(&loss, [(&Device::CPU, F32); 2]);
        alike(&what, &there, &here, [1e-5, 1e-5]);
        let c = there.counts;
        let got = [c.launches, c.downloads, c.uploads];
        assert_eq!(got, asked.map(|n| 2 * n), "{what}");
        let again = lesson(&loss, [(&device, F32); 2]);
        assert!(
            again.loss == there.loss && again.taps == there.taps,
            "{what}"
        );
        assert_eq!(again.params, there.params, "{what}");
    }
}

/// With whole maps among them, whose gradients come from the host.
#[test]
fn gradients_of_a_tap_that_is_looked_at_in_several_ways_add_up_on_the_gpu() {
    let Some(device) = gpu() else { return };
    let similar = ("sp", json!({"normalize": "gram-rows", "taps": ["stage2"]}));
    let all = [at(&["stage2"], 2), similar, fitnet(), pooled()];
    let there = lesson(&all, [(&device, F32); 2]);
    let here = lesson(&all, [(&Device::CPU, F32); 2]);
    alike("several", &there, &here, [1e-5, 1e-5]);
}

#[test]
fn networks_in_two_places_are_compared_as_in_one() {
    let (Some(device), Some(other)) = (gpu(), own()) else {
        return;
    };
    let all = [at(&["stage1"], 2), fitnet(), pooled()];
    let here = lesson(&all, [(&Device::CPU, F32); 2]);
    for places in [
        [&device, &Device::CPU],
        [&Device::CPU, &device],
        [&device, &other],
    ] {
        let there = lesson(&all, places.map(|place| (place, F32)));
        alike(&format!("{places:?}"), &there, &here, [1e-5, 1e-5]);
    }
}

/// The student's maps are those of its arithmetic, the teacher's of its own.
#[test]
fn networks_in_two_arithmetics_are_compared() {
    let Some(device) = gpu() else { return };
    let low = Precision::Bf16;
    for loss in [at(&["stage1", "stage2"], 2), fitnet(), pooled()] {
        let what = format!("{} {}", loss.0, loss.1);
        let loss = [loss];
        let here = lesson(&loss, [(&Device::CPU, F32); 2]);
        for precisions in [[low, low], [low, F32], [F32, low]] {
            let there = lesson(&loss, precisions.map(|precision| (&device, precision)));
            alike(&what, &there, &here, [3e-2, 3e-2]);
        }
    }
}
